#include "gan/pack_slots.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "nets/architectures.hpp"

namespace ganymede::gan {
namespace {

TEST(PackSlots, CountsThePlacesOfEachSlot) {
  for (const int64_t slots : {1, 2, 3})
    for (int64_t slot = 0; slot < slots; ++slot) {
      int64_t before = 0;
      for (int64_t end = 0; end < 20; ++end) {
        EXPECT_EQ(slot_places_before(end, slot, slots), before);
        before += end % slots == slot;
      }
    }
}

// gan-systems 21: each slot with its own statistics, the buffers with the average of both.
TEST(PackSlots, EachIsAForwardOfItsOwn) {
  at::manual_seed(1);
  nets::GeneratorConfig config;
  config.kind = nets::Kind::mlp, config.width = 6, config.depth = 2, config.norm = nets::Norm::batch;
  const auto make = [&] {
    auto net = nets::make_generator(config, {4, nets::Prior::normal}, {true, 0, 0, 0, 2});
    net->to(at::kDouble);
    net->initialize(Rng(1), 0);
    return net;
  };
  const auto whole = make(), even = make(), odd = make();
  const auto z = at::randn({10, 4}, at::kDouble);
  Share share;
  share.rows = 10;
  const auto y = forward_by_slots(*whole, z, {}, share, nets::Source::d_fake, 2);
  using at::indexing::Slice;
  const nets::Pass pass;
  EXPECT_TRUE(at::equal(y.index({Slice(0, at::indexing::None, 2)}), even->forward(z.index({Slice(0, at::indexing::None, 2)}), pass)));
  EXPECT_TRUE(at::equal(y.index({Slice(1, at::indexing::None, 2)}), odd->forward(z.index({Slice(1, at::indexing::None, 2)}), pass)));
  const auto buffers = whole->named_buffers(), of_even = even->named_buffers(), of_odd = odd->named_buffers();
  for (const auto& item : buffers) {
    const auto expected = item.value().is_floating_point() ? (of_even[item.key()] + of_odd[item.key()]) / 2.0 : of_even[item.key()];
    EXPECT_TRUE(at::allclose(item.value(), expected, 1e-14, 1e-14)) << item.key();
  }
}

}  // namespace
}  // namespace ganymede::gan

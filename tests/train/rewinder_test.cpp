// parallel.on_nonfinite = "rewind": after a passing fault the run is bit for bit the one without it; a lasting one costs one update.
#include "train/rewinder.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "comm/thread_ranks.hpp"
#include "data/build.hpp"

namespace ganymede::train {
namespace {

constexpr int64_t iterations = 8, kept_at = 3;
enum class Fails { never, once, always };

class Rewind : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / fmt::format("ganymede-rewind-{}", getpid());
    storage::Hdf5Thread hdf5;
    data::MixtureOptions options;
    options.output = folder_;
    options.samples = 500;
    data::synth_mixture(data::ring(8, 2.0, 0.1), options, hdf5);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  RunConfig config() const {
    const auto text = fmt::format("[run]\nsteps = {}\n[data]\npath = '{}'\nglobal_batch = 24\n[latent]\nsize = 4\n[generator]\nkind = 'mlp'\nwidth = 8\nnorm = 'batch'\n"
                                  "[discriminator]\nkind = 'mlp'\nwidth = 8\n[objective]\nd_steps = 2\n[parallel]\non_nonfinite = 'rewind'\n",
                                  iterations, folder_.string());
    return read_config(parse_source(text, "test", {}));
  }

  struct Result {
    State state;
    int64_t rewinds = 0, left_out = 0;
  };
  // The last rank's gradient of `player` fails at its step `at`.
  Result run(int ranks, Fails fails, gan::Player player, int64_t at, int64_t most = 3) const {
    Result result;
    comm::run_thread_ranks(ranks, [&](comm::Communicator& communicator) {
      storage::Hdf5Thread hdf5;
      Session session(config(), communicator, hdf5);
      Rewinder rewinder(session, nullptr, most);
      rewinder.keep(0);
      if (communicator.rank() == ranks - 1 && fails != Fails::never) {
        auto has_failed = std::make_shared<bool>(false);
        session.flat(player).slots()[0].parameter.register_hook([=, &session](const at::Tensor& gradient) {
          const int64_t done = player == gan::Player::generator ? session.g_steps_done() : session.d_steps_done();
          if (done != at || (fails == Fails::once && *has_failed)) return gradient;
          *has_failed = true;
          return gradient * NAN;
        });
      }
      for (int64_t step = 0; step < iterations;) {
        try {
          session.run_iteration();
          if (++step == kept_at || step == iterations) session.settle();
          if (step == kept_at) rewinder.keep(step);
        } catch (const gan::NotFinite& fault) {
          step = rewinder.go_back(fault);
        }
      }
      if (communicator.rank() == 0) result = {session.capture(), rewinder.count(), session.step().guard().count()};
    });
    return result;
  }

  static bool are_equal(const State& a, const State& b) {
    if (a.tensors.size() != b.tensors.size()) return false;
    for (const auto& [name, tensor] : a.tensors)
      if (!at::equal(tensor, b.tensors.at(name))) return false;
    return true;
  }
  std::filesystem::path folder_;
};

TEST_F(Rewind, APassingFaultLeavesNoTrace) {
  for (const int ranks : {1, 2, 4}) {
    const auto whole = run(ranks, Fails::never, gan::Player::generator, 0);
    EXPECT_EQ(whole.rewinds, 0);
    for (const auto player : {gan::Player::generator, gan::Player::discriminator})
      for (const int64_t at : {1, 7}) {  // before and after the checkpoint
        const auto mended = run(ranks, Fails::once, player, at);
        EXPECT_EQ(mended.rewinds, 1);
        EXPECT_EQ(mended.left_out, 0);
        EXPECT_TRUE(are_equal(mended.state, whole.state)) << ranks << " ranks, " << gan::name_of(player) << " at step " << at;
      }
  }
}

TEST_F(Rewind, ALastingFaultCostsOneUpdate) {
  for (const int ranks : {1, 2}) {
    const auto whole = run(ranks, Fails::never, gan::Player::generator, 0);
    const auto mended = run(ranks, Fails::always, gan::Player::discriminator, 7);
    EXPECT_EQ(mended.rewinds, 1);
    EXPECT_EQ(mended.left_out, 1);
    EXPECT_FALSE(are_equal(mended.state, whole.state));
    for (const auto& [name, tensor] : mended.state.tensors) EXPECT_TRUE(at::isfinite(tensor).all().item<bool>()) << name;
  }
}

TEST_F(Rewind, ItEndsWhenUsedUp) { EXPECT_THROW(run(2, Fails::once, gan::Player::generator, 2, 0), gan::NotFinite); }

}  // namespace
}  // namespace ganymede::train

#include "train/generation.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.hpp"
#include "evaluate/draws.hpp"
#include "gan/class_planes.hpp"
#include "train/session.hpp"

namespace ganymede::train {
namespace {

constexpr int64_t samples_at_once = 250;

}  // namespace

TrainedGenerator open_generator(const std::filesystem::path& from, bool raw, storage::Hdf5Thread& hdf5) {
  const auto found = checkpoint::find(from);
  const auto snapshot = checkpoint::load_newest(found, hdf5, check_snapshot);
  TrainedGenerator generator{.config = read_config(parse_source(snapshot.recipe, "the checkpoint's config.toml", {})),
                             .counters = snapshot.counters,
                             .run = found.run,
                             .folder = snapshot.folder,
                             .named_checkpoint = found.named_checkpoint,
                             .network = {},
                             .raw = raw,
                             .classes = 0};
  generator.network = load_network(generator.config, snapshot.model, gan::Player::generator, raw);
  if (generator.config.conditional.kind != nets::ConditionalKind::none)
    generator.classes = std::get<int64_t>(snapshot.model.attributes.at("generator").at("classes"));  // load_network has checked it
  return generator;
}

at::Tensor eval_latents(const TrainedGenerator& generator, uint64_t seed, int64_t count) {
  return nets::latents(Rng(seed), generator.config.latent, Draw{Purpose::eval, 0, evaluate::EvalIndex::latents}, 0, count,
                       gan::scalar_type(generator.config.run.precision));
}

at::Tensor cycling_labels(int64_t classes, int64_t count) {
  return classes > 0 ? at::arange(count, at::kLong).remainder(classes) : at::Tensor();
}

bool has_running_statistics(const TrainedGenerator& generator) {
  const auto buffers = generator.network->named_buffers();
  return std::any_of(buffers.begin(), buffers.end(), [](const auto& item) { return item.key().ends_with(".running_mean"); });
}

at::Tensor forward_in_parts(nets::Network& network, int64_t classes, const at::Tensor& z, const at::Tensor& labels, int64_t bn_batch) {
  if (labels.defined() != (classes > 0) || (labels.defined() && labels.numel() != z.size(0)))
    throw Error(Fault::bug, "a generator of {} classes is given {} latents and {} classes", classes, z.size(0),
                labels.defined() ? labels.numel() : 0);
  at::NoGradGuard no_graph;
  const int64_t at_once = bn_batch > 0 ? bn_batch : samples_at_once;
  network.train(bn_batch > 0);  // batch norm alone tells the modes apart in a generator
  std::vector<at::Tensor> parts;
  for (int64_t first = 0; first < z.size(0); first += at_once) {
    auto input = z.slice(0, first, first + at_once);
    nets::Pass pass;
    if (labels.defined()) {
      pass.labels = labels.slice(0, first, first + at_once);
      input = at::cat({input, gan::one_hot(pass.labels, classes, z.scalar_type())}, 1);
    }
    parts.push_back(network.forward(input, pass).to(at::kFloat));
  }
  network.eval();
  return at::cat(parts);
}

at::Tensor generate(const TrainedGenerator& generator, const at::Tensor& z, const at::Tensor& labels, int64_t bn_batch) {
  const auto samples = forward_in_parts(*generator.network, generator.classes, z, labels, bn_batch);
  if (!at::isfinite(samples).all().item<bool>())
    throw Error(Fault::numeric, "the generator of {} makes values that are not finite", generator.folder.string())
        .cause("its weights hold NaN or infinity")
        .remedy("name an older checkpoint of the run, by its path");
  return samples;
}

at::Tensor as_stored(const at::Tensor& samples) {
  if (samples.dim() == 2) return samples.contiguous();
  return (samples * 127.5 + 128.0).floor().clamp(0, 255).to(at::kByte).permute({0, 2, 3, 1}).contiguous();
}

}  // namespace ganymede::train

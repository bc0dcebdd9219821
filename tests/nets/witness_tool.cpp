// Makes both networks of a recipe, sends made-up inputs forward and backward, and writes everything to a file, for
// nets_witness.py, which does the same in PyTorch.
//   nets_witness_tool OUT.h5 SIZE|points CLASSES JOINED section.key=value…
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include "config/recipe.hpp"
#include "core/error.hpp"
#include "nets/architectures.hpp"
#include "storage/state_file.hpp"

namespace ganymede {
namespace {

constexpr int64_t rows = 6, latent_size = 5, reference_rows = 4;

struct Recipe {
  nets::GeneratorConfig generator;
  nets::DiscriminatorConfig discriminator;
  nets::ConditionalConfig conditional;
};

Recipe read(const std::vector<std::string>& sets) {
  Recipe r;
  const std::vector<config::Section> sections = {{"generator", [&](config::Fields& f) { describe(f, r.generator); }},
                                                 {"discriminator", [&](config::Fields& f) { describe(f, r.discriminator); }},
                                                 {"conditional", [&](config::Fields& f) { describe(f, r.conditional); }}};
  config::read(config::parse("", "the command line", sets, {}), sections, [&](config::Mistakes& mistakes) {
    for (const auto& mistake : nets::check_networks(r.generator, r.discriminator, r.conditional)) mistakes.add(mistake.key, mistake.text);
  });
  return r;
}

void put(State& state, const std::string& group, const torch::nn::Module& module) {
  for (const auto& item : module.named_parameters()) state.tensors[group + "/" + item.key()] = item.value().detach().clone(at::MemoryFormat::Contiguous);
  for (const auto& item : module.named_buffers()) state.tensors[group + "/" + item.key()] = item.value().detach().clone(at::MemoryFormat::Contiguous);
}

// Twice forward, then backward from the sum of the second's outputs, each times a made-up number; then second derivatives.
void run(State& state, nets::Network& net, int64_t index, const at::Tensor& input, const nets::Pass& pass) {
  const auto& name = net.network_name();
  const Rng rng(11);
  if (net.needs_reference()) {
    auto sizes = input.sizes().vec();
    sizes[0] = reference_rows;
    net.reserve_reference(sizes);
  }
  net.to(at::kDouble);
  net.initialize(rng, index);
  put(state, name + "/initial", net);
  if (net.needs_reference()) net.set_reference(input.narrow(0, 0, reference_rows) * 0.7 + 0.1);
  const auto x = input.clone().requires_grad_(true);
  net.forward(x * 1.0, pass);
  const auto y = net.forward(x * 1.0, pass);
  const auto upstream = rng.normal({Purpose::eval, 1, index}, 0, 1, y.numel()).view(y.sizes());
  y.backward(upstream);
  put(state, name + "/final", net);
  state.tensors[name + "/input"] = input.contiguous();
  state.tensors[name + "/upstream"] = upstream;
  state.tensors[name + "/output"] = y.detach().contiguous();
  state.tensors[name + "/gradient/input"] = x.grad().contiguous();
  for (const auto& [parameter, value] : net.trained_parameters()) state.tensors[name + "/gradient/" + parameter] = value.grad().contiguous();

  // As a penalty on the slope in x needs it.
  const auto slope = torch::autograd::grad({(net.forward(x * 1.0, pass) * upstream).sum()}, {x}, {}, true, /*create_graph=*/true)[0];
  for (const auto& [parameter, value] : net.trained_parameters()) {
    const auto second = torch::autograd::grad({slope.square().sum()}, {value}, {}, /*retain_graph=*/true, false, /*allow_unused=*/true)[0];
    state.tensors[name + "/second/" + parameter] = second.defined() ? second.contiguous() : at::zeros_like(value);
  }
}

int make(const std::vector<std::string>& words) {
  const Recipe r = read({words.begin() + 5, words.end()});
  const bool points = words[2] == "points";
  const int64_t size = points ? 0 : std::stoll(words[2]), classes = std::stoll(words[3]), joined = std::stoll(words[4]);
  const nets::SampleShape shape{points, size, size, points ? 0 : 2, points ? 3 : 0};
  const nets::Conditioning conditioning{r.conditional.kind, classes};
  auto g = nets::make_generator(r.generator, {latent_size, nets::Prior::normal}, shape, conditioning);
  auto d = nets::make_discriminator(r.discriminator, shape, conditioning, joined);
  const Rng draws(13);
  nets::Pass pass;
  pass.rng = &draws, pass.step = 2;
  const auto range = [](nets::Source source, int64_t count) { return nets::RowRange{source, count, 5, count, {}, {}}; };
  pass.ranges = {range(nets::Source::g_fake, rows)};
  pass.labels = at::arange(rows, at::kLong) * 2 % std::max<int64_t>(classes, 1);
  State state;
  state.tensors["labels"] = pass.labels;
  const Rng rng(12);
  run(state, *g, 0, rng.normal({Purpose::eval}, 0, rows, latent_size + conditioning.latent_extra()), pass);
  pass.ranges = {range(nets::Source::d_real, rows / 2), range(nets::Source::d_fake, rows / 2)};
  const int64_t channels = joined * ((points ? shape.features : shape.channels) + conditioning.planes());
  const auto x = rng.normal({Purpose::eval, 2}, 0, rows, points ? channels : channels * size * size);
  run(state, *d, 1, points ? x : x.view({rows, size, size, channels}).permute({0, 3, 1, 2}), pass);
  storage::Hdf5Thread hdf5;
  storage::write_state(hdf5, words[1], state);
  return 0;
}

}  // namespace
}  // namespace ganymede

int main(int argc, char** argv) {
  try {
    return ganymede::make({argv, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}

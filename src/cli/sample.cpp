// ganymede sample: pictures of a trained generator.
#include <ATen/ATen.h>

#include <cstdio>

#include "checkpoint/checkpoint.hpp"
#include "cli/commands.hpp"
#include "core/error.hpp"
#include "report/grid.hpp"
#include "report/png.hpp"
#include "report/scatter.hpp"
#include "storage/state_file.hpp"
#include "train/session.hpp"

namespace ganymede::cli {
namespace {

constexpr int64_t samples_at_once = 250;

struct Options {
  std::string from, output, samples_h5;
  int64_t count = 64;
  std::optional<uint64_t> seed;
  bool raw = false;
};

// The same samples whatever the number at once: each depends on its latent alone, in evaluation mode.
at::Tensor generate(nets::Network& generator, const at::Tensor& z) {
  at::NoGradGuard no_graph;
  std::vector<at::Tensor> parts;
  for (const auto& part : z.split(samples_at_once)) parts.push_back(generator.forward(part).to(at::kFloat));
  return at::cat(parts);
}

// As a shard holds them: uint8 [n,H,W,C], or float32 [n,F].
at::Tensor as_stored(const at::Tensor& samples) {
  if (samples.dim() == 2) return samples.contiguous();
  return report::to_bytes(samples).permute({0, 2, 3, 1}).contiguous();
}

void write_h5(const std::string& file, const at::Tensor& samples, const at::Tensor& z) {
  storage::Hdf5Thread hdf5;
  State state;
  state.tensors["samples"] = as_stored(samples);
  state.tensors["z"] = z.contiguous();
  state.attributes[""] = {{"format", std::string("ganymede-shard")}, {"version", int64_t{1}}, {"layout", std::string(samples.dim() == 2 ? "NF" : "NHWC")}};
  storage::write_state(hdf5, file, state);
}

int run(const Options& options) {
  if (!is_first_process()) return 0;
  storage::Hdf5Thread hdf5;
  const auto snapshot = checkpoint::load_newest(checkpoint::find(options.from), hdf5, train::check_snapshot);
  const auto config = train::read_config(train::parse_source(snapshot.recipe, "the checkpoint's config.toml", {}));
  const auto generator = train::load_generator(config, snapshot.model, options.raw);
  const uint64_t seed = options.seed.value_or(config.run.seed);
  const auto z = nets::latents(Rng(seed), config.latent, Draw{Purpose::eval, 0, 0}, 0, options.count, gan::scalar_type(config.run.precision));
  const auto samples = generate(*generator, z);
  if (!at::isfinite(samples).all().item<bool>())
    throw Error(Fault::numeric, "the generator of {} makes values that are not finite", snapshot.folder.string())
        .cause("its weights hold NaN or infinity")
        .remedy("sample an older checkpoint of the run, by its path");
  const auto picture = samples.dim() == 2 ? report::scatter(samples, report::box_for(samples)) : report::grid(samples);
  if (!options.samples_h5.empty()) write_h5(options.samples_h5, samples, z);  // first: the picture is the last thing that can fail
  report::write_png(options.output, picture,
                    {{"Software", "ganymede"}, {"step", std::to_string(snapshot.counters.step)}, {"seed", std::to_string(seed)},
                     {"recipe_sha256", snapshot.counters.recipe_sha256}});
  std::printf("%s\n", options.output.c_str());
  return 0;
}

}  // namespace

void add_sample(CLI::App& app, Program& program) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("sample", "draw samples of a trained generator");
  command->add_option("run", options->from, "a run folder (its newest checkpoint) or a checkpoint folder")->required();
  command->add_option("-o,--output", options->output, "the PNG to write: a grid of pictures, or a scatter of points")->required();
  command->add_option("--count", options->count, "how many samples")->check(CLI::Range(1, 1'000'000))->capture_default_str();
  command->add_option("--seed", options->seed, "of the latents; the run's own by default");
  command->add_flag("--raw", options->raw, "the trained weights instead of their moving average");
  command->add_option("--samples-h5", options->samples_h5, "also write samples and latents to this HDF5 file");
  command->footer("Example: ganymede sample runs/00000-mnist -o grid.png --count 100 --seed 7");
  command->callback([options, &program] { program.action = [options] { return run(*options); }; });
}

}  // namespace ganymede::cli

// ganymede sample: pictures of a trained generator.
#include <ATen/ATen.h>

#include <charconv>
#include <cstdio>

#include "cli/commands.hpp"
#include "core/error.hpp"
#include "report/grid.hpp"
#include "report/png.hpp"
#include "report/scatter.hpp"
#include "storage/state_file.hpp"
#include "train/generation.hpp"

namespace ganymede::cli {
namespace {

constexpr const char* all_classes = "all";
constexpr int64_t usual_columns = 8;

struct Options {
  std::string from, output, samples_h5;
  std::optional<std::string> of_class;
  int64_t count = 64;
  std::optional<uint64_t> seed;
  bool raw = false;
};

struct Wanted {
  at::Tensor z, labels;  // labels: undefined for an unconditional generator
  int64_t columns = usual_columns;
};

int64_t class_number(const std::string& text, int64_t classes) {
  int64_t number = -1;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size() || number < 0 || number >= classes)
    throw Error(Fault::usage, "--class {}: must be 'all' or a number from 0 to {}", text, classes - 1);
  return number;
}

// Without --class the classes take turns. `all`: a row for each, whose columns share their latents, so that a column shows what the class
// alone changes.
Wanted wanted(const Options& options, const train::TrainedGenerator& generator, uint64_t seed) {
  const int64_t k = generator.classes;
  if (options.of_class && k == 0)
    throw Error(Fault::usage, "--class {}: the generator of {} knows no classes", *options.of_class, generator.folder.string())
        .cause("its recipe has conditional.kind = \"none\"")
        .remedy("leave --class out, or train a recipe with [conditional]");
  if (options.of_class == all_classes) {
    const int64_t columns = (options.count + k - 1) / k;
    return {train::eval_latents(generator, seed, columns).repeat({k, 1}), at::arange(k, at::kLong).repeat_interleave(columns), columns};
  }
  Wanted wanted{train::eval_latents(generator, seed, options.count), train::cycling_labels(k, options.count)};
  if (options.of_class) wanted.labels.fill_(class_number(*options.of_class, k));
  return wanted;
}

void write_h5(const std::string& file, const at::Tensor& samples, const Wanted& wanted, int64_t classes) {
  storage::Hdf5Thread hdf5;
  State state;
  state.tensors["samples"] = train::as_stored(samples);
  state.tensors["z"] = wanted.z.contiguous();
  state.attributes[""] = {{"format", std::string("ganymede-shard")}, {"version", int64_t{1}},
                          {"layout", std::string(samples.dim() == 2 ? "NF" : "NHWC")}};
  if (wanted.labels.defined()) {
    state.tensors["labels"] = wanted.labels.to(at::kInt);
    state.attributes[""]["classes"] = classes;
  }
  storage::write_state(hdf5, file, state);
}

int run(const Options& options) {
  if (!is_first_process()) return 0;
  storage::Hdf5Thread hdf5;
  const auto generator = train::open_generator(options.from, options.raw, hdf5);
  const uint64_t seed = options.seed.value_or(generator.config.run.seed);
  const auto asked = wanted(options, generator, seed);
  const auto samples = train::generate(generator, asked.z, asked.labels);
  const auto picture = samples.dim() == 2 ? report::scatter(samples, report::box_for(samples)) : report::grid(samples, asked.columns);
  if (!options.samples_h5.empty())
    write_h5(options.samples_h5, samples, asked, generator.classes);  // first: the picture is the last thing that can fail
  report::write_png(options.output, picture,
                    {{"Software", "ganymede"}, {"step", std::to_string(generator.counters.step)}, {"seed", std::to_string(seed)},
                     {"recipe_sha256", generator.counters.recipe_sha256}});
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
  command->add_option("--class", options->of_class,
                      "of a conditional generator: one class by number, or 'all' for a row of each (--count is rounded up to "
                      "full rows); without it the classes take turns");
  command->add_flag("--raw", options->raw, "the trained weights instead of their moving average");
  command->add_option("--samples-h5", options->samples_h5, "also write samples, latents and classes to this HDF5 file");
  command->footer("Example: ganymede sample runs/00000-mnist -o grid.png --count 100 --seed 7");
  command->callback([options, &program] { program.action = [options] { return run(*options); }; });
}

}  // namespace ganymede::cli

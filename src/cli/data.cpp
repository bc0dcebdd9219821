// ganymede data: making data sets and looking at them.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "data/build.hpp"
#include "data/inspect.hpp"
#include "report/grid.hpp"
#include "report/png.hpp"
#include "report/scatter.hpp"

namespace ganymede::cli {
namespace {

using Json = nlohmann::ordered_json;

const std::map<std::string, data::Split> splits = {{"train", data::Split::train}, {"test", data::Split::test}};
const std::map<std::string, data::Fit> fits = {{"crop", data::Fit::crop}, {"pad", data::Fit::pad}, {"resize", data::Fit::resize}};

void report_built(const std::filesystem::path& output, const data::Manifest& manifest) {
  std::printf("%s: %lld samples of %s in %zu shard%s\n", output.c_str(), static_cast<long long>(manifest.samples), fmt::format("{}", fmt::join(manifest.shape, " x ")).c_str(),
              manifest.shards.size(), manifest.shards.size() == 1 ? "" : "s");
}

void add_build(CLI::App& data, Program& program) {
  struct Options {
    data::IdxOptions idx;
    std::string source, output;
    bool no_labels = false;
  };
  auto options = std::make_shared<Options>();
  auto* command = data.add_subcommand("build", "make shards from files (IDX, plain or gzip)");
  command->add_option("source", options->source, "a folder of IDX files, or one images file")->required();
  command->add_option("output", options->output, "folder to make; it must not exist, or be empty")->required();
  command->add_option("--split", options->idx.split, "train or test")->transform(CLI::CheckedTransformer(splits, CLI::ignore_case));
  command->add_flag("--no-labels", options->no_labels, "leave the labels out");
  command->add_option("--size", options->idx.size, "bring images to this many pixels square")->check(CLI::Range(1, 4096));
  command->add_option("--fit", options->idx.fit, "how: crop, pad or resize")->transform(CLI::CheckedTransformer(fits, CLI::ignore_case));
  command->add_option("--shard-mib", options->idx.shard_mib, "size of a shard file")->check(CLI::Range(1, 1 << 20))->capture_default_str();
  command->footer("Example: ganymede data build datasets/mnist build/shards/mnist-32 --size 32");
  command->callback([options, &program] {
    program.action = [options] {
      if (!is_first_process()) return 0;
      options->idx.source = options->source;
      options->idx.output = options->output;
      options->idx.labels = !options->no_labels;
      storage::Hdf5Thread hdf5;
      report_built(options->output, data::build_from_idx(options->idx, hdf5));
      return 0;
    };
  });
}

// What every mixture takes; `make` is asked once the numbers of its own are there.
void add_mixture(CLI::App& command, Program& program, std::function<data::NamedMixture()> make) {
  auto options = std::make_shared<data::MixtureOptions>();
  auto output = std::make_shared<std::string>();
  command.add_option("output", *output, "folder to make")->required();
  command.add_option("--samples", options->samples, "how many points")->capture_default_str();
  command.add_option("--scale", options->scale, "divide every length by this")->capture_default_str();
  command.add_flag("--balanced", options->balanced, "equally many points of each Gaussian, in random order");
  command.add_option("--seed", options->seed, "of the draw")->capture_default_str();
  command.footer(fmt::format("Example: ganymede data synth {0} build/shards/{0}", command.get_name()));
  command.callback([options, output, make, &program] {
    program.action = [options, output, make] {
      if (!is_first_process()) return 0;
      options->output = *output;
      storage::Hdf5Thread hdf5;
      report_built(*output, data::synth_mixture(make(), *options, hdf5));
      return 0;
    };
  });
}

void add_ring(CLI::App& synth, Program& program) {
  struct Ring {
    int64_t modes = 8;
    double radius = 2.0, sd = 0.1;
  };
  auto ring = std::make_shared<Ring>();
  auto* command = synth.add_subcommand("ring", "points of Gaussians on a circle");
  command->add_option("--modes", ring->modes, "how many Gaussians")->capture_default_str();
  command->add_option("--radius", ring->radius, "of the circle")->capture_default_str();
  command->add_option("--sd", ring->sd, "standard deviation of each")->capture_default_str();
  add_mixture(*command, program, [ring] { return data::ring(ring->modes, ring->radius, ring->sd); });
}

void add_grid(CLI::App& synth, Program& program) {
  struct Grid {
    int64_t side = 5;
    double spacing = 1.5, sd = 0.1;
  };
  auto grid = std::make_shared<Grid>();
  auto* command = synth.add_subcommand("grid", "points of Gaussians on a square grid");
  command->add_option("--side", grid->side, "Gaussians along one side")->capture_default_str();
  command->add_option("--spacing", grid->spacing, "between neighbours")->capture_default_str();
  command->add_option("--sd", grid->sd, "standard deviation of each")->capture_default_str();
  add_mixture(*command, program, [grid] { return data::grid(grid->side, grid->spacing, grid->sd); });
}

void add_stacked(CLI::App& synth, Program& program) {
  struct Options {
    data::StackedOptions stacked;
    std::string source, output;
    std::vector<std::string> also;
  };
  auto options = std::make_shared<Options>();
  auto* command = synth.add_subcommand("stacked-mnist", "images of three random digits, one in each channel; 1000 classes");
  command->add_option("source", options->source, "a data set of grey digits")->required();
  command->add_option("output", options->output, "folder to make")->required();
  auto* count = command->add_option("--count", options->stacked.count, "how many stacks")->capture_default_str();
  command->add_flag("--once", options->stacked.once, "every digit once in each channel, hence as many stacks as digits")->excludes(count);
  command->add_option("--also", options->also, "another data set to draw from, such as the test digits")->allow_extra_args(false);
  command->add_option("--seed", options->stacked.seed, "of the draw")->capture_default_str();
  command->footer("Example: ganymede data synth stacked-mnist build/shards/mnist-28 build/shards/stacked");
  command->callback([options, &program] {
    program.action = [options] {
      if (!is_first_process()) return 0;
      options->stacked.sources = {options->source};
      options->stacked.sources.insert(options->stacked.sources.end(), options->also.begin(), options->also.end());
      options->stacked.output = options->output;
      storage::Hdf5Thread hdf5;
      report_built(options->output, data::synth_stacked(options->stacked, hdf5));
      return 0;
    };
  });
}

void add_synth(CLI::App& data, Program& program) {
  auto* command = data.add_subcommand("synth", "make shards from a formula")->require_subcommand(1);
  command->footer("Example: ganymede data synth ring build/shards/ring");
  add_ring(*command, program);
  add_grid(*command, program);
  add_mixture(*command->add_subcommand("gmm1d", "points of five Gaussians on a line"), program, data::gmm1d);
  add_stacked(*command, program);
}

Json to_json(const data::DatasetStat& s) {
  Json json = {{"samples", s.samples}, {"shape", s.shape}, {"counts", nullptr}, {"mean", s.mean}, {"std", s.std},
               {"channel_mean", s.channel_mean}, {"channel_std", s.channel_std}, {"bytes", s.bytes}};
  if (s.counts) json["counts"] = *s.counts;
  return json;
}

void add_stat(CLI::App& data, Program& program) {
  struct Options {
    std::string folder;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  auto* command = data.add_subcommand("stat", "counts, mean and spread of a data set");
  command->add_option("folder", options->folder, "a data set")->required();
  command->add_flag("--json", options->json, "print one JSON object");
  command->footer("Example: ganymede data stat build/shards/mnist-28 --json");
  command->callback([options, &program] {
    program.action = [options] {
      if (!is_first_process()) return 0;
      storage::Hdf5Thread hdf5;
      const auto s = data::stat(options->folder, hdf5);
      if (options->json) {
        std::printf("%s\n", to_json(s).dump().c_str());
        return 0;
      }
      std::printf("samples %lld\nshape   %s\nmean    %.6g\nstd     %.6g\nbytes   %lld\n", static_cast<long long>(s.samples), fmt::format("{}", fmt::join(s.shape, " x ")).c_str(), s.mean, s.std,
                  static_cast<long long>(s.bytes));
      for (size_t k = 0; s.counts && k < s.counts->size(); ++k)
        std::printf("class   %s: %lld\n", s.classes ? (*s.classes)[k].c_str() : std::to_string(k).c_str(), static_cast<long long>((*s.counts)[k]));
      return 0;
    };
  });
}

std::vector<std::string> labels_of(const data::Peek& shown) {
  std::vector<std::string> labels;
  if (!shown.labels.defined() || shown.labels.dim() != 1) return labels;
  for (int64_t i = 0; i < shown.labels.size(0); ++i) {
    const auto label = static_cast<size_t>(shown.labels[i].item<int64_t>());
    labels.push_back(label < shown.classes.size() ? shown.classes[label] : std::to_string(label));
  }
  return labels;
}

void add_peek(CLI::App& data, Program& program) {
  struct Options {
    std::string folder, output = "peek.png";
    int64_t count = 64;
    uint64_t seed = 0;
  };
  auto options = std::make_shared<Options>();
  auto* command = data.add_subcommand("peek", "a PNG of some samples with their labels");
  command->add_option("folder", options->folder, "a data set")->required();
  command->add_option("-o,--output", options->output, "the PNG to write")->capture_default_str();
  command->add_option("--count", options->count, "how many samples")->check(CLI::Range(1, 10'000))->capture_default_str();
  command->add_option("--seed", options->seed, "which ones")->capture_default_str();
  command->footer("Example: ganymede data peek build/shards/mnist-28 -o digits.png --count 40");
  command->callback([options, &program] {
    program.action = [options] {
      if (!is_first_process()) return 0;
      storage::Hdf5Thread hdf5;
      const auto shown = data::peek(options->folder, options->count, options->seed, hdf5);
      const bool is_points = shown.samples.dim() == 2;
      report::write_png(options->output, is_points ? report::scatter(shown.samples, report::box_for(shown.samples)) : report::contact_sheet(shown.samples, labels_of(shown)),
                        {{"Software", "ganymede"}, {"data set", options->folder}});
      std::printf("%s\n", options->output.c_str());
      return 0;
    };
  });
}

}  // namespace

void add_data(CLI::App& app, Program& program) {
  auto* command = app.add_subcommand("data", "data sets")->require_subcommand(1);
  command->footer("Example: ganymede data build datasets/mnist build/shards/mnist-28");
  add_build(*command, program);
  add_synth(*command, program);
  add_stat(*command, program);
  add_peek(*command, program);
}

}  // namespace ganymede::cli

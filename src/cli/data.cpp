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

void add_synth(CLI::App& data, Program& program) {
  auto options = std::make_shared<data::RingOptions>();
  auto* command = data.add_subcommand("synth", "make shards from a formula")->require_subcommand(1);
  command->footer("Example: ganymede data synth ring build/shards/ring");
  auto* ring = command->add_subcommand("ring", "points of Gaussians on a circle");
  auto output = std::make_shared<std::string>();
  ring->add_option("output", *output, "folder to make")->required();
  ring->add_option("--samples", options->samples, "how many points")->capture_default_str();
  ring->add_option("--modes", options->modes, "how many Gaussians")->capture_default_str();
  ring->add_option("--radius", options->radius, "of the circle")->capture_default_str();
  ring->add_option("--sd", options->sd, "standard deviation of each")->capture_default_str();
  ring->add_option("--seed", options->seed, "of the draw")->capture_default_str();
  ring->footer("Example: ganymede data synth ring build/shards/ring");
  ring->callback([options, output, &program] {
    program.action = [options, output] {
      if (!is_first_process()) return 0;
      options->output = *output;
      storage::Hdf5Thread hdf5;
      report_built(*output, data::synth_ring(*options, hdf5));
      return 0;
    };
  });
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

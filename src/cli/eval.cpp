// ganymede eval: figures of quality for a trained generator.
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "core/error.hpp"
#include "report/metrics_file.hpp"
#include "train/evaluation.hpp"

namespace ganymede::cli {
namespace {

constexpr const char* metrics_name = "metrics.jsonl";

struct Options {
  train::EvaluationOptions evaluation;
  std::string from, data, classifier = "datasets/mnist/classifier.safetensors";
  std::vector<std::string> metrics = {"modes"};
  bool json = false;
};

nlohmann::ordered_json finite_or_null(std::optional<double> value) {
  if (!value || !std::isfinite(*value)) return nullptr;
  return *value;
}

void print_json(const train::Evaluation& e) {
  nlohmann::ordered_json metrics = nlohmann::ordered_json::object();
  for (const auto& figure : e.figures)
    metrics[figure.metric] = {
        {"value", finite_or_null(figure.value)}, {"real", finite_or_null(figure.of_reals)}, {"protocol", figure.protocol}};
  const nlohmann::ordered_json record = {{"checkpoint", e.checkpoint.string()}, {"step", e.step}, {"data", e.data.string()},
                                         {"kind", e.data_kind}, {"samples", e.samples}, {"seed", e.seed},
                                         {"weights", e.raw ? "raw" : "average"}, {"metrics", metrics}};
  std::printf("%s\n", record.dump().c_str());
}

std::string number(std::optional<double> value) {
  if (!value) return "-";
  if (!std::isfinite(*value)) return "none";
  return *value == std::floor(*value) && std::abs(*value) < 1e9 ? fmt::format("{:.0f}", *value) : fmt::format("{:.4f}", *value);
}

// What all protocols begin with stands once, above the table.
void print_table(const train::Evaluation& e) {
  const auto& first = e.figures.front().protocol;
  std::printf("# %s, step %lld\n# %s\n", e.checkpoint.c_str(), static_cast<long long>(e.step), first.substr(0, first.find("; ")).c_str());
  std::printf("%-22s %10s %10s\n", "metric", "samples", "real data");
  for (const auto& figure : e.figures)
    std::printf("%-22s %10s %10s   %s\n", figure.metric.c_str(), number(figure.value).c_str(), number(figure.of_reals).c_str(),
                figure.protocol.substr(figure.protocol.find("; ") + 2).c_str());
}

std::vector<report::MetricRow> rows_of(const train::Evaluation& e) {
  std::vector<report::MetricRow> rows;
  for (const auto& figure : e.figures) {
    rows.push_back({e.step, figure.metric, figure.value, figure.protocol});
    if (figure.of_reals) rows.push_back({e.step, figure.metric + "_of_reals", *figure.of_reals, figure.protocol});
  }
  return rows;
}

int run(Options options) {
  if (!is_first_process()) return 0;
  options.evaluation.from = options.from;
  options.evaluation.data = options.data;
  options.evaluation.classifier = options.classifier;
  const auto& wanted = options.evaluation;
  if (wanted.bn_batch > 0 && wanted.samples % wanted.bn_batch != 0)
    throw Error(Fault::usage, "--bn-batch {} does not divide the {} samples, and the last batch would have other statistics",
                wanted.bn_batch, wanted.samples)
        .remedy("choose --samples as a multiple of it");
  storage::Hdf5Thread hdf5;
  const auto evaluation = train::evaluate_modes(options.evaluation, hdf5);
  if (!evaluation.run.empty()) report::append_metrics(evaluation.run / metrics_name, rows_of(evaluation));
  options.json ? print_json(evaluation) : print_table(evaluation);
  return 0;
}

}  // namespace

void add_eval(CLI::App& app, Program& program) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("eval", "figures of quality for a trained generator, beside those of real data");
  command
      ->add_option("run", options->from,
                   "a run folder (its newest checkpoint; the figures are added to its metrics.jsonl) or a checkpoint folder")
      ->required();
  command->add_option("--metrics", options->metrics, "which, by comma: modes")
      ->delimiter(',')
      ->check(CLI::IsMember({"modes"}))
      ->capture_default_str();
  command->add_option("--samples", options->evaluation.samples, "how many samples")
      ->check(CLI::Range(1000, 1'000'000))
      ->capture_default_str();
  command->add_option("--seed", options->evaluation.seed, "of the latents and of the reals; the run's own by default");
  command->add_flag("--raw", options->evaluation.raw, "the trained weights instead of their moving average");
  command
      ->add_option("--bn-batch", options->evaluation.bn_batch,
                   "batch norm takes the statistics of each batch of so many latents, as some published protocols do, not the running ones")
      ->check(CLI::Range(2, 1'000'000));
  command->add_option("--classifier", options->classifier, "of digits and stacks: a file that `ganymede classifier train` wrote")
      ->capture_default_str();
  command->add_option("--data", options->data, "the data set, where it has moved since training");
  command->add_flag("--json", options->json, "print one JSON object");
  command->footer("Example: ganymede eval runs/00000-ring --metrics modes --json");
  command->callback([options, &program] { program.action = [options] { return run(*options); }; });
}

}  // namespace ganymede::cli

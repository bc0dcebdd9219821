#include "report/run_reporter.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <iostream>
#include <iterator>

#include "core/error.hpp"
#include "report/file.hpp"
#include "report/grid.hpp"
#include "report/png.hpp"
#include "report/scatter.hpp"

namespace ganymede::report {
namespace {

constexpr const char* box_key = "box";

/// The box of a picture written earlier, so that a resumed run goes on in the same one.
std::optional<double> box_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  for (const auto& [key, value] : png_texts(bytes)) {
    double box = 0;
    const bool is_number = std::from_chars(value.data(), value.data() + value.size(), box).ec == std::errc();
    if (key == box_key && is_number && box > 0) return box;
  }
  return std::nullopt;
}

}  // namespace

RunReporter::RunReporter() : RunReporter(&std::cerr, Progress::columns_of_standard_error()) {}

RunReporter::RunReporter(std::ostream* out, int columns) {
  if (out) progress_.emplace(*out, columns);
}

void RunReporter::on_start(const train::RunFacts& facts) {
  facts_ = facts;
  std::error_code problem;
  std::filesystem::create_directories(facts.folder / "samples", problem);
  if (problem) throw_file_error("make the folder", facts.folder / "samples", problem.value());
  remove_leftovers(facts.folder);
  remove_leftovers(facts.folder / "samples");
  stats_.emplace(facts.folder / "stats.jsonl", facts.first_step);
  box_ = box_of(facts.folder / "samples" / "reals.png");
  if (progress_) progress_->start(facts);
}

void RunReporter::on_statistics(const train::StatisticsRow& row) {
  stats_.value().append(row);
  if (progress_) progress_->tick(row);
}

double RunReporter::box(const at::Tensor& points) {
  if (!box_) box_ = box_for(points);
  return *box_;
}

void RunReporter::on_samples(const std::string& name, const at::Tensor& pictures, int64_t step) {
  PngTexts texts = {{"Software", "ganymede"},
                    {"run", facts_.name},
                    {"step", fmt::format("{}", step)},
                    {"seed", fmt::format("{}", facts_.seed)},
                    {"recipe_sha256", facts_.recipe_sha256}};
  const bool are_points = pictures.dim() == 2;
  if (are_points) texts.emplace_back(box_key, fmt::format("{}", box(pictures)));
  const auto picture = are_points ? scatter(pictures, box(pictures)) : grid(pictures);
  write_png(facts_.folder / "samples" / (name + ".png"), picture, texts);
}

void RunReporter::on_finish(int64_t) {
  if (progress_) progress_->finish();
}

}  // namespace ganymede::report

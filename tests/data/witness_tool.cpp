// Lets scripts call the data library:
//   streams                 cases as JSON on standard input -> the samples of each rank and step
//   ring OUT SAMPLES SEED   writes a ring
//   idx SRC OUT [SIZE]      imports IDX files
//   read DIR STEPS CACHE    every batch as JSON: real_index, labels, the bytes of the samples
// Exit code: that of the error, whose text goes to standard error.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "data/build.hpp"
#include "data/reader.hpp"

namespace ganymede::data {
namespace {

using Json = nlohmann::json;

Json streams(const Json& cases) {
  Json answers = Json::array();
  for (const auto& one : cases) {
    const auto chunks = one.at("chunks").get<std::vector<int64_t>>();
    Json ranks = Json::array();
    const int64_t world_size = one.at("world_size");
    for (int64_t rank = 0; rank < world_size; ++rank) {
      const BatchPlan plan{one.at("global_batch"), one.at("streams"), world_size, rank};
      StreamOrder order(chunks, plan.streams, one.at("window"), one.at("seed"));
      Json steps = Json::array();
      int64_t drawn = one.at("drawn");
      for (int64_t step = 0; step < one.at("steps"); ++step, drawn += plan.global_batch) steps.push_back(order.batch(plan, drawn));
      ranks.push_back(steps);
    }
    answers.push_back(ranks);
  }
  return answers;
}

Json read(const std::string& folder, int64_t steps, int64_t cache_mib) {
  storage::Hdf5Thread thread;
  Dataset dataset(folder, thread);
  DataConfig config;
  config.global_batch = 10;
  config.streams = 3;
  config.cache_mib = cache_mib;
  Reader reader(dataset, resolve_plan(config, dataset.samples(), 1, 0), config, 7);
  Json batches = Json::array();
  for (int64_t step = 0; step < steps; ++step) {
    const auto batch = reader.next(Deadline::in(std::chrono::seconds(30)));
    const auto* bytes = static_cast<const uint8_t*>(batch.samples.const_data_ptr());
    const auto* index = batch.real_index.const_data_ptr<int64_t>();
    Json one = {{"real_index", std::vector<int64_t>(index, index + batch.real_index.numel())},
                {"bytes", std::vector<uint8_t>(bytes, bytes + batch.samples.nbytes())}, {"labels", nullptr}};
    if (batch.labels.defined()) {
      const auto* label = batch.labels.const_data_ptr<int32_t>();
      one["labels"] = std::vector<int32_t>(label, label + batch.labels.numel());
    }
    batches.push_back(one);
  }
  return batches;
}

int run(const std::vector<std::string>& arguments) {
  storage::Hdf5Thread thread;
  const auto& command = arguments.at(0);
  if (command == "streams") std::cout << streams(Json::parse(std::cin)) << "\n";
  else if (command == "ring") synth_ring({.output = arguments.at(1), .samples = std::stoll(arguments.at(2)), .seed = std::stoull(arguments.at(3))}, thread);
  else if (command == "idx") {
    IdxOptions options{.source = arguments.at(1), .output = arguments.at(2), .size = {}};
    if (arguments.size() > 3) options.size = std::stoll(arguments[3]);
    build_from_idx(options, thread);
  } else if (command == "read") std::cout << read(arguments.at(1), std::stoll(arguments.at(2)), std::stoll(arguments.at(3))) << "\n";
  else return 64;
  return 0;
}

}  // namespace
}  // namespace ganymede::data

int main(int count, char** arguments) {
  try {
    return ganymede::data::run({arguments + 1, arguments + count});
  } catch (const ganymede::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.exit_code();
  }
}

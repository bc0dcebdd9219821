// Lets scripts call the data library:
//   streams                 cases as JSON on standard input -> the samples of each rank and step
//   ring OUT SAMPLES SEED   writes a ring
//   idx SRC OUT [SIZE]      imports IDX files
//   read DIR STEPS CACHE    every batch as JSON: real_index, labels, the bytes of the samples
//   sampling DIR            a case as JSON on standard input -> the batches of each rank, as the letters of "calls" ask for them
//                           (d: the next D step's, g: the next for the G phase)
// Exit code: that of the error, whose text goes to standard error.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "data/build.hpp"
#include "data/reader.hpp"
#include "data/streams.hpp"

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

Json to_json(const Batch& batch) {
  const auto list = [](const at::Tensor& tensor, auto type) {
    using T = decltype(type);
    return std::vector<T>(tensor.const_data_ptr<T>(), tensor.const_data_ptr<T>() + tensor.numel());
  };
  Json one = {{"first_place", batch.first_place}, {"real_index", list(batch.real_index, int64_t{})}, {"labels", nullptr}};
  if (batch.labels.defined()) one["labels"] = list(batch.labels, int32_t{});
  if (batch.samples.scalar_type() == at::kFloat) one["samples"] = list(batch.samples, float{});
  else one["samples"] = list(batch.samples, uint8_t{});
  return one;
}

Json sampling(const std::string& folder, const Json& about) {
  storage::Hdf5Thread thread;
  Dataset dataset(folder, thread);
  const std::map<std::string, Sampling> kinds = {
      {"stream", Sampling::stream}, {"replacement", Sampling::replacement}, {"synth", Sampling::synth}, {"table", Sampling::table}};
  DataConfig config;
  config.global_batch = about.at("global_batch");
  config.streams = about.at("streams").get<int64_t>();
  config.sampling = kinds.at(about.at("sampling"));
  config.class_balanced = about.value("class_balanced", false);
  config.holdout = about.value("holdout", 0);
  if (about.contains("table_rows")) config.table_rows = about.at("table_rows").get<int64_t>();
  if (about.contains("table_members")) config.table_members = about.at("table_members").get<int64_t>();
  const int64_t world_size = about.at("world_size");
  Json ranks = Json::array();
  for (int64_t rank = 0; rank < world_size; ++rank) {
    Reader reader(dataset, resolve_plan(config, dataset.samples(), world_size, rank), config, about.at("seed"));
    reader.skip_to(about.at("d"), about.at("g"));
    Json batches = Json::array();
    for (const char call : about.at("calls").get<std::string>()) {
      const auto deadline = Deadline::in(std::chrono::seconds(30));
      batches.push_back(to_json(call == 'd' ? reader.next(deadline) : reader.next_for_generator(deadline)));
    }
    ranks.push_back(batches);
  }
  return ranks;
}

int run(const std::vector<std::string>& arguments) {
  storage::Hdf5Thread thread;
  const auto& command = arguments.at(0);
  if (command == "streams") std::cout << streams(Json::parse(std::cin)) << "\n";
  else if (command == "ring") synth_mixture(ring(), {.output = arguments.at(1), .samples = std::stoll(arguments.at(2)), .seed = std::stoull(arguments.at(3))}, thread);
  else if (command == "idx") {
    IdxOptions options{.source = arguments.at(1), .output = arguments.at(2), .size = {}};
    if (arguments.size() > 3) options.size = std::stoll(arguments[3]);
    build_from_idx(options, thread);
  } else if (command == "sampling") std::cout << sampling(arguments.at(1), Json::parse(std::cin)) << "\n";
  else if (command == "read") std::cout << read(arguments.at(1), std::stoll(arguments.at(2)), std::stoll(arguments.at(3))) << "\n";
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

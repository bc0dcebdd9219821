#include "train/start_check.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "core/error.hpp"
#include "storage/sha256.hpp"

namespace ganymede::train {
namespace {

constexpr size_t most_lines = 6, most_ranks = 4;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// "rank 2 (node17)", "ranks 0, 1 and 6 more (node1, …)"
std::string name(const std::vector<size_t>& ranks, const std::vector<std::string>& hosts) {
  std::vector<std::string> numbers, names;
  for (size_t i = 0; i < ranks.size() && i < most_ranks; ++i) {
    numbers.push_back(std::to_string(ranks[i]));
    if (std::find(names.begin(), names.end(), hosts[ranks[i]]) == names.end()) names.push_back(hosts[ranks[i]]);
  }
  const std::string more = ranks.size() > most_ranks ? fmt::format(" and {} more", ranks.size() - most_ranks) : "";
  return fmt::format("rank{} {}{} ({})", ranks.size() > 1 ? "s" : "", fmt::join(numbers, ", "), more, fmt::join(names, ", "));
}

// Of two values with several lines, only the lines that the other lacks.
void keep_differing_lines(std::vector<std::pair<std::string, std::vector<size_t>>>& values) {
  std::map<std::string, size_t> holders;
  for (const auto& [value, ranks] : values)
    for (const auto& line : lines_of(value)) ++holders[line];
  for (auto& [value, ranks] : values) {
    std::vector<std::string> kept;
    for (const auto& line : lines_of(value))
      if (holders[line] < values.size()) kept.push_back(line);
    const size_t others = kept.size() > most_lines ? kept.size() - most_lines : 0;
    kept.resize(std::min(kept.size(), most_lines));
    value = kept.empty() ? "nothing more" : fmt::format("{}", fmt::join(kept, ", "));
    if (others > 0) value += fmt::format(" and {} more", others);
  }
}

std::string describe(const std::string& fact, const std::vector<std::string>& value_of_rank, const std::vector<std::string>& hosts) {
  std::vector<std::pair<std::string, std::vector<size_t>>> values;
  for (size_t r = 0; r < value_of_rank.size(); ++r) {
    auto known = std::find_if(values.begin(), values.end(), [&](const auto& one) { return one.first == value_of_rank[r]; });
    if (known == values.end()) known = values.insert(values.end(), {value_of_rank[r], {}});
    known->second.push_back(r);
  }
  keep_differing_lines(values);
  std::vector<std::string> texts;
  for (const auto& [value, ranks] : values) texts.push_back(fmt::format("{} on {}", value, name(ranks, hosts)));
  return fmt::format("{}: {}", fact, fmt::join(texts, ", "));
}

}  // namespace

std::vector<std::string> differences(comm::Communicator& communicator, const std::vector<StartFact>& facts, const std::string& what, Deadline deadline) {
  // Texts, not tensors: a rank of another program may have other facts.
  std::string own;
  for (const auto& [name, value] : facts) own += fmt::format("{}={}\n", name, storage::sha256_text(value).substr(0, 16));
  const auto all = communicator.gather_texts(own, what, deadline);
  if (std::all_of(all.begin(), all.end(), [&](const auto& text) { return text == own; })) return {};
  std::map<std::string, std::map<std::string, size_t>> seen;  // fact -> line with its hash -> ranks
  for (const auto& text : all)
    for (const auto& line : lines_of(text)) ++seen[line.substr(0, line.find('='))][line];
  std::vector<std::string> found;
  for (const auto& [name, values] : seen) {  // the same list everywhere, so that all gather alike
    if (values.size() == 1 && values.begin()->second == all.size()) continue;
    const auto fact = std::find_if(facts.begin(), facts.end(), [&name = name](const auto& one) { return one.name == name; });
    const std::string value = fact == facts.end() ? "not compared" : fact->value;
    found.push_back(describe(name, communicator.gather_texts(value, what + ": " + name, deadline), communicator.hosts()));
  }
  return found;
}

void require_equal(comm::Communicator& communicator, const std::vector<StartFact>& facts, const std::string& what, Deadline deadline) {
  const auto found = differences(communicator, facts, what, deadline);
  if (found.empty()) return;
  Error error(Fault::launch, "the ranks would not train the same\n  {}", fmt::join(found, "\n  "));
  error.remedy("give all ranks the same program, libraries, recipe, data set and threads");
  if (communicator.rank() == 0) throw error;
  throw comm::PeerError(error);  // rank 0 prints it
}

}  // namespace ganymede::train

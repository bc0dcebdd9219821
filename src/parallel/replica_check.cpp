#include "parallel/replica_check.hpp"

#include <ATen/ops/empty.h>
#include <fmt/ranges.h>

#define XXH_INLINE_ALL  // the header alone: nothing to link, and the widest instructions that the build allows
#include <xxhash.h>

#include <algorithm>
#include <map>

namespace ganymede::parallel {
namespace {

int64_t hash_of(const void* data, size_t bytes) { return static_cast<int64_t>(XXH3_64bits(data, bytes)); }

int64_t hash_of(const at::Tensor& tensor) {
  const at::Tensor host = tensor.is_cpu() ? tensor : tensor.cpu();
  return hash_of(host.const_data_ptr(), host.nbytes());
}

// The ranks that hold another value than most: none if all agree, all where no value has more than half of them.
std::vector<int> odd_ranks(const std::vector<int64_t>& hash_of_rank) {
  std::map<int64_t, size_t> holders;
  for (const int64_t hash : hash_of_rank) ++holders[hash];
  const auto most = std::max_element(holders.begin(), holders.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  const bool is_majority = 2 * most->second > hash_of_rank.size();
  std::vector<int> odd;
  for (size_t r = 0; r < hash_of_rank.size() && holders.size() > 1; ++r)
    if (!is_majority || hash_of_rank[r] != most->first) odd.push_back(static_cast<int>(r));
  return odd;
}

}  // namespace

ReplicaCheck::ReplicaCheck(comm::Communicator& communicator, std::vector<Replicated> tensors)
    : communicator_(communicator), tensors_(std::move(tensors)), hashes_(at::empty({static_cast<int64_t>(tensors_.size()) + 1}, at::kLong)) {
  for (const auto& [name, tensor] : tensors_)
    if (!tensor.is_non_overlapping_and_dense()) throw Error(Fault::bug, "{} has gaps in memory and cannot be compared over ranks", name);
}

int64_t ReplicaCheck::bytes() const {
  int64_t sum = 0;
  for (const auto& one : tensors_) sum += static_cast<int64_t>(one.tensor.nbytes());
  return sum;
}

void ReplicaCheck::check(int64_t step, const std::string& counters, Deadline deadline) {
  if (communicator_.size() == 1) return;
  auto* hashes = hashes_.data_ptr<int64_t>();
  for (size_t i = 0; i < tensors_.size(); ++i) hashes[i] = hash_of(tensors_[i].tensor);
  hashes[tensors_.size()] = hash_of(counters.data(), counters.size());
  at::Tensor own = at::empty({1}, at::kLong);
  own.data_ptr<int64_t>()[0] = hash_of(hashes_);
  const auto all = communicator_.all_gather(own, "replica check", deadline, comm::Channel::control);
  const auto* first = all.const_data_ptr<int64_t>();
  if (std::any_of(first, first + all.numel(), [&](int64_t hash) { return hash != *first; })) report(step, deadline);
  last_agreed_step_ = step;
}

// Every rank comes here with the same hashes, and to the same words.
void ReplicaCheck::report(int64_t step, Deadline deadline) const {
  const auto all = communicator_.all_gather(hashes_, "replica check by tensor", deadline, comm::Channel::control);
  const auto* hashes = all.const_data_ptr<int64_t>();
  const int64_t columns = hashes_.numel();
  std::vector<std::string> found;
  for (int64_t i = 0; i < columns; ++i) {
    std::vector<int64_t> by_rank;
    for (int r = 0; r < communicator_.size(); ++r) by_rank.push_back(hashes[r * columns + i]);
    std::vector<std::string> ranks;
    for (const int r : odd_ranks(by_rank)) ranks.push_back(fmt::format("rank {} on {}", r, communicator_.hosts()[r]));
    if (ranks.empty()) continue;
    const bool is_tie = static_cast<int>(ranks.size()) == communicator_.size();
    const std::string name = i + 1 == columns ? "the counters of steps" : tensors_[i].name;
    found.push_back(fmt::format("{} {} {}", name, is_tie ? "differs between" : "of", fmt::join(ranks, is_tie ? " and " : ", ")));
  }
  if (found.empty()) throw Error(Fault::bug, "the replica check of step {} found a difference and no tensor", step);
  const size_t others = found.size() > most_named ? found.size() - most_named : 0;
  found.resize(std::min(found.size(), most_named));
  Error error(Fault::replica, "the ranks no longer train the same networks after step {}: {}{}", step, fmt::join(found, "; "),
              others > 0 ? fmt::format("; and {} more tensors", others) : "");
  if (last_agreed_step_ >= 0) error.cause("all were equal after step {}; since then memory, a core or a library of one host has computed otherwise", last_agreed_step_);
  else error.cause("memory, a core or a library of one host has computed otherwise");
  error.remedy("test the memory of the hosts named, leave them out, and resume from a checkpoint of {}",
               last_agreed_step_ >= 0 ? fmt::format("step {} or before", last_agreed_step_) : "an earlier run");
  if (communicator_.rank() == 0) throw error;
  throw comm::PeerError(error);  // rank 0 prints it
}

}  // namespace ganymede::parallel

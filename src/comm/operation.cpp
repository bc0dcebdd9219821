#include "comm/operation.hpp"

#include <c10/core/ScalarType.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace ganymede::comm {
namespace {

std::string readable_bytes(int64_t bytes) {
  if (bytes >= 1 << 20) return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
  if (bytes >= 10 << 10) return fmt::format("{:.1f} KiB", static_cast<double>(bytes) / (1 << 10));
  return fmt::format("{} B", bytes);
}

}  // namespace

const char* section_name(Section section) {
  switch (section) {
    case Section::set_up: return "set-up";
    case Section::step: return "a step";
    case Section::save: return "a save";
    case Section::eval: return "an evaluation";
  }
  return "no section";
}

const char* kind_name(OperationKind kind) {
  switch (kind) {
    case OperationKind::all_reduce: return "all_reduce";
    case OperationKind::all_gather: return "all_gather";
    case OperationKind::broadcast: return "broadcast";
    case OperationKind::exchange: return "exchange";
    case OperationKind::barrier: return "barrier";
    case OperationKind::gather_texts: return "gather_texts";
  }
  return "unknown operation";
}

std::string describe_call(OperationKind kind, const std::string& name, int64_t bytes, int16_t type) {
  const std::string of_type = type < 0 ? "" : fmt::format(" of {}", at::toString(static_cast<at::ScalarType>(type)));
  return fmt::format("{} '{}' ({}{})", kind_name(kind), name, readable_bytes(bytes), of_type);
}

// ---- Wire ----

namespace {
int tag_of(const Group& group, const OperationInfo& info, Wire::Phase phase) {
  // 512 operations of one channel can be told apart; older ones are kept in order by the network itself.
  return static_cast<int>(group.context * Wire::tags_per_context + static_cast<int64_t>(info.sequence % 512) * 4 + static_cast<int>(phase));
}
}  // namespace

Ticket Wire::send(const Group& group, const OperationInfo& info, int peer, Phase phase, std::span<const std::byte> bytes, int64_t payload_bytes) {
  sent_bytes_[static_cast<size_t>(info.channel)].fetch_add(payload_bytes, std::memory_order_relaxed);
  return transport_.isend(group.world_ranks[peer], info.channel, tag_of(group, info, phase), bytes);
}

Ticket Wire::receive(const Group& group, const OperationInfo& info, int peer, Phase phase, std::span<std::byte> bytes) {
  return transport_.irecv(group.world_ranks[peer], info.channel, tag_of(group, info, phase), bytes);
}

Traffic Wire::traffic() const {
  Traffic traffic;
  for (int i = 0; i < channel_count; ++i) traffic.sent_bytes[i] = sent_bytes_[i].load(std::memory_order_relaxed);
  return traffic;
}

bool Flow::reap(Transport& transport) {
  bool moved = false;
  while (!tickets.empty() && transport.take_if_done(tickets.front())) {
    tickets.pop_front();
    ++finished;
    moved = true;
  }
  return moved;
}

// ---- Operation ----

Operation::Operation(std::shared_ptr<const Group> group, OperationInfo info) : group_(std::move(group)), info_(std::move(info)) {}

std::string Operation::describe() const { return describe_call(info_.kind, info_.name, info_.bytes, info_.type); }

std::string Operation::place(int peer) const {
  if (group_->hosts.empty()) return fmt::format("rank {}", group_->world_ranks[peer]);
  return fmt::format("rank {} on {}", group_->world_ranks[peer], group_->hosts[peer]);
}

Lane& Operation::lane(int peer) {
  for (Lane& known : lanes_)
    if (known.peer == peer) return known;
  lanes_.emplace_back().peer = peer;
  return lanes_.back();
}

void Operation::start(Wire& wire) {
  for (Lane& lane : lanes_) {
    if (!lane.receives) continue;
    const int64_t most = static_cast<int64_t>(sizeof(Opening)) + inline_bytes_limit;  // whatever the peer may send by mistake fits
    lane.opening_in = std::make_unique_for_overwrite<std::byte[]>(most);
    lane.openings_in.add(wire.receive(*group_, info_, lane.peer, Wire::Phase::opening, {lane.opening_in.get(), static_cast<size_t>(most)}));
  }
}

void Operation::send_opening(Wire& wire, Lane& lane) {
  const auto bytes = static_cast<int64_t>(lane.outgoing.size());
  Opening opening;
  opening.kind = info_.kind;
  opening.type = info_.type;
  opening.bytes = info_.same_bytes ? info_.bytes : bytes;
  opening.sequence = info_.sequence;
  opening.inline_bytes = sends_inline() && bytes <= inline_bytes_limit ? bytes : 0;
  std::strncpy(opening.name, info_.name.c_str(), sizeof(opening.name) - 1);
  const size_t total = sizeof(opening) + static_cast<size_t>(opening.inline_bytes);
  lane.opening_out = std::make_unique_for_overwrite<std::byte[]>(total);
  std::memcpy(lane.opening_out.get(), &opening, sizeof(opening));
  if (opening.inline_bytes > 0) std::memcpy(lane.opening_out.get() + sizeof(opening), lane.outgoing.data(), opening.inline_bytes);
  lane.openings_out.add(wire.send(*group_, info_, lane.peer, Wire::Phase::opening, {lane.opening_out.get(), total}, opening.inline_bytes));
}

void Operation::check_opening(Lane& lane) {
  Opening theirs;
  std::memcpy(&theirs, lane.opening_in.get(), sizeof(theirs));
  theirs.name[sizeof(theirs.name) - 1] = '\0';
  const std::string our_name = info_.name.substr(0, sizeof(theirs.name) - 1);
  const int64_t expected = info_.same_bytes ? info_.bytes : static_cast<int64_t>(lane.incoming.size());
  const bool fits = theirs.magic == Opening{}.magic && theirs.kind == info_.kind && theirs.type == info_.type && theirs.sequence == info_.sequence &&
                    our_name == theirs.name && (info_.kind == OperationKind::gather_texts || theirs.bytes == expected);
  if (!fits) {
    // Peer and not bug: what is wrong is that another rank is somewhere else, and the job ends as after a hang, which this would become.
    throw Error(Fault::peer, "{} does not fit the other ranks", describe())
        .cause("at this place {} called {}, and sends {} B where {} B were expected", place(lane.peer),
               describe_call(theirs.kind, theirs.name, theirs.bytes, theirs.type), theirs.bytes, expected)
        .remedy("all ranks must run the same program with the same recipe and data, and call the same operations in the same order");
  }
  if (info_.kind == OperationKind::gather_texts) {
    lane.text.resize(theirs.bytes);
    lane.incoming = std::as_writable_bytes(std::span(lane.text));
  }
  if (theirs.inline_bytes > 0) std::memcpy(lane.incoming.data(), lane.opening_in.get() + sizeof(theirs), theirs.inline_bytes);
  lane.opening_in.reset();
  lane.is_open = true;
}

bool Operation::step(Wire& wire, bool may_send) {
  bool moved = false;
  for (Lane& lane : lanes_) {
    if (lane.sends && lane.openings_out.started == 0 && may_send) {
      send_opening(wire, lane);
      moved = true;
    }
    moved |= lane.openings_out.reap(wire.transport());
    if (lane.receives && !lane.is_open && lane.openings_in.reap(wire.transport())) {
      check_opening(lane);
      moved = true;
    }
    moved |= step_lane(wire, lane, may_send && (!lane.sends || lane.openings_out.started > 0));
  }
  return step_whole() || moved;
}

bool Operation::is_complete() const {
  for (const Lane& lane : lanes_) {
    if (lane.sends && lane.openings_out.finished == 0) return false;
    if (lane.receives && !lane.is_open) return false;
    if (!is_lane_complete(lane)) return false;
  }
  return is_whole_complete();
}

bool Operation::has_sent() const {
  return std::all_of(lanes_.begin(), lanes_.end(),
                     [&](const Lane& lane) { return (!lane.sends || lane.openings_out.started > 0) && has_lane_sent(lane); });
}

std::vector<Operation::Gap> Operation::gaps() const {
  std::vector<Gap> gaps;
  for (const Lane& lane : lanes_)
    if (lane.receives && !lane.is_open) gaps.push_back({lane.peer, "never arrived"});
  if (!gaps.empty()) return gaps;
  for (const Lane& lane : lanes_)
    if (!is_lane_complete(lane)) gaps.push_back({lane.peer, "arrived, but part of its data is missing"});
  if (!gaps.empty()) return gaps;
  for (const Lane& lane : lanes_)
    if (lane.sends && lane.openings_out.finished == 0) gaps.push_back({lane.peer, "never took our data"});
  return gaps;
}

std::string Operation::missing() const {
  std::string text;
  for (const Gap& gap : gaps()) text += fmt::format("{}{} {}", text.empty() ? "" : "; ", place(gap.peer), gap.what);
  return text;
}

std::vector<int> Operation::missing_ranks() const {
  std::vector<int> ranks;
  for (const Gap& gap : gaps()) ranks.push_back(group_->world_ranks[gap.peer]);
  return ranks;
}

Error Operation::deadline_error() const {
  Error error(Fault::peer, "{} passed its deadline of {:.3g} s", describe(), info_.deadline.span_s());
  if (const auto text = missing(); !text.empty()) error.cause("{}", text);
  return error.remedy("look at that rank's report and its host; the job can be resumed from its last checkpoint. Longer waits: "
                      "parallel.deadline_floor_s, parallel.deadline_s");
}

void Operation::abandon(Wire& wire) {
  for (Lane& lane : lanes_)
    for (Flow* flow : {&lane.openings_out, &lane.openings_in, &lane.pieces_out, &lane.pieces_in, &lane.results_out, &lane.results_in})
      for (const Ticket ticket : flow->tickets) wire.transport().cancel(ticket);
}

bool Operation::is_quiet(Wire& wire) {
  bool quiet = true;
  for (Lane& lane : lanes_)
    for (Flow* flow : {&lane.openings_out, &lane.openings_in, &lane.pieces_out, &lane.pieces_in, &lane.results_out, &lane.results_in}) {
      flow->reap(wire.transport());
      quiet &= flow->tickets.empty();
    }
  return quiet;
}

void Operation::release_memory() {
  for (Lane& lane : lanes_) {
    lane.opening_in.reset();
    lane.opening_out.reset();
  }
}

}  // namespace ganymede::comm

#include "train/profile.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/profiler_kineto.h>

#include <nlohmann/json.hpp>

#include "core/log.hpp"
#include "core/version.hpp"
#include "storage/files.hpp"

namespace ganymede::train {
namespace {

namespace profiler = torch::autograd::profiler;
using Json = nlohmann::ordered_json;

constexpr int main_thread = 1, communication_thread = 2;  // as the trace numbers them
constexpr const char* channel_names[] = {"statistics", "control", "gradients", "replay"};

int64_t unix_ns(std::chrono::system_clock::time_point moment) { return std::chrono::duration_cast<std::chrono::nanoseconds>(moment.time_since_epoch()).count(); }

// The two clocks are read one after the other: some 50 ns apart.
int64_t unix_ns(std::chrono::steady_clock::time_point moment) {
  static const auto steady = std::chrono::steady_clock::now();
  static const auto wall = unix_ns(std::chrono::system_clock::now());
  return wall + std::chrono::duration_cast<std::chrono::nanoseconds>(moment - steady).count();
}

std::string shapes_text(const profiler::KinetoEvent& event) {
  std::string text;
  for (const auto& shape : event.shapes()) text += fmt::format("{}[{}]", text.empty() ? "" : " ", fmt::join(shape, ","));
  return text;
}

}  // namespace

struct Profile::Recorded {
  std::unique_ptr<profiler::ProfilerResult> result;
};

Profile::Profile(comm::Communicator& communicator, int64_t iterations, std::vector<std::string> argv)
    : watched_(communicator), iterations_(iterations), argv_(std::move(argv)), recorded_(std::make_unique<Recorded>()) {
  auto zero = at::full({1}, unix_ns(std::chrono::system_clock::now()), at::kLong);
  communicator.broadcast(zero, 0, "start of the profile", Deadline::in(std::chrono::seconds(60)));
  zero_ns_ = zero.item<int64_t>();
  unix_ns(std::chrono::steady_clock::now());
}

Profile::~Profile() {
  if (is_recording_) profiler::disableProfiler();
}

void Profile::start() {
  using torch::profiler::impl::ActivityType;
  const torch::profiler::impl::ProfilerConfig config(torch::profiler::impl::ProfilerState::KINETO, /*report_input_shapes=*/true);
  profiler::prepareProfiler(config, {ActivityType::CPU});
  profiler::enableProfiler(config, {ActivityType::CPU}, {at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION, at::RecordScope::USER_SCOPE});
  watched_.watch(true);
  is_recording_ = true;
}

void Profile::stop() {
  watched_.watch(false);
  is_recording_ = false;
  recorded_->result = profiler::disableProfiler();
}

void Profile::iteration(int64_t step, const std::function<void()>& work) {
  if (seen_ == warmup_iterations) start();
  {
    at::RecordFunction scope(at::RecordScope::USER_SCOPE);
    if (is_recording_ && scope.isActive()) scope.before(fmt::format("iteration {}", step));
    work();
  }
  if (++seen_ == warmup_iterations + iterations_) stop();
}

void Profile::write(const std::filesystem::path& folder) {
  if (is_written_) return;
  is_written_ = true;
  if (is_recording_) stop();
  if (!recorded_->result) {
    log::warning("--profile: the run ended within the {} iterations that are left out before a profile; there is none", warmup_iterations);
    return;
  }
  const int rank = watched_.rank();
  const auto us = [&](int64_t ns) { return static_cast<double>(ns - zero_ns_) / 1e3; };
  std::string events;  // a line each: a value for every event at once would need several times the memory
  const auto add = [&](const Json& event) { events += (events.empty() ? "" : ",\n") + event.dump(); };
  const auto name_it = [&](const char* what, int thread, const std::string& name) {
    add({{"name", what}, {"ph", "M"}, {"pid", rank}, {"tid", thread}, {"args", {{"name", name}}}});
  };
  name_it("process_name", main_thread, fmt::format("rank {} on {}", rank, watched_.hosts()[rank]));
  name_it("thread_name", main_thread, "main");
  name_it("thread_name", communication_thread, "communication");
  for (const auto& event : recorded_->result->events()) {
    const bool is_named = event.scope() == static_cast<uint8_t>(at::RecordScope::USER_SCOPE);
    Json json = {{"name", event.name()}, {"cat", is_named ? "user_annotation" : "cpu_op"}, {"ph", "X"}, {"pid", rank}, {"tid", main_thread},
                 {"ts", us(static_cast<int64_t>(event.startNs()))}, {"dur", static_cast<double>(event.durationNs()) / 1e3}};
    if (event.hasShapes() && !event.shapes().empty()) json["args"] = {{"shapes", shapes_text(event)}};
    add(json);
  }
  int64_t id = 0;
  for (const auto& span : watched_.take_spans()) {
    Json begin = {{"name", fmt::format("{}: {}", span.kind, span.name)}, {"cat", "communication"}, {"ph", "b"}, {"id", ++id}, {"pid", rank}, {"tid", communication_thread},
                  {"ts", us(unix_ns(span.start))}};
    Json end = begin;
    begin["args"] = {{"bytes", span.bytes}, {"channel", channel_names[static_cast<size_t>(span.channel)]}};
    end["ph"] = "e", end["ts"] = us(unix_ns(std::max(span.start, span.end)));
    add(begin), add(end);
  }
  Json libraries = Json::object();
  for (const auto& [name, version] : library_versions()) libraries[name] = version;
  const Json other = {{"schema_version", 1}, {"argv", argv_}, {"version", program_version()}, {"revision", source_revision()}, {"versions", libraries},
                      {"hosts", watched_.hosts()}, {"rank", rank}, {"ranks", watched_.size()}, {"threads", at::get_num_threads()}, {"zero_unix_ns", zero_ns_}};
  const auto file = folder / "profile" / fmt::format("rank-{}.json", rank);
  std::error_code error;
  std::filesystem::create_directories(file.parent_path(), error);
  if (error) throw storage::write_error(error.value(), "make", file.parent_path());
  storage::write_file_atomically(file, fmt::format("{{\"displayTimeUnit\":\"ms\",\"otherData\":{},\"traceEvents\":[\n{}\n]}}\n", other.dump(), events));
  if (rank == 0) log::info("profile: {}; open it with https://ui.perfetto.dev or chrome://tracing", file.parent_path().string());
  recorded_->result.reset();
}

}  // namespace ganymede::train

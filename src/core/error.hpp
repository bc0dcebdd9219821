// Every failure a user can meet: what was wrong, why, what to do, and the exit code that tells a batch system the same.
#pragma once
#include <fmt/format.h>

#include <exception>
#include <string>
#include <utility>

namespace ganymede {

/// One enumerator per exit code of the program. The meaning of the numbers is kept from sysexits.h where it has one.
enum class Fault : int {
  usage = 64,          // the command line itself
  bad_data = 65,       // missing, damaged or unfit data; no run where one was named
  launch = 69,         // ranks cannot find each other, or do not agree before the start
  bug = 70,            // an assumption of our own code failed
  cannot_write = 73,   // folder not writable, not empty, or full
  io = 74,             // a device failed while reading or writing
  stopped_early = 75,  // stopped on request; the run can be resumed
  peer = 76,           // another rank is lost or hangs
  recipe = 78,         // unknown key, wrong type, impossible value, forbidden combination
  numeric = 80,        // NaN or infinity
  replica = 81,        // replicas drifted apart
};

class Error : public std::exception {
 public:
  template <typename... Args>
  Error(Fault fault, fmt::format_string<Args...> format, Args&&... args)
      : fault_(fault), text_(fmt::format(format, std::forward<Args>(args)...)) {}

  /// Adds a line "cause: …": the reason below this failure.
  template <typename... Args>
  Error& cause(fmt::format_string<Args...> format, Args&&... args) {
    return line("cause", fmt::format(format, std::forward<Args>(args)...));
  }
  /// Adds a line "remedy: …": what the user can do.
  template <typename... Args>
  Error& remedy(fmt::format_string<Args...> format, Args&&... args) {
    return line("remedy", fmt::format(format, std::forward<Args>(args)...));
  }
  /// Puts "text: " before the message: where it happened, added on the way up.
  Error& within(const std::string& where) {
    text_ = where + ": " + text_;
    return *this;
  }

  Fault fault() const noexcept { return fault_; }
  int exit_code() const noexcept { return static_cast<int>(fault_); }
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  Error& line(const char* label, const std::string& text) {
    text_ += fmt::format("\n  {}: {}", label, text);
    return *this;
  }
  Fault fault_;
  std::string text_;
};

}  // namespace ganymede

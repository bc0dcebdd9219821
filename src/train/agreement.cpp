#include "train/agreement.hpp"

#include <algorithm>

namespace ganymede::train {
namespace {

constexpr std::chrono::duration<double> set_up_deadline{120.0};

std::string encode(const Error& error) { return fmt::format("{} {}", error.exit_code(), error.what()); }

Error decode(const std::string& text) {
  const auto space = text.find(' ');
  return Error(static_cast<Fault>(std::stoi(text.substr(0, space))), "{}", text.substr(space + 1));
}

}  // namespace

void agree(comm::Communicator& communicator, const std::string& what, const std::function<void()>& work) {
  std::string failure;
  try {
    work();
  } catch (const comm::PeerError&) {
    throw;  // the others know already
  } catch (const Error& error) {
    failure = encode(error);
  } catch (const std::exception& error) {
    failure = encode(Error(Fault::bug, "{}: {}", what, error.what()));
  }
  const auto all = communicator.gather_texts(failure, what, Deadline::in(set_up_deadline));
  const auto first = std::find_if(all.begin(), all.end(), [](const std::string& text) { return !text.empty(); });
  if (first == all.end()) return;
  const auto own = all.begin() + communicator.rank();
  const bool is_news = !own->empty() && std::find(all.begin(), own, *own) == own;
  if (is_news) throw decode(*own);
  throw comm::PeerError(decode(*first));
}

}  // namespace ganymede::train

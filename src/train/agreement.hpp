// Doing something on every rank that may fail on some: either all go on, or all stop with the first failing rank's error.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "comm/communicator.hpp"

namespace ganymede::train {

/// Runs `work` here and tells the others how it went; collective. If any rank failed, every rank throws: those with a message
/// of their own that no lower rank has had throw it, the others a comm::PeerError of the first, so that each text is printed once.
void agree(comm::Communicator& communicator, const std::string& what, const std::function<void()>& work);

}  // namespace ganymede::train

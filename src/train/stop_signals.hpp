// SIGTERM, SIGINT, SIGUSR1, SIGUSR2 and SIGHUP all mean "save and leave". The handler only sets a flag; a second signal of the
// same kind takes its default effect.
#pragma once

namespace ganymede::train {

void catch_stop_signals();
bool stop_was_asked();

}  // namespace ganymede::train

// A network inside one process: the ranks are threads, a message is one memcpy. For tests; also under ThreadSanitizer.
#pragma once
#include <memory>

#include "comm/transport.hpp"

namespace ganymede::comm {

/// What the ranks of one process share.
class ThreadHub;
std::shared_ptr<ThreadHub> make_thread_hub(int size);
std::unique_ptr<Transport> make_thread_transport(std::shared_ptr<ThreadHub> hub, int rank);

}  // namespace ganymede::comm

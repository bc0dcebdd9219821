// A reserved range of addresses from which big blocks are taken, and to which they return: first fit in order of address,
// neighbours joined. Memory stays where blocks were, because the next step takes the same ones again, but only as long as there is no
// more of it than the blocks in use ever needed at once. Holes between blocks therefore cost addresses, not memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace ganymede {

class BlockRange {
 public:
  /// nullptr where the system has no such range.
  static std::unique_ptr<BlockRange> reserve(size_t bytes);
  ~BlockRange();
  BlockRange(const BlockRange&) = delete;
  BlockRange& operator=(const BlockRange&) = delete;

  /// nullptr when the range is used up. Any thread.
  void* take(size_t bytes);
  void give_back(void* block);
  bool holds(const void* p) const { return p >= begin_ && p < begin_ + bytes_; }

  /// In huge pages of 2 MiB, the unit in which memory is given back.
  struct Pages {
    size_t present = 0;      // that may have memory behind them
    size_t in_use = 0;       // that some block lies in
    size_t most_in_use = 0;
  };
  Pages pages() const;

 private:
  struct Page {
    uint32_t blocks = 0;  // that lie in it
    bool is_present = false;
  };
  BlockRange(void* reserved, size_t reserved_bytes, char* begin, size_t bytes)
      : reserved_(reserved), reserved_bytes_(reserved_bytes), begin_(begin), bytes_(bytes) {}
  size_t find_place(size_t bytes);
  void add_free(size_t offset, size_t bytes);
  void enter(size_t offset, size_t bytes);
  void leave(size_t offset, size_t bytes);
  void release_idle_pages();

  void* const reserved_;
  const size_t reserved_bytes_;
  char* const begin_;
  const size_t bytes_;
  mutable std::mutex mutex_;        // guards all below
  std::map<size_t, size_t> free_;   // offset -> bytes; no two touch
  std::map<size_t, size_t> taken_;  // offset -> bytes
  size_t end_ = 0;                  // of what was ever taken
  std::vector<Page> table_;         // of the pages below end_
  Pages pages_;
};

}  // namespace ganymede

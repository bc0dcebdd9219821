// IDX files, the format of MNIST and its relatives: big-endian magic, extents, then bytes. Plain or gzip.
// http://yann.lecun.com/exdb/mnist describes it: 2051 images [N,H,W] of uint8, 2049 labels [N] of uint8.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

namespace ganymede::data {

/// Reads front to back, unpacking as it goes. Whatever is wrong with the file (a gzip that ends early, another magic
/// number, fewer or more bytes than the header says) is Error(Fault::bad_data) naming it.
class IdxFile {
 public:
  static constexpr uint32_t images_magic = 2051;
  static constexpr uint32_t labels_magic = 2049;

  /// Reads the header, which must have this magic number.
  IdxFile(std::filesystem::path path, uint32_t magic);
  ~IdxFile();
  IdxFile(const IdxFile&) = delete;
  IdxFile& operator=(const IdxFile&) = delete;

  int64_t count() const { return extents_[0]; }
  /// Of one image; 1 for labels.
  int64_t height() const { return extents_.size() > 1 ? extents_[1] : 1; }
  int64_t width() const { return extents_.size() > 2 ? extents_[2] : 1; }

  /// The next `items` items (images or labels).
  void read(uint8_t* out, int64_t items);
  /// Call after the last item: checks that the file ends there, its checksum included.
  void expect_end();

 private:
  struct Stream;
  int64_t read_bytes(uint8_t* out, int64_t count);

  std::filesystem::path path_;
  std::unique_ptr<Stream> stream_;
  std::vector<int64_t> extents_;
};

}  // namespace ganymede::data

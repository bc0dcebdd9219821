#include "data/idx.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "core/error.hpp"
#include "storage/files.hpp"

namespace ganymede::data {
namespace {

constexpr int64_t max_side = 8192;  // one image stays within the 64 MiB of a chunk
constexpr int64_t max_items = int64_t{1} << 31;
constexpr unsigned buffer_bytes = 1u << 17;

Error damaged(const std::filesystem::path& path, const std::string& why) {
  return Error(Fault::bad_data, "{} is no whole IDX file", path.string()).cause("{}", why).remedy("download or copy it again");
}

}  // namespace

struct IdxFile::Stream {
  gzFile file = nullptr;
  ~Stream() {
    if (file) gzclose(file);
  }
};

IdxFile::IdxFile(std::filesystem::path path, uint32_t magic) : path_(std::move(path)), stream_(std::make_unique<Stream>()) {
  (void)storage::InputFile(path_).size();  // says why, where gzopen would only say no
  std::error_code ignored;
  if (std::filesystem::is_directory(path_, ignored)) throw storage::read_error(EISDIR, path_);
  stream_->file = gzopen(path_.c_str(), "rb");
  if (!stream_->file) throw storage::read_error(errno, path_);
  gzbuffer(stream_->file, buffer_bytes);
  const auto word = [&]() -> uint32_t {
    std::array<uint8_t, 4> b{};
    if (read_bytes(b.data(), 4) < 4) throw damaged(path_, "it ends within its header");
    return uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | b[3];
  };
  const uint32_t found = word();
  if (found != magic)
    throw Error(Fault::bad_data, "{} begins with the magic number {}, not {}", path_.string(), found, magic)
        .cause("it holds no {} in IDX format", magic == images_magic ? "images" : "labels")
        .remedy("check that the right file is named; a .gz file must really be gzip");
  for (uint32_t i = 0; i < (magic & 255); ++i) extents_.push_back(word());
  if (count() < 1 || count() > max_items || height() < 1 || height() > max_side || width() < 1 || width() > max_side)
    throw damaged(path_, fmt::format("its header says {} items of {} x {}", count(), height(), width()));
}

IdxFile::~IdxFile() = default;

int64_t IdxFile::read_bytes(uint8_t* out, int64_t count) {
  int64_t done = 0;
  while (done < count) {
    const auto ask = static_cast<unsigned>(std::min<int64_t>(count - done, int64_t{1} << 28));
    const int got = gzread(stream_->file, out + done, ask);
    if (got > 0) {
      done += got;
      continue;
    }
    int code = Z_OK;
    const std::string text = gzerror(stream_->file, &code);
    if (code == Z_ERRNO) throw storage::read_error(errno, path_);
    if (code == Z_BUF_ERROR) throw damaged(path_, "the gzip data end early, as after an interrupted download");
    if (code != Z_OK && code != Z_STREAM_END) throw damaged(path_, text);
    break;
  }
  return done;
}

void IdxFile::read(uint8_t* out, int64_t items) {
  const int64_t bytes = items * height() * width();
  const int64_t got = read_bytes(out, bytes);
  if (got < bytes) throw damaged(path_, fmt::format("it ends before the {} items that its header promises", count()));
}

void IdxFile::expect_end() {
  uint8_t extra = 0;
  if (read_bytes(&extra, 1) > 0) throw damaged(path_, fmt::format("there are more bytes than the {} items that its header promises", count()));
}

}  // namespace ganymede::data

#include "core/loaded_libraries.hpp"

#include <elf.h>
#include <fmt/format.h>
#include <link.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

namespace ganymede {
namespace {

constexpr const char* beginnings[] = {"libtorch", "libc10", "libgomp", "libomp", "libiomp", "libmkl", "libopenblas", "libmpi.", "libhdf5", "libm.", "libcud", "libcublas", "libnccl"};

// The id that the linker wrote into a PT_NOTE segment (elf(5), "Notes"); names and contents are padded to 4 bytes.
std::string build_id(const dl_phdr_info& object) {
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const auto& segment = object.dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    const char* at = reinterpret_cast<const char*>(object.dlpi_addr + segment.p_vaddr);
    const char* const end = at + segment.p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
      ElfW(Nhdr) note;
      std::memcpy(&note, at, sizeof note);
      const char* name = at + sizeof note;
      const char* content = name + (note.n_namesz + 3) / 4 * 4;
      at = content + (note.n_descsz + 3) / 4 * 4;
      if (at > end) break;
      if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 || std::memcmp(name, "GNU", 4) != 0) continue;
      std::string text;
      for (ElfW(Word) b = 0; b < note.n_descsz && b < 8; ++b) text += fmt::format("{:02x}", static_cast<unsigned char>(content[b]));
      return text;
    }
  }
  return {};
}

int add(dl_phdr_info* object, size_t, void* all) {
  const std::filesystem::path path(object->dlpi_name);
  const std::string file = path.filename().string();
  if (std::none_of(std::begin(beginnings), std::end(beginnings), [&](const char* start) { return file.starts_with(start); })) return 0;
  std::string build = build_id(*object);
  std::error_code failure;
  if (build.empty()) build = fmt::format("{} bytes", std::filesystem::file_size(path, failure));
  static_cast<std::vector<std::pair<std::string, std::string>>*>(all)->emplace_back(file, build);
  return 0;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> loaded_libraries() {
  std::vector<std::pair<std::string, std::string>> all;
  dl_iterate_phdr(add, &all);
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace ganymede

#include "report/png.hpp"

#include <png.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/error.hpp"
#include "report/file.hpp"

namespace ganymede::report {
namespace {

constexpr size_t signature_bytes = 8, length_bytes = 4, type_bytes = 4, crc_bytes = 4;
constexpr size_t chunk_overhead = length_bytes + type_bytes + crc_bytes;
constexpr size_t header_end = signature_bytes + chunk_overhead + 13;  // IHDR holds 13 bytes
constexpr std::string_view signature("\x89PNG\r\n\x1a\n", signature_bytes);

std::string big_endian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8), static_cast<char>(value)};
}

uint32_t from_big_endian(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

std::string ascii(std::string text) {
  std::replace_if(text.begin(), text.end(), [](char c) { return (c < ' ' && c != '\n') || c == '\x7f'; }, '?');
  return text;
}

std::string text_chunk(const std::string& key, const std::string& value) {
  if (key.empty() || key.size() > 79) throw Error(Fault::bug, "a PNG text's key has 1 to 79 letters, not {}", key.size());
  const std::string content = "tEXt" + ascii(key) + '\0' + ascii(value);
  const auto crc = ::crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
  return big_endian(static_cast<uint32_t>(content.size() - type_bytes)) + content + big_endian(static_cast<uint32_t>(crc));
}

}  // namespace

// libpng's simplified interface reports errors by value; its full one, which alone writes texts, by longjmp over our objects.
// So the text chunks, a length and a checksum each, are put in behind the header here.
std::string encode_png(const at::Tensor& picture, const PngTexts& texts) {
  const bool fits = picture.dim() == 3 && picture.scalar_type() == at::kByte && picture.device().is_cpu() && picture.numel() > 0 &&
                    (picture.size(2) == 1 || picture.size(2) == 3);
  if (!fits) throw Error(Fault::bug, "a PNG is made from uint8 [H,W,1 or 3], not {} dimensions of another kind", picture.dim());
  const auto pixels = picture.contiguous();
  png_image image;
  std::memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  image.height = static_cast<png_uint_32>(pixels.size(0));
  image.width = static_cast<png_uint_32>(pixels.size(1));
  image.format = pixels.size(2) == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string out(size, '\0');
  if (!png_image_write_to_memory(&image, out.data(), &size, 0, pixels.const_data_ptr(), 0, nullptr))
    throw Error(Fault::bug, "libpng refused a picture of {}x{}: {}", pixels.size(0), pixels.size(1), image.message);
  out.resize(size);
  std::string chunks;
  for (const auto& [key, value] : texts) chunks += text_chunk(key, value);
  out.insert(header_end, chunks);
  return out;
}

void write_png(const std::filesystem::path& file, const at::Tensor& picture, const PngTexts& texts) {
  write_file_atomically(file, encode_png(picture, texts));
}

PngTexts png_texts(std::string_view bytes) {
  PngTexts texts;
  if (!bytes.starts_with(signature)) return texts;
  bytes.remove_prefix(signature_bytes);
  while (bytes.size() >= chunk_overhead) {
    const size_t length = from_big_endian(bytes);
    if (length > bytes.size() - chunk_overhead) break;
    const auto content = bytes.substr(length_bytes + type_bytes, length);
    const auto end_of_key = content.find('\0');
    if (bytes.substr(length_bytes, type_bytes) == "tEXt" && end_of_key != std::string_view::npos)
      texts.emplace_back(content.substr(0, end_of_key), content.substr(end_of_key + 1));
    bytes.remove_prefix(length + chunk_overhead);
  }
  return texts;
}

}  // namespace ganymede::report

// PNG files, grey or RGB with 8 bits, with texts that say what a picture shows.
// PNG specification, third edition, 11.3.3.3 (tEXt).
// Shapes: H height, W width, C channels (1 or 3), HWC row by row.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ganymede::report {

/// Key and value in ASCII; a key has 1 to 79 letters. Other bytes become '?'.
using PngTexts = std::vector<std::pair<std::string, std::string>>;

/// The bytes of a PNG file: equal input gives equal bytes. picture: uint8 [H,W,C] on the CPU.
/// Throws Error(Fault::bug) for any other tensor.
std::string encode_png(const at::Tensor& picture, const PngTexts& texts = {});

/// The same into a file, whole or not at all. Throws Error(Fault::cannot_write) or Error(Fault::io).
void write_png(const std::filesystem::path& file, const at::Tensor& picture, const PngTexts& texts = {});

/// The texts in the bytes of a PNG file; empty where it is none.
PngTexts png_texts(std::string_view bytes);

}  // namespace ganymede::report

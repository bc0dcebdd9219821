// safetensors: named tensors and texts in one file that holds nothing to execute, read by PyTorch, JAX, Rust and browsers.
// Layout (huggingface.co/docs/safetensors, "Format"): 8 bytes N, little endian; N bytes of JSON that begin with '{' and may end in
// spaces, {"NAME": {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {KEY: text}}; then the numbers, row-major, little
// endian, offsets counted from their begin. Every byte of them belongs to exactly one tensor.
// Bytes in, bytes out: files are the caller's. (The namespace is not `export`, which is a word of C++.)
#pragma once
#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <string_view>

namespace ganymede::exporting {

/// Tensors are on the CPU: float32, float64, int64 or uint8.
struct TensorFile {
  std::map<std::string, at::Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

/// Far above what any network here needs (about 100 bytes a tensor), far below what a hostile file could make us parse.
inline constexpr size_t most_header_bytes = size_t{4} << 20;

/// Equal content gives equal bytes: widest numbers first, so that each tensor stands on a multiple of its numbers' size, then by name.
/// Throws Error(Fault::bug) for another type or the name __metadata__.
std::string to_safetensors(const TensorFile& file);

/// Copies of the tensors. `name` is what messages call the file. Throws Error(Fault::bad_data) for anything that is not exactly such a
/// file: a header beyond the cap or the file, names that stand twice, other types, shapes that do not fit their bytes, tensors that
/// overlap, gaps between them, bytes behind the last.
TensorFile from_safetensors(std::string_view bytes, const std::string& name);

}  // namespace ganymede::exporting

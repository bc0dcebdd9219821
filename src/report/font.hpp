// Letters of 5x7 dots, enough to label a picture without a font library.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace ganymede::report {

inline constexpr int64_t text_height = 7;
inline constexpr int64_t longest_text = 24;  // letters; the rest is not drawn

/// Dots that `text` takes: 6 a letter but for the last gap.
int64_t text_width(const std::string& text);

/// Draws in white, capitals only; what has no glyph becomes '?'. picture: uint8 [H,W,C]; dots outside of it are dropped.
void draw_text(at::Tensor& picture, int64_t top, int64_t left, const std::string& text);

}  // namespace ganymede::report

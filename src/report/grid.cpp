#include "report/grid.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.hpp"
#include "report/font.hpp"

namespace ganymede::report {
namespace {

/// The channels that are shown of uint8 [n,H,W,C].
at::Tensor shown_channels(const at::Tensor& pictures) {
  if (pictures.dim() != 4 || pictures.scalar_type() != at::kByte || pictures.numel() == 0)
    throw Error(Fault::bug, "a grid is made from uint8 [n,H,W,C] with n > 0, not from {} dimensions, {} elements", pictures.dim(), pictures.numel());
  return pictures.slice(3, 0, pictures.size(3) >= 3 ? 3 : 1);
}

struct Layout {
  int64_t columns, rows, tile_height, tile_width;
  int64_t top(int64_t i) const { return grid_padding + i / columns * (tile_height + grid_padding); }
  int64_t left(int64_t i) const { return grid_padding + i % columns * (tile_width + grid_padding); }
};

Layout layout(int64_t count, int64_t per_row, int64_t tile_height, int64_t tile_width) {
  if (per_row < 1) throw Error(Fault::bug, "a grid has at least one picture a row, not {}", per_row);
  const int64_t columns = std::min(per_row, count);
  return {columns, (count + columns - 1) / columns, tile_height, tile_width};
}

at::Tensor lay_out(const at::Tensor& pictures, const Layout& where) {
  const int64_t height = pictures.size(1), width = pictures.size(2);
  const int64_t sheet_height = grid_padding + where.rows * (where.tile_height + grid_padding);
  const int64_t sheet_width = grid_padding + where.columns * (where.tile_width + grid_padding);
  const auto sheet = at::zeros({sheet_height, sheet_width, pictures.size(3)}, at::kByte);
  for (int64_t i = 0; i < pictures.size(0); ++i)
    sheet.slice(0, where.top(i), where.top(i) + height).slice(1, where.left(i), where.left(i) + width).copy_(pictures[i]);
  return sheet;
}

}  // namespace

at::Tensor to_bytes(const at::Tensor& x) {
  // Half precisions would round 127.5 x + 128 to even numbers.
  const auto wide = x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
  return wide.mul(127.5).add_(128).floor_().nan_to_num_(0).clamp_(0, 255).to(at::kByte);
}

at::Tensor grid(const at::Tensor& pictures, int64_t per_row) {
  if (pictures.dim() != 4) throw Error(Fault::bug, "a grid is made from [n,C,H,W], not from {} dimensions", pictures.dim());
  return grid_of_bytes(to_bytes(pictures.detach().cpu()).permute({0, 2, 3, 1}), per_row);
}

at::Tensor grid_of_bytes(const at::Tensor& pictures, int64_t per_row) {
  const auto shown = shown_channels(pictures);
  return lay_out(shown, layout(shown.size(0), per_row, shown.size(1), shown.size(2)));
}

at::Tensor contact_sheet(const at::Tensor& pictures, const std::vector<std::string>& labels, int64_t per_row) {
  if (labels.empty()) return grid_of_bytes(pictures, per_row);
  const auto shown = shown_channels(pictures);
  if (static_cast<int64_t>(labels.size()) != shown.size(0))
    throw Error(Fault::bug, "{} labels for {} pictures", labels.size(), shown.size(0));
  int64_t tile_width = shown.size(2);
  for (const auto& label : labels) tile_width = std::max(tile_width, text_width(label));
  const int64_t label_top = shown.size(1) + 1;
  const auto where = layout(shown.size(0), per_row, label_top + text_height + 1, tile_width);
  auto sheet = lay_out(shown, where);
  for (int64_t i = 0; i < shown.size(0); ++i) draw_text(sheet, where.top(i) + label_top, where.left(i), labels[i]);
  return sheet;
}

}  // namespace ganymede::report

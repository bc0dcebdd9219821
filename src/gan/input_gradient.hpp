// What the penalties share: D's slope at a point, and numbers drawn for the rows of what D judged.
#pragma once
#include "gan/scene.hpp"

namespace ganymede::gan {

/// ‖∂ℓ_i/∂x_i‖² of each row [B], with a graph to D's weights; outputs are D's over `input`, which has a gradient.
at::Tensor squared_slopes(const at::Tensor& outputs, const at::Tensor& input);
/// The same at points x [B,…] without graph, which D passes over once more, in its mode, as `source`.
at::Tensor squared_input_gradients(const at::Tensor& x, const Judged& rows, nets::Source source, const Judge& judge);

/// Uniform numbers in the run's precision for the rows that were judged: [B, elements].
at::Tensor draw_rows(const Judge& judge, const Judged& rows, Purpose purpose, int64_t index, int64_t elements);

}  // namespace ganymede::gan

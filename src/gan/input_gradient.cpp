#include "gan/input_gradient.hpp"

#include <ATen/ops/square.h>
#include <ATen/ops/sum.h>
#include <torch/csrc/autograd/autograd.h>

namespace ganymede::gan {

// By autograd::grad: backward(create_graph) would bind fresh tensors where the flat gradients are.
at::Tensor squared_slopes(const at::Tensor& outputs, const at::Tensor& input) {
  const auto slope = torch::autograd::grad({at::sum(outputs)}, {input}, {}, /*retain_graph=*/true, /*create_graph=*/true).front();
  return at::sum(at::square(slope.flatten(1)), 1);
}

at::Tensor squared_input_gradients(const at::Tensor& x, const Judged& rows, nets::Source source, const Judge& judge) {
  Judged point = rows;
  point.input = x.detach().requires_grad_(true);
  point.range.source = source;
  judge.ask(point);
  return squared_slopes(point.outputs, point.input);
}

at::Tensor draw_rows(const Judge& judge, const Judged& rows, Purpose purpose, int64_t index, int64_t elements) {
  return nets::uniform_rows(judge.rng(), Draw{purpose, rows.step, index}, rows.range, elements).to(judge.type());
}

}  // namespace ganymede::gan

#include "nets/matrix_product.hpp"

#include <ATen/ATen.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>

namespace ganymede::nets {
namespace {

using Product = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, std::string_view, c10::List<std::optional<at::Scalar>>,
                           std::optional<std::string_view>);

// LibTorch's door to oneDNN's product of plain tensors; absent where it was built without oneDNN.
const std::optional<c10::TypedOperatorHandle<Product>>& onednn_product() {
  static const auto found = []() -> std::optional<c10::TypedOperatorHandle<Product>> {
    const auto handle = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!handle || !handle->hasKernelForDispatchKey(c10::DispatchKey::CPU)) return std::nullopt;
    return handle->typed<Product>();
  }();
  return found;
}

bool is_worth_it(const at::Tensor& x, const at::Tensor& w) {
  constexpr int64_t least_side = 64, least_work = 1 << 21;  // below, what oneDNN needs to set up weighs more
  const int64_t rows = x.size(0), in = w.size(1), out = w.size(0);
  return x.scalar_type() == at::kFloat && std::min({rows, in, out}) >= least_side && rows * in * out >= least_work;
}

}  // namespace

at::Tensor matrix_product(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b) {
  at::NoGradGuard no_graph;
  if (is_worth_it(x, w) && onednn_product()) {
    const at::AutoDispatchBelowADInplaceOrView below_autograd;  // it has no derivative of its own
    return onednn_product()->call(x, w, b.defined() ? std::optional(b) : std::nullopt, "none", c10::List<std::optional<at::Scalar>>(), "");
  }
  return at::linear(x, w, b);
}

}  // namespace ganymede::nets

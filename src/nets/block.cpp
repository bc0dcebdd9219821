#include "nets/block.hpp"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/csrc/autograd/custom_function.h>

#include "nets/collectives.hpp"
#include "nets/matrix_product.hpp"
#include "nets/norm_kernels.hpp"

namespace ganymede::nets {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What the backward needs beside the saved tensors.
struct Block : torch::CustomClassHolder {
  bool has_norm = false, has_map = false;
  bool keeps_sign = false;  // of x, instead of x: enough where neither batch norm nor a weight's gradient looks at its values
  double slope = 1.0;
  at::ScalarType x_type = at::kFloat;
  LinearMap map;  // without its tensors, which autograd keeps
  NormStatistics statistics;
  ChannelAffine affine;
  at::Tensor invstd, scale, mean_error;  // float64 [C]; mean_error: the rounded mean less the true one
};

std::optional<at::Tensor> given(const at::Tensor& t) { return t.defined() ? std::optional(t) : std::nullopt; }

void prepare(Block& block, const at::Tensor& weight, const at::Tensor& bias) {
  const auto& s = block.statistics;
  const auto type = weight.scalar_type();
  block.invstd = at::rsqrt(s.variance + batch_norm_epsilon);
  block.scale = weight.detach() * block.invstd;
  block.affine.mean = s.mean.to(type);
  block.mean_error = block.affine.mean - s.mean;
  block.affine.scale = block.scale.to(type);
  // The rounding of a large mean must not shift the result.
  block.affine.shift = (bias.detach() + block.mean_error * block.scale).to(type);
  block.affine.slope = block.slope;
}

at::Tensor activate_in_place(at::Tensor x, double slope) {
  if (slope == 1.0) return x;
  return slope == 0.0 ? at::relu_(x) : at::leaky_relu_(x, slope);
}

// Autocast would cast (and cache, without graph) the weights itself; here that is done where it can be seen.
at::ScalarType map_type(const at::Tensor& x) {
  if (x.scalar_type() != at::kDouble && at::autocast::is_autocast_enabled(at::kCPU)) return at::autocast::get_autocast_dtype(at::kCPU);
  return x.scalar_type();
}

at::Tensor apply_map(const LinearMap& map, const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias) {
  const auto type = map_type(input);
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::DispatchKey::AutocastCPU);
  const auto x = input.to(type), w = weight.to(type), b = bias.defined() ? bias.to(type) : bias;
  switch (map.kind) {
    case LinearMap::Kind::matrix: return at::GradMode::is_enabled() ? at::linear(x, w, b) : matrix_product(x, w, b);
    case LinearMap::Kind::convolution: return at::conv2d(x, w, b, map.stride, map.padding);
    default: return at::conv_transpose2d(x, w, b, map.stride, map.padding, map.output_padding);
  }
}

// The gradient of a linear map's input is the opposite map of the output's: no value of the input is looked at. Differentiable.
at::Tensor map_input_gradient(const LinearMap& map, const at::Tensor& dy, at::IntArrayRef x_sizes, const at::Tensor& saved_weight) {
  const auto weight = saved_weight.to(dy.scalar_type());
  if (map.kind == LinearMap::Kind::matrix) return at::GradMode::is_enabled() ? at::matmul(dy, weight) : matrix_product(dy, weight.t(), {});
  if (map.kind == LinearMap::Kind::transposed) return at::conv2d(dy, weight, {}, map.stride, map.padding);
  std::vector<int64_t> left_over;  // pixels at the far border that no window reached
  for (const int axis : {2, 3}) left_over.push_back(x_sizes[axis] - ((dy.size(axis) - 1) * map.stride - 2 * map.padding + weight.size(axis)));
  return at::conv_transpose2d(dy, weight, {}, map.stride, map.padding, left_over);
}

struct WeightGradients {
  at::Tensor weight, bias;
};

WeightGradients map_weight_gradients(const LinearMap& map, const at::Tensor& dy, const at::Tensor& x, const at::Tensor& saved_weight, std::array<bool, 2> needed) {
  if (map.kind == LinearMap::Kind::matrix) {
    WeightGradients g;
    const auto y = x.to(dy.scalar_type());
    if (needed[0]) g.weight = at::GradMode::is_enabled() ? at::matmul(dy.t(), y) : matrix_product(dy.t(), y.t(), {});
    if (needed[1]) g.bias = dy.sum(0);
    return g;
  }
  if (!needed[0]) return {{}, dy.sum({0, 2, 3})};
  const auto weight = saved_weight.to(dy.scalar_type());
  const bool transposed = map.kind == LinearMap::Kind::transposed;
  const std::vector<int64_t> stride(2, map.stride), padding(2, map.padding), ones(2, 1), left_over(2, map.output_padding);
  const std::vector<int64_t> bias_size{weight.size(transposed ? 1 : 0)};
  auto [dx, dw, db] = at::convolution_backward(dy, x.to(dy.scalar_type()), weight, at::OptionalIntArrayRef(bias_size), stride, padding, ones, transposed,
                                               left_over, 1, {false, true, needed[1]});
  return {dw, db};
}

// t·f′ by the sign of `kept` (values, or bool: whether they are positive). Linear in t, so its derivative is itself.
class SlopeBySign : public torch::autograd::Function<SlopeBySign> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& t, const at::Tensor& kept, double slope) {
    context->save_for_backward({kept});
    context->saved_data["slope"] = slope;
    return kept.scalar_type() == at::kBool ? gradient_by_sign(t, kept, slope, false) : activation_gradient(t, kept, slope, false);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    return {apply(gradients[0], context->get_saved_variables()[0], context->saved_data["slope"].toDouble()), {}, {}};
  }
};

class BlockFunction : public torch::autograd::Function<BlockFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const std::optional<at::Tensor>& gamma, const std::optional<at::Tensor>& beta,
                            const std::optional<at::Tensor>& weight, const std::optional<at::Tensor>& bias, const c10::intrusive_ptr<Block>& block) {
    // Without batch norm x itself becomes the activation: nobody else needs the values before it, and the sign is enough.
    const auto y = block->has_norm ? normalize(x, block->affine, false) : activate_in_place(x.detach(), block->slope);
    context->save_for_backward({block->keeps_sign ? y > 0 : x, gamma.value_or(at::Tensor()), beta.value_or(at::Tensor()), weight.value_or(at::Tensor()), bias.value_or(at::Tensor())});
    context->saved_data["block"] = c10::IValue::make_capsule(block);
    return block->has_map ? apply_map(block->map, y, *weight, bias.value_or(at::Tensor())) : y;
  }

  // By reference: what autograd hands over can be let go as soon as it has been used.
  static variable_list backward(AutogradContext* context, variable_list& gradients) {
    const auto holder = context->saved_data["block"].toCapsule();
    auto& block = static_cast<Block&>(*holder);
    const auto saved = context->get_saved_variables();
    std::array<bool, 5> needed{};  // x, γ, β, weight, bias
    size_t edge = 0;
    for (size_t i = 0; i < needed.size(); ++i)
      if (i == 0 || saved[i].defined()) needed[i] = context->needs_input_grad(edge++);
    if (at::GradMode::is_enabled()) return composed_backward(block, saved, gradients[0], needed);

    const auto& x = saved[0];
    auto dy = std::move(gradients[0]);
    variable_list result(6);
    bool is_ours = false;
    if (block.has_map) {
      if (needed[3] || needed[4]) {
        const auto y = needed[3] && block.has_norm ? normalize(x, block.affine, false) : x;
        auto g = map_weight_gradients(block.map, dy, y, saved[3], {needed[3], needed[4]});
        result[3] = std::move(g.weight), result[4] = std::move(g.bias);
      }
      if (!needed[0] && !needed[1] && !needed[2]) return result;
      dy = map_input_gradient(block.map, dy, x.sizes(), saved[3]), is_ours = true;
      if (dy.scalar_type() != block.x_type) dy = dy.to(block.x_type);
    }
    if (block.keeps_sign) {
      result[0] = gradient_by_sign(dy, x, block.slope, is_ours);
      return result;
    }
    if (!block.has_norm) {
      result[0] = block.slope == 1.0 ? dy : activation_gradient(dy, x, block.slope, is_ours);
      return result;
    }
    norm_backward(block, x, dy, is_ours, saved[1].scalar_type(), result);
    return result;
  }

 private:
  // dx = γ·invstd·(g − Σg/n − x̂·Σ(g·x̂)/n), dβ = Σg, dγ = Σ(g·x̂), g = dy·f′.
  static void norm_backward(const Block& block, const at::Tensor& x, const at::Tensor& dy, bool is_ours, at::ScalarType type, variable_list& result) {
    const auto sums = gradient_sums(dy, x, block.affine);
    sums[1].add_(sums[0] * block.mean_error);  // about the true mean
    result[1] = (sums[1] * block.invstd).to(type), result[2] = sums[0].to(type, false, /*copy=*/true);  // sums are this rank's only until they are reduced
    at::Tensor offset, factor;
    if (block.statistics.count > 0) {
      if (block.statistics.over_ranks) block.statistics.over_ranks->all_reduce_sum(sums, "batch norm gradient sums");
      const auto means = sums / block.statistics.count;
      const auto wide_factor = block.scale * block.invstd.square() * means[1];
      factor = wide_factor.to(type);
      offset = (block.scale * means[0] + wide_factor * block.mean_error).to(type);
    } else {
      factor = offset = at::zeros_like(block.affine.mean);
    }
    result[0] = input_gradient(dy, x, block.affine, offset, factor, is_ours);
  }

  // The same from operations that autograd can differentiate again, and of them only what is asked for: the penalty on a slope asks
  // for dx alone, which without batch norm needs no value of x but signs. f″ is 0 everywhere but at 0.
  static variable_list composed_backward(const Block& block, const variable_list& saved, const at::Tensor& dy, const std::array<bool, 5>& needed) {
    const auto &x = saved[0], &weight = saved[3];
    const auto type = block.has_norm ? saved[1].scalar_type() : block.x_type;
    variable_list result(6);
    Normalized normalized;
    at::Tensor y, sign;  // sign: what holds f's sign, values or bool
    if (block.has_norm) {
      normalized = normalize_composed(block, x.to(type));
      const auto before = normalized.values * per_channel(saved[1], x) + per_channel(saved[2], x);
      sign = before.detach();
      y = block.slope == 1.0 ? before : SlopeBySign::apply(before, sign, block.slope);
    } else {
      sign = x.detach();
      // x holds what the activation made of it, and the graph of the values before: the values of the one, the slope of the other.
      if (needed[3]) y = block.slope == 1.0 ? x : sign + SlopeBySign::apply(x - sign, sign, block.slope);
    }
    auto g = dy;
    if (block.has_map) {
      if (needed[3] || needed[4]) {
        auto of_map = map_weight_gradients(block.map, dy, y, weight, {needed[3], needed[4]});
        result[3] = std::move(of_map.weight), result[4] = std::move(of_map.bias);
      }
      if (!needed[0] && !needed[1] && !needed[2]) return result;
      g = map_input_gradient(block.map, dy, x.sizes(), weight);
    }
    g = g.to(type);
    if (block.slope != 1.0) g = SlopeBySign::apply(g, sign, block.slope);
    if (block.has_norm)
      norm_composed_backward(block, normalized, saved, g, result);
    else
      result[0] = g.to(block.x_type);
    return result;
  }

  struct Normalized {
    at::Tensor values, invstd;  // x̂ as x, 1/√(var + ε) [1,C,1,…]; both with x's graph where the statistics are x's own
  };

  static at::Tensor per_channel(const at::Tensor& t, const at::Tensor& like) {
    std::vector<int64_t> sizes(like.dim(), 1);
    sizes[1] = t.numel();
    return t.view(sizes);
  }

  static at::Tensor channel_sum(const at::Tensor& t) {
    std::vector<int64_t> axes{0};
    for (int64_t axis = 2; axis < t.dim(); ++axis) axes.push_back(axis);
    return t.sum(axes, /*keepdim=*/false, at::kDouble);
  }

  // About the known mean, so that nothing cancels: with d = x − mean, the mean is mean + Σd/n, the variance Σd²/n − (Σd/n)².
  static Normalized normalize_composed(const Block& block, const at::Tensor& x) {
    const auto& s = block.statistics;
    const auto type = x.scalar_type();
    const auto d = x - per_channel(block.affine.mean, x);
    auto off = -block.mean_error, variance = s.variance;
    if (s.count > 0) {
      const auto means = gsum(at::stack({channel_sum(d), channel_sum(d.square())}), s.over_ranks, "batch norm moments, again") / s.count;
      off = means[0], variance = means[1] - off.square();
    }
    const auto invstd = per_channel(at::rsqrt(variance + batch_norm_epsilon).to(type), x);
    return {(d - per_channel(off.to(type), x)) * invstd, invstd};
  }

  static void norm_composed_backward(const Block& block, const Normalized& normalized, const variable_list& saved, const at::Tensor& g,
                                     variable_list& result) {
    const auto type = g.scalar_type();
    const auto sums = at::stack({channel_sum(g), channel_sum(g * normalized.values)});
    result[1] = sums[1].to(type), result[2] = sums[0].to(type);
    auto centered = g;
    if (block.statistics.count > 0) {
      const auto means = (gsum(sums, block.statistics.over_ranks, "batch norm gradient sums") / block.statistics.count).to(type);
      centered = g - per_channel(means[0], g) - normalized.values * per_channel(means[1], g);
    }
    result[0] = (centered * (normalized.invstd * per_channel(saved[1], g))).to(block.x_type);
  }
};

}  // namespace

at::Tensor run_block(const at::Tensor& x, const std::optional<NormInput>& norm, double slope, const LinearMap* map, bool owns_input) {
  auto block = c10::make_intrusive<Block>();
  block->slope = slope;
  block->has_norm = norm.has_value(), block->has_map = map != nullptr;
  block->x_type = x.scalar_type();
  if (map) block->map = {map->kind, map->stride, map->padding, {}, {}, map->output_padding};
  const auto weight = map ? map->weight : at::Tensor(), bias = map ? map->bias : at::Tensor();
  if (norm) {
    at::NoGradGuard no_graph;
    block->statistics = norm->statistics;
    prepare(*block, norm->weight, norm->bias);
  }
  const auto needs = [](const at::Tensor& t) { return t.defined() && t.requires_grad(); };
  if (!at::GradMode::is_enabled() || !(needs(x) || needs(weight) || needs(bias) || (norm && (needs(norm->weight) || needs(norm->bias))))) {
    const auto y = norm ? normalize(x.detach(), block->affine, owns_input) : activate_in_place(x.detach(), slope);
    return map ? apply_map(*map, y, weight, bias) : y;
  }
  block->keeps_sign = !norm && map && slope != 1.0 && !needs(weight) && !needs(bias);
  return BlockFunction::apply(x, norm ? given(norm->weight) : std::nullopt, norm ? given(norm->bias) : std::nullopt, given(weight), given(bias), block);
}

}  // namespace ganymede::nets

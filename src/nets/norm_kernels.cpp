#include "nets/norm_kernels.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>

namespace ganymede::nets {
namespace {

struct Bfloat16 {
  uint16_t bits;
};

template <typename T, typename P>
struct Loops {
  void (*row_moments)(const T*, int64_t, int64_t, const P*, double*, double*);
  void (*plane_moments)(const T*, int64_t, P, double*, double*);
  void (*row_gradient_sums)(const T*, const T*, int64_t, int64_t, const P*, const P*, const P*, P, double*, double*);
  void (*plane_gradient_sums)(const T*, const T*, int64_t, P, P, P, P, double*, double*);
  void (*normalize_rows)(const T*, T*, int64_t, int64_t, const P*, const P*, const P*, P);
  void (*normalize_plane)(const T*, T*, int64_t, P, P, P, P);
  void (*gradient_rows)(const T*, const T*, T*, int64_t, int64_t, const P*, const P*, const P*, const P*, const P*, P);
  void (*gradient_plane)(const T*, const T*, T*, int64_t, P, P, P, P, P, P);
  void (*activation_gradient)(const T*, const T*, T*, int64_t, P);
  void (*gradient_by_sign)(const T*, const uint8_t*, T*, int64_t, P);
};

// How the plain build would pass a wide vector to a function is no matter: all that take one are inlined.
#pragma GCC diagnostic ignored "-Wpsabi"
namespace plain {
#include "nets/norm_loops.hpp"
}
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define GANYMEDE_LOOPS_BY_CPU
#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
#include "nets/norm_loops.hpp"
}
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512vl,avx512dq,avx512bw,prefer-vector-width=512")
namespace avx512 {
#include "nets/norm_loops.hpp"
}
#pragma GCC pop_options
#endif

template <typename T, typename P>
const Loops<T, P>& loops() {
  static const Loops<T, P> chosen = [] {
#ifdef GANYMEDE_LOOPS_BY_CPU
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
      return avx512::loops<T, P>();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::loops<T, P>();
#endif
    return plain::loops<T, P>();
  }();
  return chosen;
}

// body(how a value is stored, how it is computed with)
template <typename Body>
void by_type(const at::Tensor& x, Body body) {
  switch (x.scalar_type()) {
    case at::kFloat: return body(float{}, float{});
    case at::kDouble: return body(double{}, double{});
    case at::kBFloat16: return body(Bfloat16{}, float{});
    default: TORCH_CHECK(false, "batch norm computes in float32, float64 and bfloat16, not in ", x.scalar_type());
  }
}

// How x lies: as rows of C channels each (channels-last, or [B,C]), or as planes of pixels, B·C of them.
struct Layout {
  explicit Layout(const at::Tensor& x)
      : channels(x.size(1)), batch(x.size(0)), rows(channels ? x.numel() / channels : 0), pixels(batch ? rows / batch : 0),
        is_rows(x.dim() == 2 || (x.dim() == 4 && x.is_contiguous(at::MemoryFormat::ChannelsLast))) {}
  int64_t channels, batch, rows, pixels;
  bool is_rows;
};

at::Tensor settled(const at::Tensor& x) {
  if (x.dim() == 4 && x.is_contiguous(at::MemoryFormat::ChannelsLast)) return x;
  return x.contiguous(x.suggest_memory_format());
}

at::Tensor laid_as(const at::Tensor& x, const at::Tensor& like) {
  if (like.dim() == 4 && like.is_contiguous(at::MemoryFormat::ChannelsLast)) return x.contiguous(at::MemoryFormat::ChannelsLast);
  return x.contiguous();
}

template <typename T>
const T* read(const at::Tensor& t) {
  return static_cast<const T*>(t.const_data_ptr());
}
template <typename T>
T* write(const at::Tensor& t) {
  return static_cast<T*>(t.mutable_data_ptr());
}

constexpr int64_t grain = 32768;  // values that are worth a thread

int64_t grain_of(int64_t values_each) { return std::max<int64_t>(1, grain / std::max<int64_t>(1, values_each)); }

// Rows are summed in pieces, the pieces added up in order: the same bits for any number of threads.
// body(first row, rows, first result [C], second result [C])
template <typename Body>
at::Tensor sum_rows(const Layout& lay, Body body) {
  const int64_t pieces = std::clamp<int64_t>(lay.rows * lay.channels / grain, 1, 32), c = lay.channels;
  const auto parts = at::zeros({pieces, 2, c}, at::kDouble);
  auto* out = write<double>(parts);
  at::parallel_for(0, pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const int64_t from = lay.rows * p / pieces, to = lay.rows * (p + 1) / pieces;
      body(from, to - from, out + 2 * p * c, out + (2 * p + 1) * c);
    }
  });
  for (int64_t p = 1; p < pieces; ++p)
    for (int64_t i = 0; i < 2 * c; ++i) out[i] += out[2 * p * c + i];
  return parts[0];
}

// body(first value of the plane, channel, first result, second result)
template <typename Body>
at::Tensor sum_planes(const Layout& lay, Body body) {
  const auto sums = at::zeros({2, lay.channels}, at::kDouble);
  auto* out = write<double>(sums);
  at::parallel_for(0, lay.channels, grain_of(lay.rows), [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c)
      for (int64_t b = 0; b < lay.batch; ++b) body((b * lay.channels + c) * lay.pixels, c, out + c, out + lay.channels + c);
  });
  return sums;
}

// rows(first row, rows); plane(first value of the plane, channel)
template <typename Rows, typename Plane>
void for_all(const Layout& lay, Rows rows, Plane plane) {
  if (lay.is_rows)
    at::parallel_for(0, lay.rows, grain_of(lay.channels), [&](int64_t begin, int64_t end) { rows(begin, end - begin); });
  else
    at::parallel_for(0, lay.batch * lay.channels, grain_of(lay.pixels), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) plane(i * lay.pixels, i % lay.channels);
    });
}

}  // namespace

at::Tensor channel_moments(const at::Tensor& input) {
  const auto x = settled(input);
  const Layout lay(x);
  if (x.numel() == 0) return at::zeros({2, lay.channels}, at::kDouble);
  at::Tensor moments;
  by_type(x, [&]<typename T, typename P>(T, P) {
    const auto& loop = loops<T, P>();
    const T* values = read<T>(x);
    // The first value of each channel: no further from the mean than √n standard deviations.
    const auto shift = x.select(0, 0).reshape({lay.channels, -1}).select(1, 0).to(c10::CppTypeToScalarType<P>::value).contiguous();
    const P* s = read<P>(shift);
    if (lay.is_rows)
      moments = sum_rows(lay, [&](int64_t from, int64_t rows, double* a, double* b) {
        loop.row_moments(values + from * lay.channels, rows, lay.channels, s, a, b);
      });
    else
      moments = sum_planes(lay, [&](int64_t first, int64_t c, double* a, double* b) { loop.plane_moments(values + first, lay.pixels, s[c], a, b); });
    auto* m = write<double>(moments);
    const auto n = static_cast<double>(lay.rows);
    for (int64_t c = 0; c < lay.channels; ++c) {
      const double mean = m[c] / n;  // of x − shift
      double& m2 = m[lay.channels + c];
      m2 = std::max(0.0, m2 - m[c] * mean);
      m[c] = static_cast<double>(s[c]) + mean;
    }
  });
  return moments;
}

at::Tensor normalize(const at::Tensor& input, const ChannelAffine& affine, bool in_place) {
  const auto x = settled(input);
  const auto y = in_place ? x : at::empty_like(x);
  const Layout lay(x);
  by_type(x, [&]<typename T, typename P>(T, P) {
    const auto& loop = loops<T, P>();
    const T* from = read<T>(x);
    T* to = write<T>(y);
    const P *mean = read<P>(affine.mean), *scale = read<P>(affine.scale), *shift = read<P>(affine.shift);
    const auto slope = static_cast<P>(affine.slope);
    for_all(
        lay,
        [&](int64_t first, int64_t rows) {
          loop.normalize_rows(from + first * lay.channels, to + first * lay.channels, rows, lay.channels, mean, scale, shift, slope);
        },
        [&](int64_t first, int64_t c) { loop.normalize_plane(from + first, to + first, lay.pixels, mean[c], scale[c], shift[c], slope); });
  });
  return y;
}

at::Tensor gradient_sums(const at::Tensor& gradient, const at::Tensor& input, const ChannelAffine& affine) {
  const auto x = settled(input), dy = laid_as(gradient, x);
  const Layout lay(x);
  if (x.numel() == 0) return at::zeros({2, lay.channels}, at::kDouble);
  at::Tensor sums;
  by_type(x, [&]<typename T, typename P>(T, P) {
    const auto& loop = loops<T, P>();
    const T *d = read<T>(dy), *v = read<T>(x);
    const P *mean = read<P>(affine.mean), *scale = read<P>(affine.scale), *shift = read<P>(affine.shift);
    const auto slope = static_cast<P>(affine.slope);
    if (lay.is_rows)
      sums = sum_rows(lay, [&](int64_t from, int64_t rows, double* a, double* b) {
        loop.row_gradient_sums(d + from * lay.channels, v + from * lay.channels, rows, lay.channels, mean, scale, shift, slope, a, b);
      });
    else
      sums = sum_planes(lay, [&](int64_t first, int64_t c, double* a, double* b) {
        loop.plane_gradient_sums(d + first, v + first, lay.pixels, mean[c], scale[c], shift[c], slope, a, b);
      });
  });
  return sums;
}

at::Tensor input_gradient(const at::Tensor& gradient, const at::Tensor& input, const ChannelAffine& affine, const at::Tensor& offset,
                          const at::Tensor& factor, bool in_place) {
  const auto x = settled(input), dy = laid_as(gradient, x);
  const auto dx = in_place ? dy : at::empty_like(x);
  const Layout lay(x);
  by_type(x, [&]<typename T, typename P>(T, P) {
    const auto& loop = loops<T, P>();
    const T *d = read<T>(dy), *v = read<T>(x);
    T* to = write<T>(dx);
    const P *mean = read<P>(affine.mean), *scale = read<P>(affine.scale), *shift = read<P>(affine.shift), *o = read<P>(offset), *f = read<P>(factor);
    const auto slope = static_cast<P>(affine.slope);
    for_all(
        lay,
        [&](int64_t first, int64_t rows) {
          const int64_t i = first * lay.channels;
          loop.gradient_rows(d + i, v + i, to + i, rows, lay.channels, mean, scale, shift, o, f, slope);
        },
        [&](int64_t first, int64_t c) {
          loop.gradient_plane(d + first, v + first, to + first, lay.pixels, mean[c], scale[c], shift[c], o[c], f[c], slope);
        });
  });
  return dx;
}

namespace {

// Value by value from dy and what was kept of the activation: body(loops, first value, values, dy, result)
template <typename Body>
at::Tensor each_gradient(const at::Tensor& gradient, const at::Tensor& kept, bool in_place, Body body) {
  const auto dy = laid_as(gradient, kept);
  const auto dx = in_place ? dy : at::empty_like(dy);
  by_type(dy, [&]<typename T, typename P>(T, P) {
    const T* from = read<T>(dy);
    T* to = write<T>(dx);
    at::parallel_for(0, dy.numel(), grain, [&](int64_t begin, int64_t end) { body(loops<T, P>(), begin, end - begin, from + begin, to + begin); });
  });
  return dx;
}

}  // namespace

at::Tensor activation_gradient(const at::Tensor& gradient, const at::Tensor& result, double slope, bool in_place) {
  const auto y = settled(result);
  return each_gradient(gradient, y, in_place, [&]<typename T, typename P>(const Loops<T, P>& loop, int64_t first, int64_t count, const T* dy, T* dx) {
    loop.activation_gradient(dy, read<T>(y) + first, dx, count, static_cast<P>(slope));
  });
}

at::Tensor gradient_by_sign(const at::Tensor& gradient, const at::Tensor& is_positive, double slope, bool in_place) {
  const auto kept = settled(is_positive);
  return each_gradient(gradient, kept, in_place, [&]<typename T, typename P>(const Loops<T, P>& loop, int64_t first, int64_t count, const T* dy, T* dx) {
    loop.gradient_by_sign(dy, read<uint8_t>(kept) + first, dx, count, static_cast<P>(slope));
  });
}

}  // namespace ganymede::nets

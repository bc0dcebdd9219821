// The inner loops of norm_kernels.cpp, which includes this file once for each instruction set, in a namespace of its own:
// hence no #pragma once, no include, and no function of the standard library, whose one copy would be compiled for the wrong CPU.
// T: how values are stored; P: how they are computed with (float for float and bfloat16, double for double).
// Sums are kept in float64, eight channels (rows) or eight pixels (planes) abreast.

template <typename P>
struct Eight {
  typedef P type __attribute__((vector_size(8 * sizeof(P))));
};
using Sums8 = Eight<double>::type;

inline float widen(float v) { return v; }
inline double widen(double v) { return v; }
inline float widen(Bfloat16 v) { return __builtin_bit_cast(float, static_cast<uint32_t>(v.bits) << 16); }
inline void narrow(float v, float& out) { out = v; }
inline void narrow(double v, double& out) { out = v; }
inline void narrow(float v, Bfloat16& out) {  // to nearest, ties to even
  const auto bits = __builtin_bit_cast(uint32_t, v);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  out.bits = static_cast<uint16_t>(v != v ? 0x7fc0u : rounded);
}

template <typename P, typename T>
inline typename Eight<P>::type load(const T* from) {
  typename Eight<P>::type v;
  if constexpr (sizeof(T) == sizeof(P))
    __builtin_memcpy(&v, from, sizeof v);
  else
    for (int i = 0; i < 8; ++i) v[i] = widen(from[i]);
  return v;
}

template <typename P>
inline Sums8 wide(const typename Eight<P>::type& v) {
  return __builtin_convertvector(v, Sums8);
}

inline void add_to(double* target, const Sums8& v) {
  for (int i = 0; i < 8; ++i) target[i] += v[i];
}
inline double total(const Sums8& v) { return ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7])); }

// Σd and Σd² of d = x − shift: with a shift near the mean nothing cancels.
template <typename T, typename P>
void row_moments(const T* x, int64_t rows, int64_t channels, const P* shift, double* sum, double* square) {
  int64_t c = 0;
  for (; c + 8 <= channels; c += 8) {
    const Sums8 s = wide<P>(load<P>(shift + c));
    Sums8 s0{}, s1{}, q0{}, q1{};
    int64_t r = 0;
    for (; r + 2 <= rows; r += 2) {
      const Sums8 d0 = wide<P>(load<P>(x + r * channels + c)) - s, d1 = wide<P>(load<P>(x + (r + 1) * channels + c)) - s;
      s0 += d0, q0 += d0 * d0;
      s1 += d1, q1 += d1 * d1;
    }
    if (r < rows) {
      const Sums8 d0 = wide<P>(load<P>(x + r * channels + c)) - s;
      s0 += d0, q0 += d0 * d0;
    }
    add_to(sum + c, s0 + s1);
    add_to(square + c, q0 + q1);
  }
  for (; c < channels; ++c)
    for (int64_t r = 0; r < rows; ++r) {
      const double d = static_cast<double>(widen(x[r * channels + c])) - static_cast<double>(shift[c]);
      sum[c] += d, square[c] += d * d;
    }
}

template <typename T, typename P>
void plane_moments(const T* x, int64_t pixels, P shift, double* sum, double* square) {
  Sums8 s0{}, q0{};
  int64_t i = 0;
  for (; i + 8 <= pixels; i += 8) {
    const Sums8 d = wide<P>(load<P>(x + i)) - static_cast<double>(shift);
    s0 += d, q0 += d * d;
  }
  double s = total(s0), q = total(q0);
  for (; i < pixels; ++i) {
    const double d = static_cast<double>(widen(x[i])) - static_cast<double>(shift);
    s += d, q += d * d;
  }
  *sum += s, *square += q;
}

// g = dy·f′((x − mean)·scale + shift); Σg and Σg·(x − mean).
template <typename T, typename P>
void row_gradient_sums(const T* dy, const T* x, int64_t rows, int64_t channels, const P* mean, const P* scale, const P* shift, P slope, double* sum,
                       double* product) {
  using V = typename Eight<P>::type;
  int64_t c = 0;
  for (; c + 8 <= channels; c += 8) {
    const V m = load<P>(mean + c), a = load<P>(scale + c), b = load<P>(shift + c);
    Sums8 s{}, q{};
    for (int64_t r = 0; r < rows; ++r) {
      const V centered = load<P>(x + r * channels + c) - m, d = load<P>(dy + r * channels + c);
      const V g = (centered * a + b > 0) ? d : d * slope;
      s += wide<P>(g), q += wide<P>(g) * wide<P>(centered);
    }
    add_to(sum + c, s);
    add_to(product + c, q);
  }
  for (; c < channels; ++c)
    for (int64_t r = 0; r < rows; ++r) {
      const P centered = widen(x[r * channels + c]) - mean[c], d = widen(dy[r * channels + c]);
      const P g = centered * scale[c] + shift[c] > 0 ? d : d * slope;
      sum[c] += static_cast<double>(g), product[c] += static_cast<double>(g) * static_cast<double>(centered);
    }
}

template <typename T, typename P>
void plane_gradient_sums(const T* dy, const T* x, int64_t pixels, P mean, P scale, P shift, P slope, double* sum, double* product) {
  using V = typename Eight<P>::type;
  Sums8 s8{}, q8{};
  int64_t i = 0;
  for (; i + 8 <= pixels; i += 8) {
    const V centered = load<P>(x + i) - mean, d = load<P>(dy + i);
    const V g = (centered * scale + shift > 0) ? d : d * slope;
    s8 += wide<P>(g), q8 += wide<P>(g) * wide<P>(centered);
  }
  double s = total(s8), q = total(q8);
  for (; i < pixels; ++i) {
    const P centered = widen(x[i]) - mean, d = widen(dy[i]);
    const P g = centered * scale + shift > 0 ? d : d * slope;
    s += static_cast<double>(g), q += static_cast<double>(g) * static_cast<double>(centered);
  }
  *sum += s, *product += q;
}

// A channel's constant along a row is its own, along a plane the same for every pixel.
template <typename P>
struct PerElement {
  const P* values;
  P operator[](int64_t i) const { return values[i]; }
};
template <typename P>
struct ForAll {
  P value;
  P operator[](int64_t) const { return value; }
};

// y = f((x − mean)·scale + shift); y may be x.
template <typename T, typename P, typename C>
inline void normalize_span(const T* x, T* y, int64_t n, C mean, C scale, C shift, P slope) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const P v = (widen(x[i]) - mean[i]) * scale[i] + shift[i];
    narrow(v > 0 ? v : v * slope, y[i]);
  }
}

// dx = scale·g − offset − factor·(x − mean); dx may be dy.
template <typename T, typename P, typename C>
inline void gradient_span(const T* dy, const T* x, T* dx, int64_t n, C mean, C scale, C shift, C offset, C factor, P slope) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const P centered = widen(x[i]) - mean[i], d = widen(dy[i]);
    const P g = centered * scale[i] + shift[i] > 0 ? d : d * slope;
    narrow(g * scale[i] - offset[i] - factor[i] * centered, dx[i]);
  }
}

template <typename T, typename P>
void normalize_rows(const T* x, T* y, int64_t rows, int64_t channels, const P* mean, const P* scale, const P* shift, P slope) {
  for (int64_t r = 0; r < rows; ++r)
    normalize_span(x + r * channels, y + r * channels, channels, PerElement<P>{mean}, PerElement<P>{scale}, PerElement<P>{shift}, slope);
}
template <typename T, typename P>
void normalize_plane(const T* x, T* y, int64_t pixels, P mean, P scale, P shift, P slope) {
  normalize_span(x, y, pixels, ForAll<P>{mean}, ForAll<P>{scale}, ForAll<P>{shift}, slope);
}
template <typename T, typename P>
void gradient_rows(const T* dy, const T* x, T* dx, int64_t rows, int64_t channels, const P* mean, const P* scale, const P* shift, const P* offset,
                   const P* factor, P slope) {
  using C = PerElement<P>;
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t at = r * channels;
    gradient_span(dy + at, x + at, dx + at, channels, C{mean}, C{scale}, C{shift}, C{offset}, C{factor}, slope);
  }
}
template <typename T, typename P>
void gradient_plane(const T* dy, const T* x, T* dx, int64_t pixels, P mean, P scale, P shift, P offset, P factor, P slope) {
  using C = ForAll<P>;
  gradient_span(dy, x, dx, pixels, C{mean}, C{scale}, C{shift}, C{offset}, C{factor}, slope);
}

// dx = y > 0 ? dy : slope·dy, y = f(x) of a slope that is not negative; dx may be dy.
template <typename T, typename P>
void activation_gradient(const T* dy, const T* y, T* dx, int64_t n, P slope) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const P d = widen(dy[i]);
    narrow(widen(y[i]) > 0 ? d : d * slope, dx[i]);
  }
}

template <typename T, typename P>
void gradient_by_sign(const T* dy, const uint8_t* is_positive, T* dx, int64_t n, P slope) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const P factor = is_positive[i] != 0 ? P(1) : slope;
    narrow(widen(dy[i]) * factor, dx[i]);
  }
}

template <typename T, typename P>
Loops<T, P> loops() {
  return {row_moments<T, P>,    plane_moments<T, P>, row_gradient_sums<T, P>, plane_gradient_sums<T, P>, normalize_rows<T, P>,
          normalize_plane<T, P>, gradient_rows<T, P>, gradient_plane<T, P>,    activation_gradient<T, P>,
          gradient_by_sign<T, P>};
}

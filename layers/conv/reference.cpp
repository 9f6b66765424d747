// Convolution of any shape as its definition reads, in f64: what gradients are checked on and the other algorithms are
// held against.

#include <algorithm>

#include "core/parallel.h"
#include "layers/conv/algorithm.h"
#include "layers/conv/apply_epilogue.h"

namespace striate {
namespace {

// The input row or column that kernel tap `tap` reads for output position `out`; may lie outside.
std::int64_t source(std::int64_t out, std::int64_t tap, std::int64_t stride, std::int64_t padding,
                    std::int64_t dilation) {
  return out * stride - padding + tap * dilation;
}

bool inside(std::int64_t i, std::int64_t size) { return i >= 0 && i < size; }

// Calls f(offset of x at (n,h,w,0), offset of y at (n,p,q,0)) for every pair that the tap (r,s) joins in image n.
template <class F>
void for_each_pair(const ConvGeometry& g, std::int64_t n, std::int64_t r, std::int64_t s, F&& f) {
  for (std::int64_t p = 0; p < g.p; ++p) {
    const std::int64_t h = source(p, r, g.stride.height, g.padding.height, g.dilation.height);
    if (!inside(h, g.h)) continue;
    for (std::int64_t q = 0; q < g.q; ++q) {
      const std::int64_t w = source(q, s, g.stride.width, g.padding.width, g.dilation.width);
      if (inside(w, g.w)) f(((n * g.h + h) * g.w + w) * g.c, ((n * g.p + p) * g.q + q) * g.k);
    }
  }
}

void forward(const ConvGeometry& g, ConvInput<const double> x, ConvFilter<const double> w,
             const ConvEpilogue<double>& epilogue, ConvOutput<double> y) {
  const std::int64_t cg = g.group_inputs();
  const std::int64_t kg = g.group_outputs();
  parallel_for(g.n, 1, [&](std::int64_t n, std::int64_t) {
    double* image = y.data + n * g.p * g.q * g.k;
    std::fill_n(image, g.p * g.q * g.k, 0.0);
    for (std::int64_t tap = 0; tap < g.r * g.s; ++tap) {
      for_each_pair(g, n, tap / g.s, tap % g.s, [&](std::int64_t at_x, std::int64_t at_y) {
        for (std::int64_t c = 0; c < g.c; ++c) {
          const std::int64_t first = c / cg * kg;
          for (std::int64_t k = first; k < first + kg; ++k) {
            y.data[at_y + k] += x.data[at_x + c] * w.data[(tap * cg + c % cg) * g.k + k];
          }
        }
      });
    }
    for (std::int64_t i = 0; i < g.p * g.q * g.k; ++i) image[i] = epilogue_of<double>(epilogue, i % g.k)(image[i]);
  });
}

void backward_data(const ConvGeometry& g, ConvOutput<const double> dy, ConvFilter<const double> w,
                   ConvInput<double> dx) {
  const std::int64_t cg = g.group_inputs();
  const std::int64_t kg = g.group_outputs();
  parallel_for(g.n, 1, [&](std::int64_t n, std::int64_t) {
    std::fill_n(dx.data + n * g.h * g.w * g.c, g.h * g.w * g.c, 0.0);
    for (std::int64_t tap = 0; tap < g.r * g.s; ++tap) {
      for_each_pair(g, n, tap / g.s, tap % g.s, [&](std::int64_t at_x, std::int64_t at_y) {
        for (std::int64_t c = 0; c < g.c; ++c) {
          const std::int64_t first = c / cg * kg;
          for (std::int64_t k = first; k < first + kg; ++k) {
            dx.data[at_x + c] += dy.data[at_y + k] * w.data[(tap * cg + c % cg) * g.k + k];
          }
        }
      });
    }
  });
}

void backward_weights(const ConvGeometry& g, ConvInput<const double> x, ConvOutput<const double> dy,
                      ConvFilter<double> dw) {
  const std::int64_t cg = g.group_inputs();
  const std::int64_t kg = g.group_outputs();
  parallel_for(g.r * g.s, 1, [&](std::int64_t tap, std::int64_t) {
    std::fill_n(dw.data + tap * cg * g.k, cg * g.k, 0.0);
    for (std::int64_t n = 0; n < g.n; ++n) {
      for_each_pair(g, n, tap / g.s, tap % g.s, [&](std::int64_t at_x, std::int64_t at_y) {
        for (std::int64_t c = 0; c < g.c; ++c) {
          const std::int64_t first = c / cg * kg;
          for (std::int64_t k = first; k < first + kg; ++k) {
            dw.data[(tap * cg + c % cg) * g.k + k] += x.data[at_x + c] * dy.data[at_y + k];
          }
        }
      });
    }
  });
}

bool fits(const ConvGeometry& /*g*/) { return true; }

double cost(const ConvGeometry& g, DType /*dtype*/, ConvDirection /*direction*/, const ConvMachine& /*machine*/) {
  return static_cast<double>(g.positions() * g.r * g.s);
}

}  // namespace

const ConvAlgorithm conv_by::reference = {
    .name = "reference", .fits_shape = fits, .cost = cost, .f64 = {forward, backward_data, backward_weights}};

}  // namespace striate

// Convolution of any shape as its definition reads, in f64: what gradients are checked on and the other algorithms are
// held against.

#include <algorithm>

#include "core/parallel.h"
#include "layers/conv/algorithm.h"
#include "layers/conv/apply_epilogue.h"

namespace striate {
namespace {

bool inside(std::int64_t i, std::int64_t size) { return i >= 0 && i < size; }

// Calls f(i, j, o) for every product x[i] * w[j] that the definition adds to y[o], of image n and kernel tap
// (tap / g.s, tap % g.s).
template <class F>
void for_each_product(const ConvGeometry& g, std::int64_t n, std::int64_t tap, F&& f) {
  const std::int64_t cg = g.group_inputs();
  const std::int64_t kg = g.group_outputs();
  for (std::int64_t p = 0; p < g.p; ++p) {
    const std::int64_t h = g.rows().place(p, tap / g.s);
    if (!inside(h, g.h)) continue;
    for (std::int64_t q = 0; q < g.q; ++q) {
      const std::int64_t w = g.columns().place(q, tap % g.s);
      if (!inside(w, g.w)) continue;
      for (std::int64_t c = 0; c < g.c; ++c) {
        const std::int64_t from = ((n * g.h + h) * g.w + w) * g.c + c;
        const std::int64_t filter = (tap * cg + c % cg) * g.k;
        const std::int64_t to = ((n * g.p + p) * g.q + q) * g.k;
        for (std::int64_t k = c / cg * kg; k < (c / cg + 1) * kg; ++k) f(from, filter + k, to + k);
      }
    }
  }
}

void forward(const ConvGeometry& g, ConvInput<const double> x, ConvFilter<const double> w,
             const ConvEpilogue<double>& epilogue, ConvOutput<double> y) {
  parallel_for(g.n, 1, [&](std::int64_t n, std::int64_t) {
    const std::int64_t size = g.p * g.q * g.k;
    double* image = y.data + n * size;
    std::fill_n(image, size, 0.0);
    for (std::int64_t tap = 0; tap < g.r * g.s; ++tap) {
      for_each_product(g, n, tap,
                       [&](std::int64_t i, std::int64_t j, std::int64_t o) { y.data[o] += x.data[i] * w.data[j]; });
    }
    for (std::int64_t i = 0; i < size; ++i) image[i] = epilogue_of<double>(epilogue, i % g.k)(image[i]);
  });
}

void backward_data(const ConvGeometry& g, ConvOutput<const double> dy, ConvFilter<const double> w,
                   const ConvEpilogue<double>& epilogue, ConvInput<double> dx) {
  parallel_for(g.n, 1, [&](std::int64_t n, std::int64_t) {
    const std::int64_t size = g.h * g.w * g.c;
    double* image = dx.data + n * size;
    std::fill_n(image, size, 0.0);
    for (std::int64_t tap = 0; tap < g.r * g.s; ++tap) {
      for_each_product(g, n, tap,
                       [&](std::int64_t i, std::int64_t j, std::int64_t o) { dx.data[i] += dy.data[o] * w.data[j]; });
    }
    for (std::int64_t i = 0; i < size; ++i) image[i] = epilogue_of<double>(epilogue, i % g.c)(image[i]);
  });
}

void backward_weights(const ConvGeometry& g, ConvInput<const double> x, ConvOutput<const double> dy,
                      ConvFilter<double> dw) {
  parallel_for(g.r * g.s, 1, [&](std::int64_t tap, std::int64_t) {
    const std::int64_t size = g.group_inputs() * g.k;
    std::fill_n(dw.data + tap * size, size, 0.0);
    for (std::int64_t n = 0; n < g.n; ++n) {
      for_each_product(g, n, tap,
                       [&](std::int64_t i, std::int64_t j, std::int64_t o) { dw.data[j] += x.data[i] * dy.data[o]; });
    }
  });
}

bool fits(const ConvGeometry& /*g*/) { return true; }

double cost(const ConvGeometry& g, DType /*dtype*/, ConvDirection /*direction*/, const ConvMachine& /*machine*/) {
  return static_cast<double>(g.positions()) * static_cast<double>(g.r * g.s);
}

}  // namespace

const ConvAlgorithm conv_by::reference = {
    .name = "reference", .fits_shape = fits, .cost = cost, .f64 = {forward, backward_data, backward_weights}};

}  // namespace striate

#include "layers/conv/reference.h"

#include <algorithm>

#include "core/parallel.h"
#include "layers/conv/apply_epilogue.h"

namespace striate {
namespace {

// The input row or column that output position `out` meets with kernel tap `tap`; may lie outside.
std::int64_t source(std::int64_t out, std::int64_t tap, std::int64_t stride, std::int64_t padding,
                    std::int64_t dilation) {
  return out * stride - padding + tap * dilation;
}

bool inside(std::int64_t i, std::int64_t size) { return i >= 0 && i < size; }

// Calls f(offset of x at (n,h,w,0), offset of y at (n,p,q,0), tap) for every pair that meets in image n.
template <class F>
void for_each_meeting(const ConvGeometry& g, std::int64_t n, std::int64_t r, std::int64_t s, F&& f) {
  for (std::int64_t p = 0; p < g.p; ++p) {
    const std::int64_t h = source(p, r, g.stride.height, g.padding.height, g.dilation.height);
    if (!inside(h, g.h)) continue;
    for (std::int64_t q = 0; q < g.q; ++q) {
      const std::int64_t w = source(q, s, g.stride.width, g.padding.width, g.dilation.width);
      if (inside(w, g.w)) f(((n * g.h + h) * g.w + w) * g.c, ((n * g.p + p) * g.q + q) * g.k);
    }
  }
}

}  // namespace

void reference_forward(const ConvGeometry& g, const double* x, const double* w, const ConvEpilogue<double>& epilogue,
                       double* y) {
  const std::int64_t cg = g.group_inputs();
  const std::int64_t kg = g.group_outputs();
  parallel_for(g.n, 1, [&](std::int64_t n, std::int64_t) {
    double* image = y + n * g.p * g.q * g.k;
    std::fill_n(image, g.p * g.q * g.k, 0.0);
    for (std::int64_t tap = 0; tap < g.r * g.s; ++tap) {
      for_each_meeting(g, n, tap / g.s, tap % g.s, [&](std::int64_t at_x, std::int64_t at_y) {
        for (std::int64_t c = 0; c < g.c; ++c) {
          const std::int64_t first = c / cg * kg;
          for (std::int64_t k = first; k < first + kg; ++k) {
            y[at_y + k] += x[at_x + c] * w[(tap * cg + c % cg) * g.k + k];
          }
        }
      });
    }
    for (std::int64_t i = 0; i < g.p * g.q * g.k; ++i) image[i] = epilogue_of<double>(epilogue, i % g.k)(image[i]);
  });
}

void reference_backward_data(const ConvGeometry& g, const double* dy, const double* w, double* dx) {
  const std::int64_t cg = g.group_inputs();
  const std::int64_t kg = g.group_outputs();
  parallel_for(g.n, 1, [&](std::int64_t n, std::int64_t) {
    std::fill_n(dx + n * g.h * g.w * g.c, g.h * g.w * g.c, 0.0);
    for (std::int64_t tap = 0; tap < g.r * g.s; ++tap) {
      for_each_meeting(g, n, tap / g.s, tap % g.s, [&](std::int64_t at_x, std::int64_t at_y) {
        for (std::int64_t c = 0; c < g.c; ++c) {
          const std::int64_t first = c / cg * kg;
          for (std::int64_t k = first; k < first + kg; ++k) {
            dx[at_x + c] += dy[at_y + k] * w[(tap * cg + c % cg) * g.k + k];
          }
        }
      });
    }
  });
}

void reference_backward_weights(const ConvGeometry& g, const double* x, const double* dy, double* dw) {
  const std::int64_t cg = g.group_inputs();
  const std::int64_t kg = g.group_outputs();
  parallel_for(g.r * g.s, 1, [&](std::int64_t tap, std::int64_t) {
    std::fill_n(dw + tap * cg * g.k, cg * g.k, 0.0);
    for (std::int64_t n = 0; n < g.n; ++n) {
      for_each_meeting(g, n, tap / g.s, tap % g.s, [&](std::int64_t at_x, std::int64_t at_y) {
        for (std::int64_t c = 0; c < g.c; ++c) {
          const std::int64_t first = c / cg * kg;
          for (std::int64_t k = first; k < first + kg; ++k) {
            dw[(tap * cg + c % cg) * g.k + k] += x[at_x + c] * dy[at_y + k];
          }
        }
      });
    }
  });
}

}  // namespace striate

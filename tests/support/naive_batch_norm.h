#pragma once
// Batch normalisation as its definition reads.

#include <cmath>
#include <cstddef>
#include <vector>

namespace striate::testing_support {

template <class S>
struct NaiveMoments {
  std::vector<S> mean;
  std::vector<S> biased_var;
  std::vector<S> unbiased_var;
};

/// x holds rows of `channels` values.
template <class S>
NaiveMoments<S> naive_moments(const std::vector<S>& x, std::size_t channels) {
  const std::size_t rows = x.size() / channels;
  NaiveMoments<S> result;
  for (std::size_t c = 0; c < channels; ++c) {
    S sum = 0;
    for (std::size_t r = 0; r < rows; ++r) sum += x[r * channels + c];
    const S mean = sum / static_cast<S>(rows);
    S squares = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      squares += (x[r * channels + c] - mean) * (x[r * channels + c] - mean);
    }
    result.mean.push_back(mean);
    result.biased_var.push_back(squares / static_cast<S>(rows));
    result.unbiased_var.push_back(squares / static_cast<S>(rows - 1));
  }
  return result;
}

/// (x - mean) / sqrt(var + eps) * weight + bias.
template <class S>
std::vector<S> naive_normalise(const std::vector<S>& x, const std::vector<S>& mean, const std::vector<S>& var,
                               const std::vector<S>& weight, const std::vector<S>& bias, S eps) {
  std::vector<S> y;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i % mean.size();
    y.push_back((x[i] - mean[c]) / std::sqrt(var[c] + eps) * weight[c] + bias[c]);
  }
  return y;
}

}  // namespace striate::testing_support

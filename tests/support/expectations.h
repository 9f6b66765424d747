#pragma once
// What tests of ops expect beside values: errors that name what came, and bits that do not depend on threads.

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "core/tensor.h"

namespace striate::testing_support {

/// Expects f() to throw an E whose message holds every one of the parts.
template <class E, class F>
void expect_error(F&& f, const std::vector<std::string>& parts) {
  try {
    f();
  } catch (const E& error) {
    for (const std::string& part : parts) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
          << "\"" << part << "\" is missing in: " << error.what();
    }
    return;
  }
  ADD_FAILURE() << "nothing was thrown";
}

inline void expect_same_bits(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.shape(), b.shape());
  ASSERT_EQ(a.dtype(), b.dtype());
  EXPECT_TRUE(a.bytes() == 0 || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0)
      << "of " << to_string(a.shape());
}

/// Expects f(), which returns tensors, to give the same bits with 1 and with 3 threads.
template <class F>
void expect_same_bits_with_threads(F&& f) {
  const int before = num_threads();
  set_num_threads(1);
  const std::vector<Tensor> one = f();
  set_num_threads(3);
  const std::vector<Tensor> three = f();
  set_num_threads(before);
  ASSERT_EQ(one.size(), three.size());
  for (std::size_t i = 0; i < one.size(); ++i) expect_same_bits(one[i], three[i]);
}

}  // namespace striate::testing_support

#include "core/profile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/autograd.h"
#include "core/elementwise.h"
#include "core/matmul.h"
#include "core/module.h"
#include "core/reduce.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

struct Product : Layer {
  Product(Module& parent, std::string name) : Layer(parent, std::move(name)) {
    add_parameter("weight", weight, Tensor::full({4, 4}, 0.5));
  }
  Tensor forward(const Tensor& x) override { return matmul(x, weight); }
  Tensor weight;
};

struct Twice : Layer {
  Product first{*this, "first"};
  Product second{*this, "second"};
  Tensor forward(const Tensor& x) override { return second(first(x)) * 2.0; }
};

using Places = std::vector<std::pair<std::string, std::string>>;

Places places(const std::vector<ProfileRow>& rows) {
  Places result;
  for (const ProfileRow& row : rows) result.emplace_back(row.where, row.part);
  return result;
}

double total(const std::vector<ProfileRow>& rows) {
  return std::accumulate(rows.begin(), rows.end(), 0.0,
                         [](double sum, const ProfileRow& row) { return sum + row.seconds; });
}

TEST(Profile, BooksLayersBothWays) {
  Twice model;
  const Tensor x = Tensor::full({3, 4}, 1);
  Profiler profiler;
  const Tensor y = sum(model(x));
  EXPECT_EQ(places(profiler.take_rows()), (Places{{"", "forward"}, {"first", "forward"}, {"second", "forward"}}));
  y.backward();
  EXPECT_EQ(places(profiler.take_rows()), (Places{{"", "backward"}, {"second", "backward"}, {"first", "backward"}}));
  EXPECT_TRUE(profiler.take_rows().empty());
}

TEST(Profile, RowsAddUpToTheSpanAroundThem) {
  using Clock = std::chrono::steady_clock;
  Profiler profiler;
  const auto before = Clock::now();
  Clock::duration inside{};
  {
    const ProfileSpan outer("outer", "all");
    const auto start = Clock::now();
    for (int i = 0; i < 3; ++i) {
      const ProfileSpan inner(profiled_place(), "part", i == 1 ? "so" : "");
    }
    inside = Clock::now() - start;
  }
  const auto around = Clock::now() - before;
  const std::vector<ProfileRow> rows = profiler.take_rows();
  EXPECT_EQ(places(rows), (Places{{"outer", "all"}, {"outer", "part"}}));
  EXPECT_EQ(rows[1].detail, "so");
  const double rounding = 1e-12;
  EXPECT_GE(total(rows), std::chrono::duration<double>(inside).count() - rounding);
  EXPECT_LE(total(rows), std::chrono::duration<double>(around).count() + rounding);
}

TEST(Profile, IsOffWithoutAProfiler) {
  Twice model;
  const Tensor y = sum(model(Tensor::full({3, 4}, 1)));
  EXPECT_FALSE(profiling());
  EXPECT_EQ(profiled_place(), "");
  Profiler outer;
  y.backward();  // recorded before: belongs to no layer
  EXPECT_EQ(places(outer.take_rows()), (Places{{"", "backward"}}));
  {
    Profiler inner;
    model(Tensor::full({3, 4}, 1));
    EXPECT_EQ(inner.take_rows().size(), 3U);
  }
  EXPECT_TRUE(outer.take_rows().empty());
  EXPECT_TRUE(profiling());
}

TEST(Profile, ASpanEndsWhereItsWorkThrows) {
  Twice model;
  Profiler profiler;
  EXPECT_THROW(model(Tensor::full({3, 5}, 1)), ShapeError);
  EXPECT_EQ(profiled_place(), "");
  EXPECT_EQ(profiler.take_rows().size(), 2U);
}

TEST(Profile, ChangesNoBits) {
  Twice model;
  const Tensor x = testing_support::random_tensor({64, 4}, 1, DType::f32);
  const auto gradients = [&] {
    model.zero_grad();
    sum(model(x)).backward();
    std::vector<double> all = model.first.weight.grad().to_vector();
    const std::vector<double> second = model.second.weight.grad().to_vector();
    all.insert(all.end(), second.begin(), second.end());
    return all;
  };
  const std::vector<double> plain = gradients();
  const Profiler profiler;
  EXPECT_EQ(gradients(), plain);
}

}  // namespace
}  // namespace striate

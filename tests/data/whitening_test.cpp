#include "data/whitening.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/parallel.h"
#include "data/generated.h"
#include "data/normalize.h"
#include "tests/support/errors.h"
#include "tests/support/hashed.h"

namespace striate {
namespace {

using testing_support::expect_error;
using testing_support::HashedStream;
using Values = std::vector<double>;

Dataset hashed_images() {
  const HashedStream stream("images");
  Tensor images = Tensor::empty({4, 5, 6, 3}, DType::u8);
  auto* bytes = images.mutable_data<std::uint8_t>();
  for (std::int64_t i = 0; i < images.numel(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(stream.bits(static_cast<std::uint64_t>(i)) >> 56U);
  }
  return {images, Tensor::zeros({4}, DType::i64), {"one"}};
}

const Dataset& shapes() {
  static const Dataset dataset = generate_split({.seed = 2, .train_images = 60}, Split::train);
  return dataset;
}

/// Filter k of (R,S,C,K), flattened.
Values filter_of(const Tensor& filters, std::int64_t k) {
  const Values all = filters.to_vector();
  Values one;
  for (auto i = static_cast<std::size_t>(k); i < all.size(); i += static_cast<std::size_t>(filters.size(3))) {
    one.push_back(all[i]);
  }
  return one;
}

/// The outputs of a filter on every patch inside the images, as a convolution defines them.
Values outputs(const Dataset& dataset, const Values& filter, std::int64_t kernel) {
  const Values pixels = normalized(dataset.images, dataset.normalization, DType::f64).to_vector();
  const Shape& shape = dataset.images.shape();
  const std::int64_t size = kernel * kernel * shape[3];
  Values result;
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    for (std::int64_t y = 0; y + kernel <= shape[1]; ++y) {
      for (std::int64_t x = 0; x + kernel <= shape[2]; ++x) {
        double sum = 0;
        for (std::int64_t i = 0; i < size; ++i) {
          const std::int64_t row = (n * shape[1] + y + i / (kernel * shape[3])) * shape[2] + x + i / shape[3] % kernel;
          sum += filter[static_cast<std::size_t>(i)] * pixels[static_cast<std::size_t>(row * shape[3] + i % shape[3])];
        }
        result.push_back(sum);
      }
    }
  }
  return result;
}

double covariance(const Values& a, const Values& b) {
  double sum_a = 0;
  double sum_b = 0;
  double products = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum_a += a[i];
    sum_b += b[i];
    products += a[i] * b[i];
  }
  const auto count = static_cast<double>(a.size());
  return products / count - sum_a / count * (sum_b / count);
}

double squared_norm(const Values& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return sum;
}

// numpy, with images of bytes bits("images", 360) >> 56 of tests/reference/hashed.py, normalised:
//   rows = sliding_window_view(images, (2, 2), (1, 2)).transpose(0, 1, 2, 4, 5, 3).reshape(-1, 12)
//   l, v = np.linalg.eigh(np.cov(rows, rowvar=False, bias=True))
//   filters = (v / np.sqrt(l + 5e-4)).T[::-1], each times the sign of its first value
TEST(Whitening, IsNumPysEigenvectors) {
  const Values rising = {0.6678467759380495, 0.7751096368877038, 0.8109754608533835, 1.014434063886359,
                         1.1949032674136997, 1.226479979620609,  1.496115946946045,  1.590692226784184,
                         1.6507365461929417, 1.7698170624949179, 1.9924736965244387, 2.2740705479398655};
  const Values first = {0.22854745906029997,  0.08035758145432617, 0.025149811087308238, -0.024558175164900553,
                        -0.23042571207439247, 0.2113501658743285,  -0.3473613250997149,  0.13259738293580023,
                        -0.08498386950204875, -0.2246239796243037, 0.10827190835252502,  -0.272596181618434};
  const Values last = {0.45851780593949515,  -0.25230134107530283, -0.09665290904361436,   0.07663562733320345,
                       -0.05463197328406454, -0.7358589762521388,  -0.3262194305101082,    0.4608893713925783,
                       0.23044560475656722,  -0.1995148861571491,  -0.0036215407501308744, 0.5008834302573287};
  const Tensor filters = whitening_filters(hashed_images(), 2, 24);
  ASSERT_EQ(filters.shape(), (Shape{2, 2, 3, 24}));
  ASSERT_EQ(filters.dtype(), DType::f64);
  for (std::int64_t i = 0; i < 12; ++i) {
    const Values filter = filter_of(filters, 2 * i);
    EXPECT_NEAR(1 / squared_norm(filter), rising[static_cast<std::size_t>(11 - i)] + 5e-4, 1e-12);
    Values negative = filter_of(filters, 2 * i + 1);
    for (double& value : negative) value = -value;
    EXPECT_EQ(negative, filter);
  }
  for (const auto& [k, want] : {std::pair{0, first}, std::pair{22, last}}) {
    const Values filter = filter_of(filters, k);
    const double sign = filter[0] < 0 ? -1 : 1;
    for (std::size_t i = 0; i < 12; ++i) EXPECT_NEAR(sign * filter[i], want[i], 1e-11) << k << " " << i;
  }
}

void expect_white(const Dataset& dataset) {
  const std::int64_t size = 9 * dataset.channels();
  for (const double eps : {1e-9, 5e-4}) {
    const Tensor filters = whitening_filters(dataset, 3, 2 * size, {.eps = eps});
    std::vector<Values> y;
    std::vector<double> variances;
    for (std::int64_t k = 0; k < 2 * size; k += 2) {
      const Values filter = filter_of(filters, k);
      y.push_back(outputs(dataset, filter, 3));
      // A filter's squared norm is 1 / (l + eps), and so eps takes this from the variance l / (l + eps).
      variances.push_back(1 - eps * squared_norm(filter));
    }
    if (eps == 1e-9) {  // far below the smallest eigenvalue
      for (const double variance : variances) EXPECT_NEAR(variance, 1, 1e-4);
    }
    for (std::size_t i = 0; i < y.size(); ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        EXPECT_NEAR(covariance(y[i], y[j]), i == j ? variances[i] : 0, 1e-9) << i << " " << j;
      }
    }
  }
}

TEST(Whitening, OutputsAreUncorrelatedAndOfUnitVariance) { expect_white(shapes()); }

TEST(Whitening, TakesOneChannel) {
  Dataset red = shapes();
  red.images = Tensor::empty({60, 32, 32, 1}, DType::u8);
  red.normalization = {{0.4}, {0.2}};
  const auto* in = shapes().images.data<std::uint8_t>();
  auto* out = red.images.mutable_data<std::uint8_t>();
  for (std::int64_t i = 0; i < red.images.numel(); ++i) out[i] = in[3 * i];
  expect_white(red);
  const Tensor weight = Tensor::zeros({3, 3, 1, 20});
  whiten_(weight, red);
  EXPECT_NE(filter_of(weight, 17), Values(9, 0));
  EXPECT_EQ(filter_of(weight, 18), Values(9, 0));
  expect_error<ShapeError>([&] { whiten_(Tensor::zeros({3, 3, 3, 8}), red); }, {"(3,3,3,8)", "32x32x1"});
}

TEST(Whitening, FewerFiltersAreTheStrongest) {
  const Tensor all = whitening_filters(shapes(), 2, 100);
  EXPECT_EQ(all.shape(), (Shape{2, 2, 3, 24}));
  const Tensor some = whitening_filters(shapes(), 2, 5);
  ASSERT_EQ(some.shape(), (Shape{2, 2, 3, 5}));
  for (std::int64_t k = 0; k < 5; ++k) EXPECT_EQ(filter_of(some, k), filter_of(all, k));
}

TEST(Whitening, ImagesAreSpreadOverTheDataSet) {
  const Dataset third = [] {
    Dataset result{Tensor::empty({20, 32, 32, 3}, DType::u8), Tensor::zeros({20}, DType::i64), {"one"}};
    const auto* in = shapes().images.data<std::uint8_t>();
    auto* out = result.images.mutable_data<std::uint8_t>();
    for (std::int64_t i = 0; i < 20; ++i) std::copy(in + 3 * i * 3072, in + (3 * i + 1) * 3072, out + i * 3072);
    return result;
  }();
  EXPECT_EQ(whitening_filters(shapes(), 3, 10, {.images = 20}).to_vector(),
            whitening_filters(third, 3, 10).to_vector());
}

TEST(Whitening, ThreadsDoNotChangeBits) {
  const int before = num_threads();
  set_num_threads(1);
  const Values one = whitening_filters(shapes(), 3, 54).to_vector();
  set_num_threads(3);
  const Values three = whitening_filters(shapes(), 3, 54).to_vector();
  set_num_threads(before);
  EXPECT_EQ(one, three);
}

TEST(Whitening, WritesTheFirstFiltersOfAWeight) {
  const Tensor filters = whitening_filters(shapes(), 2, 30);
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor weight = Tensor::full({2, 2, 3, 30}, 7, dtype);
    whiten_(weight, shapes());
    for (std::int64_t k = 0; k < 30; ++k) {
      Values want = k < 24 ? filter_of(filters, k) : Values(12, 7);
      if (dtype == DType::f32) {
        for (double& value : want) value = static_cast<float>(value);
      }
      EXPECT_EQ(filter_of(weight, k), want);
    }
  }
}

TEST(Whitening, RefusesWhatDoesNotFit) {
  const Dataset images = hashed_images();
  expect_error<std::invalid_argument>([&] { whitening_filters(images, 6, 4); }, {"kernel of 1 .. 5", "got 6"});
  expect_error<std::invalid_argument>([&] { whitening_filters(images, 0, 4); }, {"kernel of 1 .. 5", "got 0"});
  expect_error<std::invalid_argument>([&] { whitening_filters(images, 2, 0); }, {"1 filter", "got 0"});
  expect_error<std::invalid_argument>([&] { whitening_filters(images, 2, 4, {.images = 0}); }, {"1 image", "got 0"});
  expect_error<std::invalid_argument>([&] { whitening_filters(images, 2, 4, {.eps = 0}); }, {"eps above 0"});
  expect_error<ShapeError>([&] { whiten_(Tensor::zeros({2, 3, 3, 8}), images); }, {"(R,R,C,K)", "(2,3,3,8)"});
}

}  // namespace
}  // namespace striate

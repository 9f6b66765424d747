// Rotated MNIST, and two nets for it of about 25,000 parameters: a plain one, and one that is equivariant to quarter
// turns, both of Cohen and Welling, "Group Equivariant Convolutional Networks" (2016), section 8.1. The whole of
// striate knows them here:
//
//   rotated_mnist train --dataset rotated-mnist --data MNIST --model p4cnn --flip none --epochs 60 --out DIR
//   rotated_mnist equivariance --weights DIR/weights.safetensors --data MNIST --rotate 90
#include <cmath>
#include <numbers>

#include "apps/cli/run.h"
#include "core/reshape.h"
#include "data/dataset.h"
#include "layers/activations.h"
#include "layers/conv2d.h"
#include "layers/dropout.h"
#include "layers/flatten.h"
#include "layers/max_pool.h"
#include "layers/p4_conv.h"
#include "layers/sequential.h"
#include "models/registry.h"
using namespace striate;

// Seven convolutions, the last one over all that is left of the map; a max pool after the second.
template <class First, class Conv, class ConvOptions, class Norm>
struct RotationNet : Layer {
  RotationNet(const ModelOptions& o, std::int64_t channels, std::int64_t orientations) : orientations_(orientations) {
    const double dropout = o.options.real("dropout", 0);
    for (int layer = 1; layer <= 6; ++layer) {
      if (layer == 1) features.add<First>(o.in_channels, channels, ConvOptions{.kernel_size = 3, .bias = false});
      if (layer > 1) features.add<Conv>(channels, channels, ConvOptions{.kernel_size = 3, .bias = false});
      features.add<Norm>(channels);
      features.add<ReLU>();
      features.add<Dropout>(dropout);
      if (layer == 2) features.add<MaxPool2d>(MaxPool2dOptions{.kernel_size = 2});
    }
    features.add<Conv>(channels, o.classes, ConvOptions{.kernel_size = 4});
  }
  Tensor forward(const Tensor& x) override {
    const Tensor y = features(x);
    return flatten(orientations_ == 4 ? p4_max_pool(y) : y);
  }
  Sequential features{*this, "features"};
  std::int64_t orientations_;
};

// A grey picture turned about its centre, counter-clockwise; bilinear, black outside.
void rotate(const std::uint8_t* from, std::int64_t side, double angle, std::uint8_t* to) {
  const double centre = double(side - 1) / 2, cosine = std::cos(angle), sine = std::sin(angle);
  const auto pixel = [&](std::int64_t y, std::int64_t x) {
    return y < 0 || x < 0 || y >= side || x >= side ? 0.0 : double(from[y * side + x]);
  };
  for (std::int64_t i = 0; i < side * side; ++i) {
    const std::int64_t row = i / side, column = i % side;
    const double dy = double(row) - centre, dx = double(column) - centre;
    const double y = centre + cosine * dy + sine * dx, x = centre + cosine * dx - sine * dy;
    const auto top = std::int64_t(std::floor(y)), left = std::int64_t(std::floor(x));
    const double down = y - double(top), right = x - double(left);
    const double upper = (1 - right) * pixel(top, left) + right * pixel(top, left + 1);
    const double lower = (1 - right) * pixel(top + 1, left) + right * pixel(top + 1, left + 1);
    to[i] = std::uint8_t(std::lround((1 - down) * upper + down * lower));
  }
}

// The first 12,000 of MNIST's training images to train; to test, its test images and the training images from 20,000
// on: 50,000. Each has an angle of its own, which no flag changes.
Dataset rotated_mnist(const std::filesystem::path& path, Split split, const NamedOptions& /*unused*/) {
  const bool training = split == Split::train;
  Dataset data = load_dataset(path, Split::train, "mnist");
  const std::int64_t first = training ? 0 : 20000, last = training ? 12000 : 60000;
  std::vector<Tensor> images = {slice(data.images, Axis::batch, first, last)};
  std::vector<Tensor> labels = {slice(reshape(data.labels, {-1, 1}), Axis::batch, first, last)};
  if (!training) {
    const Dataset test = load_dataset(path, Split::test, "mnist");
    images.push_back(test.images);
    labels.push_back(reshape(test.labels, {-1, 1}));
  }
  const Tensor upright = concat(images, Axis::batch);
  data.images = Tensor::empty(upright.shape(), DType::u8);
  data.labels = reshape(concat(labels, Axis::batch), {-1});
  const RandomStream angles = random_stream(training ? 1 : 2, RandomUse::generate);
  for (std::int64_t i = 0; i < data.size(); ++i) {
    rotate(upright.data<std::uint8_t>() + i * 28 * 28, 28, 2 * std::numbers::pi * angles.uniform(std::uint64_t(i)),
           data.images.mutable_data<std::uint8_t>() + i * 28 * 28);
  }
  return data;
}

int main(int argc, char** argv) {
  register_model("z2cnn", [](const ModelOptions& o) {
    return std::make_unique<RotationNet<Conv2d, Conv2d, Conv2dOptions, BatchNorm2d>>(o, 20, 1);
  });
  register_model("p4cnn", [](const ModelOptions& o) {
    return std::make_unique<RotationNet<P4ConvZ2, P4ConvP4, P4ConvOptions, P4BatchNorm2d>>(o, 10, 4);
  });
  register_dataset("rotated-mnist", {.load = rotated_mnist});
  return striate::run(argc, argv);
}

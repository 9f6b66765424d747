#include "data/generated.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>

#include "core/check.h"
#include "core/file.h"
#include "core/parallel.h"
#include "core/random.h"
#include "data/cifar.h"

namespace striate {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kSide = kCifarImage.height;

struct Point {
  double x = 0;
  double y = 0;
};

Point rotated(Point p, double angle) {
  const double c = std::cos(angle);
  const double s = std::sin(angle);
  return {c * p.x + s * p.y, c * p.y - s * p.x};
}

double box(Point p, double half_width, double half_height) {
  return std::max(std::abs(p.x) - half_width, std::abs(p.y) - half_height);
}

/// Distance to the edge of a shape of area 1 around the origin (negative inside; near corners a lower bound).
double edge_distance(std::int64_t shape, Point p) {
  const double radius = std::hypot(p.x, p.y);
  switch (shape) {
    case 0:  // disc
      return radius - 0.5642;
    case 1:  // square
      return box(p, 0.5, 0.5);
    case 2:  // triangle, equilateral: three half planes at the inradius
      return std::max(p.y, std::abs(p.x) * 0.8660 - p.y * 0.5) - 0.4387;
    case 3:  // cross of two bars, 3 to 1
      return std::min(box(p, 0.6708, 0.2236), box(p, 0.2236, 0.6708));
    default:  // ring, the hole half as wide
      return std::max(radius - 0.6515, 0.3257 - radius);
  }
}

using Colour = std::array<double, 3>;

Colour draw_colour(RandomSequence& random) {
  return {255 * random.uniform(), 255 * random.uniform(), 255 * random.uniform()};
}

double colour_distance(const Colour& a, const Colour& b) { return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]); }

Colour draw_colour_away_from(RandomSequence& random, const Colour& a, const Colour& b, double distance) {
  for (;;) {
    const Colour colour = draw_colour(random);
    if (colour_distance(colour, a) > distance && colour_distance(colour, b) > distance) return colour;
  }
}

double draw_angle(RandomSequence& random) { return 2 * std::numbers::pi * random.uniform(); }

/// All that varies in a picture, drawn in this order.
struct Picture {
  RandomSequence& random;
  Point centre{9 + 14 * random.uniform(), 9 + 14 * random.uniform()};
  double size = 12 + 6 * random.uniform();  ///< root of the shape's area, in pixels
  double angle = draw_angle(random);
  double texture_angle = draw_angle(random);
  double period = 4 + 2 * random.uniform();  ///< pixels
  Point phase{random.uniform(), random.uniform()};
  double background_angle = draw_angle(random);
  double wave = draw_angle(random);
  Colour background = draw_colour(random);
  Colour ink = draw_colour_away_from(random, background, background, 130);  ///< the stripes or spots
  Colour paper = draw_colour_away_from(random, background, ink, 130);       ///< between them
  Colour background_step{80 * (random.uniform() - 0.5), 80 * (random.uniform() - 0.5), 80 * (random.uniform() - 0.5)};
};

double clamp01(double value) { return std::clamp(value, 0.0, 1.0); }

/// How much ink there is at p, 0 .. 1; half of the area either way.
double texture(std::int64_t kind, const Picture& picture, Point p) {
  constexpr double turn = 2 * std::numbers::pi;
  const Point q = rotated(p, picture.texture_angle);
  const double u = std::sin(turn * (q.x / picture.period + picture.phase.x));
  if (kind == 0) return clamp01(0.5 + 1.5 * u);
  return clamp01(0.5 + 2.5 * u * std::sin(turn * (q.y / picture.period + picture.phase.y)));
}

Colour pixel_colour(std::int64_t label, const Picture& picture, double x, double y) {
  const Point p{x - picture.centre.x, y - picture.centre.y};
  const Point inside = rotated(p, picture.angle);
  const double distance = picture.size * edge_distance(label / 2, {inside.x / picture.size, inside.y / picture.size});
  const double cover = clamp01(0.5 - distance);
  const double ink = texture(label % 2, picture, p);
  // The background: a slope and a slow wave across it.
  const Point b = rotated({x / kSide - 0.5, y / kSide - 0.5}, picture.background_angle);
  const double shade = b.x + 0.4 * std::sin(6 * b.y + picture.wave);
  Colour colour{};
  for (std::size_t c = 0; c < 3; ++c) {
    const double behind = picture.background[c] + picture.background_step[c] * shade;
    const double front = ink * picture.ink[c] + (1 - ink) * picture.paper[c];
    colour[c] = cover * front + (1 - cover) * behind;
  }
  return colour;
}

void draw_image(std::int64_t label, RandomStream stream, std::uint8_t* image) {
  constexpr double noise = 16;                      // bytes, either way
  constexpr std::uint64_t noise_place = 1U << 20U;  // behind all that Picture draws from the stream
  RandomSequence random(stream);
  const Picture picture{random};
  for (std::int64_t i = 0; i < kSide * kSide; ++i) {
    const auto x = static_cast<double>(i % kSide) + 0.5;
    const std::int64_t row = i / kSide;
    const auto y = static_cast<double>(row) + 0.5;
    const Colour colour = pixel_colour(label, picture, x, y);
    const std::uint64_t bits = stream.bits(noise_place + static_cast<std::uint64_t>(i));
    for (std::size_t c = 0; c < 3; ++c) {
      const auto draw = static_cast<double>((bits >> (16 * c)) & 0xffffU) / 65535.0;
      const double value = std::clamp(colour[c] + noise * (2 * draw - 1), 0.0, 255.0);
      *image++ = static_cast<std::uint8_t>(std::lround(value));
    }
  }
}

std::vector<std::string> generated_class_names() {
  std::vector<std::string> names;
  for (const char* shape : {"disc", "square", "triangle", "cross", "ring"}) {
    for (const char* texture : {"striped ", "spotted "}) names.push_back(std::string(texture) + shape);
  }
  return names;
}

}  // namespace

Dataset generate_split(const GenerateOptions& options, Split split) {
  expect(options.train_images >= 5, "generate", "at least 5 training images", options.train_images);
  expect(options.test_images >= 1, "generate", "at least 1 test image", options.test_images);
  const std::int64_t count = split == Split::train ? options.train_images : options.test_images;
  const auto stream_of = [&](std::uint64_t use, std::uint64_t index) {
    return random_stream(options.seed, RandomUse::generate, 2 * use + static_cast<std::uint64_t>(split), index);
  };
  const std::vector<std::int64_t> order = permutation(stream_of(0, 0), count);
  Dataset result{Tensor::empty({count, kSide, kSide, kCifarImage.channels}, DType::u8),
                 Tensor::empty({count}, DType::i64), generated_class_names(), default_normalization(3)};
  auto* images = result.images.mutable_data<std::uint8_t>();
  auto* labels = result.labels.mutable_data<std::int64_t>();
  parallel_for(count, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      labels[i] = order[static_cast<std::size_t>(i)] % kCifar10Classes;
      draw_image(labels[i], stream_of(1, static_cast<std::uint64_t>(i)), images + i * kCifarImage.numel());
    }
  });
  return result;
}

void generate_folder(const fs::path& folder, const GenerateOptions& options) {
  for (const Split split : {Split::train, Split::test}) {
    const Dataset dataset = generate_split(options, split);
    make_folder(folder);
    const std::vector<std::string> files = cifar10_files(split);
    const auto parts = static_cast<std::int64_t>(files.size());
    for (std::int64_t f = 0; f < parts; ++f) {
      write_cifar10_file(folder / files[static_cast<std::size_t>(f)], dataset, dataset.size() * f / parts,
                         dataset.size() * (f + 1) / parts);
    }
  }
  std::string names;
  for (const std::string& name : generated_class_names()) names += name + "\n";
  write_atomically(folder / kCifar10NamesFile, names);
}

}  // namespace striate

#include "data/splits.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "core/check.h"
#include "core/error.h"
#include "core/integer.h"
#include "core/parallel.h"
#include "core/printable.h"
#include "core/random.h"
#include "data/format.h"
#include "data/subset.h"

namespace striate {

namespace {

// Of one channel. Of bytes they are exact up to 2^37 pixels.
struct Sums {
  double values = 0;
  double squares = 0;
};

constexpr std::int64_t kGrain = 64;

template <class T>
void add_all(std::span<const T> image, std::vector<Sums>& sums) {
  for (std::size_t i = 0; i < image.size(); i += sums.size()) {
    for (std::size_t c = 0; c < sums.size(); ++c) {
      const auto value = static_cast<double>(image[i + c]);
      sums[c].values += value;
      sums[c].squares += value * value;
    }
  }
}

void add_picture(const Picture& picture, std::vector<Sums>& sums) {
  picture.shape.is_recording() ? add_all(picture.held.span<float>(), sums) : add_all(picture.bytes, sums);
}

bool is_used(const std::string& class_name, const SplitOptions& options) {
  const std::vector<std::string>& used = options.classes;
  return used.empty() || std::find(used.begin(), used.end(), class_name) != used.end();
}

}  // namespace

Normalization measured_normalization(const Dataset& dataset, const DataOptions& load) {
  const auto channels = static_cast<std::size_t>(dataset.channels());
  const auto parts = static_cast<std::size_t>(ceil_div(dataset.size(), kGrain));
  std::vector<std::vector<Sums>> sums(parts, std::vector<Sums>(channels));
  std::vector<std::uint64_t> pixels(parts);
  ProgressCount progress(load, "measured mean and deviation of", dataset.size());
  parallel_for(dataset.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    const auto part = static_cast<std::size_t>(begin / kGrain);
    for (std::int64_t i = begin; i < end; ++i) {
      const Picture picture = stored_picture(dataset, i);
      add_picture(picture, sums[part]);
      pixels[part] += static_cast<std::uint64_t>(picture.shape.height * picture.shape.width);
    }
    progress.add(end - begin);
  });
  const bool recordings = dataset.stored_shape().is_recording();
  const double one = recordings ? 1 : 255, least = recordings ? 0.5 / 32768 : 0.5;
  double count = 0;
  for (const std::uint64_t of_part : pixels) count += static_cast<double>(of_part);
  Normalization result;
  for (std::size_t c = 0; c < channels; ++c) {
    Sums all;
    for (const std::vector<Sums>& part : sums) {
      all.values += part[c].values;
      all.squares += part[c].squares;
    }
    const double mean = all.values / count;
    const double variance = all.squares / count - mean * mean;
    result.mean.push_back(mean / one);
    // Half a step of a byte (of 16 bits) at least: images of a single colour have no deviation to divide by.
    result.std.push_back(std::sqrt(std::max(variance, least * least)) / one);
  }
  return result;
}

void hold_out(Splits& splits, const SplitOptions& options) {
  expect(options.validation >= 0 && options.validation < 1, "hold_out", "a part from 0 to less than 1",
         options.validation);
  if (options.validation == 0) return;
  const Dataset all = splits.train;
  std::vector<std::vector<std::int64_t>> of_class(all.class_names.size());
  for (const std::int64_t place : permutation(random_stream(options.seed, RandomUse::subset), all.size())) {
    of_class[static_cast<std::size_t>(all.labels.data<std::int64_t>()[place])].push_back(place);
  }
  std::array<std::vector<std::int64_t>, 2> places;  // of the images that stay, of those held out
  for (std::size_t label = 0; label < of_class.size(); ++label) {
    const std::vector<std::int64_t>& images = of_class[label];
    if (images.empty()) continue;
    if (images.size() == 1 && !is_used(all.class_names[label], options)) {
      places[0].push_back(images[0]);
      continue;
    }
    expect(images.size() >= 2, "hold_out", "two images or more of class " + printable(all.class_names[label]), "one");
    const auto wanted = std::llround(options.validation * static_cast<double>(images.size()));
    const auto held = std::clamp<std::int64_t>(wanted, 1, static_cast<std::int64_t>(images.size()) - 1);
    places[1].insert(places[1].end(), images.begin(), images.begin() + held);
    places[0].insert(places[0].end(), images.begin() + held, images.end());
  }
  for (auto& of_part : places) std::sort(of_part.begin(), of_part.end());
  splits.train = images_at(all, places[0]);
  splits.validation = images_at(all, places[1]);
}

Splits load_splits(const std::filesystem::path& path, const std::string& format, const DataOptions& load,
                   const SplitOptions& options) {
  Splits splits{.train = load_dataset(path, Split::train, format, load)};
  DataOptions rest = load;
  if (splits.train.source) rest.cache_bytes -= splits.train.source->cached_bytes();
  const auto load_rest = [&](Split split) {
    Dataset dataset = load_dataset(path, split, format, rest);
    if (dataset.source) rest.cache_bytes -= dataset.source->cached_bytes();
    return dataset;
  };
  if (has_split(path, Split::test, format)) splits.test = load_rest(Split::test);
  if (has_split(path, Split::validation, format)) {
    expect(options.validation == 0, "load_splits", "no part of the training images to hold out beside val/",
           options.validation);
    splits.validation = load_rest(Split::validation);
  }
  hold_out(splits, options);
  if (!splits.test.labels.defined() && !splits.validation.labels.defined()) {
    throw FileError(path.string(),
                    "expected test/ or val/ beside the training images, found neither; to hold out a part of them, "
                    "say which (--val-split 0.1)");
  }
  if (options.measure_normalization && splits.train.normalization == Normalization{}) {
    const Normalization measured = measured_normalization(splits.train, load);
    for (Dataset* split : {&splits.train, &splits.validation, &splits.test}) split->normalization = measured;
  }
  return splits;
}

}  // namespace striate

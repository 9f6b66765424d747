#include "data/subset.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "core/check.h"
#include "core/random.h"
#include "core/text.h"

namespace striate {

namespace {

/// Some of another source's.
class ChosenImages : public ImageSource {
 public:
  ChosenImages(std::shared_ptr<const ImageSource> from, std::vector<std::int64_t> places)
      : from_(std::move(from)), places_(std::move(places)) {}

  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(places_.size()); }
  [[nodiscard]] ImageShape shape() const override { return from_->shape(); }
  [[nodiscard]] Tensor image(std::int64_t i) const override { return from_->image(place(i)); }
  [[nodiscard]] std::string name(std::int64_t i) const override { return from_->name(place(i)); }
  [[nodiscard]] std::uint64_t hash(std::int64_t i) const override { return from_->hash(place(i)); }
  [[nodiscard]] bool has_label_maps() const override { return from_->has_label_maps(); }
  [[nodiscard]] Tensor label_map(std::int64_t i) const override { return from_->label_map(place(i)); }
  [[nodiscard]] std::int64_t cached_bytes() const override { return from_->cached_bytes(); }

 private:
  [[nodiscard]] std::int64_t place(std::int64_t i) const { return places_[static_cast<std::size_t>(i)]; }

  std::shared_ptr<const ImageSource> from_;
  std::vector<std::int64_t> places_;
};

/// The places of the images whose label is wanted, asked for in order.
template <class Wanted>
std::vector<std::int64_t> places_where(const Dataset& dataset, Wanted&& wanted) {
  expect(!dataset.is_segmentation(), "subset", "images of one class each to choose classes or images of classes from",
         "classes of pixels");
  std::vector<std::int64_t> places;
  const auto* labels = dataset.labels.data<std::int64_t>();
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    expect(labels[i] >= 0 && labels[i] < dataset.classes(), "subset",
           "labels 0 .. " + std::to_string(dataset.classes() - 1), labels[i]);
    if (wanted(labels[i])) places.push_back(i);
  }
  return places;
}

}  // namespace

Dataset images_at(const Dataset& dataset, const std::vector<std::int64_t>& places) {
  Dataset result = dataset;
  result.labels = Tensor::empty({static_cast<std::int64_t>(places.size())}, DType::i64);
  auto* label = result.labels.mutable_data<std::int64_t>();
  for (const std::int64_t place : places) {
    expect(place >= 0 && place < dataset.size(), "images_at", "places 0 .. " + std::to_string(dataset.size() - 1),
           place);
    *label++ = dataset.labels.data<std::int64_t>()[place];
  }
  if (dataset.source) {
    result.source = std::make_shared<ChosenImages>(dataset.source, places);
    return result;
  }
  result.chosen = places;
  if (!dataset.chosen.empty()) {
    for (std::int64_t& place : result.chosen) place = dataset.chosen[static_cast<std::size_t>(place)];
  }
  Shape shape = dataset.images.shape();
  shape[0] = result.size();
  result.images = Tensor::empty(shape, DType::u8);
  auto* out = result.images.mutable_data<std::uint8_t>();
  for (const std::int64_t place : places) {
    const Picture picture = stored_picture(dataset, place);
    out = std::copy(picture.bytes.begin(), picture.bytes.end(), out);
  }
  return result;
}

Dataset choose_classes(const Dataset& dataset, const std::vector<std::string>& names) {
  const std::vector<std::string>& all = dataset.class_names;
  if (names.empty()) throw std::invalid_argument("expected names of classes, got none; there are " + joined(all));
  std::vector<std::int64_t> renumbered(all.size(), -1);  // by label, the place of its name among `names`, or -1
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto found = std::find(all.begin(), all.end(), names[i]);
    if (found == all.end()) {
      throw std::invalid_argument("no class " + names[i] + "; did you mean " + nearest_name(names[i], all) +
                                  "? There are " + joined(all));
    }
    std::int64_t& label = renumbered[static_cast<std::size_t>(found - all.begin())];
    if (label >= 0) throw std::invalid_argument("expected every class once, got " + names[i] + " twice");
    label = static_cast<std::int64_t>(i);
  }
  const auto label_of = [&](std::int64_t old) { return renumbered[static_cast<std::size_t>(old)]; };
  const std::vector<std::int64_t> places =
      places_where(dataset, [&](std::int64_t label) { return label_of(label) >= 0; });
  Dataset result = images_at(dataset, places);
  auto* chosen = result.labels.mutable_data<std::int64_t>();
  std::transform(chosen, chosen + places.size(), chosen, label_of);
  result.class_names = names;
  return result;
}

Dataset sample_images(const Dataset& dataset, std::int64_t count, std::uint64_t seed) {
  expect(count >= 1, "sample_images", "a count of at least 1", count);
  if (count >= dataset.size()) return dataset;
  // Every (size / count)-th of the images, shuffled and then in the order of their classes.
  std::vector<std::int64_t> order = permutation(random_stream(seed, RandomUse::subset), dataset.size());
  const auto* labels = dataset.labels.data<std::int64_t>();
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return labels[a] < labels[b]; });
  std::vector<std::int64_t> places;
  for (std::int64_t i = 0; i < count; ++i) {
    places.push_back(order[static_cast<std::size_t>((2 * i + 1) * dataset.size() / (2 * count))]);
  }
  std::sort(places.begin(), places.end());
  return images_at(dataset, places);
}

Dataset first_per_class(const Dataset& dataset, std::int64_t count) {
  expect(count >= 1, "first_per_class", "a count of at least 1", count);
  std::vector<std::int64_t> seen(dataset.class_names.size());
  return images_at(dataset, places_where(dataset, [&](std::int64_t label) {
                     return seen[static_cast<std::size_t>(label)]++ < count;
                   }));
}

}  // namespace striate

#include "models/model_card.h"

#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "core/check.h"
#include "core/printable.h"
#include "core/text.h"
#include "models/registry.h"

namespace striate {
namespace {

using nlohmann::json;

constexpr std::int64_t kLargestSide = 10000;
constexpr std::int64_t kLongest = std::int64_t{1} << 30U;  // of recordings
constexpr std::int64_t kMostChannels = 1024;

template <class T>
std::vector<T> list_in(const std::string& text) {
  try {
    return json::parse(text).get<std::vector<T>>();
  } catch (const json::exception&) {
    throw std::invalid_argument("expected a JSON array, got " + printable(text));
  }
}

HeldOut held_out_of(const Metadata& metadata) {
  if (!metadata.contains("val_split")) return {};
  const auto text = [&](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? std::string() : found->second;
  };
  HeldOut held{.part = NamedOptions{{"val_split", text("val_split")}}.real("val_split", 0),
               .images = text("val_split_images")};
  expect(held.part > 0 && held.part < 1, "model card", "a val_split above 0 and below 1", held.part);
  std::istringstream seed(text("val_split_seed"));
  expect(static_cast<bool>(seed >> held.seed), "model card", "a number as val_split_seed", printable(seed.str()));
  return held;
}

}  // namespace

std::unique_ptr<Layer> make_model(const ModelCard& card) {
  return make_model(card.model, {.classes = static_cast<std::int64_t>(card.class_names.size()),
                                 .in_channels = card.channels,
                                 .height = card.height,
                                 .width = card.width,
                                 .options = card.options});
}

void check_classes(const ModelCard& card, const std::vector<std::string>& class_names) {
  if (card.class_names == class_names) return;
  const std::size_t count = card.class_names.size();
  if (card.class_names == numbered_classes(count) && count == class_names.size()) return;
  const auto list = [](const std::vector<std::string>& names) {
    return std::to_string(names.size()) + " (" + printable(joined(names), 1000) + ")";
  };
  throw std::invalid_argument(
      "[classes] expected data of the classes that the weights were trained on, in their order, " +
      list(card.class_names) + ", got " + list(class_names));
}

std::vector<std::string> numbered_classes(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back("class " + std::to_string(i));
  return names;
}

Metadata to_metadata(const ModelCard& card) {
  const Normalization normalization = card.normalization.for_channels(card.channels);
  for (const std::string& name : card.class_names) {
    expect(is_utf8(name), "model card", "class names in UTF-8, as files keep text", printable(name));
  }
  Metadata metadata = {{"model", card.model},
                       {"options", to_string(card.options)},
                       {"class_names", json(card.class_names).dump()},
                       {"precision", card.precision},
                       {"channels", std::to_string(card.channels)},
                       {"height", std::to_string(card.height)},
                       {"width", std::to_string(card.width)},
                       {"mean", json(normalization.mean).dump()},
                       {"std", json(normalization.std).dump()},
                       {"transforms", json(card.transforms).dump()}};
  if (card.sample_rate > 0) metadata["sample_rate"] = std::to_string(card.sample_rate);
  if (card.held_out.part > 0) {
    metadata["val_split"] = OptionText(card.held_out.part).text;
    metadata["val_split_seed"] = std::to_string(card.held_out.seed);
    metadata["val_split_images"] = card.held_out.images;
  }
  return metadata;
}

ModelCard from_metadata(const Metadata& metadata) {
  const auto text = [&](const char* key, const std::string& otherwise) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? otherwise : found->second;
  };
  const auto size = [&](const char* key, std::int64_t otherwise, std::int64_t most) {
    const std::int64_t value = NamedOptions{{key, text(key, std::to_string(otherwise))}}.integer(key, otherwise);
    expect(value >= 1 && value <= most, "model card", std::string(key) + " from 1 to " + std::to_string(most), value);
    return value;
  };
  ModelCard card;
  card.model = text("model", "");
  card.options = NamedOptions::parse(text("options", ""));
  if (metadata.contains("width_multiplier")) card.options.set("width_multiplier", text("width_multiplier", ""));
  card.class_names = list_in<std::string>(text("class_names", "[]"));
  card.precision = text("precision", card.precision);
  card.channels = size("channels", card.channels, kMostChannels);
  card.height = size("height", card.height, kLargestSide);
  if (metadata.contains("sample_rate")) card.sample_rate = size("sample_rate", 1, kLongest);
  card.width = size("width", card.width, card.sample_rate > 0 ? kLongest : kLargestSide);
  card.normalization = {.mean = list_in<double>(text("mean", "[]")), .std = list_in<double>(text("std", "[]"))};
  card.normalization = card.normalization.for_channels(card.channels);
  // Earlier versions squeezed every picture to the size.
  const std::string squeeze = "resize:height=" + std::to_string(card.height) + ",width=" + std::to_string(card.width);
  card.transforms = list_in<std::string>(text("transforms", json(std::vector{squeeze}).dump()));
  card.held_out = held_out_of(metadata);
  return card;
}

}  // namespace striate

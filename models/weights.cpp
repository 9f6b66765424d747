#include "models/weights.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <unordered_set>

#include "core/allocator.h"
#include "core/check.h"
#include "core/error.h"
#include "core/printable.h"
#include "core/state.h"
#include "models/registry.h"

namespace striate {
namespace {

// A file of weights. `prefix` was taken off its names.
struct Contents {
  TensorFile file;
  std::string prefix = {};
};

// Takes off what wrappers put before all names ("module." of DataParallel, "_orig_mod." of torch.compile): whole
// components that all names share, as few as it takes until a name is one of the model's.
void take_off_prefix(Contents& contents, const Module& model) {
  auto& tensors = contents.file.tensors;
  if (tensors.empty()) return;
  std::unordered_set<std::string> known;
  for (const NamedTensor& named : named_state(model)) known.insert(named.name);
  std::string shared = tensors.front().first;
  for (const auto& [name, tensor] : tensors) {
    shared.erase(std::mismatch(shared.begin(), shared.end(), name.begin(), name.end()).first, shared.end());
  }
  constexpr int most_components = 8;
  std::size_t length = 0;
  const auto is_known = [&](const auto& named) { return known.contains(named.first.substr(length)); };
  for (int taken = 0; std::none_of(tensors.begin(), tensors.end(), is_known); ++taken) {
    const std::size_t dot = shared.find('.', length);
    if (dot == std::string::npos || taken == most_components) return;
    length = dot + 1;
  }
  for (auto& [name, tensor] : tensors) name.erase(0, length);
  contents.prefix += shared.substr(0, length);
}

// "25 tensors of 9000 values, the largest features.0.weight (64,3,3,3)".
std::string tensors_in(const TensorFile& file) {
  std::int64_t values = 0;
  const std::pair<std::string, Tensor>* largest = nullptr;
  for (const auto& named : file.tensors) {
    values += named.second.numel();
    if (largest == nullptr || named.second.numel() > largest->second.numel()) largest = &named;
  }
  return std::to_string(file.tensors.size()) + " tensors of " + std::to_string(values) + " values" +
         (largest == nullptr ? ""
                             : ", the largest " + printable(largest->first) + " " + to_string(largest->second.shape()));
}

std::string note_of(const std::filesystem::path& path, const Contents& contents) {
  if (contents.prefix.empty()) return "";
  return printable(path.string(), 4096) + ": \"" + printable(contents.prefix) +
         "\" was taken off the beginning of all names";
}

void load_into(const std::filesystem::path& path, Module& model, const FileState& tensors) {
  try {
    load_state(model, tensors);
  } catch (const std::invalid_argument& error) {
    throw FileError(path.string(), std::string("these weights are for another model: ") + error.what());
  }
}

ModelCard read_card(const std::filesystem::path& path, const TensorFile& file) {
  try {
    return from_metadata(file.metadata);
  } catch (const std::invalid_argument& error) {
    throw FileError(path.string(), std::string("its metadata cannot be understood: ") + error.what());
  }
}

Shape shape_in(const TensorFile& file, const std::string& name) {
  const Tensor tensor = file.find(name);
  return tensor.defined() ? tensor.shape() : Shape{};
}

std::int64_t rows_in(const TensorFile& file, const std::string& name) {
  const Shape shape = shape_in(file, name);
  return shape.empty() ? 0 : shape.front();
}

// A model this narrow is made in no time and still has the names and the proportions of the file's.
constexpr double kNarrow = 1.0 / 8;

// The width multiplier that the widest layer's shape stands for. Channel counts are rounded down, so where it is no
// round number it lies half a channel above.
double width_in(const TensorFile& file, const Module& narrow) {
  std::int64_t widest = 0;
  double width = 1;
  for (const NamedTensor& parameter : narrow.parameters()) {
    if (parameter.name.starts_with(narrow.head() + ".")) continue;  // its rows are the classes
    const std::int64_t here = to_file_layout(parameter.value, parameter.file_axes).size(0);
    const std::int64_t there = rows_in(file, parameter.name);
    if (here <= widest || there == 0) continue;
    widest = here;
    const double exact = kNarrow * static_cast<double>(there) / static_cast<double>(here);
    width = exact + kNarrow / 2 / static_cast<double>(here);
    if (exact * 64 == std::floor(exact * 64)) width = exact;
  }
  return width;
}

// A file may claim anything; its model takes no more memory than its tensors account for.
std::unique_ptr<Layer> build(const ModelCard& card, Contents& contents) {
  std::size_t values = 0;
  for (const auto& [name, tensor] : contents.file.tensors) values += static_cast<std::size_t>(tensor.numel());
  const AllocationLimit limit((16U << 20U) + 4 * sizeof(float) * values);
  auto model = make_model(card);
  take_off_prefix(contents, *model);
  return model;
}

// Sets the width multiplier that the shapes tell, where the model has one, and returns a model of the card's names.
std::unique_ptr<Layer> find_width(ModelCard& card, Contents& contents) {
  ModelCard narrow = card;
  narrow.options.set("width_multiplier", kNarrow);
  try {
    auto model = build(narrow, contents);
    card.options.set("width_multiplier", width_in(contents.file, *model));
    return model;
  } catch (const std::invalid_argument&) {
    return build(card, contents);  // it has no width
  }
}

// The channels of the images that the first convolution's weights, (K,C,R,S) or (K,C,S), are for.
std::int64_t channels_in(const TensorFile& file, const Module& like, std::int64_t channels) {
  for (const NamedTensor& parameter : like.parameters()) {
    const int rank = parameter.value.rank();
    if (rank < 3) continue;
    const Shape shape = shape_in(file, parameter.name);
    return std::ssize(shape) == rank && parameter.value.size(-2) == channels ? shape[1] : channels;
  }
  return channels;
}

constexpr std::int64_t kMostClasses = 1'000'000;

// Of the head, whose parameters come last.
std::size_t classes_in(const TensorFile& file, const Module& like) {
  const auto parameters = like.parameters();
  const std::int64_t classes = parameters.empty() ? 0 : rows_in(file, parameters.back().name);
  // A tensor without values may have any shape: no list of names is longer than what it stands for.
  return classes <= kMostClasses ? static_cast<std::size_t>(classes) : 0;
}

// Reads off the shapes what a file without a card of ours leaves open.
void complete(ModelCard& card, Contents& contents, const LoadOptions& options) {
  const bool unnamed = card.class_names.empty();
  if (unnamed) card.class_names.resize(10);  // for now
  const auto like = card.options.has("width_multiplier") ? build(card, contents) : find_width(card, contents);
  if (unnamed) {
    const std::size_t classes = classes_in(contents.file, *like);
    if (classes == 0)
      throw std::invalid_argument("the file has no head of a " + card.model +
                                  " to count classes by; they may be of another model");
    card.class_names = numbered_classes(classes);
  }
  if (!options.input) card.channels = channels_in(contents.file, *like, card.channels);
}

// Whether a card tells how its model was built. Files of earlier versions have but the width.
bool tells_options(const Metadata& metadata) {
  return metadata.contains("options") || metadata.contains("width_multiplier");
}

bool holds_f64(const TensorFile& file) {
  return std::any_of(file.tensors.begin(), file.tensors.end(),
                     [](const auto& named) { return named.second.dtype() == DType::f64; });
}

void set_model(ModelCard& card, const LoadOptions& options) {
  const NameAndOptions given = parse_name_and_options(options.model);
  if (!given.name.empty() && given.name != card.model) card.options = {};
  if (!given.name.empty()) card.model = given.name;
  card.options = options.options.with_defaults(given.options).with_defaults(card.options);
}

void build_into(LoadedModel& loaded, Contents& contents, const LoadOptions& options) {
  ModelCard& card = loaded.card;
  const std::string model_of_card = card.model;
  set_model(card, options);
  if (options.input) {
    expect(options.input->size() == 3, "load_weights", "an input of height, width and channels", *options.input);
    card.height = options.input->at(0);
    card.width = options.input->at(1);
    card.channels = options.input->at(2);
  }
  if (card.model != model_of_card || !tells_options(contents.file.metadata) || card.class_names.empty()) {
    complete(card, contents, options);
  }
  const auto channels = static_cast<std::size_t>(card.channels);
  if (card.normalization.mean.size() != channels) card.normalization = default_normalization(card.channels);
  if (!options.precision.empty() || holds_f64(contents.file)) {
    card.precision = options.precision.empty() ? "fp64" : options.precision;
  }
  loaded.precision = precision_of(card.precision);
  loaded.model = build(card, contents);
  loaded.model->to(loaded.precision.parameters);
}

}  // namespace

void save_weights(const std::filesystem::path& path, const Module& model, const ModelCard& card) {
  TensorFile file{.tensors = state_of(model), .metadata = to_metadata(card)};
  file.metadata.emplace("format", "pt");
  write_safetensors(path, file);
}

LoadedModel load_weights(const std::filesystem::path& path, const LoadOptions& options) {
  Contents contents{.file = read_safetensors(path)};
  LoadedModel loaded{.model = nullptr, .card = read_card(path, contents.file), .precision = {}};
  if (loaded.card.model.empty() && options.model.empty()) {
    throw FileError(path.string(),
                    "expected metadata that name the model of these weights, got none; give the model's name, or save "
                    R"(the file with metadata like {"model": "vgg16", "class_names": "[\"cat\", \"dog\"]"})");
  }
  try {
    build_into(loaded, contents, options);
  } catch (const std::invalid_argument& error) {
    throw FileError(path.string(), std::string("the model of these weights cannot be built: ") + error.what());
  } catch (const OutOfMemory&) {
    throw FileError(path.string(), printable(loaded.card.model) + " with options \"" +
                                       printable(to_string(loaded.card.options)) +
                                       "\" is a larger model than these weights are for, " + tensors_in(contents.file) +
                                       "; write the file again, or give other options");
  }
  load_into(path, *loaded.model, contents.file.tensors);
  loaded.model->eval();
  loaded.note = note_of(path, contents);
  return loaded;
}

InitResult init_from(const std::filesystem::path& path, Module& model, const std::vector<std::string>& class_names) {
  Contents contents{.file = read_safetensors(path)};
  take_off_prefix(contents, model);
  const std::string head = model.head();
  const auto in_head = [&](const std::string& name) { return !head.empty() && name.starts_with(head + "."); };
  const ModelCard card = read_card(path, contents.file);
  const std::vector<std::string>& names = card.class_names;
  bool others = !names.empty() && names != class_names;
  for (const NamedTensor& parameter : model.parameters()) {
    const std::int64_t classes = rows_in(contents.file, parameter.name);
    if (in_head(parameter.name) && classes > 0) {
      others = others || classes != static_cast<std::int64_t>(class_names.size());
    }
  }
  if (others && !head.empty()) {
    std::erase_if(contents.file.tensors, [&](const auto& named) { return in_head(named.first); });
    for (const NamedTensor& named : named_state(model)) {
      if (in_head(named.name)) {
        contents.file.tensors.emplace_back(named.name, to_file_layout(named.value.clone(), named.file_axes));
      }
    }
  }
  load_into(path, model, contents.file.tensors);
  return {.skipped_head = others ? head : "",
          .note = note_of(path, contents),
          .normalization = contents.file.metadata.contains("mean") ? card.normalization : Normalization{}};
}

}  // namespace striate

#include "models/weights.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <stdexcept>

#include "core/allocator.h"
#include "core/error.h"
#include "core/state.h"
#include "models/registry.h"

namespace striate {
namespace {

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
std::unique_ptr<Layer> build(const ModelCard& card, const TensorFile& file) {
  std::int64_t values = 0;
  for (const auto& [name, tensor] : file.tensors) values += tensor.numel();
  const AllocationLimit limit((16U << 20U) + 4 * sizeof(float) * static_cast<std::size_t>(values));
  return make_model(card);
}

// Sets the width multiplier that the shapes tell, where the model has one, and returns a model of the card's names.
std::unique_ptr<Layer> find_width(ModelCard& card, const TensorFile& file) {
  ModelCard narrow = card;
  narrow.options.set("width_multiplier", kNarrow);
  try {
    auto model = build(narrow, file);
    card.options.set("width_multiplier", width_in(file, *model));
    return model;
  } catch (const std::invalid_argument&) {
    return build(card, file);  // it has no width
  }
}

// The channels of the images that the first convolution's weights, (K,C,R,S), are for.
std::int64_t channels_in(const TensorFile& file, const Module& like, std::int64_t channels) {
  for (const NamedTensor& parameter : like.parameters()) {
    if (parameter.value.rank() != 4) continue;
    const Shape shape = shape_in(file, parameter.name);
    return shape.size() == 4 && parameter.value.size(2) == channels ? shape[1] : channels;
  }
  return channels;
}

// Of the head, whose parameters come last.
std::vector<std::string> classes_in(const TensorFile& file, const Module& like) {
  const auto parameters = like.parameters();
  const std::int64_t classes = parameters.empty() ? 0 : rows_in(file, parameters.back().name);
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < classes; ++i) names.push_back("class " + std::to_string(i));
  return names;
}

// Reads off the shapes what a file without a card of ours leaves open.
void complete(ModelCard& card, const TensorFile& file, const LoadOptions& options) {
  const bool unnamed = card.class_names.empty();
  if (unnamed) card.class_names.resize(10);  // for now
  const auto like = card.options.has("width_multiplier") ? build(card, file) : find_width(card, file);
  if (unnamed) card.class_names = classes_in(file, *like);
  if (!options.input) card.channels = channels_in(file, *like, card.channels);
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

void build_into(LoadedModel& loaded, const TensorFile& file, const LoadOptions& options) {
  ModelCard& card = loaded.card;
  const std::string model_of_card = card.model;
  set_model(card, options);
  if (options.input) {
    card.height = options.input->at(0);
    card.width = options.input->at(1);
    card.channels = options.input->at(2);
  }
  if (card.model != model_of_card || !tells_options(file.metadata) || card.class_names.empty()) {
    complete(card, file, options);
  }
  const auto channels = static_cast<std::size_t>(card.channels);
  if (card.normalization.mean.size() != channels) card.normalization = default_normalization(card.channels);
  if (!options.precision.empty() || holds_f64(file)) {
    card.precision = options.precision.empty() ? "fp64" : options.precision;
  }
  loaded.precision = precision_of(card.precision);
  loaded.model = build(card, file);
  loaded.model->to(loaded.precision.parameters);
}

}  // namespace

void save_weights(const std::filesystem::path& path, const Module& model, const ModelCard& card) {
  TensorFile file{.tensors = state_of(model), .metadata = to_metadata(card)};
  file.metadata.emplace("format", "pt");
  write_safetensors(path, file);
}

LoadedModel load_weights(const std::filesystem::path& path, const LoadOptions& options) {
  const TensorFile file = read_safetensors(path);
  LoadedModel loaded{.model = nullptr, .card = read_card(path, file), .precision = {}};
  if (loaded.card.model.empty() && options.model.empty()) {
    throw FileError(path.string(),
                    "expected metadata that name the model of these weights, got none; give the model's name, or save "
                    R"(the file with metadata like {"model": "vgg16", "class_names": "[\"cat\", \"dog\"]"})");
  }
  try {
    build_into(loaded, file, options);
  } catch (const std::invalid_argument& error) {
    throw FileError(path.string(), std::string("the model of these weights cannot be built: ") + error.what());
  } catch (const std::bad_alloc&) {
    throw FileError(path.string(), "these weights are for a smaller model than " + loaded.card.model +
                                       " with options \"" + to_string(loaded.card.options) +
                                       "\"; write the file again");
  }
  load_into(path, *loaded.model, file.tensors);
  loaded.model->eval();
  return loaded;
}

std::string init_from(const std::filesystem::path& path, Module& model, const std::vector<std::string>& class_names) {
  TensorFile file = read_safetensors(path);
  const std::string head = model.head();
  const auto in_head = [&](const std::string& name) { return !head.empty() && name.starts_with(head + "."); };
  const auto names = read_card(path, file).class_names;
  bool others = !names.empty() && names != class_names;
  for (const NamedTensor& parameter : model.parameters()) {
    const std::int64_t classes = rows_in(file, parameter.name);
    if (in_head(parameter.name) && classes > 0) {
      others = others || classes != static_cast<std::int64_t>(class_names.size());
    }
  }
  if (!others || head.empty()) {
    load_into(path, model, file.tensors);
    return {};
  }
  std::erase_if(file.tensors, [&](const auto& named) { return in_head(named.first); });
  for (const NamedTensor& named : named_state(model)) {
    if (in_head(named.name)) {
      file.tensors.emplace_back(named.name, to_file_layout(named.value.clone(), named.file_axes));
    }
  }
  load_into(path, model, file.tensors);
  return head;
}

}  // namespace striate

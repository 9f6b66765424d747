#include "apps/weights.h"

#include <spdlog/fmt/fmt.h>

#include <nlohmann/json.hpp>

#include "apps/command_line.h"
#include "core/state.h"
#include "data/cifar10.h"
#include "models/registry.h"

namespace striate::apps {
namespace {

using nlohmann::json;

void load_into(const std::filesystem::path& path, Module& model, const TensorFile& file) {
  try {
    load_state(model, file.tensors);
  } catch (const std::invalid_argument& error) {
    throw FileError(path.string(), std::string("these weights are for another model: ") + error.what());
  }
}

// What the metadata tells; whatever is missing or malformed there stays as it was.
ModelCard read_card(const std::filesystem::path& path, const TensorFile& file) {
  ModelCard card;
  const auto text = [&](const char* key) {
    const auto found = file.metadata.find(key);
    return found == file.metadata.end() ? std::string() : found->second;
  };
  card.model = text("model");
  if (!text("precision").empty()) card.precision = text("precision");
  try {
    card.width_multiplier = text("width_multiplier").empty() ? 0 : std::stod(text("width_multiplier"));
    if (!text("height").empty()) card.height = std::stoll(text("height"));
    if (!text("width").empty()) card.width = std::stoll(text("width"));
    if (card.height < 1 || card.width < 1 || card.height > 10000 || card.width > 10000) {
      throw std::out_of_range("an image of " + std::to_string(card.height) + "x" + std::to_string(card.width));
    }
    if (!text("class_names").empty())
      card.class_names = json::parse(text("class_names")).get<std::vector<std::string>>();
  } catch (const std::exception& error) {
    throw FileError(path.string(), std::string("its metadata cannot be read: ") + error.what());
  }
  return card;
}

std::int64_t rows_of(const TensorFile& file, const std::string& name) {
  const Tensor tensor = file.find(name);
  return tensor.defined() && tensor.rank() > 0 ? tensor.size(0) : 0;
}

// The class count is the size of the last parameter's first axis: that of the head.
std::int64_t classes_in(const TensorFile& file, const Module& like) {
  const auto parameters = like.parameters();
  return parameters.empty() ? 0 : rows_of(file, parameters.back().name);
}

// A model this narrow is made in no time and still tells the names and the proportions of its shapes.
constexpr double kProbeWidth = 1.0 / 8;

// The width multiplier that the first parameter's output channels speak of.
double width_in(const TensorFile& file, const Module& probe) {
  const auto parameters = probe.parameters();
  if (parameters.empty()) return 1;
  const std::int64_t there = rows_of(file, parameters.front().name);
  const Tensor here = to_file_layout(parameters.front().value, parameters.front().file_axes);
  return there > 0 ? kProbeWidth * static_cast<double>(there) / static_cast<double>(here.size(0)) : 1;
}

std::vector<std::string> default_names(std::int64_t classes) {
  if (classes == 10) return cifar10_standard_names();
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < classes; ++i) names.push_back("class " + std::to_string(i));
  return names;
}

bool holds_f64(const TensorFile& file) {
  for (const auto& [name, tensor] : file.tensors) {
    if (tensor.dtype() == DType::f64) return true;
  }
  return false;
}

// Fills in what the metadata left open by what the shapes say, and does not let it ask for another model than
// they do.
void complete(const std::filesystem::path& path, ModelCard& card, const TensorFile& file) {
  const auto probe = make_model(card.model, {.width_multiplier = kProbeWidth});
  const double width = width_in(file, *probe);
  if (card.width_multiplier <= 0) card.width_multiplier = width;
  if (!(card.width_multiplier < 2 * width && card.width_multiplier > width / 2)) {
    throw FileError(path.string(),
                    fmt::format("its metadata speak of width_multiplier {}, its weights of {:.4g}; write the "
                                "file again",
                                card.width_multiplier, width));
  }
  if (!card.class_names.empty()) return;
  const std::int64_t classes = classes_in(file, *probe);
  card.class_names = default_names(classes > 0 ? classes : 10);
}

}  // namespace

void save_weights(const std::filesystem::path& path, const Module& model, const ModelCard& card) {
  TensorFile file;
  file.tensors = state_of(model);
  file.metadata = {{"format", "pt"},
                   {"model", card.model},
                   {"width_multiplier", fmt::format("{}", card.width_multiplier)},
                   {"class_names", json(card.class_names).dump()},
                   {"precision", card.precision},
                   {"height", std::to_string(card.height)},
                   {"width", std::to_string(card.width)}};
  write_safetensors(path, file);
}

LoadedModel load_weights(const std::filesystem::path& path, const std::optional<std::string>& model,
                         const std::optional<std::string>& precision) {
  const TensorFile file = read_safetensors(path);
  LoadedModel loaded;
  loaded.card = read_card(path, file);
  if (model) loaded.card.model = *model;
  if (loaded.card.model.empty()) {
    throw UsageError(path.string() + ": the file does not say which model it is for; give --model");
  }
  if (precision) loaded.card.precision = *precision;
  if (!precision && holds_f64(file)) loaded.card.precision = "fp64";
  complete(path, loaded.card, file);
  loaded.precision = precision_of(loaded.card.precision);
  loaded.model =
      make_model(loaded.card.model, {.width_multiplier = loaded.card.width_multiplier,
                                     .classes = static_cast<std::int64_t>(loaded.card.class_names.size())});
  loaded.model->to(loaded.precision.parameters);
  load_into(path, *loaded.model, file);
  loaded.model->eval();
  return loaded;
}

void init_from(const std::filesystem::path& path, Module& model) {
  load_into(path, model, read_safetensors(path));
}

}  // namespace striate::apps

#include "apps/training/weights.h"

#include <spdlog/fmt/fmt.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/cli/command_line.h"
#include "core/state.h"
#include "data/cifar10.h"
#include "models/registry.h"
#include "optim/groups.h"

namespace striate::cli {
namespace {

using nlohmann::json;

void load_into(const std::filesystem::path& path, Module& model, const TensorFile& file) {
  try {
    load_state(model, file.tensors);
  } catch (const std::invalid_argument& error) {
    throw FileError(path.string(), std::string("these weights are for another model: ") + error.what());
  }
}

double number_in(const std::string& text, double otherwise) {
  double value = otherwise;
  if (!text.empty() && !CLI::detail::lexical_cast(text, value)) throw std::invalid_argument("no number: " + text);
  return value;
}

// What the metadata tells; whatever is missing there stays open.
ModelCard read_card(const std::filesystem::path& path, const TensorFile& file) {
  constexpr double largest_image = 10000;
  ModelCard card;
  const auto text = [&](const char* key) {
    const auto found = file.metadata.find(key);
    return found == file.metadata.end() ? std::string() : found->second;
  };
  card.model = text("model");
  if (!text("precision").empty()) card.precision = text("precision");
  try {
    card.width_multiplier = number_in(text("width_multiplier"), 0);
    for (const auto& [key, size] : {std::pair{"height", &card.height}, std::pair{"width", &card.width}}) {
      const double value = number_in(text(key), 32);
      if (!(value >= 1 && value <= largest_image))
        throw std::invalid_argument(std::string("an image's ") + key + " of " + text(key));
      *size = static_cast<std::int64_t>(value);
    }
    if (!text("class_names").empty())
      card.class_names = json::parse(text("class_names")).get<std::vector<std::string>>();
  } catch (const std::exception& error) {
    throw FileError(path.string(), std::string("its metadata cannot be understood: ") + error.what());
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

// The width multiplier that the widest layer speaks of: channel counts are rounded down, so it lies half a
// channel up.
double width_in(const TensorFile& file, const Module& probe) {
  std::int64_t widest = 0;
  double width = 1;
  for (const NamedTensor& parameter : probe.parameters()) {
    if (parameter.name.starts_with(probe.head() + ".")) continue;  // its rows are the classes
    const std::int64_t here = to_file_layout(parameter.value, parameter.file_axes).size(0);
    const std::int64_t there = rows_of(file, parameter.name);
    if (here <= widest || there == 0) continue;
    widest = here;
    const double exact = kProbeWidth * static_cast<double>(there) / static_cast<double>(here);
    width = exact + kProbeWidth / 2 / static_cast<double>(here);
    if (exact * 64 == std::floor(exact * 64)) width = exact;
  }
  return width;
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
  const auto probe = make_model(card.model, {.options = {{"width_multiplier", kProbeWidth}}});
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

void add_weights_flags(CLI::App& app, WeightsFlags& flags) {
  app.add_option("--model", flags.model, "Model by name (default: the file's metadata)");
  app.add_option("--precision", flags.precision, "fp32, bf16, fp16 or fp64 (default: the file's)");
  app.add_option("--width-multiplier", flags.width_multiplier, "Factor on all channel counts (default: the file's)");
}

LoadedModel load_weights(const std::filesystem::path& path, const WeightsFlags& flags, const std::string& remedy) {
  const TensorFile file = read_safetensors(path);
  LoadedModel loaded;
  loaded.card = read_card(path, file);
  if (flags.model) loaded.card.model = *flags.model;
  if (loaded.card.model.empty()) {
    throw UsageError(fmt::format("{}: expected metadata that name the model of these weights, got {}; {}",
                                 path.string(), file.metadata.empty() ? "none" : "some without a model", remedy));
  }
  if (flags.precision) loaded.card.precision = *flags.precision;
  if (!flags.precision && holds_f64(file)) loaded.card.precision = "fp64";
  if (flags.width_multiplier) loaded.card.width_multiplier = *flags.width_multiplier;
  complete(path, loaded.card, file);
  loaded.precision = precision_of(loaded.card.precision);
  loaded.model = make_model(loaded.card.model, {.classes = static_cast<std::int64_t>(loaded.card.class_names.size()),
                                                .options = {{"width_multiplier", loaded.card.width_multiplier}}});
  loaded.model->to(loaded.precision.parameters);
  load_into(path, *loaded.model, file);
  loaded.model->eval();
  return loaded;
}

std::string init_from(const std::filesystem::path& path, Module& model, const std::vector<std::string>& class_names) {
  TensorFile file = read_safetensors(path);
  const std::string head = model.head();
  const auto in_head = [&](const std::string& name) { return !head.empty() && is_below(name, head); };
  const auto names = read_card(path, file).class_names;
  bool others = !names.empty() && names != class_names;
  for (const NamedTensor& parameter : model.parameters()) {
    const std::int64_t classes = rows_of(file, parameter.name);
    if (in_head(parameter.name) && classes > 0)
      others = others || classes != static_cast<std::int64_t>(class_names.size());
  }
  if (!others || head.empty()) {
    load_into(path, model, file);
    return {};
  }
  std::erase_if(file.tensors, [&](const auto& named) { return in_head(named.first); });
  for (const NamedTensor& named : named_state(model)) {
    if (in_head(named.name))
      file.tensors.emplace_back(named.name, to_file_layout(named.value.clone(), named.file_axes));
  }
  load_into(path, model, file);
  return head;
}

}  // namespace striate::cli

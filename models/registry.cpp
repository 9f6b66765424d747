#include "models/registry.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "core/nearest_name.h"
#include "models/vgg.h"

namespace striate {
namespace {

struct Entry {
  std::string name;
  ModelFactory make;
};

ModelFactory vgg(int depth, bool batch_norm) {
  return [=](const ModelOptions& options) {
    return std::make_unique<Vgg>(VggOptions{.depth = depth,
                                            .batch_norm = batch_norm,
                                            .width_multiplier = options.width_multiplier,
                                            .classes = options.classes,
                                            .dropout = options.dropout,
                                            .in_channels = options.in_channels});
  };
}

std::vector<Entry>& table() {
  static std::vector<Entry> entries = {
      {"vgg11", vgg(11, true)},       {"vgg13", vgg(13, true)},       {"vgg16", vgg(16, true)},
      {"vgg19", vgg(19, true)},       {"vgg11_nobn", vgg(11, false)}, {"vgg13_nobn", vgg(13, false)},
      {"vgg16_nobn", vgg(16, false)}, {"vgg19_nobn", vgg(19, false)},
  };
  return entries;
}

const Entry* find(const std::string& name) {
  const auto found =
      std::find_if(table().begin(), table().end(), [&](const Entry& entry) { return entry.name == name; });
  return found == table().end() ? nullptr : &*found;
}

}  // namespace

std::unique_ptr<Layer> make_model(const std::string& name, const ModelOptions& options) {
  if (const Entry* entry = find(name)) return entry->make(options);
  const std::vector<std::string> names = model_names();
  std::string list;
  for (const std::string& known : names) list += (list.empty() ? "" : ", ") + known;
  throw std::invalid_argument("unknown model '" + name + "': did you mean '" + nearest_name(name, names) +
                              "'? Known models: " + list);
}

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const Entry& entry : table()) names.push_back(entry.name);
  return names;
}

void register_model(const std::string& name, ModelFactory factory) {
  if (name.empty()) throw std::invalid_argument("a model needs a name, got an empty one");
  if (find(name) != nullptr)
    throw std::invalid_argument("a model named '" + name + "' is registered already");
  table().push_back({name, std::move(factory)});
}

}  // namespace striate

#include "models/registry.h"

#include <stdexcept>
#include <utility>

#include "core/joined.h"
#include "core/nearest_name.h"
#include "models/resnet.h"
#include "models/vgg.h"

namespace striate {
namespace {

ModelFactory vgg(int depth, bool batch_norm) {
  return [=](const ModelOptions& options) {
    if (options.zero_gamma) {
      throw std::invalid_argument("zero_gamma needs a model with residual blocks, and a VGG has none");
    }
    return std::make_unique<Vgg>(VggOptions{.depth = depth,
                                            .batch_norm = batch_norm,
                                            .width_multiplier = options.width_multiplier,
                                            .classes = options.classes,
                                            .dropout = options.dropout,
                                            .in_channels = options.in_channels});
  };
}

ModelFactory resnet(int depth, ResNetTweak tweak = ResNetTweak::b) {
  return [=](const ModelOptions& options) {
    return std::make_unique<ResNet>(ResNetOptions{.depth = depth,
                                                  .tweak = tweak,
                                                  .zero_gamma = options.zero_gamma,
                                                  .width_multiplier = options.width_multiplier,
                                                  .classes = options.classes,
                                                  .dropout = options.dropout,
                                                  .in_channels = options.in_channels});
  };
}

std::vector<std::pair<std::string, ModelFactory>>& table() {
  using enum ResNetTweak;
  static std::vector<std::pair<std::string, ModelFactory>> entries = {
      {"vgg11", vgg(11, true)},       {"vgg13", vgg(13, true)},       {"vgg16", vgg(16, true)},
      {"vgg19", vgg(19, true)},       {"vgg11_nobn", vgg(11, false)}, {"vgg13_nobn", vgg(13, false)},
      {"vgg16_nobn", vgg(16, false)}, {"vgg19_nobn", vgg(19, false)}, {"resnet18", resnet(18)},
      {"resnet34", resnet(34)},       {"resnet50", resnet(50)},       {"resnet50a", resnet(50, a)},
      {"resnet50b", resnet(50, b)},   {"resnet50c", resnet(50, c)},   {"resnet50d", resnet(50, d)},
      {"resnet20", resnet(20)},       {"resnet32", resnet(32)},       {"resnet56", resnet(56)},
      {"resnet29", resnet(29)},       {"resnet29a", resnet(29, a)},   {"resnet29b", resnet(29, b)},
      {"resnet29c", resnet(29, c)},   {"resnet29d", resnet(29, d)},
  };
  return entries;
}

}  // namespace

std::unique_ptr<Layer> make_model(const std::string& name, const ModelOptions& options) {
  for (const auto& [known, make] : table()) {
    if (known == name) return make(options);
  }
  const std::vector<std::string> names = model_names();
  throw std::invalid_argument("unknown model '" + name + "': did you mean '" + nearest_name(name, names) +
                              "'? Known models: " + joined(names));
}

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const auto& [name, make] : table()) names.push_back(name);
  return names;
}

void register_model(const std::string& name, ModelFactory factory) {
  if (name.empty()) throw std::invalid_argument("a model needs a name, got an empty one");
  for (const auto& [known, make] : table()) {
    if (known == name) throw std::invalid_argument("a model named '" + name + "' is registered already");
  }
  table().emplace_back(name, std::move(factory));
}

}  // namespace striate

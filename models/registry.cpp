#include "models/registry.h"

#include <utility>

#include "core/check.h"
#include "core/registry.h"
#include "models/alexnet.h"
#include "models/lenet.h"
#include "models/mobilenet.h"
#include "models/resnet.h"
#include "models/unet.h"
#include "models/vgg.h"
#include "models/waveform_net.h"

namespace striate {
namespace {

ModelFactory vgg(int depth, bool batch_norm) {
  return [=](const ModelOptions& o) {
    return std::make_unique<Vgg>(VggOptions{.depth = depth,
                                            .batch_norm = batch_norm,
                                            .width_multiplier = o.options.real("width_multiplier", 1),
                                            .classes = o.classes,
                                            .dropout = o.options.real("dropout", 0),
                                            .in_channels = o.in_channels});
  };
}

ModelFactory resnet(int depth, ResNetTweak tweak = ResNetTweak::b) {
  return [=](const ModelOptions& o) {
    return std::make_unique<ResNet>(ResNetOptions{.depth = depth,
                                                  .tweak = tweak,
                                                  .zero_gamma = o.options.flag("zero_gamma", false),
                                                  .width_multiplier = o.options.real("width_multiplier", 1),
                                                  .classes = o.classes,
                                                  .dropout = o.options.real("dropout", 0),
                                                  .in_channels = o.in_channels});
  };
}

std::unique_ptr<Layer> lenet(const ModelOptions& o) {
  return std::make_unique<Lenet>(LenetOptions{.classes = o.classes,
                                              .in_channels = o.in_channels,
                                              .height = o.height,
                                              .width = o.width,
                                              .padding = o.options.integer("padding", 2)});
}

std::unique_ptr<Layer> alexnet(const ModelOptions& o) {
  return std::make_unique<AlexNet>(AlexNetOptions{.classes = o.classes,
                                                  .in_channels = o.in_channels,
                                                  .height = o.height,
                                                  .width = o.width,
                                                  .width_multiplier = o.options.real("width_multiplier", 1),
                                                  .dropout = o.options.real("dropout", 0.5)});
}

ModelFactory mobilenet(int version) {
  return [=](const ModelOptions& o) {
    return std::make_unique<MobileNet>(MobileNetOptions{.version = version,
                                                        .width_multiplier = o.options.real("width_multiplier", 1),
                                                        .classes = o.classes,
                                                        .dropout = o.options.real("dropout", 0.2),
                                                        .in_channels = o.in_channels});
  };
}

ModelFactory waveform_net(int depth) {
  return [=](const ModelOptions& o) {
    expect(o.height == 1, "m" + std::to_string(depth), "recordings, of 1 x length x channels",
           "images of height " + std::to_string(o.height));
    return std::make_unique<WaveformNet>(WaveformNetOptions{.depth = depth,
                                                            .width_multiplier = o.options.real("width_multiplier", 1),
                                                            .classes = o.classes,
                                                            .dropout = o.options.real("dropout", 0),
                                                            .in_channels = o.in_channels,
                                                            .length = o.width,
                                                            .stride = o.options.integer("stride", 4)});
  };
}

std::unique_ptr<Layer> unet(const ModelOptions& o) {
  return std::make_unique<Unet>(UnetOptions{.width_multiplier = o.options.real("width_multiplier", 1),
                                            .classes = o.classes,
                                            .in_channels = o.in_channels,
                                            .bilinear = o.options.flag("bilinear", false)});
}

Registry<ModelFactory>& registry() {
  using enum ResNetTweak;
  static Registry<ModelFactory> models("model", {
                                                    {"vgg11", vgg(11, true)},       {"vgg13", vgg(13, true)},
                                                    {"vgg16", vgg(16, true)},       {"vgg19", vgg(19, true)},
                                                    {"vgg11_nobn", vgg(11, false)}, {"vgg13_nobn", vgg(13, false)},
                                                    {"vgg16_nobn", vgg(16, false)}, {"vgg19_nobn", vgg(19, false)},
                                                    {"resnet18", resnet(18)},       {"resnet34", resnet(34)},
                                                    {"resnet50", resnet(50)},       {"resnet50a", resnet(50, a)},
                                                    {"resnet50b", resnet(50, b)},   {"resnet50c", resnet(50, c)},
                                                    {"resnet50d", resnet(50, d)},   {"resnet20", resnet(20)},
                                                    {"resnet32", resnet(32)},       {"resnet56", resnet(56)},
                                                    {"resnet29", resnet(29)},       {"resnet29a", resnet(29, a)},
                                                    {"resnet29b", resnet(29, b)},   {"resnet29c", resnet(29, c)},
                                                    {"resnet29d", resnet(29, d)},   {"lenet", lenet},
                                                    {"alexnet", alexnet},           {"mobilenet_v1", mobilenet(1)},
                                                    {"mobilenet_v2", mobilenet(2)}, {"m3", waveform_net(3)},
                                                    {"m5", waveform_net(5)},        {"m11", waveform_net(11)},
                                                    {"m18", waveform_net(18)},      {"unet", unet},
                                                });
  return models;
}

}  // namespace

std::unique_ptr<Layer> make_model(const std::string& name, const ModelOptions& options) {
  const NameAndOptions named = parse_name_and_options(name);
  ModelOptions all = options;
  all.options = named.options.with_defaults(options.options);
  auto model = registry().at(named.name)(all);
  all.options.expect_all_read(named.name);
  return model;
}

std::vector<std::string> model_names() { return registry().names(); }

void register_model(const std::string& name, ModelFactory factory) { registry().add(name, std::move(factory)); }

}  // namespace striate

// `striate show`: a net's filters, feature maps, saliency, Grad-CAM and receptive fields as pictures
// (apps/report/net_pictures.h), and what the loader makes of the data (apps/cli/show_batch.cpp).

#include "apps/cli/show.h"

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "apps/cli/commands.h"
#include "apps/cli/screen.h"
#include "apps/cli/shared_flags.h"
#include "apps/report/net_pictures.h"
#include "apps/training/classification.h"
#include "core/autograd.h"
#include "core/elementwise.h"
#include "core/file.h"
#include "core/printable.h"
#include "core/random.h"
#include "core/reshape.h"
#include "core/text.h"
#include "data/image.h"
#include "data/normalize.h"
#include "layers/softmax.h"
#include "models/feature_maps.h"
#include "models/receptive_field.h"
#include "models/saliency.h"

namespace striate::cli {
namespace {

// Of saliency, a few pixels have far the largest values; the heat ends at what so many are below.
constexpr double kSaliencyPart = 0.99;

struct ShowFlags : WeightsFlags {
  std::vector<std::string> images;
  std::string out;
  std::int64_t limit = 1;
  std::vector<std::string> layers;
  std::string label;  ///< --class
  std::int64_t image_size = 0;
  std::uint64_t seed = 0;
};

// A kind of picture.
struct Kind {
  const char* name;
  const char* about;
  void (*declare)(CLI::App&, ShowFlags&);
  void (*draw)(LoadedModel&, const ShowFlags&);
};

void add_images(CLI::App& app, ShowFlags& flags) {
  app.add_option("IMAGE", flags.images, "Image files (jpg, png, bmp, ...)")->required();
}

std::string name_of(const std::string& file) { return std::filesystem::path(file).filename().string(); }

// An image file as the model sees it, and as a picture.
struct Input {
  Tensor picture;  // u8 (H,W,C)
  Tensor images;   // (1,H,W,C)
};

Input input_of(const LoadedModel& loaded, const std::string& file, std::int64_t max_pixels) {
  const ModelCard& card = loaded.card;
  const Tensor read = read_input(card, file, max_pixels);
  return {read.viewed_as({read.size(1), read.size(2), read.size(3)}),
          normalized(read, card.normalization, loaded.precision.parameters)};
}

// Reads every file before the first is drawn.
std::vector<Input> inputs_of(const LoadedModel& loaded, const ShowFlags& flags) {
  std::vector<Input> inputs;
  for (const std::string& file : flags.images) inputs.push_back(input_of(loaded, file, flags.max_pixels));
  return inputs;
}

void draw_filters(LoadedModel& loaded, const ShowFlags& flags) {
  const Captioned filters = filters_picture(*loaded.model, flags.limit);
  write_picture(flags.out, in_grid({filters}, 1));
  show("{}\n", filters.caption[0]);
}

void draw_maps(LoadedModel& loaded, const ShowFlags& flags) {
  std::vector<Captioned> pictures;
  const std::vector<Input> inputs = inputs_of(loaded, flags);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    pictures.push_back({sized(inputs[i].picture, 128), {name_of(flags.images[i])}});
    const std::vector<FeatureMaps> stages = stage_maps(*loaded.model, inputs[i].images);
    if (stages.empty()) throw FileError(flags.weights, "this model has no convolutional stage, and so no feature maps");
    for (const FeatureMaps& stage : stages) {
      pictures.push_back(maps_picture(stage, flags.limit));
      show("{}\n", pictures.back().caption[0]);
    }
  }
  write_picture(flags.out, in_grid(pictures, 1, 8));
}

std::int64_t class_of(const std::string& text, const std::vector<std::string>& names) {
  const auto found = std::find(names.begin(), names.end(), text);
  if (found != names.end()) return found - names.begin();
  const auto number = number_in<std::int64_t>(text);
  const auto last = static_cast<std::int64_t>(names.size()) - 1;
  require(number && *number >= 0 && *number <= last, "class",
          fmt::format("a class of the model or its number, 0 to {} (did you mean {}?)", last,
                      printable(nearest_name(text, names))),
          text);
  return *number;
}

// The class that is asked for, else the model's own answer: of pixels, what most of them have.
std::int64_t class_of(const Tensor& logits, const ShowFlags& flags, const ModelCard& card) {
  if (!flags.label.empty()) return class_of(flags.label, card.class_names);
  std::vector<std::int64_t> counts(static_cast<std::size_t>(logits.size(-1)));
  for (const std::int64_t label : predicted_classes(logits).span<std::int64_t>())
    ++counts[static_cast<std::size_t>(label)];
  return std::max_element(counts.begin(), counts.end()) - counts.begin();
}

// The mean over pixels where there are several.
double probability_of(std::int64_t label, const Tensor& logits) {
  const std::vector<double> all = softmax(logits).to_vector();
  const auto k = static_cast<std::size_t>(logits.size(-1));
  double sum = 0;
  for (auto i = static_cast<std::size_t>(label); i < all.size(); i += k) sum += all[i];
  return sum / static_cast<double>(all.size() / k);
}

// Heat over every picture, for its class.
template <class HeatOf>
void draw_heat(LoadedModel& loaded, const ShowFlags& flags, double part, const HeatOf& heat_of) {
  std::vector<Captioned> pictures;
  const std::vector<Input> inputs = inputs_of(loaded, flags);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Tensor logits = [&] {
      const NoGradGuard no_grad;
      return (*loaded.model)(inputs[i].images);
    }();
    const std::int64_t label = class_of(logits, flags, loaded.card);
    const double probability = probability_of(label, logits);
    if (!std::isfinite(probability))
      throw std::runtime_error(flags.weights + ": the model's outputs are not finite: training must have diverged");
    const auto& names = loaded.card.class_names;
    const std::string name =
        static_cast<std::size_t>(label) < names.size() ? names[static_cast<std::size_t>(label)] : std::to_string(label);
    const std::string& file = flags.images[i];
    const std::string answer = fmt::format(": {} {:.1f}%", name, 100 * probability);
    pictures.push_back(
        {heat_panels(inputs[i].picture, heat_of(inputs[i].images, label), part), {name_of(file) + answer}});
    show("{}\n", flags.json ? nlohmann::json({{"image", file}, {"class", name}, {"probability", probability}}).dump()
                            : printable(file + answer, 4096));
  }
  write_picture(flags.out, in_grid(pictures, 1, 8));
}

void draw_saliency(LoadedModel& loaded, const ShowFlags& flags) {
  draw_heat(loaded, flags, kSaliencyPart, [&](const Tensor& images, std::int64_t label) {
    return saliency(*loaded.model, images, {label}).viewed_as({images.size(1), images.size(2)});
  });
}

void draw_grad_cam(LoadedModel& loaded, const ShowFlags& flags) {
  draw_heat(loaded, flags, 1, [&](const Tensor& images, std::int64_t label) {
    std::string layer = flags.layers.empty() ? "" : flags.layers[0];
    if (layer.empty()) {
      const std::vector<FeatureMaps> stages = stage_maps(*loaded.model, images);
      if (stages.empty()) throw FileError(flags.weights, "this model has no convolutional stage; give --layer PATH");
      layer = stages.back().path;
    }
    const Tensor heat = in_flag("layer", [&] { return grad_cam(*loaded.model, images, {label}, layer); });
    return heat.viewed_as({heat.size(1), heat.size(2)});
  });
}

Tensor noise(const Shape& shape, const ShowFlags& flags, DType dtype) {
  Tensor values = Tensor::empty(shape, DType::f64);
  const RandomStream random = random_stream(flags.seed, RandomUse::generate);
  for (std::int64_t i = 0; i < values.numel(); ++i)
    values.mutable_data<double>()[i] = random.normal(static_cast<std::uint64_t>(i));
  return cast(values, dtype);
}

void print_fields(const std::vector<ReceptiveField>& fields, bool json) {
  if (!json) show("{}", format_receptive_fields(fields));
  for (const ReceptiveField& field : fields) {
    if (!json) break;
    show("{}\n", nlohmann::json({{"name", field.name},
                                 {"path", field.path},
                                 {"height", field.height},
                                 {"width", field.width},
                                 {"jump", field.jump},
                                 {"theoretical", field.theoretical},
                                 {"measured", field.measure.measured},
                                 {"effective", field.measure.effective},
                                 {"row", field.measure.row},
                                 {"column", field.measure.column}})
                     .dump());
  }
}

void draw_fields(LoadedModel& loaded, const ShowFlags& flags) {
  ModelCard& card = loaded.card;
  if (flags.image_size > 0) {
    card.height = card.width = flags.image_size;
    if (!card.transforms.empty())
      card.transforms.push_back(fmt::format("resize:height={0},width={0}", flags.image_size));
  }
  Tensor picture;
  std::vector<Tensor> images;
  for (const Input& input : inputs_of(loaded, flags)) {
    if (!picture.defined()) picture = input.picture;
    images.push_back(input.images);
  }
  if (images.empty())
    images.push_back(noise({flags.limit, card.height, card.width, card.channels}, flags, loaded.precision.parameters));
  const std::vector<ReceptiveField> fields =
      in_flag("layer", [&] { return receptive_fields(*loaded.model, concat(images, Axis::batch), flags.layers); });
  print_fields(fields, flags.json);
  if (flags.out.empty()) return;
  std::vector<Captioned> pictures;
  for (const ReceptiveField& field : fields) pictures.push_back(field_picture(field, picture));
  write_picture(flags.out, in_grid(pictures, 6, 8));
}

void add_heat_flags(CLI::App& app, ShowFlags& flags) {
  add_images(app, flags);
  app.add_option("--class", flags.label, "Its name or number (default: the model's answer)");
}

void add_limit(CLI::App& app, ShowFlags& flags, std::int64_t otherwise, const char* help) {
  flags.limit = otherwise;
  app.add_option("--limit", flags.limit, help)->capture_default_str();
}

constexpr std::array kKinds = {
    Kind{"filters", "The first convolution's filters, each normalised to its least and largest weight.",
         [](CLI::App& app, ShowFlags& flags) { add_limit(app, flags, 256, "At most so many filters"); }, draw_filters},
    Kind{"maps", "Feature maps at the end of every stage, each normalised to its least and largest value.",
         [](CLI::App& app, ShowFlags& flags) {
           add_images(app, flags);
           add_limit(app, flags, 64, "At most so many maps of a stage");
         },
         draw_maps},
    Kind{"saliency", "The gradient of a class's logit with respect to the image (Simonyan et al., 2013).",
         add_heat_flags, draw_saliency},
    Kind{"gradcam", "Where a layer finds a class, by Grad-CAM (Selvaraju et al., 2017).",
         [](CLI::App& app, ShowFlags& flags) {
           add_heat_flags(app, flags);
           app.add_option("--layer", flags.layers, "Path of the layer (default: the end of the last stage)")
               ->allow_extra_args(false);
         },
         draw_grad_cam},
    Kind{"receptive-field", "What each layer's outputs see, by formula and by gradients (Luo et al., 2016).",
         [](CLI::App& app, ShowFlags& flags) {
           app.add_option("IMAGE", flags.images, "Image files (default: normal noise)");
           app.get_option("--weights")->required(false)->description("A safetensors file (none: --model, untrained)");
           add_limit(app, flags, 8, "So many images of noise");
           app.add_option("--layer", flags.layers, "Only layers of these paths, with commas between them")
               ->delimiter(',')
               ->allow_extra_args(false);
           app.add_option("--image-size", flags.image_size,
                          "Bring images to a square of this side, for fields that are larger than the model's images");
           app.add_option("--seed", flags.seed, "Of noise and of an untrained net")->capture_default_str();
         },
         draw_fields},
};

LoadedModel untrained(const ShowFlags& flags) {
  if (flags.model.empty()) throw UsageError("give --weights FILE, or --model NAME for an untrained net");
  use_threads(flags.threads);
  manual_seed(flags.seed);
  const ModelOptions options = model_options(flags);
  LoadedModel made;
  made.model = make_model(flags.model, options);
  made.model->eval();
  made.card.height = options.height;
  made.card.width = options.width;
  made.card.channels = options.in_channels;
  return made;
}

int run_kind(const Kind& kind, const Arguments& arguments) {
  ShowFlags flags;
  CLI::App app(kind.about, std::string("show ") + kind.name);
  add_weights_flags(app, flags);
  kind.declare(app, flags);
  app.add_option("--out", flags.out, "The picture's file, NAME.png")->required(kind.draw != draw_fields);
  parse(app, arguments);
  within("limit", flags.limit, 1, 4096);
  within("image-size", flags.image_size, 0, 4096);
  if (!flags.out.empty()) check_picture_file(flags.out);
  std::error_code ignored;
  for (const std::string& file : flags.images) {
    if (std::filesystem::equivalent(file, flags.out, ignored)) throw FileError(file, "would be replaced by --out");
  }
  LoadedModel loaded = flags.weights.empty() ? untrained(flags) : load(flags);
  if (loaded.card.sample_rate > 0) throw FileError(flags.weights, "is a model of recordings; this shows pictures");
  kind.draw(loaded, flags);
  return 0;
}

void print_show_help() {
  const char* program = program_invocation_short_name;
  show("usage: {} show PICTURE [FLAGS] --out FILE.png\n\n", program);
  for (const Kind& kind : kKinds) show("  {:<17}{}\n", kind.name, kind.about);
  show("  {:<17}{}\n\n{} show PICTURE --help lists its flags.\n", "batch",
       "What the loader makes of the data, with the flags of train.", program);
}

}  // namespace

void check_picture_file(const std::string& out) { require(out.ends_with(".png"), "out", "a file NAME.png", out); }

void write_picture(const std::string& out, const Tensor& picture) {
  const std::vector<std::uint8_t> bytes = encode_png(picture);
  write_atomically(out, std::string(bytes.begin(), bytes.end()));
}

int run_show(const Arguments& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h") {
    print_show_help();
    return arguments.empty() ? 2 : 0;
  }
  const Arguments rest(arguments.begin() + 1, arguments.end());
  if (arguments[0] == "batch") return show_batch(rest);
  std::vector<std::string> names = {"batch"};
  for (const Kind& kind : kKinds) {
    if (arguments[0] == kind.name) return run_kind(kind, rest);
    names.emplace_back(kind.name);
  }
  throw UsageError(fmt::format("show: expected {}, got {}; did you mean {}?", joined(names, ", "), arguments[0],
                               nearest_name(arguments[0], names)));
}

}  // namespace striate::cli

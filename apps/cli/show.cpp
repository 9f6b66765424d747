// `striate show`: a net's filters, feature maps, saliency, Grad-CAM and receptive fields as pictures
// (apps/report/net_pictures.h), and what the loader makes of the data (apps/cli/show_batch.cpp).

#include "apps/cli/show.h"

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "apps/cli/commands.h"
#include "apps/cli/predict.h"
#include "apps/cli/screen.h"
#include "apps/cli/shared_flags.h"
#include "apps/report/net_pictures.h"
#include "core/elementwise.h"
#include "core/file.h"
#include "core/printable.h"
#include "core/random.h"
#include "core/reduce.h"
#include "core/reshape.h"
#include "core/text.h"
#include "data/image.h"
#include "data/normalize.h"
#include "models/feature_maps.h"
#include "models/receptive_field.h"
#include "models/saliency.h"
#include "models/summary.h"

namespace striate::cli {
namespace {

// Of saliency, a few pixels have far the largest values; the heat ends at what so many are below.
constexpr double kSaliencyPart = 0.99;

struct ShowFlags : WeightsFlags {
  std::vector<std::string> images;
  std::string out;
  std::string label;  ///< --class
  std::string layer;
  std::int64_t limit = 8;
  std::int64_t image_size = 0;
  std::uint64_t seed = 0;
};

// A part of a command's picture. What is printed of it are the facts with --json, else its caption.
struct Part : Captioned {
  nlohmann::ordered_json facts;
};

struct Kind {
  const char* name;
  const char* about;
  std::vector<Part> (*draw)(LoadedModel&, const ShowFlags&);  ///< null: `batch`
};

// An image file as the model sees it, and as a picture.
struct Input {
  std::string name;
  Tensor picture;  // u8 (H,W,C)
  Tensor images;   // (1,H,W,C)
};

Input input_of(const LoadedModel& loaded, const std::string& file, const ShowFlags& flags) {
  const Tensor read = read_input(loaded.card, file, flags.max_pixels);
  return {.name = std::filesystem::path(file).filename().string(),
          .picture = read.viewed_as({read.size(1), read.size(2), read.size(3)}),
          .images = normalized(read, loaded.card.normalization, loaded.precision.parameters)};
}

std::vector<Part> draw_filters(LoadedModel& loaded, const ShowFlags& /*flags*/) {
  const Captioned filters = filters_picture(*loaded.model);
  return {{filters, {{"filters", filters.caption[0]}}}};
}

std::vector<FeatureMaps> stages_of(const LoadedModel& loaded, const Input& input, const ShowFlags& flags) {
  std::vector<FeatureMaps> stages = stage_maps(*loaded.model, input.images);
  if (stages.empty()) throw FileError(flags.weights, "this model has no convolutional stage, and so no feature maps");
  return stages;
}

std::vector<Part> draw_maps(LoadedModel& loaded, const ShowFlags& flags) {
  std::vector<Part> parts;
  for (const std::string& file : flags.images) {
    const Input input = input_of(loaded, file, flags);
    parts.push_back({{sized(input.picture, 128), {input.name}}, {{"image", file}}});
    for (const FeatureMaps& stage : stages_of(loaded, input, flags)) {
      const Captioned maps = maps_picture(stage);
      parts.push_back({maps, {{"image", file}, {"layer", stage.path}, {"maps", maps.caption[0]}}});
    }
  }
  return parts;
}

// Heat over every picture, for the class that is asked for or else the likeliest; of pixels, over all of them.
template <class HeatOf>
std::vector<Part> draw_heat(const LoadedModel& loaded, const ShowFlags& flags, double part, const HeatOf& heat_of) {
  const std::vector<std::string>& names = loaded.card.class_names;
  if (!flags.label.empty()) one_of("class", flags.label, names);
  std::vector<Part> parts;
  for (const std::string& file : flags.images) {
    const Input input = input_of(loaded, file, flags);
    const Tensor all = probabilities_of(loaded, input.images, file);
    const auto of_classes = mean(all.viewed_as({all.numel() / all.size(-1), all.size(-1)}), {Axis::batch}).to_vector();
    const auto label = flags.label.empty() ? std::max_element(of_classes.begin(), of_classes.end()) - of_classes.begin()
                                           : std::find(names.begin(), names.end(), flags.label) - names.begin();
    const std::string& name = names[static_cast<std::size_t>(label)];
    const double probability = of_classes[static_cast<std::size_t>(label)];
    parts.push_back({{heat_panels(input.picture, heat_of(input, label), part),
                      {fmt::format("{}: {} {:.1f}%", input.name, name, 100 * probability)}},
                     {{"image", file}, {"class", name}, {"probability", probability}}});
  }
  return parts;
}

std::vector<Part> draw_saliency(LoadedModel& loaded, const ShowFlags& flags) {
  return draw_heat(loaded, flags, kSaliencyPart, [&](const Input& input, std::int64_t label) {
    return saliency(*loaded.model, input.images, {label});
  });
}

std::vector<Part> draw_grad_cam(LoadedModel& loaded, const ShowFlags& flags) {
  return draw_heat(loaded, flags, 1, [&](const Input& input, std::int64_t label) {
    const std::string layer = flags.layer.empty() ? stages_of(loaded, input, flags).back().path : flags.layer;
    return in_flag("layer", [&] { return grad_cam(*loaded.model, input.images, {label}, layer); });
  });
}

Tensor noise(const Shape& shape, const ShowFlags& flags, DType dtype) {
  Tensor values = Tensor::empty(shape, DType::f64);
  const RandomStream random = random_stream(flags.seed, RandomUse::generate);
  for (std::int64_t i = 0; i < values.numel(); ++i)
    values.mutable_data<double>()[i] = random.normal(static_cast<std::uint64_t>(i));
  return cast(values, dtype);
}

void bring_to(std::int64_t side, LoadedModel& loaded) {
  ModelCard& card = loaded.card;
  const std::int64_t height = std::exchange(card.height, side), width = std::exchange(card.width, side);
  if (!card.transforms.empty()) card.transforms.push_back(fmt::format("resize:height={0},width={0}", side));
  try {
    summarize(*loaded.model, {side, side, card.channels});
  } catch (const ShapeError& error) {
    throw UsageError(fmt::format("--image-size: the model is made for images of {}x{}, and takes none of {}x{}: {}",
                                 height, width, side, side, error.what()));
  }
}

std::vector<Part> draw_fields(LoadedModel& loaded, const ShowFlags& flags) {
  if (flags.image_size > 0) bring_to(flags.image_size, loaded);
  const ModelCard& card = loaded.card;
  Tensor picture;
  std::vector<Tensor> images;
  for (const std::string& file : flags.images) {
    const Input input = input_of(loaded, file, flags);
    if (!picture.defined()) picture = input.picture;
    images.push_back(input.images);
  }
  if (images.empty())
    images.push_back(noise({flags.limit, card.height, card.width, card.channels}, flags, loaded.precision.parameters));
  const auto only = flags.layer.empty() ? std::vector<std::string>{} : split(flags.layer, ',');
  const std::vector<ReceptiveField> fields =
      in_flag("layer", [&] { return receptive_fields(*loaded.model, concat(images, Axis::batch), only); });
  std::vector<Part> parts;
  for (const ReceptiveField& field : fields) {
    parts.push_back({field_picture(field, picture),
                     {{"name", field.name},
                      {"path", field.path},
                      {"height", field.height},
                      {"width", field.width},
                      {"jump", field.jump},
                      {"theoretical", field.receptive_field},
                      {"measured", field.measure.measured},
                      {"effective", field.measure.effective},
                      {"row", field.measure.row},
                      {"column", field.measure.column}}});
  }
  return parts;
}

constexpr std::array kKinds = {
    Kind{"filters", "The first convolution's filters, each normalised to its least and largest weight.", draw_filters},
    Kind{"maps", "Feature maps at the end of every stage, each normalised to its least and largest value.", draw_maps},
    Kind{"saliency", "The gradient of a class's logit with respect to the image (Simonyan et al., 2013).",
         draw_saliency},
    Kind{"gradcam", "Where a layer finds a class, by Grad-CAM (Selvaraju et al., 2017).", draw_grad_cam},
    Kind{"receptive-field", "What each layer's outputs see, by formula and by gradients (Luo et al., 2016).",
         draw_fields},
    Kind{"batch", "What the loader makes of the data, with the flags of train.", nullptr},
};

ShowFlags parse_show(const Kind& kind, const Arguments& arguments) {
  const bool fields = kind.draw == draw_fields, cam = kind.draw == draw_grad_cam;
  ShowFlags flags;
  CLI::App app(kind.about, std::string("show ") + kind.name);
  add_weights_flags(app, flags);
  app.add_option("--out", flags.out, "The picture's file, NAME.png")->required(!fields);
  if (fields) {
    app.get_option("--weights")->required(false)->description("A safetensors file (none: --model, untrained)");
    app.add_option("IMAGE", flags.images, "Image files (default: normal noise)");
    app.add_option("--layer", flags.layer, "Only layers of these paths, with commas between them");
    app.add_option("--image-size", flags.image_size,
                   "Bring images to a square of this side, for fields that are larger than the model's images");
    app.add_option("--limit", flags.limit, "So many images of noise")->capture_default_str();
    app.add_option("--seed", flags.seed, "Of noise and of an untrained net")->capture_default_str();
  } else if (kind.draw != draw_filters) {
    app.add_option("IMAGE", flags.images, "Image files (jpg, png, bmp, ...)")->required();
  }
  if (cam || kind.draw == draw_saliency)
    app.add_option("--class", flags.label, "Its name (default: the model's answer)");
  if (cam) app.add_option("--layer", flags.layer, "Path of the layer (default: the end of the last stage)");
  parse(app, arguments);
  within("limit", flags.limit, 1, 4096);
  within("image-size", flags.image_size, 0, 4096);
  if (!flags.out.empty()) check_picture_file(flags.out);
  std::error_code ignored;
  for (const std::string& file : flags.images) {
    if (std::filesystem::equivalent(file, flags.out, ignored)) throw FileError(file, "would be replaced by --out");
  }
  return flags;
}

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
  const ShowFlags flags = parse_show(kind, arguments);
  LoadedModel loaded = flags.weights.empty() ? untrained(flags) : load(flags);
  if (loaded.card.sample_rate > 0) throw FileError(flags.weights, "is a model of recordings; this shows pictures");
  std::vector<Captioned> pictures;
  for (const Part& part : kind.draw(loaded, flags)) {
    pictures.push_back(part);
    const std::string text = joined(part.caption, ": ");
    show("{}\n", flags.json ? part.facts.dump() : printable(text, 4096));
  }
  if (!flags.out.empty()) write_picture(flags.out, in_grid(pictures, kind.draw == draw_fields ? 6 : 1, 8));
  return 0;
}

}  // namespace

void check_picture_file(const std::string& out) { require(out.ends_with(".png"), "out", "a file NAME.png", out); }

void write_picture(const std::string& out, const Tensor& picture) {
  const std::vector<std::uint8_t> bytes = encode_png(picture);
  write_atomically(out, std::string(bytes.begin(), bytes.end()));
}

int run_show(const Arguments& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h") {
    const char* program = program_invocation_short_name;
    show("usage: {} show PICTURE [FLAGS] --out FILE.png\n\n", program);
    for (const Kind& kind : kKinds) show("  {:<17}{}\n", kind.name, kind.about);
    show("\n{} show PICTURE --help lists its flags.\n", program);
    return arguments.empty() ? 2 : 0;
  }
  const Arguments rest(arguments.begin() + 1, arguments.end());
  std::vector<std::string> names;
  for (const Kind& kind : kKinds) {
    if (arguments[0] == kind.name) return kind.draw == nullptr ? show_batch(rest) : run_kind(kind, rest);
    names.emplace_back(kind.name);
  }
  throw UsageError(fmt::format("show: expected {}, got {}; did you mean {}?", joined(names, ", "), arguments[0],
                               nearest_name(arguments[0], names)));
}

}  // namespace striate::cli

#include "apps/cli/shared_flags.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>

#include "apps/cli/command_line.h"
#include "apps/cli/screen.h"
#include "apps/training/evaluate.h"
#include "core/error.h"
#include "core/named_options.h"
#include "core/parallel.h"
#include "core/text.h"
#include "data/dataset.h"
#include "data/recording.h"

namespace striate::cli {
namespace {

NamedOptions width_option(const ModelFlags& flags) {
  NamedOptions options;
  if (!flags.width_multiplier) return options;
  if (parse_name_and_options(flags.model).options.has("width_multiplier")) {
    throw UsageError("--width-multiplier and " + flags.model + " both set width_multiplier; give one of them");
  }
  options.set("width_multiplier", *flags.width_multiplier);
  return options;
}

// As the model card says.
Picture read(const ModelCard& card, const std::string& file, std::int64_t max_pixels) {
  if (card.sample_rate == 0) return read_image(file, card.channels, max_pixels);
  const Recording recording = read_recording(file, card.channels == 1 ? 1 : 0, max_pixels);
  Picture picture(recording.samples, recording.sample_rate);
  const ImageShape& shape = picture.shape;
  if (shape.sample_rate == card.sample_rate && shape.channels == card.channels) return picture;
  throw FileError(file, fmt::format("expected a recording of {}, as the model was trained on, got {}",
                                    to_string(ImageShape{0, 0, card.channels, card.sample_rate}), to_string(shape)));
}

}  // namespace

void add_threads_flag(CLI::App& app, std::int64_t& threads) {
  app.add_option("--threads", threads, kThreadsHelp)->capture_default_str();
}

void use_threads(std::int64_t threads) {
  within("threads", threads, 0, kMostThreads);
  if (threads > 0) set_num_threads(static_cast<int>(threads));
}

std::string conv_flag_help() {
  return "Algorithm of convolutions: " + joined(conv_algorithm_names()) +
         "; automatic takes the fastest of each layer, and stands in where the other cannot do it";
}

const ConvAlgorithm* conv_algorithm_of(const std::string& name) {
  one_of("conv", name, conv_algorithm_names());
  return conv_algorithm(name);
}

bool needs_path(const std::string& format) {
  return format.empty() || dataset_format(parse_name_and_options(format).name).recognises;
}

std::filesystem::path data_path(const std::string& given, const std::string& format) {
  if (!given.empty()) return given;
  if (const char* data = std::getenv("STRIATE_DATA"); data != nullptr && *data != '\0') return data;
  const std::string name = parse_name_and_options(format).name;
  if (const char* home = std::getenv("HOME"); home != nullptr && (name.empty() || name == "cifar10")) {
    const auto cached = std::filesystem::path(home) / ".cache/striate/cifar-10-batches-bin";
    if (std::filesystem::is_directory(cached)) return cached;
  }
  if (!needs_path(format)) return {};
  throw UsageError(fmt::format(
      "no data: give --data DIR or set STRIATE_DATA (./quickstart fetches CIFAR-10; `{} generate --out DIR` draws one)",
      program_invocation_short_name));
}

std::string channels_advice(const std::string& data, const std::string& format, std::int64_t channels) {
  const std::string name = parse_name_and_options(format.empty() ? find_dataset(data_path(data, format)) : format).name;
  const bool can = name == "image-folder" ? channels == 1 || channels == 3 : name == "audio-folder" && channels == 1;
  return can ? fmt::format("; --dataset {}:channels={} reads them so", name, channels) : "";
}

std::filesystem::path writable_file(const std::string& flag, const std::string& given) {
  const std::filesystem::path file = given;
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  if (!given.empty() && (!std::filesystem::is_directory(folder) || std::filesystem::is_directory(file))) {
    throw UsageError(fmt::format("--{} must be a file in a folder that is there, got {}", flag, given));
  }
  return file;
}

std::vector<double> channel_values(const std::string& flag, const std::string& text) {
  std::vector<double> values;
  if (text.empty()) return values;
  for (const std::string& item : split(text, ',')) {
    const auto value = number_in<double>(item);
    require(value && std::isfinite(*value) && (flag == "mean" || *value > 0), flag,
            flag == "mean" ? "a number for each channel, like 0.5,0.5,0.5" : "numbers above 0, like 0.5,0.5,0.5", text);
    values.push_back(*value);
  }
  return values;
}

std::string text_of(const Normalization& normalization) {
  const auto list = [](const std::vector<double>& values) {
    std::vector<std::string> texts;
    for (const double value : values) texts.push_back(OptionText(value).text);
    return joined(texts, ",");
  };
  return "mean " + list(normalization.mean) + ", std " + list(normalization.std);
}

Normalization normalization_of(const std::string& mean, const std::string& deviation, Normalization base,
                               std::int64_t channels) {
  const auto set = [&](const char* flag, const std::string& text, std::vector<double>& of_base) {
    std::vector<double> values = channel_values(flag, text);
    if (values.empty()) return;
    if (values.size() == 1) values.resize(static_cast<std::size_t>(channels), values[0]);
    require(values.size() == static_cast<std::size_t>(channels), flag,
            fmt::format("one number, or {}: one for each channel", channels), text);
    of_base = std::move(values);
  };
  base = base.for_channels(channels);
  set("mean", mean, base.mean);
  set("std", deviation, base.std);
  return base;
}

void add_shape_flags(CLI::App& app, ModelFlags& flags, const std::string& otherwise) {
  app.add_option("--width-multiplier", flags.width_multiplier, "Factor on all channel counts" + otherwise);
  app.add_option("--input", flags.input, "Size of an image" + otherwise)->type_name("HxWxC")->capture_default_str();
}

void add_model_flags(CLI::App& app, ModelFlags& flags, const std::string& otherwise) {
  app.add_option("--model", flags.model, "Model by name, with its options: resnet20:dropout=0.1" + otherwise)
      ->capture_default_str();
  app.add_option("--precision", flags.precision, "fp32, bf16, fp16 or fp64" + otherwise)->capture_default_str();
  add_shape_flags(app, flags, otherwise);
}

Shape input_of(const ModelFlags& flags) {
  if (flags.input.empty()) return {32, 32, 3};
  Shape sizes;
  std::string again;
  for (const std::string& item : split(flags.input, 'x')) {
    const std::int64_t size = number_in<std::int64_t>(item).value_or(0);
    if (size > 0 && size < 100000) sizes.push_back(size);
    again += (again.empty() ? "" : "x") + std::to_string(size);
  }
  require(sizes.size() == 3 && again == flags.input, "input", "HxWxC like 32x32x3", flags.input);
  return sizes;
}

ModelOptions model_options(const ModelFlags& flags) {
  const Shape input = input_of(flags);
  return {.in_channels = input[2], .height = input[0], .width = input[1], .options = width_option(flags)};
}

LoadedModel load_model(const std::string& weights, const ModelFlags& flags) {
  LoadOptions options{.model = flags.model, .options = width_option(flags), .precision = flags.precision};
  if (!flags.precision.empty()) one_of("precision", flags.precision, precision_names());
  if (!flags.input.empty()) options.input = input_of(flags);
  LoadedModel loaded = load_weights(weights, options);
  if (!loaded.note.empty()) complain(loaded.note);
  if (!flags.input.empty()) loaded.card.transforms.clear();
  return loaded;
}

void add_weights_flags(CLI::App& app, WeightsFlags& flags) {
  app.add_option("--weights", flags.weights, "A safetensors file")->required();
  add_model_flags(app, flags, " (default: the file's)");
  add_normalization_flags(app, flags);
  app.add_option("--max-pixels", flags.max_pixels, kMaxPixelsHelp)->capture_default_str();
  add_threads_flag(app, flags.threads);
  app.add_flag("--json", flags.json, "Print JSON, an object a line");
}

void add_normalization_flags(CLI::App& app, WeightsFlags& flags) {
  app.add_option("--mean", flags.mean, "Images are (byte/255 - mean) / std, a number a channel (default: the file's)");
  app.add_option("--std", flags.deviation, "As --mean");
}

LoadedModel load(const WeightsFlags& flags) {
  use_threads(flags.threads);
  at_least("max-pixels", flags.max_pixels, 1);
  LoadedModel loaded = load_model(flags.weights, flags);
  ModelCard& card = loaded.card;
  card.normalization = normalization_of(flags.mean, flags.deviation, card.normalization, card.channels);
  try {
    evaluation_transforms(card);
  } catch (const std::invalid_argument& error) {
    throw FileError(flags.weights, std::string("what it does to pictures is not known here: ") + error.what());
  }
  return loaded;
}

Tensor read_input(const ModelCard& card, const std::string& file, std::int64_t max_pixels) {
  const Picture picture = read(card, file, max_pixels);
  try {
    return transformed_picture(picture, evaluation_transforms(card));
  } catch (const std::invalid_argument& error) {  // too narrow a picture, say
    throw FileError(file, error.what());
  }
}

}  // namespace striate::cli

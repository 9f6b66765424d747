// `striate export`: a trained model as a file of ONNX (models/onnx.h).

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "apps/cli/commands.h"
#include "apps/cli/screen.h"
#include "apps/cli/shared_flags.h"
#include "core/file.h"
#include "core/printable.h"
#include "models/onnx.h"

namespace striate::cli {
namespace {

struct ExportOptions : WeightsFlags {
  std::string out;
  std::int64_t batch = 0;
  bool normalize = false;
  bool fold_batch_norm = false;
};

ExportOptions parse_export(const Arguments& arguments) {
  ExportOptions options;
  CLI::App app("Writes a trained model as a file of ONNX (opset 17), for other programs to run.", "export");
  app.add_option("--weights", options.weights, "A safetensors file")->required();
  app.add_option("--out", options.out, "The file to write: FILE.onnx")->required();
  app.add_option("--batch", options.batch, "So many images at a time; 0: any number")->capture_default_str();
  app.add_flag("--normalize", options.normalize,
               "Take bytes, 0 to 255 as floats, and normalise them (samples of sound as they are in files, -1 to 1)");
  app.add_flag("--fold-batch-norm", options.fold_batch_norm, "Make batch norms part of the convolutions before them");
  app.add_option("--model", options.model,
                 "Model by name, with its options: resnet20:dropout=0.1 (default: the file's)");
  add_shape_flags(app, options, " (default: the file's)");
  add_normalization_flags(app, options);
  parse(app, arguments);
  within("batch", options.batch, 0, kMostCounted);
  require(std::filesystem::path(options.out).extension() == ".onnx", "out", "a name that ends in .onnx", options.out);
  options.precision = "fp32";
  return options;
}

}  // namespace

int run_export(const Arguments& arguments) {
  const ExportOptions options = parse_export(arguments);
  const LoadedModel loaded = load(options);
  const ModelCard& card = loaded.card;
  const bool recordings = card.sample_rate > 0;
  OnnxOptions onnx{.batch = options.batch, .fold_batch_norm = options.fold_batch_norm};
  if (options.normalize) onnx.normalization = card.normalization;
  if (recordings) onnx.unit = 1;
  onnx.metadata = to_metadata(card);
  onnx.metadata["input"] = options.normalize ? (recordings ? "samples" : "bytes, 0 to 255")
                                             : (recordings ? "(sample - mean) / std" : "(byte/255 - mean) / std");
  const std::string bytes = export_onnx(*loaded.model, {card.height, card.width, card.channels}, onnx);
  write_atomically(options.out, bytes);
  show("{}: {:.3g} MB, opset 17; input ({},{},{},{}) of {}{}; {} classes\n", printable(options.out, 4096),
       static_cast<double>(bytes.size()) / 1e6, options.batch == 0 ? "N" : std::to_string(options.batch), card.channels,
       card.height, card.width, onnx.metadata["input"], options.normalize ? "" : ", " + text_of(card.normalization),
       card.class_names.size());
  return 0;
}

}  // namespace striate::cli

// `striate generate`: writes the generated set (data/generated.h) as files.
#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "apps/cli/commands.h"
#include "apps/cli/screen.h"
#include "data/generated.h"

namespace striate::cli {
namespace {

constexpr std::int64_t kMost = 10000000;

}  // namespace

int run_generate(const Arguments& arguments) {
  std::string out;
  GenerateOptions options;
  CLI::App app("Draws ten classes of textured shapes in CIFAR-10's binary layout.", "generate");
  app.add_option("--out", out, "Folder to write to")->required();
  app.add_option("--seed", options.seed, "Fixes every byte")->capture_default_str();
  app.add_option("--train", options.train_images, "Training images, a multiple of 5")->capture_default_str();
  app.add_option("--test", options.test_images, "Test images")->capture_default_str();
  parse(app, arguments);
  require(options.train_images >= 5 && options.train_images % 5 == 0 && options.train_images <= kMost, "train",
          "a multiple of 5 up to 10000000", std::to_string(options.train_images));
  within("test", options.test_images, 1, kMost);
  require(!out.empty(), "out", "a folder", "nothing");
  if (std::filesystem::exists(out) && !(std::filesystem::is_directory(out) && std::filesystem::is_empty(out))) {
    throw FileError(out, "--out is there and not empty; nothing is overwritten, give another folder");
  }
  generate_folder(out, options);
  show("{}: {} training and {} test images, ten classes\n", out, options.train_images, options.test_images);
  return 0;
}

}  // namespace striate::cli

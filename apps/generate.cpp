#include <spdlog/fmt/fmt.h>

#include "apps/commands.h"
#include "data/generated.h"

namespace striate::apps {

int run_generate(const Arguments& arguments) {
  std::string out;
  GenerateOptions options;
  CLI::App app("Draws ten classes of textured shapes in CIFAR-10's binary layout.", "generate");
  app.add_option("--out", out, "Folder to write to")->required();
  app.add_option("--seed", options.seed, "Fixes every byte")->capture_default_str();
  app.add_option("--train", options.train_images, "Training images, a multiple of 5")->capture_default_str();
  app.add_option("--test", options.test_images, "Test images")->capture_default_str();
  parse(app, arguments);
  generate_folder(out, options);
  fmt::print("{}: {} training and {} test images, ten classes\n", out, options.train_images,
             options.test_images);
  return 0;
}

}  // namespace striate::apps

// A ResNet trained on a folder of one's own photographs, of any sizes: photographs FOLDER/CLASS/... EPOCHS OUT. A fifth
// of every class is held out, and OUT/weights_best.safetensors is best on it; `striate predict` reads that file.
#include <cstdio>
#include <string>

#include "apps/training/trainer.h"
#include "core/random.h"
#include "data/splits.h"
#include "models/resnet.h"
using namespace striate;

int main(int argc, char** argv) try {
  if (argc != 4) throw std::invalid_argument("usage: photographs FOLDER EPOCHS OUT");
  Splits data =
      load_splits(argv[1], "image-folder", {.image_size = 128, .skip_broken = true}, {.validation = 0.2, .seed = 1});
  for (const std::string& note : data.train.notes) std::printf("%s\n", note.c_str());
  // In the place of resize and center_crop, which the others keep.
  data.train.transforms = make_transforms({"random_resized_crop:size=128", "random_horizontal_flip"});

  manual_seed(1);
  ResNet model({.depth = 18, .zero_gamma = true, .classes = data.train.classes()});
  Trainer trainer(model, data.train, data.test,
                  {.epochs = std::stoi(argv[2]),
                   .validation = data.validation,
                   .loader = {.batch_size = 32, .seed = 1},
                   .schedule = {.kind = "onecycle", .lr = 0.05},
                   .out = RunFolder(argv[3]),
                   .resume = true,
                   .card = {.model = "resnet18"}});
  trainer.on_epoch([](const EpochResult& e) {
    std::printf("epoch %d loss %.4f validation accuracy %.4f, best %.4f\n", int(e.epoch), e.metrics.loss(),
                e.validation->accuracy, e.best.accuracy);
  });
  return trainer.run() == Ending::finished ? 0 : 1;
} catch (const std::exception& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}

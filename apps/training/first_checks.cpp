#include "apps/training/first_checks.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "apps/training/evaluate.h"
#include "core/autograd.h"
#include "core/check.h"
#include "core/error.h"
#include "core/printable.h"
#include "core/random.h"
#include "core/text.h"

namespace striate {
namespace {

// Of epochs, and of batches an update: more is a mistake, and would overflow the counts of steps.
constexpr int kMost = 1000000;

// What came out of a network for one image.
Shape outputs_of(Layer& model, const std::string& whose, const ImageShape& shape, DType activations) {
  const EvalGuard eval(model);
  const NoGradGuard no_grad;
  const DType dtype = parameter_dtype(activations);
  const Tensor image = as_input(Tensor::zeros({1, shape.height, shape.width, shape.channels}, dtype), activations);
  try {
    return model(image).shape();
  } catch (const ShapeError& error) {
    throw ShapeError("the " + whose + " cannot take images of " + to_string(shape) + ": " + error.what());
  }
}

void expect_outputs(const Shape& outputs, const std::string& whose, const Dataset& train, const ImageShape& shape) {
  const std::string classes = std::to_string(train.classes()) + " classes";
  if (train.is_segmentation()) {
    expect(outputs == Shape{1, shape.height, shape.width, train.classes()}, "trainer",
           "a " + whose + " for segmentation, as unet, with an output for each of the " + classes + " at every pixel",
           to_string(outputs) + " for one image of " + to_string(shape));
    return;
  }
  expect(outputs == Shape{1, train.classes()}, "trainer", "a " + whose + " with an output for each of the " + classes,
         to_string(outputs) + " for one image");
}

// The classes that no image of the set has.
std::vector<std::string> unused_classes(const Dataset& dataset) {
  const std::vector<std::int64_t> counts = class_counts(dataset);
  std::vector<std::string> names;
  for (std::size_t label = 0; label < counts.size(); ++label) {
    if (counts[label] == 0) names.push_back(printable(dataset.class_names[label]));
  }
  return names;
}

// `set`, "test" say, is of the same classes, size and normalization as what is trained on.
void check_tested(const std::string& set, const Dataset& images, const Dataset& train, const Transforms& transforms) {
  check_dataset("trainer: " + set + " set", images);
  expect(images.class_names == train.class_names, "trainer",
         set + " classes like those of training (" + printable(joined(train.class_names)) + ")",
         printable(joined(images.class_names)));
  expect(images.normalization == train.normalization, "trainer",
         set + " images normalised as those of training (load_splits, data/splits.h, does it)",
         "another normalization");
  expect(images.is_segmentation() == train.is_segmentation(), "trainer", set + " labels of the kind of training's",
         images.is_segmentation() ? "classes of pixels" : "classes of images");
  // Transforms may change the size of what is trained on, and what labels pixels takes any size.
  if (train.is_segmentation() && images.channels() == train.channels()) return;
  const ImageShape shape = train.image_shape();
  expect(images.image_shape() == shape || images.image_shape() == output_shape(transforms, shape), "trainer",
         set + " images of " + to_string(shape) + " as those of training (an image size brings both to one)",
         to_string(images.image_shape()));
}

std::string megabytes(double bytes) { return std::to_string(static_cast<std::int64_t>(bytes / 1e6)) + " MB"; }

double bytes_of(const std::vector<NamedTensor>& tensors) {
  double bytes = 0;
  for (const NamedTensor& tensor : tensors) bytes += static_cast<double>(tensor.value.bytes());
  return bytes;
}

}  // namespace

void check_options(const TrainerOptions& options, const Dataset& train, const Dataset& test) {
  const auto within = [](const char* name, auto value, int least, auto most) {
    expect(value >= least && value <= most, "trainer",
           std::string(name) + " from " + std::to_string(least) + " to " + std::to_string(most), value);
  };
  constexpr auto unlimited = std::numeric_limits<std::int64_t>::max();
  within("epochs", options.epochs, 1, kMost);
  within("max_steps", options.max_steps, 0, unlimited);
  within("patience", options.patience, 0, kMost);
  expect(options.patience == 0 || options.validation.labels.defined(), "trainer",
         "validation images to be patient about (hold_out, data/splits.h)", "none");
  within("accumulate", options.accumulate, 1, kMost);
  within("warmup_epochs", options.warmup_epochs, 0, kMost);
  within("base_batch_size", options.base_batch_size, 0, unlimited);
  within("averages.swa_from", options.averages.swa_from, 0, options.epochs);
  expect(options.checkpoint_minutes >= 0, "trainer", "checkpoint_minutes of at least 0", options.checkpoint_minutes);
  expect(options.stop != nullptr, "trainer", "a function to ask whether to stop", "none");
  check_dataset("trainer: training set", train);
  expect(!train.is_segmentation() || !options.objective.distillation.teacher, "trainer",
         "no teacher for segmentation: distillation is of images of one class each", "one");
  if (const Tensor& weights = options.objective.class_weights; weights.defined()) {
    const std::vector<double> values = weights.to_vector();
    const bool usable = std::all_of(values.begin(), values.end(), [](double w) { return w >= 0 && std::isfinite(w); });
    expect(usable && weights.shape() == Shape{train.classes()}, "trainer",
           "class_weights of at least 0 for each of " + std::to_string(train.classes()) + " classes",
           to_string(weights.shape()));
  }
  check_tested("test", test, train, options.loader.transforms);
  if (options.validation.labels.defined()) {
    check_tested("validation", options.validation, train, options.loader.transforms);
  }
  for (const std::string& name : train.class_names) {
    expect(is_utf8(name), "trainer", "names of classes in UTF-8, which files of weights need", printable(name));
  }
}

std::vector<std::string> class_doubts(const Dataset& train, const Dataset& test) {
  std::vector<std::string> doubts;
  if (train.classes() == 1) doubts.emplace_back("there is a single class, and so nothing to learn");
  const auto note = [&](const std::vector<std::string>& names, const char* set, const char* so) {
    if (names.empty()) return;
    doubts.push_back(std::string("no ") + set + " image of " + std::to_string(names.size()) + " of " +
                     std::to_string(train.classes()) + " classes (" + printable(joined(names), 300) + "): " + so);
  };
  note(unused_classes(train), "training", "the model cannot learn what they look like");
  note(unused_classes(test), "test", "the accuracy does not tell how well they are known");
  return doubts;
}

void check_network(Layer& model, const Dataset& train, const TrainerOptions& options) {
  const Generator before = default_generator();
  const std::vector<BatchNorm2d*> norms = batch_norms_in_training(model);
  std::string lone;  // a batch norm that sees one value a channel of one image
  {
    const LayerObserver observer([&](const Layer& layer, const Tensor& x, const Tensor&) {
      if (lone.empty() && x.numel() == x.size(-1) && std::find(norms.begin(), norms.end(), &layer) != norms.end())
        lone = layer.path();
    });
    const ImageShape shape = output_shape(options.loader.transforms, train.image_shape());
    expect_outputs(outputs_of(model, "model", shape, options.precision.activations), "model", train, shape);
    const DistillationOptions& distillation = options.objective.distillation;
    if (distillation.teacher) {
      expect_outputs(outputs_of(*distillation.teacher, "teacher", shape, distillation.activations), "teacher", train,
                     shape);
    }
  }
  default_generator() = before;
  const std::int64_t batch = std::min(options.loader.batch_size, train.size());
  const std::int64_t last = options.loader.drop_last || train.size() % batch == 0 ? batch : train.size() % batch;
  expect(last > 1 || lone.empty(), "trainer",
         "batches of more than one image, since batch norm " + lone + " needs more than one value a channel",
         std::to_string(train.size()) + " images in batches of " + std::to_string(batch) +
             (batch > 1 ? ", the last of one image; drop it (drop_last, --drop-last), or take another batch size"
                        : "; take another batch size"));
}

void check_disk_space(const RunFiles& files, const Module& model, const Optimizer& optimizer, std::size_t averages) {
  struct statvfs disk {};
  // Some file systems know no sizes.
  if (::statvfs(files.folder.c_str(), &disk) != 0 || disk.f_blocks == 0) return;
  const double parameters = bytes_of(model.parameters());
  const double weights = (parameters + bytes_of(model.buffers())) * static_cast<double>(1 + averages);
  const double checkpoint = weights + parameters * static_cast<double>(optimizer.slots().size());
  const double needed = std::filesystem::exists(files.checkpoint()) ? checkpoint : 2 * checkpoint + weights;
  const double free = static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize);
  if (free >= needed) return;
  throw FileError(files.folder.string(), "its disk has " + megabytes(free) + " free, and the run's checkpoints and " +
                                             "weights need " + megabytes(needed + 1e6) +
                                             "; free some space, or choose a folder on another disk");
}

}  // namespace striate

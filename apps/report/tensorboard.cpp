#include "apps/report/tensorboard.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "apps/report/net_pictures.h"
#include "core/printable.h"
#include "models/feature_maps.h"

namespace striate::cli {
namespace {

constexpr std::int64_t kPictures = 8;

// Where the run is at an epoch's start its last step's events hold; a checkpoint within an epoch may be of the epoch's
// last step, and what that epoch's end gave comes again.
std::int64_t first_step(const StepResult& start) { return start.step + (start.batch == 0 && start.step > 0 ? 1 : 0); }

void add_pictures(EventFile& events, const Dataset& images, const std::string& split) {
  const ImageShape shape = images.image_shape();
  if (shape.is_recording() || (shape.channels != 1 && shape.channels != 3)) return;
  for (std::int64_t i = 0; i < std::min(kPictures, images.size()); ++i) {
    const std::int64_t label = images.labels.data<std::int64_t>()[i];
    const std::string& name = images.class_names[static_cast<std::size_t>(label)];
    const Tensor picture = transformed_images(images, {i}).viewed_as({shape.height, shape.width, shape.channels});
    events.add_image(fmt::format("{} images/{}{}", split, i, images.is_segmentation() ? "" : " " + printable(name)),
                     picture);
  }
}

void add_figures(EventFile& events, const std::string& split, const Evaluation& figures) {
  events.add_scalar("loss/" + split, figures.loss);
  events.add_scalar("accuracy/" + split, figures.accuracy);
  events.add_scalar((figures.mean_iou ? "mean_iou/" : "top5/") + split, figures.mean_iou.value_or(figures.top5));
}

}  // namespace

TensorBoard::TensorBoard(const RunFiles& files, const StepResult& start, const Module& model, const Splits& data)
    : events_([&] {
        const bool first = !holds_event_files(files.folder);
        EventFile events(files.folder, first_step(start));
        const bool has_test = data.test.labels.defined();
        if (!first) return events;
        add_pictures(events, has_test ? data.test : data.validation, has_test ? "test" : "val");
        events.write(start.step);
        return events;
      }()),
      model_(model),
      has_test_(data.test.labels.defined()) {}

void TensorBoard::add(const EpochResult& epoch) {
  events_.add_scalar("loss/train", epoch.metrics.loss());
  events_.add_scalar("accuracy/train", epoch.metrics.accuracy());
  if (epoch.validation) add_figures(events_, "val", *epoch.validation);
  if (has_test_) add_figures(events_, "test", epoch.test);
  for (const auto& [name, figures] : epoch.averages) {
    add_figures(events_, name + (has_test_ ? "_test" : "_val"), figures);
  }
  events_.add_scalar("run/learning_rate", epoch.learning_rate);
  events_.add_scalar("run/images_per_second", epoch.metrics.images_per_second());
  events_.add_scalar("run/epoch", static_cast<double>(epoch.epoch));
  for (const NamedTensor& parameter : model_.parameters()) {
    events_.add_histogram("weights/" + parameter.name, parameter.value);
  }
  if (first_filters(model_).defined()) events_.add_image("filters/first layer", filters_picture(model_).picture);
  events_.write(epoch.step);
}

}  // namespace striate::cli

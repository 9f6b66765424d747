// Training, evaluation and prediction of pixels' classes, through the same Trainer and the same commands.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/training/trainer.h"
#include "core/random.h"
#include "data/image.h"
#include "data/splits.h"
#include "models/registry.h"
#include "tests/support/errors.h"
#include "tests/support/small_run.h"

namespace striate {
namespace {

using namespace testing_support;

std::string bytes_of(const std::vector<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

/// Pictures of 20 x 27 that are dark (class 0) with a bright rectangle (class 1), around which a line has no class.
class Rectangles {
 public:
  Rectangles() {
    for (const auto& [split, count] : {std::pair{"train", 12U}, {"val", 3U}, {"test", 5U}}) {
      for (unsigned i = 0; i < count; ++i) write(split, i, RandomStream(random_stream(7, RandomUse::test, count, i)));
    }
    folder_.write("data/classes.txt", "dark\nbright\nnever\n");
  }
  [[nodiscard]] std::string data() const { return (folder_.path() / "data").string(); }
  [[nodiscard]] std::filesystem::path path(const std::string& name) const { return folder_.path() / name; }
  [[nodiscard]] const TempFolder& folder() const { return folder_; }

 private:
  static constexpr std::int64_t kHeight = 20, kWidth = 27;

  void write(const std::string& split, unsigned i, const RandomStream& random) const {
    Tensor image = Tensor::empty({kHeight, kWidth, 3}, DType::u8);
    Tensor map = Tensor::empty({kHeight, kWidth, 1}, DType::u8);
    const std::int64_t top = random.below(0, 8), left = random.below(1, 12);
    for (std::int64_t p = 0; p < kHeight * kWidth; ++p) {
      const std::int64_t y = p / kWidth - top, x = p % kWidth - left;
      const bool inside = y > 0 && y < 9 && x > 0 && x < 11, near = y >= 0 && y <= 9 && x >= 0 && x <= 11;
      map.mutable_data<std::uint8_t>()[p] = inside ? 1 : near ? 255 : 0;
      for (std::int64_t c = 0; c < 3; ++c) {
        const auto noise = static_cast<std::uint8_t>(random.below(static_cast<std::uint64_t>(100 + 3 * p + c), 80));
        image.mutable_data<std::uint8_t>()[3 * p + c] = static_cast<std::uint8_t>(inside ? 170 + noise : noise);
      }
    }
    const std::string name = std::to_string(i) + ".png";
    folder_.write("data/" + split + "/images/" + name, bytes_of(encode_png(image)));
    folder_.write("data/" + split + "/labels/" + name, bytes_of(encode_png(map)));
  }

  TempFolder folder_;
};

const Rectangles& rectangles() {
  static const Rectangles drawn;
  return drawn;
}

std::vector<std::string> small_unet(const std::string& out, const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = {"train",
                                    "--model",
                                    "unet:width_multiplier=0.0625",
                                    "--data",
                                    rectangles().data(),
                                    "--out",
                                    rectangles().path(out).string(),
                                    "--batch-size",
                                    "4",
                                    "--epochs",
                                    "6",
                                    "--lr",
                                    "0.05",
                                    "--threads",
                                    "1"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::string file_in(const std::string& out, const std::string& name) {
  return (rectangles().path(out) / name).string();
}

TEST(Segmentation, TrainsEvaluatesAndPredicts) {
  const Outcome train = striate(small_unet("run", {"--report", "--ema", "0.5", "--class-balance", "0.5", "--transform",
                                                   "random_resized_crop:height=16,width=18,scale_min=0.5"}));
  ASSERT_EQ(train.status, 0) << train.err;
  EXPECT_NE(train.out.find(" mIoU "), std::string::npos) << train.out;
  EXPECT_NE(train.out.find("no training image of 1 of 3 classes (never)"), std::string::npos) << train.out;
  const std::string metrics = read_text(file_in("run", "metrics.csv"));
  EXPECT_NE(metrics.find(",val_loss,val_accuracy,val_miou,test_loss,test_accuracy,test_miou,ema_test_loss"),
            std::string::npos)
      << metrics;
  EXPECT_TRUE(std::filesystem::exists(file_in("run", "weights_best.safetensors")));
  const std::string page = read_text(file_in("run", "report.html"));
  for (const char* part : {"Mean IoU, %", "weights_best.safetensors", "<h2>Label maps</h2>", "IoU %",
                           "most of it, taken for ", "Grad-CAM of "}) {
    EXPECT_NE(page.find(part), std::string::npos) << part;
  }

  const std::string weights = file_in("run", "weights.safetensors");
  const std::string panel = file_in("run", "panel.png"), confusion = file_in("run", "confusion.csv");
  const Outcome eval = striate({"eval", "--weights", weights, "--data", rectangles().data(), "--tta", "flip",
                                "--pictures", panel, "--confusion", confusion});
  ASSERT_EQ(eval.status, 0) << eval.err;
  EXPECT_NE(eval.out.find("mean IoU"), std::string::npos) << eval.out;
  EXPECT_NE(eval.out.find("precision"), std::string::npos) << eval.out;
  EXPECT_EQ(read_image(panel).shape(), (Shape{5 * 24 - 4, 3 * 31 - 4, 3}));
  EXPECT_EQ(read_text(confusion).substr(0, 24), "label,dark,bright,never\n");
  EXPECT_EQ(striate({"show", "batch", "--data", rectangles().data(), "--batch-size", "4", "--out", panel}).status, 0);
  EXPECT_EQ(read_image(panel).size(1), 4 * (2 * 135 + 4) + 3 * 4) << "each with its label map";
  for (const char* kind : {"maps", "saliency", "gradcam"}) {
    const Outcome shown = striate(
        {"show", kind, "--weights", weights, "--out", panel, rectangles().path("data/test/images/0.png").string()});
    EXPECT_EQ(shown.status, 0) << shown.err;
  }
  const Outcome in_json = striate({"eval", "--weights", weights, "--data", rectangles().data(), "--json"});
  const auto json = nlohmann::json::parse(in_json.out);
  EXPECT_GT(json["mean_iou"].get<double>(), 0.6);  // 0.36 where everything is dark
  EXPECT_TRUE(json["iou_by_class"][2].is_null());

  const std::string picture = rectangles().data() + "/test/images/0.png";
  const std::string maps = rectangles().path("maps").string();
  const Outcome predict = striate({"predict", "--weights", weights, "--out", maps, picture});
  ASSERT_EQ(predict.status, 0) << predict.err;
  EXPECT_NE(predict.out.find("dark"), std::string::npos);
  const Tensor map = read_indices(maps + "/0.png");
  EXPECT_EQ(map.shape(), (Shape{20, 27, 1}));
  const auto values = map.span<std::uint8_t>();
  EXPECT_TRUE(std::all_of(values.begin(), values.end(), [](std::uint8_t value) { return value < 3; }));
  EXPECT_EQ(striate({"predict", "--weights", weights, picture}).status, 2);
  const Outcome twice = striate({"predict", "--weights", weights, "--out", maps, picture, "elsewhere/0.png"});
  EXPECT_EQ(twice.status, 2);
  EXPECT_NE(twice.err.find("would both be"), std::string::npos) << twice.err;
  EXPECT_EQ(striate({"predict", "--weights", weights, "--out", rectangles().data() + "/test/images", picture}).status,
            1);
  for (const auto& [flag, value] : {std::pair{"--mistakes", "3"}, {"--tta", "shift"}}) {
    const Outcome refused = striate({"eval", "--weights", weights, "--data", rectangles().data(), flag, value});
    EXPECT_EQ(refused.status, 2);
    EXPECT_NE(refused.err.find(flag), std::string::npos) << refused.err;
  }
}

TEST(Segmentation, AResumedRunIsAnUninterruptedOne) {
  const std::vector<std::string> how = {"--precision", "bf16", "--val-split", "0", "--swa-from", "3"};
  ASSERT_EQ(striate(small_unet("whole", how)).status, 0);
  auto cut = how;
  cut.insert(cut.end(), {"--max-steps", "8"});
  ASSERT_EQ(striate(small_unet("resumed", cut)).status, 0);
  const Outcome rest = striate({"train", "--resume", "--out", rectangles().path("resumed").string(), "--threads", "2"});
  ASSERT_EQ(rest.status, 0) << rest.err;
  EXPECT_EQ(metrics_without_time(rectangles().path("resumed")), metrics_without_time(rectangles().path("whole")));
  EXPECT_EQ(weights_of(rectangles().path("resumed")), weights_of(rectangles().path("whole")));
}

TEST(Segmentation, RefusesWhatMeansNothing) {
  const auto expect_refused = [](const std::vector<std::string>& flags, const std::string& why) {
    const Outcome refused = striate(small_unet("refused", flags));
    EXPECT_NE(refused.status, 0) << why;
    EXPECT_NE(refused.err.find(why), std::string::npos) << refused.err;
    std::filesystem::remove_all(rectangles().path("refused"));
  };
  expect_refused({"--mixup", "0.2"}, "no mixup and no cutmix for label maps");
  expect_refused({"--per-class", "2"}, "classes of pixels");
  expect_refused({"--classes", "dark,bright"}, "classes of pixels");
  expect_refused({"--model", "resnet20"}, "for segmentation, as unet");
}

TEST(Segmentation, TheTrainerSaysWhatDoesNotFit) {
  const Splits data = load_splits(rectangles().data());
  const auto model = make_model("unet", {.classes = 3, .options = {{"width_multiplier", 0.04}}});
  const auto expect_refused = [&](const TrainerOptions& options, const std::vector<std::string>& why) {
    expect_error<std::invalid_argument>([&] { Trainer(*model, data.train, data.test, options); }, why);
  };
  expect_refused({.objective = {.class_weights = Tensor::full({2}, 1)}}, {"class_weights", "3 classes"});
  expect_refused(
      {.objective = {.distillation = {.teacher = std::shared_ptr<Layer>(make_model(
                                          "unet", {.classes = 3, .options = {{"width_multiplier", 0.04}}}))}}},
      {"no teacher for segmentation"});
}

TEST(Segmentation, ABatchWithoutALabelChangesNothing) {
  const auto model = make_model("unet", {.classes = 3, .options = {{"width_multiplier", 0.04}}});
  Batch batch;
  batch.images = Tensor::zeros({2, 16, 16, 3});
  batch.labels = Tensor::full({2, 16, 16}, -100, DType::i64);
  const Tensor logits = (*model)(batch.images);
  const Tensor loss = objective({.class_weights = Tensor::full({3}, 2)}, logits, batch);
  EXPECT_EQ(loss.item(), 0);
  loss.backward();
  for (const NamedTensor& parameter : model->parameters()) {
    for (const double value : parameter.value.grad().to_vector()) ASSERT_EQ(value, 0) << parameter.name;
  }
}

/// The image itself as logits: what is seen of a pixel stays at its place.
struct Pixelwise : Layer {
  Tensor forward(const Tensor& x) override { return x; }
};

TEST(Segmentation, MirroredLogitsAreMirroredBack) {
  Pixelwise model;
  Tensor images = Tensor::zeros({1, 2, 3, 3});
  for (std::int64_t i = 0; i < images.numel(); ++i) images.mutable_data<float>()[i] = static_cast<float>(i * i % 7);
  EXPECT_EQ(tta_logits(model, images, {.flip = true}).to_vector(), images.to_vector());
  EXPECT_THROW(tta_logits(model, images, {.shift = true}), ShapeError);
}

TEST(Segmentation, MeanIouIsOverTheClassesThatOccur) {
  ConfusionMatrix matrix = confusion_matrix(4);
  // Of 3 pixels of class 0, two are right; class 1 has none but is predicted once; class 3 does not occur.
  const Tensor logits = Tensor::from<float>({1, 2, 3, 4}, {9, 0, 0, 0, 9, 0, 0, 0, 0, 9, 0, 0,  //
                                                           0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 9, 0});
  matrix.add(logits, Tensor::from<std::int64_t>({1, 2, 3}, {0, 0, 0, 2, 2, -100}));
  EXPECT_EQ(matrix.total(), 5);
  EXPECT_DOUBLE_EQ(matrix.accuracy(), 0.8);
  EXPECT_DOUBLE_EQ(*matrix.iou(0), 2.0 / 3);
  EXPECT_DOUBLE_EQ(*matrix.iou(1), 0);
  EXPECT_DOUBLE_EQ(*matrix.iou(2), 1);
  EXPECT_FALSE(matrix.iou(3));
  EXPECT_DOUBLE_EQ(matrix.mean_iou(), (2.0 / 3 + 0 + 1) / 3);
  EXPECT_EQ(confusion_matrix(2).mean_iou(), 0);
}

TEST(Segmentation, BalancedWeights) {
  const Dataset train = load_dataset(rectangles().data(), Split::train);
  const auto counts = class_counts(train);
  const auto weights = balanced_class_weights(train, 1).to_vector();
  const double median = static_cast<double>(counts[0] + counts[1]) / 2;
  EXPECT_DOUBLE_EQ(weights[0], median / static_cast<double>(counts[0]));
  EXPECT_DOUBLE_EQ(weights[1], median / static_cast<double>(counts[1]));
  EXPECT_EQ(weights[2], 1);
  EXPECT_DOUBLE_EQ(balanced_class_weights(train, 0.5).to_vector()[1], std::sqrt(weights[1]));
}

}  // namespace
}  // namespace striate

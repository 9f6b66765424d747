// striate show from outside: every picture is a PNG of the expected size, and what does not fit is refused.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "data/image.h"
#include "tests/support/small_run.h"

namespace striate {
namespace {

using namespace testing_support;
using nlohmann::json;

class Show : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TempFolder>();
    ASSERT_EQ(striate(small_train(folder_->path() / "run", {"--epochs", "1"})).status, 0);
    Tensor image = Tensor::empty({40, 30, 3}, DType::u8);
    for (std::int64_t i = 0; i < image.numel(); ++i)
      image.mutable_data<std::uint8_t>()[i] = static_cast<std::uint8_t>(i * 7);
    const auto bytes = encode_png(image);
    folder_->write("cat.png", std::string(bytes.begin(), bytes.end()));
  }
  static void TearDownTestSuite() { folder_.reset(); }

  [[nodiscard]] static std::string path(const std::string& name) { return (folder_->path() / name).string(); }
  [[nodiscard]] static std::string weights() { return path("run/weights.safetensors"); }

  static Outcome show(const std::string& kind, const std::vector<std::string>& more) {
    std::vector<std::string> words = {"show", kind};
    words.insert(words.end(), more.begin(), more.end());
    return striate(words);
  }
  // Of the trained net.
  static Outcome show_net(const std::string& kind, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"--weights", weights(), "--out", path("out.png")};
    words.insert(words.end(), more.begin(), more.end());
    return show(kind, words);
  }
  static Shape shape_of_out() { return read_image(path("out.png")).shape(); }
  static void expect_refused(const Outcome& outcome, int status, const std::string& message) {
    EXPECT_EQ(outcome.status, status);
    EXPECT_NE(outcome.err.find(message), std::string::npos) << "expected: " << message << "\ngot: " << outcome.err;
  }

  static std::unique_ptr<TempFolder> folder_;
};
std::unique_ptr<TempFolder> Show::folder_;

TEST_F(Show, HelpListsThePictures) {
  const Outcome all = striate({"show", "--help"});
  EXPECT_EQ(all.status, 0);
  for (const char* kind : {"filters", "maps", "saliency", "gradcam", "receptive-field", "batch"}) {
    EXPECT_NE(all.out.find(kind), std::string::npos);
    EXPECT_NE(show(kind, {"--help"}).out.find("--config"), std::string::npos);
  }
  EXPECT_EQ(striate({"show"}).status, 2);
  expect_refused(striate({"show", "filter"}), 2, "did you mean filters?");
}

TEST_F(Show, Filters) {
  const Outcome outcome = show_net("filters");
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "4 of 4 filters of 3x3, 3 of 3 channels, as red, green and blue\n");
  EXPECT_EQ(shape_of_out()[0], 39 + 12);
}

TEST_F(Show, Maps) {
  const Outcome outcome = show_net("maps", {path("cat.png")});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(outcome.out.starts_with("cat.png\nfeatures.2: 4 of 4 maps of 32x32, jump 1\n")) << outcome.out;
  EXPECT_NE(outcome.out.find("features.27: 32 of 32 maps of 2x2, jump 16\n"), std::string::npos) << outcome.out;
}

TEST_F(Show, SaliencyAndGradCam) {
  for (const std::string kind : {"saliency", "gradcam"}) {
    Outcome outcome = show_net(kind, {path("cat.png"), path("cat.png"), "--json"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const std::string name = json::parse(outcome.out.substr(0, outcome.out.find('\n')))["class"];
    EXPECT_EQ(shape_of_out(), (Shape{2 * (256 + 12) + 8, 3 * 256 + 2 * 4, 3}));
    outcome = show_net(kind, {path("cat.png"), "--class", name});
    EXPECT_NE(outcome.out.find("cat.png: " + name), std::string::npos) << outcome.out;
    expect_refused(show_net(kind, {path("cat.png"), "--class", name + "x"}), 2, "did you mean " + name + "?");
    expect_refused(show_net(kind, {path("run/metrics.csv")}), 1, "metrics.csv");
    expect_refused(show_net(kind), 2, "IMAGE");
  }
  EXPECT_EQ(show_net("gradcam", {"--layer", "features.13", path("cat.png")}).status, 0);
  expect_refused(show_net("gradcam", {path("cat.png"), "--layer", "layer4"}), 2, "features.13");
}

TEST_F(Show, ReceptiveFields) {
  Outcome outcome = show_net("receptive-field", {"--json", "--limit", "2", "--image-size", "64"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  std::istringstream lines(outcome.out);
  std::string line;
  std::getline(lines, line);
  const json first = json::parse(line);
  EXPECT_EQ(first["path"], "features.0");
  EXPECT_EQ(first["theoretical"], 3);
  EXPECT_EQ(first["measured"], 3);
  EXPECT_EQ(first["effective"], 3);
  EXPECT_EQ(first["height"], 64);
  EXPECT_EQ(first["row"], 32.5);
  EXPECT_EQ(show_net("receptive-field", {path("cat.png")}).status, 0);
  outcome = show_net("receptive-field", {"--layer", "features.0,features.4", path("cat.png")});
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 2) << outcome.out;
  EXPECT_TRUE(outcome.out.starts_with("conv1_1 features.0: RF 3, measured 3, effective 3\n")) << outcome.out;
  expect_refused(show_net("receptive-field", {"--layer", "features.1"}), 2, "features.0, features.3");
  expect_refused(show("receptive-field", {"--model", "lenet", "--image-size", "64"}), 2,
                 "the model is made for images of 32x32, and takes none of 64x64");
  // Untrained: the seed decides.
  const std::vector<std::string> untrained = {"--model", "vgg11:width_multiplier=0.0625", "--limit", "1"};
  outcome = show("receptive-field", untrained);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(show("receptive-field", untrained).out, outcome.out);
  expect_refused(show("receptive-field", {}), 2, "--model NAME");
  expect_refused(show("filters", {"--out", path("f.png")}), 2, "--weights");
}

TEST_F(Show, Batch) {
  const std::string data = small_data().string();
  const std::vector<std::string> words = {"--data", data, "--out", path("out.png"), "--limit", "9"};
  Outcome outcome = show("batch", words);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 9);
  EXPECT_EQ(shape_of_out(), (Shape{2 * (160 + 12) + 4, 8 * 160 + 7 * 4, 3}));
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), words.begin(), words.end());
    return show("batch", more);
  };
  EXPECT_NE(with({"--epoch", "1"}).out, outcome.out);
  EXPECT_NE(with({"--batch", "1"}).out, outcome.out);
  EXPECT_NE(with({"--mixup", "1"}).out.find(" + 0."), std::string::npos);
  expect_refused(with({"--batch", "3"}), 2, "--batch must be from 0 to 2");
  expect_refused(with({"--lr", "1"}), 2, "--lr means nothing to show batch");
  expect_refused(show("batch", {"--data", data}), 2, "--out");
  // A run's flags, of which those of the data count.
  EXPECT_EQ(with({"--config", path("run/config.toml")}).status, 0);
}

// Without augmentation the picture is that of the file, so that nothing is lost by undoing the normalisation.
TEST_F(Show, ABatchAsItIs) {
  const std::string folder = path("plain");
  for (const std::string name : {"train/a/1.png", "test/a/1.png", "train/b/2.png"}) {
    std::filesystem::create_directories((folder_->path() / "plain" / name).parent_path());
    std::filesystem::copy_file(path("cat.png"), folder_->path() / "plain" / name);
  }
  const Outcome outcome = show("batch", {"--data", folder, "--augment", "none", "--out", path("out.png")});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Tensor drawn = read_image(path("out.png")), image = read_image(path("cat.png"));
  ASSERT_EQ(drawn.shape(), (Shape{160 + 12, 2 * 120 + 4, 3}));
  for (std::int64_t i = 0; i < 40 * 30; ++i) {
    const std::int64_t y = 4 * (i / 30), x = 4 * (i % 30);
    for (std::int64_t c = 0; c < 3; ++c)
      EXPECT_EQ(drawn.data<std::uint8_t>()[3 * (y * drawn.size(1) + x) + c], image.data<std::uint8_t>()[3 * i + c]);
  }
}

TEST_F(Show, FilesThatWouldBeLostAreKept) {
  expect_refused(show("maps", {path("cat.png"), "--weights", weights(), "--out", path("cat.png")}), 1, "replaced");
  expect_refused(show("filters", {"--weights", weights(), "--out", path("out.jpg")}), 2, "NAME.png");
  expect_refused(show("filters", {"--weights", weights(), "--out", path("no/out.png")}), 1, "no/out.png");
}

}  // namespace
}  // namespace striate

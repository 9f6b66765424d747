// Recordings from the command line: trained, measured, classified one by one, and refused where they do not fit.

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/support/small_run.h"
#include "tests/support/wav.h"

namespace striate {
namespace {

using namespace testing_support;
using nlohmann::json;

class Recordings : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* split : {"train", "test"}) {
      for (int i = 0; i < 6; ++i) {
        const std::string name = std::to_string(i) + ".wav";
        folder_.write(path(split, "low", name), tone(300 + 10 * i, 5));
        folder_.write(path(split, "high", name), tone(300 + 10 * i, 40));
      }
    }
  }
  static std::string path(const std::string& split, const std::string& label, const std::string& name) {
    return "data/" + split + "/" + label + "/" + name;
  }
  [[nodiscard]] std::string data() const { return (folder_.path() / "data").string(); }
  [[nodiscard]] Outcome train(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {"train",
                                          "--data",
                                          data(),
                                          "--dataset",
                                          "audio-folder:length=301",
                                          "--model",
                                          "m3",
                                          "--width-multiplier",
                                          "0.02",
                                          "--batch-size",
                                          "4",
                                          "--epochs",
                                          "3",
                                          "--lr",
                                          "0.02",
                                          "--out",
                                          (folder_.path() / "run").string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return striate(arguments);
  }
  [[nodiscard]] std::string weights() const { return (folder_.path() / "run/weights.safetensors").string(); }

  TempFolder folder_;
};

TEST_F(Recordings, EvalAndPredictAgreeWithTraining) {
  const Outcome trained = train({"--report", "--transform", "random_shift:max=0.002;random_gain"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  const Outcome eval = striate({"eval", "--weights", weights(), "--data", data(), "--json"});  // without a length
  ASSERT_EQ(eval.status, 0) << eval.err;
  const std::string metrics = read_text(folder_.path() / "run/metrics.csv");
  const std::string page = read_text(folder_.path() / "run/report.html");
  EXPECT_NE(page.find("Left out: these are no pictures"), std::string::npos);
  EXPECT_NE(page.find("Most confident mistakes"), std::string::npos);
  const std::string last = metrics.substr(metrics.rfind("\n3,") + 1);
  const double accuracy = json::parse(eval.out)["accuracy"];
  EXPECT_NE(last.find(json(accuracy).dump().substr(0, 5)), std::string::npos) << last << eval.out;

  std::vector<std::string> arguments = {"predict", "--weights", weights(), "--json"};
  for (const char* label : {"low", "high"}) {
    for (int i = 0; i < 6; ++i) {
      arguments.push_back((folder_.path() / path("test", label, std::to_string(i) + ".wav")).string());
    }
  }
  const Outcome predicted = striate(arguments);
  ASSERT_EQ(predicted.status, 0) << predicted.err;
  std::istringstream lines(predicted.out);
  double right = 0;
  for (std::string line; std::getline(lines, line);) {
    const json result = json::parse(line);
    const std::string label = result["top"][0]["class"];
    right += result["image"].get<std::string>().find("/" + label + "/") != std::string::npos ? 1 : 0;
  }
  EXPECT_NEAR(right / 12, accuracy, 1e-6);
  EXPECT_NE(striate({"summary", weights()}).out.find("301 samples x1 at 8000 Hz: (sample - mean) / std"),
            std::string::npos);
}

TEST_F(Recordings, WhatDoesNotFitIsRefused) {
  ASSERT_EQ(train({"--max-steps", "1"}).status, 0);
  const auto predict = [&](const std::string& bytes) {
    return striate({"predict", "--weights", weights(), folder_.write("one.wav", bytes).string()});
  };
  EXPECT_EQ(predict(tone(300, 5)).status, 0);
  EXPECT_EQ(predict(tone(20, 5, {.channels = 2})).status, 0);  // their mean
  for (const std::string& bad : {tone(300, 5, {.sample_rate = 16000}), std::string("RIFF")}) {
    const Outcome refused = predict(bad);
    EXPECT_EQ(refused.status, 1);
    EXPECT_NE(refused.err.find("one.wav"), std::string::npos) << refused.err;
  }
  const Outcome pictures = striate({"eval", "--weights", weights(), "--data", small_data().string()});
  EXPECT_NE(pictures.err.find("expected 301 samples x1 at 8000 Hz"), std::string::npos) << pictures.err;
  EXPECT_EQ(striate({"eval", "--weights", weights(), "--data", data(), "--tta", "flip"}).status, 2);
  EXPECT_EQ(striate({"equivariance", "--weights", weights(), "--data", data(), "--shift", "4"}).status, 1);
  const std::string picture = (folder_.path() / "out.png").string();
  const Outcome batch =
      striate({"show", "batch", "--data", data(), "--dataset", "audio-folder:length=301", "--out", picture});
  EXPECT_EQ(std::count(batch.out.begin(), batch.out.end(), '\n'), 12) << batch.err;
  EXPECT_NE(striate({"show", "filters", "--weights", weights(), "--out", picture}).err.find("a model of recordings"),
            std::string::npos);
}

TEST_F(Recordings, FlagsForPicturesAreRefused) {
  for (const std::vector<std::string>& flags :
       std::vector<std::vector<std::string>>{{"--augment", "imagenet"}, {"--flip", "random"}, {"--image-size", "32"}}) {
    const Outcome outcome = train(flags);
    EXPECT_EQ(outcome.status, 2) << flags[0];
    EXPECT_NE(outcome.err.find("pictures"), std::string::npos) << outcome.err;
  }
  EXPECT_NE(train({"--cutmix", "1"}).err.find("for recordings"), std::string::npos);
  EXPECT_NE(train({"--transform", "color_jitter"}).err.find("color_jitter is for pictures"), std::string::npos);
  EXPECT_NE(train({"--model", "vgg11"}).status, 0);
}

}  // namespace
}  // namespace striate

// What a training run leaves behind, and that it is the same whatever the threads.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/elementwise.h"
#include "core/safetensors.h"
#include "tests/support/small_run.h"

namespace striate {
namespace {

using namespace testing_support;

void train(const std::filesystem::path& out, const std::vector<std::string>& flags) {
  const Outcome outcome = striate(small_train(out, flags));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
}

TEST(Train, WritesItsFiles) {
  const TempFolder folder;
  const auto out = folder.path() / "deep" / "run";
  train(out, {});
  EXPECT_EQ(names_in(out), (std::vector<std::string>{"checkpoint.safetensors", "config.toml", "log.txt", "metrics.csv",
                                                     "weights.safetensors"}));
  std::istringstream metrics(read_text(out / "metrics.csv"));
  std::string line;
  std::getline(metrics, line);
  EXPECT_EQ(
      line,
      "epoch,step,train_loss,train_accuracy,test_loss,test_accuracy,test_top5,learning_rate,seconds,images_per_second");
  for (const char* start : {"1,10,", "2,20,", "3,30,"}) {
    std::getline(metrics, line);
    EXPECT_TRUE(line.starts_with(start)) << line;
  }
  const TensorFile weights = read_safetensors(out / "weights.safetensors");
  EXPECT_EQ(weights.find("features.0.weight").shape(), (Shape{4, 3, 3, 3}));
  EXPECT_EQ(weights.find("features.1.num_batches_tracked").shape(), Shape{});
  EXPECT_EQ(weights.find("features.1.num_batches_tracked").item(), 30);
  EXPECT_EQ(weights.find("classifier.weight").shape(), (Shape{10, 32}));
  EXPECT_EQ(weights.metadata.at("model"), "vgg11");
}

TEST(Train, EvalAgreesWithTheLastEpoch) {
  const TempFolder folder;
  train(folder.path() / "run", {});
  const Outcome outcome = striate({"eval", "--weights", (folder.path() / "run/weights.safetensors").string(), "--data",
                                   small_data().string(), "--threads", "1", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  std::istringstream metrics(read_text(folder.path() / "run/metrics.csv"));
  std::string last;
  for (std::string line; std::getline(metrics, line);) last = line;
  std::vector<std::string> cells;
  std::istringstream columns(last);
  for (std::string cell; std::getline(columns, cell, ',');) cells.push_back(cell);
  // To the digits that metrics.csv has.
  const auto result = nlohmann::json::parse(outcome.out);
  EXPECT_NEAR(result["loss"], std::stod(cells[4]), 1e-6);
  EXPECT_NEAR(result["accuracy"], std::stod(cells[5]), 1e-6);
}

TEST(Train, BytesDoNotDependOnThreadsOrWorkers) {
  for (const char* precision : {"fp32", "bf16", "fp16", "fp64"}) {
    SCOPED_TRACE(precision);
    const TempFolder folder;
    const std::vector<std::string> flags = {"--epochs", "2", "--precision", precision, "--mixup",     "0.2",
                                            "--cutout", "8", "--dropout",   "0.3",     "--clip-norm", "1"};
    const auto with = [&](const std::string& name, const std::string& threads, const std::string& workers) {
      auto all = flags;
      all.insert(all.end(), {"--threads", threads, "--workers", workers});
      train(folder.path() / name, all);
      return weights_of(folder.path() / name);
    };
    const std::string one = with("a", "1", "0");
    EXPECT_GT(one.size(), 10000U);
    EXPECT_EQ(one, with("b", "2", "1"));
    EXPECT_EQ(one, with("c", "5", "4"));
    EXPECT_EQ(metrics_without_time(folder.path() / "a"), metrics_without_time(folder.path() / "c"));
  }
}

// The file says how its model was trained, so that eval and predict compute alike; stored in F16 it serves, too.
TEST(Train, Fp16WeightsAreUsedAsTheyWereTrained) {
  const TempFolder folder;
  train(folder.path() / "run", {"--epochs", "1", "--precision", "fp16"});
  const auto path = (folder.path() / "run/weights.safetensors").string();
  TensorFile file = read_safetensors(path);
  EXPECT_EQ(file.metadata.at("precision"), "fp16");
  EXPECT_EQ(file.find("features.0.weight").dtype(), DType::f32);
  const auto eval = [](const std::string& weights, const std::string& precision) {
    std::vector<std::string> arguments = {"eval", "--weights", weights, "--data", small_data().string(), "--json"};
    if (!precision.empty()) arguments.insert(arguments.end(), {"--precision", precision});
    const Outcome outcome = striate(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.out;
  };
  const std::string trained = eval(path, "");
  EXPECT_NE(trained.find(R"("precision":"fp16")"), std::string::npos) << trained;
  EXPECT_EQ(trained, eval(path, "fp16"));
  EXPECT_NE(trained, eval(path, "fp32"));
  for (auto& [name, tensor] : file.tensors) {
    if (tensor.dtype() == DType::f32) tensor = cast(tensor, DType::f16);
  }
  const auto small = (folder.path() / "f16.safetensors").string();
  write_safetensors(small, file);
  EXPECT_NE(eval(small, "").find(R"("precision":"fp16")"), std::string::npos);
}

TEST(Train, SeedsDiffer) {
  const TempFolder folder;
  train(folder.path() / "a", {"--epochs", "1", "--seed", "1"});
  train(folder.path() / "b", {"--epochs", "1", "--seed", "2"});
  EXPECT_NE(weights_of(folder.path() / "a"), weights_of(folder.path() / "b"));
}

TEST(Train, DoublePrecisionWritesF64AndStartsFromF32) {
  const TempFolder folder;
  train(folder.path() / "a", {"--epochs", "1"});
  const auto start = (folder.path() / "a/weights.safetensors").string();
  train(folder.path() / "b", {"--epochs", "1", "--precision", "fp64", "--init", start, "--lr", "0", "--no-shuffle"});
  const TensorFile from = read_safetensors(start);
  const TensorFile to = read_safetensors(folder.path() / "b/weights.safetensors");
  EXPECT_EQ(to.find("features.0.weight").dtype(), DType::f64);
  EXPECT_EQ(from.find("features.0.weight").to_vector(), to.find("features.0.weight").to_vector());
  // And back again.
  train(folder.path() / "c", {"--epochs", "1", "--init", (folder.path() / "b/weights.safetensors").string()});
}

TEST(Train, MaxStepsCutsARowShort) {
  const TempFolder folder;
  train(folder.path() / "run", {"--max-steps", "13"});
  const std::string metrics = metrics_without_time(folder.path() / "run");
  EXPECT_NE(metrics.find("\n1,10,"), std::string::npos) << metrics;
  EXPECT_NE(metrics.find("\n2,13,"), std::string::npos) << metrics;
}

}  // namespace
}  // namespace striate

// What goes wrong outside the program's reach: said clearly, and nothing is lost.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "apps/training/run_folder.h"
#include "core/safetensors.h"
#include "tests/support/small_run.h"

namespace striate {
namespace {

using namespace testing_support;

void expect_failure(const Outcome& outcome, const std::vector<std::string>& parts) {
  EXPECT_EQ(outcome.status, 1) << outcome.out;
  for (const std::string& part : parts) {
    EXPECT_NE(outcome.err.find(part), std::string::npos) << "\"" << part << "\" is missing in: " << outcome.err;
  }
}

TEST(Failure, OutIsAFileOrHoldsARun) {
  const TempFolder folder;
  const auto file = folder.write("file", "precious");
  expect_failure(striate(small_train(file)), {file.string(), "expected a folder for the run, got a file"});
  EXPECT_EQ(read_text(file), "precious");
  expect_failure(striate(small_train(file / "below")), {"the folder cannot be made"});

  const auto run = folder.path() / "run";
  ASSERT_EQ(striate(small_train(run, {"--max-steps", "1"})).status, 0);
  const std::string before = weights_of(run);
  expect_failure(striate(small_train(run, {"--seed", "9"})), {"already holds a run", "--resume"});
  EXPECT_EQ(weights_of(run), before);
}

TEST(Failure, OneRunAtATimeInAFolder) {
  const TempFolder folder;
  const auto run = folder.path() / "run";
  const RunFolder held(run);
  expect_failure(striate(small_train(run)), {"another process works in this folder"});
}

TEST(Failure, GenerateOverwritesNothing) {
  const std::string before = read_text(small_data() / "test_batch.bin");
  expect_failure(striate({"generate", "--out", small_data().string(), "--seed", "3"}), {"not empty"});
  EXPECT_EQ(read_text(small_data() / "test_batch.bin"), before);
  const Outcome odd = striate({"generate", "--out", "/nowhere", "--train", "7"});
  EXPECT_EQ(odd.status, 2);
}

TEST(Failure, AFullDiskKeepsTheEarlierCheckpoint) {
  const TempFolder folder;
  const auto whole = folder.path() / "whole";
  const auto run = folder.path() / "run";
  ASSERT_EQ(striate(small_train(whole)).status, 0);
  ASSERT_EQ(striate(small_train(run, {"--max-steps", "5"})).status, 0);
  const std::string before = read_text(run / "checkpoint.safetensors");
  // Less than the checkpoint needs, more than the log does.
  const Outcome full = striate(small_train(run, {"--resume"}), {.file_size_limit = before.size() / 2});
  expect_failure(full, {"checkpoint.safetensors", "File too large"});
  EXPECT_EQ(read_text(run / "checkpoint.safetensors"), before);
  EXPECT_EQ(names_in(run), names_in(whole));
  ASSERT_EQ(striate(small_train(run, {"--resume"})).status, 0);
  EXPECT_EQ(weights_of(run), weights_of(whole));
}

TEST(Failure, DivergenceNamesStepRateAndLayer) {
  const TempFolder folder;
  const auto run = folder.path() / "run";
  // Without norms a huge rate overflows within steps; the first epoch's checkpoint is from a small rate.
  const std::vector<std::string> flags = {"--model",    "vgg11_nobn", "--schedule",   "multistep", "--lr",    "0.001",
                                          "--momentum", "0",          "--milestones", "1",         "--gamma", "1e37"};
  const Outcome outcome = striate(small_train(run, flags));
  expect_failure(outcome, {"learning rate 1e+34", "the first layer whose output is not finite is ",
                           "The last good checkpoint is kept", "checkpoint.safetensors"});
  // And it is good: its values are finite and it can be gone on from.
  const Outcome resumed = striate(small_train(run, {"--resume", "--model", "vgg11_nobn", "--max-steps", "10"}));
  EXPECT_EQ(resumed.status, 0) << resumed.err;
}

TEST(Failure, DivergenceInTheFirstStep) {
  const TempFolder folder;
  const Outcome outcome = striate(small_train(folder.path() / "run", {"--lr", "1e38", "--model", "vgg11_nobn"}));
  expect_failure(outcome, {"learning rate", "No checkpoint had been written yet"});
  expect_failure(striate(small_train(folder.path() / "images", {"--std", "1e-6", "--precision", "fp16"})),
                 {"images itself is not finite", "--std"});
}

TEST(Failure, DataThatIsNotThereOrBroken) {
  const TempFolder folder;
  const auto missing = folder.path() / "none";
  expect_failure(striate({"train", "--data", missing.string(), "--out", (folder.path() / "a").string()}),
                 {missing.string(), "striate generate"});
  std::filesystem::copy(small_data(), folder.path() / "cut");
  const auto batch = folder.path() / "cut/data_batch_3.bin";
  std::filesystem::resize_file(batch, std::filesystem::file_size(batch) - 1);
  expect_failure(
      striate({"train", "--data", (folder.path() / "cut").string(), "--out", (folder.path() / "b").string()}),
      {batch.string(), "3073"});
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "b/checkpoint.safetensors"));
}

TEST(Failure, WeightsThatDoNotFit) {
  const TempFolder folder;
  const auto run = folder.path() / "run";
  ASSERT_EQ(striate(small_train(run, {"--max-steps", "1"})).status, 0);
  const auto weights = (run / "weights.safetensors").string();
  expect_failure(striate({"eval", "--weights", weights, "--model", "vgg13", "--data", small_data().string()}),
                 {weights, "features.3.weight"});
  const auto text = folder.write("text.safetensors", "this is no such file").string();
  expect_failure(striate({"eval", "--weights", text, "--data", small_data().string()}), {text});
  expect_failure(striate({"predict", "--weights", weights, text}), {text, "cannot be decoded as an image"});
  expect_failure(striate(small_train(folder.path() / "b", {"--init", weights, "--width-multiplier", "0.125"})),
                 {weights, "features.0.weight"});
}

TEST(Failure, MetadataThatAskForAnotherModel) {
  const TempFolder folder;
  ASSERT_EQ(striate(small_train(folder.path() / "run", {"--max-steps", "1"})).status, 0);
  TensorFile file = read_safetensors(folder.path() / "run/weights.safetensors");
  const auto hostile = (folder.path() / "hostile.safetensors").string();
  const auto with = [&](const std::string& key, const std::string& value) {
    TensorFile changed = file;
    changed.metadata[key] = value;
    write_safetensors(hostile, changed);
    return striate({"eval", "--weights", hostile, "--data", small_data().string()});
  };
  expect_failure(with("width_multiplier", "1000000"), {hostile, "width_multiplier"});
  expect_failure(with("width_multiplier", "nan"), {hostile, "width_multiplier"});
  expect_failure(with("class_names", "[1"), {hostile, "metadata"});
  expect_failure(with("height", "1000000000"), {hostile, "metadata"});
  expect_failure(with("model", "vgg99"), {"vgg"});
}

}  // namespace
}  // namespace striate

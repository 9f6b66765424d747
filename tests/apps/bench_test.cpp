// bench --layers and --conv, and train --conv, from outside.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "models/registry.h"
#include "tests/support/small_run.h"

namespace striate {
namespace {

using namespace testing_support;
using nlohmann::json;

std::vector<std::string> small_bench(const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {
      "bench", "--model", "vgg11", "--width-multiplier", "0.25", "--batch-size", "4", "--threads", "2", "--steps", "1"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

json bench(const std::vector<std::string>& more) {
  std::vector<std::string> arguments = small_bench(more);
  arguments.insert(arguments.end(), {"--layers", "--json"});
  const Outcome outcome = striate(arguments);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return json::parse(outcome.out);
}

// "name direction" of every row.
std::set<std::string> rows_of(const json& rows) {
  std::set<std::string> names;
  for (const json& row : rows) {
    const auto [place, added] =
        names.insert(row.at("name").get<std::string>() + " " + row.at("direction").get<std::string>());
    EXPECT_TRUE(added) << *place;
    EXPECT_GE(row.at("ms"), 0);
  }
  return names;
}

TEST(BenchLayers, EveryLayerWithParametersHasItsRows) {
  const json result = bench({});
  const std::set<std::string> rows = rows_of(result["layers"]);
  const auto model = make_model("vgg11", {.options = {{"width_multiplier", 0.25}}});
  int convolutions = 0;
  for (const NamedTensor& parameter : model->parameters()) {
    if (!parameter.name.ends_with(".weight")) continue;
    const std::string layer = parameter.name.substr(0, parameter.name.size() - 7);
    EXPECT_TRUE(rows.contains(layer + " forward")) << layer;
    const bool convolution = parameter.value.rank() == 4;
    EXPECT_EQ(rows.contains(layer + " backward-weights"), convolution) << layer;
    EXPECT_EQ(rows.contains(layer + " backward"), !convolution) << layer;
    // The gradient of the images is not computed.
    EXPECT_EQ(rows.contains(layer + " backward-data"), convolution && convolutions > 0) << layer;
    if (convolution) ++convolutions;
  }
  EXPECT_EQ(convolutions, 8);
  for (const json& row : result["layers"]) {
    const bool products = row["kind"] == "Conv2d" || row["kind"] == "Linear";
    EXPECT_EQ(row["gflops"] > 0, products) << row;
    EXPECT_EQ(row["peak_share"] > 0, products) << row;
    EXPECT_EQ(!row["algorithm"].get<std::string>().empty(), row["kind"] == "Conv2d") << row;
  }
}

TEST(BenchLayers, AddsUpToTheStep) {
  const json result = bench({});
  EXPECT_EQ(rows_of(result["other"]),
            (std::set<std::string>{"loss forward", "loss backward", "optimiser update", "step rest"}));
  double sum = 0;
  for (const char* rows : {"layers", "other"}) {
    for (const json& row : result[rows]) sum += row["ms"].get<double>();
  }
  EXPECT_NEAR(sum, result["sum_ms"], 1e-9 * sum);
  // With one step the medians are its own times, and they are parts of the whole.
  EXPECT_LE(result["sum_ms"], result["step_ms"]);
  EXPECT_GT(result["sum_ms"], 0);
  EXPECT_GT(result["loader_ms"], 0);
  EXPECT_GT(result["peak_gflops"], 0);
}

TEST(BenchLayers, AsText) {
  const Outcome outcome = striate(small_bench({"--layers", "--precision", "bf16"}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  for (const char* part : {"features.0 ", "classifier ", "backward-weights", "optimiser", "sum ", "peak"}) {
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part;
  }
}

TEST(ConvFlag, ChoosesTheAlgorithm) {
  for (const std::string name : {"im2col", "direct", "winograd_f2", "winograd_f4"}) {
    const json result = bench({"--conv", name});
    EXPECT_EQ(result["conv"], name);
    for (const json& row : result["layers"]) {
      EXPECT_TRUE(row["kind"] != "Conv2d" || row["algorithm"] == name) << row;
    }
  }
  // fp64 has only the reference kernel, and no peak is measured.
  const json result = bench({"--conv", "im2col", "--precision", "fp64", "--width-multiplier", "0.0625"});
  EXPECT_EQ(result["layers"][0]["algorithm"], "reference");
  EXPECT_EQ(result["peak_gflops"], 0);
}

TEST(ConvFlag, NamesTheNearest) {
  const Outcome outcome = striate(small_bench({"--conv", "winograd_4"}));
  EXPECT_EQ(outcome.status, 2);
  EXPECT_NE(outcome.err.find("did you mean winograd_f4?"), std::string::npos) << outcome.err;
  const TempFolder folder;
  EXPECT_EQ(striate(small_train(folder.path() / "run", {"--conv", "winograd"})).status, 2);
}

TEST(ConvFlag, IsPartOfARun) {
  const TempFolder folder;
  const auto automatic = folder.path() / "automatic";
  const auto im2col = folder.path() / "im2col";
  ASSERT_EQ(striate(small_train(automatic, {"--max-steps", "2"})).status, 0);
  ASSERT_EQ(striate(small_train(im2col, {"--max-steps", "2", "--conv", "im2col"})).status, 0);
  EXPECT_NE(weights_of(automatic), weights_of(im2col));
  const Outcome refused = striate(small_train(im2col, {"--resume", "--conv", "winograd_f2"}));
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.err.find("--conv was im2col and is now winograd_f2"), std::string::npos) << refused.err;
  EXPECT_EQ(striate(small_train(im2col, {"--resume", "--max-steps", "3"})).status, 0);
  EXPECT_NE(read_text(im2col / "config.toml").find("conv = \"im2col\""), std::string::npos);
}

}  // namespace
}  // namespace striate

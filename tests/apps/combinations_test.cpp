// Random combinations of all flags of `striate train`: each trains, or is refused for a reason that is known here.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "apps/cli/toml.h"
#include "core/random.h"
#include "core/safetensors.h"
#include "tests/support/small_run.h"

namespace striate {
namespace {

using namespace testing_support;

constexpr std::uint64_t kSeeds = 64;
// One set of flags in so many is left as drawn; from the others, flags go until nothing should refuse them.
constexpr std::uint64_t kAsDrawn = 4;

/// By flag, without dashes; of a switch the value is empty.
using Drawn = std::map<std::string, std::string>;

/// What a flag may be given, besides not at all.
const std::vector<std::pair<std::string, std::vector<std::string>>>& choices() {
  static const std::vector<std::pair<std::string, std::vector<std::string>>> all = {
      {"model", {"vgg11", "vgg11_nobn", "resnet20", "resnet18"}},
      {"width-multiplier", {"0.1"}},
      {"dropout", {"0.2"}},
      {"zero-gamma", {""}},
      {"whiten", {""}},
      {"precision", {"fp32", "bf16", "fp16", "fp64"}},
      {"loss-scale", {"automatic", "dynamic", "128", "1"}},
      {"conv", {"automatic", "im2col", "direct", "winograd_f2", "winograd_f4"}},
      {"seed", {"0", "12345678901234567890"}},
      {"epochs", {"1", "3"}},
      {"batch-size", {"5", "8", "64"}},
      {"accumulate", {"1", "2", "7"}},
      {"momentum", {"0", "0.5"}},
      {"nesterov", {""}},
      {"no-nesterov", {""}},
      {"optimizer", {"sgd", "adamw", "adamw:eps=1e-6"}},
      {"beta1", {"0", "0.8"}},
      {"beta2", {"0.9"}},
      {"eps", {"1e-7"}},
      {"weight-decay", {"0", "0.01"}},
      {"no-bias-decay", {""}},
      {"clip-norm", {"0.5"}},
      {"lr", {"0", "0.02"}},
      {"base-batch-size", {"16"}},
      {"head-lr", {"0.03"}},
      {"norm-lr-scale", {"0", "2"}},
      {"schedule", {"cosine", "step", "multistep", "exponential", "poly", "onecycle", "constant"}},
      {"warmup-epochs", {"0.5", "9"}},
      {"step-size", {"1"}},
      {"gamma", {"0.5"}},
      {"milestones", {"1,2"}},
      {"power", {"2"}},
      {"classes", {"striped disc,spotted ring", "spotted ring,striped disc,spotted disc"}},
      {"per-class", {"3", "5"}},
      {"dataset", {"cifar10"}},
      {"transform", {"random_invert:p=0.3", "random_grayscale;color_jitter:brightness=0.4"}},
      {"val-split", {"0.25"}},
      {"patience", {"1"}},
      {"image-size", {"32", "40"}},
      {"crop-pct", {"0.9"}},
      {"skip-broken", {""}},
      {"cache", {"0"}},
      {"max-pixels", {"1024"}},
      {"mean", {"0.5", "0.4,0.5,0.6"}},
      {"std", {"0.3"}},
      {"drop-last", {""}},
      {"no-shuffle", {""}},
      {"augment", {"standard", "none", "imagenet", "trivial", "rand"}},
      {"pad", {"zero", "reflect"}},
      {"flip", {"none", "random", "alternating"}},
      {"cutout", {"6"}},
      {"random-erase", {"0.5"}},
      {"mixup", {"0.4"}},
      {"cutmix", {"1"}},
      {"label-smoothing", {"0.1"}},
      {"label-smoothing-form", {"pytorch", "paper"}},
      {"class-balance", {"0.5"}},
      {"teacher", {"WEIGHTS"}},
      {"temperature", {"4"}},
      {"distill-weight", {"0.5"}},
      {"init", {"WEIGHTS"}},
      {"freeze", {"FIRST", "HEAD", "FIRST,HEAD", "NORM"}},
      {"ema", {"0.9"}},
      {"swa-from", {"1", "2"}},
      {"workers", {"0", "3"}},
      {"max-steps", {"1", "6"}},
      {"checkpoint-minutes", {"0"}},
      {"tensorboard", {""}},
      {"report", {""}},
      {"resume", {""}},
  };
  return all;
}

std::string value_of(const Drawn& drawn, const std::string& flag, const std::string& otherwise) {
  const auto found = drawn.find(flag);
  return found == drawn.end() ? otherwise : found->second;
}

bool is_vgg(const Drawn& drawn) { return value_of(drawn, "model", "vgg11").starts_with("vgg"); }

/// Flags for each of which the combination must be refused, if for no other.
std::set<std::string> reasons(const Drawn& drawn) {
  std::set<std::string> found;
  const auto on = [&](const std::string& flag) { return drawn.contains(flag); };
  const auto value = [&](const std::string& flag) { return value_of(drawn, flag, ""); };
  const auto because = [&](bool bad, const std::string& flag) {
    if (bad) found.insert(flag);
  };
  because(on("temperature") && !on("teacher"), "temperature");
  because(on("distill-weight") && !on("teacher"), "distill-weight");
  because(on("label-smoothing-form") && !on("label-smoothing"), "label-smoothing-form");
  because(value("pad") == "reflect" && (value("augment") == "none" || value("augment") == "imagenet"), "pad");
  because(on("cutout") && on("random-erase"), "cutout");
  because(on("patience") && !on("val-split"), "patience");
  because(on("crop-pct") && !on("image-size"), "crop-pct");
  because(on("flip") && value("flip") != "none" && value("augment") == "none", "flip");
  const std::string schedule = value_of(drawn, "schedule", "cosine");
  because(on("step-size") && schedule != "step", "step-size");
  because(on("gamma") && schedule != "step" && schedule != "multistep" && schedule != "exponential", "gamma");
  because(on("milestones") && schedule != "multistep", "milestones");
  because(on("power") && schedule != "poly", "power");
  const std::string classes = value("classes");
  const std::int64_t images = std::stoll(value_of(drawn, "per-class", "4")) *
                              (on("classes") ? 1 + std::count(classes.begin(), classes.end(), ',') : 10);
  because(on("drop-last") && images < std::stoll(value_of(drawn, "batch-size", "8")), "drop-last");
  because(on("no-bias-decay") && value("weight-decay") == "0", "no-bias-decay");
  because(on("loss-scale") && value("loss-scale") != "automatic" && value("precision") != "fp16", "loss-scale");
  because(on("nesterov") && value("momentum") == "0", "nesterov");
  because(on("warmup-epochs") && std::stod(value("warmup-epochs")) >= std::stod(value_of(drawn, "epochs", "2")),
          "warmup-epochs");
  because(value("schedule") == "multistep" && !on("milestones"), "schedule");
  because(on("swa-from") && std::stoi(value("swa-from")) > std::stoi(value_of(drawn, "epochs", "2")), "swa-from");
  because(on("head-lr") && (value("lr") == "0" || value("freeze").find("HEAD") != std::string::npos), "head-lr");
  because(on("norm-lr-scale") && value("model") == "vgg11_nobn", "norm-lr-scale");
  because(on("zero-gamma") && (is_vgg(drawn) || on("init")), "zero-gamma");
  because(on("whiten") && on("init"), "whiten");
  const bool adamw = value("optimizer").starts_with("adamw");
  for (const char* flag : {"momentum", "nesterov", "no-nesterov"}) because(on(flag) && adamw, flag);
  for (const char* flag : {"beta1", "beta2", "eps"}) because(on(flag) && !adamw, flag);
  because(on("eps") && value("optimizer") == "adamw:eps=1e-6", "eps");
  because(on("teacher") && on("classes"), "teacher");
  because(value("freeze") == "NORM" && value("model") == "vgg11_nobn", "freeze");
  return found;
}

Drawn draw(std::uint64_t seed) {
  RandomSequence random(random_stream(seed, RandomUse::test));
  Drawn drawn;
  for (const auto& [flag, values] : choices()) {
    const std::string& value = values[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(values.size())))];
    if (random.below(3) == 0) drawn[flag] = value;
  }
  // They speak of one thing, and weights have a width of their own.
  if (drawn.contains("nesterov")) drawn.erase("no-nesterov");
  if (drawn.contains("init")) drawn.erase("width-multiplier");
  // The first of a few updates is skipped where the loss scale is to be found yet, and a run without any fails.
  if (value_of(drawn, "precision", "") == "fp16") drawn.erase("drop-last");
  while (seed % kAsDrawn != 0 && !reasons(drawn).empty()) drawn.erase(*reasons(drawn).begin());
  return drawn;
}

class Combinations : public testing::Test {
 protected:
  /// Weights to start from, trained for a moment.
  std::string weights(const std::string& model) {
    const auto run = folder_.path() / ("start_" + model);
    if (!std::filesystem::exists(run)) {
      const Outcome outcome = striate(small_train(run, {"--model", model, "--max-steps", "1", "--lr", "0.01"}));
      EXPECT_EQ(outcome.status, 0) << outcome.err;
    }
    return (run / "weights.safetensors").string();
  }

  std::string concrete(const Drawn& drawn, const std::string& flag, const std::string& value) {
    const bool vgg = is_vgg(drawn);
    if (value == "WEIGHTS") return weights(flag == "teacher" ? "vgg11" : value_of(drawn, "model", "vgg11"));
    const std::string first = vgg ? "features.0" : "conv1";
    const std::string head = vgg ? "classifier" : "fc";
    if (value == "FIRST") return first;
    if (value == "HEAD") return head;
    if (value == "FIRST,HEAD") return first + "," + head;
    if (value == "NORM") return vgg ? "features.1.weight" : "bn1";
    return value;
  }

  std::vector<std::string> flags_of(const Drawn& drawn) {
    std::vector<std::string> flags = {"--epochs", "2",    "--batch-size", "8",           "--per-class",
                                      "4",        "--lr", "0.01",         "--max-steps", "8"};
    for (const auto& [flag, value] : drawn) {
      flags.push_back("--" + flag);
      if (!value.empty()) flags.back() += "=" + concrete(drawn, flag, value);
    }
    return flags;
  }

  TempFolder folder_;
};

void expect_finite(const std::filesystem::path& file) {
  for (const auto& [name, tensor] : read_safetensors(file).tensors) {
    const std::vector<double> values = tensor.to_vector();
    EXPECT_TRUE(std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); })) << name;
  }
}

TEST_F(Combinations, TrainOrAreRefusedForAReason) {
  int trained = 0;
  int refused = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Drawn drawn = draw(seed);
    const auto run = folder_.path() / std::to_string(seed);
    const std::vector<std::string> arguments = small_train(run, flags_of(drawn));
    std::string line = "seed " + std::to_string(seed) + ":";
    for (const std::string& argument : arguments) line += " " + argument;
    SCOPED_TRACE(line);
    const Outcome outcome = striate(arguments);
    const std::set<std::string> expected = reasons(drawn);
    if (expected.empty()) {
      ++trained;
      ASSERT_EQ(outcome.status, 0) << outcome.err;
      for (const std::string& name : names_in(run)) {
        if (name.starts_with("weights")) expect_finite(run / name);
      }
      EXPECT_EQ(std::filesystem::exists(run / "weights_ema.safetensors"), drawn.contains("ema"));
    } else {
      ++refused;
      EXPECT_EQ(outcome.status, 2) << outcome.out << outcome.err;
      const bool named = std::any_of(expected.begin(), expected.end(), [&](const std::string& flag) {
        return outcome.err.find("--" + (flag == "no-nesterov" ? "nesterov" : flag)) != std::string::npos;
      });
      EXPECT_TRUE(named) << outcome.err;
    }
    std::filesystem::remove_all(run);
  }
  EXPECT_GE(trained, 3 * refused);
  EXPECT_GE(refused, 8);
}

TEST_F(Combinations, AreDrawnFromAllFlags) {
  const auto run = folder_.path() / "run";
  ASSERT_EQ(striate(small_train(run, {"--max-steps", "1"})).status, 0);
  std::set<std::string> known = {"data", "out", "threads", "config"};
  for (const auto& [flag, values] : choices()) known.insert(flag);
  for (const auto& [flag, value] : cli::parse_toml(read_text(run / "config.toml"), "config.toml")) {
    EXPECT_TRUE(known.contains(flag)) << flag;
  }
}

}  // namespace
}  // namespace striate

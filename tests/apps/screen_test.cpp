// What a command does where its screen is not there: a closed or full stdout, a pipe that nobody reads.

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "core/safetensors.h"
#include "tests/support/small_run.h"

namespace striate {
namespace {

using namespace testing_support;

constexpr Stdout kBroken[] = {Stdout::closed, Stdout::full_disk, Stdout::pipe_without_reader};

// The program's own list of commands.
std::vector<std::string> command_names() {
  std::vector<std::string> names;
  std::istringstream lines(striate({"--help"}).out);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    if (line.starts_with("  ") && words >> name) names.push_back(name);
  }
  return names;
}

class Screen : public testing::Test {
 protected:
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  [[nodiscard]] std::string picture() const {
    return folder_.write("a.ppm", "P6\n2 1\n255\n" + std::string("\xff\x10\x20\x00\x80\x40", 6)).string();
  }

  TempFolder folder_;
};

TEST_F(Screen, EveryCommandTellsThatItsOutputDidNotArrive) {
  ASSERT_EQ(striate(small_train(path("trained"), {"--max-steps", "1"})).status, 0);
  const std::string weights = path("trained") + "/weights.safetensors";
  const std::string data = small_data().string();
  const std::string recipe = folder_
                                 .write("recipe.toml",
                                        "title = \"t\"\n[cell.a]\nmodel = \"vgg11\"\nwidth-multiplier = 0.0625\n"
                                        "per-class = 1\nbatch-size = 5\nepochs = 1\n")
                                 .string();
  int run = 0;
  const auto out = [&] { return path("run" + std::to_string(++run)); };
  const std::map<std::string, std::function<std::vector<std::string>()>> calls = {
      {"train",
       [&] {
         return small_train(out(), {"--epochs", "1", "--per-class", "1", "--batch-size", "5"});
       }},
      {"eval", [&] { return std::vector<std::string>{"eval", "--weights", weights, "--data", data, "--json"}; }},
      {"predict",
       [&] {
         return std::vector<std::string>{"predict", "--weights", weights, picture()};
       }},
      {"summary",
       [&] {
         return std::vector<std::string>{"summary", weights};
       }},
      {"equivariance",
       [&] { return std::vector<std::string>{"equivariance", "--weights", weights, "--data", data, "--shift", "2"}; }},
      {"show",
       [&] { return std::vector<std::string>{"show", "filters", "--weights", weights, "--out", path("f.png")}; }},
      {"report",
       [&] {
         return std::vector<std::string>{"report", STRIATE_SOURCE_DIR "/docs/results/lenet-mnist", "--out",
                                         path("page.html")};
       }},
      {"export",
       [&] {
         return std::vector<std::string>{"export", "--weights", weights, "--out", path("m.onnx")};
       }},
      {"find-lr",
       [&] {
         return std::vector<std::string>{"find-lr", "--model", "vgg11", "--width-multiplier",
                                         "0.0625",  "--data",  data,    "--batch-size",
                                         "100",     "--steps", "60"};
       }},
      {"ablate",
       [&] { return std::vector<std::string>{"ablate", recipe, "--seeds", "1", "--data", data, "--out", out()}; }},
      {"bench",
       [&] {
         return std::vector<std::string>{"bench",   "--model", "lenet",        "--input", "28x28x1",
                                         "--steps", "1",       "--batch-size", "2"};
       }},
      {"generate", [&] { return std::vector<std::string>{"generate", "--out", out(), "--train", "5", "--test", "1"}; }},
      {"verify",
       [&] {
         return std::vector<std::string>{"verify", data};
       }},
  };
  std::vector<std::vector<std::string>> all = {{"--help"}, {"--version"}};
  for (const std::string& name : command_names()) {
    ASSERT_TRUE(calls.contains(name)) << "how to call " << name << " is to be added here";
    all.push_back({name, "--help"});
  }
  const auto expect_told = [](const std::vector<std::string>& arguments, Stdout to) {
    SCOPED_TRACE(arguments[0] + " " + arguments.back());
    const Outcome outcome = striate(arguments, {.stdout_to = to});
    EXPECT_EQ(outcome.status, 1) << outcome.err;
    EXPECT_NE(outcome.err.find("stdout could not be written"), std::string::npos) << outcome.err;
  };
  for (const Stdout to : kBroken) {
    for (const auto& arguments : all) expect_told(arguments, to);
    for (const auto& [name, arguments] : calls) expect_told(arguments(), to);
  }
  for (const auto& [name, arguments] : calls) EXPECT_EQ(striate(arguments()).status, 0) << name;
}

// A training is worth more than its screen.
TEST_F(Screen, ATrainingGoesOnWithoutOne) {
  const std::vector<std::string> more = {"--epochs", "2", "--per-class", "4", "--batch-size", "8"};
  ASSERT_EQ(striate(small_train(path("whole"), more)).status, 0);
  for (const Stdout to : kBroken) {
    const auto run = folder_.path() / ("run" + std::to_string(static_cast<int>(to)));
    EXPECT_EQ(striate(small_train(run, more), {.stdout_to = to}).status, 1);
    EXPECT_EQ(weights_of(run), weights_of(path("whole")));
    EXPECT_NE(read_text(run / "log.txt").find("done; "), std::string::npos);
  }
}

// Else the screen would be written into the first files that are opened.
TEST_F(Screen, ClosedDescriptorsAreNotTakenByFiles) {
  const std::vector<std::string> more = {"--epochs", "2", "--per-class", "4", "--batch-size", "8"};
  ASSERT_EQ(striate(small_train(path("whole"), more)).status, 0);
  EXPECT_EQ(striate(small_train(path("run"), more), {.no_descriptors = true}).status, 1);
  EXPECT_EQ(weights_of(path("run")), weights_of(path("whole")));
  EXPECT_EQ(metrics_without_time(path("run")), metrics_without_time(path("whole")));
  EXPECT_EQ(read_text(folder_.path() / "run/log.txt").find("stdout"), std::string::npos);
}

}  // namespace
}  // namespace striate

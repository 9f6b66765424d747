// eval, predict, summary, equivariance, export, bench, generate and verify from outside.

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/safetensors.h"
#include "tests/support/onnx_file.h"
#include "tests/support/small_run.h"

namespace striate {
namespace {

using namespace testing_support;
using nlohmann::json;

class Commands : public testing::Test {
 protected:
  void SetUp() override {
    const Outcome outcome = striate(small_train(folder_.path() / "run", {"--epochs", "1"}));
    ASSERT_EQ(outcome.status, 0) << outcome.err;
  }
  [[nodiscard]] std::string weights() const { return (folder_.path() / "run/weights.safetensors").string(); }
  // A 2x1 image as PPM.
  [[nodiscard]] std::string image(const std::string& name) const {
    return folder_.write(name, "P6\n2 1\n255\n" + std::string("\xff\x10\x20\x00\x80\x40", 6)).string();
  }

  TempFolder folder_;
};

TEST_F(Commands, EvalAsJson) {
  const Outcome outcome = striate({"eval", "--weights", weights(), "--data", small_data().string(), "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const json result = json::parse(outcome.out);
  EXPECT_EQ(result["images"], 60);
  EXPECT_EQ(result["split"], "test");
  EXPECT_GE(result["accuracy"], 0);
  EXPECT_LE(result["accuracy"], 1);
  EXPECT_GT(result["loss"], 0);
  const Outcome train = striate({"eval", "--weights", weights(), "--data", small_data().string(), "--json", "--split",
                                 "train", "--limit", "33", "--batch-size", "10"});
  EXPECT_EQ(json::parse(train.out)["images"], 33);
}

TEST_F(Commands, EvalOfWeightsWithoutMetadata) {
  TensorFile file = read_safetensors(weights());
  file.metadata.clear();
  const auto bare = (folder_.path() / "bare.safetensors").string();
  write_safetensors(bare, file);
  const std::vector<std::string> arguments = {"eval", "--weights", bare, "--data", small_data().string(), "--json"};
  EXPECT_NE(striate(arguments).err.find("give the model's name"), std::string::npos);
  auto with_model = arguments;
  with_model.insert(with_model.end(), {"--model", "vgg11"});
  const Outcome outcome = striate(with_model);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Outcome whole = striate({"eval", "--weights", weights(), "--data", small_data().string(), "--json"});
  EXPECT_EQ(json::parse(outcome.out)["loss"], json::parse(whole.out)["loss"]);
}

// Narrow enough for the head to have more rows than any convolution.
TEST_F(Commands, EvalOfANarrowResNet) {
  const auto run = folder_.path() / "resnet";
  ASSERT_EQ(striate(small_train(run, {"--model", "resnet20", "--width-multiplier", "0.5", "--max-steps", "1"})).status,
            0);
  const auto full = (run / "weights.safetensors").string();
  TensorFile file = read_safetensors(full);
  file.metadata.clear();
  const auto bare = (folder_.path() / "bare.safetensors").string();
  write_safetensors(bare, file);
  const Outcome whole = striate({"eval", "--weights", full, "--data", small_data().string(), "--json"});
  ASSERT_EQ(whole.status, 0) << whole.err;
  const Outcome outcome =
      striate({"eval", "--weights", bare, "--data", small_data().string(), "--json", "--model", "resnet20"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out)["loss"], json::parse(whole.out)["loss"]);
}

TEST_F(Commands, WeightsThatAreNotFiniteAreOfNoUse) {
  TensorFile file = read_safetensors(weights());
  for (auto& [name, tensor] : file.tensors) {
    if (name == "classifier.bias") tensor.mutable_data<float>()[3] = std::numeric_limits<float>::quiet_NaN();
  }
  const auto bad = (folder_.path() / "nan.safetensors").string();
  write_safetensors(bad, file);
  for (const Outcome& outcome : {striate({"eval", "--weights", bad, "--data", small_data().string(), "--json"}),
                                 striate({"predict", "--weights", bad, image("a.ppm")})}) {
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.err.find("not finite"), std::string::npos) << outcome.err;
  }
}

TEST_F(Commands, PredictShowsTheTopClasses) {
  const Outcome outcome =
      striate({"predict", "--weights", weights(), image("a.ppm"), image("b.ppm"), "--top", "2", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  std::istringstream lines(outcome.out);
  std::string line;
  int images = 0;
  while (std::getline(lines, line)) {
    const json result = json::parse(line);
    ASSERT_EQ(result["top"].size(), 2U);
    EXPECT_GE(result["top"][0]["probability"], result["top"][1]["probability"]);
    ++images;
  }
  EXPECT_EQ(images, 2);
  const Outcome text = striate({"predict", "--weights", weights(), image("a.ppm")});
  EXPECT_NE(text.out.find("%"), std::string::npos);
  EXPECT_EQ(striate({"predict", "--weights", weights(), "/nowhere.png"}).status, 1);
  const Outcome bad = striate(
      {"predict", "--weights", weights(), folder_.write("bad.png", "PNG").string(), "/nowhere.png", image("a.ppm")});
  EXPECT_EQ(bad.status, 1);
  EXPECT_NE(bad.out.find("a.ppm: "), std::string::npos) << bad.out;
  for (const char* part : {"bad.png: ", "/nowhere.png: ", "2 of 3 files could not be read"})
    EXPECT_NE(bad.err.find(part), std::string::npos) << bad.err;
}

TEST_F(Commands, PredictInAnyPrecision) {
  const auto run = folder_.path() / "fp16";
  ASSERT_EQ(striate(small_train(run, {"--precision", "fp16", "--max-steps", "3"})).status, 0);
  const auto predict = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {
        "predict", "--weights", (run / "weights.safetensors").string(), image("a.ppm"), "--top", "10", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = striate(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    std::map<std::string, double> probabilities;
    const json result = json::parse(outcome.out);
    for (const json& guess : result["top"]) probabilities[guess["class"]] = guess["probability"];
    EXPECT_EQ(probabilities.size(), 10U);
    return probabilities;
  };
  const auto own = predict({});
  EXPECT_EQ(own, predict({"--precision", "fp16"}));
  const auto exact = predict({"--precision", "fp64"});
  // About twenty roundings of activations, by 2^-11 in fp16 and 2^-8 in bf16, change logits below 1 by sqrt(20) times
  // as much and probabilities by at most half of that.
  for (const auto& [precision, tolerance] : {std::pair{"fp32", 1e-5}, {"fp16", 1.1e-3}, {"bf16", 8.7e-3}}) {
    for (const auto& [name, probability] : predict({"--precision", precision}))
      EXPECT_NEAR(probability, exact.at(name), tolerance) << precision << " " << name;
  }
}

// Files like MNIST's, of 40 images each.
void write_idx_files(const TempFolder& folder) {
  const auto bytes = [](int count, int step) {
    std::string text;
    for (int i = 0; i < count; ++i) text += static_cast<char>(i * step / 7);
    return text;
  };
  const std::string count = std::string("\0\0\0", 3) + char(40);
  const std::string side = std::string("\0\0\0", 3) + char(28);
  std::string labels;
  for (int i = 0; i < 40; ++i) labels += static_cast<char>(i % 10);
  for (const std::string split : {"train", "t10k"}) {
    folder.write("mnist/" + split + "-images-idx3-ubyte",
                 std::string("\0\0\x08\x03", 4) + count + side + side + bytes(40 * 28 * 28, 97));
    folder.write("mnist/" + split + "-labels-idx1-ubyte", std::string("\0\0\x08\x01", 4) + count + labels);
  }
}

// eval, predict and summary take one channel, 28x28 and MNIST's mean from the card; a colour picture becomes grey.
TEST_F(Commands, OneChannel) {
  write_idx_files(folder_);
  const std::string data = (folder_.path() / "mnist").string();
  const std::string run = (folder_.path() / "grey").string();
  const Outcome train = striate({"train", "--model", "lenet:padding=1", "--data", data, "--out", run, "--epochs", "1",
                                 "--batch-size", "20", "--threads", "2"});
  ASSERT_EQ(train.status, 0) << train.err;
  const std::string grey = run + "/weights.safetensors";
  const auto metadata = read_safetensors_metadata(grey);
  EXPECT_EQ(metadata.at("model"), "lenet");
  EXPECT_EQ(metadata.at("options"), "padding=1");
  EXPECT_EQ(metadata.at("mean"), "[0.1307]");
  const Outcome outcome = striate({"eval", "--weights", grey, "--data", data, "--dataset", "mnist", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out)["images"], 40);
  EXPECT_EQ(striate({"predict", "--weights", grey, image("a.ppm")}).status, 0);
  // A folder of colour pictures says how it becomes grey.
  for (const char* label : {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}) {
    for (const std::string split : {"train/", "test/"}) {
      folder_.write("colour/" + split + label + "/a.ppm", "P6\n28 28\n255\n" + std::string(28 * 28 * 3, '\x7f'));
    }
  }
  const std::string colour = (folder_.path() / "colour").string();
  const std::string advice = "--dataset image-folder:channels=1 reads them so";
  const Outcome measured = striate({"eval", "--weights", grey, "--data", colour});
  EXPECT_NE(measured.err.find(advice), std::string::npos) << measured.err;
  EXPECT_EQ(striate({"eval", "--weights", grey, "--data", colour, "--dataset", "image-folder:channels=1"}).status, 0);
  const Outcome started = striate(
      {"train", "--model", "lenet:padding=1", "--data", colour, "--out", run + "2", "--init", grey, "--threads", "1"});
  EXPECT_EQ(started.status, 1);
  EXPECT_NE(started.err.find(advice), std::string::npos) << started.err;
  const Outcome other = striate({"eval", "--weights", weights(), "--data", data});
  EXPECT_EQ(other.status, 1);
  EXPECT_NE(other.err.find("trained on, in their order, 10 (striped disc"), std::string::npos) << other.err;
  const std::string table = striate({"summary", "lenet:padding=1", "--input", "28x28x1"}).out;
  EXPECT_EQ(striate({"summary", grey}).out,
            table +
                "images 28x28x1: (byte/255 - mean) / std, mean 0.1307, std 0.3081; 10 classes: 0, 1, 2, 3, 4, 5, 6, 7, "
                "8, 9\n");
}

TEST_F(Commands, EquivarianceIsATableOrJson) {
  const std::string data = small_data().string();
  const Outcome table =
      striate({"equivariance", "--weights", weights(), "--data", data, "--shift", "2", "--limit", "4"});
  EXPECT_EQ(table.status, 0) << table.err;
  EXPECT_NE(table.out.find("conv1_1       32   1         2  0.0e+00"), std::string::npos) << table.out;
  const Outcome json = striate({"equivariance", "--weights", weights(), "--data", data, "--rotate", "90", "--json"});
  EXPECT_NE(json.out.find("\"everywhere\":"), std::string::npos) << json.out;
  for (const char* wrong : {"0", "45"}) {
    const Outcome refused = striate({"equivariance", "--weights", weights(), "--data", data, "--rotate", wrong});
    EXPECT_EQ(refused.status, 2) << refused.err;
  }
}

// Labels go by place: classes of other names are others.
TEST_F(Commands, EvalRefusesOtherClasses) {
  const std::string picture = read_text(image("a.ppm"));
  for (int label = 0; label < 10; ++label) folder_.write("named/test/kind" + std::to_string(label) + "/a.ppm", picture);
  const std::string data = (folder_.path() / "named").string();
  const Outcome other = striate({"eval", "--weights", weights(), "--data", data});
  EXPECT_EQ(other.status, 1);
  for (const char* part : {"kind0, kind1", "striped disc", "trained on"})
    EXPECT_NE(other.err.find(part), std::string::npos) << other.err;
}

// A folder of two sizes is trained on, measured and looked at in one.
TEST_F(Commands, ImageSize) {
  const auto write = [&](const std::string& name, int side, char value) {
    const std::string text = "P6\n" + std::to_string(side) + " " + std::to_string(side) + "\n255\n";
    folder_.write("sizes/" + name, text + std::string(static_cast<std::size_t>(3 * side * side), value));
  };
  for (const char* kind : {"a", "b"}) {
    for (int i = 0; i < 4; ++i) write(std::string("train/") + kind + "/" + std::to_string(i) + ".ppm", 32, kind[0]);
    write(std::string("test/") + kind + "/0.ppm", 40, kind[0]);
  }
  const std::string data = (folder_.path() / "sizes").string();
  const auto train = [&](const std::string& run, const std::vector<std::string>& more) {
    return striate(small_train(folder_.path() / run, [&] {
      std::vector<std::string> flags = {"--data", data, "--epochs", "1", "--batch-size", "4"};
      flags.insert(flags.end(), more.begin(), more.end());
      return flags;
    }()));
  };
  const Outcome refused = train("refused", {});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("the training images are 32x32x3, the test images 40x40x3; --image-size S"),
            std::string::npos)
      << refused.err;
  ASSERT_EQ(train("sized", {"--image-size", "32", "--mean", "0.5", "--std", "0.25,0.5,0.5"}).status, 0);
  const std::string sized = (folder_.path() / "sized/weights.safetensors").string();
  EXPECT_EQ(read_safetensors_metadata(sized).at("std"), "[0.25,0.5,0.5]");
  const Outcome measured = striate({"eval", "--weights", sized, "--data", data, "--json"});
  ASSERT_EQ(measured.status, 0) << measured.err;
  const Outcome otherwise =
      striate({"eval", "--weights", sized, "--data", data, "--json", "--mean", "0.4", "--std", "0.5"});
  EXPECT_NE(json::parse(measured.out)["loss"], json::parse(otherwise.out)["loss"]);
  EXPECT_NE(
      striate({"eval", "--weights", sized, "--data", data, "--mean", "1,2"}).err.find("--mean must be one number"),
      std::string::npos);
  EXPECT_EQ(striate({"predict", "--weights", sized, data + "/test/a/0.ppm", "--max-pixels", "1500"}).status, 1);
  EXPECT_EQ(striate({"predict", "--weights", sized, data + "/test/a/0.ppm", "--max-pixels", "1600"}).status, 0);
}

// What --val-split held out of a flat folder is measured as in training, and by no other split.
TEST_F(Commands, EvalOfWhatWasHeldOut) {
  const auto write = [&](const std::string& name, int value) {
    folder_.write("flat/" + name, "P6\n32 32\n255\n" + std::string(3 * 32 * 32, static_cast<char>(value)));
  };
  for (int i = 0; i < 8; ++i) write("a/" + std::to_string(i) + ".ppm", 10 * i);
  for (int i = 0; i < 8; ++i) write("b/" + std::to_string(i) + ".ppm", 10 * i + 90);
  write("lone/0.ppm", 255);  // --classes leaves it out
  const std::string data = (folder_.path() / "flat").string();
  const auto run = folder_.path() / "held";
  const Outcome train = striate(small_train(run, {"--data", data, "--val-split", "0.25", "--seed", "3", "--classes",
                                                  "b,a", "--batch-size", "6", "--epochs", "1"}));
  ASSERT_EQ(train.status, 0) << train.err;
  const std::string held = (run / "weights.safetensors").string();
  const auto eval = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"eval", "--weights", held, "--data", data, "--json", "--mistakes", "99"};
    words.insert(words.end(), more.begin(), more.end());
    return striate(words);
  };
  const Outcome outcome = eval({"--split", "val"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const json result = json::parse(outcome.out);
  EXPECT_EQ(result["images"], 4);
  const std::string metrics = read_text(run / "metrics.csv");
  EXPECT_NE(metrics.find("," + std::to_string(result["loss"].get<double>()).substr(0, 6)), std::string::npos)
      << metrics << outcome.out;
  EXPECT_NE(eval({}).err.find("has no test images; --split val"), std::string::npos) << eval({}).err;
  EXPECT_EQ(json::parse(eval({"--split", "train"}).out)["images"], 16);
  write("a/8.ppm", 7);
  EXPECT_NE(eval({"--split", "val"}).err.find("cannot tell which images"), std::string::npos);
  const Outcome none = striate({"eval", "--weights", weights(), "--data", data, "--split", "val"});
  EXPECT_NE(none.err.find("training held no images out"), std::string::npos) << none.err;
}

// An image in memory has its number in the data set, whatever part of it is measured.
TEST_F(Commands, EvalNumbersMistakesAsTheDataSetDoes) {
  const auto mistakes = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"eval",       "--weights", weights(), "--data", small_data().string(),
                                      "--mistakes", "60",        "--json"};
    words.insert(words.end(), more.begin(), more.end());
    std::map<std::string, double> found;
    const json result = json::parse(striate(words).out);
    for (const json& one : result["mistakes"]) found[one["image"]] = one["probability"];
    return found;
  };
  const auto all = mistakes({});
  const auto some = mistakes({"--limit", "20"});
  ASSERT_FALSE(some.empty());
  for (const auto& [name, probability] : some) {
    ASSERT_TRUE(all.contains(name)) << name;
    EXPECT_NEAR(probability, all.at(name), 1e-5) << name;
  }
}

TEST_F(Commands, WeightsOfATransformThatIsNotKnown) {
  TensorFile file = read_safetensors(weights());
  file.metadata["transforms"] = R"(["resize:size=32","sharpen"])";
  const auto other = (folder_.path() / "sharp.safetensors").string();
  write_safetensors(other, file);
  const Outcome outcome = striate({"predict", "--weights", other, image("a.ppm")});
  EXPECT_EQ(outcome.status, 1);
  for (const char* part : {"sharp.safetensors: ", "sharpen"})
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
}

TEST_F(Commands, SummaryShowsTheNotesTable) {
  const Outcome outcome = striate({"summary", "vgg16"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("14,724,042"), std::string::npos);
  EXPECT_NE(outcome.out.find("212"), std::string::npos);
  EXPECT_NE(striate({"summary", "vgg16", "--input", "32x32"}).err.find("HxWxC"), std::string::npos);
  const Outcome grey = striate({"summary", "vgg11", "--input", "64x48x1", "--width-multiplier", "0.25"});
  EXPECT_EQ(grey.status, 0);
  EXPECT_EQ(striate({"summary", "vgg11:width_multiplier=0.25", "--input", "64x48x1"}).out, grey.out);
  EXPECT_NE(striate({"summary", "lenet:padding=0", "--input", "32x32x1"}).out.find("61,706"), std::string::npos);
  EXPECT_NE(striate({"summary", "lenet", "--width-multiplier", "0.5"}).err.find("lenet has no option width_multiplier"),
            std::string::npos);
}

TEST_F(Commands, SummaryOfAFileOfWeights) {
  const Outcome outcome = striate({"summary", weights()});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("classifier"), std::string::npos) << outcome.out;
  // Whatever it is called.
  const auto renamed = folder_.path() / "weights";
  std::filesystem::copy_file(weights(), renamed);
  EXPECT_EQ(striate({"summary", renamed.string()}).out, outcome.out);
  EXPECT_NE(striate({"summary", "no/weights"}).err.find("cannot be opened"), std::string::npos);
}

TEST_F(Commands, ExportWritesAFile) {
  const auto out = (folder_.path() / "model.onnx").string();
  const Outcome outcome = striate({"export", "--weights", weights(), "--out", out});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("input (N,3,32,32) of (byte/255 - mean) / std, mean "), std::string::npos) << outcome.out;
  const auto read = [&] {
    const auto bytes = read_bytes(out);
    return OnnxFile(std::string(bytes.begin(), bytes.end()));
  };
  const OnnxFile plain = read();
  EXPECT_EQ(plain.input, "input(N,3,32,32)");
  EXPECT_EQ(json::parse(plain.metadata.at("class_names")).size(), 10U);
  EXPECT_EQ(plain.types().find("Conv BatchNormalization"), 0U) << plain.types();
  const Outcome whole =
      striate({"export", "--weights", weights(), "--out", out, "--batch", "2", "--normalize", "--fold-batch-norm"});
  ASSERT_EQ(whole.status, 0) << whole.err;
  EXPECT_NE(whole.out.find("input (2,3,32,32) of bytes, 0 to 255; 10 classes"), std::string::npos) << whole.out;
  EXPECT_EQ(read().types().find("BatchNormalization Conv Relu"), 0U);
  EXPECT_EQ(read().metadata.at("input"), "bytes, 0 to 255");
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"--batch", "-1"}, {"--out", weights() + "/a.onnx"}}) {
    std::vector<std::string> arguments = {"export", "--weights", weights()};
    if (wrong[0] != "--out") arguments.insert(arguments.end(), {"--out", out});
    arguments.insert(arguments.end(), wrong.begin(), wrong.end());
    const Outcome refused = striate(arguments);
    EXPECT_NE(refused.status, 0);
    EXPECT_NE(refused.err.find(wrong[0] == "--out" ? "/a.onnx" : "--batch"), std::string::npos) << refused.err;
  }
}

TEST_F(Commands, BenchPrintsOneJsonLine) {
  const Outcome outcome = striate({"bench", "--model", "vgg11", "--width-multiplier", "0.0625", "--batch-size", "4",
                                   "--precision", "bf16", "--threads", "1", "--steps", "2", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const json result = json::parse(outcome.out);
  for (const char* key : {"train_median", "train_best", "infer_median", "infer_best", "peak_mib"}) {
    EXPECT_GT(result[key], 0) << key;
  }
  EXPECT_LE(result["train_median"], result["train_best"]);
  const Outcome grey = striate({"bench", "--model", "lenet:padding=0", "--input", "20x32x1", "--optimizer",
                                "adamw:beta1=0.8", "--batch-size", "4", "--steps", "1", "--json"});
  EXPECT_EQ(grey.status, 0) << grey.err;
  EXPECT_EQ(json::parse(grey.out)["input"], "20x32x1");
  EXPECT_NE(striate({"bench", "--optimizer", "adamw:beta=0.8"}).err.find("beta1"), std::string::npos);
}

TEST_F(Commands, GenerateAndVerify) {
  const auto other = folder_.path() / "other";
  const Outcome drawn = striate({"generate", "--out", other.string(), "--train", "300", "--test", "60"});
  ASSERT_EQ(drawn.status, 0) << drawn.err;
  EXPECT_TRUE(read_text(other / "test_batch.bin") == read_text(small_data() / "test_batch.bin"));
  const Outcome good = striate({"verify", other.string()});
  EXPECT_EQ(good.status, 0) << good.err;
  EXPECT_NE(good.out.find("everything is in order"), std::string::npos) << good.out;
  std::string bytes = read_text(other / "data_batch_2.bin");
  bytes[3073] = 11;
  write_text(other / "data_batch_2.bin", bytes);
  const Outcome bad = striate({"verify", other.string()});
  EXPECT_EQ(bad.status, 1);
  EXPECT_NE(bad.err.find("data_batch_2.bin"), std::string::npos) << bad.err;
}

}  // namespace
}  // namespace striate

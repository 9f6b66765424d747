// A folder as people have them: every kind of picture, names in any language, links, junk and broken files, through
// verify, train, eval and predict.

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/program.h"

namespace striate {
namespace {

using namespace testing_support;
namespace fs = std::filesystem;

const fs::path kPictures = fs::path(STRIATE_SOURCE_DIR) / "tests/fuzz/corpus/picture";
const std::vector<std::string> kClasses = {"c", "two words", "кошка"};

/// 18 pictures, one of them twice by a link, and three files that are none.
void write_class(const fs::path& folder) {
  fs::create_directories(folder / "deep/er");
  for (const fs::directory_entry& picture : fs::directory_iterator(kPictures)) fs::copy(picture, folder);
  fs::rename(folder / "baseline.jpg", folder / "BASELINE.JPG");
  fs::rename(folder / "grey16.png", folder / "deep/er/GREY16.PNG");
  fs::create_symlink("rgb.png", folder / "link.png");
  for (const char* junk : {".DS_Store", "Thumbs.db", "notes.txt"}) write_text(folder / junk, "junk");
}

void write_data(const fs::path& root) {
  for (const char* split : {"train", "val"}) {
    for (const std::string& name : kClasses) write_class(root / split / name);
  }
}

void break_files(const fs::path& root) {
  write_text(root / "train/c/cut.bmp", read_text(kPictures / "rgb.bmp").substr(0, 60));
  write_text(root / "train/c/nothing.png", "");
  fs::create_symlink("..", root / "train/c/deep/loop");
}

std::vector<std::string> train(const fs::path& data, const fs::path& out, std::vector<std::string> more) {
  std::vector<std::string> words = {"train", "--model",      "vgg11", "--width-multiplier", "0.0625", "--data",
                                    data,    "--image-size", "32",    "--epochs",           "1",      "--out",
                                    out,     "--batch-size", "16",    "--workers",          "2"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(AwkwardFolder, IsVerifiedTrainedOnEvaluatedAndPredicted) {
  const TempFolder folder;
  const fs::path data = folder.path() / "my pictures", run = folder.path() / "run";
  write_data(data);
  const Outcome verified = striate({"verify", data, "--image-size", "32"});
  EXPECT_EQ(verified.status, 0) << verified.err;
  EXPECT_NE(verified.out.find("кошка"), std::string::npos) << verified.out;
  EXPECT_NE(verified.out.find("57"), std::string::npos) << verified.out;
  EXPECT_NE(verified.err.find("9 files are passed over"), std::string::npos) << verified.err;

  const Outcome trained = striate(train(data, run, {"--augment", "imagenet"}));
  ASSERT_EQ(trained.status, 0) << trained.err;
  EXPECT_NE(trained.out.find("57 training and 57 test images, 3 classes"), std::string::npos) << trained.out;

  const Outcome measured = striate({"eval", "--weights", run / "weights.safetensors", "--data", data});
  EXPECT_EQ(measured.status, 0) << measured.err;
  std::vector<std::string> words = {"predict", "--weights", run / "weights.safetensors"};
  const fs::path pictures = data / "val/кошка";
  for (const fs::directory_entry& entry : fs::directory_iterator(pictures)) {
    const std::string name = entry.path().filename();
    if (entry.is_regular_file() && name != ".DS_Store" && name != "Thumbs.db" && name != "notes.txt") {
      words.push_back(entry.path());
    }
  }
  const Outcome predicted = striate(words);
  EXPECT_EQ(predicted.status, 0) << predicted.err;
  EXPECT_EQ(std::count(predicted.out.begin(), predicted.out.end(), '\n'), 18) << predicted.out;
}

TEST(AwkwardFolder, BrokenFilesAreAllNamedOrLeftOut) {
  const TempFolder folder;
  const fs::path data = folder.path() / "data";
  write_data(data);
  break_files(data);
  const std::vector<std::string> broken = {"cut.bmp", "nothing.png", "loop"};
  const auto expect_named = [&](const Outcome& outcome) {
    for (const std::string& name : broken) EXPECT_NE(outcome.err.find(name), std::string::npos) << outcome.err;
  };
  const Outcome verified = striate({"verify", data, "--image-size", "32"});
  EXPECT_EQ(verified.status, 1);
  expect_named(verified);
  const Outcome refused = striate(train(data, folder.path() / "run", {}));
  EXPECT_EQ(refused.status, 1);
  expect_named(refused);
  EXPECT_FALSE(fs::exists(folder.path() / "run/weights.safetensors"));

  const Outcome trained = striate(train(data, folder.path() / "run", {"--skip-broken"}));
  EXPECT_EQ(trained.status, 0) << trained.err;
  EXPECT_NE((trained.out + trained.err).find("3 broken files are left out"), std::string::npos);
}

TEST(AwkwardFolder, OfSeveralSizesSaysSoOnce) {
  const TempFolder folder;
  write_data(folder.path());
  const Outcome verified = striate({"verify", folder.path()});
  EXPECT_EQ(verified.status, 1);
  EXPECT_NE(verified.err.find("of 57 differ from the first; to bring all to one size, give it (--image-size)"),
            std::string::npos)
      << verified.err;
  EXPECT_NE(verified.out.find("\n2 problems"), std::string::npos) << verified.out;  // one a split
}

TEST(AwkwardFolder, TrainsByTheExample) {
  const TempFolder folder;
  write_data(folder.path());
  const fs::path run = folder.path() / "run";
  const Outcome outcome = run_program({STRIATE_PHOTOGRAPHS, folder.path() / "train", "1", run});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("epoch 1 loss "), std::string::npos) << outcome.out;
  const Outcome predicted = striate({"predict", "--weights", run / "weights_best.safetensors", kPictures / "rgb.bmp"});
  EXPECT_EQ(predicted.status, 0) << predicted.err;
}

}  // namespace
}  // namespace striate

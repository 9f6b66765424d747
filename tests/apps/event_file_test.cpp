// Event files: bytes as TensorBoard writes them itself, and what a run leaves. tests/tensorboard_test.py reads a run's
// back with TensorBoard.

#include "apps/training/event_file.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "tests/support/errors.h"
#include "tests/support/files.h"
#include "tests/support/small_run.h"
#include "tests/support/temp_folder.h"

namespace striate {
namespace {

using namespace testing_support;

std::string hex(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    for (const unsigned digit : {static_cast<std::uint8_t>(c) / 16U, static_cast<std::uint8_t>(c) % 16U}) {
      text += "0123456789abcdef"[digit];
    }
  }
  return text;
}

std::set<std::filesystem::path> event_files(const std::filesystem::path& folder) {
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().filename().string().starts_with("events.out.tfevents.")) files.insert(entry.path());
  }
  return files;
}

// tests/reference/event_file.py
constexpr const char* kReference =
    "1800000000000000a37f4b220900000000004c8f401a0d627261696e2e4576656e743a321b3983220f000000000000006d53"
    "2b09090000000000548f4010073a0208010a55f079af0200000000000072a5f6d40900000000005c8f4010ac022aa0050a11"
    "0a0a6c6f73732f747261696e150000c03e0a690a0770696374757265225e080210031801225689504e470d0a1a0a0000000d"
    "4948445200000003000000020800000000b81f39c6000000017352474200aece1ce9000000104944415408996364d0d060ac"
    "d0d0000003ac011b47a0f94d0000000049454e44ae4260820a9f040a07776569676874732a930409000000000000fcbf1100"
    "0000000000004019000000000000104021000000000000f03f290000000000801d4032f001000000000000fabf0000000000"
    "00f8bf000000000000f6bf000000000000f4bf000000000000f2bf000000000000f0bf000000000000ecbf000000000000e8"
    "bf000000000000e4bf000000000000e0bf000000000000d8bf000000000000d0bf000000000000c0bf000000000000000000"
    "0000000000c03f000000000000d03f000000000000d83f000000000000e03f000000000000e43f000000000000e83f000000"
    "000000ec3f000000000000f03f000000000000f23f000000000000f43f000000000000f63f000000000000f83f0000000000"
    "00fa3f000000000000fc3f000000000000fe3f00000000000000403af001000000000000f03f000000000000000000000000"
    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "0000000000000000000000000000f03f0000000000000000000000000000f03f000000000000000000000000000000000000"
    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000f03f2ecaaeeb";

TEST(EventFile, IsTensorBoards) {
  const TempFolder folder;
  double now = 999.5;
  EventFile events(folder.path(), 7, [&] { return now += 1; });
  EXPECT_EQ(events.path().filename(), "events.out.tfevents.1000.striate");
  Tensor picture = Tensor::zeros({2, 3, 1}, DType::u8);
  for (std::uint8_t i = 0; i < 6; ++i) picture.mutable_data<std::uint8_t>()[i] = static_cast<std::uint8_t>(40 * i);
  events.add_scalar("loss/train", 0.375);
  events.add_image("picture", picture);
  events.add_histogram("weights", Tensor::from<double>({4}, {-1.75, 0.25, 0.5, 2}));
  events.write(300);
  EXPECT_EQ(hex(read_text(events.path())), kReference);
}

TEST(EventFile, SortsBehindEarlierOnesWhateverTheClockSays) {
  const TempFolder folder;
  EXPECT_FALSE(holds_event_files(folder.path()));
  folder.write("events.out.tfevents.2000.host.17.0", "of another program");
  EXPECT_TRUE(holds_event_files(folder.path()));
  for (const char* name : {"events.out.tfevents.2001.striate", "events.out.tfevents.2002.striate"}) {
    EXPECT_EQ(EventFile(folder.path(), 0, [] { return 1500.0; }).path().filename(), name);
  }
}

TEST(EventFile, HistogramsOfAnyValues) {
  const TempFolder folder;
  EventFile events(folder.path(), 0);
  const double inf = std::numeric_limits<double>::infinity();
  events.add_histogram("no width", Tensor::full({5}, 0.5));
  events.add_histogram("nothing finite", Tensor::from<double>({2}, {inf, -inf}));
  events.write(1);
  EXPECT_NE(read_text(events.path()).find("nothing finite"), std::string::npos);
}

TEST(EventFile, AFolderThatIsNotThereIsNamed) {
  const TempFolder folder;
  expect_error<FileError>([&] { EventFile(folder.path() / "gone", 0); },
                          {"gone/events.out.tfevents.", "cannot be written"});
}

TEST(TensorBoardFlag, WritesAFileForEachStartOfTheRun) {
  const TempFolder folder;
  const auto run = folder.path() / "run";
  ASSERT_EQ(striate(small_train(run, {"--tensorboard", "--epochs", "2", "--max-steps", "10"})).status, 0);
  ASSERT_EQ(event_files(run).size(), 1U);
  const std::string first = read_text(*event_files(run).begin());
  for (const char* part : {"test images/7 ", "loss/test", "accuracy/train", "run/learning_rate", "filters/first layer",
                           "weights/features.0.weight", "weights/classifier.weight"}) {
    EXPECT_NE(first.find(part), std::string::npos) << part;
  }
  const Outcome resumed = striate({"train", "--resume", "--out", run.string(), "--max-steps", "0"});
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  ASSERT_EQ(event_files(run).size(), 2U) << "the run's own flags hold";
  EXPECT_EQ(read_text(*event_files(run).begin()), first);
  const std::string second = read_text(*event_files(run).rbegin());
  EXPECT_EQ(second.find("test images/"), std::string::npos) << "once is enough";
  EXPECT_NE(second.find("loss/test"), std::string::npos);
}

}  // namespace
}  // namespace striate

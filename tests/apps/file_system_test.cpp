// Runs on file systems that lack something: locks, room, a folder that keeps its names. The calls of the system are
// replaced for this test program.

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <optional>

#include "apps/training/trainer.h"
#include "core/elementwise.h"
#include "core/reduce.h"
#include "data/generated.h"
#include "layers/linear.h"
#include "tests/support/errors.h"
#include "tests/support/temp_folder.h"

namespace {

int lock_error = 0;                         // what flock ends with
std::optional<unsigned long> free_bytes;    // what statvfs tells
std::vector<std::filesystem::path> synced;  // what fsync was called for

template <class Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));  // NOLINT(cppcoreguidelines-pro-type-reinterpret-cast)
}

}  // namespace

// Under names of their own, which stand for the system's: those name their parameters otherwise.
extern "C" {

int flock_here(int file, int operation) noexcept asm("flock");
int statvfs_here(const char* path, struct statvfs* result) noexcept asm("statvfs");
int fsync_here(int file) asm("fsync");

int flock_here(int file, int operation) noexcept {
  static const auto call = real<int (*)(int, int)>("flock");
  if (lock_error == 0) return call(file, operation);
  errno = lock_error;
  return -1;
}

int statvfs_here(const char* path, struct statvfs* result) noexcept {
  static const auto call = real<int (*)(const char*, struct statvfs*)>("statvfs");
  const int status = call(path, result);
  if (free_bytes) {
    result->f_frsize = 1;
    result->f_bavail = *free_bytes;
  }
  return status;
}

int fsync_here(int file) {
  static const auto call = real<int (*)(int)>("fsync");
  synced.push_back(std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(file)));
  return call(file);
}

}  // extern "C"

namespace striate {
namespace {

using testing_support::expect_error;
using testing_support::TempFolder;

struct Net : Layer {
  Linear fc{*this, "fc", 3, 10};
  Tensor forward(const Tensor& x) override { return fc(mean(x, {Axis::height, Axis::width})); }
};

class FileSystem : public testing::Test {
 protected:
  void TearDown() override {
    lock_error = 0;
    free_bytes.reset();
  }
  // The warnings of a Trainer that writes into the folder, its parameters 33 floats.
  static std::vector<std::string> trainer_in(const std::filesystem::path& path, bool resume = false) {
    const GenerateOptions images{.seed = 3, .train_images = 50, .test_images = 10};
    TrainerOptions options{.epochs = 1, .out = RunFolder(path), .resume = resume};
    options.loader.batch_size = 25;
    Net net;
    Trainer trainer(net, generate_split(images, Split::train), generate_split(images, Split::test), options);
    trainer.run();
    return trainer.warnings();
  }
  TempFolder folder_;
};

TEST_F(FileSystem, WithoutLocksIsWarnedAboutAndUsed) {
  EXPECT_TRUE(trainer_in(folder_.path() / "locked").empty());
  for (const int error : {ENOLCK, EOPNOTSUPP, ENOSYS}) {
    lock_error = error;
    const auto path = folder_.path() / std::to_string(error);
    const std::vector<std::string> warnings = trainer_in(path);
    ASSERT_EQ(warnings.size(), 1U);
    EXPECT_NE(warnings[0].find(path.string() + " is on a file system without locks"), std::string::npos) << warnings[0];
  }
  lock_error = EIO;
  expect_error<FileError>([&] { trainer_in(folder_.path() / "broken"); }, {"broken", "cannot be locked"});
}

TEST_F(FileSystem, WithoutLocksFreshFilesOfOthersStay) {
  const auto fresh = folder_.write("run/.striate-1-0.tmp", "");
  const auto old = folder_.write("run/.striate-1-1.tmp", "");
  std::filesystem::last_write_time(old, std::filesystem::last_write_time(old) - std::chrono::hours(48));
  lock_error = ENOLCK;
  { const RunFolder run(folder_.path() / "run"); }
  EXPECT_TRUE(std::filesystem::exists(fresh));
  EXPECT_FALSE(std::filesystem::exists(old));
  lock_error = 0;
  const RunFolder run(folder_.path() / "run");
  EXPECT_FALSE(std::filesystem::exists(fresh));
}

TEST_F(FileSystem, WithoutRoomIsRefusedBeforeTheFirstStep) {
  free_bytes = 500;
  expect_error<FileError>([&] { trainer_in(folder_.path() / "run"); },
                          {(folder_.path() / "run").string(), "0 MB free", "need 1 MB", "free some space"});
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "run/metrics.csv"));
  // Two checkpoints with the momentum of 40 parameters, and the weights.
  free_bytes = 40 * 4 * 5;
  EXPECT_TRUE(trainer_in(folder_.path() / "run").empty());
  // Resumed, one more is enough.
  free_bytes = 40 * 4 * 2;
  EXPECT_TRUE(trainer_in(folder_.path() / "run", true).empty());
}

TEST_F(FileSystem, NewFoldersAreSyncedIntoTheirParents) {
  const auto parent = std::filesystem::canonical(folder_.path());
  synced.clear();
  const RunFolder run(folder_.path() / "runs/deep/mine");
  for (const auto& folder : {parent, parent / "runs", parent / "runs/deep"}) {
    EXPECT_NE(std::find(synced.begin(), synced.end(), folder), synced.end()) << folder;
  }
  synced.clear();
  const RunFolder beside(folder_.path() / "runs/deep/yours");
  EXPECT_EQ(synced, std::vector{parent / "runs/deep"});
}

TEST_F(FileSystem, AFolderThatCannotBeWrittenIsRefusedBeforeTheFirstStep) {
  const RunFolder run(folder_.path() / "run");
  std::filesystem::remove(run.folder);
  const GenerateOptions images{.seed = 3, .train_images = 50, .test_images = 10};
  Net net;
  TrainerOptions options{.out = run};
  expect_error<FileError>(
      [&] { Trainer(net, generate_split(images, Split::train), generate_split(images, Split::test), options); },
      {"metrics.csv", "cannot be written"});
}

}  // namespace
}  // namespace striate

#include "core/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <thread>

#include "core/error.h"
#include "tests/support/errors.h"
#include "tests/support/files.h"
#include "tests/support/temp_folder.h"

namespace striate {
namespace {

using testing_support::FileSizeLimit;
using testing_support::message_of;
using testing_support::names_in;
using testing_support::read_text;
using testing_support::TempFolder;
using testing_support::write_text;
using Names = std::vector<std::string>;

void expect_parts(const std::string& message, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    EXPECT_NE(message.find(part), std::string::npos) << "\"" << part << "\" in \"" << message << "\"";
  }
}

TEST(WriteAtomically, WritesAndReplaces) {
  const TempFolder folder;
  const auto path = folder.path() / "a.txt";
  write_atomically(path, std::string("first, the longer text"));
  EXPECT_EQ(read_text(path), "first, the longer text");
  write_atomically(path, [](const AppendBytes& append) {
    append("sec", 3);
    append("", 0);
    append("ond", 3);
  });
  EXPECT_EQ(read_text(path), "second");
  EXPECT_EQ(names_in(folder.path()), Names{"a.txt"});
}

TEST(WriteAtomically, HonoursTheUmask) {
  const TempFolder folder;
  const mode_t before = ::umask(027);
  write_atomically(folder.path() / "a.txt", std::string("text"));
  ::umask(before);
  struct stat status {};
  ASSERT_EQ(::stat((folder.path() / "a.txt").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0640U);
}

TEST(WriteAtomically, KeepsTheOldFileWhereTheProducerThrows) {
  const TempFolder folder;
  const auto path = folder.path() / "a.txt";
  write_text(path, "old");
  const auto fail = [](const AppendBytes& append) {
    append("new", 3);
    throw std::logic_error("stop");
  };
  EXPECT_THROW(write_atomically(path, fail), std::logic_error);
  EXPECT_EQ(read_text(path), "old");
  EXPECT_EQ(names_in(folder.path()), Names{"a.txt"});
}

TEST(WriteAtomically, KeepsTheOldFileOnAFullDisk) {
  const TempFolder folder;
  const auto path = folder.path() / "a.txt";
  write_text(path, "old");
  std::string message;
  {
    const FileSizeLimit limit(1000);
    message = message_of<FileError>([&] { write_atomically(path, std::string(5000, 'x')); });
  }
  expect_parts(message, {path.string(), "File too large", "ulimit -f"});
  EXPECT_EQ(read_text(path), "old");
  EXPECT_EQ(names_in(folder.path()), Names{"a.txt"});
}

TEST(WriteAtomically, PublishesNothingWhereTheProducerHidesAFailure) {
  const TempFolder folder;
  const auto path = folder.path() / "a.txt";
  const auto hide = [](const AppendBytes& append) {
    try {
      append(std::string(5000, 'x').data(), 5000);
    } catch (const FileError&) {
    }
  };
  std::string message;
  {
    const FileSizeLimit limit(1000);
    message = message_of<FileError>([&] { write_atomically(path, hide); });
  }
  expect_parts(message, {path.string(), "File too large"});
  EXPECT_EQ(names_in(folder.path()), Names{});
}

TEST(WriteAtomically, ExplainsWhatIsInTheWay) {
  const TempFolder folder;
  write_text(folder.path() / "file", "text");
  std::filesystem::create_directory(folder.path() / "sub");
  const auto message = [&](const std::string& name) {
    return message_of<FileError>([&] { write_atomically(folder.path() / name, std::string("x")); });
  };
  expect_parts(message("missing/a.txt"),
               {"missing/a.txt", "No such file or directory", "a folder on it may be missing"});
  expect_parts(message("file/a.txt"), {"file/a.txt", "Not a directory", "choose another folder"});
  expect_parts(message("sub"), {"sub", "directory", "give the path of a file"});
  ASSERT_EQ(::mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
  expect_parts(message("pipe"), {"pipe", "a device or a pipe", "give the path of a file"});
  EXPECT_TRUE(std::filesystem::is_fifo(folder.path() / "pipe"));
  EXPECT_EQ(names_in(folder.path()), (Names{"file", "pipe", "sub"}));
}

TEST(WriteAtomically, ThreadsDoNotMixTheirFiles) {
  const TempFolder folder;
  const auto path = folder.path() / "a.txt";
  std::vector<std::thread> threads;
  for (char letter : {'a', 'b', 'c', 'd'}) {
    threads.emplace_back([&path, letter] {
      for (int i = 0; i < 20; ++i) write_atomically(path, std::string(10000, letter));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string text = read_text(path);
  EXPECT_EQ(text, std::string(10000, text[0]));
  EXPECT_EQ(names_in(folder.path()), Names{"a.txt"});
}

TEST(MakeFolder, MakesThoseAboveItToo) {
  const TempFolder folder;
  const auto path = folder.path() / "a/b/c";
  make_folder(path);
  EXPECT_TRUE(std::filesystem::is_directory(path));
  make_folder(path / "");
  make_folder(path / "../d/");
  EXPECT_EQ(names_in(folder.path() / "a/b"), (Names{"c", "d"}));
  write_text(folder.path() / "file", "text");
  const auto message = [](const std::filesystem::path& at) { return message_of<FileError>([&] { make_folder(at); }); };
  expect_parts(message(folder.path() / "file"), {"file", "cannot be made"});
  expect_parts(message(folder.path() / "file/b/c"), {"file: ", "a file is in the way"});
  expect_parts(message("/proc/none/a"), {"/proc/none", "cannot be made"});
}

TEST(FileError, NamesOfFilesAreFitForATerminal) {
  expect_parts(message_of<FileError>([&] { read_bytes("/none/\x1b[2J\xff"); }), {"/none/\\x1b[2J\\xff: "});
}

TEST(ReadBytes, ReadsTheWholeFile) {
  const TempFolder folder;
  const std::string text("zero\0inside", 11);
  write_text(folder.path() / "a", text);
  const std::vector<std::uint8_t> bytes = read_bytes(folder.path() / "a");
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), text);
  write_text(folder.path() / "empty", "");
  EXPECT_TRUE(read_bytes(folder.path() / "empty").empty());
}

TEST(ReadBytes, RefusesMoreThanWanted) {
  const TempFolder folder;
  const auto path = folder.path() / "a";
  write_text(path, "text");
  EXPECT_EQ(read_bytes(path, 4).size(), 4);
  expect_parts(message_of<FileError>([&] { read_bytes(path, 3); }), {path.string(), "has 4 bytes", "at most 3"});
}

TEST(ReadBytes, ExplainsWhatIsNoFile) {
  const TempFolder folder;
  const auto message = [](const std::filesystem::path& path) {
    return message_of<FileError>([&] { read_bytes(path); });
  };
  expect_parts(message(folder.path() / "none"), {(folder.path() / "none").string(), "No such file", "check the path"});
  expect_parts(message(folder.path()), {folder.path().string(), "is a directory", "path of a file"});
  ASSERT_EQ(::mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
  expect_parts(message(folder.path() / "pipe"), {"pipe", "regular file"});
  expect_parts(message("/dev/zero"), {"/dev/zero", "regular file"});
}

TEST(ReadBytes, ExplainsMissingPermission) {
  const TempFolder folder;
  const auto path = folder.path() / "secret";
  write_text(path, "text");
  ASSERT_EQ(::chmod(path.c_str(), 0), 0);
  const uid_t before = ::geteuid();  // root may read anything: be someone else for a moment
  if (before == 0) {
    ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
    ASSERT_EQ(::seteuid(65534), 0);
  }
  const std::string message = message_of<FileError>([&] { read_bytes(path); });
  if (before == 0) {
    ASSERT_EQ(::seteuid(before), 0);
  }
  expect_parts(message, {path.string(), "Permission denied", "check the permissions"});
}

TEST(InputFile, RefusesToReadPastTheEnd) {
  const TempFolder folder;
  write_text(folder.path() / "a", "12345");
  InputFile file(folder.path() / "a");
  EXPECT_EQ(file.size(), 5U);
  std::array<char, 8> bytes{};
  file.read(bytes.data(), 3);
  EXPECT_EQ(std::string(bytes.data(), 3), "123");
  expect_parts(message_of<FileError>([&] { file.read(bytes.data(), 3); }), {"1 bytes too early", "truncated"});
}

}  // namespace
}  // namespace striate

#pragma once
// Runs a program as a user would, and what comes of it.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "tests/support/files.h"
#include "tests/support/temp_folder.h"

namespace striate::testing_support {

struct Outcome {
  int status = 0;  ///< exit status; 128 + signal where one ended it
  std::string out;
  std::string err;
};

/// Where a program's stdout leads.
enum class Stdout { file, closed, full_disk, pipe_without_reader };

struct RunOptions {
  /// Sends `signal` this long after the start, where the program still runs.
  std::optional<std::chrono::milliseconds> signal_after = std::nullopt;
  int signal = SIGKILL;
  /// The largest file it may write: what a full disk does.
  std::optional<std::uint64_t> file_size_limit = std::nullopt;
  Stdout stdout_to = Stdout::file;
  bool no_descriptors = false;  ///< 0 to 2 are closed
};

namespace program_detail {

[[noreturn]] inline void exec(std::vector<std::string> words, const std::filesystem::path& out,
                              const std::filesystem::path& err, const RunOptions& options) {
  const auto redirect = [](const std::filesystem::path& path, int to) {
    dup2(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), to);
  };
  redirect("/dev/null", STDIN_FILENO);
  redirect(out, STDOUT_FILENO);
  redirect(err, STDERR_FILENO);
  if (options.stdout_to == Stdout::closed) close(STDOUT_FILENO);
  if (options.stdout_to == Stdout::full_disk) redirect("/dev/full", STDOUT_FILENO);
  if (options.stdout_to == Stdout::pipe_without_reader) {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) == 0) dup2(ends[1], STDOUT_FILENO);
    for (const int end : ends) close(end);
  }
  for (int descriptor = 0; options.no_descriptors && descriptor <= STDERR_FILENO; ++descriptor) close(descriptor);
  if (options.file_size_limit) {
    const rlimit limit{*options.file_size_limit, *options.file_size_limit};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execv(arguments[0], arguments.data());
  _exit(127);
}

}  // namespace program_detail

/// Runs `words[0]` with the other words as its arguments and waits for it.
inline Outcome run_program(const std::vector<std::string>& words, const RunOptions& options = {}) {
  const TempFolder folder;
  const auto out = folder.path() / "out";
  const auto err = folder.path() / "err";
  const pid_t child = fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (child == 0) program_detail::exec(words, out, err, options);
  int state = 0;
  if (options.signal_after) {
    const auto end = std::chrono::steady_clock::now() + *options.signal_after;
    pid_t ended = 0;
    while (ended == 0 && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      ended = waitpid(child, &state, WNOHANG);
    }
    if (ended == 0) {
      kill(child, options.signal);
      waitpid(child, &state, 0);
    }
  } else {
    waitpid(child, &state, 0);
  }
  const int status = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
  return {status, read_text(out), read_text(err)};
}

/// The striate program of this build.
inline Outcome striate(std::vector<std::string> arguments, const RunOptions& options = {}) {
  arguments.insert(arguments.begin(), STRIATE_PROGRAM);
  return run_program(arguments, options);
}

}  // namespace striate::testing_support

#pragma once
// A child process: this program again, with other arguments. Called by apps/ablate/schedule.cpp for runs and by
// apps/ablate/estimate.cpp for `bench`.

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace striate::cli {

/// Starts the executable file of this process, striate or a user's program that calls striate::run(), so that it knows
/// the same models. Its standard output goes to `output`, its errors to `errors`. It does not get the terminal's
/// Ctrl-C, which its parent passes on, and gets SIGTERM when its parent dies in whatever way.
class Child {
 public:
  /// Throws FileError where it cannot be started.
  Child(const std::vector<std::string>& arguments, const std::filesystem::path& output,
        const std::filesystem::path& errors);
  /// Asks it to end and waits for that.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Its exit status, 128 + the number of the signal that ended it; nothing while it runs.
  std::optional<int> poll();
  /// Waits for its end.
  int wait();
  /// SIGINT: what `striate train` takes as the request to save and stop.
  void interrupt();

 private:
  pid_t process_ = -1;
  std::optional<int> status_;
};

}  // namespace striate::cli

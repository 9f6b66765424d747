#include "apps/ablate/child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include "core/error.h"

namespace striate::cli {
namespace {

constexpr const char* kOurselves = "/proc/self/exe";

// Between fork and exec, where only what is safe in a signal handler may be called.
[[noreturn]] void become(char* const* arguments, const char* output, const char* errors, pid_t parent) {
  const auto redirect = [](const char* path, int flags, int to) {
    const int file = ::open(path, flags, 0644);
    if (file < 0 || ::dup2(file, to) < 0) ::_exit(127);
    ::close(file);
  };
  redirect("/dev/null", O_RDONLY, STDIN_FILENO);
  redirect(output, O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
  redirect(errors, O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);  // it died before it could be told of
  ::execv(kOurselves, arguments);
  ::_exit(127);
}

}  // namespace

Child::Child(const std::vector<std::string>& arguments, const std::filesystem::path& output,
             const std::filesystem::path& errors) {
  std::vector<std::string> words = {program_invocation_name};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const pid_t parent = ::getpid();
  process_ = ::fork();
  if (process_ == 0) become(pointers.data(), output.c_str(), errors.c_str(), parent);
  if (process_ < 0) throw FileError(kOurselves, std::string("cannot be started: ") + std::strerror(errno));
}

Child::~Child() {
  if (status_) return;
  ::kill(process_, SIGTERM);
  wait();
}

std::optional<int> Child::poll() {
  int state = 0;
  const pid_t found = status_ ? 0 : ::waitpid(process_, &state, WNOHANG);
  if (found == process_) status_ = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
  if (found < 0) status_ = 127;
  return status_;
}

int Child::wait() {
  while (!poll()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return *status_;
}

void Child::interrupt() {
  if (!status_) ::kill(process_, SIGINT);
}

}  // namespace striate::cli

#include "apps/cli/screen.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "apps/cli/command_line.h"
#include "core/printable.h"
#include "core/text.h"

namespace striate::cli {
namespace {

int problem = 0;  // errno of the first write to stdout that failed

}  // namespace

void write_screen(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) < text.size() && problem == 0) problem = errno;
}

std::string flush_screen() {
  if (std::fflush(stdout) != 0 && problem == 0) problem = errno;
  return problem == 0 ? "" : std::strerror(problem);
}

std::string printable_lines(const std::string& text) {
  std::vector<std::string> lines = split(text, '\n');
  for (std::string& line : lines) line = printable(line, 4000);
  return joined(lines, "\n");
}

void complain(const std::string& text) {
  const std::string line = program_invocation_short_name + (": " + printable_lines(text)) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void open_standard_files() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) >= 0) continue;
    // The lowest that is free, and so this one.
    ::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

}  // namespace striate::cli

#include "apps/cli/progress.h"

#include <spdlog/fmt/fmt.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "apps/cli/screen.h"

namespace striate::cli {
namespace {

constexpr std::size_t kLongestBar = 24;
constexpr std::size_t kLeastBar = 4;

std::size_t terminal_columns() {
  winsize size{};
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

// What is left of all epochs at this epoch's speed.
double seconds_left(const StepResult& step) {
  if (step.metrics.images <= 0 || step.batch == 0) return 0;
  const double per_batch = step.metrics.seconds / static_cast<double>(step.batch);
  const auto to_do = static_cast<double>((step.epochs - step.epoch + 1) * step.batches - step.batch);
  return per_batch * to_do;
}

}  // namespace

std::string clock_text(double seconds) {
  const auto all = static_cast<std::int64_t>(std::llround(seconds));
  const std::int64_t hours = all / 3600;
  const std::int64_t minutes = all / 60 % 60;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, all % 60);
  return fmt::format("{}:{:02}", minutes, all % 60);
}

std::string progress_line(const StepResult& step, std::size_t columns) {
  const std::string head = fmt::format("epoch {}/{} ", step.epoch, step.epochs);
  const std::string tail =
      fmt::format("{}/{}  loss {:.4f}  accuracy {:.4f}  lr {:.5f}  {:.0f} images/s  {} left", step.batch, step.batches,
                  step.metrics.loss(), step.metrics.accuracy(), step.learning_rate, step.metrics.images_per_second(),
                  clock_text(seconds_left(step)));
  if (columns == 0) return head + tail;
  const std::size_t used = head.size() + tail.size() + 3;
  if (used + kLeastBar > columns) return (head + tail).substr(0, columns);
  const std::size_t width = std::min(kLongestBar, columns - used);
  const auto share = static_cast<double>(step.batch) / static_cast<double>(std::max<std::int64_t>(1, step.batches));
  std::string bar(static_cast<std::size_t>(share * static_cast<double>(width)), '=');
  bar.resize(width, ' ');
  return head + "[" + bar + "] " + tail;
}

Progress::Progress() : terminal_(isatty(STDOUT_FILENO) == 1), last_(std::chrono::steady_clock::now()) {}

void Progress::show(const StepResult& step) { show(progress_line(step, terminal_ ? terminal_columns() - 1 : 0)); }

void Progress::show(const std::string& line) {
  const auto now = std::chrono::steady_clock::now();
  const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::seconds(30);
  if (now - last_ < pause) return;
  last_ = now;
  if (terminal_) {
    cli::show("\r\033[K{}", line.substr(0, terminal_columns() - 1));
    drawn_ = true;
  } else {
    cli::show("{}\n", line);
  }
  flush_screen();
}

void Progress::clear() {
  if (!drawn_) return;
  write_screen("\r\033[K");
  flush_screen();
  drawn_ = false;
}

}  // namespace striate::cli

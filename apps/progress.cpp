#include "apps/progress.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>

namespace striate::apps {
namespace {

constexpr std::int64_t kBarWidth = 24;

// What is left of all epochs at this epoch's speed.
double seconds_left(const ProgressState& state) {
  if (state.metrics.images <= 0 || state.batch == 0) return 0;
  const double per_batch = state.metrics.seconds / static_cast<double>(state.batch);
  const auto to_do = static_cast<double>((state.epochs - state.epoch) * state.batches - state.batch);
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

std::string progress_line(const ProgressState& state, bool with_bar) {
  std::string bar;
  if (with_bar) {
    const std::int64_t full = state.batches > 0 ? kBarWidth * state.batch / state.batches : 0;
    bar = " [" + std::string(static_cast<std::size_t>(full), '=') +
          std::string(static_cast<std::size_t>(kBarWidth - full), ' ') + "]";
  }
  return fmt::format("epoch {}/{}{} {}/{}  loss {:.4f}  accuracy {:.4f}  lr {:.5f}  {:.0f} images/s  {} left",
                     state.epoch + 1, state.epochs, bar, state.batch, state.batches, state.metrics.loss(),
                     state.metrics.accuracy(), state.learning_rate, state.metrics.images_per_second(),
                     clock_text(seconds_left(state)));
}

Progress::Progress() : terminal_(isatty(STDOUT_FILENO) == 1), last_(std::chrono::steady_clock::now()) {}

void Progress::show(const ProgressState& state) {
  const auto now = std::chrono::steady_clock::now();
  const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::seconds(30);
  if (now - last_ < pause) return;
  last_ = now;
  if (terminal_) {
    fmt::print("\r\033[K{}", progress_line(state, true));
    drawn_ = true;
  } else {
    fmt::print("{}\n", progress_line(state, false));
  }
  std::fflush(stdout);
}

void Progress::clear() {
  if (!drawn_) return;
  fmt::print("\r\033[K");
  std::fflush(stdout);
  drawn_ = false;
}

}  // namespace striate::apps

#include "apps/ablate/schedule.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <thread>

#include "apps/cli/interrupt.h"
#include "apps/cli/progress.h"
#include "apps/training/run_folder.h"

namespace striate::cli {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr auto kLook = std::chrono::milliseconds(20);
constexpr int kInterrupted = 130;  // the status of a run that saved and stopped

fs::path errors_file(const Run& run) { return run.folder / "errors.txt"; }

void say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

// A run of an ablation that was killed may still be saving: it is given time to end.
void wait_for_folder(const fs::path& folder) {
  constexpr int tries = 600;
  for (int i = 0;; ++i) {
    try {
      const RunFolder held(folder);
      return;
    } catch (const FolderBusy&) {
      if (i == tries) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
}

// What a child said last, without the program's name; how it ended where it said nothing.
std::string reason_of(const Run& run, int status) {
  std::ifstream file(errors_file(run));
  std::string reason;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) reason = line;
  }
  constexpr std::string_view name = "striate: ";
  if (reason.starts_with(name)) reason.erase(0, name.size());
  if (!reason.empty()) return reason;
  return status > 128 ? fmt::format("ended by signal {}", status - 128) : fmt::format("exit status {}", status);
}

}  // namespace

RunQueue::RunQueue(std::vector<Run> runs, ScheduleFlags flags, std::function<void()> after_each)
    : flags_(std::move(flags)), after_each_(std::move(after_each)) {
  for (Run& run : runs) {
    const RunState state = read_run(run).state;
    const Stage stage = state == RunState::finished ? Stage::finished
                        : state == RunState::failed ? Stage::failed
                                                    : Stage::waiting;
    items_.push_back({.run = std::move(run), .stage = stage});
  }
}

RunQueue::Ending RunQueue::run() {
  while (count(Stage::waiting) + count(Stage::running) > 0) {
    if (interrupted() && !stopping_) {
      stopping_ = true;
      say("interrupted: running runs save and stop");
      for (Item& item : items_) {
        if (item.child) item.child->interrupt();
      }
    }
    if (stopping_ && count(Stage::running) == 0) return Ending::interrupted;
    if (!stopping_) start_what_can();
    for (Item& item : items_) look_after(item);
    std::this_thread::sleep_for(kLook);
  }
  return count(Stage::failed) > 0 ? Ending::some_failed : Ending::finished;
}

void RunQueue::start_what_can() {
  for (Item& item : items_) {
    if (count(Stage::running) >= static_cast<std::size_t>(flags_.jobs)) return;
    if (item.stage == Stage::waiting && weights_are_ready(item)) start(item);
  }
}

// A run whose prepared weights failed counts as failed now; nothing is written, so that the next call tries it again.
bool RunQueue::weights_are_ready(Item& item) {
  for (const Item& other : items_) {
    if (!other.run.prepared || !item.run.cell->needs.contains(other.run.cell->name)) continue;
    if (other.stage == Stage::failed) {
      say(fmt::format("{}: not run, since {} failed", item.run.label(), other.run.label()));
      item.stage = Stage::failed;
    }
    if (other.stage != Stage::finished) return false;
  }
  return true;
}

void RunQueue::start(Item& item) {
  wait_for_folder(item.run.folder);
  auto arguments = train_arguments(item.run, flags_.out);
  if (!flags_.data.empty()) arguments.push_back("--data=" + flags_.data.string());
  arguments.push_back(fmt::format("--threads={}", flags_.threads));
  item.child = std::make_unique<Child>(arguments, "/dev/null", errors_file(item.run));
  item.start = steady_clock::now();
  item.stage = Stage::running;
}

void RunQueue::look_after(Item& item) {
  if (!item.child) return;
  const auto status = item.child->poll();
  if (!status) return;
  item.child.reset();
  if (*status == 0) return end(item, "", true);
  // One that had not yet begun to listen ends by the signal itself.
  if (*status == kInterrupted || stopping_) {
    item.stage = Stage::waiting;
    stopping_ = true;
    return;
  }
  end(item, reason_of(item.run, *status), *status != 128 + SIGKILL);
}

// A run that was killed from outside, by the out-of-memory killer say, can be resumed another time.
void RunQueue::end(Item& item, const std::string& failure, bool for_good) {
  if (for_good) write_outcome(item.run, failure);
  item.stage = failure.empty() ? Stage::finished : Stage::failed;
  ++ended_;
  std::error_code ignored;
  if (failure.empty()) fs::remove(errors_file(item.run), ignored);
  const double seconds = std::chrono::duration<double>(steady_clock::now() - item.start).count();
  const std::size_t done = count(Stage::finished) + count(Stage::failed);
  const std::string what = failure.empty()
                               ? fmt::format("test accuracy {:.2f}%", 100 * read_run(item.run).last["test_accuracy"])
                               : "failed: " + failure;
  say(fmt::format("[{}/{}] {}: {}  ({}{})", done, items_.size(), item.run.label(), what, clock_text(seconds),
                  time_left()));
  after_each_();
}

std::size_t RunQueue::count(Stage stage) const {
  return static_cast<std::size_t>(
      std::count_if(items_.begin(), items_.end(), [&](const Item& item) { return item.stage == stage; }));
}

// What is to come at the pace of what has been done since the start.
std::string RunQueue::time_left() const {
  const std::size_t to_do = count(Stage::waiting) + count(Stage::running);
  if (to_do == 0) return "";
  const double seconds = std::chrono::duration<double>(steady_clock::now() - begin_).count();
  return fmt::format(", about {} left", clock_text(seconds / static_cast<double>(ended_) * static_cast<double>(to_do)));
}

}  // namespace striate::cli

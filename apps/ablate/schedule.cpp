#include "apps/ablate/schedule.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <memory>
#include <thread>

#include "apps/ablate/child.h"
#include "apps/cli/interrupt.h"
#include "apps/cli/progress.h"
#include "apps/cli/screen.h"
#include "apps/training/run_folder.h"

namespace striate::cli {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr auto kLook = std::chrono::milliseconds(20);
constexpr int kInterrupted = 130;  // the status of a run that saved and stopped

fs::path errors_file(const Run& run) { return run.folder / "errors.txt"; }

double seconds_since(steady_clock::time_point start) {
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

void say(const std::string& line) {
  show("{}\n", line);
  flush_screen();
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

class Queue {
 public:
  Queue(const std::vector<Run>& runs, const QueueFlags& flags, const std::function<void()>& after_each)
      : flags_(flags), after_each_(after_each) {
    for (const Run& run : runs) items_.push_back({read_run(run)});
  }

  QueueEnding run() {
    while (to_do() > 0) {
      if (interrupted() && !stopping_) {
        stopping_ = true;
        say("interrupted: running runs save and stop");
        for (Item& item : items_) {
          if (item.child) item.child->interrupt();
        }
      }
      if (stopping_ && count(RunState::running) == 0) return QueueEnding::interrupted;
      if (!stopping_) start_what_can();
      for (Item& item : items_) look_after(item);
      std::this_thread::sleep_for(kLook);
    }
    return count(RunState::failed) > 0 ? QueueEnding::some_failed : QueueEnding::finished;
  }

 private:
  struct Item : RunResult {
    std::unique_ptr<Child> child = nullptr;
    steady_clock::time_point start = {};
  };

  void start_what_can() {
    for (Item& item : items_) {
      if (count(RunState::running) >= static_cast<std::size_t>(flags_.jobs)) return;
      if (item.state == RunState::waiting && weights_are_ready(item)) start(item);
    }
  }

  // A run whose prepared weights failed counts as failed now; nothing is written, so that the next call tries it again.
  bool weights_are_ready(Item& item) {
    for (const Item& other : items_) {
      if (!other.prepared || !item.cell->needs.contains(other.cell->name)) continue;
      if (other.state == RunState::failed) {
        say(fmt::format("{}: not run, since {} failed", item.label(), other.label()));
        item.state = RunState::failed;
      }
      if (other.state != RunState::finished) return false;
    }
    return true;
  }

  void start(Item& item) {
    wait_for_folder(item.folder);
    auto arguments = train_arguments(item, flags_.out);
    if (!flags_.data.empty()) arguments.push_back("--data=" + flags_.data.string());
    arguments.push_back(fmt::format("--threads={}", flags_.threads));
    item.child = std::make_unique<Child>(arguments, "/dev/null", errors_file(item));
    item.start = steady_clock::now();
    item.state = RunState::running;
  }

  void look_after(Item& item) {
    if (!item.child) return;
    const auto status = item.child->poll();
    if (!status) return;
    item.child.reset();
    if (*status == 0) return end(item, "", true);
    // One that had not yet begun to listen ends by the signal itself.
    if (*status == kInterrupted || stopping_) {
      item.state = RunState::waiting;
      stopping_ = true;
      return;
    }
    end(item, reason_of(item, *status), *status != 128 + SIGKILL);
  }

  // A run that was killed from outside, by the out-of-memory killer say, can be resumed another time.
  void end(Item& item, const std::string& failure, bool for_good) {
    if (for_good) write_outcome(item, failure);
    item.state = failure.empty() ? RunState::finished : RunState::failed;
    ++ended_;
    std::error_code ignored;
    if (failure.empty()) fs::remove(errors_file(item), ignored);
    const std::string what = failure.empty()
                                 ? fmt::format("test accuracy {:.2f}%", 100 * read_run(item).last["test_accuracy"])
                                 : "failed: " + failure;
    say(fmt::format("[{}/{}] {}: {}  ({}{})", items_.size() - to_do(), items_.size(), item.label(), what,
                    clock_text(seconds_since(item.start)), time_left()));
    after_each_();
  }

  [[nodiscard]] std::size_t count(RunState state) const {
    return static_cast<std::size_t>(
        std::count_if(items_.begin(), items_.end(), [&](const Item& item) { return item.state == state; }));
  }
  [[nodiscard]] std::size_t to_do() const { return count(RunState::waiting) + count(RunState::running); }

  // What is to come at the pace of what has been done since the start.
  [[nodiscard]] std::string time_left() const {
    const double ahead = static_cast<double>(to_do()) / static_cast<double>(ended_);
    return to_do() == 0 ? "" : fmt::format(", about {} left", clock_text(seconds_since(begin_) * ahead));
  }

  std::vector<Item> items_;
  const QueueFlags& flags_;
  const std::function<void()>& after_each_;
  bool stopping_ = false;
  std::size_t ended_ = 0;  // by work of ours
  steady_clock::time_point begin_ = steady_clock::now();
};

}  // namespace

QueueEnding run_all(const std::vector<Run>& runs, const QueueFlags& flags, const std::function<void()>& after_each) {
  return Queue(runs, flags, after_each).run();
}

}  // namespace striate::cli

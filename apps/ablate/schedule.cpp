#include "apps/ablate/schedule.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <thread>

#include "apps/ablate/child.h"
#include "apps/cli/interrupt.h"
#include "apps/cli/progress.h"
#include "apps/cli/screen.h"
#include "apps/training/run_folder.h"
#include "core/printable.h"

namespace striate::cli {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr auto kLook = std::chrono::milliseconds(20);
// A run of an ablation that was killed may still be saving: it is given time to end.
constexpr double kPatience = 60;  // seconds
constexpr auto kAskAgain = std::chrono::milliseconds(100);
constexpr int kInterrupted = 130;  // the status of a run that saved and stopped

fs::path errors_file(const Run& run) { return run.folder / "errors.txt"; }

double seconds_since(steady_clock::time_point start) {
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

void say(const std::string& line) {
  show("{}\n", line);
  flush_screen();
}

// Whether no other process works in the folder.
bool is_free(const fs::path& folder) {
  try {
    const RunFolder held(folder);
    return true;
  } catch (const FolderBusy&) {
    return false;
  }
}

// What a child complained of last, its lines in one, without the program's name; how it ended where it said nothing.
std::string reason_of(const Run& run, int status) {
  const std::string name = program_invocation_short_name + std::string(": ");
  std::ifstream file(errors_file(run));
  std::string reason;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name)) {
      reason = line.substr(name.size());
    } else if (const std::size_t text = line.find_first_not_of(' '); text != std::string::npos) {
      reason += (reason.empty() ? "" : reason.ends_with(':') ? " " : "; ") + line.substr(text);
    }
  }
  if (!reason.empty()) return printable(reason, 1000);
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
    // Of a folder that another process works in.
    std::optional<steady_clock::time_point> busy_since = {};
    steady_clock::time_point ask_again = {};
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

  // Where another process works in the folder, the other runs go first.
  void start(Item& item) {
    if (steady_clock::now() < item.ask_again) return;
    try {
      if (!is_free(item.folder)) return wait_for(item);
      auto arguments = train_arguments(item, flags_.out);
      if (!flags_.data.empty()) arguments.push_back("--data=" + flags_.data.string());
      arguments.push_back(fmt::format("--threads={}", flags_.threads));
      item.child = std::make_unique<Child>(arguments, "/dev/null", errors_file(item));
      item.start = steady_clock::now();
      item.state = RunState::running;
    } catch (const FileError& error) {
      end(item, error.what(), false);
    }
  }

  void wait_for(Item& item) {
    item.ask_again = steady_clock::now() + kAskAgain;
    if (!item.busy_since) {
      item.busy_since = item.start = steady_clock::now();
      say(fmt::format("{}: another process works in its folder; the other runs go first", item.label()));
    }
    const bool alone = count(RunState::running) == 0;
    if (alone && seconds_since(*item.busy_since) > kPatience) end(item, "another process works in its folder", false);
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

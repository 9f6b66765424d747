#pragma once
// Profiling: while a Profiler lives, the spans of its thread are timed. Layers, backward passes and convolutions open
// spans; a program adds what it wants to see (its loss, its optimiser). `striate bench --layers` prints the rows.

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace striate {

/// Self time, without that of nested spans, so that rows add up to the whole.
struct ProfileRow {
  std::string where;   ///< a layer's path (empty for the root), or what a span called itself
  std::string part;    ///< "forward", "backward", or a part with a name of its own
  std::string detail;  ///< how it was done, where the code says so: "winograd_f4"
  double seconds = 0;
};

/// Without one, a span costs the test of a variable. Results are the same with and without.
class Profiler {
 public:
  Profiler();
  ~Profiler();
  Profiler(const Profiler&) = delete;
  Profiler& operator=(const Profiler&) = delete;

  /// The rows since the last call, in the order of their first spans; for use outside all spans.
  std::vector<ProfileRow> take_rows();

 private:
  friend class ProfileSpan;
  friend std::string profiled_place();
  using Clock = std::chrono::steady_clock;
  void open(const std::string& where, const char* part, const char* detail);
  void close();
  void add_elapsed();

  std::vector<ProfileRow> rows_;
  std::map<std::pair<std::string, std::string>, std::size_t> places_;
  std::vector<std::size_t> open_;  // rows of the spans that live, the innermost last
  Clock::time_point since_;        // up to here all time is in a row
  Profiler* before_;
};

/// Whether a Profiler lives on this thread.
bool profiling();
/// `where` of the innermost span: for a part of it. Empty where there is none.
std::string profiled_place();

/// Times its own life.
class ProfileSpan {
 public:
  ProfileSpan(const std::string& where, const char* part, const char* detail = "");
  ~ProfileSpan();
  ProfileSpan(const ProfileSpan&) = delete;
  ProfileSpan& operator=(const ProfileSpan&) = delete;

 private:
  Profiler* profiler_;  // null where none lives
};

}  // namespace striate

#include "core/profile.h"

namespace striate {
namespace {

thread_local Profiler* active = nullptr;

}  // namespace

Profiler::Profiler() : before_(std::exchange(active, this)) {}
Profiler::~Profiler() { active = before_; }

std::vector<ProfileRow> Profiler::take_rows() {
  places_.clear();
  return std::exchange(rows_, {});
}

// The time since the last span began or ended belongs to the innermost open one.
void Profiler::add_elapsed() {
  const auto now = Clock::now();
  if (!open_.empty()) rows_[open_.back()].seconds += std::chrono::duration<double>(now - since_).count();
  since_ = now;
}

void Profiler::open(const std::string& where, const char* part, const char* detail) {
  add_elapsed();
  const auto [place, added] = places_.try_emplace({where, part}, rows_.size());
  if (added) rows_.push_back({where, part, {}});
  if (*detail != '\0') rows_[place->second].detail = detail;
  open_.push_back(place->second);
}

void Profiler::close() {
  add_elapsed();
  open_.pop_back();
}

bool profiling() { return active != nullptr; }

std::string profiled_place() {
  return active == nullptr || active->open_.empty() ? std::string() : active->rows_[active->open_.back()].where;
}

ProfileSpan::ProfileSpan(const std::string& where, const char* part, const char* detail) : profiler_(active) {
  if (profiler_ != nullptr) profiler_->open(where, part, detail);
}

ProfileSpan::~ProfileSpan() {
  if (profiler_ != nullptr) profiler_->close();
}

}  // namespace striate

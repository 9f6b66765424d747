#pragma once
// Things of one kind by name: models, optimisers, data sets, transforms. Built-in ones are added by the file that
// owns the registry, a user's by register_model() and its like, the same way.

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/printable.h"
#include "core/text.h"

namespace striate {

/// `Entry` is what a name stands for: a factory, or a struct of functions. Not for changes from several threads.
template <class Entry>
class Registry {
 public:
  using Entries = std::vector<std::pair<std::string, Entry>>;

  /// `kind` goes into messages: "model".
  explicit Registry(std::string kind, Entries built_in = {}) : kind_(std::move(kind)), entries_(std::move(built_in)) {}

  /// Throws std::invalid_argument for a name that is taken or empty, or holds what separates names elsewhere (":,=").
  void add(const std::string& name, Entry entry) {
    if (name.empty() || name.find_first_of(":,= ") != std::string::npos) {
      throw std::invalid_argument("a " + kind_ + " needs a name without \":\", \",\", \"=\" and spaces, got '" + name +
                                  "'");
    }
    for (const auto& [known, other] : entries_) {
      if (known == name) throw std::invalid_argument("a " + kind_ + " named '" + name + "' is registered already");
    }
    entries_.emplace_back(name, std::move(entry));
  }

  /// Throws std::invalid_argument with the nearest name and all names.
  [[nodiscard]] const Entry& at(const std::string& name) const {
    for (const auto& [known, entry] : entries_) {
      if (known == name) return entry;
    }
    throw std::invalid_argument("unknown " + kind_ + " '" + printable(name) + "': did you mean '" +
                                nearest_name(name, names()) + "'? Known " + kind_ + "s: " + joined(names()));
  }

  /// In the order of their registration, built-in ones first.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& [name, entry] : entries_) all.push_back(name);
    return all;
  }

 private:
  std::string kind_;
  Entries entries_;
};

}  // namespace striate

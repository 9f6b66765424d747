#pragma once
// Options by name and as text, "depth=20,expand=4": what a model, an optimiser, a data set or a transform understands
// beyond what all of its kind do. A command line writes "mynet:depth=20,expand=4"; registries (core/registry.h) hand
// the part behind the colon to the factory of that name.

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace striate {

/// What an option is set to, as text that gives the same number again. Implicit, so that {{"depth", 20}} can be
/// written.
struct OptionText {
  std::string text;
  // NOLINTBEGIN(google-explicit-constructor): lists of options are written {{"depth", 20}, {"name", "x"}}
  OptionText(std::string value) : text(std::move(value)) {}
  OptionText(const char* value) : text(value) {}
  OptionText(double value);
  OptionText(std::integral auto value) : text(std::to_string(value)) {}
  OptionText(bool value) : text(value ? "true" : "false") {}
  // NOLINTEND(google-explicit-constructor)
};

/// A factory reads what it knows, with the default beside it, and whoever called it asks for what was not read:
/// a misspelt option is an error that names the nearest of those that were read. Copies share that memory.
class NamedOptions {
 public:
  NamedOptions() = default;
  /// {{"depth", 20}, {"expand", 0.5}}. Throws std::invalid_argument for a name that is empty or comes twice.
  NamedOptions(std::initializer_list<std::pair<std::string, OptionText>> values);
  /// "depth=20,expand=4"; a name without "=" stands for "name=true". Throws std::invalid_argument.
  static NamedOptions parse(const std::string& text);

  /// The option as a number of this kind, or `otherwise` where it is not given. Throw std::invalid_argument for text
  /// that is none.
  [[nodiscard]] std::int64_t integer(const std::string& name, std::int64_t otherwise) const;
  [[nodiscard]] double real(const std::string& name, double otherwise) const;
  /// true or false.
  [[nodiscard]] bool flag(const std::string& name, bool otherwise) const;
  [[nodiscard]] std::string text(const std::string& name, const std::string& otherwise) const;

  [[nodiscard]] bool has(const std::string& name) const;
  [[nodiscard]] bool empty() const { return values_.empty(); }
  /// Adds an option or replaces its value.
  void set(const std::string& name, const OptionText& value);
  /// Takes from `defaults` what is not given here.
  [[nodiscard]] NamedOptions with_defaults(const NamedOptions& defaults) const;
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& values() const { return values_; }

  /// Throws std::invalid_argument where an option was given that nobody read: "lenet has no option depht; did you mean
  /// depth?". `owner` is the thing's name.
  void expect_all_read(const std::string& owner) const;

 private:
  [[nodiscard]] const std::string* find(const std::string& name) const;

  std::vector<std::pair<std::string, std::string>> values_;
  std::shared_ptr<std::vector<std::string>> read_ = std::make_shared<std::vector<std::string>>();
};

/// "depth=20,expand=4", which parse() reads back.
std::string to_string(const NamedOptions& options);

/// "mynet:depth=20" taken apart.
struct NameAndOptions {
  std::string name;
  NamedOptions options = {};
};

/// Throws std::invalid_argument as NamedOptions::parse.
NameAndOptions parse_name_and_options(const std::string& text);

}  // namespace striate

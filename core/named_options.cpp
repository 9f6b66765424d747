#include "core/named_options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>

#include "core/printable.h"
#include "core/text.h"

namespace striate {
namespace {

template <class T>
T number(const std::string& name, const std::string& text, const char* kind) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  throw std::invalid_argument("option " + name + " must be " + kind + ", got \"" + printable(text) + "\"");
}

}  // namespace

OptionText::OptionText(double value) {
  std::array<char, 32> buffer{};  // the shortest text that reads back takes 24
  text.assign(buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr);
}

NamedOptions::NamedOptions(std::initializer_list<std::pair<std::string, OptionText>> values) {
  for (const auto& [name, value] : values) {
    if (has(name)) throw std::invalid_argument("expected every option once, got " + name + " twice");
    set(name, value);
  }
}

NamedOptions NamedOptions::parse(const std::string& text) {
  constexpr std::size_t longest =
      1U << 14U;  // text of a file may be anything, and every name is compared with all others
  NamedOptions options;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string item = text.substr(begin, end - begin);
    const std::size_t equals = item.find('=');
    const std::string name = item.substr(0, equals);
    if (name.empty() || options.has(name) || end + 1 == text.size() || text.size() > longest) {
      throw std::invalid_argument("expected options like depth=20,expand=4, each once, got \"" + printable(text) +
                                  "\"");
    }
    options.set(name, equals == std::string::npos ? "true" : item.substr(equals + 1));
    begin = end + 1;
  }
  return options;
}

const std::string* NamedOptions::find(const std::string& name) const {
  if (std::find(read_->begin(), read_->end(), name) == read_->end()) read_->push_back(name);
  const auto found = std::find_if(values_.begin(), values_.end(), [&](const auto& item) { return item.first == name; });
  return found == values_.end() ? nullptr : &found->second;
}

std::int64_t NamedOptions::integer(const std::string& name, std::int64_t otherwise) const {
  const std::string* value = find(name);
  return value == nullptr ? otherwise : number<std::int64_t>(name, *value, "a whole number");
}

double NamedOptions::real(const std::string& name, double otherwise) const {
  const std::string* value = find(name);
  return value == nullptr ? otherwise : number<double>(name, *value, "a number");
}

bool NamedOptions::flag(const std::string& name, bool otherwise) const {
  const std::string* value = find(name);
  if (value == nullptr) return otherwise;
  if (*value != "true" && *value != "false") {
    throw std::invalid_argument("option " + name + " must be true or false, got \"" + *value + "\"");
  }
  return *value == "true";
}

std::string NamedOptions::text(const std::string& name, const std::string& otherwise) const {
  const std::string* value = find(name);
  return value == nullptr ? otherwise : *value;
}

bool NamedOptions::has(const std::string& name) const {
  return std::any_of(values_.begin(), values_.end(), [&](const auto& item) { return item.first == name; });
}

void NamedOptions::set(const std::string& name, const OptionText& value) {
  if (name.empty()) throw std::invalid_argument("an option needs a name, got an empty one");
  for (auto& [known, old] : values_) {
    if (known == name) {
      old = value.text;
      return;
    }
  }
  values_.emplace_back(name, value.text);
}

NamedOptions NamedOptions::with_defaults(const NamedOptions& defaults) const {
  NamedOptions result = defaults;
  result.read_ = read_;
  for (const auto& [name, value] : values_) result.set(name, value);
  return result;
}

void NamedOptions::expect_all_read(const std::string& owner) const {
  for (const auto& [name, value] : values_) {
    if (std::find(read_->begin(), read_->end(), name) != read_->end()) continue;
    throw std::invalid_argument(
        owner + " has no option " + printable(name) +
        (read_->empty() ? "; it has none"
                        : "; did you mean " + nearest_name(name, *read_) + "? Its options: " + joined(*read_)));
  }
}

std::string to_string(const NamedOptions& options) {
  std::vector<std::string> items;
  for (const auto& [name, value] : options.values()) items.push_back(name + "=" + value);
  return joined(items, ",");
}

NameAndOptions parse_name_and_options(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) return {.name = text};
  return {.name = text.substr(0, colon), .options = NamedOptions::parse(text.substr(colon + 1))};
}

}  // namespace striate

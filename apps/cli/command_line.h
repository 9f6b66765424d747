#pragma once
// Parsing of flags, for all subcommands: --config files, strict numbers, and errors that name the nearest right flag.

#include <spdlog/fmt/fmt.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "apps/cli/toml.h"

namespace CLI {
class App;
}

namespace striate::cli {

/// The command line cannot be understood; what() is for the user.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

using Arguments = std::vector<std::string>;

/// Flags as they were written, with dashes.
struct GivenFlags {
  std::set<std::string> here;    ///< on the command line
  std::set<std::string> config;  ///< in the --config file
};

/// Adds --config FILE.toml to `app` and parses `arguments`: the file's keys are flags without their dashes; a
/// flag on the command line wins over the file, and both win over `before`. Throws UsageError for a flag that does not
/// exist (with the nearest one that does, by other names that it has elsewhere too), a value that does not fit, text
/// that is not UTF-8, a file that cannot be read; CLI::CallForHelp for --help.
GivenFlags parse(CLI::App& app, const Arguments& arguments, const Values& before = {});

/// Throws UsageError("--flag must be EXPECTED, got GOT") unless `good`.
void require(bool good, const std::string& flag, const std::string& expected, const std::string& got);

template <class T>
void at_least(const std::string& flag, T value, std::type_identity_t<T> least) {
  require(std::isfinite(static_cast<double>(value)) && value >= least, flag, fmt::format("{} or more", least),
          fmt::format("{}", value));
}

template <class T>
void within(const std::string& flag, T value, std::type_identity_t<T> least, std::type_identity_t<T> most) {
  require(value >= least && value <= most, flag, fmt::format("from {} to {}", least, most), fmt::format("{}", value));
}

/// Throws UsageError with the nearest name where the value is none of them.
void one_of(const std::string& flag, const std::string& value, const std::vector<std::string>& names);

/// "expected ..., got ..." of "[op] expected ..., got ...".
std::string without_op(const std::string& message);

/// Runs body(); std::invalid_argument, which parts of the library throw, becomes the flag's UsageError.
template <class Body>
auto in_flag(const std::string& flag, Body body) {
  try {
    return body();
  } catch (const std::invalid_argument& error) {
    throw UsageError("--" + flag + ": " + without_op(error.what()));
  }
}

/// The number that the whole text is; nothing where it is none.
template <class T>
std::optional<T> number_in(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// "a,b" to {"a", "b"}, "" to {""}.
std::vector<std::string> split(const std::string& text, char separator);

}  // namespace striate::cli

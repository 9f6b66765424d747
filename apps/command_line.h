#pragma once
// What all subcommands share in reading their flags: --config files, and errors that name the nearest right
// flag.

#include <CLI/CLI.hpp>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace striate::apps {

/// The command line cannot be understood; what() is for the user.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

using Arguments = std::vector<std::string>;

/// Adds --config FILE.toml to `app` and parses `arguments`: the file's keys are flags without their dashes; a
/// flag on the command line wins over the file. Throws UsageError for a flag that does not exist (with the
/// nearest one that does), a value that does not fit, a file that cannot be read; CLI::CallForHelp for
/// --help.
void parse(CLI::App& app, const Arguments& arguments);

/// Every flag with the value in force, given or default, in the order of the help text; without --config and
/// --help.
std::vector<std::pair<std::string, std::string>> effective_values(const CLI::App& app);

/// "key = value" lines that --config reads back; what is empty is left out.
std::string to_toml(const std::vector<std::pair<std::string, std::string>>& values);

}  // namespace striate::apps

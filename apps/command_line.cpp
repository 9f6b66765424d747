#include "apps/command_line.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <fstream>

#include "core/nearest_name.h"

namespace striate::apps {
namespace {

constexpr const char* kConfig = "--config";

std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
    for (const std::string& name : option->get_fnames()) flags.push_back("--" + name);
  }
  return flags;
}

[[noreturn]] void unknown_flag(const CLI::App& app, const std::string& given, const std::string& where) {
  const std::string nearest = nearest_name(given, flags_of(app));
  throw UsageError("unknown flag " + given + where +
                   (nearest.empty() ? "" : "; did you mean " + nearest + "?") + " (striate " +
                   app.get_name() + " --help lists them all)");
}

std::string flag_name(const std::string& argument) {
  return argument.substr(0, argument.find('='));
}

bool known(const CLI::App& app, const std::string& flag) {
  const auto flags = flags_of(app);
  return std::find(flags.begin(), flags.end(), flag) != flags.end();
}

// The value of --config among the arguments; empty where it is not given.
std::string config_path(const Arguments& arguments) {
  std::string path;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == kConfig && i + 1 < arguments.size()) path = arguments[i + 1];
    if (arguments[i].starts_with(std::string(kConfig) + "=")) path = arguments[i].substr(9);
  }
  return path;
}

Arguments from_config(const CLI::App& app, const std::string& path) {
  std::ifstream file(path);
  if (!file) throw UsageError(path + ": the --config file cannot be opened; give the path of a TOML file");
  Arguments arguments;
  try {
    for (const CLI::ConfigItem& item : CLI::ConfigTOML().from_config(file)) {
      const std::string flag = "--" + item.name;
      if (item.name == "++" || item.name == "--") continue;  // CLI11's marks of a section's begin and end
      if (!known(app, flag) || flag == kConfig) unknown_flag(app, flag, " in " + path);
      for (const std::string& value : item.inputs) arguments.push_back(flag + "=" + value);
    }
  } catch (const CLI::Error& error) {
    throw UsageError(path + ": not a TOML file of flags: " + error.what());
  }
  return arguments;
}

}  // namespace

void parse(CLI::App& app, const Arguments& arguments) {
  std::string config;
  app.add_option(kConfig, config, "Take flags from FILE.toml; flags given here win")->type_name("FILE.toml");
  for (CLI::Option* option : app.get_options()) {
    if (option->get_items_expected_max() <= 1) option->take_last();
  }
  Arguments all;
  if (const std::string path = config_path(arguments); !path.empty()) all = from_config(app, path);
  for (const std::string& argument : arguments) {
    if (argument.starts_with("--") && argument != "--" && !known(app, flag_name(argument))) {
      unknown_flag(app, flag_name(argument), "");
    }
    all.push_back(argument);
  }
  std::reverse(all.begin(), all.end());  // the order CLI11 wants a vector in
  try {
    app.parse(all);
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help("striate " + app.get_name()));
    throw;
  } catch (const CLI::ParseError& error) {
    throw UsageError(std::string(error.what()) + " (striate " + app.get_name() + " --help lists the flags)");
  }
}

std::vector<std::pair<std::string, std::string>> effective_values(const CLI::App& app) {
  std::vector<std::pair<std::string, std::string>> values;
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_single_name();
    if (name == "config" || name == "help" || option->get_positional()) continue;
    std::string value = option->get_default_str();
    if (option->count() > 0) {
      value = option->as<std::string>();
    } else if (option->get_items_expected_max() == 0 && value.empty()) {
      value = "false";
    }
    values.emplace_back(name, value);
  }
  return values;
}

std::string to_toml(const std::vector<std::pair<std::string, std::string>>& values) {
  std::string text;
  for (const auto& [name, value] : values) {
    if (value.empty()) continue;
    double number = 0;
    const bool bare = value == "true" || value == "false" || CLI::detail::lexical_cast(value, number);
    text += name + " = " + (bare ? value : "\"" + value + "\"") + "\n";
  }
  return text;
}

}  // namespace striate::apps

#include "apps/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>

#include "apps/cli/screen.h"
#include "core/file.h"
#include "core/printable.h"
#include "core/text.h"

namespace striate::cli {
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

// Our flags, and what other programs call them.
constexpr std::pair<const char*, const char*> kSynonyms[] = {
    {"--lr", "learning-rate init-lr base-lr"},
    {"--epochs", "epoch num-epochs max-epochs"},
    {"--batch-size", "bs batch"},
    {"--accumulate", "accumulation-steps gradient-accumulation-steps grad-accum-steps"},
    {"--max-steps", "max-iters iterations"},
    {"--optimizer", "optim opt optimiser"},
    {"--weight-decay", "wd l2"},
    {"--clip-norm", "clip-grad grad-clip max-grad-norm"},
    {"--schedule", "scheduler lr-scheduler sched"},
    {"--warmup-epochs", "warmup"},
    {"--step-size", "lr-step-size"},
    {"--gamma", "decay-rate lr-gamma"},
    {"--label-smoothing", "smoothing"},
    {"--model", "net network arch"},
    {"--init", "pretrained finetune"},
    {"--weights", "checkpoint ckpt"},
    {"--out", "output output-dir save-dir"},
    {"--data", "data-dir data-path root"},
    {"--image-size", "img-size imgsz input-size resize"},
    {"--precision", "amp dtype fp16"},
    {"--seed", "random-seed"},
    {"--workers", "num-workers"},
    {"--threads", "num-threads"},
    {"--top", "topk"},
};

// The flag among these that the user meant.
std::string meant_flag(std::string flag, const std::vector<std::string>& flags) {
  std::replace(flag.begin(), flag.end(), '_', '-');
  for (const auto& [ours, others] : kSynonyms) {
    const auto names = split(others, ' ');
    const bool meant = std::find(names.begin(), names.end(), flag.substr(2)) != names.end();
    if (meant && std::find(flags.begin(), flags.end(), ours) != flags.end()) return ours;
  }
  return nearest_name(flag, flags);
}

void check_known(const CLI::App& app, const std::string& flag, const std::string& where) {
  const auto flags = flags_of(app);
  if (std::find(flags.begin(), flags.end(), flag) != flags.end()) return;
  throw UsageError("unknown flag " + flag + where + "; did you mean " + meant_flag(flag, flags) + "? (" +
                   program_invocation_short_name + " " + app.get_name() + " --help lists them all)");
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

Values from_config(const CLI::App& app, const std::string& path) {
  if (!std::filesystem::is_regular_file(path)) {
    throw UsageError(path + ": --config needs a file of flags, key = value; there is none");
  }
  const auto bytes = read_bytes(path, kLongestToml);
  const Values values = parse_toml({bytes.begin(), bytes.end()}, path);
  for (const auto& [name, value] : values) {
    if ("--" + name == kConfig) throw UsageError(path + ": a --config file cannot name another");
    if (name == "help") throw UsageError(path + ": help is for the command line");
    check_known(app, "--" + name, " in " + path);
  }
  return values;
}

template <class T>
std::string whole_number_problem(const std::string& text) {
  const auto number = number_in<T>(text);
  if (number && std::to_string(*number) == text) return "";  // not 010
  return "expected a whole number" + std::string(std::is_unsigned_v<T> ? " from 0 to 2^64-1" : "") + ", got " +
         (text.empty() ? "nothing" : text);
}

std::string number_problem(const std::string& text) {
  return number_in<double>(text) ? "" : "expected a number, got " + (text.empty() ? "nothing" : text);
}

// CLI11 takes 010 for 8, 0x10 for 16, -1 for 2^64-1, and no text for 0.
void make_strict(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    if (option->get_items_expected_max() <= 1) option->take_last();
    if (option->get_type_name() == "INT") option->check(whole_number_problem<std::int64_t>, "");
    if (option->get_type_name() == "UINT") option->check(whole_number_problem<std::uint64_t>, "");
    if (option->get_type_name() == "FLOAT") option->check(number_problem, "");
  }
}

// Whether the argument is a flag whose value is to come.
bool awaits_value(const CLI::App& app, const std::string& argument) {
  const CLI::Option* option = argument.starts_with("--") ? app.get_option_no_throw(argument) : nullptr;
  return option != nullptr && option->get_items_expected_max() > 0;
}

// -lr, as others write flags; -h is one of ours.
bool is_short_flag(const std::string& argument) {
  return argument.size() > 1 && argument[0] == '-' && std::isalpha(static_cast<unsigned char>(argument[1])) != 0 &&
         argument != "-h";
}

// CLI11 takes the next argument for the value of "--out=", and "yes" and 2 for true.
void add_argument(const CLI::App& app, const std::string& argument, Arguments& all) {
  const std::size_t equals = argument.find('=');
  if (!argument.starts_with("--") || equals == std::string::npos) {
    all.push_back(argument);
    return;
  }
  const std::string flag = argument.substr(0, equals);
  const std::string value = argument.substr(equals + 1);
  if (!awaits_value(app, flag)) {
    require(value == "true" || value == "false", flag.substr(2), "true or false", value.empty() ? "nothing" : value);
    all.push_back(argument);
  } else {
    all.insert(all.end(), {flag, value});
  }
}

}  // namespace

GivenFlags parse(CLI::App& app, const Arguments& arguments, const Values& before) {
  std::string config;
  app.add_option(kConfig, config, "Take flags from FILE.toml; flags given here win")->type_name("FILE.toml");
  make_strict(app);
  GivenFlags given;
  Arguments all;
  for (const auto& [name, value] : before) {
    check_known(app, "--" + name, "");
    add_argument(app, "--" + name + "=" + value, all);
  }
  if (const std::string path = config_path(arguments); !path.empty()) {
    for (const auto& [name, value] : from_config(app, path)) {
      given.config.insert("--" + name);
      add_argument(app, "--" + name + "=" + value, all);
    }
  }
  std::string open;          // the flag whose value the next argument is
  bool only_values = false;  // behind --
  for (const std::string& argument : arguments) {
    const std::string flag = argument.substr(0, argument.find('='));
    if (flag.starts_with("--") && flag != "--") {
      check_known(app, flag, "");
      if (!open.empty()) throw UsageError(open + " needs a value, and " + flag + " follows, which is a flag");
      given.here.insert(flag);
    }
    only_values = only_values || (open.empty() && argument == "--");
    if (open.empty() && !only_values && is_short_flag(argument)) {
      throw UsageError("unknown flag " + argument + ": flags have two dashes, and a file of this name is ./" +
                       argument);
    }
    open = open.empty() && awaits_value(app, argument) ? argument : "";
    add_argument(app, argument, all);
  }
  for (const std::string& argument : all) {
    if (!is_utf8(argument) || argument.find('\0') != std::string::npos) {
      throw UsageError("names and paths must be UTF-8 without zero bytes, since files keep them as text: " + argument);
    }
  }
  std::reverse(all.begin(), all.end());  // the order CLI11 wants a vector in
  try {
    app.parse(all);
  } catch (const CLI::CallForHelp&) {
    write_screen(app.help(program_invocation_short_name));
    throw;
  } catch (const CLI::ParseError& error) {
    throw UsageError(std::string(error.what()) + " (" + program_invocation_short_name + " " + app.get_name() +
                     " --help lists the flags)");
  }
  return given;
}

void require(bool good, const std::string& flag, const std::string& expected, const std::string& got) {
  if (!good) throw UsageError("--" + flag + " must be " + expected + ", got " + got);
}

void one_of(const std::string& flag, const std::string& value, const std::vector<std::string>& names) {
  if (std::find(names.begin(), names.end(), value) != names.end()) return;
  throw UsageError("--" + flag + " must be one of " + joined(names) + ", got " + value + "; did you mean " +
                   nearest_name(value, names) + "?");
}

std::string without_op(const std::string& message) {
  const std::size_t end = message.find("] ");
  return message.starts_with('[') && end != std::string::npos ? message.substr(end + 2) : message;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> items;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    items.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return items;
}

}  // namespace striate::cli

#include "apps/cli/run.h"

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "apps/cli/commands.h"
#include "apps/cli/processor.h"
#include "core/allocator.h"
#include "core/text.h"

namespace striate::cli {
namespace {

struct Command {
  const char* name;
  const char* what;
  int (*call)(const Arguments&);
};

constexpr std::array kCommands = {
    Command{"train", "train a model on a folder of images", run_train},
    Command{"eval", "measure a file of weights on a data set", run_eval},
    Command{"predict", "classify image files", run_predict},
    Command{"summary", "show a model layer by layer", run_summary},
    Command{"ablate", "train every cell of a recipe and report what each trick brought", run_ablate},
    Command{"bench", "measure training and inference speed", run_bench},
    Command{"generate", "draw a data set, so that everything runs without a download", run_generate},
    Command{"verify", "check a data folder", run_verify},
};

void print_help() {
  const char* program = program_invocation_short_name;
  fmt::print("usage: {} COMMAND [FLAGS]\n\n", program);
  for (const Command& command : kCommands) fmt::print("  {:<10}{}\n", command.name, command.what);
  fmt::print("\n{} COMMAND --help lists a command's flags; any flag may come from --config FILE.toml.\n", program);
}

int run_command(const Arguments& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    print_help();
    return arguments.empty() ? 2 : 0;
  }
  std::vector<std::string> names;
  for (const Command& command : kCommands) {
    if (arguments[0] == command.name) return command.call({arguments.begin() + 1, arguments.end()});
    names.emplace_back(command.name);
  }
  throw UsageError("unknown command " + arguments[0] + "; did you mean " + nearest_name(arguments[0], names) +
                   "? (striate --help lists them all)");
}

}  // namespace
}  // namespace striate::cli

int striate::run(int argc, char** argv) {
  cli::check_processor();
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    return cli::run_command(cli::Arguments(argv + 1, argv + argc));
  } catch (const CLI::CallForHelp&) {
    return 0;
  } catch (const cli::UsageError& error) {
    fmt::print(stderr, "striate: {}\n", error.what());
    return 2;
  } catch (const OutOfMemory& error) {
    fmt::print(stderr, "striate: {}\n", error.what());
    return 1;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "striate: not enough memory for what was asked; try smaller sizes or a smaller batch\n");
    return 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "striate: {}\n", error.what());
    return 1;
  }
}

#include "apps/cli/run.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <new>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <system_error>
#include <typeinfo>
#include <vector>

#include "apps/cli/commands.h"
#include "apps/cli/processor.h"
#include "apps/cli/screen.h"
#include "core/allocator.h"
#include "core/build_info.h"
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
    Command{"equivariance", "tell how far layers are from moving with their input", run_equivariance},
    Command{"show", "draw filters, feature maps, saliency, receptive fields, or a batch", run_show},
    Command{"report", "write a page on runs: curves, flags, mistakes, what a net sees", run_report},
    Command{"export", "write a trained model for other programs to run (ONNX)", run_export},
    Command{"find-lr", "find a learning rate to train with", run_find_lr},
    Command{"ablate", "train every cell of a recipe and report what each trick brought", run_ablate},
    Command{"bench", "measure training and inference speed", run_bench},
    Command{"generate", "draw a data set, so that everything runs without a download", run_generate},
    Command{"verify", "check a data folder", run_verify},
};

void print_help() {
  const char* program = program_invocation_short_name;
  show("usage: {} COMMAND [FLAGS]\n\n", program);
  for (const Command& command : kCommands) show("  {:<14}{}\n", command.name, command.what);
  show(
      "\n{} COMMAND --help lists a command's flags; any flag may come from --config FILE.toml.\n"
      "{} --version says what this is.\n",
      program, program);
}

int run_command(const Arguments& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    print_help();
    return arguments.empty() ? 2 : 0;
  }
  if (arguments[0] == "--version" || arguments[0] == "-V" || arguments[0] == "version") {
    show("striate {} ({}), {}\n", STRIATE_VERSION, STRIATE_COMMIT, build_info());
    return 0;
  }
  std::vector<std::string> names;
  for (const Command& command : kCommands) {
    if (arguments[0] == command.name) return command.call({arguments.begin() + 1, arguments.end()});
    names.emplace_back(command.name);
  }
  throw UsageError("unknown command " + arguments[0] + "; did you mean " + nearest_name(arguments[0], names) + "? (" +
                   program_invocation_short_name + " --help lists them all)");
}

// What libraries throw is told in the user's words; ours is for the user as it is.
std::string message_of(const std::exception& error) {
  if (const auto* file = dynamic_cast<const std::filesystem::filesystem_error*>(&error)) {
    return file->path1().string() + ": " + file->code().message();
  }
  if (const auto* system = dynamic_cast<const std::system_error*>(&error)) {
    const bool threads = system->code() == std::errc::resource_unavailable_try_again;
    return threads ? "the system starts no more threads; give fewer --threads, --workers or --jobs"
                   : "the system refused: " + system->code().message();
  }
  if (dynamic_cast<const nlohmann::json::exception*>(&error) != nullptr) {
    return std::string("text that should be JSON is damaged: ") + error.what();
  }
  if (dynamic_cast<const std::out_of_range*>(&error) != nullptr || typeid(error) == typeid(std::logic_error)) {
    return std::string("an error of the program itself, please report it with what --version says: ") + error.what();
  }
  return error.what();
}

constexpr const char* kNoMemory =
    "striate: not enough memory for what was asked; try smaller sizes or a smaller batch\n";

// The last resort, where an exception has nowhere to go: in a destructor, say, or in a thread. Nothing is allocated.
[[noreturn]] void end_with_message() {
  const char* message = "striate: ended by an error that could not be told; memory may have run out\n";
  try {
    if (std::current_exception()) std::rethrow_exception(std::current_exception());
  } catch (const std::bad_alloc&) {
    message = kNoMemory;
  } catch (...) {
  }
  if (::write(STDERR_FILENO, message, std::strlen(message)) < 0) _exit(1);
  _exit(1);
}

int run_guarded(const Arguments& arguments) {
  try {
    return run_command(arguments);
  } catch (const CLI::CallForHelp&) {
    return 0;
  } catch (const UsageError& error) {
    complain(error.what());
    return 2;
  } catch (const OutOfMemory& error) {
    complain(error.what());
  } catch (const std::bad_alloc&) {
    std::fputs(kNoMemory, stderr);
  } catch (const std::length_error&) {
    std::fputs(kNoMemory, stderr);
  } catch (const std::exception& error) {
    complain(message_of(error));
  }
  return 1;
}

}  // namespace
}  // namespace striate::cli

int striate::run(int argc, char** argv) {
  cli::check_processor();
  cli::open_standard_files();
  for (const int signal : {SIGXFSZ, SIGPIPE}) std::signal(signal, SIG_IGN);
  std::set_terminate(cli::end_with_message);
  const int status = cli::run_guarded(cli::Arguments(argv + std::min(argc, 1), argv + argc));
  const std::string problem = cli::flush_screen();
  if (problem.empty()) return status;
  cli::complain("stdout could not be written, the output is not complete: " + problem);
  return status == 0 ? 1 : status;
}

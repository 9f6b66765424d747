#include <spdlog/fmt/fmt.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>

#include "apps/cli/commands.h"
#include "apps/cli/conv_flag.h"
#include "apps/cli/data_path.h"
#include "apps/cli/interrupt.h"
#include "apps/cli/train_parts.h"
#include "apps/training/fingerprint.h"
#include "apps/training/trainer.h"
#include "core/file.h"
#include "core/joined.h"
#include "core/parallel.h"
#include "core/random.h"

namespace striate::cli {
namespace {

namespace fs = std::filesystem;
struct Parsed {
  TrainOptions options;
  Values effective;
  std::vector<std::string> given;  // flags that were on the command line or in its --config
};

Parsed parse_train(const Arguments& arguments) {
  Parsed parsed;
  CLI::App app("Trains a model on a folder of images.", "train");
  add_train_flags(app, parsed.options);
  parse(app, arguments);
  for (const auto& [name, value] : effective_values(app)) {
    // Whoever repeats a run by its config.toml wants a run of their own.
    if (name != "resume") parsed.effective.emplace_back(name, value);
  }
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() > 0) parsed.given.push_back(option->get_single_name());
  }
  return parsed;
}

// The flags of the interrupted run (its config.toml, from the checkpoint), then the ones given now, which may
// not contradict it.
Parsed merge_with_run(const Arguments& arguments, const Parsed& now, const std::string& config) {
  Arguments merged;
  Arguments unknown;
  std::map<std::string, std::string> before;
  for (const auto& [name, value] : parse_toml(config, "the checkpoint's flags")) {
    const std::string flag = "--" + name + "=" + value;
    const bool known = std::any_of(now.effective.begin(), now.effective.end(),
                                   [&name = name](const auto& item) { return item.first == name; });
    if (!known) unknown.push_back(flag);
    before[name] = value;
    if (name != "out" && name != "max-steps") merged.push_back(flag);
  }
  if (!unknown.empty()) {
    throw UsageError("the run was begun by a version with flags that this one does not have (" + joined(unknown) +
                     "): go on with that version, or start another run with another --out");
  }
  std::string refused;
  for (const auto& [name, value] : now.effective) {
    const bool given = std::find(now.given.begin(), now.given.end(), name) != now.given.end();
    const std::string& old = before[name];
    // Where its teacher lies may change, but not whether a run has one.
    const bool may_change = may_change_on_resume(name) && (name != "teacher" || !old.empty());
    if (!given || may_change || one_spelling(old) == one_spelling(value)) continue;
    refused += fmt::format(" --{} was {} and is now {};", name, old.empty() ? "not given" : old, value);
  }
  if (!refused.empty()) {
    throw UsageError("--resume goes on with the run's own flags:" + refused +
                     " leave them out, or start another run with another --out");
  }
  merged.insert(merged.end(), arguments.begin(), arguments.end());
  return parse_train(merged);
}

void refuse_earlier_run(const RunFiles& files) {
  for (const fs::path& path : {files.checkpoint(), files.weights()}) {
    if (!fs::exists(path)) continue;
    const std::string go_on = fs::exists(files.checkpoint()) ? "go on with --resume, " : "";
    throw FileError(files.folder.string(), "--out already holds a run (" + path.filename().string() + "); " + go_on +
                                               "give another --out, or remove it");
  }
}

// Empty where no run has begun.
std::map<std::string, std::string> text_to_resume(const RunFiles& files) {
  if (fs::exists(files.checkpoint())) return checkpoint_text(files.checkpoint());
  if (!fs::exists(files.weights())) return {};
  throw FileError(files.folder.string(),
                  "--out holds the weights of a run, but no checkpoint to go on from; it stays as it is: give another "
                  "--out");
}

// The first sink is the file.
std::shared_ptr<spdlog::logger> open_log(const RunFiles& files, bool append) {
  try {
    auto file = std::make_shared<spdlog::sinks::basic_file_sink_mt>(files.log().string(), !append);
    auto screen = std::make_shared<spdlog::sinks::stdout_sink_mt>();
    file->set_pattern("%Y-%m-%d %H:%M:%S %v");
    screen->set_pattern("%v");
    auto log = std::make_shared<spdlog::logger>("train", spdlog::sinks_init_list{file, screen});
    log->flush_on(spdlog::level::info);
    return log;
  } catch (const spdlog::spdlog_ex& error) {
    throw FileError(files.log().string(), std::string("cannot be written: ") + error.what());
  }
}

struct Data {
  fs::path path;
  Dataset train;
  Dataset test;
};

Data load_data(const TrainOptions& options) {
  Data data{.path = data_path(options.data), .train = {}, .test = {}};
  data.train = chosen_data(options, load_dataset(data.path, Split::train), Split::train);
  data.test = chosen_data(options, load_dataset(data.path, Split::test), Split::test);
  if (data.train.class_names != data.test.class_names) {
    throw FileError(data.path.string(), "train and test must have the same classes");
  }
  return data;
}

using Text = std::map<std::string, std::string>;

// What the run is made of besides its flags, kept in its checkpoints.
Text inputs_of(const TrainOptions& options, const Data& data) {
  Text inputs = {{"data", fingerprint(data.train)}};
  if (!options.teacher.empty()) inputs["teacher"] = fingerprint(fs::path(options.teacher));
  return inputs;
}

void check_inputs(const TrainOptions& options, const Data& data, const Text& saved, const Text& inputs) {
  if (saved.at("data") != inputs.at("data")) {
    throw FileError(data.path.string(), fmt::format("the run began with other images ({}, here {}); give its --data",
                                                    saved.at("data"), inputs.at("data")));
  }
  if (!options.teacher.empty() && saved.at("teacher") != inputs.at("teacher")) {
    throw FileError(options.teacher, fmt::format("the run began with another teacher ({}, here {}); give its --teacher",
                                                 saved.at("teacher"), inputs.at("teacher")));
  }
}

// In quotes where a shell would see more than one word.
std::string quoted(const std::string& text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string("/._-+=:,").find(static_cast<char>(c)) != std::string::npos;
  });
  if (plain) return text;
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? "'\\''" : std::string(1, c);
  return result + "'";
}

void report(Ending ending, const RunFiles& files, spdlog::logger& log) {
  const std::string resume =
      fmt::format("{} train --resume --out {}", quoted(program_invocation_name), quoted(files.folder.string()));
  switch (ending) {
    case Ending::finished:
      log.info("done; {}", files.weights().string());
      break;
    case Ending::max_steps:
      log.info("stopped at --max-steps; {}; go on with: {}", files.weights().string(), resume);
      break;
    case Ending::interrupted:
      log.info("interrupted; everything is saved. Go on with: {}", resume);
      break;
  }
}

RunFiles files_of(const TrainOptions& options) {
  return {options.out.empty() ? fs::path("runs") / options.model : fs::path(options.out)};
}

}  // namespace

int run_train(const Arguments& arguments) {
  Parsed parsed = parse_train(arguments);
  TrainOptions& options = parsed.options;
  check_train_options(options);
  const RunFiles files = files_of(options);
  const FolderLock lock(files.folder);
  Text saved;
  if (options.resume) {
    saved = text_to_resume(files);
  } else {
    refuse_earlier_run(files);
  }
  const bool resuming = !saved.empty();
  if (resuming) {
    parsed = merge_with_run(arguments, parsed, saved.at("config"));
    check_train_options(options);
    // The checkpoint holds what came of these.
    options.init.clear();
    options.whiten = false;
  }
  use_threads(options.threads);
  manual_seed(options.seed);
  const Data data = load_data(options);
  Text text = inputs_of(options, data);
  if (resuming) check_inputs(options, data, saved, text);

  const auto log = open_log(files, options.resume);
  const ConvAlgorithmOverride conv(conv_algorithm_of(options.conv));
  try {
    const std::string config = to_toml(parsed.effective);
    text["config"] = config;
    Trainer trainer(options, files, text, *log, data.train, data.test);
    write_atomically(files.config(), config);
    log->info("{} on {} ({} training and {} test images, {} classes), {} threads", options.model, data.path.string(),
              data.train.size(), data.test.size(), data.train.classes(), num_threads());
    if (options.resume && !resuming) log->info("there is no checkpoint yet: starting from the beginning");
    if (resuming) trainer.resume();
    catch_interrupts();
    const Ending ending = trainer.run();
    report(ending, files, *log);
    return ending == Ending::interrupted ? 130 : 0;
  } catch (const std::exception& error) {
    // The screen gets it from main.
    spdlog::logger("train", log->sinks().front()).error(error.what());
    throw;
  }
}

}  // namespace striate::cli

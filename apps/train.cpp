#include <spdlog/fmt/fmt.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <map>

#include "apps/commands.h"
#include "apps/data_path.h"
#include "apps/interrupt.h"
#include "apps/trainer.h"
#include "core/file.h"
#include "core/parallel.h"
#include "core/random.h"

namespace striate::apps {
namespace {

namespace fs = std::filesystem;
using Values = std::vector<std::pair<std::string, std::string>>;

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
  parsed.effective = effective_values(app);
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() > 0) parsed.given.push_back(option->get_single_name());
  }
  return parsed;
}

bool same_value(const std::string& a, const std::string& b) {
  double x = 0;
  double y = 0;
  if (CLI::detail::lexical_cast(a, x) && CLI::detail::lexical_cast(b, y)) return x == y;
  return a == b;
}

// The arguments of the interrupted run (its config.toml, from the checkpoint), then the ones given now, which
// may not contradict it.
Parsed merge_with_run(const Arguments& arguments, const Parsed& now, const std::string& config) {
  std::istringstream stream(config);
  Arguments merged;
  std::map<std::string, std::string> before;
  for (const CLI::ConfigItem& item : CLI::ConfigTOML().from_config(stream)) {
    for (const std::string& value : item.inputs) {
      before[item.name] = value;
      if (!may_change_on_resume(item.name)) merged.push_back("--" + item.name + "=" + value);
    }
  }
  std::string refused;
  for (const auto& [name, value] : now.effective) {
    const bool given = std::find(now.given.begin(), now.given.end(), name) != now.given.end();
    const std::string& old = before[name];
    if (!given || may_change_on_resume(name) || same_value(old, value)) continue;
    refused += fmt::format(" --{} was {} and is now {};", name, old.empty() ? "not given" : old, value);
  }
  if (!refused.empty()) {
    throw UsageError("--resume goes on with the run's own flags:" + refused +
                     " leave them out, or start another run with another --out");
  }
  merged.insert(merged.end(), arguments.begin(), arguments.end());
  return parse_train(merged);
}

RunFiles prepare_folder(const TrainOptions& options) {
  const RunFiles files{options.out.empty() ? fs::path("runs") / options.model : fs::path(options.out)};
  std::error_code error;
  if (fs::exists(files.folder, error) && !fs::is_directory(files.folder, error)) {
    throw FileError(files.folder.string(), "--out must be a folder, this is a file; give another path");
  }
  if (!options.resume) {
    for (const fs::path& path : {files.checkpoint(), files.weights()}) {
      if (!fs::exists(path, error)) continue;
      throw FileError(files.folder.string(), "--out already holds a run (" + path.filename().string() +
                                                 "); go on with --resume, give another --out, or remove it");
    }
  }
  fs::create_directories(files.folder, error);
  if (error) throw FileError(files.folder.string(), "--out cannot be made: " + error.message());
  return files;
}

// What a run killed in the middle of a save left behind (core/file.h).
void remove_temporary_files(const RunFiles& files) {
  for (const auto& entry : fs::directory_iterator(files.folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".striate-") && name.ends_with(".tmp")) fs::remove(entry.path());
  }
}

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

void check_sets(const Dataset& train, const Dataset& test, const fs::path& data) {
  if (train.class_names != test.class_names) {
    throw FileError(data.string(), "train and test must have the same classes");
  }
}

void report(Ending ending, const RunFiles& files, spdlog::logger& log) {
  const std::string resume = "striate train --resume --out " + files.folder.string();
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

}  // namespace

int run_train(const Arguments& arguments) {
  Parsed parsed = parse_train(arguments);
  const RunFiles files = prepare_folder(parsed.options);
  const bool resuming = parsed.options.resume && fs::exists(files.checkpoint());
  if (resuming) parsed = merge_with_run(arguments, parsed, checkpoint_text(files.checkpoint()).at("config"));
  const TrainOptions& options = parsed.options;
  check_train_options(options);
  const fs::path data = data_path(options.data);
  if (options.threads > 0) set_num_threads(options.threads);
  manual_seed(options.seed);
  const std::string config = to_toml(parsed.effective);
  const Dataset train = load_split(data, Split::train);
  const Dataset test = load_split(data, Split::test);
  check_sets(train, test, data);

  if (options.resume) remove_temporary_files(files);
  const auto log = open_log(files, options.resume);
  if (options.resume && !resuming)
    log->info("no checkpoint in {} yet: starting from the beginning", files.folder.string());
  Trainer trainer(options, files, config, *log, train, test);
  write_atomically(files.config(), config);
  log->info("{} on {} ({} training and {} test images, {} classes), {} threads", options.model, data.string(),
            train.size(), test.size(), train.classes(), num_threads());
  if (resuming) trainer.resume();
  catch_interrupts();
  const Ending ending = trainer.run();
  report(ending, files, *log);
  return ending == Ending::interrupted ? 130 : 0;
}

}  // namespace striate::apps

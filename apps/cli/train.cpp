#include <spdlog/fmt/fmt.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <filesystem>

#include "apps/cli/commands.h"
#include "apps/cli/interrupt.h"
#include "apps/cli/progress.h"
#include "apps/cli/shared_flags.h"
#include "apps/cli/train_flags.h"
#include "apps/cli/train_setup.h"
#include "apps/training/trainer.h"
#include "core/file.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/text.h"

namespace striate::cli {
namespace {

namespace fs = std::filesystem;

std::string or_none(const std::string& value) { return value.empty() ? "not given" : value; }

// The flags of the interrupted run (its config.toml, from the checkpoint), then the ones given now, which may
// not contradict it.
TrainFlags merged_with_run(const Arguments& arguments, TrainFlags now, const std::string& config) {
  Arguments merged;
  Arguments unknown;
  for (const auto& [name, value] : parse_toml(config, "the checkpoint's flags")) {
    (find_train_flag(name) != nullptr ? merged : unknown).push_back("--" + name + "=" + value);
  }
  if (!unknown.empty()) {
    throw UsageError("the run was begun by a version with flags that this one does not have (" + joined(unknown) +
                     "): resume it with that version, or start another run with another --out");
  }
  const TrainFlags run = parse_train_flags(merged);
  if (!now.given.contains("optimizer")) now.optimizer = run.optimizer;  // the one that --beta1 and its like belong to
  const Values before = values_of(run);
  const Values values = values_of(now);
  std::string refused;
  for (const std::string& name : now.given) {
    const std::string& old = value_of(before, name);
    const std::string& value = value_of(values, name);
    const OnResume rule = find_train_flag(name)->on_resume;
    // Where its teacher lies may change, but not whether a run has one.
    if (old == value || rule == OnResume::change || (rule == OnResume::move && !old.empty())) continue;
    refused += fmt::format(" --{} was {} and is now {};", name, or_none(old), or_none(value));
  }
  if (!refused.empty()) {
    throw UsageError("--resume keeps the run's own flags:" + refused +
                     " leave them out, or start another run with another --out");
  }
  std::erase_if(merged, [](const std::string& argument) {
    return argument.starts_with("--out=") || argument.starts_with("--max-steps=");
  });
  merged.insert(merged.end(), arguments.begin(), arguments.end());
  return parse_train_flags(merged);
}

// Where the command line began the run.
std::string config_in(const fs::path& checkpoint) {
  const auto text = checkpoint_text(checkpoint);
  const auto found = text.find("config");
  if (found != text.end()) return found->second;
  throw FileError(checkpoint.string(), "is of a run that another program began; resume it with that program");
}

// Whoever repeats a run by its config.toml wants a run of their own.
std::string config_of(const TrainFlags& flags) {
  Values values = values_of(flags);
  std::erase_if(values, [](const auto& item) { return item.first == "resume"; });
  return to_toml(values);
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

// In quotes where a shell would see more than one word.
std::string quoted(const std::string& text) {
  constexpr const char* plain = "/._-+=:,0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  if (text.find_first_not_of(plain) == std::string::npos) return text;
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? "'\\''" : std::string(1, c);
  return result + "'";
}

std::string epoch_line(const EpochResult& epoch) {
  std::string more;
  for (const auto& [name, test] : epoch.averages) more += fmt::format("  {} accuracy {:.4f}", name, test.accuracy);
  if (!epoch.loss_scale.empty()) more += "  " + epoch.loss_scale;
  return fmt::format(
      "epoch {}/{}  train loss {:.4f} accuracy {:.4f}  test loss {:.4f} accuracy {:.4f}  lr {:.5f}  {:.0f} images/s  "
      "{}{}",
      epoch.epoch, epoch.epochs, epoch.metrics.loss(), epoch.metrics.accuracy(), epoch.test.loss, epoch.test.accuracy,
      epoch.learning_rate, epoch.metrics.images_per_second(), clock_text(epoch.metrics.seconds), more);
}

void report_end(Ending ending, const StepResult& at, const RunFiles& files, spdlog::logger& log) {
  const std::string resume =
      fmt::format("{} train --resume --out {}", quoted(program_invocation_name), quoted(files.folder.string()));
  if (ending == Ending::finished) {
    log.info("done; {}", files.weights().string());
  } else if (ending == Ending::stopped) {
    log.info("interrupted; everything is saved. Resume with: {}", resume);
  } else {
    if (at.batch > 0) {
      log.info("epoch {}/{}  train loss {:.4f} accuracy {:.4f} after {} of {} batches", at.epoch, at.epochs,
               at.metrics.loss(), at.metrics.accuracy(), at.batch, at.batches);
    }
    log.info("stopped at --max-steps; {}; resume with: {}", files.weights().string(), resume);
  }
}

RunFolder folder_of(const TrainFlags& flags) {
  return RunFolder(flags.out.empty() ? fs::path("runs") / name_part(flags.model) : fs::path(flags.out));
}

// Trains in the folder, and says on the screen and in the log how it goes.
Ending train(const TrainFlags& flags, const RunFolder& folder, bool resuming, spdlog::logger& log) {
  const Dataset train = load_data(flags, Split::train);
  Dataset test = load_data(flags, Split::test);
  const std::string config = config_of(flags);
  StartingModel start = starting_model(flags, train, resuming);
  TrainerOptions options = trainer_options(flags, *start.model, train);
  options.out = folder;
  options.text = {{"config", config}};
  options.stop = interrupted;
  if (!start.init.note.empty()) log.info("{}", start.init.note);
  if (!start.init.skipped_head.empty()) {
    log.info("{} is for other classes: the head ({}) is trained from scratch", flags.init, start.init.skipped_head);
  }
  const std::string path = data_path(flags.data, flags.dataset).string();
  const std::string what =
      fmt::format("{} on {} ({} training and {} test images, {} classes), {} threads", flags.model,
                  path.empty() ? flags.dataset : path, train.size(), test.size(), train.classes(), num_threads());
  Trainer trainer(*start.model, train, std::move(test), options);
  write_atomically(folder.config(), config);
  log.info(what);
  if (flags.resume && !resuming) log.info("there is no checkpoint yet: starting from the beginning");
  if (resuming) {
    const StepResult at = trainer.progress();
    log.info("resumed at epoch {}/{}, batch {}/{} (step {})", at.epoch, at.epochs, at.batch, at.batches, at.step);
  }
  Progress progress;
  trainer.on_step([&](const StepResult& step) { progress.show(step); });
  trainer.on_epoch([&](const EpochResult& epoch) {
    progress.clear();
    log.info(epoch_line(epoch));
  });
  catch_interrupts();
  const Ending ending = trainer.run();
  progress.clear();
  report_end(ending, trainer.progress(), folder, log);
  return ending;
}

}  // namespace

int run_train(const Arguments& arguments) {
  TrainFlags flags = parse_train_flags(arguments);
  if (!flags.resume) check_together(flags);
  const RunFolder folder = folder_of(flags);
  const bool resuming = holds_run_to_resume(folder, flags.resume);
  if (resuming) flags = merged_with_run(arguments, flags, config_in(folder.checkpoint()));
  check_together(flags);
  use_threads(flags.threads);
  manual_seed(flags.seed);
  const ConvAlgorithmOverride conv(conv_algorithm_of(flags.conv));
  data_path(flags.data, flags.dataset);  // throws before the log is begun
  const auto log = open_log(folder, flags.resume);
  try {
    return train(flags, folder, resuming, *log) == Ending::stopped ? 130 : 0;
  } catch (const std::exception& error) {
    // The screen gets it from run().
    spdlog::logger("train", log->sinks().front()).error(error.what());
    throw;
  }
}

}  // namespace striate::cli

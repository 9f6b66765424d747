#include <spdlog/fmt/fmt.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <filesystem>

#include "apps/cli/commands.h"
#include "apps/cli/interrupt.h"
#include "apps/cli/progress.h"
#include "apps/cli/screen.h"
#include "apps/cli/shared_flags.h"
#include "apps/cli/train_flags.h"
#include "apps/cli/train_setup.h"
#include "apps/report/report.h"
#include "apps/report/tensorboard.h"
#include "apps/training/content_hash.h"
#include "apps/training/trainer.h"
#include "core/file.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/text.h"
#include "data/dataset.h"

namespace striate::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kRefresh = 10;  // seconds after which a browser looks for the next epoch's report

std::string or_none(const std::string& value) { return value.empty() ? "not given" : value; }

// Whether the run's --dataset, not given then, may be this one now: the one that was found by looking.
bool is_found(const TrainFlags& run, const TrainFlags& now) {
  const std::string& data = now.given.contains("data") ? now.data : run.data;
  return run.dataset.empty() && find_dataset(data_path(data, "")) == now.dataset;
}

// The flags of the interrupted run (its config.toml, from the checkpoint), then the ones given now, which may
// not contradict it.
TrainFlags merged_with_run(const Arguments& arguments, const TrainFlags& now, const std::string& config) {
  Values saved = parse_toml(config, "the checkpoint's flags");
  Arguments unknown;
  for (const auto& [name, value] : saved) {
    if (find_train_flag(name) == nullptr) unknown.push_back("--" + name + "=" + value);
  }
  if (!unknown.empty()) {
    throw UsageError("the run was begun by a version with flags that this one does not have (" + joined(unknown) +
                     "): resume it with that version, or start another run with another --out");
  }
  const TrainFlags run = parse_train_flags({}, saved);
  std::string refused;
  for (const std::string& name : now.given) {
    const TrainFlag& row = *find_train_flag(name);
    const std::string old = text_of(row, run);
    const std::string value = text_of(row, now);
    // Where its teacher lies may change, but not whether a run has one.
    const bool may_change = row.on_resume == OnResume::change || (row.on_resume == OnResume::move && !old.empty());
    if (old == value || may_change || (name == "dataset" && is_found(run, now))) continue;
    refused += fmt::format(" --{} was {} and is now {};", name, or_none(old), or_none(value));
  }
  if (!refused.empty()) {
    throw UsageError("--resume keeps the run's own flags:" + refused +
                     " leave them out, or start another run with another --out");
  }
  std::erase_if(saved, [](const auto& flag) { return flag.first == "out" || flag.first == "max-steps"; });
  return parse_train_flags(arguments, saved);
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

std::shared_ptr<spdlog::logger> open_log(const RunFiles& files, bool append) {
  try {
    auto log = std::make_shared<spdlog::logger>(
        "train", std::make_shared<spdlog::sinks::basic_file_sink_mt>(files.log().string(), !append));
    log->set_pattern("%Y-%m-%d %H:%M:%S %v");
    log->flush_on(spdlog::level::info);
    log->set_error_handler([](const std::string& what) { complain("log.txt is not complete: " + what); });
    return log;
  } catch (const spdlog::spdlog_ex& error) {
    throw FileError(files.log().string(), std::string("cannot be written: ") + error.what());
  }
}

// On the screen and in the log.
void tell(spdlog::logger& log, const std::string& text) {
  const std::string line = printable_lines(text);
  show("{}\n", line);
  flush_screen();
  log.info(line);
}

// In quotes where a shell would see more than one word.
std::string quoted(const std::string& text) {
  constexpr const char* plain = "/._-+=:,0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  if (text.find_first_not_of(plain) == std::string::npos) return text;
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? "'\\''" : std::string(1, c);
  return result + "'";
}

std::string text_of(const Evaluation& figures) {
  const std::string text = fmt::format("loss {:.4f} accuracy {:.4f}", figures.loss, figures.accuracy);
  return figures.mean_iou ? text + fmt::format(" mIoU {:.4f}", *figures.mean_iou) : text;
}

std::string epoch_line(const EpochResult& epoch) {
  std::string more;
  if (epoch.validation) {
    more = fmt::format("  val {} (best {:.4f} of epoch {})", text_of(*epoch.validation), epoch.best.accuracy,
                       epoch.best.epoch);
  }
  for (const auto& [name, test] : epoch.averages) {
    more += fmt::format("  {} {} {:.4f}", name, test.mean_iou ? "mIoU" : "accuracy", test.score());
  }
  if (!epoch.loss_scale.empty()) more += "  " + epoch.loss_scale;
  return fmt::format("epoch {}/{}  train loss {:.4f} accuracy {:.4f}  test {}  lr {:.5f}  {:.0f} images/s  {}{}",
                     epoch.epoch, epoch.epochs, epoch.metrics.loss(), epoch.metrics.accuracy(), text_of(epoch.test),
                     epoch.learning_rate, epoch.metrics.images_per_second(), clock_text(epoch.metrics.seconds), more);
}

void report_end(Ending ending, const StepResult& at, const RunFiles& files, spdlog::logger& log) {
  const std::string resume =
      fmt::format("{} train --resume --out {}", quoted(program_invocation_name), quoted(files.folder.string()));
  if (ending == Ending::patience) {
    tell(log, fmt::format("ended before epoch {}: no better validation accuracy for so long (--patience)", at.epoch));
  }
  if (ending == Ending::finished || ending == Ending::patience) {
    tell(log, "done; " + files.weights().string());
  } else if (ending == Ending::stopped) {
    tell(log, "interrupted; everything is saved. Resume with: " + resume);
  } else {
    if (at.batch > 0) {
      tell(log, fmt::format("epoch {}/{}  train loss {:.4f} accuracy {:.4f} after {} of {} batches", at.epoch,
                            at.epochs, at.metrics.loss(), at.metrics.accuracy(), at.batch, at.batches));
    }
    tell(log, fmt::format("stopped at --max-steps; {}; resume with: {}", files.weights().string(), resume));
  }
}

// "9469 training and 3925 test".
std::string counts_of(const Splits& splits) {
  std::string text = fmt::format("{} training", splits.train.size());
  if (splits.validation.labels.defined()) text += fmt::format(", {} validation", splits.validation.size());
  if (splits.test.labels.defined()) text += fmt::format(" and {} test", splits.test.size());
  return text;
}

RunFolder folder_of(const TrainFlags& flags) {
  return RunFolder(flags.out.empty() ? fs::path("runs") / name_part(flags.model) : fs::path(flags.out));
}

void write_report(const RunFiles& files, ReportContent content) {
  content.folders = {files.folder};
  write_atomically(files.report(), report_html(content));
}

// With what the net makes of the images that it is measured on, once there are its last weights.
void report_on(const RunFiles& files, Ending ending, const Splits& splits) {
  if (ending == Ending::stopped || ending == Ending::max_steps) {
    write_report(files, {.why_not = "The run was stopped before its end, where pictures of the net are made."});
    return;
  }
  const fs::path weights = weights_to_show(files.folder);
  const LoadedModel net = load_weights(weights);
  write_report(files, {.net = &net,
                       .net_name = weights.filename().string(),
                       .images = splits.test.labels.defined() ? &splits.test : &splits.validation});
}

// Trains in the folder, and says on the screen and in the log how it goes.
Ending train(const TrainFlags& flags, const RunFolder& folder, bool resuming, spdlog::logger& log) {
  const Splits splits = load_data(flags);
  const auto& [train, validation, test] = splits;
  for (const Dataset* split : {&train, &test}) {
    for (const std::string& note : split->notes) tell(log, note);
  }
  if (test.labels.defined() && !train.is_segmentation() && train.image_shape() != test.image_shape()) {
    throw FileError(
        data_path(flags.data, flags.dataset).string(),
        fmt::format("the training images are {}, the test images {}; --image-size S makes them one size, of "
                    "recordings the option length",
                    to_string(train.image_shape()), to_string(test.image_shape())));
  }
  if (flags.patience > 0 && !validation.labels.defined()) {
    throw UsageError("--patience means nothing without validation images: hold some out (--val-split 0.1)");
  }
  if (flags.drop_last && train.size() < flags.batch_size) {
    throw UsageError(
        fmt::format("--drop-last leaves nothing of {} images in batches of {}", train.size(), flags.batch_size));
  }
  const std::string config = config_of(flags);
  StartingModel start = starting_model(flags, train, resuming);
  std::vector<std::string> notes;
  TrainerOptions options = trainer_options(flags, *start.model, train, notes);
  const ImageShape shape = output_shape(options.loader.transforms, train.image_shape());
  in_flag(flags.cutout > 0 ? "cutout" : "pad",
          [&] { check_augment(options.loader.augment, shape.height, shape.width); });
  options.out = folder;
  options.validation = validation;
  if (flags.val_split > 0) {
    options.card.held_out = {.part = flags.val_split, .seed = flags.seed, .images = stored_images_hash(validation)};
  }
  options.text = {{"config", config}};
  options.stop = interrupted;
  if (!start.init.note.empty()) tell(log, start.init.note);
  for (const std::string& note : notes) tell(log, note);
  if (!start.init.skipped_head.empty()) {
    tell(log, fmt::format("{} is for other classes: the head ({}) is trained from scratch", flags.init,
                          start.init.skipped_head));
  }
  const std::string path = data_path(flags.data, flags.dataset).string();
  const std::string what =
      fmt::format("{} on {} ({} images, {} classes), {} threads", flags.model, path.empty() ? flags.dataset : path,
                  counts_of(splits), train.classes(), num_threads());
  Trainer trainer(*start.model, train, test, options);
  write_atomically(folder.config(), config);
  tell(log, what);
  for (const std::string& warning : trainer.warnings()) tell(log, "warning: " + warning);
  if (flags.resume && !resuming) tell(log, "there is no checkpoint yet: starting from the beginning");
  if (resuming) {
    const StepResult at = trainer.progress();
    tell(log, fmt::format("resumed at epoch {}/{}, batch {}/{} (step {})", at.epoch, at.epochs, at.batch, at.batches,
                          at.step));
  }
  Progress progress;
  trainer.on_step([&](const StepResult& step) { progress.show(step); });
  trainer.on_epoch([&](const EpochResult& epoch) {
    progress.clear();
    tell(log, epoch_line(epoch));
  });
  std::optional<TensorBoard> events;
  if (flags.tensorboard) {
    events.emplace(folder, trainer.progress(), *start.model, splits);
    trainer.on_epoch([&](const EpochResult& epoch) { events->add(epoch); });
  }
  if (flags.report) {
    trainer.on_saved([&] {
      write_report(folder, {.why_not = "Pictures of the net come when the run has ended.", .refresh = kRefresh});
    });
  }
  catch_interrupts();
  const Ending ending = trainer.run();
  progress.clear();
  if (flags.report) report_on(folder, ending, splits);
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
    log->error(printable_lines(error.what()));  // the screen gets it from run()
    throw;
  }
}

}  // namespace striate::cli

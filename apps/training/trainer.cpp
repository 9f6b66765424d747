#include "apps/training/trainer.h"

#include <algorithm>
#include <chrono>
#include <sstream>

#include "apps/training/content_hash.h"
#include "apps/training/evaluate.h"
#include "apps/training/first_checks.h"
#include "apps/training/prepare.h"
#include "core/build_info.h"
#include "core/check.h"
#include "core/error.h"
#include "core/printable.h"

namespace striate {
namespace {

// Batch norm's statistics for an average of weights come from the epoch's first batches, up to so many images: the
// error of a mean over these is far below that of one batch, which training lives with.
constexpr std::int64_t kBatchNormImages = 10000;

// The images whose figures are "test" figures.
const Dataset& reported_on(const Dataset& test, const TrainerOptions& options) {
  return test.labels.defined() ? test : options.validation;
}

// The columns of metrics.csv, in the order of Figures.
std::vector<std::string> names_of_figures(const Dataset& test, const TrainerOptions& options,
                                          const std::vector<std::string>& averages) {
  std::vector<std::string> names;
  if (options.validation.labels.defined()) names.emplace_back("val");
  if (test.labels.defined()) names.emplace_back("test");
  const std::string reported = names.back();
  for (const std::string& average : averages) names.push_back(average + "_" + reported);
  return names;
}

// Checked, and with what only the precision and the data tell.
TrainerOptions completed(TrainerOptions options, const Dataset& train, const Dataset& test) {
  const Dataset& reported = reported_on(test, options);
  check_options(options, train, reported);
  options.loader.dtype = options.precision.parameters;
  ModelCard& card = options.card;
  card.class_names = reported.class_names;
  card.precision = to_string(options.precision);
  card.channels = reported.channels();
  card.height = reported.image_shape().height;
  card.width = reported.image_shape().width;
  card.sample_rate = reported.image_shape().sample_rate;
  card.transforms = descriptions(reported.transforms);
  card.normalization = reported.normalization;
  return options;
}

// An optimiser of other tensors would change nothing that the model computes with.
std::unique_ptr<Optimizer> expect_own(std::unique_ptr<Optimizer> optimizer, const Module& model) {
  expect(optimizer != nullptr, "trainer", "an optimizer", "a null pointer");
  const std::vector<NamedTensor> own = model.parameters();
  for (const ParameterGroup& group : optimizer->groups()) {
    for (const NamedTensor& parameter : group.parameters) {
      const bool found = std::any_of(own.begin(), own.end(), [&](const NamedTensor& candidate) {
        return candidate.value.shares_memory_with(parameter.value);
      });
      expect(found, "trainer", "an optimizer made for this model, after the model had its precision",
             parameter.name + " that is not the model's");
    }
  }
  return optimizer;
}

// "epochs: 3, here epochs: 4".
std::string first_difference(const std::string& before, const std::string& now) {
  std::istringstream lines(before);
  std::istringstream others(now);
  std::string line;
  std::string other;
  do {
    if (!std::getline(lines, line)) line = "none";
    if (!std::getline(others, other)) other = "none";
  } while (line == other && lines && others);
  return printable(line) + ", here " + printable(other);
}

}  // namespace

Trainer::Trainer(Layer& model, const Dataset& train, Dataset test, const TrainerOptions& options)
    : Trainer(model, optimizer_for(model, options), train, std::move(test), options) {}

Trainer::Trainer(Layer& model, std::unique_ptr<Optimizer> optimizer, const Dataset& train, Dataset test,
                 TrainerOptions options)
    : options_(completed(std::move(options), train, test)),
      model_((prepare_for_training(model, options_), model)),
      test_(std::move(test)),
      loader_(train, options_.loader),
      images_(images_an_epoch(loader_, options_.loader, train.size())),
      schedule_(schedule_in_steps(options_, images_)),
      optimizer_(expect_own(std::move(optimizer), model)),
      state_{.model = model_, .optimizer = *optimizer_},
      stepper_(model_, state_, running_, options_),
      averages_(model_, options_.averages),
      record_(options_.out, options_.card, names_of_figures(test_, options_, averages_.names()),
              train.is_segmentation()) {
  check_schedule(schedule_);
  check_network(model_, train, options_);
  warnings_ = schedule_doubts(schedule_);
  for (std::string& doubt : class_doubts(train, reported_on(test_, options_))) warnings_.push_back(std::move(doubt));
  if (!options_.out) return;
  state_.text = options_.text;
  state_.text["options"] = result_options(options_);
  state_.text["data"] = content_hash(train);
  if (options_.validation.labels.defined()) state_.text["validation"] = content_hash(options_.validation);
  if (const auto& teacher = options_.objective.distillation.teacher) state_.text["teacher"] = content_hash(*teacher);
  if (!options_.out->warning().empty()) warnings_.push_back(options_.out->warning());
  const bool resuming = holds_run_to_resume(*options_.out, options_.resume);
  check_disk_space(*options_.out, model_, *optimizer_, averages_.names().size());
  if (resuming) resume();
  record_.write_metrics();  // throws where nothing can be written
}

void Trainer::resume() {
  const std::string path = options_.out->checkpoint().string();
  auto saved = checkpoint_text(path);
  auto& now = state_.text;
  if (!saved["data"].empty() && saved["data"].find("xxh3") == std::string::npos) {
    throw FileError(path,
                    "is of an earlier version of striate, which knew images by another hash; resume it with that "
                    "version, or begin a new run from its weights");
  }
  for (const auto& [key, what] : {std::pair{"data", "other images"},
                                  {"validation", "other validation images"},
                                  {"teacher", "another teacher"},
                                  {"options", "other options"}}) {
    if (saved[key] == now[key]) continue;
    throw FileError(path, std::string("the run began with ") + what + ": " + first_difference(saved[key], now[key]) +
                              "; give the same, or another folder");
  }
  record_.load(state_, running_, stepper_.update(), averages_);
  if (state_.build != build_info()) {
    warnings_.push_back("the checkpoint was written by another build (" + printable(state_.build) + ", this one is " +
                        build_info() + "): the last bits of results may differ from an uninterrupted run's");
  }
}

StepResult Trainer::progress() const {
  return {.step = state_.step,
          .epoch = std::min(state_.epoch + 1, options_.epochs),
          .epochs = options_.epochs,
          .batch = state_.position,
          .batches = loader_.batches_per_epoch(),
          .loss = stepper_.loss(),
          .learning_rate = running_.learning_rate,
          .metrics = running_};
}

Ending Trainer::run() try {
  // A killed run may have saved its best epoch and not the weights.
  if (at_best()) record_.save_weights(model_, averages_, true);
  Ending ending = Ending::finished;
  while (ending == Ending::finished && state_.epoch < options_.epochs && !out_of_patience()) ending = run_epoch();
  if (ending == Ending::finished && state_.epoch < options_.epochs) ending = Ending::patience;
  if (ending == Ending::max_steps || ending == Ending::stopped) save();
  // Also of a finished run, which may have been killed between its last checkpoint and its weights.
  record_.save_weights(model_, averages_, at_best());
  if (ending == Ending::max_steps && state_.position > 0) {
    record_.write_metrics(
        Record::row(state_, running_, Figures(names_of_figures(test_, options_, averages_.names()).size())));
  }
  return ending;
} catch (const DivergedError& error) {
  throw DivergedError(std::string(error.what()) + " " + record_.what_is_kept());
}

// Trains what is left of the epoch and evaluates. The model, the position and the running metrics always
// belong together between two steps, and so any of these returns may be saved.
Ending Trainer::run_epoch() {
  const auto steps_used_up = [&] { return options_.max_steps > 0 && state_.step >= options_.max_steps; };
  loader_.start_epoch(state_.epoch, state_.position);
  while (state_.position < loader_.batches_per_epoch()) {
    if (options_.stop()) return Ending::stopped;
    if (steps_used_up()) return Ending::max_steps;
    train_step();
  }
  const auto figures = test();
  if (!figures) return Ending::stopped;
  finish_epoch(*figures);
  return Ending::finished;
}

void Trainer::train_step() {
  const auto start = std::chrono::steady_clock::now();
  const std::int64_t images = images_of_update(options_, images_, state_.position);
  const std::int64_t step = state_.step + 1;
  stepper_.step(loader_, images, learning_rate(schedule_, step), step == schedule_.total_steps);
  averages_.after_step();
  running_.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  for (const auto& hook : step_hooks_) hook(progress());
  if (record_.older_than(options_.checkpoint_minutes)) save();
}

// Nothing where it was stopped: a resumed run tests again, from the beginning.
std::optional<Trainer::Figures> Trainer::test() {
  Figures figures;
  if (options_.validation.labels.defined()) figures.push_back(evaluated(options_.validation));
  if (test_.labels.defined()) figures.push_back(evaluated(test_));
  averages_.after_epoch(state_.epoch);
  for (const std::string& name : averages_.names()) {
    const bool averaged = averages_.with(name, [&] {
      if (name == Averages::swa) refresh_batch_norm();
      figures.push_back(evaluated(reported_on(test_, options_)));
    });
    if (!averaged) figures.emplace_back();
  }
  return options_.stop() ? std::nullopt : std::optional(figures);
}

std::optional<Evaluation> Trainer::evaluated(const Dataset& images) {
  return evaluate(model_, images,
                  {.activations = options_.precision.activations,
                   .batch_size = options_.loader.batch_size,
                   .workers = options_.loader.workers,
                   .stop = options_.stop});
}

bool Trainer::out_of_patience() const {
  return options_.patience > 0 && state_.epoch - record_.best().epoch >= options_.patience;
}

bool Trainer::at_best() const {
  return state_.position == 0 && state_.epoch > 0 && record_.best().epoch == state_.epoch;
}

void Trainer::refresh_batch_norm() {
  loader_.start_epoch(state_.epoch);
  std::int64_t images = 0;
  update_batch_norm(model_, [&] {
    Batch batch;
    if (images >= kBatchNormImages || options_.stop() || !loader_.next(batch)) return Tensor();
    images += batch.size();
    return as_input(batch.images, options_.precision.activations);
  });
}

void Trainer::finish_epoch(const Figures& figures) {
  const std::vector<std::string> names = averages_.names();
  const std::size_t plain = figures.size() - names.size();
  EpochResult result{progress(), *figures[plain - 1]};
  result.loss_scale = stepper_.update().describe();
  if (options_.validation.labels.defined()) {
    result.validation = figures[0];
    record_.note_validation(result.epoch, result.validation->score());
    result.best = record_.best();
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (const auto& figure = figures[plain + i]) result.averages.emplace_back(names[i], *figure);
  }
  for (const auto& hook : epoch_hooks_) hook(result);
  record_.add_row(Record::row(state_, running_, figures));
  ++state_.epoch;
  state_.position = 0;
  running_ = {.learning_rate = running_.learning_rate};
  save();
  record_.write_metrics();
  record_.save_weights(model_, averages_, at_best());
  for (const auto& hook : saved_hooks_) hook();
}

void Trainer::save() {
  stepper_.check_finite();
  record_.save(state_, running_, stepper_.update(), averages_);
}

}  // namespace striate

#include "apps/cli/train_options.h"

#include <algorithm>

#include "apps/cli/command_line.h"
#include "apps/cli/conv_flag.h"
#include "core/joined.h"
#include "models/registry.h"
#include "optim/schedule.h"

namespace striate::cli {
namespace {

// A flag that shows its default.
template <class T>
CLI::Option* add(CLI::App& app, const std::string& flag, T& value, const std::string& help) {
  return app.add_option("--" + flag, value, help)->capture_default_str();
}

void add_model_flags(CLI::App& app, TrainOptions& o) {
  app.option_defaults()->group("Model");
  add(app, "model", o.model, joined(model_names()));
  add(app, "width-multiplier", o.width_multiplier, "Factor on all channel counts");
  add(app, "dropout", o.dropout, "Probability before the last layer");
  app.add_flag("--zero-gamma", o.zero_gamma, "Residual blocks start as their shortcut");
  app.add_flag("--whiten", o.whiten, "The first convolution starts as one that whitens the training images");
  add(app, "precision", o.precision, "fp32, bf16, fp16 or fp64");
  add(app, "loss-scale", o.loss_scale, "A number, dynamic (as PyTorch's GradScaler), or automatic: dynamic for fp16");
  add_conv_flag(app, o.conv);
  add(app, "seed", o.seed, "Fixes the run, byte for byte");
}

void add_optimiser_flags(CLI::App& app, TrainOptions& o) {
  app.option_defaults()->group("Optimiser");
  add(app, "epochs", o.epochs, "Passes over the training set");
  add(app, "batch-size", o.batch_size, "Images a batch; the last partial batch is kept");
  add(app, "accumulate", o.accumulate, "Batches an update; all counts of steps are of updates");
  add(app, "momentum", o.momentum, "SGD momentum");
  app.add_flag("--nesterov,!--no-nesterov", o.nesterov, "Nesterov momentum (default on)")->default_str("true");
  add(app, "weight-decay", o.weight_decay, "L2 penalty, as PyTorch's SGD");
  app.add_flag("--no-bias-decay", o.no_bias_decay, "Weight decay on conv and linear weights only");
  add(app, "clip-norm", o.clip_norm, "Clip the gradient's total L2 norm; 0: off");
}

void add_rate_flags(CLI::App& app, TrainOptions& o) {
  app.option_defaults()->group("Learning rate");
  add(app, "lr", o.lr, "The schedule's highest learning rate");
  add(app, "base-batch-size", o.base_batch_size,
      "Rates are for updates of so many images: they grow by an update's images / base-batch-size; 0: off");
  add(app, "head-lr", o.head_lr, "The classifier's highest rate; 0: as --lr");
  add(app, "norm-lr-scale", o.norm_lr_scale, "Factor on the rate of the norms' scales and shifts");
  add(app, "schedule", o.schedule, joined(schedule_names()));
  add(app, "warmup-epochs", o.warmup_epochs, "Epochs of linear warmup from 0");
  add(app, "step-size", o.step_size, "schedule step: epochs between drops");
  add(app, "gamma", o.gamma, "schedules step, multistep, exponential: factor of a drop");
  app.add_option("--milestones", o.milestones, "schedule multistep: epochs of the drops, \"60,90\"");
  add(app, "power", o.power, "schedule poly: the exponent");
}

void add_data_flags(CLI::App& app, TrainOptions& o) {
  app.option_defaults()->group("Data");
  app.add_option("--data", o.data, "CIFAR-10's binary files, or a folder with train/CLASS/IMAGE and test/CLASS/IMAGE");
  app.add_option("--classes", o.classes, "Only these, in this order: \"cat,dog\"");
  add(app, "per-class", o.per_class, "Only the first so many training images of each class; 0: all");
  app.add_flag("--no-shuffle", o.no_shuffle, "Take images in the files' order");
  add(app, "augment", o.augment, "standard (crop with padding 4, and flip) or none");
  add(app, "pad", o.pad, "augment standard: what a crop finds outside the image, zero or reflect");
  add(app, "flip", o.flip, "augment standard: random, alternating (by epoch) or none");
  add(app, "cutout", o.cutout, "Side of a square set to zero; 0: off");
  add(app, "mixup", o.mixup, "lambda from Beta(A, A); 0: off")->type_name("A");
  add(app, "cutmix", o.cutmix, "lambda from Beta(A, A); with --mixup each batch gets one of them; 0: off")
      ->type_name("A");
}

void add_loss_flags(CLI::App& app, TrainOptions& o) {
  app.option_defaults()->group("Loss");
  add(app, "label-smoothing", o.label_smoothing, "Share E of the target spread over the classes");
  add(app, "label-smoothing-form", o.label_smoothing_form,
      "pytorch (E/K to each of K) or paper (E/(K-1) to the others)");
  app.add_option("--teacher", o.teacher, "Add distillation from the model of these weights")->type_name("WEIGHTS");
  add(app, "temperature", o.temperature, "Of teacher and student in distillation")->type_name("T");
  add(app, "distill-weight", o.distill_weight, "Factor A: loss + A * T^2 * cross entropy with the teacher")
      ->type_name("A");
}

void add_transfer_flags(CLI::App& app, TrainOptions& o) {
  app.option_defaults()->group("Transfer learning");
  app.add_option("--init", o.init, "Start from these weights (safetensors); a head for other classes is left out")
      ->type_name("WEIGHTS");
  app.add_option("--freeze", o.freeze,
                 "Keep what is below these paths as it is, running statistics too: \"features.0\"")
      ->type_name("PREFIX,...");
}

void add_average_flags(CLI::App& app, TrainOptions& o) {
  app.option_defaults()->group("Averages of weights, tested and saved beside the plain ones");
  add(app, "ema", o.ema, "Exponential average with this decay an update; 0: off");
  add(app, "swa-from", o.swa_from,
      "Mean of the weights at the ends of this epoch and of later ones, with new batch-norm statistics; 0: off");
}

void add_run_flags(CLI::App& app, TrainOptions& o) {
  app.option_defaults()->group("Run");
  app.add_option("--out", o.out, "Folder of the run (default runs/MODEL)");
  add_threads_flag(app, o.threads);
  add(app, "workers", o.workers, "Threads that prepare batches; 0: none");
  add(app, "max-steps", o.max_steps, "Stop after so many updates of the run; 0: at its end");
  add(app, "checkpoint-minutes", o.checkpoint_minutes, "Save within an epoch that often");
  app.add_flag("--resume", o.resume,
               "Go on from the checkpoint in --out, with its flags; what the interrupted run would have given");
}

}  // namespace

void add_train_flags(CLI::App& app, TrainOptions& options) {
  add_model_flags(app, options);
  add_optimiser_flags(app, options);
  add_rate_flags(app, options);
  add_data_flags(app, options);
  add_loss_flags(app, options);
  add_transfer_flags(app, options);
  add_average_flags(app, options);
  add_run_flags(app, options);
}

bool may_change_on_resume(const std::string& flag) {
  const std::vector<std::string> free = {
      "data", "teacher", "out", "threads", "workers", "max-steps", "checkpoint-minutes", "resume"};
  return std::find(free.begin(), free.end(), flag) != free.end();
}

std::vector<std::string> comma_list(const std::string& text, const std::string& flag) {
  if (text.empty()) return {};
  std::vector<std::string> items = split(text, ',');
  const bool whole = std::find(items.begin(), items.end(), "") == items.end();
  require(whole, flag, "names with commas between them", text);
  return items;
}

}  // namespace striate::cli

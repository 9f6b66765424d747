#include "apps/cli/train_setup.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "apps/cli/progress.h"
#include "apps/cli/shared_flags.h"
#include "core/error.h"
#include "core/random.h"
#include "core/safetensors.h"
#include "core/text.h"
#include "data/subset.h"
#include "data/whitening.h"
#include "models/registry.h"
#include "optim/registry.h"

namespace striate::cli {
namespace {

// torchvision evaluates ImageNet's nets on 224 pixels of 256.
constexpr double kCropPct = 0.875;

// A flag that stands for an option.
struct Shorthand {
  const char* flag;
  const char* option;
  OptionText value;
  bool on;  ///< whether it says something
};

// The options of `spec` and those that flags stand for.
NamedOptions with_shorthands(const std::string& flag, const std::string& spec, const std::vector<Shorthand>& flags) {
  NamedOptions options = in_flag(flag, [&] { return parse_name_and_options(spec).options; });
  for (const Shorthand& shorthand : flags) {
    if (!shorthand.on) continue;
    if (options.has(shorthand.option)) {
      throw UsageError(
          fmt::format("--{} and --{} {} both set {}; give one of them", shorthand.flag, flag, spec, shorthand.option));
    }
    options.set(shorthand.option, shorthand.value);
  }
  return options;
}

std::vector<Shorthand> model_shorthands(const TrainFlags& f) {
  return {{"width-multiplier", "width_multiplier", f.width_multiplier, f.width_multiplier != 1},
          {"dropout", "dropout", f.dropout, f.dropout != 0},
          {"zero-gamma", "zero_gamma", f.zero_gamma, f.zero_gamma}};
}

std::unique_ptr<Layer> new_model(const TrainFlags& flags, const Dataset& train) {
  try {
    return make_model(name_part(flags.model), {.classes = train.classes(),
                                               .in_channels = train.channels(),
                                               .height = train.image_shape().height,
                                               .width = train.image_shape().width,
                                               .options = model_options(flags)});
  } catch (const std::invalid_argument& error) {
    const std::string message = error.what();
    std::string flag = "model";
    for (const Shorthand& shorthand : model_shorthands(flags)) {
      if (shorthand.on && message.find(std::string("no option ") + shorthand.option) != std::string::npos)
        flag = shorthand.flag;
    }
    throw UsageError("--" + flag + ": " + message);
  }
}

// (R,S,C,K) of the images, as every convolutional model's first.
void whiten(Module& model, const Dataset& train) {
  for (const NamedTensor& parameter : model.parameters()) {
    if (parameter.value.rank() == 4) return whiten_(parameter.value, train);
  }
  throw UsageError("--whiten needs a model that begins with a convolution");
}

// A learning rate that no parameter would get is a mistake of the user's.
void expect_other_rates(const Module& model, const GroupOptions& groups, const std::string& flag,
                        const std::string& whom) {
  const auto made = make_groups(model, groups);
  const bool any =
      std::any_of(made.begin(), made.end(), [](const ParameterGroup& group) { return group.lr_scale != 1; });
  if (!any) throw UsageError("--" + flag + " needs a model with " + whom + ", and not all of it under --freeze");
}

GroupOptions group_options(const TrainFlags& flags, Module& model) {
  const GroupOptions plain{.weight_decay = flags.weight_decay,
                           .no_bias_decay = flags.no_bias_decay,
                           .frozen = list_of(flags.freeze, "freeze")};
  in_flag("freeze", [&] {
    set_frozen(model, plain.frozen);
    return make_groups(model, plain);
  });
  GroupOptions groups = plain;
  if (flags.head_lr > 0 && flags.head_lr != flags.lr) {
    groups.head = model.head();
    groups.head_lr_scale = flags.head_lr / flags.lr;
    require(std::isfinite(groups.head_lr_scale), "head-lr", fmt::format("a finite multiple of --lr {}", flags.lr),
            fmt::format("{}", flags.head_lr));
    expect_other_rates(model, groups, "head-lr", "a head");
  }
  if (flags.norm_lr_scale != 1) {
    GroupOptions norms = plain;
    norms.norm_lr_scale = flags.norm_lr_scale;
    expect_other_rates(model, norms, "norm-lr-scale", "norms");
    groups.norm_lr_scale = flags.norm_lr_scale;
  }
  return groups;
}

// A random_resized_crop of the user's takes the pictures as they are stored.
bool crops_by_transform(const TrainFlags& flags) {
  const Transforms transforms = transforms_of(flags.transform);
  return std::any_of(transforms.begin(), transforms.end(), [](const auto& transform) {
    return name_part(transform->description()) == "random_resized_crop";
  });
}

// Whether training crops a random part of every picture and resizes it, instead of a crop from the padded image.
bool crops_and_resizes(const TrainFlags& flags) {
  const bool by_policy = flags.augment == "trivial" || flags.augment == "rand";
  return crops_by_transform(flags) || flags.augment == "imagenet" || (by_policy && flags.image_size > 0);
}

AugmentOptions augment_of(const TrainFlags& flags, bool recordings) {
  AugmentOptions augment;
  if (flags.augment != "none" && !recordings) {
    augment = AugmentOptions::standard();
    if (crops_and_resizes(flags)) augment.crop_padding = 0;
    if (flags.pad == "reflect") augment.pad_mode = PadMode::reflect;
    if (flags.flip == "none") augment.flip = FlipMode::none;
    if (flags.flip == "alternating") augment.flip = FlipMode::alternating;
  }
  augment.cutout = flags.cutout;
  augment.erasing = flags.random_erase;
  return augment;
}

// The standard augmentation, which is the default, is for pictures, and recordings go without it.
void expect_fit_for_recordings(const TrainFlags& flags) {
  for (const auto& [flag, value] : {std::pair{"augment", flags.augment}, {"flip", flags.flip}, {"pad", flags.pad}}) {
    if (flags.given_here.contains(flag) && value != "none") {
      throw UsageError(
          fmt::format("--{} {} is for pictures; for recordings there is --transform "
                      "\"random_shift:max=0.1;random_gain\"",
                      flag, value));
    }
  }
  if (flags.image_size > 0) {
    throw UsageError(
        "--image-size is for pictures; the length of recordings is an option: --dataset "
        "audio-folder:length=16000");
  }
}

// How training brings pictures to their size, and the policy of --augment.
void set_training_transforms(const TrainFlags& flags, Dataset& train) {
  const ImageShape stored = train.stored_shape();
  if (crops_by_transform(flags)) {
    train.transforms = transforms_of(flags.transform);
  } else if (crops_and_resizes(flags)) {
    const std::int64_t side = flags.image_size > 0 ? flags.image_size : stored.height;
    require(side > 0 && (flags.image_size > 0 || side == stored.width), "augment",
            "an --image-size with " + flags.augment + ", for images that are not squares of one size",
            to_string(stored));
    train.transforms = make_transforms({fmt::format("random_resized_crop:size={}", side)});
  }
  if (flags.augment == "trivial") train.transforms.push_back(make_transform("trivial_augment_wide"));
  if (flags.augment == "rand") train.transforms.push_back(make_transform("rand_augment"));
}

// How evaluation does: by the centre of the resized picture.
void set_evaluation_transforms(const TrainFlags& flags, Dataset& images) {
  const std::int64_t side = flags.image_size;
  if (side == 0 || !images.labels.defined()) return;
  const double part = flags.crop_pct > 0 ? flags.crop_pct : crops_and_resizes(flags) ? kCropPct : 1;
  images.transforms.clear();
  if (part == 1 && images.stored_shape() == ImageShape{side, side, images.channels()}) return;
  const auto resized = std::llround(static_cast<double>(side) / part);
  images.transforms =
      make_transforms({fmt::format("resize:size={}", resized), fmt::format("center_crop:size={}", side)});
}

// A line more where the weights of --init were trained on images of another normalisation.
void compare_images(const TrainFlags& flags, const Dataset& train, InitResult& init) {
  if (init.normalization.mean.empty() || init.normalization == train.normalization) return;
  init.note +=
      fmt::format("{}warning: by its file --init {} is for images of {}; these are of {}",
                  init.note.empty() ? "" : "\n", flags.init, text_of(init.normalization), text_of(train.normalization));
}

// What does not fit may be the images alone.
InitResult first_values(const TrainFlags& flags, Module& model, const Dataset& train) {
  try {
    return init_from(flags.init, model, train.class_names);
  } catch (const FileError& error) {
    const Metadata metadata = read_safetensors_metadata(flags.init);
    const auto found = metadata.find("channels");
    const auto channels = found == metadata.end() ? std::nullopt : number_in<std::int64_t>(found->second);
    if (!channels || *channels == train.channels()) throw;
    throw std::runtime_error(
        fmt::format("{}\nThese weights are for images of {} channels, and the training images have {}{}", error.what(),
                    *channels, train.channels(), channels_advice(flags.data, flags.dataset, *channels)));
  }
}

DistillationOptions distillation_of(const TrainFlags& flags, const Dataset& train, std::vector<std::string>& notes) {
  if (flags.teacher.empty()) return {};
  const std::uint64_t draws = default_generator().draws;
  LoadedModel teacher = load_weights(flags.teacher, {.precision = flags.precision});
  // The draws of the teacher's first values count twice, as they always have: the masks of dropout hang on the count,
  // and so do the bytes of a run that has both.
  default_generator().draws += default_generator().draws - draws;
  const ModelCard& card = teacher.card;
  if (card.class_names != train.class_names && card.class_names != numbered_classes(train.class_names.size())) {
    throw UsageError(fmt::format("--teacher {} was trained on other classes ({}) than these images have ({})",
                                 flags.teacher, joined(card.class_names), joined(train.class_names)));
  }
  if (!teacher.note.empty()) notes.push_back(teacher.note);
  const ImageShape shape = input_shape(card);
  if (shape != train.image_shape() || card.normalization != train.normalization) {
    const std::string advice =
        card.channels == train.channels() ? "" : channels_advice(flags.data, flags.dataset, card.channels);
    notes.push_back(fmt::format("warning: by its file --teacher {} is for images of {}, {}; these are of {}, {}{}",
                                flags.teacher, to_string(shape), text_of(card.normalization),
                                to_string(train.image_shape()), text_of(train.normalization), advice));
  }
  return {.teacher = std::move(teacher.model),
          .activations = teacher.precision.activations,
          .temperature = flags.temperature,
          .weight = flags.distill_weight};
}

}  // namespace

std::optional<LossScalerOptions> loss_scale_of(const std::string& text) {
  if (text == "automatic") return std::nullopt;
  if (text == "dynamic") return LossScalerOptions{};
  const double scale = number_in<double>(text).value_or(0);
  const bool fits = scale >= std::numeric_limits<float>::min() && scale <= std::numeric_limits<float>::max();
  require(fits, "loss-scale", "automatic, dynamic or a number from 1.2e-38 to 3.4e38", text);
  return LossScalerOptions{.init_scale = scale, .dynamic = false};
}

std::vector<std::int64_t> milestones_of(const std::string& text) {
  std::vector<std::int64_t> epochs;
  for (const std::string& item : list_of(text, "milestones")) {
    const auto epoch = number_in<std::int64_t>(item);
    require(epoch && *epoch >= 0, "milestones", "epochs like 60,90", text);
    epochs.push_back(*epoch);
  }
  return epochs;
}

Transforms transforms_of(const std::string& text) {
  Transforms transforms;
  for (const std::string& item : list_of(text, "transform", ';')) {
    transforms.push_back(in_flag("transform", [&] { return make_transform(item); }));
  }
  return transforms;
}

std::string optimizer_of(const TrainFlags& f) {
  const std::string name = name_part(f.optimizer);
  const auto given = [&](const char* flag) { return f.given.contains(flag); };
  NamedOptions options = with_shorthands("optimizer", f.optimizer,
                                         {{"momentum", "momentum", f.momentum, given("momentum")},
                                          {"nesterov", "nesterov", f.nesterov, given("nesterov")},
                                          {"beta1", "beta1", f.beta1, given("beta1")},
                                          {"beta2", "beta2", f.beta2, given("beta2")},
                                          {"eps", "eps", f.eps, given("eps")}});
  if (name == "sgd") {
    options = options.with_defaults({{"momentum", f.momentum}, {"nesterov", f.nesterov}});
    // On by default, and not refused where there is no momentum to be used so.
    const bool spelled_out = parse_name_and_options(f.optimizer).options.has("nesterov");
    if (!spelled_out && options.real("momentum", 0) == 0) options.set("nesterov", false);
  }
  const std::string all = options.empty() ? name : name + ":" + to_string(options);
  in_flag("optimizer", [&] { return make_optimizer(all, {}); });
  return all;
}

NamedOptions model_options(const TrainFlags& flags) {
  return with_shorthands("model", flags.model, model_shorthands(flags));
}

DataOptions data_options(const TrainFlags& flags) {
  return {.image_size = flags.image_size,
          .max_pixels = flags.max_pixels,
          .skip_broken = flags.skip_broken,
          .cache_bytes = flags.cache << 20};
}

Splits load_data(const TrainFlags& flags) {
  Progress progress;
  DataOptions reading = data_options(flags);
  reading.progress = [&](const std::string& line) { progress.show(line); };
  const auto load = [&] {
    return load_splits(data_path(flags.data, flags.dataset), flags.dataset, reading,
                       {.validation = flags.val_split,
                        .seed = flags.seed,
                        .classes = list_of(flags.classes, "classes"),
                        .measure_normalization = flags.mean.empty() || flags.deviation.empty()});
  };
  Splits splits = flags.dataset.empty() ? load() : in_flag("dataset", load);
  for (Dataset* split : {&splits.train, &splits.validation, &splits.test}) {
    if (!split->labels.defined()) continue;
    if (!flags.classes.empty()) {
      *split = in_flag("classes", [&] { return choose_classes(*split, list_of(flags.classes, "classes")); });
    }
    split->normalization = normalization_of(flags.mean, flags.deviation, split->normalization, split->channels());
  }
  if (flags.per_class > 0) splits.train = first_per_class(splits.train, flags.per_class);
  if (splits.train.stored_shape().is_recording()) expect_fit_for_recordings(flags);
  set_training_transforms(flags, splits.train);
  for (Dataset* split : {&splits.validation, &splits.test}) set_evaluation_transforms(flags, *split);
  return splits;
}

LoaderOptions loader_options(const TrainFlags& flags, const Dataset& train) {
  return {.batch_size = flags.batch_size,
          .shuffle = !flags.no_shuffle,
          .drop_last = flags.drop_last,
          .seed = flags.seed,
          .transforms = crops_by_transform(flags) ? Transforms{} : transforms_of(flags.transform),
          .augment = augment_of(flags, train.stored_shape().is_recording()),
          .mixup = flags.mixup,
          .cutmix = flags.cutmix,
          .workers = static_cast<int>(flags.workers)};
}

StartingModel starting_model(const TrainFlags& flags, const Dataset& train, bool resuming) {
  StartingModel start{.model = new_model(flags, train)};
  start.model->to(precision_of(flags.precision).parameters);
  if (resuming) return start;
  if (!flags.init.empty()) {
    start.init = first_values(flags, *start.model, train);
    compare_images(flags, train, start.init);
  }
  if (flags.whiten) in_flag("whiten", [&] { whiten(*start.model, train); });
  return start;
}

TrainerOptions trainer_options(const TrainFlags& flags, Module& model, const Dataset& train,
                               std::vector<std::string>& notes) {
  return {.epochs = flags.epochs,
          .max_steps = flags.max_steps,
          .patience = flags.patience,
          .loader = loader_options(flags, train),
          .objective = {.label_smoothing = flags.label_smoothing,
                        .smoothing_form =
                            flags.label_smoothing_form == "paper" ? SmoothingForm::paper : SmoothingForm::pytorch,
                        .class_weights =
                            flags.class_balance > 0 ? balanced_class_weights(train, flags.class_balance) : Tensor(),
                        .distillation = distillation_of(flags, train, notes)},
          .optimizer = optimizer_of(flags),
          .groups = group_options(flags, model),
          .accumulate = flags.accumulate,
          .clip_norm = flags.clip_norm,
          .averages = {.ema_decay = flags.ema, .swa_from = flags.swa_from},
          .schedule = {.kind = flags.schedule,
                       .lr = flags.lr,
                       .step_size = flags.step_size,
                       .gamma = flags.gamma,
                       .milestones = milestones_of(flags.milestones),
                       .power = flags.power},
          .warmup_epochs = flags.warmup_epochs,
          .base_batch_size = flags.base_batch_size,
          .precision = precision_of(flags.precision),
          .loss_scale = loss_scale_of(flags.loss_scale),
          .resume = flags.resume,
          .checkpoint_minutes = flags.checkpoint_minutes,
          .card = {.model = name_part(flags.model), .options = model_options(flags)}};
}

}  // namespace striate::cli

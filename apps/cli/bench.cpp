// `striate bench`: speed of training and inference on noise. apps/bench/layers.h takes a step apart.

#include <spdlog/fmt/fmt.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "apps/bench/layers.h"
#include "apps/cli/commands.h"
#include "apps/cli/screen.h"
#include "apps/cli/shared_flags.h"
#include "apps/training/evaluate.h"
#include "core/autograd.h"
#include "core/parallel.h"
#include "core/precision.h"
#include "core/profile.h"
#include "core/random.h"
#include "core/text.h"
#include "layers/cross_entropy.h"
#include "layers/init.h"
#include "optim/registry.h"

namespace striate::cli {
namespace {

struct BenchOptions {
  ModelFlags model{.model = "vgg16", .precision = "fp32", .input = "32x32x3"};
  std::string optimizer = "sgd:momentum=0.9,nesterov=true";
  std::int64_t batch_size = 128;
  std::int64_t steps = 5;
  std::int64_t threads = 0;
  std::string conv = "automatic";
  bool layers = false;
  bool json = false;
};

struct Throughput {
  double median;
  double best;
};

BenchOptions parse_bench(const Arguments& arguments) {
  BenchOptions options;
  CLI::App app("Measures images/s of training steps (forward, backward, update) and of inference on noise.", "bench");
  add_model_flags(app, options.model);
  app.add_option("--optimizer", options.optimizer, "Optimiser by name, with its options: " + joined(optimizer_names()))
      ->capture_default_str();
  app.add_option("--batch-size", options.batch_size, "Images a step")->capture_default_str();
  add_threads_flag(app, options.threads);
  app.add_option("--steps", options.steps, "Timed steps, after two that are not")->capture_default_str();
  app.add_option("--conv", options.conv, conv_flag_help())->capture_default_str();
  app.add_flag("--layers", options.layers, "Then show where the time of a training step goes");
  app.add_flag("--json", options.json, "Print one JSON object");
  parse(app, arguments);
  one_of("precision", options.model.precision, precision_names());
  at_least("steps", options.steps, 1);
  within("batch-size", options.batch_size, 1, kMostCounted);
  return options;
}

Throughput measure(const BenchOptions& options, const std::function<void()>& step) {
  seconds_of(2, step);  // warmup
  const std::vector<double> seconds = seconds_of(options.steps, step);
  const auto images = static_cast<double>(options.batch_size);
  return {images / median(seconds), images / *std::min_element(seconds.begin(), seconds.end())};
}

double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// One for every row of logits.
Tensor random_labels(const Shape& logits) {
  Tensor labels = Tensor::empty({logits.begin(), logits.end() - 1}, DType::i64);
  auto* values = labels.mutable_data<std::int64_t>();
  const RandomStream stream = default_generator().next();
  for (std::int64_t i = 0; i < labels.numel(); ++i) values[i] = stream.below(static_cast<std::uint64_t>(i), 10);
  return labels;
}

// One step, in the spans that --layers shows.
void train_step(Layer& model, const Tensor& images, DType activations, const Tensor& labels, Optimizer& optimizer) {
  const ProfileSpan rest("step", "rest");
  optimizer.zero_grad();
  const Tensor logits = model(as_input(images, activations));
  const Tensor loss = [&] {
    const ProfileSpan span("loss", "forward");
    return cross_entropy(logits, labels, {.label_smoothing = 0.1});
  }();
  loss.backward();
  const ProfileSpan span("optimiser", "update");
  optimizer.step();
}

}  // namespace

int run_bench(const Arguments& arguments) {
  const BenchOptions options = parse_bench(arguments);
  const ConvAlgorithmOverride conv(conv_algorithm_of(options.conv));
  use_threads(options.threads);
  const Precision precision = precision_of(options.model.precision);
  const auto model = make_model(options.model.model, model_options(options.model));
  model->to(precision.parameters);
  const auto optimizer = in_flag("optimizer", [&] {
    return make_optimizer(options.optimizer, {{.parameters = model->parameters(), .lr = 0.05, .weight_decay = 5e-4}});
  });
  Shape shape = input_of(options.model);
  shape.insert(shape.begin(), options.batch_size);
  Tensor images = Tensor::empty(shape, precision.parameters);
  normal_(images, 0, 1);
  const auto infer_once = [&] {
    const NoGradGuard no_grad;
    return (*model)(as_input(images, precision.activations));
  };
  const Tensor labels = random_labels(infer_once().shape());

  const auto step = [&] { train_step(*model, images, precision.activations, labels, *optimizer); };
  const Throughput train = measure(options, step);
  optimizer->zero_grad();
  model->eval();
  const Throughput infer = measure(options, infer_once);
  nlohmann::json result = {{"model", options.model.model},   {"precision", options.model.precision},
                           {"optimizer", options.optimizer}, {"input", options.model.input},
                           {"conv", options.conv},           {"batch_size", options.batch_size},
                           {"threads", num_threads()},       {"train_median", train.median},
                           {"train_best", train.best},       {"infer_median", infer.median},
                           {"infer_best", infer.best},       {"peak_mib", peak_mib()}};
  if (!options.json) {
    show(
        "{} {} batch {} on {} threads: training {:.1f} images/s (best {:.1f}), inference {:.1f} (best "
        "{:.1f}), peak memory {:.0f} MiB\n",
        options.model.model, options.model.precision, options.batch_size, num_threads(), train.median, train.best,
        infer.median, infer.best, peak_mib());
  }
  if (options.layers) {
    model->train();
    StepTimes times = time_parts(*model, as_input(images, precision.activations), options.steps, step);
    times.peak = measured_peak(precision.activations);
    times.loader = loader_milliseconds(shape, precision.parameters);
    add_times(times, result);
    if (!options.json) show("{}", format_times(times));
  }
  if (options.json) show("{}\n", result.dump());
  return 0;
}

}  // namespace striate::cli

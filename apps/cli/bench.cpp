#include <spdlog/fmt/fmt.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>

#include "apps/bench/layers.h"
#include "apps/bench/peak.h"
#include "apps/cli/commands.h"
#include "apps/cli/conv_flag.h"
#include "apps/training/evaluate.h"
#include "core/precision.h"
#include "core/autograd.h"
#include "core/parallel.h"
#include "core/profile.h"
#include "core/random.h"
#include "layers/cross_entropy.h"
#include "layers/init.h"
#include "models/registry.h"
#include "optim/sgd.h"

namespace striate::cli {
namespace {

struct BenchOptions {
  std::string model = "vgg16";
  std::string precision = "fp32";
  double width_multiplier = 1;
  std::int64_t batch_size = 128;
  std::int64_t steps = 5;
  int threads = 0;
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
  CLI::App app("Measures images/s of training steps (forward, backward, SGD) and of inference on 32x32 noise.",
               "bench");
  app.add_option("--model", options.model, "Model by name")->capture_default_str();
  app.add_option("--width-multiplier", options.width_multiplier, "Factor on all channel counts")->capture_default_str();
  app.add_option("--batch-size", options.batch_size, "Images a step")->capture_default_str();
  app.add_option("--precision", options.precision, "fp32, bf16, fp16 or fp64")->capture_default_str();
  add_threads_flag(app, options.threads);
  app.add_option("--steps", options.steps, "Timed steps, after two that are not")->capture_default_str();
  add_conv_flag(app, options.conv);
  app.add_flag("--layers", options.layers, "Then show where the time of a training step goes");
  app.add_flag("--json", options.json, "Print one JSON object");
  parse(app, arguments);
  at_least("steps", options.steps, 1);
  at_least("batch-size", options.batch_size, 1);
  return options;
}

Throughput measure(const BenchOptions& options, const std::function<void()>& step) {
  for (int warmup = 0; warmup < 2; ++warmup) step();
  std::vector<double> seconds;
  for (std::int64_t i = 0; i < options.steps; ++i) {
    const auto start = std::chrono::steady_clock::now();
    step();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  const auto images = static_cast<double>(options.batch_size);
  return {images / seconds[seconds.size() / 2], images / seconds.front()};
}

double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

Tensor random_labels(std::int64_t count) {
  Tensor labels = Tensor::empty({count}, DType::i64);
  auto* values = labels.mutable_data<std::int64_t>();
  const RandomStream stream = default_generator().next();
  for (std::int64_t i = 0; i < count; ++i) values[i] = stream.below(static_cast<std::uint64_t>(i), 10);
  return labels;
}

// One step, in the spans that --layers shows.
void train_step(Layer& model, const Tensor& images, DType activations, const Tensor& labels, Sgd& optimizer) {
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
  const Precision precision = precision_of(options.precision);
  const auto model = make_model(options.model, {.options = {{"width_multiplier", options.width_multiplier}}});
  model->to(precision.parameters);
  Sgd optimizer(model->parameters(), {.lr = 0.05, .momentum = 0.9, .weight_decay = 5e-4, .nesterov = true});
  Tensor images = Tensor::empty({options.batch_size, 32, 32, 3}, precision.parameters);
  normal_(images, 0, 1);
  const Tensor labels = random_labels(options.batch_size);

  const auto step = [&] { train_step(*model, images, precision.activations, labels, optimizer); };
  const Throughput train = measure(options, step);
  optimizer.zero_grad();
  model->eval();
  const Throughput infer = measure(options, [&] {
    const NoGradGuard no_grad;
    (*model)(as_input(images, precision.activations));
  });
  nlohmann::json result = {{"model", options.model},   {"precision", options.precision},
                           {"conv", options.conv},     {"batch_size", options.batch_size},
                           {"threads", num_threads()}, {"train_median", train.median},
                           {"train_best", train.best}, {"infer_median", infer.median},
                           {"infer_best", infer.best}, {"peak_mib", peak_mib()}};
  if (!options.json) {
    fmt::print(
        "{} {} batch {} on {} threads: training {:.1f} images/s (best {:.1f}), inference {:.1f} (best "
        "{:.1f}), peak memory {:.0f} MiB\n",
        options.model, options.precision, options.batch_size, num_threads(), train.median, train.best, infer.median,
        infer.best, peak_mib());
  }
  if (options.layers) {
    model->train();
    StepTimes times = time_parts(*model, as_input(images, precision.activations), options.steps, step);
    times.peak = measured_peak(precision.activations);
    times.loader = loader_milliseconds(options.batch_size, precision.parameters);
    add_times(times, result);
    if (!options.json) fmt::print("{}", format_times(times));
  }
  if (options.json) fmt::print("{}\n", result.dump());
  return 0;
}

}  // namespace striate::cli

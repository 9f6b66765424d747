#include "apps/bench/layers.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "core/autograd.h"
#include "core/module.h"
#include "core/profile.h"
#include "core/text.h"
#include "data/loader.h"

namespace striate::cli {
namespace {

struct LayerFacts {
  std::string path;
  std::string kind;
  double flops = 0;  // of one direction and batch
};

// Every layer that runs, in order; eval mode leaves running statistics alone.
std::vector<LayerFacts> layers_of(Layer& model, const Tensor& input) {
  std::vector<LayerFacts> layers;
  const auto see = [&](const Layer& layer, const Tensor& x, const Tensor& y) {
    auto facts =
        std::find_if(layers.begin(), layers.end(), [&](const LayerFacts& one) { return one.path == layer.path(); });
    if (facts == layers.end()) facts = layers.insert(facts, {layer.path(), layer.kind()});
    const auto images = static_cast<double>(x.size(0));
    facts->flops += 2 * images * layer.geometry(x.shape(), y.shape()).multiply_adds;
  };
  const EvalGuard eval(model);
  const NoGradGuard no_grad;
  const LayerObserver observer(see);
  model(input);
  return layers;
}

// One row of every step's profile.
struct Times {
  ProfileRow row;
  std::vector<double> seconds;
};

std::vector<Times>::iterator find(std::vector<Times>& times, const std::string& where, const std::string& part) {
  return std::find_if(times.begin(), times.end(),
                      [&](const Times& one) { return one.row.where == where && one.row.part == part; });
}

// The rest of a layer's backward pass is counted with the last of its named parts.
void merge_rest(std::vector<ProfileRow>& rows) {
  for (ProfileRow& rest : rows) {
    if (rest.part != "backward") continue;
    const auto last = std::find_if(rows.rbegin(), rows.rend(), [&](const ProfileRow& row) {
      return row.where == rest.where && row.part.starts_with("backward-");
    });
    if (last == rows.rend()) continue;
    last->seconds += rest.seconds;
    rest.part.clear();
  }
  std::erase_if(rows, [](const ProfileRow& row) { return row.part.empty(); });
}

void add_step(std::vector<ProfileRow> rows, std::vector<Times>& times) {
  merge_rest(rows);
  for (const ProfileRow& row : rows) {
    auto found = find(times, row.where, row.part);
    if (found == times.end()) found = times.insert(found, Times{row, {}});
    found->seconds.push_back(row.seconds);
  }
}

// The parts of each layer in the order of a step, then those of no layer. A layer without time of its own was fused
// with the one before it.
std::vector<TimedPart> in_order(const std::vector<LayerFacts>& layers, std::vector<Times> times) {
  std::vector<TimedPart> parts;
  std::string before;  // the path of the last layer that ran by itself
  for (const LayerFacts& layer : layers) {
    if (find(times, layer.path, "forward") == times.end()) {
      for (TimedPart& part : parts) {
        if (part.name == before) part.kind += "+" + layer.kind;
      }
      continue;
    }
    before = layer.path;
    for (const std::string direction : {"forward", "backward", "backward-data", "backward-weights"}) {
      const auto found = find(times, layer.path, direction);
      if (found == times.end()) continue;
      const double seconds = median(found->seconds);
      const double flops = direction == "backward" ? 2 * layer.flops : layer.flops;  // both gradients
      parts.push_back({layer.path, layer.kind, direction, found->row.detail, 1e3 * seconds, flops / seconds / 1e9});
      times.erase(found);
    }
  }
  for (const Times& other : times) {
    parts.push_back({other.row.where, "", other.row.part, other.row.detail, 1e3 * median(other.seconds)});
  }
  return parts;
}

}  // namespace

double StepTimes::sum() const {
  double total = 0;
  for (const TimedPart& part : parts) total += part.milliseconds;
  return total;
}

StepTimes time_parts(Layer& model, const Tensor& input, std::int64_t steps, const std::function<void()>& step) {
  std::vector<Times> times;
  std::vector<double> whole;
  Profiler profiler;
  step();
  profiler.take_rows();
  for (std::int64_t i = 0; i < steps; ++i) {
    whole.push_back(seconds_of(1, step).front());
    add_step(profiler.take_rows(), times);
  }
  return {.parts = in_order(layers_of(model, input), std::move(times)), .step = 1e3 * median(whole)};
}

double loader_milliseconds(const Shape& images, DType dtype) {
  constexpr std::int64_t batches = 8;
  Shape all = images;
  all[0] *= batches;
  const Dataset black{.images = Tensor::zeros(all, DType::u8),
                      .labels = Tensor::zeros({all[0]}, DType::i64),
                      .class_names = {"black"},
                      .normalization = default_normalization(all[3])};
  Loader loader(black, {.batch_size = images[0], .augment = AugmentOptions::standard(), .dtype = dtype, .workers = 0});
  loader.start_epoch(0);
  Batch batch;
  return 1e3 * median(seconds_of(batches, [&] { loader.next(batch); }));
}

std::string format_times(const StepTimes& times) {
  std::vector<std::vector<std::string>> rows = {
      {"layer", "kind", "direction", "algorithm", "ms", "step", "GFLOP/s", "peak"}};
  for (const TimedPart& part : times.parts) {
    const bool products = part.gflops > 0;
    rows.push_back({part.name.empty() ? "(model)" : part.name, part.kind, part.direction, part.algorithm,
                    fmt::format("{:.3f}", part.milliseconds),
                    fmt::format("{:.1f} %", 100 * part.milliseconds / times.step),
                    products ? fmt::format("{:.1f}", part.gflops) : "",
                    products && times.peak > 0 ? fmt::format("{:.0f} %", 100 * part.gflops / times.peak) : ""});
  }
  std::string text = "\n" + text_table(rows, "llllrrrr");
  text += fmt::format("sum {:.1f} ms, step {:.1f} ms", times.sum(), times.step);
  if (times.peak > 0) text += fmt::format("; peak measured {:.0f} GFLOP/s", times.peak);
  text += fmt::format("; a batch loaded and augmented beside the step takes one thread {:.2f} ms ({:.1f} %)\n",
                      times.loader, 100 * times.loader / times.step);
  return text;
}

void add_times(const StepTimes& times, nlohmann::json& result) {
  result["layers"] = nlohmann::json::array();
  result["other"] = nlohmann::json::array();
  for (const TimedPart& part : times.parts) {
    nlohmann::json row = {{"name", part.name}, {"direction", part.direction}, {"ms", part.milliseconds}};
    if (!part.kind.empty()) {
      row["kind"] = part.kind;
      row["algorithm"] = part.algorithm;
      row["gflops"] = part.gflops;
      row["peak_share"] = times.peak > 0 ? part.gflops / times.peak : 0.0;
    }
    result[part.kind.empty() ? "other" : "layers"].push_back(std::move(row));
  }
  result["step_ms"] = times.step;
  result["sum_ms"] = times.sum();
  result["loader_ms"] = times.loader;
  result["peak_gflops"] = times.peak;
}

}  // namespace striate::cli

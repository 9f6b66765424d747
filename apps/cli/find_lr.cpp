// `striate find-lr`: the range test of apps/training/range_test.h with the flags of `striate train`, and its plots.

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "apps/cli/commands.h"
#include "apps/cli/interrupt.h"
#include "apps/cli/progress.h"
#include "apps/cli/screen.h"
#include "apps/cli/shared_flags.h"
#include "apps/cli/train_flags.h"
#include "apps/cli/train_setup.h"
#include "apps/report/svg.h"
#include "apps/training/range_test.h"
#include "core/error.h"
#include "core/file.h"
#include "core/parallel.h"
#include "core/random.h"
#include "data/dataset.h"

namespace striate::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostSteps = 100000;
constexpr std::size_t kRows = 25;     // of the plot on the screen
constexpr std::size_t kColumns = 50;  // its width

struct FindLrFlags {
  TrainFlags train;
  RangeTestOptions test;
  fs::path csv;
  fs::path svg;
};

FindLrFlags parse_find_lr(const Arguments& arguments) {
  FindLrFlags flags;
  std::string plot;
  const CommandOfFlags command{
      .name = "find-lr",
      .about =
          "Finds a learning rate: trains for some steps while the rate rises from very low to far too high, and looks "
          "where the loss falls fastest (the range test of Smith, 2017). The model is thrown away afterwards.",
      .without = {"epochs", "patience", "lr", "head-lr", "schedule", "warmup-epochs", "step-size", "gamma",
                  "milestones", "power", "ema", "swa-from", "max-steps", "checkpoint-minutes", "tensorboard", "report",
                  "resume"},
      .help = {{"out", "Write rate and loss of every step to FILE.csv (default: nothing is written)"}},
      .advice = {{"lr", "it is what is looked for, from --min-lr to --max-lr"},
                 {"head-lr", "one rate is tried for the whole model; give it to train, beside the --lr that is found"}},
      .add_others = [&](CLI::App& app) {
        app.option_defaults()->group("Range test");
        app.add_option("--min-lr", flags.test.min_lr, "The first step's rate")->capture_default_str();
        app.add_option("--max-lr", flags.test.max_lr, "The last step's")->capture_default_str();
        app.add_option("--steps", flags.test.steps,
                       "Updates; it ends before where the loss rises to 4 times its lowest")
            ->capture_default_str();
        app.add_option("--plot", plot, "Draw loss over rate into FILE.svg");
      }};
  flags.train = parse_train_flags(arguments, {}, command);
  require(flags.test.min_lr > 0 && std::isfinite(flags.test.min_lr), "min-lr", "more than 0",
          fmt::format("{}", flags.test.min_lr));
  require(flags.test.max_lr > flags.test.min_lr && std::isfinite(flags.test.max_lr), "max-lr",
          fmt::format("more than --min-lr {}", flags.test.min_lr), fmt::format("{}", flags.test.max_lr));
  within("steps", flags.test.steps, static_cast<std::int64_t>(kFewestRangePoints), kMostSteps);
  // In config.toml it is the folder of a run.
  if (flags.train.given_here.contains("out")) flags.csv = writable_file("out", flags.train.out);
  flags.svg = writable_file("plot", plot);
  check_together(flags.train);
  return flags;
}

std::string csv_of(const RangeTest& test) {
  std::string text = "step,learning_rate,loss,smoothed_loss\n";
  for (std::size_t i = 0; i < test.points.size(); ++i) {
    const RangePoint& point = test.points[i];
    text += fmt::format("{},{:.6g},{:.6g},{:.6g}\n", i + 1, point.lr, point.loss, point.smoothed);
  }
  return text;
}

// The losses that a plot shows: from the lowest to as far above the first as that is below it. What rises
// further runs out of the picture, which would be flat otherwise.
struct Span {
  double low = 0;
  double high = 0;

  Span(const RangeTest& test, double RangePoint::*lowest) {
    const double first = test.points[0].smoothed;
    low = high = first;
    for (const RangePoint& point : test.points) {
      low = std::min(low, point.*lowest);
      high = std::max(high, point.smoothed);
    }
    high = std::min(high, first + std::max(first - low, 0.1 * first));
  }
  // 0 at `low`, 1 at `high`, more beyond.
  [[nodiscard]] double share(double loss) const { return high > low ? (loss - low) / (high - low) : 0; }
};

// A line for every few steps: "   1.0e-03  2.3013  ........*".
std::string screen_plot(const RangeTest& test, const RangePoint* best) {
  const Span span(test, &RangePoint::smoothed);
  const std::size_t every = (test.points.size() + kRows - 1) / kRows;
  std::string text = "      rate  smoothed loss\n";
  for (std::size_t i = 0; i < test.points.size(); ++i) {
    const RangePoint& point = test.points[i];
    if (i % every != 0 && &point != best && i + 1 != test.points.size()) continue;
    const double share = span.share(point.smoothed);
    const auto column = static_cast<std::size_t>(std::lround(std::min(share, 1.0) * (kColumns - 1)));
    text += fmt::format("{:>10.2e}  {:>8.4f}  {}{}{}\n", point.lr, point.smoothed, std::string(column, ' '),
                        share > 1 ? '>' : '*', &point == best ? "  <-- suggested" : "");
  }
  return text;
}

// "0.012": two digits tell all that a range test knows.
std::string rate_text(double rate) { return fmt::format("{:.2g}", rate); }

std::string svg_plot(const RangeTest& test, const RangePoint* best, const std::string& title) {
  constexpr double width = 760, height = 420, left = 70, right = 730, top = 50, bottom = 360;
  const Span span(test, &RangePoint::loss);
  const double first = std::log10(test.points.front().lr);
  const double last = std::max(std::log10(test.points.back().lr), first + 1e-3);
  const auto x = [&](double rate) { return left + (std::log10(rate) - first) / (last - first) * (right - left); };
  const auto y = [&](double loss) { return bottom - std::min(span.share(loss), 1.05) * (bottom - top - 10); };
  std::string svg = svg_text(16, 26, "start", "title", title);
  for (int power = static_cast<int>(std::ceil(first)); power <= static_cast<int>(std::floor(last)); ++power) {
    const double at = x(std::pow(10, power));
    svg += svg_line(at, top, at, bottom, "grid") +
           svg_text(at, bottom + 16, "middle", "small quiet", fmt::format("{:g}", std::pow(10, power)));
  }
  for (int i = 0; i <= 4; ++i) {
    const double loss = span.low + (span.high - span.low) * i / 4;
    svg += svg_line(left, y(loss), right, y(loss), "grid") +
           svg_text(left - 8, y(loss) + 4, "end", "small quiet", fmt::format("{:.3g}", loss));
  }
  std::string curve;
  for (const RangePoint& point : test.points) {
    if (span.share(point.loss) <= 1) {
      svg +=
          fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2\" class=\"beyond\"/>\n", x(point.lr), y(point.loss));
    }
    curve += fmt::format("{:.1f},{:.1f} ", x(point.lr), y(point.smoothed));
  }
  svg += fmt::format("<polyline points=\"{}\" class=\"curve\"/>\n", curve);
  if (best != nullptr) {
    const double at = y(best->smoothed);
    svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\" class=\"dot\"/>\n", x(best->lr), at);
    svg += svg_text(x(best->lr) + 8, at - 8, "start", "", "--lr " + rate_text(best->lr));
  }
  return svg_file(width, height,
                  svg + svg_text((left + right) / 2, bottom + 40, "middle", "small quiet",
                                 "learning rate; circles: the loss of each step, line: smoothed"));
}

// How it ended, where it did not get to the last rate.
std::string ending_text(const RangeTest& test, const RangeTestOptions& options) {
  const std::size_t steps = test.points.size();
  switch (test.ending) {
    case RangeTest::Ending::finished:
      return "";
    case RangeTest::Ending::rose:
      return fmt::format("ended at step {} of {}: the smoothed loss is above {} times its lowest", steps, options.steps,
                         options.stop_factor);
    case RangeTest::Ending::not_finite:
      return fmt::format("ended at step {} of {}: {}", steps + 1, options.steps, test.reason);
    case RangeTest::Ending::stopped:
      return fmt::format("interrupted after {} of {} steps; nothing was kept, and nothing is suggested", steps,
                         options.steps);
  }
  return "";
}

// Throws std::runtime_error where there is nothing to suggest.
void suggest(const RangeTest& test, const RangeTestOptions& options, const RangePoint* best) {
  if (best == nullptr) {
    const bool few = test.points.size() < kFewestRangePoints;
    throw std::runtime_error(
        few ? fmt::format(
                  "no suggestion: the loss diverged after {} steps, and it takes {} to see it fall; give a lower "
                  "--min-lr than {}",
                  test.points.size(), kFewestRangePoints, options.min_lr)
            : fmt::format(
                  "no suggestion: the loss does not clearly fall at any rate from {} to {}; give another range, a "
                  "larger "
                  "--batch-size or more --steps, or see whether images and labels belong together (striate verify)",
                  options.min_lr, options.max_lr));
  }
  show("the loss falls fastest at a rate of {}; train with\n\n    --lr {}\n", rate_text(best->lr), rate_text(best->lr));
  if (falls_to_the_end(test)) {
    show("\nThe loss still falls at --max-lr {}: a higher rate may be better.\n", options.max_lr);
  }
}

RangeTest test_rates(const FindLrFlags& flags, const Dataset& train, RangeTestOptions test) {
  StartingModel start = starting_model(flags.train, train, false);
  std::vector<std::string> notes;
  TrainerOptions options = trainer_options(flags.train, *start.model, train, notes);
  options.stop = interrupted;
  notes.push_back(start.init.note);
  for (const std::string& note : notes) {
    if (!note.empty()) show("{}\n", printable_lines(note));
  }
  Progress progress;
  std::int64_t step = 0;
  test.on_step = [&](const RangePoint& point) {
    progress.show(fmt::format("step {}/{}  rate {:.2e}  loss {:.4f}", ++step, test.steps, point.lr, point.smoothed));
  };
  catch_interrupts();
  RangeTest result = range_test(*start.model, train, options, test);
  progress.clear();
  return result;
}

}  // namespace

int run_find_lr(const Arguments& arguments) {
  const FindLrFlags flags = parse_find_lr(arguments);
  const TrainFlags& given = flags.train;
  use_threads(given.threads);
  manual_seed(given.seed);
  const ConvAlgorithmOverride conv(conv_algorithm_of(given.conv));
  const Dataset train = load_data(given).train;
  for (const std::string& note : train.notes) show("{}\n", printable_lines(note));
  const std::string what =
      fmt::format("{} with {} in batches of {}", given.model, optimizer_of(given), given.batch_size * given.accumulate);
  show("{} on {} training images, {} threads\n", what, train.size(), num_threads());
  flush_screen();
  const RangeTest test = test_rates(flags, train, flags.test);
  const bool stopped = test.ending == RangeTest::Ending::stopped;
  const auto found = suggested_point(test);
  const RangePoint* best = found && !stopped ? &test.points[*found] : nullptr;
  if (!test.points.empty()) write_screen(screen_plot(test, best));
  if (const std::string ending = ending_text(test, flags.test); !ending.empty()) {
    write_screen(printable_lines(ending) + "\n");
  }
  if (stopped) return 130;
  if (!flags.csv.empty()) write_atomically(flags.csv, csv_of(test));
  if (!flags.svg.empty() && !test.points.empty()) write_atomically(flags.svg, svg_plot(test, best, what));
  suggest(test, flags.test, best);
  return 0;
}

}  // namespace striate::cli

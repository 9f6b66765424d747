#include "apps/report/report.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "apps/ablate/statistics.h"
#include "apps/cli/command_line.h"
#include "apps/cli/train_flags.h"
#include "apps/report/curves.h"
#include "apps/report/history.h"
#include "apps/report/html.h"
#include "apps/report/markdown.h"
#include "apps/report/net_sections.h"
#include "apps/training/run_folder.h"
#include "core/text.h"

namespace striate::cli {
namespace {

namespace fs = std::filesystem;

using Rows = std::vector<std::vector<std::string>>;

// More configurations than these are drawn by the figure that a run is judged by alone.
constexpr std::size_t kFewConfigurations = 3;

// What stands in front of "_loss" in the columns that any run has, in the file's order: train, val, test, ema_test.
std::vector<std::string> splits_of(const std::vector<Configuration>& all) {
  std::set<std::string> others;
  for (const Configuration& one : all) {
    for (const auto& [column, values] : one.runs[0].columns) {
      if (column.ends_with("_loss")) others.insert(column.substr(0, column.size() - 5));
    }
  }
  std::vector<std::string> splits;
  for (const char* first : {"test", "train", "val"}) {
    if (others.erase(first) > 0) splits.emplace_back(first);
  }
  splits.insert(splits.end(), others.begin(), others.end());
  return splits;
}

Curve curve_of(const Configuration& configuration, const std::string& column, double factor) {
  Curve curve;
  bool spread = false;
  for (const auto& [epoch, values] : configuration.by_epoch(column)) {
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    curve.points.emplace_back(epoch, factor * mean(values));
    curve.band.push_back({epoch, factor * *low, factor * *high});
    spread = spread || values.size() > 1;
  }
  if (!spread) curve.band.clear();
  return curve;
}

// A curve for each configuration and split. Of one configuration alone the splits have colours, too.
std::string split_curves(const std::vector<Configuration>& all, const std::string& title, const std::string& figure,
                         double factor, const std::string& unit) {
  std::vector<Curve> curves;
  std::vector<std::string> splits = splits_of(all);
  if (all.size() > kFewConfigurations) splits.resize(std::min<std::size_t>(1, splits.size()));
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t split = 0; split < splits.size(); ++split) {
      Curve curve = curve_of(all[i], splits[split] + figure, factor);
      curve.label = all.size() == 1 ? splits[split] : splits[split] + ", " + all[i].name;
      curve.series = all.size() == 1 ? split : i;
      curve.dashes = std::min<std::size_t>(split, 3);
      curves.push_back(std::move(curve));
    }
  }
  return curves_figure(title, curves, unit);
}

std::string plain_curves(const std::vector<Configuration>& all, const std::string& title, const std::string& column,
                         const std::string& unit) {
  std::vector<Curve> curves;
  for (std::size_t i = 0; i < all.size(); ++i) {
    curves.push_back(curve_of(all[i], column, 1));
    curves.back().label = all[i].name;
    curves.back().series = i;
  }
  return curves_figure(title, curves, unit);
}

std::string curves_html(const std::vector<Configuration>& all) {
  std::string html = split_curves(all, "Loss", "_loss", 1, "");
  if (html.empty()) return html_text("No epoch has ended yet.");
  html += split_curves(all, "Accuracy", "_accuracy", 100, "%") + split_curves(all, "Mean IoU", "_miou", 100, "%") +
          plain_curves(all, "Learning rate at an epoch's end", "learning_rate", "") +
          plain_curves(all, "Time of training an epoch", "seconds", "s");
  const bool bands = std::any_of(all.begin(), all.end(), [](const Configuration& one) { return one.runs.size() > 1; });
  return "<div class=\"grid\">" + html + "</div>\n" +
         (bands
              ? html_text("Of several seeds a line is the mean, and the area around it reaches from the lowest to the "
                          "highest.")
              : "");
}

// "90.00 (0.09)": mean and deviation over runs.
std::string over_runs(const std::vector<double>& values, double factor, int digits) {
  if (values.empty()) return "";
  const std::string text = fmt::format("{:.{}f}", factor * mean(values), digits);
  return values.size() == 1 ? text : text + fmt::format(" ({:.{}f})", factor * standard_deviation(values), digits);
}

std::string results_html(const std::vector<Configuration>& all) {
  const std::string split = splits_of(all).empty() ? "test" : splits_of(all)[0];
  const bool segmentation = all[0].runs[0].columns.contains(split + "_miou");
  const std::string judged = split + (segmentation ? "_miou" : "_accuracy");
  const std::string what = split + (segmentation ? " mean IoU %" : " accuracy %");
  Rows rows = {
      {"run", "seed", "epochs", what, "highest", "in epoch", split + " loss", "train loss", "s an epoch", "images/s"}};
  for (const Configuration& one : all) {
    std::vector<double> last, best, loss, train_loss, seconds, speed;
    std::set<std::string> seeds, epochs, best_epochs;
    for (const History& run : one.runs) {
      seeds.insert(run.seed);
      epochs.insert(std::to_string(run.epochs()));
      const auto add_last = [&run](std::vector<double>& to, const std::string& column) {
        const auto& values = run.values(column);
        if (!values.empty() && std::isfinite(values.back())) to.push_back(values.back());
      };
      add_last(last, judged);
      add_last(loss, split + "_loss");
      add_last(train_loss, "train_loss");
      add_last(speed, "images_per_second");
      std::vector<double> times = run.values("seconds");
      std::erase_if(times, [](double time) { return !std::isfinite(time); });
      if (!times.empty()) seconds.push_back(mean(times));
      const auto& values = run.values(judged);
      const auto least = [](double a, double b) { return std::isnan(a) || a < b; };
      const auto highest = std::max_element(values.begin(), values.end(), least);
      if (highest == values.end() || std::isnan(*highest)) continue;
      best.push_back(*highest);
      best_epochs.insert(fmt::format("{:g}", run.values("epoch")[static_cast<std::size_t>(highest - values.begin())]));
    }
    rows.push_back({one.name, joined(seeds), joined(epochs), over_runs(last, 100, 2), over_runs(best, 100, 2),
                    joined(best_epochs), over_runs(loss, 1, 4), over_runs(train_loss, 1, 4), over_runs(seconds, 1, 1),
                    over_runs(speed, 1, 0)});
  }
  return html_table(rows, "After the last epoch; of several seeds the mean, with the deviation in brackets");
}

// What differs between the runs, and what they have in common.
std::string flags_html(const std::vector<Configuration>& all) {
  std::vector<const Configuration*> known;
  std::vector<std::string> names, unknown;
  for (const Configuration& one : all) {
    one.runs[0].flags.empty() ? unknown.push_back(one.name) : known.push_back(&one);
    for (const auto& [flag, value] : one.runs[0].flags) {
      if (std::find(names.begin(), names.end(), flag) == names.end()) names.push_back(flag);
    }
  }
  Rows differ = {{"flag"}}, common = {{"flag", "value"}};
  for (const Configuration* one : known) differ[0].push_back(one->name);
  for (const std::string& flag : names) {
    if (flag == "seed" || is_about_running(flag)) continue;
    std::vector<std::string> row = {flag};
    for (const Configuration* one : known) row.push_back(one->value(flag));
    const bool same = std::adjacent_find(row.begin() + 1, row.end(), std::not_equal_to<>()) == row.end();
    same ? common.push_back({flag, row[1]}) : differ.push_back(row);
  }
  std::string html;
  if (differ.size() > 1) html += html_heading("What differs") + html_table(differ);
  if (common.size() > 1) {
    html += fmt::format("<details open><summary>{}</summary><div class=\"columns\">{}</div></details>\n",
                        known.size() > 1 ? "In common" : "All flags that change results", html_table(common));
  }
  return html + (unknown.empty() ? "" : html_text("Left out: there is no config.toml of " + joined(unknown) + "."));
}

std::string ablation_html(const fs::path& folder) {
  const fs::path chart = folder / "chart.svg";
  const std::string picture =
      !fs::exists(chart) ? html_text("Left out: there is no chart.svg.")
                         : "<div class=\"scroll\">" +
                               html_picture("image/svg+xml", text_in(chart),
                                            "The test accuracy of every cell: a dot for each seed, the mean and its "
                                            "95% interval. The tables below have the numbers.",
                                            "wide") +
                               "</div>\n";
  return markdown_html(text_in(folder / "report.md"), picture);
}

void expect_one_task(const std::vector<History>& runs) {
  const auto labels_pixels = [](const History& run) {
    return std::any_of(run.columns.begin(), run.columns.end(),
                       [](const auto& column) { return column.first.ends_with("_miou"); });
  };
  for (const History& run : runs) {
    if (labels_pixels(run) == labels_pixels(runs[0])) continue;
    throw UsageError(fmt::format(
        "expected runs of one task: {} classifies images and {} labels pixels; give each a report of its own",
        (labels_pixels(run) ? runs[0] : run).folder.string(), (labels_pixels(run) ? run : runs[0]).folder.string()));
  }
}

std::string title_of(const std::vector<Configuration>& all, const std::vector<fs::path>& ablations) {
  std::vector<std::string> names;
  for (const fs::path& folder : ablations) names.push_back(fs::absolute(folder).lexically_normal().filename().string());
  for (const Configuration& one : all) {
    if (ablations.empty()) names.push_back(one.name);
  }
  if (names.size() > kFewConfigurations) {
    const std::size_t more = names.size() - kFewConfigurations;
    names.resize(kFewConfigurations);
    names.push_back(fmt::format("{} more", more));
  }
  return joined(names);
}

}  // namespace

fs::path weights_to_show(const fs::path& run) {
  for (const fs::path& file : {RunFiles{run}.weights("best"), RunFiles{run}.weights()}) {
    if (fs::exists(file)) return file;
  }
  return {};
}

std::string report_html(const ReportContent& content) {
  std::vector<History> runs;
  std::vector<fs::path> ablations;
  for (const fs::path& folder : content.folders) {
    std::vector<History> found = read_histories(folder);
    runs.insert(runs.end(), found.begin(), found.end());
    if (is_ablation(folder)) ablations.push_back(folder);
  }
  expect_one_task(runs);
  const std::vector<Configuration> all = configurations(runs);
  std::string body;
  if (content.refresh > 0) body += html_text("The run goes on; this page follows it.");
  for (const fs::path& folder : ablations) body += html_section("Ablation", ablation_html(folder));
  if (!all.empty()) {
    body += html_section("Results", results_html(all)) + html_section("Curves", curves_html(all)) +
            html_section("Flags", flags_html(all));
  } else {
    body += html_section("Curves", html_text("Left out: an ablation's curves are in its runs, which do not lie here."));
  }
  if (content.net != nullptr) {
    body += html_text("Below is what " + content.net_name + " holds.") + net_html(*content.net);
    if (content.images != nullptr) body += images_html(*content.net, *content.images, content.pictures);
  }
  if (!content.why_not.empty()) body += html_section("Left out", html_text(content.why_not));
  return html_page(title_of(all, ablations), body, content.refresh);
}

}  // namespace striate::cli

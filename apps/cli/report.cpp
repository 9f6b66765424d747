// `striate report`: runs, and what their net makes of images, as a page for a browser. apps/report/report.h writes it.

#include "apps/report/report.h"

#include <CLI/CLI.hpp>
#include <optional>

#include "apps/cli/commands.h"
#include "apps/cli/evaluation_data.h"
#include "apps/cli/screen.h"
#include "apps/report/history.h"
#include "core/file.h"

namespace striate::cli {
namespace {

namespace fs = std::filesystem;

struct ReportFlags : EvaluationData {
  std::vector<std::string> runs;
  fs::path out;
  std::int64_t images = ReportContent{}.pictures;
};

ReportFlags parse_report(const Arguments& arguments) {
  ReportFlags flags;
  std::string out;
  CLI::App app(
      "Writes a page on runs for a browser: curves, flags, and with weights and images what a net makes of them.",
      "report");
  app.add_option("RUN", flags.runs, "Folders of runs (--out of train), of seeds' CSV files, or of an ablation")
      ->required();
  app.add_option("--out", out, "The page, FILE.html")->required();
  app.add_option("--weights", flags.weights,
                 "Whose pictures are shown (default: those of the first run that has some)");
  app.add_option("--data", flags.data, "Path of the data, for all that needs test images");
  app.add_option("--dataset", flags.format, "What it holds, with options (default: as in training, else by looking)");
  app.add_option("--split", flags.split, "test; val, as for eval; train")->capture_default_str();
  app.add_option("--limit", flags.limit, "Measure only so many images, of all classes alike; 0: all")
      ->capture_default_str();
  app.add_option("--images", flags.images, "Show the feature maps of so many images")->capture_default_str();
  add_threads_flag(app, flags.threads);
  parse(app, arguments);
  at_least("limit", flags.limit, 0);
  within("images", flags.images, 0, 1000);
  one_of("split", flags.split, {"test", "val", "train"});
  flags.out = writable_file("out", out);
  require(flags.out.extension() == ".html", "out", "a name that ends in .html", out);
  return flags;
}

// The first run that has weights gives those, and what its images are.
void complete(ReportFlags& flags) {
  for (const std::string& run : flags.runs) {
    for (const History& history : read_histories(run)) {
      if (flags.weights.empty()) flags.weights = weights_to_show(history.folder).string();
      for (const auto& [flag, value] : history.flags) {
        if (flags.format.empty() && flag == "dataset") flags.format = value;
      }
    }
  }
}

}  // namespace

int run_report(const Arguments& arguments) {
  ReportFlags flags = parse_report(arguments);
  complete(flags);
  ReportContent content{
      .folders = {flags.runs.begin(), flags.runs.end()}, .net_name = flags.weights, .pictures = flags.images};
  std::optional<LoadedModel> net;
  std::optional<Dataset> images;
  if (flags.weights.empty()) {
    content.why_not =
        "The model, its filters, feature maps and mistakes: the folders hold no weights.safetensors, and no --weights "
        "was given.";
  } else {
    net = load(flags);
    content.net = &*net;
  }
  if (net && flags.data.empty()) {
    content.why_not =
        "The confusion matrix, mistakes, feature maps and receptive fields: they need test images (--data).";
  } else if (net) {
    images = load_evaluation_data(flags, net->card);
    content.images = &*images;
  }
  write_atomically(flags.out, report_html(content));
  show("{}\n", flags.out.string());
  return 0;
}

}  // namespace striate::cli

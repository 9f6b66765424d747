#pragma once
// A report on runs: a page with their curves, flags and figures, and with what their net makes of the test images.
// Called by apps/cli/report.cpp and train.cpp. Read apps/report/history.h next, and net_sections.h.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "models/weights.h"

namespace striate::cli {

struct ReportContent {
  std::vector<std::filesystem::path> folders = {};  ///< of runs and ablations (read_histories)
  const LoadedModel* net = nullptr;                 ///< whose pictures are shown
  std::string net_name = {};                        ///< its file
  const Dataset* images = nullptr;                  ///< to measure the net on
  std::int64_t pictures = 4;                        ///< of these, whose feature maps are shown
  std::string why_not = {};                         ///< there is no net, or no images: a sentence for the page
  int refresh = 0;                                  ///< seconds after which a browser loads the page again; 0: never
};

/// The page. Throws FileError, and UsageError for runs of different tasks.
std::string report_html(const ReportContent& content);

/// The file of weights that a run is shown by, its best ones where it chose some; empty where there is none.
std::filesystem::path weights_to_show(const std::filesystem::path& run);

}  // namespace striate::cli

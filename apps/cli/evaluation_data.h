#pragma once
// The images that a file of weights is measured on. Called by apps/cli/eval.cpp and report.cpp.

#include <cstdint>
#include <string>

#include "apps/cli/shared_flags.h"
#include "data/dataset.h"
#include "models/model_card.h"

namespace striate::cli {

struct EvaluationData : WeightsFlags {
  std::string data;
  std::string format;
  std::string split = "test";  ///< or val, train
  bool skip_broken = false;
  std::int64_t limit = 0;
};

/// The images of the classes that the weights know, labelled as they know them, and resized and normalised as predict
/// does it. What the user should know of them goes to standard error. Throws UsageError and FileError.
Dataset load_evaluation_data(const EvaluationData& options, const ModelCard& card);

}  // namespace striate::cli

#include "optim/checkpoint.h"

#include <charconv>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "core/build_info.h"
#include "core/error.h"
#include "core/printable.h"
#include "core/safetensors.h"
#include "core/state.h"

namespace striate {

namespace {

// Names in the file. Counters and text are metadata, all else are tensors.
constexpr const char* format = "striate-checkpoint-2";
constexpr const char* text_prefix = "text.";
constexpr const char* build_name = "build";
constexpr const char* model_prefix = "model.";
constexpr const char* optimizer_name = "optimizer";
constexpr const char* optimizer_prefix = "optimizer.";
constexpr const char* metric_prefix = "metrics.";
constexpr const char* tensor_prefix = "tensors.";

using Metadata = std::map<std::string, std::string>;

/// What follows the prefix in `name`; false where it begins otherwise.
bool strip(std::string_view prefix, const std::string& name, std::string& rest) {
  if (!name.starts_with(prefix)) return false;
  rest = name.substr(prefix.size());
  return true;
}

/// Calls f(name, number) for every number that is kept as text.
template <class State, class F>
void for_each_counter(State& state, F f) {
  f("step", state.step);
  f("epoch", state.epoch);
  f("position", state.position);
  f("generator.seed", state.generator.seed);
  f("generator.draws", state.generator.draws);
}

template <class T>
void read_counter(const Metadata& metadata, const char* name, T& value, std::string& problems) {
  const auto found = metadata.find(name);
  if (found == metadata.end()) {
    problems += "\n  missing: " + std::string(name);
    return;
  }
  const std::string& text = found->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < T{0}) {
    problems += "\n  mismatched: " + std::string(name) + " needs a count, got \"" + printable(text, 40) + "\"";
  }
}

/// TrainingState::text. Throws where this is not a checkpoint's metadata.
Metadata text_of(const std::filesystem::path& path, const Metadata& metadata) {
  const auto found = metadata.find("format");
  if (found == metadata.end() || found->second != format) {
    throw FileError(path.string(), "is not a checkpoint that this version of striate reads: expected the format " +
                                       std::string(format) + " in its metadata, got " +
                                       (found == metadata.end() ? "none" : printable(found->second)) +
                                       "; give the file that save_checkpoint wrote. A checkpoint of an earlier version "
                                       "resumes with that version, or begin a new run from its weights");
  }
  Metadata text;
  std::string name;
  for (const auto& [key, value] : metadata) {
    if (strip(text_prefix, key, name)) text.emplace(name, value);
  }
  return text;
}

/// A checkpoint taken apart, before anything is changed.
struct Contents {
  TrainingState state;  ///< its model and optimizer are the run's, and stay as they are
  FileState model{};
  FileState optimizer{};
};

void sort_tensor(const std::string& name, const Tensor& tensor, Contents& contents, std::string& problems) {
  std::string rest;
  if (strip(model_prefix, name, rest)) {
    contents.model.emplace_back(rest, tensor);
  } else if (strip(optimizer_prefix, name, rest)) {
    contents.optimizer.emplace_back(rest, tensor);
  } else if (strip(tensor_prefix, name, rest)) {
    contents.state.tensors.emplace(rest, tensor);
  } else if (strip(metric_prefix, name, rest) && tensor.dtype() == DType::f64 && tensor.numel() == 1) {
    contents.state.metrics.emplace(rest, tensor.item());
  } else {
    problems += "\n  unexpected: " + printable(name) + " " + to_string(tensor.dtype()) + to_string(tensor.shape());
  }
}

/// All that keeps the contents from being loaded, a line each.
std::string problems_of(const Contents& contents, const Metadata& metadata) {
  std::string problems = state_problems(named_state(contents.state.model), contents.model, Dtypes::equal);
  if (!problems.empty()) problems = "\n in the model:" + problems;
  const Optimizer& optimizer = contents.state.optimizer;
  const auto saved = metadata.find(optimizer_name);
  const std::string kind = saved == metadata.end() ? "none" : saved->second;
  if (kind != optimizer.description()) {
    return problems + "\n  mismatched: the optimizer is " + optimizer.description() + ", got the state of " +
           printable(kind);
  }
  const std::string state = optimizer.state_problems(contents.optimizer);
  return state.empty() ? problems : problems + "\n in the optimizer:" + state;
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const TrainingState& state) {
  TensorFile file;
  for (const auto& [name, tensor] : state_of(state.model)) {
    file.tensors.emplace_back(model_prefix + name, tensor);
  }
  for (const auto& [name, tensor] : state.optimizer.state()) {
    file.tensors.emplace_back(optimizer_prefix + name, tensor);
  }
  for (const auto& [name, value] : state.metrics) {
    file.tensors.emplace_back(metric_prefix + name, Tensor::full({}, value, DType::f64));
  }
  for (const auto& [name, tensor] : state.tensors) file.tensors.emplace_back(tensor_prefix + name, tensor);
  file.metadata["format"] = format;
  file.metadata[build_name] = build_info();
  file.metadata[optimizer_name] = state.optimizer.description();
  for_each_counter(state, [&](const char* name, auto value) { file.metadata[name] = std::to_string(value); });
  for (const auto& [name, text] : state.text) file.metadata.emplace(text_prefix + name, text);
  write_safetensors(path, file);
}

void load_checkpoint(const std::filesystem::path& path, TrainingState& state) {
  const TensorFile file = read_safetensors(path);
  Generator generator;
  Contents contents{{.model = state.model,
                     .optimizer = state.optimizer,
                     .generator = generator,
                     .text = text_of(path, file.metadata)}};
  std::string problems;
  for (const auto& [name, tensor] : file.tensors) sort_tensor(name, tensor, contents, problems);
  for_each_counter(contents.state,
                   [&](const char* name, auto& value) { read_counter(file.metadata, name, value, problems); });
  problems += problems_of(contents, file.metadata);
  if (!problems.empty()) {
    throw FileError(path.string(),
                    "does not fit this run; make the model and the optimizer as they were when it was "
                    "saved, or begin a new run:" +
                        problems);
  }
  load_state(state.model, contents.model);
  state.optimizer.load_state(contents.optimizer);
  state.generator = generator;
  state.step = contents.state.step;
  state.epoch = contents.state.epoch;
  state.position = contents.state.position;
  state.metrics = std::move(contents.state.metrics);
  state.text = std::move(contents.state.text);
  state.tensors = std::move(contents.state.tensors);
  const auto build = file.metadata.find(build_name);
  state.build = build == file.metadata.end() ? "" : build->second;
}

double TrainingState::metric(const std::string& name) const {
  const auto found = metrics.find(name);
  if (found != metrics.end()) return found->second;
  throw std::invalid_argument("[checkpoint] expected the number " + name +
                              ", got none: it was saved by a run with other options; give those, or begin a new run");
}

std::map<std::string, std::string> checkpoint_text(const std::filesystem::path& path) {
  return text_of(path, read_safetensors_metadata(path));
}

}  // namespace striate

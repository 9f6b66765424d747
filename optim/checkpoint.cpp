#include "optim/checkpoint.h"

#include <array>
#include <charconv>
#include <span>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/safetensors.h"
#include "core/state.h"

namespace striate {

namespace {

// Names in the file. Counters and text are metadata, all else are tensors.
constexpr const char* format = "striate-checkpoint-1";
constexpr std::string_view text_prefix = "text.";
constexpr std::string_view model_prefix = "model.";
constexpr std::string_view momentum_prefix = "optimizer.momentum.";
constexpr std::string_view groups_name = "optimizer.groups";
constexpr std::string_view metric_prefix = "metrics.";
constexpr std::string_view tensor_prefix = "tensors.";

constexpr std::int64_t group_columns = 6;
using GroupRow = std::array<double, group_columns>;

std::string joined(std::string_view prefix, const std::string& name) {
  return std::string(prefix) + name;
}

/// What follows the prefix in `name`; false where it begins otherwise.
bool strip(std::string_view prefix, const std::string& name, std::string& rest) {
  if (name.compare(0, prefix.size(), prefix) != 0) return false;
  rest = name.substr(prefix.size());
  return true;
}

Tensor groups_to_tensor(const std::vector<ParameterGroup>& groups) {
  std::vector<double> rows;
  for (const ParameterGroup& group : groups) {
    const SgdOptions& o = group.options;
    const GroupRow row{o.lr, o.momentum, o.dampening, o.weight_decay, o.nesterov ? 1.0 : 0.0, o.lr_scale};
    rows.insert(rows.end(), row.begin(), row.end());
  }
  return Tensor::from({static_cast<std::int64_t>(groups.size()), group_columns}, rows);
}

std::vector<SgdOptions> groups_from_tensor(const Tensor& tensor) {
  std::vector<SgdOptions> groups;
  const std::span<const double> rows = tensor.span<double>();
  for (std::size_t i = 0; i < rows.size(); i += group_columns) {
    groups.push_back({rows[i], rows[i + 1], rows[i + 2], rows[i + 3], rows[i + 4] != 0, rows[i + 5]});
  }
  return groups;
}

/// A checkpoint taken apart, before anything is changed.
struct Contents {
  FileState model;
  FileState momentum;
  std::vector<SgdOptions> groups;
  std::uint64_t seed = 0;
  std::uint64_t draws = 0;
  std::int64_t step = 0;
  std::int64_t epoch = 0;
  std::int64_t position = 0;
  std::map<std::string, double> metrics;
  std::map<std::string, std::string> text;
  std::map<std::string, Tensor> tensors;
  std::string problems;  ///< a line each
};

template <class T>
void read_counter(const std::map<std::string, std::string>& metadata, const char* name, T& value,
                  std::string& problems) {
  const auto found = metadata.find(name);
  if (found == metadata.end()) {
    problems += "\n  missing: " + std::string(name);
    return;
  }
  const std::string& text = found->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < T{0}) {
    problems += "\n  mismatched: " + std::string(name) + " needs a count, got \"" + text.substr(0, 40) + "\"";
  }
}

void sort_tensor(const std::string& name, const Tensor& tensor, Contents& contents) {
  std::string rest;
  if (strip(model_prefix, name, rest)) {
    contents.model.emplace_back(rest, tensor);
  } else if (strip(momentum_prefix, name, rest)) {
    contents.momentum.emplace_back(rest, tensor);
  } else if (strip(tensor_prefix, name, rest)) {
    contents.tensors.emplace(rest, tensor);
  } else if (strip(metric_prefix, name, rest) && tensor.dtype() == DType::f64 && tensor.numel() == 1) {
    contents.metrics.emplace(rest, tensor.item());
  } else if (name == groups_name && tensor.dtype() == DType::f64 && tensor.rank() == 2 &&
             tensor.size(1) == group_columns) {
    contents.groups = groups_from_tensor(tensor);
  } else {
    contents.problems +=
        "\n  unexpected: " + name + " " + to_string(tensor.dtype()) + to_string(tensor.shape());
  }
}

void check_format(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata) {
  const auto found = metadata.find("format");
  if (found != metadata.end() && found->second == format) return;
  throw FileError(path.string(),
                  std::string("is not a checkpoint of a training run: its metadata lacks format ") + format +
                      "; give the file that save_checkpoint wrote");
}

std::map<std::string, std::string> text_of(const std::map<std::string, std::string>& metadata) {
  std::map<std::string, std::string> text;
  std::string name;
  for (const auto& [key, value] : metadata) {
    if (strip(text_prefix, key, name)) text.emplace(name, value);
  }
  return text;
}

Contents read_contents(const std::filesystem::path& path) {
  const TensorFile file = read_safetensors(path);
  check_format(path, file.metadata);
  Contents contents;
  for (const auto& [name, tensor] : file.tensors) sort_tensor(name, tensor, contents);
  read_counter(file.metadata, "step", contents.step, contents.problems);
  read_counter(file.metadata, "epoch", contents.epoch, contents.problems);
  read_counter(file.metadata, "position", contents.position, contents.problems);
  read_counter(file.metadata, "generator.seed", contents.seed, contents.problems);
  read_counter(file.metadata, "generator.draws", contents.draws, contents.problems);
  contents.text = text_of(file.metadata);
  return contents;
}

void add_problems(const char* where, const std::string& more, std::string& problems) {
  if (!more.empty()) problems += std::string("\n in ") + where + ":" + more;
}

void check_groups(const std::vector<SgdOptions>& groups, std::size_t wanted, std::string& problems) {
  if (groups.size() != wanted) {
    problems += "\n  mismatched: the optimizer has " + std::to_string(wanted) + " parameter groups, got " +
                std::to_string(groups.size());
  }
  for (const SgdOptions& options : groups) {
    try {
      check_options(options);
    } catch (const std::invalid_argument& error) {
      problems += std::string("\n  mismatched: ") + error.what();
    }
  }
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const TrainingState& state) {
  TensorFile file;
  for (auto& [name, tensor] : state_of(state.model)) {
    file.tensors.emplace_back(joined(model_prefix, name), std::move(tensor));
  }
  for (const NamedTensor& momentum : state.optimizer.state()) {
    file.tensors.emplace_back(joined(momentum_prefix, momentum.name),
                              to_file_layout(momentum.value, momentum.file_axes));
  }
  file.tensors.emplace_back(groups_name, groups_to_tensor(state.optimizer.groups()));
  for (const auto& [name, value] : state.metrics) {
    file.tensors.emplace_back(joined(metric_prefix, name), Tensor::full({}, value, DType::f64));
  }
  for (const auto& [name, tensor] : state.tensors) {
    file.tensors.emplace_back(joined(tensor_prefix, name), tensor);
  }
  file.metadata = {{"format", format},
                   {"step", std::to_string(state.step)},
                   {"epoch", std::to_string(state.epoch)},
                   {"position", std::to_string(state.position)},
                   {"generator.seed", std::to_string(state.generator.seed)},
                   {"generator.draws", std::to_string(state.generator.draws)}};
  for (const auto& [name, text] : state.text) file.metadata.emplace(joined(text_prefix, name), text);
  write_safetensors(path, file);
}

void load_checkpoint(const std::filesystem::path& path, TrainingState& state) {
  Contents contents = read_contents(path);
  std::string problems = contents.problems;
  add_problems("the model", state_problems(named_state(state.model), contents.model, {.convert = false}),
               problems);
  add_problems("the momentum", state.optimizer.state_problems(contents.momentum, false), problems);
  check_groups(contents.groups, state.optimizer.groups().size(), problems);
  if (!problems.empty()) {
    throw FileError(path.string(),
                    "does not fit this run; make the model and the optimizer as they were when it was "
                    "saved, or start anew:" +
                        problems);
  }
  load_state(state.model, contents.model);
  state.optimizer.load_state(contents.momentum);
  for (std::size_t i = 0; i < contents.groups.size(); ++i) state.optimizer.set_options(i, contents.groups[i]);
  state.generator = {contents.seed, contents.draws};
  state.step = contents.step;
  state.epoch = contents.epoch;
  state.position = contents.position;
  state.metrics = std::move(contents.metrics);
  state.text = std::move(contents.text);
  state.tensors = std::move(contents.tensors);
}

std::map<std::string, std::string> checkpoint_text(const std::filesystem::path& path) {
  const std::map<std::string, std::string> metadata = read_safetensors_metadata(path);
  check_format(path, metadata);
  return text_of(metadata);
}

}  // namespace striate

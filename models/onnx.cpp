#include "models/onnx.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "core/autograd.h"
#include "core/check.h"
#include "core/protobuf.h"
#include "core/random.h"
#include "core/state.h"
#include "core/text.h"
#include "core/trace.h"

namespace striate {
namespace {

using Value = Trace::Value;

struct Graph {
  std::vector<TracedValue> values;
  Value output;
  Shape output_shape;  // channels first
};

// What the output is computed from. Operators stand behind their inputs.
std::set<Value> needed(const Graph& graph) {
  std::set<Value> found;
  for (std::vector<Value> open = {graph.output}; !open.empty();) {
    const Value value = open.back();
    open.pop_back();
    if (!found.insert(value).second) continue;
    const auto& inputs = graph.values[value].inputs;
    open.insert(open.end(), inputs.begin(), inputs.end());
  }
  return found;
}

std::string place_of(const TracedValue& value) { return value.layer.empty() ? "" : value.layer + ": "; }

void check_written(const Graph& graph) {
  const std::set<Value> values = needed(graph);
  std::vector<std::string> unwritten;
  for (const Value value : values) {
    const TracedValue& each = graph.values[value];
    if (!each.unwritten.empty()) unwritten.push_back(place_of(each) + "[" + each.unwritten + "]");
  }
  expect(unwritten.empty(), "onnx", "ops that say how they are written in ONNX (traced() in core/trace.h)",
         joined(unwritten) + ", which do not");
  expect(values.contains(0) && !graph.values[graph.output].type.empty(), "onnx",
         "an output that is computed from the images", "one that is not");
}

// (x - unit * mean) / (unit * std) of the images: a batch norm, since OpenCV 4.6 takes no Sub or Mul of several.
void normalise_first(Trace& trace, const Tensor& images, const OnnxOptions& options) {
  const std::int64_t channels = images.size(3);
  const Normalization n = options.normalization->for_channels(channels);
  Tensor mean = Tensor::empty({channels});
  Tensor var = Tensor::empty({channels});
  for (std::size_t c = 0; c < n.mean.size(); ++c) {
    mean.mutable_data<float>()[c] = static_cast<float>(options.unit * n.mean[c]);
    var.mutable_data<float>()[c] = static_cast<float>(std::pow(options.unit * n.std[c], 2));
  }
  trace.set(images, trace.add("BatchNormalization",
                              {trace.value(images), trace.value(Tensor::full({channels}, 1)),
                               trace.value(Tensor::zeros({channels})), trace.value(mean), trace.value(var)},
                              {{"epsilon", 0.0}}));
}

// One pass over images of noise.
Graph traced_graph(Layer& model, const Shape& image, std::int64_t count, std::uint64_t seed,
                   const OnnxOptions& options) {
  Tensor x = Tensor::empty({count, image.at(0), image.at(1), image.at(2)});
  const RandomStream noise = random_stream(seed, RandomUse::generate);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    x.mutable_data<float>()[i] = static_cast<float>(2 * noise.uniform(static_cast<std::uint64_t>(i)) - 1);
  }
  Trace trace(x, options.batch == 0);
  if (options.normalization) normalise_first(trace, x, options);
  const Tensor y = model(x);
  Graph graph{{}, trace.value(y), {}};
  graph.values = trace.values();
  for (const int axis : channels_first_axes(y.rank())) graph.output_shape.push_back(y.size(axis));
  check_written(graph);
  return graph;
}

bool same(const TracedValue& a, const TracedValue& b) {
  if (a.type != b.type || a.inputs != b.inputs || a.attributes != b.attributes || a.axes != b.axes) return false;
  if (a.constant.defined() != b.constant.defined()) return false;
  if (!a.constant.defined()) return true;
  return a.constant.shape() == b.constant.shape() &&
         std::memcmp(a.constant.raw(), b.constant.raw(), a.constant.bytes()) == 0;
}

// What is computed from the images without an op that records it would be a constant; other images, and another number
// of them, show it.
void check_same(const Graph& graph, const Graph& again) {
  const bool alike = graph.values.size() == again.values.size();
  for (const Value value : needed(graph)) {
    if (alike && same(graph.values[value], again.values[value])) continue;
    throw std::invalid_argument(
        "[onnx] expected a graph that is the same for all images and for any number of them, got another in a second "
        "pass at " +
        place_of(graph.values[value]) +
        "an op that does not record(), or a shape that depends on the number (a fixed batch can have that)");
  }
}

// Batch norm, y = (x - mean) / sqrt(var + eps) * scale + shift, of a convolution's or linear layer's output: with
// factor = scale / sqrt(var + eps), its weights times the factor of their output, and (b - mean) * factor + shift.
void fold_batch_norms(Graph& graph) {
  std::vector<int> uses(graph.values.size());
  for (const Value value : needed(graph)) {
    for (const Value input : graph.values[value].inputs) uses[input] += 1;
  }
  for (Value i = 0; i < uses.size(); ++i) {
    if (graph.values[i].type != "BatchNormalization") continue;
    const std::vector<Value> norm = graph.values[i].inputs;
    TracedValue before = graph.values[norm[0]];
    if ((before.type != "Conv" && before.type != "Gemm") || uses[norm[0]] != 1) continue;  // weights (K,...)
    const auto is_constant = [&](Value value) { return graph.values[value].constant.defined(); };
    if (!std::all_of(before.inputs.begin() + 1, before.inputs.end(), is_constant)) continue;
    if (!std::all_of(norm.begin() + 1, norm.end(), is_constant)) continue;
    const auto values = [&](std::size_t input) { return graph.values[norm[input]].constant.to_vector(); };
    const auto scale = values(1), shift = values(2), mean = values(3), var = values(4);
    const double eps = std::get<double>(graph.values[i].attributes.at(0).second);

    TracedValue weight = graph.values[before.inputs[1]];
    TracedValue bias = graph.values[before.inputs.size() > 2 ? before.inputs[2] : norm[2]];
    const auto old_bias = before.inputs.size() > 2 ? bias.constant.to_vector() : std::vector<double>(mean.size());
    weight.constant = to_file_layout(weight.constant, weight.axes).clone();  // (K,...)
    std::sort(weight.axes.begin(), weight.axes.end());
    bias.constant = bias.constant.clone();
    const auto factor = [&](std::size_t k) { return scale[k] / std::sqrt(var[k] + eps); };
    const std::int64_t inputs = weight.constant.numel() / std::ssize(mean);
    for (std::int64_t j = 0; j < weight.constant.numel(); ++j) {
      float& w = weight.constant.mutable_data<float>()[j];
      w = static_cast<float>(static_cast<double>(w) * factor(static_cast<std::size_t>(j / inputs)));
    }
    for (std::size_t k = 0; k < mean.size(); ++k) {
      bias.constant.mutable_data<float>()[k] = static_cast<float>((old_bias[k] - mean[k]) * factor(k) + shift[k]);
    }
    before.inputs = {before.inputs[0], graph.values.size(), graph.values.size() + 1};
    graph.values.push_back(std::move(weight));
    graph.values.push_back(std::move(bias));
    graph.values[i] = std::move(before);  // in the norm's place, for those who read that
  }
}

// A parameter's name, else the layer's path and the operator, numbered where there are several.
std::vector<std::string> names_of(const Graph& graph, const std::set<Value>& values, const Module& model) {
  std::map<const void*, std::string> parameters;
  for (const NamedTensor& each : named_state(model)) parameters[each.value.raw()] = each.name;
  std::vector<std::string> names(graph.values.size());
  std::set<std::string> taken = {"input", "output"};
  for (const Value value : values) {
    const TracedValue& each = graph.values[value];
    std::string name = each.constant.defined() ? "constant" : each.type;
    if (!each.layer.empty()) name = each.layer + "/" + name;
    if (parameters.contains(each.parameter)) name = parameters[each.parameter];
    names[value] = name;
    for (int number = 2; !taken.insert(names[value]).second; ++number)
      names[value] = name + "_" + std::to_string(number);
  }
  names[0] = "input";
  names[graph.output] = "output";
  return names;
}

// The numbers of fields and types are those of onnx.proto.
constexpr int kFloat = 1;
constexpr int kInt64 = 7;

ProtoMessage tensor_message(const std::string& name, const TracedValue& value) {
  const Tensor x = to_file_layout(value.constant, value.axes);
  ProtoMessage message;
  for (const std::int64_t size : x.shape()) message.add_int(1, size);
  message.add_int(2, x.dtype() == DType::i64 ? kInt64 : kFloat).add_bytes(8, name);
  return message.add_bytes(9, {static_cast<const char*>(x.raw()), x.bytes()});
}

ProtoMessage attribute_message(const std::string& name, const TracedAttribute& attribute) {
  ProtoMessage message;
  message.add_bytes(1, name);
  if (const auto* real = std::get_if<double>(&attribute)) {
    message.add_float(2, static_cast<float>(*real)).add_int(20, 1);
  } else if (const auto* integer = std::get_if<std::int64_t>(&attribute)) {
    message.add_int(3, *integer).add_int(20, 2);
  } else if (const auto* text = std::get_if<std::string>(&attribute)) {
    message.add_bytes(4, *text).add_int(20, 3);
  } else {
    for (const std::int64_t each : std::get<std::vector<std::int64_t>>(attribute)) message.add_int(8, each);
    message.add_int(20, 7);
  }
  return message;
}

ProtoMessage node_message(const TracedValue& node, Value value, const std::vector<std::string>& names) {
  ProtoMessage message;
  for (const Value input : node.inputs) message.add_bytes(1, names[input]);
  message.add_bytes(2, names[value]).add_bytes(3, names[value]).add_bytes(4, node.type);
  for (const auto& [name, attribute] : node.attributes) message.add(5, attribute_message(name, attribute));
  return message;
}

// An input or output of f32; `batch` 0 is "N".
ProtoMessage value_message(const std::string& name, const Shape& shape, std::int64_t batch) {
  ProtoMessage sizes;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    ProtoMessage size;
    if (i == 0 && batch == 0) {
      size.add_bytes(2, "N");
    } else {
      size.add_int(1, shape[i]);
    }
    sizes.add(1, size);
  }
  const auto tensor = ProtoMessage().add_int(1, kFloat).add(2, sizes);
  return ProtoMessage().add_bytes(1, name).add(2, ProtoMessage().add(1, tensor));
}

ProtoMessage graph_message(const Graph& graph, const Module& model, const Shape& input, std::int64_t batch) {
  const std::set<Value> values = needed(graph);
  const std::vector<std::string> names = names_of(graph, values, model);
  ProtoMessage message;
  for (const Value value : values) {
    const TracedValue& each = graph.values[value];
    if (!each.type.empty()) message.add(1, node_message(each, value, names));
  }
  message.add_bytes(2, "striate");
  for (const Value value : values) {
    const TracedValue& each = graph.values[value];
    if (each.constant.defined()) message.add(5, tensor_message(names[value], each));
  }
  message.add(11, value_message("input", input, batch)).add(12, value_message("output", graph.output_shape, batch));
  return message;
}

void check_size(const Graph& graph) {
  std::uint64_t bytes = 0;
  for (const Value value : needed(graph)) {
    if (graph.values[value].constant.defined()) bytes += graph.values[value].constant.bytes();
  }
  constexpr std::uint64_t most = std::numeric_limits<std::int32_t>::max() - (1U << 24U);  // room for the graph
  expect(bytes <= most, "onnx", "weights of less than 2 GiB, the most that a file of Protocol Buffers may have",
         std::to_string(bytes) + " bytes");
}

}  // namespace

std::string export_onnx(Layer& model, const Shape& image, const OnnxOptions& options) {
  for (const NamedTensor& parameter : model.parameters()) {
    expect(parameter.value.dtype() == DType::f32, "onnx", "parameters in f32 (Module::to)",
           parameter.name + " in " + to_string(parameter.value.dtype()));
  }
  const NoGradGuard no_grad;
  const EvalGuard eval(model);
  const bool any = options.batch == 0;
  Graph graph = traced_graph(model, image, any ? 2 : options.batch, 1, options);
  check_same(graph, traced_graph(model, image, any ? 3 : options.batch, 2, options));
  check_size(graph);
  if (options.fold_batch_norm) fold_batch_norms(graph);
  const Shape input = {options.batch, image.at(2), image.at(0), image.at(1)};
  ProtoMessage file;
  file.add_int(1, 8).add_bytes(2, "striate").add_bytes(3, STRIATE_VERSION);
  file.add(7, graph_message(graph, model, input, options.batch));
  file.add(8, ProtoMessage().add_bytes(1, "").add_int(2, 17));
  for (const auto& [key, value] : options.metadata) {
    file.add(14, ProtoMessage().add_bytes(1, key).add_bytes(2, value));
  }
  return file.bytes();
}

}  // namespace striate

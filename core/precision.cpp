#include "core/precision.h"

#include <stdexcept>

#include "core/registry.h"

namespace striate {
namespace {

const Registry<Precision>& precisions() {
  static const Registry<Precision> all("precision", {{"fp32", {DType::f32, DType::f32}},
                                                     {"bf16", {DType::f32, DType::bf16}},
                                                     {"fp16", {DType::f32, DType::f16}},
                                                     {"fp64", {DType::f64, DType::f64}}});
  return all;
}

}  // namespace

std::vector<std::string> precision_names() { return precisions().names(); }

Precision precision_of(const std::string& name) { return precisions().at(name); }

std::string to_string(const Precision& precision) {
  for (const std::string& name : precision_names()) {
    if (precision_of(name) == precision) return name;
  }
  throw std::invalid_argument("no precision has " + to_string(precision.parameters) + " parameters and " +
                              to_string(precision.activations) + " activations");
}

}  // namespace striate

#include "core/precision.h"

#include <algorithm>
#include <array>

#include "core/check.h"
#include "core/joined.h"
#include "core/nearest_name.h"

namespace striate {
namespace {

// In the order of precision_names().
constexpr std::array<Precision, 4> kPrecisions = {
    {{DType::f32, DType::f32}, {DType::f32, DType::bf16}, {DType::f32, DType::f16}, {DType::f64, DType::f64}}};

}  // namespace

const std::vector<std::string>& precision_names() {
  static const std::vector<std::string> names = {"fp32", "bf16", "fp16", "fp64"};
  return names;
}

Precision precision_of(const std::string& name) {
  const auto& names = precision_names();
  const auto found = std::find(names.begin(), names.end(), name);
  expect(found != names.end(), "precision", "one of " + joined(names),
         name + "; did you mean " + nearest_name(name, names) + "?");
  return kPrecisions.at(static_cast<std::size_t>(found - names.begin()));
}

std::string to_string(const Precision& precision) {
  const auto* const found = std::find(kPrecisions.begin(), kPrecisions.end(), precision);
  expect(found != kPrecisions.end(), "precision", "one of " + joined(precision_names()),
         to_string(precision.parameters) + " parameters and " + to_string(precision.activations) + " activations");
  return precision_names().at(static_cast<std::size_t>(found - kPrecisions.begin()));
}

}  // namespace striate

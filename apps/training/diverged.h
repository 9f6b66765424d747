#pragma once
// Where a NaN or an infinity came from, when training diverged. Called by apps/training/stepper.h.

#include <stdexcept>
#include <string>

#include "core/module.h"

namespace striate {

/// The loss, the gradients or a value of the model are no longer finite. what() names the step, the learning rate and
/// the layer, and what to try.
class DivergedError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The name of the first parameter or buffer that holds a NaN or an infinity; empty where none does.
std::string first_not_finite(const Module& model);

/// Runs the model on a batch, where there is one: "the first layer whose output is not finite is features.7
/// (BatchNorm2d)", `otherwise` where all are finite; and what to try.
std::string where_not_finite(Layer& model, const Tensor& images, const std::string& otherwise);

}  // namespace striate

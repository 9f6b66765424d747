#pragma once
// Where a NaN or an infinity came from, when training diverged. Called by apps/training/stepper.h and trainer.h.

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

/// False where a NaN or an infinity is among the values.
bool all_finite(const Tensor& tensor);

/// The name of the first parameter or buffer that holds a NaN or an infinity; empty where none does.
std::string first_not_finite(const Module& model);

/// Runs the model on a batch and names the first layer whose output is not finite ("features.7
/// (BatchNorm2d)"); empty where all are finite.
std::string first_layer_not_finite(Layer& model, const Tensor& images);

}  // namespace striate

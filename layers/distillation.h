#pragma once
// The loss of knowledge distillation.

#include "core/tensor.h"

namespace striate {

/// How far a student is from its teacher's softened probabilities (Hinton et al., 2015; He et al., 2018): with T the
/// temperature, T^2 times the cross entropy of softmax(student / T) against softmax(teacher / T), the mean over the
/// batch. Logits (N,K); no gradient goes to the teacher. T^2 keeps the gradient's size where T grows. Returns a
/// scalar: f64 for a student in f64, else f32, in which lower precisions are computed. Throws ShapeError where the
/// shapes differ, std::invalid_argument for a temperature that is not finite or not above 0.
Tensor distillation_loss(const Tensor& student_logits, const Tensor& teacher_logits, double temperature);

}  // namespace striate

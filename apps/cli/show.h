#pragma once
// `striate show batch`, which has the flags of a training; the other pictures are in apps/cli/show.cpp.

#include "apps/cli/command_line.h"
#include "core/tensor.h"

namespace striate::cli {

int show_batch(const Arguments& arguments);

/// --out of a picture. Throws UsageError.
void check_picture_file(const std::string& out);
void write_picture(const std::string& out, const Tensor& picture);

}  // namespace striate::cli

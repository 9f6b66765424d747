#pragma once
// The safetensors format: 8 bytes little-endian header length, a JSON header, then raw row-major tensors.
// https://github.com/huggingface/safetensors

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/tensor.h"

namespace striate {

/// What a safetensors file holds: tensors in their file layout, in the order of their offsets, and text
/// metadata.
struct TensorFile {
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::map<std::string, std::string> metadata;

  /// The tensor of that name; undefined where there is none.
  [[nodiscard]] Tensor find(const std::string& name) const;
};

/// Reads a whole file. F32, F64, BF16, F16, I64 and U8 are understood. Throws FileError with the path, what is
/// wrong and what to do for whatever is not a well-formed file, and for one whose checksum is not that of its contents;
/// nothing in a file can make it read or allocate past the file's own size.
TensorFile read_safetensors(const std::filesystem::path& path);

/// The text metadata alone: the header is read and checked as above, by a checksum of its own; the tensors are not
/// read.
std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path);

/// Writes atomically (see file.h), with a checksum in the metadata that reading takes out again. The bytes are a
/// function of the arguments alone: no time, path or thread count. Tensors are ordered by falling element size, then as
/// given, so that all are aligned. Throws FileError where the file cannot be written, std::invalid_argument for
/// undefined tensors and for names that are not UTF-8, given twice or "__metadata__".
void write_safetensors(const std::filesystem::path& path, const TensorFile& file);

}  // namespace striate

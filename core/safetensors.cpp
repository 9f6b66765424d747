#include "core/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <unordered_set>

#include "core/error.h"
#include "core/file.h"

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

namespace striate {

namespace {

constexpr std::uint64_t kLengthBytes = 8;
/// The format's own limit.
constexpr std::uint64_t kLongestHeader = 100'000'000;
/// PyTorch's limit.
constexpr std::size_t kHighestRank = 64;
constexpr const char* kMetadataKey = "__metadata__";
constexpr const char* kMakeAnew = "; the file is damaged or not a safetensors file: fetch or write it anew";

/// In the order of DType.
constexpr std::array<const char*, 6> kTypeNames{"F32", "F64", "BF16", "F16", "I64", "U8"};

std::string name_of(DType dtype) { return kTypeNames[static_cast<std::size_t>(dtype)]; }

/// Text from a file, fit to stand in a message: no control characters, and not endless.
std::string in_quotes(const std::string& text) {
  constexpr std::size_t most = 80;
  std::size_t count = std::min(text.size(), most);
  while (count < text.size() && count > 0 && (static_cast<unsigned char>(text[count]) & 0xc0U) == 0x80U) --count;
  std::string shown = text.substr(0, count);
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < 0x20U || c == 0x7f) c = '?';
  }
  return "'" + shown + (count < text.size() ? "...'" : "'");
}

/// One tensor of a header.
struct Entry {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  std::vector<std::uint64_t> offsets;  ///< begin and end, counted from the header's end
};

/// Takes the header apart as it is parsed: it stops at the first value that has no place in one, so that
/// nesting and size cost nothing. What went wrong is in `problem`.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
  std::string problem;

  bool start_object(std::size_t /*unused*/) override {
    if (place_ == Place::outside) return go(Place::top);
    if (place_ == Place::top) return go(in_metadata_ ? Place::metadata : Place::tensor);
    return unexpected("an object");
  }

  bool key(std::string& key) override {
    if (place_ == Place::tensor) return tensor_key(key);
    if (place_ == Place::metadata) {
      key_ = std::move(key);
      return !metadata.contains(key_) || fail("the metadata name " + in_quotes(key_) + " is there twice");
    }
    if (!names_.insert(key).second) return fail("the name " + in_quotes(key) + " is there twice");
    in_metadata_ = key == kMetadataKey;
    if (!in_metadata_) entries.push_back({key, {}, {}, {}});
    return true;
  }

  bool end_object() override {
    if (place_ == Place::top) return go(Place::done);
    if (place_ == Place::tensor) {
      for (const char* field : {"dtype", "shape", "data_offsets"}) {
        if (!seen_.contains(field)) return fail(tensor_name() + " has no " + field);
      }
      seen_.clear();
    }
    return go(Place::top);
  }

  bool start_array(std::size_t /*unused*/) override {
    if (place_ != Place::tensor || key_ == "dtype") return unexpected("an array");
    return go(key_ == "shape" ? Place::shape : Place::offsets);
  }

  bool end_array() override {
    if (place_ == Place::offsets && entries.back().offsets.size() != 2) {
      return fail(tensor_name() + " needs two data_offsets, begin and end");
    }
    return go(Place::tensor);
  }

  bool string(std::string& value) override {
    if (place_ == Place::metadata) {
      metadata.emplace(key_, std::move(value));
      return true;
    }
    if (place_ != Place::tensor || key_ != "dtype") return unexpected("a string");
    const auto* const found = std::find(kTypeNames.begin(), kTypeNames.end(), value);
    if (found != kTypeNames.end()) {
      entries.back().dtype = static_cast<DType>(found - kTypeNames.begin());
      return true;
    }
    problem = tensor_name() + " has the dtype " + in_quotes(value) +
              ", which is not supported; convert it to F32, F64, BF16, F16, I64 or U8";
    return false;
  }

  bool number_unsigned(std::uint64_t value) override {
    if (place_ == Place::shape) {
      Shape& shape = entries.back().shape;
      if (shape.size() == kHighestRank) {
        return fail(tensor_name() + " has more than " + std::to_string(kHighestRank) + " axes");
      }
      if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return fail("the shape of " + tensor_name() + " overflows 64 bits");
      }
      shape.push_back(static_cast<std::int64_t>(value));
      return true;
    }
    if (place_ != Place::offsets) return unexpected("a number");
    auto& offsets = entries.back().offsets;
    if (offsets.size() == 2) return fail(tensor_name() + " has more than two data_offsets");
    offsets.push_back(value);
    return true;
  }

  bool number_integer(std::int64_t /*unused*/) override { return not_a_count("a negative number"); }
  bool number_float(double /*unused*/, const std::string& text) override {
    return not_a_count("the number " + in_quotes(text));
  }
  bool null() override { return unexpected("null"); }
  bool boolean(bool /*unused*/) override { return unexpected("a boolean"); }
  bool binary(nlohmann::json::binary_t& /*unused*/) override { return unexpected("binary data"); }

  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::json::exception& /*error*/) override {
    return fail("the header is not valid UTF-8 JSON: error at its byte " + std::to_string(position));
  }

 private:
  enum class Place : std::uint8_t { outside, top, metadata, tensor, shape, offsets, done };

  bool go(Place place) {
    place_ = place;
    return true;
  }

  bool fail(const std::string& what) {
    problem = what + kMakeAnew;
    return false;
  }

  bool unexpected(const std::string& what) {
    if (place_ == Place::outside) return fail("the header is " + what + ", not a JSON object");
    if (in_metadata_) return fail("the metadata holds " + what + " where it needs names with strings");
    return fail(tensor_name() + " has " + what + " where the format has none");
  }

  bool not_a_count(const std::string& what) {
    if (place_ == Place::shape) return fail("the shape of " + tensor_name() + " holds " + what);
    if (place_ == Place::offsets) return fail("the data_offsets of " + tensor_name() + " hold " + what);
    return unexpected(what);
  }

  bool tensor_key(const std::string& key) {
    if (key != "dtype" && key != "shape" && key != "data_offsets") {
      return fail(tensor_name() + " has an unknown field " + in_quotes(key));
    }
    key_ = key;
    return seen_.insert(key).second || fail(tensor_name() + " has " + key + " twice");
  }

  [[nodiscard]] std::string tensor_name() const { return "tensor " + in_quotes(entries.back().name); }

  Place place_ = Place::outside;
  bool in_metadata_ = false;
  std::string key_;
  std::unordered_set<std::string> names_;
  std::unordered_set<std::string> seen_;
};

/// The number of bytes of a tensor, or nothing where it overflows; a size of 0 does not excuse the others.
std::optional<std::uint64_t> bytes_of(const Entry& entry) {
  std::int64_t most = 8;  // the bytes if the elements were the largest there are
  bool is_empty = false;
  for (const std::int64_t size : entry.shape) {
    is_empty = is_empty || size == 0;
    if (__builtin_mul_overflow(most, std::max<std::int64_t>(size, 1), &most)) return std::nullopt;
  }
  return is_empty ? 0 : static_cast<std::uint64_t>(most) / 8 * size_of(entry.dtype);
}

/// Checks that the tensors, in the order of their offsets, fill `size` bytes without gap or overlap.
void check_entries(const std::string& path, const std::vector<Entry>& entries, std::uint64_t size) {
  std::uint64_t filled = 0;
  for (const Entry& entry : entries) {
    const auto fail = [&](const std::string& problem) {
      throw FileError(path, "tensor " + in_quotes(entry.name) + problem + kMakeAnew);
    };
    const std::uint64_t begin = entry.offsets[0];
    const std::uint64_t end = entry.offsets[1];
    if (begin > end || end > size) {
      const std::string range = "[" + std::to_string(begin) + ", " + std::to_string(end) + ")";
      if (begin > end) fail(" ends before it begins: " + range);
      fail(" has the bytes " + range + " of " + std::to_string(size) + ": the file is truncated or its header wrong");
    }
    const std::optional<std::uint64_t> needed = bytes_of(entry);
    if (!needed) fail(" has a shape " + to_string(entry.shape) + " that overflows 64 bits");
    if (needed != end - begin) {
      fail(" of shape " + to_string(entry.shape) + " and dtype " + name_of(entry.dtype) + " needs " +
           std::to_string(*needed) + " bytes and has " + std::to_string(end - begin));
    }
    if (begin != filled) {
      fail(" begins at byte " + std::to_string(begin) +
           (begin < filled ? ", inside the one before it" : ", which leaves a gap after the one before it") +
           ", which ends at " + std::to_string(filled));
    }
    filled = end;
  }
  if (filled != size) {
    throw FileError(path, std::to_string(size - filled) + " bytes follow the last tensor" + kMakeAnew);
  }
}

/// Leaves the file at the first tensor.
HeaderReader read_header(const std::string& path, InputFile& file) {
  if (file.size() < kLengthBytes) {
    throw FileError(
        path, "has " + std::to_string(file.size()) + " bytes, too few for a safetensors file: fetch or write it anew");
  }
  std::uint64_t length = 0;
  file.read(&length, kLengthBytes);
  if (length > file.size() - kLengthBytes || length > kLongestHeader) {
    throw FileError(path, "its header claims " + std::to_string(length) + " bytes, but the file has " +
                              std::to_string(file.size()) + " and a header at most " + std::to_string(kLongestHeader) +
                              kMakeAnew);
  }
  std::string text(length, '\0');
  file.read(text.data(), text.size());
  if (!text.starts_with('{')) throw FileError(path, std::string("its header is not a JSON object") + kMakeAnew);
  // The parser takes a zero byte for the end, and would not see what follows.
  if (text.find('\0') != std::string::npos) {
    throw FileError(path, std::string("its header holds a zero byte") + kMakeAnew);
  }
  HeaderReader reader;
  if (!nlohmann::json::sax_parse(text, &reader)) throw FileError(path, reader.problem);
  std::stable_sort(reader.entries.begin(), reader.entries.end(),
                   [](const Entry& a, const Entry& b) { return a.offsets < b.offsets; });
  check_entries(path, reader.entries, file.size() - kLengthBytes - length);
  return reader;
}

using Named = std::pair<std::string, Tensor>;

/// Padded with spaces, so that the tensors begin at a multiple of 8.
std::string header_of(const std::vector<const Named*>& tensors, const std::map<std::string, std::string>& metadata) {
  auto header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  std::uint64_t begin = 0;
  for (const Named* named : tensors) {
    const auto& [name, tensor] = *named;
    const std::uint64_t end = begin + tensor.bytes();
    header[name] = {{"dtype", name_of(tensor.dtype())}, {"shape", tensor.shape()}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  try {
    std::string text = header.dump();
    return text.append((8 - text.size() % 8) % 8, ' ');
  } catch (const nlohmann::json::exception& error) {
    throw std::invalid_argument(std::string("[write_safetensors] expected names and metadata in UTF-8: ") +
                                error.what());
  }
}

}  // namespace

Tensor TensorFile::find(const std::string& name) const {
  const auto found =
      std::find_if(tensors.begin(), tensors.end(), [&name](const auto& named) { return named.first == name; });
  return found == tensors.end() ? Tensor() : found->second;
}

TensorFile read_safetensors(const std::filesystem::path& path) {
  InputFile file(path);
  HeaderReader header = read_header(path.string(), file);
  TensorFile result;
  result.metadata = std::move(header.metadata);
  result.tensors.reserve(header.entries.size());
  for (Entry& entry : header.entries) {
    Tensor tensor = Tensor::empty(std::move(entry.shape), entry.dtype);
    if (tensor.bytes() > 0) file.read(tensor.mutable_raw(), tensor.bytes());
    result.tensors.emplace_back(std::move(entry.name), std::move(tensor));
  }
  return result;
}

std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path) {
  InputFile file(path);
  return read_header(path.string(), file).metadata;
}

void write_safetensors(const std::filesystem::path& path, const TensorFile& file) {
  std::vector<const Named*> tensors;
  std::unordered_set<std::string_view> names{kMetadataKey};
  for (const Named& named : file.tensors) {
    if (!named.second.defined()) {
      throw std::invalid_argument("[write_safetensors] expected a tensor, got none for " + in_quotes(named.first));
    }
    if (!names.insert(named.first).second) {
      throw std::invalid_argument("[write_safetensors] expected names that differ, got " + in_quotes(named.first) +
                                  (named.first == kMetadataKey ? ", which the format reserves" : " twice"));
    }
    tensors.push_back(&named);
  }
  std::stable_sort(tensors.begin(), tensors.end(), [](const Named* a, const Named* b) {
    return size_of(a->second.dtype()) > size_of(b->second.dtype());
  });
  const std::string header = header_of(tensors, file.metadata);
  const std::uint64_t length = header.size();
  write_atomically(path, [&](const AppendBytes& append) {
    append(&length, kLengthBytes);
    append(header.data(), header.size());
    for (const Named* named : tensors) append(named->second.raw(), named->second.bytes());
  });
}

}  // namespace striate

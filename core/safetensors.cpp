#include "core/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>
#include <tuple>
#include <unordered_set>

#include "core/check.h"
#include "core/error.h"
#include "core/file.h"
#include "core/own_xxhash.h"
#include "core/printable.h"

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

namespace striate {

namespace {

using nlohmann::json;

constexpr std::uint64_t kLengthBytes = 8;
/// The format's own limit.
constexpr std::uint64_t kLongestHeader = 100'000'000;
/// PyTorch's limit.
constexpr std::size_t kHighestRank = 64;
constexpr const char* kMetadataKey = "__metadata__";
constexpr std::array<const char*, 3> kFields{"dtype", "shape", "data_offsets"};
constexpr const char* kMakeAnew = "; the file is damaged or not a safetensors file: fetch or write it anew";

/// In the order of DType.
constexpr std::array<const char*, 6> kTypeNames{"F32", "F64", "BF16", "F16", "I64", "U8"};

std::string name_of(DType dtype) { return kTypeNames[static_cast<std::size_t>(dtype)]; }

/// Text from a file, fit to stand in a message.
std::string in_quotes(const std::string& text) { return "'" + printable(text, 80) + "'"; }

/// One tensor of a header.
struct Entry {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  std::int64_t begin = 0;  ///< of its bytes, counted from the header's end
  std::int64_t end = 0;
};

/// Takes from the parser what each name of a header stands for, which it then drops, and stops it at the first value
/// that has no place in one: nesting and size cost nothing.
class HeaderReader {
 public:
  explicit HeaderReader(std::string path) : path_(std::move(path)) {}
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;

  /// The parser's callback: whether it keeps `value`. 0 is the depth of the header itself.
  bool operator()(int depth, json::parse_event_t event, const json& value) {
    using Event = json::parse_event_t;
    if (event == Event::key) {
      const auto key = value.get<std::string>();
      if (depth == 1) {
        name_ = key;
        fields_.clear();
      } else if (name_ != kMetadataKey && std::find(kFields.begin(), kFields.end(), key) == kFields.end()) {
        fail(owner() + " has an unknown field " + in_quotes(key));
      }
      if (!(depth == 1 ? names_ : fields_).insert(key).second) {
        fail((depth == 1 ? "the header" : owner()) + " has " + in_quotes(key) + " twice");
      }
    } else if (event == Event::object_start ? depth > 1 : event == Event::array_start && depth != 2) {
      fail(owner() + " has " + (event == Event::object_start ? "an object" : "an array") +
           " where the format has none");
    } else if (event == Event::array_start) {
      count_ = 0;
    } else if (event == Event::value && depth == 3 && ++count_ > kHighestRank) {
      fail(owner() + " has more than " + std::to_string(kHighestRank) + " axes");
    } else if (depth == 1 && (event == Event::value || event == Event::object_end)) {
      take(value);
      return false;
    }
    return true;
  }

  /// Throws FileError with this problem.
  [[noreturn]] void fail(const std::string& problem) const { throw FileError(path_, problem + kMakeAnew); }

 private:
  void take(const json& value) {
    if (!value.is_object()) fail(owner() + " is " + in_quotes(value.dump()) + ", not an object");
    if (name_ == kMetadataKey) {
      for (const auto& [key, text] : value.items()) {
        if (!text.is_string()) fail("the metadata " + in_quotes(key) + " is " + in_quotes(text.dump()) + ", not text");
        metadata.emplace(key, text.get<std::string>());
      }
      return;
    }
    for (const char* field : kFields) {
      if (!value.contains(field)) fail(owner() + " has no " + field);
    }
    const json& dtype = value["dtype"];
    const auto* const known = std::find(kTypeNames.begin(), kTypeNames.end(), dtype);
    if (known == kTypeNames.end()) {
      throw FileError(path_, owner() + " has the dtype " +
                                 in_quotes(dtype.is_string() ? dtype.get<std::string>() : dtype.dump()) +
                                 ", which is not supported; convert it to F32, F64, BF16, F16, I64 or U8");
    }
    const std::vector<std::int64_t> offsets = counts(value, "data_offsets");
    if (offsets.size() != 2) fail(owner() + " needs two data_offsets, begin and end");
    entries.push_back(
        {name_, static_cast<DType>(known - kTypeNames.begin()), counts(value, "shape"), offsets[0], offsets[1]});
  }

  [[nodiscard]] std::vector<std::int64_t> counts(const json& tensor, const char* field) const {
    const json& values = tensor[field];
    const auto fits = [](const json& value) {
      return value.is_number_unsigned() && value.get<std::uint64_t>() >> 63U == 0;
    };
    if (!values.is_array() || !std::all_of(values.begin(), values.end(), fits))
      fail(owner() + " has the " + field + " " + in_quotes(values.dump()) + ", which are not counts of 63 bits");
    std::vector<std::int64_t> counts;
    for (const json& value : values) counts.push_back(value);
    return counts;
  }

  [[nodiscard]] std::string owner() const {
    if (name_.empty() && names_.empty()) return "the header";
    return name_ == kMetadataKey ? "the metadata" : "tensor " + in_quotes(name_);
  }

  std::string path_;
  std::string name_;  ///< of the value that is being parsed
  std::unordered_set<std::string> names_;
  std::unordered_set<std::string> fields_;
  std::size_t count_ = 0;  ///< values of the open array
};

/// Checks that the tensors, in the order of their offsets, fill `size` bytes without gap or overlap.
void check_entries(const HeaderReader& header, std::int64_t size) {
  std::int64_t filled = 0;
  for (const Entry& entry : header.entries) {
    const auto fail = [&](const std::string& problem) { header.fail("tensor " + in_quotes(entry.name) + problem); };
    if (entry.begin > entry.end || entry.end > size) {
      const std::string range = "[" + std::to_string(entry.begin) + ", " + std::to_string(entry.end) + ")";
      if (entry.begin > entry.end) fail(" ends before it begins: " + range);
      fail(" has the bytes " + range + " of " + std::to_string(size) + ": the file is truncated or its header wrong");
    }
    std::int64_t needed = 0;
    try {
      needed = numel(entry.shape) * static_cast<std::int64_t>(size_of(entry.dtype));
    } catch (const ShapeError& error) {
      fail(std::string(": ") + error.what());
    }
    if (needed != entry.end - entry.begin) {
      fail(" of shape " + to_string(entry.shape) + " and dtype " + name_of(entry.dtype) + " needs " +
           std::to_string(needed) + " bytes and has " + std::to_string(entry.end - entry.begin));
    }
    if (entry.begin != filled) {
      fail(" begins at byte " + std::to_string(entry.begin) +
           (entry.begin < filled ? ", inside the one before it" : ", which leaves a gap after the one before it") +
           ", which ends at " + std::to_string(filled));
    }
    filled = entry.end;
  }
  if (filled != size) header.fail(std::to_string(size - filled) + " bytes follow the last tensor");
}

/// Two sums by which damage is noticed, in the metadata of files that are written here: of what the header says, and of
/// the tensors' bytes. The order of the parts does not count, since other programs that copy a file may choose another.
constexpr const char* kChecksumKey = "checksum";

std::uint64_t hash_of(const std::string& text) { return XXH3_64bits(text.data(), text.size()); }

class Checksum {
 public:
  explicit Checksum(const std::map<std::string, std::string>& metadata) {
    for (const auto& [key, value] : metadata) {
      if (key != kChecksumKey) header_ += XXH3_64bits_withSeed(value.data(), value.size(), hash_of(key));
    }
  }
  void add(const std::string& name, DType dtype, const Shape& shape) {
    header_ += hash_of(name + " " + name_of(dtype) + to_string(shape));
  }
  void add_bytes(const std::string& name, const Tensor& tensor) {
    bytes_ += XXH3_64bits_withSeed(tensor.raw(), tensor.bytes(), hash_of(name));
  }
  [[nodiscard]] std::string header() const { return "xxh3:" + hex(header_); }
  [[nodiscard]] std::string whole() const { return header() + ":" + hex(bytes_); }

 private:
  static std::string hex(std::uint64_t value) {
    std::array<char, 17> digits{};
    std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(value));
    return digits.data();
  }
  std::uint64_t header_ = 0;
  std::uint64_t bytes_ = 0;
};

[[noreturn]] void fail_damaged(const std::string& path) {
  throw FileError(path, std::string("is damaged: its contents do not have the checksum in its metadata; fetch or write "
                                    "it anew. (Where a program changed it on purpose, leave out \"") +
                            kChecksumKey + "\" of the metadata.)");
}

[[noreturn]] void fail_length(const std::string& path, std::uint64_t length, std::uint64_t size) {
  std::array<char, kLengthBytes> begin{};
  std::memcpy(begin.data(), &length, kLengthBytes);
  const std::string_view text(begin.data(), begin.size());
  if (text.starts_with("PK\x03\x04") || text.starts_with("\x80\x02")) {
    throw FileError(path,
                    "is a file of torch.save: Python objects, which are not read here. Save its tensors alone, in "
                    "Python:\n  import torch, safetensors.torch\n  state = torch.load('" +
                        printable(path, 4096) +
                        "', map_location='cpu')\n  safetensors.torch.save_file({k: v.clone() for k, v in "
                        "state.get('state_dict', state).items()}, 'weights.safetensors')");
  }
  throw FileError(path, "its header claims " + std::to_string(length) + " bytes, but the file has " +
                            std::to_string(size) + " and a header at most " + std::to_string(kLongestHeader) +
                            kMakeAnew);
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
    fail_length(path, length, file.size());
  }
  std::string text(length, '\0');
  file.read(text.data(), text.size());
  HeaderReader reader(path);
  if (!text.starts_with('{')) reader.fail("its header is not a JSON object");
  // The parser takes a zero byte for the end, and would not see what follows.
  if (text.find('\0') != std::string::npos) reader.fail("its header holds a zero byte");
  try {
    [[maybe_unused]] const json nothing_left = json::parse(text, std::ref(reader));
  } catch (const json::exception& error) {
    const auto* const syntax = dynamic_cast<const json::parse_error*>(&error);
    reader.fail("the header is not valid UTF-8 JSON: " +
                (syntax == nullptr ? "a number is too large" : "error at its byte " + std::to_string(syntax->byte)));
  }
  std::stable_sort(reader.entries.begin(), reader.entries.end(),
                   [](const Entry& a, const Entry& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  check_entries(reader, static_cast<std::int64_t>(file.size() - kLengthBytes - length));
  return reader;
}

/// The checksum of a file of ours, taken out of its metadata once the header has been found right; empty where there is
/// none, as in files of other programs.
std::string take_checksum(const std::string& path, HeaderReader& header, Checksum& sums) {
  const auto found = header.metadata.find(kChecksumKey);
  if (found == header.metadata.end() || !found->second.starts_with("xxh3:")) return "";
  for (const Entry& entry : header.entries) sums.add(entry.name, entry.dtype, entry.shape);
  std::string checksum = found->second;
  if (!checksum.starts_with(sums.header() + ":")) fail_damaged(path);
  header.metadata.erase(found);
  return checksum;
}

using Named = std::pair<std::string, Tensor>;

/// Padded with spaces, so that the tensors begin at a multiple of 8.
std::string header_of(const std::vector<const Named*>& tensors, std::map<std::string, std::string> metadata) {
  Checksum sums(metadata);
  for (const Named* named : tensors) {
    sums.add(named->first, named->second.dtype(), named->second.shape());
    sums.add_bytes(named->first, named->second);
  }
  metadata[kChecksumKey] = sums.whole();
  auto header = nlohmann::ordered_json::object();
  header[kMetadataKey] = metadata;
  std::uint64_t begin = 0;
  for (const Named* named : tensors) {
    const auto& [name, tensor] = *named;
    const std::uint64_t end = begin + tensor.bytes();
    header[name] = {{"dtype", name_of(tensor.dtype())}, {"shape", tensor.shape()}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = header.dump();
  return text.append((8 - text.size() % 8) % 8, ' ');
}

void expect_utf8(const std::string& text) {
  expect(is_utf8(text), "write_safetensors", "names and metadata in UTF-8", printable(text));
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
  Checksum sums(header.metadata);
  const std::string checksum = take_checksum(path.string(), header, sums);
  TensorFile result;
  result.metadata = std::move(header.metadata);
  result.tensors.reserve(header.entries.size());
  for (Entry& entry : header.entries) {
    Tensor tensor = Tensor::empty(std::move(entry.shape), entry.dtype);
    if (tensor.bytes() > 0) file.read(tensor.mutable_raw(), tensor.bytes());
    if (!checksum.empty()) sums.add_bytes(entry.name, tensor);
    result.tensors.emplace_back(std::move(entry.name), std::move(tensor));
  }
  if (!checksum.empty() && checksum != sums.whole()) fail_damaged(path.string());
  return result;
}

std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path) {
  InputFile file(path);
  HeaderReader header = read_header(path.string(), file);
  Checksum sums(header.metadata);
  take_checksum(path.string(), header, sums);
  return header.metadata;
}

void write_safetensors(const std::filesystem::path& path, const TensorFile& file) {
  std::vector<const Named*> tensors;
  std::unordered_set<std::string_view> names{kMetadataKey};
  for (const auto& [key, value] : file.metadata) {
    expect_utf8(key);
    expect_utf8(value);
  }
  for (const Named& named : file.tensors) {
    expect_utf8(named.first);
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

#pragma once
// Messages of Protocol Buffers, written by hand: what event files (apps/training/event_file.h) and ONNX files are made
// of. https://protobuf.dev/programming-guides/encoding tells the format.

#include <bit>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace striate {

/// The number in so many bytes, the lowest first.
template <std::unsigned_integral T>
std::string little_endian(T value) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof value; ++i) {
    bytes += static_cast<char>(static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8 * i)));
  }
  return bytes;
}

/// A message in the making; each call adds a field by its number. A field that is repeated is added several times.
class ProtoMessage {
 public:
  /// int32, int64, uint64, bool or an enum.
  ProtoMessage& add_int(std::uint32_t field, std::int64_t value) {
    key(field, 0);
    varint(static_cast<std::uint64_t>(value));
    return *this;
  }
  ProtoMessage& add_double(std::uint32_t field, double value) {
    key(field, 1);
    bytes_ += little_endian(std::bit_cast<std::uint64_t>(value));
    return *this;
  }
  ProtoMessage& add_float(std::uint32_t field, float value) {
    key(field, 5);
    bytes_ += little_endian(std::bit_cast<std::uint32_t>(value));
    return *this;
  }
  /// A string (of UTF-8), or bytes.
  ProtoMessage& add_bytes(std::uint32_t field, std::string_view value) {
    key(field, 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  ProtoMessage& add(std::uint32_t field, const ProtoMessage& message) { return add_bytes(field, message.bytes_); }
  /// A repeated field of numbers that is packed.
  ProtoMessage& add_doubles(std::uint32_t field, std::span<const double> values) {
    std::string packed;
    for (const double value : values) packed += little_endian(std::bit_cast<std::uint64_t>(value));
    return add_bytes(field, packed);
  }

  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) bytes_ += static_cast<char>(static_cast<std::uint8_t>(value | 0x80U));
    bytes_ += static_cast<char>(value);
  }
  void key(std::uint32_t field, std::uint32_t wire_type) { varint(std::uint64_t{field} << 3U | wire_type); }

  std::string bytes_;
};

}  // namespace striate

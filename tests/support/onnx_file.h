#pragma once
// Reads what models/onnx.h writes, as text and numbers: enough of Protocol Buffers and onnx.proto for tests.

#include <bit>
#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace striate::testing_support {

struct ProtoField {
  std::uint64_t number;
  std::uint64_t value;     // of varints and fixed numbers
  std::string_view bytes;  // of text and messages
};

inline std::vector<ProtoField> proto_fields(std::string_view message) {
  std::size_t at = 0;
  const auto varint = [&] {
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = static_cast<std::uint8_t>(message.at(at++));
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
  };
  std::vector<ProtoField> fields;
  while (at < message.size()) {
    const std::uint64_t key = varint();
    ProtoField field{key >> 3U, 0, {}};
    if ((key & 7U) == 0) {
      field.value = varint();
    } else if ((key & 7U) == 2) {
      const std::uint64_t size = varint();
      field.bytes = message.substr(at, size);
      if (field.bytes.size() != size) throw std::runtime_error("a message that ends early");
      at += size;
    } else if ((key & 7U) == 5) {
      std::uint32_t value = 0;
      std::memcpy(&value, message.substr(at, 4).data(), 4);
      field.value = value;
      at += 4;
    } else {
      throw std::runtime_error("a wire type that ONNX does not use");
    }
    fields.push_back(field);
  }
  return fields;
}

struct OnnxTensor {
  std::vector<std::int64_t> shape;
  std::vector<float> floats;
  std::vector<std::int64_t> integers;
};

struct OnnxNode {
  std::string type, name, output;
  std::vector<std::string> inputs;
  std::map<std::string, std::string> attributes;  // "1,1,0,0"
};

struct OnnxFile {
  std::uint64_t ir_version = 0, opset = 0;
  std::string producer;
  std::vector<OnnxNode> nodes;
  std::map<std::string, OnnxTensor> initializers;
  std::string input, output;  // "input(N,3,8,8)"
  std::map<std::string, std::string> metadata;

  explicit OnnxFile(const std::string& bytes) {
    for (const ProtoField& field : proto_fields(bytes)) {
      if (field.number == 1) ir_version = field.value;
      if (field.number == 2) producer = field.bytes;
      if (field.number == 7) read_graph(field.bytes);
      if (field.number == 8) opset = proto_fields(field.bytes).back().value;
      if (field.number == 14) {
        const auto entry = proto_fields(field.bytes);
        metadata[std::string(entry.at(0).bytes)] = entry.at(1).bytes;
      }
    }
  }
  /// The operators, "Conv Relu Gemm".
  [[nodiscard]] std::string types() const {
    std::string text;
    for (const OnnxNode& node : nodes) text += (text.empty() ? "" : " ") + node.type;
    return text;
  }

 private:
  static std::string attribute(const std::vector<ProtoField>& fields) {
    std::string text;
    const std::uint64_t type = fields.back().value;
    for (const ProtoField& field : fields) {
      if (field.number == 2 && type == 1)
        text = std::to_string(std::bit_cast<float>(static_cast<std::uint32_t>(field.value)));
      if (field.number == 3 || field.number == 8)
        text += (text.empty() ? "" : ",") + std::to_string(static_cast<std::int64_t>(field.value));
      if (field.number == 4) text = field.bytes;
    }
    return text;
  }
  static OnnxNode node(std::string_view bytes) {
    OnnxNode result;
    for (const ProtoField& field : proto_fields(bytes)) {
      if (field.number == 1) result.inputs.emplace_back(field.bytes);
      if (field.number == 2) result.output = field.bytes;
      if (field.number == 3) result.name = field.bytes;
      if (field.number == 4) result.type = field.bytes;
      if (field.number == 5) {
        const auto fields = proto_fields(field.bytes);
        result.attributes[std::string(fields.front().bytes)] = attribute(fields);
      }
    }
    return result;
  }
  static std::string value(std::string_view bytes) {
    const auto fields = proto_fields(bytes);
    const auto tensor = proto_fields(proto_fields(fields.at(1).bytes).at(0).bytes);
    std::string sizes;
    for (const ProtoField& size : proto_fields(tensor.at(1).bytes)) {
      const ProtoField one = proto_fields(size.bytes).at(0);
      sizes += (sizes.empty() ? "" : ",") + (one.number == 2 ? std::string(one.bytes) : std::to_string(one.value));
    }
    return std::string(fields.at(0).bytes) + "(" + sizes + ")";
  }
  void read_graph(std::string_view bytes) {
    for (const ProtoField& field : proto_fields(bytes)) {
      if (field.number == 1) nodes.push_back(node(field.bytes));
      if (field.number == 5) read_initializer(field.bytes);
      if (field.number == 11) input = value(field.bytes);
      if (field.number == 12) output = value(field.bytes);
    }
  }
  void read_initializer(std::string_view bytes) {
    OnnxTensor tensor;
    std::string name;
    std::uint64_t type = 0;
    for (const ProtoField& field : proto_fields(bytes)) {
      if (field.number == 1) tensor.shape.push_back(static_cast<std::int64_t>(field.value));
      if (field.number == 2) type = field.value;
      if (field.number == 8) name = field.bytes;
      if (field.number != 9) continue;
      tensor.floats.resize(type == 1 ? field.bytes.size() / 4 : 0);
      tensor.integers.resize(type == 7 ? field.bytes.size() / 8 : 0);
      std::memcpy(type == 1 ? static_cast<void*>(tensor.floats.data()) : tensor.integers.data(), field.bytes.data(),
                  field.bytes.size());
    }
    if (!initializers.emplace(name, tensor).second) throw std::runtime_error("two initializers named " + name);
  }
};

}  // namespace striate::testing_support

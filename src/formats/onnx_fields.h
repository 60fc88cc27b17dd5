// The numbers of fields, types and kinds in onnx.proto.
#pragma once

#include <cstdint>
#include <optional>

#include "convoy/dtype.h"

namespace convoy::onnx {

enum Model : uint32_t {
  kModelIrVersion = 1,
  kModelProducer = 2,
  kModelProducerVersion = 3,
  kModelGraph = 7,
  kModelOpsets = 8,
  kModelMetadata = 14
};
enum Opset : uint32_t { kOpsetDomain = 1, kOpsetVersion = 2 };
enum Entry : uint32_t { kEntryKey = 1, kEntryValue = 2 };
enum Graph : uint32_t {
  kGraphNodes = 1,
  kGraphName = 2,
  kGraphTensors = 5,
  kGraphInputs = 11,
  kGraphOutputs = 12,
  kGraphSparseTensors = 15
};
enum Node : uint32_t {
  kNodeInputs = 1,
  kNodeOutputs = 2,
  kNodeName = 3,
  kNodeOp = 4,
  kNodeAttributes = 5,
  kNodeDomain = 7
};
enum Attribute : uint32_t {
  kAttributeName = 1,
  kAttributeNumber = 2,
  kAttributeInteger = 3,
  kAttributeText = 4,
  kAttributeTensor = 5,
  kAttributeNumbers = 7,
  kAttributeIntegers = 8,
  kAttributeType = 20
};
enum class AttributeType : int32_t { number = 1, integer = 2, text = 3, tensor = 4, numbers = 6, integers = 7 };
enum Tensor : uint32_t {
  kTensorShape = 1,
  kTensorType = 2,
  kTensorFloats = 4,
  kTensorInt32s = 5,
  kTensorInt64s = 7,
  kTensorName = 8,
  kTensorBytes = 9,
  kTensorDoubles = 10,
  kTensorUint64s = 11,
  kTensorExternal = 13,
  kTensorLocation = 14
};
enum class Location : int32_t { here = 0, external = 1 };
enum Value : uint32_t { kValueName = 1, kValueType = 2 };
enum Type : uint32_t { kTypeTensor = 1 };
enum TensorType : uint32_t { kTensorTypeElement = 1, kTensorTypeShape = 2 };
enum Shape : uint32_t { kShapeAxes = 1 };
enum Axis : uint32_t { kAxisExtent = 1, kAxisName = 2 };

// TensorProto.DataType.
constexpr int32_t type_number(DType type) {
  switch (type) {
    case DType::f32: return 1;
    case DType::u8: return 2;
    case DType::i8: return 3;
    case DType::u16: return 4;
    case DType::i16: return 5;
    case DType::i32: return 6;
    case DType::i64: return 7;
    case DType::boolean: return 9;
    case DType::f16: return 10;
    case DType::f64: return 11;
    case DType::u32: return 12;
    case DType::u64: return 13;
    case DType::bf16: return 16;
    case DType::f8_e4m3: return 17;
    case DType::f8_e5m2: return 19;
  }
  return 0;
}

constexpr std::optional<DType> type_of(int32_t number) {
  for (uint8_t i = 0; i <= static_cast<uint8_t>(DType::boolean); ++i) {
    if (type_number(static_cast<DType>(i)) == number) return static_cast<DType>(i);
  }
  return std::nullopt;
}

}  // namespace convoy::onnx

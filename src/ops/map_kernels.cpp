#include "ops/map_kernels.h"

namespace convoy {

std::string refuse_unless_bf16(const NodeSpec& spec) {
  const Shape& first = spec.inputs[0].shape;
  for (const std::span<const TensorType> types : {spec.inputs, spec.outputs}) {
    for (const TensorType& type : types) {
      const bool like_first = type.shape.rank() == first.rank() && first.rank() > 0 && type.shape[0] == first[0];
      if (type.present && like_first && type.dtype == DType::f32) return "it takes maps of BF16, not F32";
    }
  }
  return spec.inputs[0].dtype == DType::bf16 ? "" : "it takes maps of BF16, not F32";
}

}  // namespace convoy

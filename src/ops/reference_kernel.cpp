#include "ops/reference_kernel.h"

namespace convoy {

void run_reference(const NodeSpec& spec, const NodeMemory& memory) {
  const auto tensors = [](std::span<const TensorType> types) {
    std::vector<ReferenceTensor> result;
    for (const TensorType& type : types) {
      const size_t count = type.present ? static_cast<size_t>(type.shape.elements()) : 0;
      result.push_back({type, std::vector<double>(count)});
    }
    return result;
  };
  std::vector<ReferenceTensor> inputs = tensors(spec.inputs);
  std::vector<ReferenceTensor> outputs = tensors(spec.outputs);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const float* data = memory.input(static_cast<int>(i));
    inputs[i].data.assign(data, data + inputs[i].data.size());
  }
  spec.op.reference(inputs, outputs);
  for (size_t i = 0; i < outputs.size(); ++i) {
    float* data = memory.output(static_cast<int>(i));
    for (size_t k = 0; k < outputs[i].data.size(); ++k) data[k] = static_cast<float>(outputs[i].data[k]);
  }
}

}  // namespace convoy

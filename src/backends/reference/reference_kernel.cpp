#include "backends/reference/reference_kernel.h"

#include <algorithm>
#include <vector>

#include "backends/host_memory.h"

namespace convoy {
namespace {

ReferenceTensor load(const TensorType& type, const View& view) {
  ReferenceTensor tensor{type, {}};
  if (!type.present) return tensor;
  with_elements(view, [&](auto* elements) { tensor.data.assign(elements, elements + type.shape.elements()); });
  return tensor;
}

void store(const ReferenceTensor& tensor, const View& view) {
  if (!tensor.type.present) return;
  with_elements(view, [&](auto* elements) {
    using Element = std::remove_pointer_t<decltype(elements)>;
    std::ranges::transform(tensor.data, elements, [](double x) { return static_cast<Element>(x); });
  });
}

void run(const NodeSpec& spec, const NodeMemory& memory) {
  std::vector<ReferenceTensor> inputs, outputs;
  for (size_t i = 0; i < spec.inputs.size(); ++i) inputs.push_back(load(spec.inputs[i], memory.inputs[i]));
  for (const TensorType& type : spec.outputs) {
    outputs.push_back({type, std::vector<double>(type.present ? static_cast<size_t>(type.shape.elements()) : 0)});
  }
  spec.op.reference(inputs, outputs, memory.step);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (spec.op.mutates(static_cast<int>(i))) store(inputs[i], memory.inputs[i]);
  }
  for (size_t i = 0; i < outputs.size(); ++i) store(outputs[i], memory.outputs[i]);
}

constexpr DType kTypes[] = {DType::f64, DType::f32, DType::u8, DType::i8};

}  // namespace

const Kernel kReferenceKernel{.name = "reference", .run = run, .accepts = kTypes};

}  // namespace convoy

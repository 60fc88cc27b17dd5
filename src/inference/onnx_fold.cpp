#include "inference/onnx_fold.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "formats/elements.h"
#include "inference/onnx_fold_call.h"

namespace convoy {
namespace {

const folding::Fold* find(std::string_view op) {
  static const std::array kTables{folding::elementwise_folds(), folding::index_folds(), folding::layout_folds(),
                                  folding::reduction_folds()};
  for (const std::span<const folding::Fold> table : kTables) {
    const auto found = std::ranges::lower_bound(table, op, {}, &folding::Fold::op);
    if (found != table.end() && found->op == op) return &*found;
  }
  return nullptr;
}

template <class Kept>
std::vector<Kept> elements_of(const folding::Call& call, const OnnxTensor& tensor, int64_t count) {
  std::vector<Kept> elements(static_cast<size_t>(count));
  for_each_element(tensor.type, tensor.bytes, [&](size_t i, auto value) {
    if constexpr (std::is_same_v<decltype(value), uint64_t>) {
      if (value >> 63 != 0) call.fail("expected integers below 2^63, got {}", value);
    }
    elements[i] = static_cast<Kept>(value);
  });
  return elements;
}

}  // namespace

OnnxConstant constant_of(const OnnxTensor& tensor) {
  const OnnxNode node{.op = "tensor " + tensor.name, .name = {}, .inputs = {}, .outputs = {}};
  const std::vector<const OnnxConstant*> no_inputs;
  const folding::Call call(node, no_inputs, 0);
  const int64_t count = call.count(tensor.shape);
  if (tensor.bytes.size() != static_cast<size_t>(count * size_of(tensor.type))) {
    call.fail("expected shape {} of type {}, got {} bytes", folding::to_text(tensor.shape), to_string(tensor.type),
              tensor.bytes.size());
  }
  if (is_floating(tensor.type)) return {tensor.shape, elements_of<float>(call, tensor, count)};
  return {tensor.shape, elements_of<int64_t>(call, tensor, count)};
}

bool can_fold(const std::string& op) { return find(op) != nullptr; }

std::vector<OnnxConstant> fold(const OnnxNode& node, const std::vector<const OnnxConstant*>& inputs, int64_t opset,
                               int64_t most) {
  const folding::Fold* found = find(node.op);
  if (found == nullptr) throw Error(fmt::format("{}: expected an op that is computed without images", node.op));
  const folding::Call call(node, inputs, opset, most);
  std::vector<OnnxConstant> outputs = found->compute(call);
  if (outputs.size() < node.outputs.size()) {
    call.fail("expected at most {} outputs, got {}", outputs.size(), node.outputs.size());
  }
  return outputs;
}

}  // namespace convoy

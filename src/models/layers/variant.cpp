#include "models/layers/variant.h"

#include <algorithm>
#include <memory>

#include "ops/activation/activation.h"
#include "ops/batch_norm/batch_norm.h"
#include "ops/conv2d/conv2d.h"

namespace convoy {
namespace {

// Calls change(node, op) for every node whose op is an Op.
template <class Op, class Change>
int for_each(Graph& graph, size_t first, const Change& change) {
  int count = 0;
  for (size_t i = first; i < graph.nodes().size(); ++i) {
    Node& node = graph.nodes()[i];
    if (const auto* op = op_as<Op>(node); op != nullptr && change(node, *op)) ++count;
  }
  return count;
}

// The zeros that "same" asks for along an axis of `extent`: half of them, and whether there is one more.
struct SamePadding {
  int64_t half, extra;
};

SamePadding same_padding(int64_t extent, int64_t kernel, int64_t stride, int64_t dilation) {
  const int64_t outputs = (extent + stride - 1) / stride;
  const int64_t zeros = std::max<int64_t>(0, (outputs - 1) * stride + dilation * (kernel - 1) + 1 - extent);
  return {zeros / 2, zeros % 2};
}

}  // namespace

int set_norm_eps(Graph& graph, size_t first, float eps) {
  return for_each<BatchNormOp>(graph, first, [eps](Node& node, const BatchNormOp& op) {
    BatchNormAttributes attributes = op.batch_norm();
    attributes.eps = eps;
    node.op = std::make_shared<BatchNormOp>(attributes);
    return true;
  });
}

int pad_as_tensorflow(Graph& graph, size_t first) {
  return for_each<Conv2dOp>(graph, first, [&graph](Node& node, const Conv2dOp& op) {
    ConvAttributes conv = op.conv();
    const bool halves = 2 * conv.padding.h == conv.dilation.h * (conv.kernel.h - 1) &&
                        2 * conv.padding.w == conv.dilation.w * (conv.kernel.w - 1);
    if (!halves || conv.stride == Size2(1) || conv.kernel == Size2(1)) return false;
    const Shape& map = graph.value(node.inputs[0]).type.shape;
    const SamePadding rows = same_padding(map[1], conv.kernel.h, conv.stride.h, conv.dilation.h);
    const SamePadding columns = same_padding(map[2], conv.kernel.w, conv.stride.w, conv.dilation.w);
    conv.padding = {rows.half, columns.half};
    conv.extra_padding = {rows.extra, columns.extra};
    node.op = std::make_shared<Conv2dOp>(conv);
    return true;
  });
}

int replace_activation(Graph& graph, size_t first, Activation usual, Activation function) {
  return for_each<ActivationOp>(graph, first, [usual, function](Node& node, const ActivationOp& op) {
    if (op.function() != usual) return false;
    node.op = std::make_shared<ActivationOp>(function);
    return true;
  });
}

}  // namespace convoy

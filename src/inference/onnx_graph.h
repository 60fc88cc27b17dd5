// A graph as an ONNX model.
#pragma once

#include <cstdint>
#include <optional>

#include "data/transform.h"
#include "formats/onnx_model.h"
#include "graph/graph.h"
#include "plan/weight_source.h"

namespace convoy {

struct OnnxGraphOptions {
  int64_t opset = 17;                               // 17 to 22
  bool softmax = false;                             // the output is "probabilities" rather than "logits"
  std::optional<Preprocessing> preprocessing = {};  // of images {batch, height, width, 3} of bytes
};

// The inference graph of one image, with weights from `weights`: the input "images" {batch, 3, S, S}, as networks are
// given elsewhere, of any batch size, or what is preprocessed to it, and the output "logits" {batch, classes}.
// Variables keep their names, and PyTorch's order of axes; a weight that is needed transposed has ".T" behind its name.
// Throws Error for an op without a form in ONNX.
OnnxModel to_onnx(const Graph& graph, const WeightSource& weights, const OnnxGraphOptions& options);

}  // namespace convoy

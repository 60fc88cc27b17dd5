// Networks of ONNX models as graphs of Convoy's own ops.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "formats/onnx_model.h"
#include "graph/graph.h"

namespace convoy {

struct OnnxNetwork {
  Graph graph{Mode::training};                        // of one image, with the output "logits"
  std::map<std::string, std::vector<float>> weights;  // its parameters and states, in the order inside
  std::map<std::string, std::string> sources;         // of each, the tensor of the model that it came from
  bool softmax = false;                               // the model ends with one, which is left out
};

// The network that makes the model's first output of its only input, a batch of square RGB images {N, 3, S, S}. What
// the model computes from shapes is computed here; batches may be of any size, also where the model was written for one
// image. image_size: where the model leaves it open [224]. Throws Error that lists the operators that are not
// supported, or says what does not fit.
OnnxNetwork onnx_network(const OnnxModel& model, std::optional<int64_t> image_size = {});

// The model as a plain function: its first input is the graph's input "images" in the order of axes of the model, all
// others are known. The output is the graph's output "logits", in that order, too. For tests of operators.
OnnxNetwork onnx_function(const OnnxModel& model, const std::map<std::string, OnnxTensor>& known, size_t output);

}  // namespace convoy

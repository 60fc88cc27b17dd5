// The graphs of networks that infer.
#pragma once

#include "convoy/model.h"
#include "graph/graph.h"

namespace convoy {

// The network on images of this shape {N, H, W, 3}, its result being the output "logits"; in the fused form where the
// options ask for it. place: where its variables are.
Graph inference_graph(const Model& model, const ModelOptions& options, const Shape& images,
                      std::string_view place = "");

}  // namespace convoy

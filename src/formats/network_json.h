// A network as text, so that a program that does not know its architecture can rebuild it: docs/model-file.md describes
// the format.
#pragma once

#include <string>
#include <string_view>

#include "convoy/model.h"
#include "graph/graph.h"

namespace convoy {

// The network of a graph on one image: its input is "images" {1, S, S, 3}, its result the output "logits". Of a graph
// that trains, so that nothing is lost. Throws Error when there are other inputs.
std::string network_to_json(const Graph& graph);

// The network that a text describes. It is built for images of the size that the text says and no other; a number of
// classes of its own it takes where its builder said which layer is the head. Throws Error when the text is damaged, an
// op is unknown, or the nodes do not fit together.
Model network_from_json(std::string_view text, std::string name);

}  // namespace convoy

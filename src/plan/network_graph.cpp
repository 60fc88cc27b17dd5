#include "plan/network_graph.h"

#include <utility>

#include "plan/reparameterise.h"

namespace convoy {

Graph inference_graph(const Model& model, const ModelOptions& options, const Shape& images, std::string_view place) {
  Graph graph(Mode::inference);
  const Value input(&graph, graph.add_input("images", {images}));
  const Builder top(graph);
  graph.set_output("logits", build_network(model, place.empty() ? top : top / place, input, options).id());
  return options.fused ? reparameterise(graph).graph : std::move(graph);
}

}  // namespace convoy

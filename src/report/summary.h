// What a network consists of: its layers with their shapes, parameters and work.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "convoy/shape.h"
#include "graph/graph.h"
#include "report/torchstat.h"

namespace convoy {

struct LayerSummary {
  std::string name;  // where its parameters are, "layer1.0.conv1"; empty without any
  std::string op;
  Shape input;
  Shape output;
  int64_t parameters = 0;     // trained
  int64_t statistics = 0;     // not trained, such as running means
  int64_t multiply_adds = 0;  // of the whole input, as papers count them: one for a product and its sum
  TorchstatCounts torchstat;
};

struct NetworkSummary {
  std::vector<LayerSummary> layers;  // in the order they run
  LayerSummary total;                // name, op and shapes left empty
  int64_t activation_bytes = 0;      // of all outputs together
};

// Parameters that several nodes share count where they are first used.
NetworkSummary summarize(const Graph& graph);

}  // namespace convoy

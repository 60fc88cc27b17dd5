// Which tensor of a checkpoint is which of a network.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "graph/graph.h"
#include "models/names/naming.h"

namespace convoy {

// A parameter or running statistic of a network.
struct NetworkTensor {
  std::string name;
  std::vector<int64_t> shape;  // in files: OIHW, {out, in}
  FileLayout layout = FileLayout::same;
  int class_axis = -1;  // of shape; -1: it does not depend on the number of classes
};

// Those of `graph`, in the order in which the network was built. wider: the same network with another number of
// classes.
std::vector<NetworkTensor> network_tensors(const Graph& graph, const Graph& wider);

struct WeightMatch {
  struct Pair {
    size_t wanted = 0;          // place among the network's tensors
    std::vector<size_t> found;  // places among the file's; the rows of several are those of one
    bool transposed = false;
    float factor = 1;  // of the file's numbers
  };
  const Naming* naming = nullptr;  // whose names the file has; nullptr: the network's own, or by order
  std::string prefix;              // taken off the file's names
  bool by_order = false;
  std::string order_problem;       // why order and shapes do not determine a match; empty: they do, or were not tried
  std::vector<Pair> pairs;         // that fit
  std::vector<Pair> misshapen;     // of the same name only
  std::vector<size_t> missing;     // of the network
  std::vector<size_t> unexpected;  // of the file
  size_t integers = 0;             // tensors of integers, which networks do not have
};

// The number of classes of the file's network `model`, by name or else by its last matrix; 0 when nothing tells.
int64_t classes_of(const Checkpoint& file, std::string_view model, std::span<const NetworkTensor> wanted);

// By name: the network's own, or those of the source that has most of them. by_order: by order and shape, if they leave
// no doubt: layers, each with the norm behind it or without, must come in the order of the network, except those whose
// shapes occur once. Shapes may differ in trailing ones, and matrices of Paddle are {in, out}.
WeightMatch match_weights(const Checkpoint& file, std::string_view model, std::span<const NetworkTensor> wanted,
                          bool by_order);

}  // namespace convoy

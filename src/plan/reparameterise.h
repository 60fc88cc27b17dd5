// Re-parameterisation: linear branches of an inference graph become one convolution each (Ding et al., ACNet, arXiv
// 1908.03930, and RepVGG, arXiv 2101.03697).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "plan/linear_form.h"
#include "plan/variables.h"
#include "plan/weight_source.h"

namespace convoy {

// A graph in which every linear branch is one convolution, and how its weights come from those of the original.
struct Reparameterised {
  struct Convolution {
    std::string weight, bias;  // names in the new graph
    std::shared_ptr<const LinearForm> form;
  };
  Graph graph;
  std::vector<Convolution> convolutions;
  std::map<ValueId, ValueId> originals;      // of what the new graph's nodes make, the value that it is in the original
  std::map<std::string_view, int> rewrites;  // by rule
};

// Rules, applied until none does, to values that nobody else reads:
//   norm      batch_norm(branch), with stored statistics
//   scale     channel_scale(branch, vector)
//   parallel  sum of branches of one input, of one stride, the kernel of one of which covers the others; a norm of the
//             input, or the input itself, is a branch with a 1x1 kernel
//   pointwise a 1x1 convolution of a branch, where the product takes no more multiplications than both
// A branch is a convolution or linear layer, or what a rule made of one. A convolution that takes in others keeps its
// name; several that become one get the name that they have in common, with "fused" behind it. Equal graphs give equal
// results, whatever their weights.
Reparameterised reparameterise(const Graph& graph);

// Computes the new graph's variables from those of the original, in double precision.
void fuse_weights(const Reparameterised& fused, const Variables& original, const Variables& into);
// Those variables, computed from `original` as they are asked for.
WeightSource fused_weights(std::shared_ptr<const Reparameterised> fused, WeightSource original);

}  // namespace convoy

// What a network consists of: its layers with their shapes, parameters and work.
//
// Threads: these functions may be called from several at once, unless they write the same files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "convoy/export_macro.h"
#include "convoy/model.h"
#include "convoy/shape.h"

namespace convoy {

// The figures of torchstat (github.com/Swall0w/torchstat), which papers and tutorials print, of a layer on its whole
// input. With k the products that make one element of a convolution or linear layer, for each element of the output:
//   madd   2 k - 1, and 1 for a convolution's bias; batch norm 4; ReLU and ReLU6 1; max pooling its window's elements
//          less 1, average pooling all of them
//   flops  k, and 1 for a convolution's bias; batch norm 2; ReLU, ReLU6 and LeakyReLU 1; pooling 1 for each of its
//   input memory 4 bytes read, written
//          4 bytes for each element of input, weight and bias of convolutions, linear layers, batch norms, ReLUs (as
//          above) and pooling, and for each of their outputs
// Other layers count for memory alone, and adaptive pooling is one of them. What torch networks write as functions has
// no counts: sums, products, concatenation, reshaping, and the mean and the gate of squeeze and excitation. A batch
// norm that no activation follows counts twice for memory: its module ends in an nn.Identity, as timm's and the
// tutorials' do.
struct CONVOY_API TorchstatCounts {
  int64_t madd = 0;
  int64_t flops = 0;
  int64_t memory_bytes = 0;
  int64_t read_bytes = 0;
  int64_t written_bytes = 0;

  TorchstatCounts& operator+=(const TorchstatCounts& other);
};

struct LayerSummary {
  std::string name;  // where its parameters are, "layer1.0.conv1"; empty without any
  std::string op;
  Shape input;
  Shape output;
  int64_t parameters = 0;       // trained; those that several layers share count where they are first used
  int64_t parameter_bytes = 0;  // of these, in a model file
  int64_t statistics = 0;       // not trained, such as running means
  int64_t multiply_adds = 0;    // of the whole input, as papers count them: one for a product and its sum
  TorchstatCounts torchstat;
};

struct NetworkSummary {
  std::vector<LayerSummary> layers;  // in the order they run
  LayerSummary total;                // name, op and shapes left empty
  int64_t activation_bytes = 0;      // of all outputs together
};

// The network as it is trained on images of this shape {N, H, W, 3}, or as it infers where the options ask for the
// fused form. Throws as build_network does.
CONVOY_API NetworkSummary summarize(const Model& model, const ModelOptions& options, const Shape& images);

}  // namespace convoy

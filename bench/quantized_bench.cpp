// Speed of the kernels of quantised layers, which CONVOY_ISA chooses, beside those of the same layers in f32, with ReLU
// and prepared weights.
//   quantized_bench [THREADS [SECONDS]]
// Prints 10^9 multiply-adds a second (the best of the runs that fit into SECONDS, 0.5 unless told).
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "bench/conv_timing.h"
#include "core/cpu.h"
#include "core/parallel.h"
#include "kernels/conv.h"
#include "kernels/depthwise.h"
#include "kernels/quantized_conv.h"

namespace {

using namespace convoy;
using namespace convoy::kernels;

struct Layer {
  int64_t size, in_c, out_c, kernel, stride;
  bool depthwise = false;
};

constexpr Layer kLayers[] = {
    {56, 64, 256, 1, 1},  {28, 512, 128, 1, 1},       {14, 256, 1024, 1, 1},      {14, 1024, 256, 1, 1},
    {7, 512, 2048, 1, 1}, {56, 64, 64, 3, 1},         {28, 128, 128, 3, 1},       {14, 256, 256, 3, 1},
    {7, 512, 512, 3, 1},  {14, 512, 512, 3, 2},       {1, 2048, 1000, 1, 1},      {56, 24, 144, 1, 1},
    {224, 3, 64, 7, 2},   {56, 144, 144, 3, 1, true}, {14, 576, 576, 3, 1, true}, {14, 576, 576, 5, 1, true},
};

double floats_per_second(const ConvKernels& kernels, const ConvGeometry& g, double budget) {
  const int64_t weights = g.kernel_h * g.kernel_w * (g.in_c / g.groups) * g.out_c;
  const Buffer input = random_floats(g.batch * g.in_h * g.in_w * g.in_c), weight = random_floats(weights);
  const Buffer bias = random_floats(g.out_c), workspace(kernels.forward_workspace(g));
  const Buffer output(static_cast<size_t>(g.batch * g.out_h * g.out_w * g.out_c) * sizeof(float));
  const Buffer prepared(kernels.prepared_bytes(g));
  ConvForwardArgs args;
  args.input = input.floats();
  args.weight = weight.floats();
  args.bias = bias.floats();
  args.output = args.activated = output.floats();
  args.activation = Activation::relu;
  args.workspace = workspace.data();
  if (prepared.size() > 0) {
    kernels.prepare(g, args.weight, prepared.data());
    args.prepared_weight = prepared.data();
  }
  return 1 / best_seconds(budget, [&] { kernels.forward(g, args); });
}

double bytes_per_second(const QuantizedConvKernels& kernels, const ConvGeometry& g, double budget) {
  RandomStream random(1, "bench");
  std::vector<uint8_t> input(static_cast<size_t>(g.batch * g.in_h * g.in_w * g.in_c));
  std::vector<int8_t> weight(static_cast<size_t>(g.kernel_h * g.kernel_w * (g.in_c / g.groups) * g.out_c));
  for (uint8_t& x : input) x = static_cast<uint8_t>(random.below(256));
  for (int8_t& x : weight) x = static_cast<int8_t>(static_cast<int>(random.below(255)) - 127);
  const std::vector<float> scale(static_cast<size_t>(g.out_c), 0.003F);
  const Buffer bias = random_floats(g.out_c), workspace(kernels.workspace(g)), prepared(kernels.prepared_bytes(g));
  std::vector<uint8_t> output(static_cast<size_t>(g.batch * g.out_h * g.out_w * g.out_c));
  kernels.prepare(g, weight.data(), prepared.data());
  const QuantizedConvArgs args{.input = input.data(),
                               .in = {0.01F, 3},
                               .weight_scale = scale.data(),
                               .bias = bias.floats(),
                               .activation = Activation::relu,
                               .byte_output = output.data(),
                               .out = {0.1F, 0},
                               .prepared_weight = prepared.data(),
                               .workspace = workspace.data()};
  return 1 / best_seconds(budget, [&] { kernels.forward(g, args); });
}

// Those that a plan chooses.
const QuantizedConvKernels& quantized_kernels(bool depthwise) {
  const QuantizedConvKernels* tiles = depthwise ? nullptr : tile_quantized_conv_kernels();
  if (tiles != nullptr) return *tiles;
  const QuantizedConvKernels* dot = depthwise ? dot_quantized_depthwise_kernels() : dot_quantized_conv_kernels();
  if (dot != nullptr) return *dot;
  return depthwise ? quantized_depthwise_kernels() : quantized_conv_kernels();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) set_thread_count(std::atoi(argv[1]));
  const double budget = argc > 2 ? std::atof(argv[2]) : 0.5;
  std::printf("%s, %d threads\n%5s %5s %5s %6s %6s | %6s %6s %6s\n", to_string(active_isa()).data(), thread_count(),
              "size", "in_c", "out_c", "kernel", "stride", "f32", "int8", "ratio");
  for (const Layer& layer : kLayers) {
    ConvGeometry g = square_geometry(1, layer.size, layer.kernel, layer.stride);
    g.in_c = layer.in_c;
    g.out_c = layer.out_c;
    if (layer.depthwise) g.groups = layer.in_c;
    const double work =
        1e-9 * static_cast<double>(g.out_h * g.out_w * g.kernel_h * g.kernel_w * g.in_c / g.groups * g.out_c);
    const double floats = work * floats_per_second(layer.depthwise ? depthwise_kernels() : conv_kernels(), g, budget);
    const double bytes = work * bytes_per_second(quantized_kernels(layer.depthwise), g, budget);
    std::printf("%5ld %5ld %5ld %6ld %6ld | %6.1f %6.1f %6.2f%s\n", layer.size, layer.in_c, layer.out_c, layer.kernel,
                layer.stride, floats, bytes, bytes / floats, layer.depthwise ? " depthwise" : "");
  }
}

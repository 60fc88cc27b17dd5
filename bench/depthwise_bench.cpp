// Speed of the depthwise kernels on the layers of MobileNetV2 and Conv2Former-N.
//   depthwise_bench [NETWORK [THREADS [SECONDS]]]    NETWORK: mobilenet_v2, conv2former_n; default: all
// Prints milliseconds (the best of the runs that fit into SECONDS, 0.2 unless told) of forward, input gradient and
// weight gradient, what they reach in GFLOP/s counting only taps inside the image, and in GB/s counting every feature
// map once; for each network the time of all its layers.
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

#include "bench/conv_timing.h"
#include "core/cpu.h"
#include "core/parallel.h"
#include "kernels/depthwise.h"

namespace {

using namespace convoy;
using namespace convoy::kernels;

struct Layer {
  int64_t size, channels, kernel, stride, count;  // input of size x size; how often the network has it
};

// Batch 16, 224 x 224.
constexpr Layer kMobileNetV2[] = {
    {112, 32, 3, 1, 1}, {112, 96, 3, 2, 1}, {56, 144, 3, 1, 1}, {56, 144, 3, 2, 1}, {28, 192, 3, 1, 2},
    {28, 192, 3, 2, 1}, {14, 384, 3, 1, 4}, {14, 576, 3, 1, 2}, {14, 576, 3, 2, 1}, {7, 960, 3, 1, 3},
};
// Batch 64, 32 x 32.
constexpr Layer kConv2FormerN[] = {
    {32, 64, 11, 1, 2}, {16, 128, 11, 1, 2}, {8, 256, 11, 1, 2}, {4, 512, 11, 1, 2},
    {32, 256, 3, 1, 2}, {16, 512, 3, 1, 2},  {8, 1024, 3, 1, 2}, {4, 2048, 3, 1, 2},
};

struct Network {
  const char* name;
  int64_t batch;
  std::span<const Layer> layers;
};
constexpr Network kNetworks[] = {{"mobilenet_v2", 16, kMobileNetV2}, {"conv2former_n", 64, kConv2FormerN}};

ConvGeometry geometry_of(const Layer& layer, int64_t batch) {
  ConvGeometry g = square_geometry(batch, layer.size, layer.kernel, layer.stride);
  g.in_c = g.out_c = g.groups = layer.channels;
  return g;
}

// Taps of one axis that lie inside the image, over all outputs.
double taps_inside(const Layer& layer, int64_t outputs) {
  const int64_t pad = (layer.kernel - 1) / 2;
  int64_t taps = 0;
  for (int64_t o = 0; o < outputs; ++o) {
    for (int64_t k = 0; k < layer.kernel; ++k) {
      const int64_t x = o * layer.stride - pad + k;
      taps += x >= 0 && x < layer.size;
    }
  }
  return static_cast<double>(taps);
}

void bench(const Network& network, double budget) {
  std::printf("%s, batch %ld, %s, %d threads\n", network.name, static_cast<long>(network.batch),
              to_string(active_isa()).data(), thread_count());
  std::printf("%4s %8s %6s %6s %5s | %24s | %24s | %24s\n", "size", "channels", "kernel", "stride", "count",
              "forward: ms GFLOP/s GB/s", "grad_input", "grad_weight");
  Times total{};
  for (const Layer& layer : network.layers) {
    const ConvGeometry g = geometry_of(layer, network.batch);
    const double taps = taps_inside(layer, g.out_h), maps = static_cast<double>(network.batch * layer.channels);
    const double gflop = 2e-9 * taps * taps * maps;
    const double gigabytes = 4e-9 * maps * static_cast<double>(g.in_h * g.in_w + g.out_h * g.out_w);
    const Times times = measure(depthwise_kernels(), g, budget);
    std::printf("%4ld %8ld %6ld %6ld %5ld |", layer.size, layer.channels, layer.kernel, layer.stride, layer.count);
    for (const double seconds : {times.forward, times.grad_input, times.grad_weight}) {
      std::printf(" %11.2f %7.1f %4.0f |", 1e3 * seconds, gflop / seconds, gigabytes / seconds);
    }
    std::printf("\n");
    const auto count = static_cast<double>(layer.count);
    total.forward += times.forward * count;
    total.grad_input += times.grad_input * count;
    total.grad_weight += times.grad_weight * count;
  }
  std::printf("all: forward %.2f ms, grad_input %.2f ms, grad_weight %.2f ms\n", 1e3 * total.forward,
              1e3 * total.grad_input, 1e3 * total.grad_weight);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view wanted = argc > 1 ? argv[1] : "all";
  if (argc > 2) set_thread_count(std::atoi(argv[2]));
  const double budget = argc > 3 ? std::atof(argv[3]) : 0.2;
  for (const Network& network : kNetworks) {
    if (wanted == "all" || wanted == network.name) bench(network, budget);
  }
}

// Speed of the convolution kernels on the layers of ResNet-50, MobileNetV2 (its 1x1 layers) and Conv2Former-N.
//   conv_bench [NETWORK [THREADS [SECONDS]]]    NETWORK: resnet50, mobilenet_v2, conv2former_n; default: all
// Prints GFLOP/s (the best of the runs that fit into SECONDS, 0.2 unless told) of forward, input gradient and weight
// gradient, and for each network the time of all its layers; where Winograd's way is preferred, a second line gives
// its speed as if it did the direct way's work.
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

#include "bench/conv_timing.h"
#include "core/cpu.h"
#include "core/parallel.h"
#include "kernels/conv.h"
#include "kernels/winograd.h"

namespace {

using namespace convoy;
using namespace convoy::kernels;

struct Layer {
  int64_t size, in_c, out_c, kernel, stride, count;  // input of size x size; how often the network has it
};

// Batch 16, 224 x 224.
constexpr Layer kResNet50[] = {
    {224, 3, 64, 7, 2, 1},     {56, 64, 64, 1, 1, 1},    {56, 64, 64, 3, 1, 3},    {56, 64, 256, 1, 1, 4},
    {56, 256, 64, 1, 1, 2},    {56, 256, 128, 1, 1, 1},  {56, 128, 128, 3, 2, 1},  {28, 128, 512, 1, 1, 4},
    {56, 256, 512, 1, 2, 1},   {28, 512, 128, 1, 1, 3},  {28, 128, 128, 3, 1, 3},  {28, 512, 256, 1, 1, 1},
    {28, 256, 256, 3, 2, 1},   {14, 256, 1024, 1, 1, 6}, {28, 512, 1024, 1, 2, 1}, {14, 1024, 256, 1, 1, 5},
    {14, 256, 256, 3, 1, 5},   {14, 1024, 512, 1, 1, 1}, {14, 512, 512, 3, 2, 1},  {7, 512, 2048, 1, 1, 3},
    {14, 1024, 2048, 1, 2, 1}, {7, 2048, 512, 1, 1, 2},  {7, 512, 512, 3, 1, 2},   {1, 2048, 1000, 1, 1, 1},
};
constexpr Layer kMobileNetV2[] = {
    {224, 3, 32, 3, 2, 1},  {112, 32, 16, 1, 1, 1}, {112, 16, 96, 1, 1, 1}, {56, 96, 24, 1, 1, 1},
    {56, 24, 144, 1, 1, 2}, {56, 144, 24, 1, 1, 1}, {28, 144, 32, 1, 1, 1}, {28, 32, 192, 1, 1, 3},
    {28, 192, 32, 1, 1, 2}, {14, 192, 64, 1, 1, 1}, {14, 64, 384, 1, 1, 4}, {14, 384, 64, 1, 1, 3},
    {14, 384, 96, 1, 1, 1}, {14, 96, 576, 1, 1, 3}, {14, 576, 96, 1, 1, 2}, {7, 576, 160, 1, 1, 1},
    {7, 160, 960, 1, 1, 3}, {7, 960, 160, 1, 1, 2}, {7, 960, 320, 1, 1, 1}, {7, 320, 1280, 1, 1, 1},
};
// Batch 64, 32 x 32.
constexpr Layer kConv2FormerN[] = {
    {32, 3, 64, 3, 1, 1},    {32, 64, 64, 1, 1, 8},   {32, 64, 256, 1, 1, 2},  {32, 256, 64, 1, 1, 2},
    {16, 128, 128, 1, 1, 8}, {16, 128, 512, 1, 1, 2}, {16, 512, 128, 1, 1, 2}, {32, 64, 128, 2, 2, 1},
    {8, 256, 256, 1, 1, 8},  {8, 256, 1024, 1, 1, 2}, {8, 1024, 256, 1, 1, 2}, {16, 128, 256, 2, 2, 1},
};

struct Network {
  const char* name;
  int64_t batch;
  std::span<const Layer> layers;
};
constexpr Network kNetworks[] = {
    {"resnet50", 16, kResNet50}, {"mobilenet_v2", 16, kMobileNetV2}, {"conv2former_n", 64, kConv2FormerN}};

ConvGeometry geometry_of(const Layer& layer, int64_t batch) {
  ConvGeometry g = square_geometry(batch, layer.size, layer.kernel, layer.stride);
  g.in_c = layer.in_c;
  g.out_c = layer.out_c;
  return g;
}

void bench(const Network& network, double budget) {
  std::printf("%s, batch %ld, %s, %d threads\n", network.name, static_cast<long>(network.batch),
              to_string(active_isa()).data(), thread_count());
  std::printf("%5s %5s %5s %6s %6s %5s | %8s %10s %11s\n", "size", "in_c", "out_c", "kernel", "stride", "count",
              "forward", "grad_input", "grad_weight");
  const auto print = [](const Layer& layer, const char* family, double flop, const Times& times) {
    std::printf("%5ld %5ld %5ld %6ld %6ld %5ld | %8.1f %10.1f %11.1f%s\n", layer.size, layer.in_c, layer.out_c,
                layer.kernel, layer.stride, layer.count, flop / times.forward, flop / times.grad_input,
                flop / times.grad_weight, family);
  };
  Times total{};
  double work = 0;
  for (const Layer& layer : network.layers) {
    const ConvGeometry g = geometry_of(layer, network.batch);
    const double flop =
        2e-9 * static_cast<double>(g.batch * g.out_h * g.out_w * g.kernel_h * g.kernel_w * g.in_c * g.out_c);
    const Times times = measure(conv_kernels(), g, budget);
    print(layer, "", flop, times);
    if (winograd_is_faster(g, false)) print(layer, " winograd", flop, measure(winograd_kernels(), g, budget));
    const auto count = static_cast<double>(layer.count);
    work += flop * count;
    total.forward += times.forward * count;
    if (layer.in_c != 3) total.grad_input += times.grad_input * count;
    total.grad_weight += times.grad_weight * count;
  }
  std::printf("all: forward %.1f ms, grad_input %.1f ms, grad_weight %.1f ms; %.1f GFLOP a pass\n", 1e3 * total.forward,
              1e3 * total.grad_input, 1e3 * total.grad_weight, work);
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

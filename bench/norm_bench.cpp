// Speed of the normalisation kernels as a share of what copying memory costs.
//   norm_bench [THREADS [SECONDS]]
// Prints GB/s of every pass (its reads and writes, each counted once; the best of the runs that fit into SECONDS, 0.1
// unless told) on the maps of ResNet-50, MobileNetV2 and Conv2Former-N, beside that of memcpy on maps of that size.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "bench/timing.h"
#include "core/buffer.h"
#include "core/parallel.h"
#include "core/random.h"
#include "kernels/batch_norm.h"
#include "kernels/group_norm.h"
#include "kernels/layer_norm.h"

namespace {

using namespace convoy;
using namespace convoy::kernels;

double seconds = 0.1;

struct Map {
  int64_t pixels, channels;
};

// Maps that a step would use, so many that none is in a cache when its turn comes again.
class Maps {
 public:
  explicit Maps(int64_t floats) : floats_(floats), buffer_(static_cast<size_t>(floats * kMaps * 4)) {
    RandomStream random(1, "maps");
    for (int64_t i = 0; i < floats * kMaps; ++i) buffer_.floats()[i] = random.uniform(-1.0F, 1.0F);
  }
  float* operator[](int i) const { return buffer_.floats() + floats_ * i; }

 private:
  static constexpr int kMaps = 5;
  int64_t floats_;
  Buffer buffer_;
};

void print(double passes, int64_t floats, double time) {
  std::printf(" %6.1f", passes * static_cast<double>(floats) * 4e-9 / time);
}

void bench(Map map, int64_t samples) {
  const int64_t pixels = map.pixels, channels = map.channels;
  const int64_t floats = pixels * channels;
  const Maps maps(floats);
  Buffer channel_values(static_cast<size_t>(channels * 4 * 8));
  std::fill_n(channel_values.floats(), channels * 8, 0.5F);
  const auto vector = [&](int i) { return channel_values.floats() + channels * i; };
  float *mean = vector(0), *inv_std = vector(1), *weight = vector(2), *bias = vector(3);
  float *grad_weight = vector(4), *grad_bias = vector(5), *running_mean = vector(6), *running_var = vector(7);
  const GroupNormShape shape = {samples, pixels / samples, channels, 1};
  const int64_t workspace_floats =
      std::max({batch_norm_kernels().f32.workspace(pixels, channels),
                layer_norm_kernels().f32.workspace(pixels, channels), group_norm_kernels().workspace(shape)});
  const auto workspace_bytes = static_cast<size_t>(workspace_floats * 4);
  Buffer workspace(workspace_bytes), partials(workspace_bytes), rows(static_cast<size_t>(pixels * 8));
  const int64_t tile_pixels = norm_tile_pixels(channels);

  std::printf("%7ldx%-5ld", static_cast<long>(pixels), static_cast<long>(channels));
  const int64_t piece = 1 << 15;
  print(2, floats, best_seconds(seconds, [&] {
          parallel_for((floats + piece - 1) / piece, [&](int64_t task, int) {
            const int64_t first = task * piece;
            std::memcpy(maps[1] + first, maps[0] + first, static_cast<size_t>(std::min(piece, floats - first)) * 4);
          });
        }));
  print(1, floats, best_seconds(seconds, [&] {
          batch_norm_kernels().f32.statistics({pixels, channels, maps[0], partials.floats(), workspace.floats()});
          batch_norm_kernels().f32.merge({pixels, channels, partials.floats(), tile_pixels, 1e-5F, 0.1F, mean, inv_std,
                                          running_mean, running_var});
        }));
  for (const Activation activation : {Activation::relu, Activation::silu}) {
    for (const bool residual : {false, true}) {
      if (residual && activation != Activation::relu) continue;
      print(residual ? 3 : 2, floats, best_seconds(seconds, [&] {
              batch_norm_kernels().f32.forward({pixels, channels, activation, maps[0], residual ? maps[2] : nullptr,
                                                mean, inv_std, weight, bias, maps[1], workspace.floats()});
            }));
      print(residual ? 7 : 5, floats, best_seconds(seconds, [&] {
              batch_norm_kernels().f32.backward({pixels, channels, activation, false, maps[3], maps[0],
                                                 residual ? maps[1] : nullptr, mean, inv_std, weight, bias, nullptr,
                                                 maps[4], residual ? maps[3] : nullptr, grad_weight, grad_bias,
                                                 workspace.floats()});
            }));
    }
  }
  print(2, floats, best_seconds(seconds, [&] {
          layer_norm_kernels().f32.forward(
              {pixels, channels, 1e-6F, maps[0], weight, bias, maps[1], rows.floats(), rows.floats() + pixels});
        }));
  print(3, floats, best_seconds(seconds, [&] {
          layer_norm_kernels().f32.backward({pixels, channels, maps[3], maps[0], rows.floats(), rows.floats() + pixels,
                                             weight, nullptr, maps[4], grad_weight, grad_bias, workspace.floats()});
        }));
  print(2, floats, best_seconds(seconds, [&] {
          group_norm_kernels().forward({shape, 1e-6F, maps[0], weight, bias, maps[1], rows.floats(),
                                        rows.floats() + pixels, workspace.floats()});
        }));
  print(3, floats, best_seconds(seconds, [&] {
          group_norm_kernels().backward({shape, maps[3], maps[0], rows.floats(), rows.floats() + pixels, weight,
                                         nullptr, maps[4], grad_weight, grad_bias, workspace.floats()});
        }));
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) set_thread_count(std::atoi(argv[1]));
  if (argc > 2) seconds = std::atof(argv[2]);
  std::printf("%13s %6s %6s %6s %6s %6s %6s %6s %6s %6s %6s %6s %6s\n", "pixels x ch", "memcpy", "stats", "relu",
              "back", "+relu", "back", "silu", "back", "layer", "back", "group", "back");
  for (const Map map : {Map{200704, 64}, Map{50176, 256}, Map{12544, 512}, Map{784, 2048}}) bench(map, 16);
  for (const Map map : {Map{200704, 16}, Map{50176, 24}, Map{50176, 144}, Map{3136, 576}, Map{784, 160}})
    bench(map, 16);
  for (const Map map : {Map{65536, 64}, Map{16384, 128}, Map{4096, 256}}) bench(map, 64);
}

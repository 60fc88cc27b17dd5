#include "kernels/depthwise.h"

#include "core/parallel.h"
#include "kernels/isa/activation.h"
#include "kernels/isa/depthwise_run.h"
#include "kernels/isa/depthwise_sweep.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// Pixels computed before the next channels' turn, as whole rows: few enough that they are still in the first cache
// when their statistics are taken.
constexpr int64_t kBlockPixels = 128;
// Pixels that a task takes, at least, so that tasks reread few rows of their neighbours.
constexpr int64_t kTaskPixels = 1024;
// A weight gradient is summed over chunks of at least this many output pixels and at most this many chunks.
constexpr int64_t kChunkPixels = 2048;
constexpr int64_t kMaxChunks = 256;

int64_t block_rows(int64_t width) { return larger<int64_t>(1, kBlockPixels / width); }

// Small kernels stream through memory: many channels at a time. Large ones compute on what the first cache holds.
int64_t block_channels(const ConvGeometry& g) { return g.kernel_h * g.kernel_w <= 25 ? 256 : 2 * kLanes; }

// What forward and input gradient have in common.
struct Correlation {
  const float* source;
  const float* weight;
  const float* bias;
  const float* addend;
  float* result;
  int64_t channels, kernel_w;
  AxisGeometry vertical, horizontal;
};

AxisGeometry vertical_axis(const ConvGeometry& g, bool transposed) {
  return {g.in_h, g.out_h, g.kernel_h, g.stride_h, g.pad_h, g.dilation_h, transposed};
}
AxisGeometry horizontal_axis(const ConvGeometry& g, bool transposed) {
  return {g.in_w, g.out_w, g.kernel_w, g.stride_w, g.pad_w, g.dilation_w, transposed};
}

// The results of one phase along one row; rows count through all images.
void correlate_row(const Correlation& k, const Axis& x, const RunKernel* kernels, int64_t row, int64_t c,
                   int64_t channels) {
  const int64_t image = row / k.vertical.results(), row_in_image = row % k.vertical.results();
  const Axis y = axis_of(k.vertical, row_in_image % k.vertical.phases());
  const int64_t t = row_in_image / k.vertical.phases();
  const TapRange rows = taps_inside(y, t);
  const int64_t pixel = k.channels;
  const int64_t source_y = image * k.vertical.sources() + y.origin + y.stride * t + y.dilation * rows.begin;
  const int64_t weight_y = y.weight_first + y.weight_step * rows.begin;
  const int64_t width = k.horizontal.sources();

  Run run;
  run.source = k.source + source_y * width * pixel + c;
  run.weight = k.weight + (weight_y * k.kernel_w + x.weight_first) * pixel + c;
  run.bias = k.bias ? k.bias + c : nullptr;
  run.channels = channels;
  run.tap_rows = rows.end - rows.begin;
  run.source_row_step = y.dilation * width * pixel;
  run.weight_row_step = y.weight_step * k.kernel_w * pixel;
  run.source_pixel_step = pixel;
  run.weight_tap_step = x.weight_step * pixel;
  run.result_step = x.result_step * pixel;
  run.columns = width;
  run.taps = x.taps;
  run.stride = x.stride;
  run.dilation = x.dilation;
  const int64_t runs = runs_of(x.count);
  for (int64_t i = 0; i < runs; ++i) {
    const int64_t begin = x.count * i / runs, end = x.count * (i + 1) / runs;
    const int64_t at = (row * k.horizontal.results() + x.result_first + x.result_step * begin) * pixel + c;
    run.result = k.result + at;
    run.addend = k.addend ? k.addend + at : nullptr;
    run.first_column = x.origin + x.stride * begin;
    kernels[end - begin - 1](run);
  }
}

void correlate_rows(const Correlation& k, int64_t row_begin, int64_t row_end, int64_t c, int64_t channels) {
  for (int64_t phase = 0; phase < smaller(k.horizontal.phases(), k.horizontal.results()); ++phase) {
    const Axis x = axis_of(k.horizontal, phase);
    const RunKernel* const kernels = fastest_kernels(x);
    const int64_t main = kernels == generic_kernels() ? channels : unrolled_channels(channels);
    for (int64_t row = row_begin; row < row_end; ++row) {
      if (main > 0) correlate_row(k, x, kernels, row, c, main);
      if (main < channels) correlate_row(k, x, generic_kernels(), row, c + main, channels - main);
    }
  }
}

// Calls body(row_begin, row_end, first_channel, channels) for blocks that cover rows x channels, in parallel; a block
// has block_rows(width) rows, counted from row 0, the last one fewer.
template <class Body>
void for_blocks(int64_t rows, int64_t width, int64_t channels, int64_t channel_block, const Body& body) {
  const int64_t height = block_rows(width);
  const int64_t task_rows = height * ceil_div(kTaskPixels, height * width);
  const int64_t channel_blocks = ceil_div(channels, channel_block);
  parallel_for(ceil_div(rows, task_rows) * channel_blocks, [&](int64_t task, int) {
    const int64_t c = task % channel_blocks * channel_block;
    const int64_t end = smaller(rows, (task / channel_blocks + 1) * task_rows);
    for (int64_t row = task / channel_blocks * task_rows; row < end; row += height) {
      body(row, smaller(end, row + height), c, smaller(channel_block, channels - c));
    }
  });
}

// The statistics of `pixels` pixels: sums[c] their sum, sums[step + c] their squared deviations from the mean. Each in
// kChains interleaved sums, for precision as much as for speed.
template <int kVectors, bool kPartial>
void channel_statistics(const float* values, int64_t pixels, int64_t step, int lanes, float* sums) {
  constexpr int kChains = 4;
  Vec sum[kVectors][kChains], square[kVectors][kChains], mean[kVectors];
  const auto for_every_value = [&](const auto& body) {
    int64_t p = 0;
    for (; p + kChains <= pixels; p += kChains) {
      unroll<0, kVectors>([&](auto v) {
        unroll<0, kChains>(
            [&](auto i) { body(v, i, load_lanes<kPartial>(values + (p + i) * step + v * kLanes, lanes)); });
      });
    }
    for (; p < pixels; ++p) {
      unroll<0, kVectors>(
          [&](auto v) { body(v, Index<0>{}, load_lanes<kPartial>(values + p * step + v * kLanes, lanes)); });
    }
  };
  const auto total = [](const Vec(&chains)[kChains]) { return (chains[0] + chains[1]) + (chains[2] + chains[3]); };
  unroll<0, kVectors>([&](auto v) { unroll<0, kChains>([&](auto i) { sum[v][i] = square[v][i] = zero(); }); });
  for_every_value([&](auto v, auto i, Vec x) { sum[v][i] = sum[v][i] + x; });
  const Vec share = broadcast(1.0F / static_cast<float>(pixels));
  unroll<0, kVectors>([&](auto v) {
    const Vec all = total(sum[v]);
    store_lanes<kPartial>(sums + v * kLanes, all, lanes);
    mean[v] = all * share;
  });
  for_every_value([&](auto v, auto i, Vec x) {
    const Vec deviation = x - mean[v];
    square[v][i] = fma(deviation, deviation, square[v][i]);
  });
  unroll<0, kVectors>([&](auto v) { store_lanes<kPartial>(sums + step + v * kLanes, total(square[v]), lanes); });
}

[[gnu::flatten]] void tile_statistics(const float* values, int64_t pixels, int64_t step, int64_t channels,
                                      float* sums) {
  int64_t c = 0;
  for (; c + 2 * kLanes <= channels; c += 2 * kLanes) {
    channel_statistics<2, false>(values + c, pixels, step, kLanes, sums + c);
  }
  for (; c < channels; c += kLanes) {
    channel_statistics<1, true>(values + c, pixels, step, static_cast<int>(smaller<int64_t>(kLanes, channels - c)),
                                sums + c);
  }
}

void activate_pixels(Activation activation, const float* in, float* out, int64_t pixels, int64_t step,
                     int64_t channels) {
  with_activation(activation, [&](auto tag) {
    for (int64_t p = 0; p < pixels; ++p) {
      const float* const x = in + p * step;
      float* const y = out + p * step;
      int64_t c = 0;
      for (; c + kLanes <= channels; c += kLanes) store(y + c, activate<decltype(tag)::value>(load(x + c)));
      const int lanes = static_cast<int>(channels - c);
      if (lanes > 0) store_n(y + c, activate<decltype(tag)::value>(load_n(x + c, lanes)), lanes);
    }
  });
}

void forward(const ConvGeometry& g, const ConvForwardArgs& args) {
  const Correlation correlation{args.input,
                                args.weight,
                                args.bias,
                                args.addend,
                                args.output,
                                g.out_c,
                                g.kernel_w,
                                vertical_axis(g, false),
                                horizontal_axis(g, false)};
  for_blocks(g.batch * g.out_h, g.out_w, g.out_c, block_channels(g),
             [&](int64_t row, int64_t row_end, int64_t c, int64_t channels) {
               correlate_rows(correlation, row, row_end, c, channels);
               const int64_t pixels = (row_end - row) * g.out_w, at = row * g.out_w * g.out_c + c;
               if (args.statistics) {
                 const int64_t tile = row / block_rows(g.out_w);
                 tile_statistics(args.output + at, pixels, g.out_c, channels, args.statistics + tile * 2 * g.out_c + c);
               }
               if (args.activated) {
                 activate_pixels(args.activation, args.output + at, args.activated + at, pixels, g.out_c, channels);
               }
             });
}

void grad_input(const ConvGeometry& g, const ConvGradInputArgs& args) {
  const Correlation correlation{args.grad_output,        args.weight, nullptr,    args.addend,
                                args.grad_input,         g.in_c,      g.kernel_w, vertical_axis(g, true),
                                horizontal_axis(g, true)};
  for_blocks(g.batch * g.in_h, g.in_w, g.in_c, block_channels(g),
             [&](int64_t row, int64_t row_end, int64_t c, int64_t channels) {
               correlate_rows(correlation, row, row_end, c, channels);
             });
}

int64_t chunk_rows(const ConvGeometry& g) {
  return larger(ceil_div(kChunkPixels, g.out_w), ceil_div(g.batch * g.out_h, kMaxChunks));
}
int64_t chunks_of(const ConvGeometry& g) { return ceil_div(g.batch * g.out_h, chunk_rows(g)); }

// Partial sums of one chunk: [kernel_h * kernel_w + 1][channels], the last row for the bias.
int64_t chunk_sums(const ConvGeometry& g) { return (g.kernel_h * g.kernel_w + 1) * g.out_c; }

size_t grad_weight_workspace(const ConvGeometry& g) {
  return static_cast<size_t>(chunks_of(g) * chunk_sums(g)) * sizeof(float);
}

template <bool kPartial>
void add_pixels(const float* grad, int64_t pixels, int64_t step, int lanes, float* sum) {
  Vec sums[4] = {load_lanes<kPartial>(sum, lanes), zero(), zero(), zero()};
  int64_t p = 0;
  for (; p + 4 <= pixels; p += 4) {
    unroll<0, 4>([&](auto i) { sums[i] = sums[i] + load_lanes<kPartial>(grad + (p + i) * step, lanes); });
  }
  for (; p < pixels; ++p) sums[0] = sums[0] + load_lanes<kPartial>(grad + p * step, lanes);
  store_lanes<kPartial>(sum, (sums[0] + sums[1]) + (sums[2] + sums[3]), lanes);
}

// Adds the rows [row_begin, row_end) to the partial sums.
void sweep_rows(const ConvGeometry& g, const ConvGradWeightArgs& args, const SweepKernel* kernels, int64_t row_begin,
                int64_t row_end, int64_t c, int64_t channels, float* sums) {
  const int64_t runs = runs_of(g.out_w);
  const int64_t main = kernels == nullptr ? 0 : unrolled_channels(channels);
  Sweep sweep{args.input + c, args.grad_output + c, sums + c, main, g.out_c, row_begin, row_end, 0, 0, runs, &g};
  // Neighbouring runs of one length go together.
  const auto length_of = [&](int64_t run) { return g.out_w * (run + 1) / runs - g.out_w * run / runs; };
  for (; main > 0 && sweep.run_begin < runs; sweep.run_begin = sweep.run_end) {
    const int64_t length = length_of(sweep.run_begin);
    while (sweep.run_end < runs && length_of(sweep.run_end) == length) ++sweep.run_end;
    kernels[length - 1](sweep);
  }
  if (main < channels) {
    generic_sweep({args.input + c + main, args.grad_output + c + main, sums + c + main, channels - main, g.out_c,
                   row_begin, row_end, 0, runs, runs, &g});
  }
  if (args.grad_bias == nullptr) return;
  const float* const grad = args.grad_output + row_begin * g.out_w * g.out_c;
  float* const bias_sums = sums + g.kernel_h * g.kernel_w * g.out_c;
  for (int64_t i = c; i < c + channels; i += kLanes) {
    const int lanes = static_cast<int>(smaller<int64_t>(kLanes, c + channels - i));
    if (lanes == kLanes) {
      add_pixels<false>(grad + i, (row_end - row_begin) * g.out_w, g.out_c, lanes, bias_sums + i);
    } else {
      add_pixels<true>(grad + i, (row_end - row_begin) * g.out_w, g.out_c, lanes, bias_sums + i);
    }
  }
}

void grad_weight(const ConvGeometry& g, const ConvGradWeightArgs& args) {
  float* const partial = static_cast<float*>(args.workspace);
  const int64_t rows = g.batch * g.out_h, chunks = chunks_of(g), height = chunk_rows(g), taps = g.kernel_h * g.kernel_w;
  const int64_t channel_block = block_channels(g), channel_blocks = ceil_div(g.out_c, channel_block);
  const SweepKernel* const kernels = sweep_kernels(g);
  const int64_t step = taps <= 25 ? 1 : block_rows(g.out_w);
  parallel_for(chunks * channel_blocks, [&](int64_t task, int) {
    const int64_t chunk = task / channel_blocks, c = task % channel_blocks * channel_block;
    const int64_t channels = smaller(channel_block, g.out_c - c);
    float* const sums = partial + chunk * chunk_sums(g);
    for (int64_t tap = 0; tap <= taps; ++tap) {
      for (int64_t i = 0; i < channels; ++i) sums[tap * g.out_c + c + i] = 0.0F;
    }
    const int64_t end = smaller(rows, (chunk + 1) * height);
    for (int64_t row = chunk * height; row < end; row += step) {
      sweep_rows(g, args, kernels, row, smaller(end, row + step), c, channels, sums);
    }
  });
  parallel_for(args.grad_bias ? taps + 1 : taps, [&](int64_t tap, int) {
    float* const result = tap == taps ? args.grad_bias : args.grad_weight + tap * g.out_c;
    for (int64_t c = 0; c < g.out_c; c += kLanes) {
      const int lanes = static_cast<int>(smaller<int64_t>(kLanes, g.out_c - c));
      Vec sum = zero();
      for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        sum = sum + load_n(partial + chunk * chunk_sums(g) + tap * g.out_c + c, lanes);
      }
      store_n(result + c, sum, lanes);
    }
  });
}

size_t no_workspace(const ConvGeometry&) { return 0; }

int64_t statistics_pixels(const ConvGeometry& g) { return block_rows(g.out_w) * g.out_w; }

}  // namespace

const ConvKernels& depthwise_kernels() {
  static constexpr ConvKernels kernels{
      forward, grad_input, grad_weight, no_workspace, no_workspace, grad_weight_workspace, statistics_pixels};
  return kernels;
}

}  // namespace convoy::kernels::CONVOY_ISA

#include "kernels/group_norm.h"

#include "kernels/isa/channel_norm.h"
#include "kernels/norm_tiles.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// The workspace, cut up: for every worker the scratch of a tile's sums, the partial sums of a sample's tiles and the
// constants of a row; then the gradient sums [samples][2][channels].
class Workspace {
 public:
  Workspace(const GroupNormShape& shape, float* base)
      : fold(fold_channels(shape.channels)),
        tile_pixels(norm_tile_pixels(shape.channels)),
        tiles(ceil_div(shape.pixels, tile_pixels)),
        base_(base),
        partials_(thread_count() * moments_scratch(fold)),
        rows_(partials_ + thread_count() * tiles * 2 * shape.channels),
        sums_(rows_ + thread_count() * 5 * fold.padded),
        end_(sums_ + shape.samples * 2 * shape.channels) {}

  float* scratch(int worker) const { return base_ + worker * moments_scratch(fold); }
  float* partials(int worker) const { return base_ + partials_ + worker * tiles * 2 * fold.channels; }
  BackwardRow row(int worker) const {
    float* first = base_ + rows_ + worker * 5 * fold.padded;
    const int64_t step = fold.padded;
    return {first, first + step, first + 2 * step, first + 3 * step, first + 4 * step};
  }
  float* sample_sums() const { return base_ + sums_; }
  int64_t floats() const { return end_; }

  const Fold fold;
  const int64_t tile_pixels, tiles;

 private:
  float* base_;
  int64_t partials_, rows_, sums_, end_;
};

int64_t workspace(const GroupNormShape& shape) { return Workspace(shape, nullptr).floats(); }

// Calls body(sample, worker) for every sample: in parallel where a sample stays in L2 from one pass over it to the
// next, else one after the other, which leaves the threads to the loops over tiles inside. A tile's scratch is that of
// worker + the inner loop's worker, one of which is 0.
template <class Body>
void for_samples(const GroupNormShape& shape, const Body& body) {
  constexpr int64_t kCachedFloats = 1 << 18;
  if (shape.pixels * shape.channels <= kCachedFloats) {
    parallel_for(shape.samples, body);
  } else {
    for (int64_t sample = 0; sample < shape.samples; ++sample) body(sample, 0);
  }
}

// Mean and 1 / sqrt(variance + eps) of a sample's groups from the partial statistics of its tiles and channels.
void merge_groups(const GroupNormForward& args, const Workspace& memory, const float* partials, int64_t sample) {
  const int64_t channels = args.shape.channels, groups = args.shape.groups, size = channels / groups;
  const double n = static_cast<double>(size * args.shape.pixels);
  const auto pixels_of = [&](int64_t tile) {
    return static_cast<double>(smaller(memory.tile_pixels, args.shape.pixels - tile * memory.tile_pixels));
  };
  for (int64_t group = 0; group < groups; ++group) {
    double mean = 0, deviations = 0;
    for (int64_t tile = 0; tile < memory.tiles; ++tile) {
      const float* sum = partials + tile * 2 * channels + group * size;
      for (int64_t c = 0; c < size; ++c) mean += static_cast<double>(sum[c]);
    }
    mean /= n;
    for (int64_t tile = 0; tile < memory.tiles; ++tile) {
      const float* sum = partials + tile * 2 * channels + group * size;
      for (int64_t c = 0; c < size; ++c) {
        const double offset = static_cast<double>(sum[c]) / pixels_of(tile) - mean;
        deviations += static_cast<double>(sum[channels + c]) + pixels_of(tile) * offset * offset;
      }
    }
    args.mean[sample * groups + group] = static_cast<float>(mean);
    args.inv_std[sample * groups + group] =
        static_cast<float>(1.0 / __builtin_sqrt(deviations / n + static_cast<double>(args.eps)));
  }
}

void forward(const GroupNormForward& args) {
  const GroupNormShape& shape = args.shape;
  const Workspace memory(shape, args.workspace);
  const int64_t sample_floats = shape.pixels * shape.channels, group_channels = shape.channels / shape.groups;
  const int64_t floats = shape.samples * sample_floats;
  const bool streamed = sample_floats % kLanes == 0 && streams_rows(floats, memory.fold.width, args.output, args.input);
  for_samples(shape, [&](int64_t sample, int worker) {
    const float* input = args.input + sample * sample_floats;
    float* partials = memory.partials(worker);
    for_tiles(shape.pixels, memory.tile_pixels, [&](int64_t first, int64_t count, int64_t tile, int inner) {
      tile_moments(memory.fold, input, first, count, partials + tile * 2 * shape.channels,
                   memory.scratch(worker + inner));
    });
    merge_groups(args, memory, partials, sample);
    const BackwardRow row = memory.row(worker);
    for (int64_t c = 0; c < shape.channels; ++c) {
      const int64_t group = sample * shape.groups + c / group_channels;
      const double scale = static_cast<double>(args.weight[c]) * static_cast<double>(args.inv_std[group]);
      row.scale[c] = static_cast<float>(scale);
      row.shift[c] =
          static_cast<float>(static_cast<double>(args.bias[c]) - static_cast<double>(args.mean[group]) * scale);
    }
    spread(memory.fold, row.scale, row.scale);
    spread(memory.fold, row.shift, row.shift);
    const Apply<Activation::none, false, float> apply = {input, nullptr, row.scale, row.shift,
                                                         args.output + sample * sample_floats};
    for_tiles(shape.pixels, memory.tile_pixels,
              [&](int64_t first, int64_t count, int64_t, int) { sweep(memory.fold, first, count, streamed, apply); });
  });
}

// The sample's gradient sums {g, g * xhat} per channel, and the constants of grad_input's pass: over the n values of a
// group, grad_input = inv_std * (w - sum(w) / n - xhat * sum(w * xhat) / n) with w = g * weight.
void merge_sample(const GroupNormBackward& args, const Workspace& memory, const float* partials, int64_t sample,
                  const BackwardRow& row) {
  const int64_t channels = args.shape.channels, group_channels = channels / args.shape.groups;
  const double n = static_cast<double>(args.shape.pixels * group_channels);
  float* sums = memory.sample_sums() + sample * 2 * channels;
  for (int64_t first = 0; first < channels; first += group_channels) {
    const double inv_std = static_cast<double>(args.inv_std[sample * args.shape.groups + first / group_channels]);
    double sum = 0, products = 0;
    for (int64_t c = first; c < first + group_channels; ++c) {
      double channel_sum = 0, channel_products = 0;
      for (int64_t tile = 0; tile < memory.tiles; ++tile) {
        channel_sum += static_cast<double>(partials[tile * 2 * channels + c]);
        channel_products += static_cast<double>(partials[(tile * 2 + 1) * channels + c]);
      }
      const double weight = static_cast<double>(args.weight[c]);
      sums[c] = static_cast<float>(channel_sum);
      sums[channels + c] = static_cast<float>(channel_products * inv_std);
      sum += weight * channel_sum;
      products += weight * channel_products;
    }
    for (int64_t c = first; c < first + group_channels; ++c) {
      row.scale[c] = static_cast<float>(static_cast<double>(args.weight[c]) * inv_std);
      row.slope[c] = static_cast<float>(-inv_std * inv_std * inv_std * products / n);
      row.constant[c] = static_cast<float>(-inv_std * sum / n);
    }
  }
}

void backward(const GroupNormBackward& args) {
  const GroupNormShape& shape = args.shape;
  const Workspace memory(shape, args.workspace);
  const Fold& fold = memory.fold;
  const int64_t sample_floats = shape.pixels * shape.channels, group_channels = shape.channels / shape.groups;
  const int64_t floats = shape.samples * sample_floats;
  const bool streamed = sample_floats % kLanes == 0 &&
                        streams_rows(floats, fold.width, args.grad_input, args.grad_output, args.input, args.addend);
  for_samples(shape, [&](int64_t sample, int worker) {
    const float *input = args.input + sample * sample_floats, *grad_output = args.grad_output + sample * sample_floats;
    const BackwardRow row = memory.row(worker);
    for (int64_t c = 0; c < shape.channels; ++c) {
      row.mean[c] = args.mean[sample * shape.groups + c / group_channels];
    }
    spread(fold, row.mean, row.mean);
    float* partials = memory.partials(worker);
    for_tiles(shape.pixels, memory.tile_pixels, [&](int64_t first, int64_t count, int64_t tile, int inner) {
      float* sum = memory.scratch(worker + inner);
      const GradSums<Activation::none, false, float> sums = {grad_output, input, nullptr,           row,
                                                             nullptr,     sum,   sum + fold.padded, fold.ahead};
      tile_grad_sums(fold, first, count, sums, partials + tile * 2 * shape.channels);
    });
    merge_sample(args, memory, partials, sample, row);
    spread(fold, row.scale, row.scale);
    spread(fold, row.slope, row.slope);
    spread(fold, row.constant, row.constant);
    const float* addend = args.addend != nullptr ? args.addend + sample * sample_floats : nullptr;
    const GradApply<Activation::none, float> apply = {grad_output, input, addend, row,
                                                      args.grad_input + sample * sample_floats};
    for_tiles(shape.pixels, memory.tile_pixels,
              [&](int64_t first, int64_t count, int64_t, int) { sweep(fold, first, count, streamed, apply); });
  });
  merge_partials(memory.sample_sums(), shape.samples, shape.channels, [&](int64_t c, double bias, double weight) {
    args.grad_bias[c] = static_cast<float>(bias);
    args.grad_weight[c] = static_cast<float>(weight);
  });
}

}  // namespace

const GroupNormKernels& group_norm_kernels() {
  static constexpr GroupNormKernels kKernels = {workspace, forward, backward};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA

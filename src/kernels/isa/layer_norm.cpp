#include "kernels/layer_norm.h"

#include "kernels/isa/channel_norm.h"
#include "kernels/isa/tiles.h"
#include "kernels/isa/unroll.h"
#include "kernels/norm_tiles.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// Calls body(Index<n>, row) for groups of n = kRowGroup rows, then for the single ones left.
template <class Body>
inline void for_row_groups(int64_t first, int64_t count, const Body& body) {
  int64_t row = first;
  for (; row + kRowGroup <= first + count; row += kRowGroup) body(Index<kRowGroup>{}, row);
  for (; row < first + count; ++row) body(Index<1>{}, row);
}

template <int kRows, class Map>
inline void forward_rows(const LayerNormForward<Map>& args, int64_t first, bool streamed) {
  const int64_t channels = args.channels, offset = first * channels;
  const Map* input = args.input + offset;
  Map* output = args.output + offset;
  const double n = static_cast<double>(channels);
  Vec sum[kRows], squares[kRows], mean[kRows], inv_std[kRows];
  // The mean as the first value plus the mean distance from it, which keeps its bits where the mean is large.
  for (int r = 0; r < kRows; ++r) {
    sum[r] = squares[r] = zero();
    mean[r] = broadcast(float{input[r * channels]});
  }
  each_register(0, channels, [&](int64_t column, auto part) {
    for (int r = 0; r < kRows; ++r) {
      sum[r] = sum[r] + part.keep(part.load(input + r * channels + column) - mean[r]);
    }
  });
  for (int r = 0; r < kRows; ++r) {
    const double distance = static_cast<double>(reduce_add(sum[r])) / n;
    args.mean[first + r] = static_cast<float>(static_cast<double>(float{input[r * channels]}) + distance);
    mean[r] = broadcast(args.mean[first + r]);
  }
  each_register(0, channels, [&](int64_t column, auto part) {
    for (int r = 0; r < kRows; ++r) {
      const Vec d = part.keep(part.load(input + r * channels + column) - mean[r]);
      squares[r] = fma(d, d, squares[r]);
    }
  });
  for (int r = 0; r < kRows; ++r) {
    const double variance = static_cast<double>(reduce_add(squares[r])) / n;
    args.inv_std[first + r] = static_cast<float>(1.0 / __builtin_sqrt(variance + static_cast<double>(args.eps)));
    inv_std[r] = broadcast(args.inv_std[first + r]);
  }
  each_register(0, channels, streamed, [&](int64_t column, auto part) {
    const Vec weight = part.load(args.weight + column), bias = part.load(args.bias + column);
    for (int r = 0; r < kRows; ++r) {
      const Vec xhat = (part.load(input + r * channels + column) - mean[r]) * inv_std[r];
      part.store(output + r * channels + column, fma(xhat, weight, bias));
    }
  });
}

template <class Map>
void forward(const LayerNormForward<Map>& args) {
  const bool streamed = streams_rows(args.rows * args.channels, args.channels, args.output, args.input);
  for_tiles(args.rows, norm_tile_pixels(args.channels), [&](int64_t first, int64_t count, int64_t, int) {
    for_row_groups(first, count,
                   [&](auto rows, int64_t row) { forward_rows<decltype(rows)::value>(args, row, streamed); });
  });
}

// With w = grad_output * weight: grad_input = inv_std * (w - mean(w) - xhat * mean(w * xhat)) + addend; adds the rows'
// share of the gradients of bias and weight to `partial` [2][channels].
template <int kRows, class Map>
inline void backward_rows(const LayerNormBackward<Map>& args, int64_t first, float* partial, bool streamed) {
  const int64_t channels = args.channels, offset = first * channels;
  const Map *input = args.input + offset, *grad_output = args.grad_output + offset;
  const Map* addend = args.addend != nullptr ? args.addend + offset : nullptr;
  Map* grad_input = args.grad_input + offset;
  Vec sum[kRows], products[kRows], mean[kRows], inv_std[kRows];
  for (int r = 0; r < kRows; ++r) {
    sum[r] = products[r] = zero();
    mean[r] = broadcast(args.mean[first + r]);
    inv_std[r] = broadcast(args.inv_std[first + r]);
  }
  each_register(0, channels, [&](int64_t column, auto part) {
    const Vec weight = part.load(args.weight + column);
    Vec grad_bias = zero(), grad_weight = zero();
    for (int r = 0; r < kRows; ++r) {
      const Vec g = part.load(grad_output + r * channels + column);
      const Vec xhat = (part.load(input + r * channels + column) - mean[r]) * inv_std[r];
      grad_bias = grad_bias + g;
      grad_weight = fma(g, xhat, grad_weight);
      sum[r] = fma(g, weight, sum[r]);
      products[r] = fma(g * weight, xhat, products[r]);
    }
    part.store(partial + column, part.load(partial + column) + grad_bias);
    part.store(partial + channels + column, part.load(partial + channels + column) + grad_weight);
  });
  const float share = 1.0F / static_cast<float>(channels);
  for (int r = 0; r < kRows; ++r) {
    sum[r] = broadcast(reduce_add(sum[r]) * share);
    products[r] = broadcast(reduce_add(products[r]) * share);
  }
  each_register(0, channels, streamed, [&](int64_t column, auto part) {
    const Vec weight = part.load(args.weight + column);
    for (int r = 0; r < kRows; ++r) {
      const int64_t at = r * channels + column;
      const Vec xhat = (part.load(input + at) - mean[r]) * inv_std[r];
      const Vec centred = fnma(xhat, products[r], fma(part.load(grad_output + at), weight, zero() - sum[r]));
      Vec grad = centred * inv_std[r];
      if (addend != nullptr) grad = grad + part.load(addend + at);
      part.store(grad_input + at, grad);
    }
  });
}

template <class Map>
void backward(const LayerNormBackward<Map>& args) {
  const int64_t channels = args.channels, tile_rows = norm_tile_pixels(channels);
  const bool streamed =
      streams_rows(args.rows * channels, channels, args.grad_input, args.grad_output, args.input, args.addend);
  for_tiles(args.rows, tile_rows, [&](int64_t first, int64_t count, int64_t tile, int) {
    float* partial = args.workspace + tile * 2 * channels;
    for (int64_t i = 0; i < 2 * channels; ++i) partial[i] = 0.0F;
    for_row_groups(first, count,
                   [&](auto rows, int64_t row) { backward_rows<decltype(rows)::value>(args, row, partial, streamed); });
  });
  merge_partials(args.workspace, ceil_div(args.rows, tile_rows), channels, [&](int64_t c, double bias, double weight) {
    args.grad_bias[c] = static_cast<float>(bias);
    args.grad_weight[c] = static_cast<float>(weight);
  });
}

// The partial gradients of weight and bias of every tile.
int64_t workspace(int64_t rows, int64_t channels) { return ceil_div(rows, norm_tile_pixels(channels)) * 2 * channels; }

}  // namespace

const ByMap<LayerNormKernels>& layer_norm_kernels() {
  static constexpr ByMap<LayerNormKernels> kKernels = {{workspace, forward<float>, backward<float>},
                                                       {workspace, forward<Bf16>, backward<Bf16>}};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA

#include "kernels/channel_scale.h"

#include "kernels/isa/tiles.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// Calls body(sample, chunk, first_row, last_row) for every chunk of rows, from several threads.
template <class Body>
void parallel_each_chunk(const ChannelScaleShape& shape, const Body& body) {
  const int64_t chunks = channel_scale_chunks(shape);
  parallel_for(shape.samples * chunks, [&](int64_t task, int) {
    const int64_t sample = task / chunks, chunk = task % chunks;
    body(sample, chunk, sample * shape.rows + shape.rows * chunk / chunks,
         sample * shape.rows + shape.rows * (chunk + 1) / chunks);
  });
}

template <class Map>
void forward(const ChannelScaleShape& shape, const Map* input, const float* scales, const Map* addend, Map* output) {
  const int64_t channels = shape.channels;
  const bool streamed = streams_rows(shape.samples * shape.rows * channels, channels, output, input, addend);
  parallel_each_chunk(shape, [&](int64_t sample, int64_t, int64_t first, int64_t last) {
    const float* scale = scales + sample * channels;
    for (int64_t row = first; row < last; ++row) {
      const Map* x = input + row * channels;
      Map* y = output + row * channels;
      if (addend != nullptr) {
        const Map* more = addend + row * channels;
        each_register(0, channels, streamed, [&](int64_t c, auto part) {
          part.store(y + c, fma(part.load(x + c), part.load(scale + c), part.load(more + c)));
        });
      } else {
        each_register(0, channels, streamed,
                      [&](int64_t c, auto part) { part.store(y + c, part.load(x + c) * part.load(scale + c)); });
      }
    }
    stream_end();
  });
}

template <bool kWithGradInput, class Map>
void backward_rows(int64_t rows, int64_t channels, const Map* input, const float* scale, const Map* grad_output,
                   Map* grad_input, float* sums) {
  each_register(0, channels, [&](int64_t c, auto part) { part.store(sums + c, zero()); });
  for (int64_t row = 0; row < rows; ++row) {
    const Map *x = input + row * channels, *grad = grad_output + row * channels;
    each_register(0, channels, [&](int64_t c, auto part) {
      const Vec g = part.load(grad + c);
      part.store(sums + c, fma(g, part.load(x + c), part.load(sums + c)));
      if constexpr (kWithGradInput) part.store(grad_input + row * channels + c, g * part.load(scale + c));
    });
  }
}

template <class Map>
void backward(const ChannelScaleShape& shape, const Map* input, const float* scales, const Map* grad_output,
              Map* grad_input, float* grad_scales, std::byte* workspace) {
  if (grad_scales == nullptr) return forward<Map>(shape, grad_output, scales, nullptr, grad_input);
  const int64_t channels = shape.channels, chunks = channel_scale_chunks(shape);
  float* partial = reinterpret_cast<float*>(workspace);
  parallel_each_chunk(shape, [&](int64_t sample, int64_t chunk, int64_t first, int64_t last) {
    const int64_t offset = first * channels;
    const float* scale = scales + sample * channels;
    float* sums = partial + (sample * chunks + chunk) * channels;
    if (grad_input != nullptr) {
      backward_rows<true, Map>(last - first, channels, input + offset, scale, grad_output + offset, grad_input + offset,
                               sums);
    } else {
      backward_rows<false, Map>(last - first, channels, input + offset, scale, grad_output + offset, nullptr, sums);
    }
  });
  for (int64_t sample = 0; sample < shape.samples; ++sample) {
    each_register(0, channels, [&](int64_t c, auto part) {
      const float* sums = partial + sample * chunks * channels + c;
      Vec total = part.load(sums);
      for (int64_t chunk = 1; chunk < chunks; ++chunk) total = total + part.load(sums + chunk * channels);
      part.store(grad_scales + sample * channels + c, total);
    });
  }
}

}  // namespace

const ByMap<ChannelScaleKernels>& channel_scale_kernels() {
  static constexpr ByMap<ChannelScaleKernels> kKernels{{forward<float>, backward<float>},
                                                       {forward<Bf16>, backward<Bf16>}};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA

// Weights in the order in which the microkernel reads them: [group][panel][tap][channel][panel's lanes], whole vectors,
// zeros behind the last output.
#pragma once

#include "core/parallel.h"
#include "kernels/isa/conv_gather.h"
#include "kernels/isa/conv_microkernel.h"
#include "kernels/isa/simd.h"
#include "kernels/isa/transpose.h"

namespace convoy::kernels::CONVOY_ISA {

// Weights of one tap are a matrix of rows `pitch` apart, taps are tap_stride apart; group g starts g * group_stride
// further. Rows are the channels reduced over and columns the outputs, or where `transposed` the other way round.
struct WeightView {
  const float* data;
  int64_t pitch, tap_stride, group_stride, kernel_w;
  bool transposed;
};

inline int64_t packed_floats(const Gather& gather) {
  return gather.groups * gather.taps() * gather.channels * Panels{gather.outputs}.vectors() * kLanes;
}

// packed[row][width * kLanes] from columns 0 .. of `rows` rows.
inline void pack_rows(const float* source, int64_t pitch, int64_t rows, int width, int last_lanes, float* packed) {
  for (int64_t row = 0; row < rows; ++row, source += pitch, packed += width * kLanes) {
    for (int v = 0; v + 1 < width; ++v) store(packed + v * kLanes, load(source + v * kLanes));
    store(packed + (width - 1) * kLanes, load_n(source + (width - 1) * kLanes, last_lanes));
  }
}

// packed[column][width * kLanes] from rows 0 .. of `columns` columns.
inline void pack_columns(const float* source, int64_t pitch, int64_t columns, int width, int last_lanes,
                         float* packed) {
  for (int v = 0; v < width; ++v) {
    const int lanes = v + 1 == width ? last_lanes : kLanes;
    for (int64_t column = 0; column < columns; column += kLanes) {
      const int count = static_cast<int>(smaller<int64_t>(kLanes, columns - column));
      Vec block[kLanes];
      for (int l = 0; l < kLanes; ++l) {
        block[l] = l < lanes ? load_n(source + (v * kLanes + l) * pitch + column, count) : zero();
      }
      transpose(block);
      for (int i = 0; i < count; ++i) store(packed + ((column + i) * width + v) * kLanes, block[i]);
    }
  }
}

inline void pack_weights(const Gather& gather, const WeightView& view, float* packed) {
  const Panels panels{gather.outputs};
  const int64_t taps = gather.taps();
  parallel_for(gather.groups * panels.count() * taps, [&](int64_t task, int) {
    const int64_t tap = task % taps;
    const int64_t panel = task / taps % panels.count();
    const int64_t group = task / taps / panels.count();
    const int64_t first = panels.first_vector(panel);
    const int width = panels.width(panel);
    const int64_t kernel = (gather.y.tap_first + tap / gather.x.taps * gather.y.tap_step) * view.kernel_w +
                           gather.x.tap_first + tap % gather.x.taps * gather.x.tap_step;
    const float* source = view.data + kernel * view.tap_stride + group * view.group_stride +
                          first * kLanes * (view.transposed ? view.pitch : 1);
    float* to = packed + ((group * panels.vectors() + first) * taps + tap * width) * gather.channels * kLanes;
    const auto pack = view.transposed ? pack_columns : pack_rows;
    pack(source, view.pitch, gather.channels, width, panels.last_lanes(panel), to);
  });
}

}  // namespace convoy::kernels::CONVOY_ISA

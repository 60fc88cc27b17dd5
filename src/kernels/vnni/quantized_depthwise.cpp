// Depthwise convolution of bytes by products of fours: an instruction takes four bytes of each of 16 channels by four
// weights, exactly, in 32 bits. A four is what four rows of the kernel see of a column: columns are interleaved so, the
// last rows of a kernel of three or five having weights of 0, and each is read by all of the outputs that see it.
//
// A task is a row of outputs of 64 channels, and is worked on in runs of up to seven outputs, whose sums take 28
// registers, which leaves enough for a weight and a four of bytes. Taps outside of the image are the zero point, and
// sums begin with what it adds up to, negated, so that they end as those of bytes less the zero point.
//
// Bound: the two ports that work on whole registers. For 64 bytes rounding takes 29 instructions there, three by three
// taps take 12, and eight interleave a column.
#include "core/parallel.h"
#include "kernels/isa/byte_output.h"
#include "kernels/isa/quantized_epilogue.h"
#include "kernels/isa/unroll.h"
#include "kernels/quantized_conv.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

constexpr int64_t kFour = 4;    // values that an instruction adds up
constexpr int64_t kBlock = 64;  // channels, and bytes of a register
constexpr int kRun = 7, kShortRun = 4;

// Of the last channels, a block takes one register, two or four. Interleaving leaves its channels in an order of its
// own, by quarters of registers: `lane` of register v is of this one.
constexpr int registers_of(int64_t channels) { return channels > 32 ? 4 : channels > 16 ? 2 : 1; }
constexpr int64_t channel_of(int registers, int64_t v, int64_t lane) {
  const int64_t quarter = 4 * v + lane / 4;
  return quarter % registers * kLanes + quarter / registers * 4 + lane % 4;
}

template <class Body>
inline void with_registers(int registers, const Body& body) {
  switch (registers) {
    case 4: return body(Index<4>{});
    case 2: return body(Index<2>{});
    default: return body(Index<1>{});
  }
}

// Four rows of the input as a four of the kernel's rows sees them, from the block's first channel of column 0 on.
struct FourRows {
  const uint8_t* row[kFour];
  int64_t step[kFour];  // from column to column
};

// What is made of the weights: the sum of each channel's, and the fours, [block][kernel_w][fours][register][lane][4].
// Workspace: that; what sums begin with, scales and biases, as the registers have them; for each worker the rows that
// it is at, and columns of fours, as many as runs of outputs see, [column][fours][register][lane][4].
struct Layout {
  int64_t fours, blocks, registers;
  size_t table_bytes, weight_bytes, row_bytes, scratch_bytes;

  explicit Layout(const ConvGeometry& g)
      : fours(ceil_div(g.kernel_h, kFour)),
        blocks(ceil_div(g.in_c, kBlock)),
        registers((blocks - 1) * 4 + registers_of(channels(g, blocks - 1))),
        table_bytes(static_cast<size_t>(registers) * kBlock),
        weight_bytes(table_bytes * static_cast<size_t>(1 + g.kernel_w * fours)),
        row_bytes(align(static_cast<size_t>(fours) * sizeof(FourRows))) {
    const int64_t columns = (g.out_w + kRun - 2) * g.stride_w + (g.kernel_w - 1) * g.dilation_w + 1;
    scratch_bytes = row_bytes + static_cast<size_t>(columns * fours * 4 * kBlock);
  }

  static int64_t channels(const ConvGeometry& g, int64_t block) { return smaller(kBlock, g.in_c - block * kBlock); }
};

// body(place in tables, channel or -1 where there is none), for every lane.
template <class Body>
inline void each_lane(const ConvGeometry& g, const Layout& layout, const Body& body) {
  for (int64_t block = 0; block < layout.blocks; ++block) {
    const int64_t channels = Layout::channels(g, block);
    with_registers(registers_of(channels), [&](auto registers) {
      for (int64_t place = 0; place < registers * kLanes; ++place) {
        const int64_t c = channel_of(registers, place / kLanes, place % kLanes);
        body(block * kBlock + place, c < channels ? block * kBlock + c : -1);
      }
    });
  }
}

void pack_weights(const ConvGeometry& g, const Layout& layout, const int8_t* weight, std::byte* into) {
  auto* totals = reinterpret_cast<int32_t*>(into);
  auto* packed = reinterpret_cast<int8_t*>(into + layout.table_bytes);
  const int64_t steps = g.kernel_w * layout.fours;
  each_lane(g, layout, [&](int64_t place, int64_t channel) {
    const int64_t block = place / kBlock, registers = registers_of(Layout::channels(g, block));
    int8_t* to = packed + block * kBlock * kFour * steps + place % kBlock * kFour;
    totals[place] = 0;
    for (int64_t step = 0; step < steps; ++step, to += registers * kBlock) {
      for (int64_t i = 0; i < kFour; ++i) {
        const int64_t ky = step % layout.fours * kFour + i, kx = step / layout.fours;
        const bool is_there = channel >= 0 && ky < g.kernel_h;
        to[i] = is_there ? weight[(ky * g.kernel_w + kx) * g.in_c + channel] : int8_t{0};
        totals[place] += to[i];
      }
    }
  });
}

// What a task reads and writes, of its block of channels.
struct Task {
  const ConvGeometry& g;
  const QuantizedConvArgs& args;
  int64_t fours, channels;
  const int8_t* weight;
  const int32_t* start;
  const float *scale, *bias;
  const FourRows* rows;
  uint8_t* columns;
  int64_t first, channel;  // pixel and channel of the outputs
  const ByteOutput& bytes;

  __mmask64 mask() const { return ~uint64_t{0} >> (kBlock - channels); }
};

// 16 channels for each register of the block, and no byte beyond its channels.
template <int kRegisters>
inline __m512i load_row(const uint8_t* p, bool whole, __mmask64 mask) {
  if (!whole) return _mm512_maskz_loadu_epi8(mask, p);
  if constexpr (kRegisters == 4) return _mm512_loadu_si512(p);
  if constexpr (kRegisters == 2) {
    return _mm512_zextsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  return _mm512_zextsi128_si512(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
// As many bytes of fours.
template <int kRegisters>
inline void store_fours(uint8_t* p, __m512i fours) {
  if constexpr (kRegisters == 4) _mm512_store_si512(p, fours);
  if constexpr (kRegisters == 2) _mm256_store_si256(reinterpret_cast<__m256i*>(p), _mm512_castsi512_si256(fours));
  if constexpr (kRegisters == 1) _mm_store_si128(reinterpret_cast<__m128i*>(p), _mm512_castsi512_si128(fours));
}

// Columns [begin, end) of the fours, of which the first one is pad_w in front of the image.
template <int kRegisters>
void interleave(const Task& task, int64_t begin, int64_t end) {
  constexpr int kBytes = kRegisters * kLanes;
  const ConvGeometry& g = task.g;
  const __mmask64 mask = task.mask();
  const bool whole = task.channels == kBytes;
  const __m512i outside = _mm512_set1_epi8(static_cast<char>(task.args.in.zero_point));
  uint8_t* to = task.columns + begin * task.fours * kRegisters * kBlock;
  for (int64_t column = begin; column < end; ++column) {
    const int64_t x = column - g.pad_w;
    const bool inside = x >= 0 && x < g.in_w;
    for (int64_t four = 0; four < task.fours; ++four, to += kRegisters * kBlock) {
      const FourRows& rows = task.rows[four];
      const int64_t seen = inside ? g.kernel_h - four * kFour : 0;
      __m512i in[kFour];
      unroll<0, kFour>([&](auto i) {
        in[i] = i < seen ? load_row<kRegisters>(rows.row[i] + x * rows.step[i], whole, mask) : outside;
      });
      const __m512i low = _mm512_unpacklo_epi8(in[0], in[1]), low2 = _mm512_unpacklo_epi8(in[2], in[3]);
      const __m512i high = _mm512_unpackhi_epi8(in[0], in[1]), high2 = _mm512_unpackhi_epi8(in[2], in[3]);
      store_fours<kRegisters>(to, _mm512_unpacklo_epi16(low, low2));
      store_fours<kRegisters>(to + kBytes, _mm512_unpackhi_epi16(low, low2));
      store_fours<kRegisters>(to + 2 * kBytes, _mm512_unpacklo_epi16(high, high2));
      store_fours<kRegisters>(to + 3 * kBytes, _mm512_unpackhi_epi16(high, high2));
    }
  }
}

// sums[output][register][lane] of the outputs from x on.
template <int kRegisters, int kOutputs>
void add_products(const Task& task, int64_t x, int32_t* sums) {
  const ConvGeometry& g = task.g;
  const int64_t step = task.fours * kRegisters * kBlock, pitch = g.stride_w * step;
  __m512i sum[kRegisters][kOutputs];
  unroll<0, kRegisters>(
      [&](auto v) { unroll<0, kOutputs>([&](auto o) { sum[v][o] = _mm512_loadu_si512(task.start + v * kLanes); }); });
  const uint8_t* column = task.columns + x * pitch;
  const int8_t* weight = task.weight;
  for (int64_t kx = 0; kx < g.kernel_w; ++kx, column += g.dilation_w * step) {
    const uint8_t* from = column;
    for (int64_t four = 0; four < task.fours; ++four, from += kRegisters * kBlock, weight += kRegisters * kBlock) {
      unroll<0, kRegisters>([&](auto v) {
        const __m512i w = _mm512_loadu_si512(weight + v * kBlock);
        unroll<0, kOutputs>([&](auto o) {
          sum[v][o] = _mm512_dpbusd_epi32(sum[v][o], _mm512_load_si512(from + o * pitch + v * kBlock), w);
        });
      });
    }
  }
  unroll<0, kOutputs>([&](auto o) {
    unroll<0, kRegisters>([&](auto v) { _mm512_store_si512(sums + (o * kRegisters + v) * kLanes, sum[v][o]); });
  });
}

// The quarters of packed bytes in the order of the channels.
template <int kRegisters>
inline __m512i sort_quarters(__m512i bytes) {
  if constexpr (kRegisters == 4) return bytes;
  const __m512i order = kRegisters == 2 ? _mm512_setr_epi32(0, 8, 1, 9, 4, 12, 5, 13, 0, 0, 0, 0, 0, 0, 0, 0)
                                        : _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  return _mm512_permutexvar_epi32(order, bytes);
}

template <Activation kActivation, int kRegisters>
void finish_bytes(const Task& task, int64_t x, int64_t count, const int32_t* sums) {
  const ConvGeometry& g = task.g;
  const ByteOutput bytes = task.bytes;
  const __mmask64 mask = task.mask();
  uint8_t* to = task.args.byte_output + (task.first + x) * g.out_c + task.channel;
  for (int64_t output = 0; output < count; ++output, to += g.out_c) {
    __m512i steps[4];
    unroll<0, kRegisters>([&](auto v) {
      const Vec sum = to_floats(load(sums + (output * kRegisters + v) * kLanes));
      const Vec y = activate<kActivation, uint8_t>(sum * load(task.scale + v * kLanes) + load(task.bias + v * kLanes));
      steps[v] = bytes.steps(y);
    });
    const __m512i low = bytes.pack(steps[0], steps[kRegisters > 1 ? 1 : 0]);
    const __m512i high = kRegisters > 2 ? bytes.pack(steps[2], steps[3]) : low;
    _mm512_mask_storeu_epi8(to, mask, sort_quarters<kRegisters>(_mm512_packus_epi16(low, high)));
  }
}

// Sums in the order of the channels, for any kind of results.
template <int kRegisters>
void finish_any(const Task& task, const QuantizedEpilogue& epilogue, int64_t x, int64_t count, const int32_t* sums) {
  alignas(64) int32_t sorted[kRun * kBlock];
  for (int64_t quarter = 0; quarter < count * kRegisters * 4; ++quarter) {
    const int64_t output = quarter / (4 * kRegisters), v = quarter / 4 % kRegisters;
    int32_t* to = sorted + output * kBlock + channel_of(kRegisters, v, quarter % 4 * 4);
    _mm_store_si128(reinterpret_cast<__m128i*>(to), _mm_load_si128(reinterpret_cast<const __m128i*>(sums) + quarter));
  }
  epilogue.finish({.sums = sorted,
                   .pitch = kBlock,
                   .first = task.first + x,
                   .count = count,
                   .channel = task.channel,
                   .channels = task.channels});
}

template <int kRegisters>
void run_row(const Task& task, const QuantizedEpilogue& epilogue) {
  const ConvGeometry& g = task.g;
  const bool only_bytes =
      task.args.byte_output != nullptr && task.args.addend == nullptr && task.args.byte_addend == nullptr;
  alignas(64) int32_t sums[kRun * kRegisters * kLanes];
  int64_t seen = 0;  // columns
  for (int64_t x = 0; x < g.out_w; x += kRun) {
    const int64_t count = smaller<int64_t>(kRun, g.out_w - x);
    const bool is_short = count <= kShortRun;
    const int64_t last = x + (is_short ? kShortRun : kRun) - 1;
    const int64_t sees = last * g.stride_w + (g.kernel_w - 1) * g.dilation_w + 1;
    interleave<kRegisters>(task, seen, sees);
    seen = sees;
    if (is_short) {
      add_products<kRegisters, kShortRun>(task, x, sums);
    } else {
      add_products<kRegisters, kRun>(task, x, sums);
    }
    if (only_bytes) {
      with_activation(task.bytes.activation,
                      [&](auto tag) { finish_bytes<decltype(tag)::value, kRegisters>(task, x, count, sums); });
    } else {
      finish_any<kRegisters>(task, epilogue, x, count, sums);
    }
  }
}

// The rows that a row of outputs sees, by fours; `outside` is a column outside of the image.
void find_rows(const ConvGeometry& g, const uint8_t* input, int64_t out_row, int64_t channel, const uint8_t* outside,
               FourRows* rows) {
  const int64_t n = out_row / g.out_h, top = out_row % g.out_h * g.stride_h - g.pad_h;
  for (int64_t ky = 0; ky < g.kernel_h; ++ky) {
    const int64_t y = top + ky * g.dilation_h;
    const bool inside = y >= 0 && y < g.in_h;
    FourRows& four = rows[ky / kFour];
    four.row[ky % kFour] = inside ? input + (n * g.in_h + y) * g.in_w * g.in_c + channel : outside;
    four.step[ky % kFour] = inside ? g.in_c : 0;
  }
}

void forward(const ConvGeometry& g, const QuantizedConvArgs& args) {
  const Layout layout(g);
  auto* workspace = static_cast<std::byte*>(args.workspace);
  const auto* packed = static_cast<const std::byte*>(args.prepared_weight);
  if (packed == nullptr) {
    pack_weights(g, layout, args.weight, workspace);
    packed = workspace;
  }
  const auto* totals = reinterpret_cast<const int32_t*>(packed);
  workspace += layout.weight_bytes;
  auto* start = reinterpret_cast<int32_t*>(workspace);
  auto* scale = reinterpret_cast<float*>(workspace + layout.table_bytes);
  auto* bias = reinterpret_cast<float*>(workspace + 2 * layout.table_bytes);
  const int64_t places = layout.registers * kLanes;
  for (int64_t place = 0; place < places; ++place) start[place] = -args.in.zero_point * totals[place];
  each_lane(g, layout, [&](int64_t place, int64_t channel) {
    scale[place] = channel < 0 ? 0 : args.weight_scale[channel] * args.in.scale;
    bias[place] = channel < 0 || args.bias == nullptr ? 0 : args.bias[channel];
  });
  alignas(kBlock) uint8_t outside[kBlock];
  for (uint8_t& byte : outside) byte = static_cast<uint8_t>(args.in.zero_point);
  const QuantizedEpilogue epilogue(args, g.out_c);
  const ByteOutput bytes(args);
  parallel_for(g.batch * g.out_h * layout.blocks, [&](int64_t index, int worker) {
    const int64_t row = index / layout.blocks, channel = index % layout.blocks * kBlock;
    std::byte* scratch = workspace + 3 * layout.table_bytes + static_cast<size_t>(worker) * layout.scratch_bytes;
    auto* rows = reinterpret_cast<FourRows*>(scratch);
    find_rows(g, args.input, row, channel, outside, rows);
    const Task task{.g = g,
                    .args = args,
                    .fours = layout.fours,
                    .channels = smaller(kBlock, g.in_c - channel),
                    .weight = reinterpret_cast<const int8_t*>(packed + layout.table_bytes) +
                              channel * kFour * layout.fours * g.kernel_w,
                    .start = start + channel,
                    .scale = scale + channel,
                    .bias = bias + channel,
                    .rows = rows,
                    .columns = reinterpret_cast<uint8_t*>(scratch + layout.row_bytes),
                    .first = row * g.out_w,
                    .channel = channel,
                    .bytes = bytes};
    with_registers(registers_of(task.channels), [&](auto registers) { run_row<registers>(task, epilogue); });
  });
}

size_t workspace_bytes(const ConvGeometry& g) {
  const Layout layout(g);
  return layout.weight_bytes + 3 * layout.table_bytes + layout.scratch_bytes * static_cast<size_t>(thread_count());
}

size_t prepared_bytes(const ConvGeometry& g) { return Layout(g).weight_bytes; }

void prepare(const ConvGeometry& g, const int8_t* weight, void* into) {
  pack_weights(g, Layout(g), weight, static_cast<std::byte*>(into));
}

}  // namespace

const QuantizedConvKernels& dot_quantized_depthwise_kernels() {
  static constexpr QuantizedConvKernels kKernels{forward, workspace_bytes, prepared_bytes, prepare};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA

// Bound: memory. A large map is written around the caches, some rows at a time that are put together in the first one;
// short rows are copied without a call, which would take longer than the copy.
#include "kernels/rows.h"

#include "core/parallel.h"
#include "kernels/isa/simd.h"
#include "kernels/streaming.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

constexpr int64_t kLine = 64, kTaskBytes = 1 << 16, kStagedBytes = 1 << 13;

// At least one Piece; the last one may overlap the one before it.
template <class Piece>
inline void copy_pieces(const std::byte* from, std::byte* to, int64_t bytes) {
  constexpr int64_t kBytes = sizeof(Piece);
  const auto copy = [&](int64_t at) {
    Piece piece;
    __builtin_memcpy(&piece, from + at, kBytes);
    __builtin_memcpy(to + at, &piece, kBytes);
  };
  for (int64_t at = 0; at + kBytes < bytes; at += kBytes) copy(at);
  copy(bytes - kBytes);
}

inline void copy_row(const std::byte* from, std::byte* to, int64_t bytes) {
  using Register [[gnu::vector_size(sizeof(Vec))]] = uint8_t;
  using Part [[gnu::vector_size(16)]] = uint8_t;
  if (bytes >= int64_t{sizeof(Register)}) return copy_pieces<Register>(from, to, bytes);
  if (bytes >= int64_t{sizeof(Part)}) return copy_pieces<Part>(from, to, bytes);
  __builtin_memcpy(to, from, static_cast<size_t>(bytes));
}

// Rows first .. last - 1 of the output, the first of them at `output`.
void join_rows(std::span<const RowPart> parts, int64_t first, int64_t last, std::byte* output, int64_t pitch) {
  for (const RowPart& part : parts) {
    for (int64_t row = first; row < last; ++row) {
      copy_row(part.input + row * part.pitch, output + (row - first) * pitch, part.bytes);
    }
    output += part.bytes;
  }
}

// Rows of whole lines when they lie side by side, so many that their lines may be streamed; none are.
int64_t staged_rows(int64_t rows, std::span<const RowPart> parts, const std::byte* output, int64_t pitch) {
  int64_t width = 0;
  for (const RowPart& part : parts) width += part.bytes;
  const bool large = rows * pitch >= kStreamedFloats * int64_t{sizeof(float)};
  if (!large || width != pitch || reinterpret_cast<uintptr_t>(output) % kLine != 0) return 0;
  int64_t whole = 1;
  while (whole * pitch % kLine != 0) whole *= 2;
  return kStagedBytes / (whole * pitch) * whole;
}

void join(int64_t rows, std::span<const RowPart> parts, std::byte* output, int64_t output_pitch) {
  const int64_t staged = staged_rows(rows, parts, output, output_pitch);
  const int64_t step = staged > 0 ? staged : larger<int64_t>(1, kTaskBytes / larger<int64_t>(1, output_pitch));
  parallel_for(ceil_div(rows, step), [&](int64_t task, int) {
    const int64_t first = task * step, last = smaller(rows, first + step);
    std::byte* const to = output + first * output_pitch;
    if (last - first < staged || staged == 0) return join_rows(parts, first, last, to, output_pitch);
    alignas(kLine) std::byte lines[kStagedBytes];
    join_rows(parts, first, last, lines, output_pitch);
    for (int64_t at = 0; at < staged * output_pitch; at += int64_t{sizeof(Vec)}) {
      stream(reinterpret_cast<float*>(to + at), load(reinterpret_cast<const float*>(lines + at)));
    }
    stream_end();
  });
}

}  // namespace

const RowKernels& row_kernels() {
  static constexpr RowKernels kKernels{join};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA

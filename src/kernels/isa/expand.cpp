#include "kernels/expand.h"

#include "kernels/isa/tiles.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// The larger tensor as rows along its last axis, whose places the outer axes say.
struct Rows {
  const ExpandAxes& axes;
  int outer;                       // how many axes are not within a row
  int64_t width;                   // of a row, in the larger tensor
  bool filled;                     // whether a row is one element of the smaller tensor, repeated
  int64_t kept = 1, repeated = 1;  // products of the outer extents of either kind

  explicit Rows(const ExpandAxes& all)
      : axes(all),
        outer(all.count > 0 ? all.count - 1 : 0),
        width(all.count > 0 ? all.axis[outer].extent : 1),
        filled(all.count > 0 && all.axis[outer].repeated) {
    for (int i = 0; i < outer; ++i) (axes.axis[i].repeated ? repeated : kept) *= axes.axis[i].extent;
  }

  // The smaller tensor's row of which row `row` of the larger one is made.
  int64_t source(int64_t row) const {
    int64_t source = 0, stride = 1;
    for (int i = outer; i-- > 0;) {
      const int64_t extent = axes.axis[i].extent;
      if (!axes.axis[i].repeated) {
        source += row % extent * stride;
        stride *= extent;
      }
      row /= extent;
    }
    return source;
  }

  // The larger tensor's row that is number `index` in the order of the outer axes of one kind, and first of the other.
  int64_t place(int64_t index, bool repeated_ones) const {
    int64_t row = 0, stride = 1;
    for (int i = outer; i-- > 0;) {
      const int64_t extent = axes.axis[i].extent;
      if (axes.axis[i].repeated == repeated_ones) {
        row += index % extent * stride;
        index /= extent;
      }
      stride *= extent;
    }
    return row;
  }
};

void forward(const ExpandAxes& axes, const float* input, float* output) {
  const Rows rows(axes);
  const int64_t count = rows.kept * rows.repeated * rows.width;
  parallel_for(ceil_div(count, kTile), [&](int64_t tile, int) {
    const int64_t end = smaller(count, (tile + 1) * kTile);
    for (int64_t begin = tile * kTile; begin < end;) {
      const int64_t row = begin / rows.width, column = begin % rows.width;
      const int64_t stop = smaller(end, (row + 1) * rows.width), source = rows.source(row);
      if (rows.filled) {
        const Vec value = broadcast(input[source]);
        each_register(begin, stop, [&](int64_t i, auto part) { part.store(output + i, value); });
      } else {
        const float* from = input + source * rows.width + column;
        __builtin_memcpy(output + begin, from, static_cast<size_t>(stop - begin) * sizeof(float));
      }
      begin = stop;
    }
  });
}

// How the sum is cut. Terms of one sum are rows of at most kColumns columns, or in filled rows their sums; `chunk`
// neighbouring ones are added to one partial sum, and where there are several, those then to the result.
constexpr int64_t kColumns = 4096;
struct Cut {
  int64_t pieces;  // of a row
  int64_t terms, chunk, chunks;
  int64_t width;  // of a partial sum: of all columns

  explicit Cut(const Rows& rows) : pieces(ceil_div(rows.width, kColumns)) {
    terms = rows.filled ? rows.repeated * pieces : rows.repeated;
    width = rows.filled ? 1 : rows.width;
    // About as many terms to a chunk as there are chunks: the shorter the chains, the smaller the sum's error.
    chunk = 64;
    while (chunk * chunk < terms) chunk *= 2;
    if (terms <= 64) chunk = terms;
    if (rows.filled)
      chunk = smaller(chunk, 4 * kTile / smaller(rows.width, kColumns));  // of one sum there are few tasks
    chunks = ceil_div(terms, chunk);
  }
};

size_t workspace(const ExpandAxes& axes) {
  const Rows rows(axes);
  const Cut cut(rows);
  return cut.chunks == 1 ? 0 : align(static_cast<size_t>(rows.kept * cut.chunks * cut.width) * sizeof(float));
}

float sum_of(const float* x, int64_t count) {
  Vec sum = zero();
  each_register(0, count, [&](int64_t i, auto part) { sum = sum + part.load(x + i); });
  return reduce_add(sum);
}

// to = the sum of `terms` rows of `width` columns, of which row_of(i) is the i-th.
template <class RowOf>
void add_rows(int64_t terms, int64_t width, const RowOf& row_of, float* to) {
  __builtin_memcpy(to, row_of(0), static_cast<size_t>(width) * sizeof(float));
  for (int64_t term = 1; term < terms; ++term) {
    const float* row = row_of(term);
    each_register(0, width, [&](int64_t i, auto part) { part.store(to + i, part.load(to + i) + part.load(row + i)); });
  }
}

// Calls body(unit) for [0, units), several to a task where each is of few elements.
template <class Body>
void parallel_units(int64_t units, int64_t elements, const Body& body) {
  const int64_t step = larger<int64_t>(1, kTile / larger<int64_t>(1, elements));
  parallel_for(ceil_div(units, step), [&](int64_t task, int) {
    const int64_t end = smaller(units, (task + 1) * step);
    for (int64_t unit = task * step; unit < end; ++unit) body(unit);
  });
}

void backward(const ExpandAxes& axes, const float* grad_output, float* grad_input, std::byte* workspace) {
  const Rows rows(axes);
  const Cut cut(rows);
  float* partial = cut.chunks == 1 ? grad_input : reinterpret_cast<float*>(workspace);
  const int64_t tiles = rows.filled ? 1 : cut.pieces, tile_width = smaller(rows.width, kColumns);
  parallel_units(rows.kept * cut.chunks * tiles, cut.chunk * tile_width, [&](int64_t unit) {
    const int64_t tile = unit % tiles, sum = unit / tiles;
    const int64_t first = sum % cut.chunks * cut.chunk, count = smaller(cut.chunk, cut.terms - first);
    const float* base = grad_output + rows.place(sum / cut.chunks, false) * rows.width;
    if (rows.filled) {
      float total = 0;
      for (int64_t term = first; term < first + count; ++term) {
        const int64_t column = term % cut.pieces * kColumns;
        const float* row = base + rows.place(term / cut.pieces, true) * rows.width;
        total += sum_of(row + column, smaller(kColumns, rows.width - column));
      }
      partial[sum] = total;
      return;
    }
    const int64_t column = tile * kColumns;
    const auto row_of = [&](int64_t i) { return base + rows.place(first + i, true) * rows.width + column; };
    add_rows(count, smaller(kColumns, rows.width - column), row_of, partial + sum * rows.width + column);
  });
  if (cut.chunks == 1) return;
  parallel_units(rows.kept * tiles, cut.chunks * smaller(cut.width, kColumns), [&](int64_t unit) {
    const int64_t kept = unit / tiles, column = unit % tiles * kColumns;
    const float* from = partial + kept * cut.chunks * cut.width + column;
    add_rows(
        cut.chunks, smaller(kColumns, cut.width - column), [&](int64_t i) { return from + i * cut.width; },
        grad_input + kept * cut.width + column);
  });
}

}  // namespace

const ExpandKernels& expand_kernels() {
  static constexpr ExpandKernels kKernels{forward, backward, workspace};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA

#include "kernels/rearrange.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "convoy/bf16.h"
#include "core/parallel.h"

namespace convoy::kernels {
namespace {

constexpr int64_t kTaskElements = 16384;

// Calls body(first, last) for runs of rows of about kTaskElements elements, from several threads.
template <class Body>
void parallel_rows(int64_t rows, int64_t width, const Body& body) {
  const int64_t step = std::max<int64_t>(1, kTaskElements / std::max<int64_t>(1, width));
  parallel_for((rows + step - 1) / step,
               [&](int64_t task, int) { body(task * step, std::min(rows, (task + 1) * step)); });
}

template <class Element>
size_t bytes(int64_t count) {
  return static_cast<size_t>(count) * sizeof(Element);
}

struct Axis {
  int64_t extent, stride;  // of the input, in elements
};

// The output's axes outermost first, where each says how to step through the input; axes that lie behind one another in
// the input too are merged, and those of one element left out.
struct Axes {
  std::array<Axis, Shape::kMaxRank> axis{};
  int count = 0;
};

Axes output_axes(const Shape& shape, std::span<const int> order) {
  std::array<int64_t, Shape::kMaxRank> strides{};
  int64_t stride = 1;
  for (int i = shape.rank(); i-- > 0;) {
    strides[static_cast<size_t>(i)] = stride;
    stride *= shape[i];
  }
  Axes axes;
  for (const int source : order) {
    const Axis next{shape[source], strides[static_cast<size_t>(source)]};
    if (next.extent == 1) continue;
    if (axes.count > 0) {
      Axis& last = axes.axis[static_cast<size_t>(axes.count - 1)];
      if (last.stride == next.extent * next.stride) {
        last = {last.extent * next.extent, next.stride};
        continue;
      }
    }
    axes.axis[static_cast<size_t>(axes.count++)] = next;
  }
  return axes;
}

}  // namespace

void fill(int64_t count, float value, float* output) {
  parallel_rows(count, 1, [&](int64_t first, int64_t last) { std::fill(output + first, output + last, value); });
}

template <class Element>
void copy(int64_t count, const Element* input, Element* output) {
  parallel_rows(count, 1, [&](int64_t first, int64_t last) {
    std::memcpy(output + first, input + first, bytes<Element>(last - first));
  });
}

template <class Element>
void pad(int64_t rows, int64_t width, const Element* input, int64_t output_width, int64_t offset, Element* output) {
  parallel_rows(rows, output_width, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      Element* target = output + row * output_width;
      std::fill(target, target + offset, Element{});
      std::memcpy(target + offset, input + row * width, bytes<Element>(width));
      std::fill(target + offset + width, target + output_width, Element{});
    }
  });
}

template <class Element>
void permute(const Shape& shape, std::span<const int> order, const Element* input, Element* output) {
  const Axes axes = output_axes(shape, order);
  const Axis inner = axes.count > 0 ? axes.axis[static_cast<size_t>(axes.count - 1)] : Axis{1, 1};
  parallel_rows(shape.elements() / inner.extent, inner.extent, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      const Element* source = input;
      int64_t rest = row;
      for (int i = axes.count - 1; i-- > 0;) {
        const Axis& axis = axes.axis[static_cast<size_t>(i)];
        source += rest % axis.extent * axis.stride;
        rest /= axis.extent;
      }
      Element* target = output + row * inner.extent;
      if (inner.stride == 1) {
        std::memcpy(target, source, bytes<Element>(inner.extent));
      } else {
        for (int64_t i = 0; i < inner.extent; ++i) target[i] = source[i * inner.stride];
      }
    }
  });
}

template void copy(int64_t, const float*, float*);
template void copy(int64_t, const Bf16*, Bf16*);
template void copy(int64_t, const uint8_t*, uint8_t*);
template void pad(int64_t, int64_t, const float*, int64_t, int64_t, float*);
template void pad(int64_t, int64_t, const Bf16*, int64_t, int64_t, Bf16*);
template void permute(const Shape&, std::span<const int>, const float*, float*);
template void permute(const Shape&, std::span<const int>, const Bf16*, Bf16*);
template void permute(const Shape&, std::span<const int>, const uint8_t*, uint8_t*);

}  // namespace convoy::kernels

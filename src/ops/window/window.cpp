#include "ops/window/window.h"

#include <fmt/format.h>

#include "convoy/error.h"
#include "convoy/gradient.h"
#include "ops/append.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

int64_t windows_along(int64_t extent, int64_t window) { return (extent + window - 1) / window; }

int64_t windows_in(Size2 image, Size2 window) {
  return windows_along(image.h, window.h) * windows_along(image.w, window.w);
}

constexpr int64_t kMostExtent = 1 << 20;

bool within_limits(Size2 size) { return size.at_least(1) && size.h <= kMostExtent && size.w <= kMostExtent; }

void check(std::string_view op, const WindowAttributes& attributes) {
  const auto [window, shift] = attributes;
  if (!within_limits(window) || !shift.at_least(0) || shift.h >= window.h || shift.w >= window.w) {
    throw Error(fmt::format("{0}: expected windows of 1x1 to {1}x{1} and a smaller shift, got {2}", op, kMostExtent,
                            attributes.to_string()));
  }
}

// Calls body(element of the windows, element of the maps) for all elements of the windows but the zeros around the
// maps.
template <class Body>
void for_each_element(const WindowAttributes& attributes, const Shape& image, const Shape& windows, const Body& body) {
  const int64_t height = image[1], width = image[2], channels = image[3];
  const int64_t down = windows_along(height, attributes.window.h), across = windows_along(width, attributes.window.w);
  for (int64_t i = 0; i < windows.elements(); ++i) {
    const int64_t c = i % channels, position = i / channels % windows[1], window = i / channels / windows[1];
    const int64_t row = window / across % down * attributes.window.h + position / attributes.window.w;
    const int64_t column = window % across * attributes.window.w + position % attributes.window.w;
    const int64_t y = (row + attributes.shift.h) % (down * attributes.window.h);
    const int64_t x = (column + attributes.shift.w) % (across * attributes.window.w);
    if (y < height && x < width) body(i, ((window / (down * across) * height + y) * width + x) * channels + c);
  }
}

}  // namespace

std::string WindowAttributes::to_string() const {
  AttributeWriter writer;
  describe(*this, writer);
  return convoy::to_string(writer.take());
}

std::vector<TensorType> WindowPartitionOp::infer(std::span<const TensorType> inputs) const {
  check(name(), attributes_);
  const Shape& image = inputs[0].shape;
  if (image.rank() != 4) {
    throw Error(fmt::format("window_partition: expected feature maps {{N, H, W, C}}, got {}", image.to_string()));
  }
  const Size2 window = attributes_.window;
  return {{Shape{image[0] * windows_in({image[1], image[2]}, window), window.h * window.w, image[3]}, inputs[0].dtype}};
}

void WindowPartitionOp::gradient(GradientScope& scope) const {
  const Shape& image = scope.shape(scope.input(0));
  scope.set_grad_input(
      0, scope.add(std::make_shared<WindowMergeOp>(attributes_, Size2{image[1], image[2]}), {scope.grad_output(0)})[0]);
}

void WindowPartitionOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                                  const StepScalars&) const {
  for_each_element(attributes_, inputs[0].type.shape, outputs[0].type.shape,
                   [&](int64_t i, int64_t pixel) { outputs[0].begin()[i] = inputs[0].begin()[pixel]; });
}

std::vector<TensorType> WindowMergeOp::infer(std::span<const TensorType> inputs) const {
  check(name(), attributes_);
  const Shape& windows = inputs[0].shape;
  const int64_t each = within_limits(image_) ? windows_in(image_, attributes_.window) : 0;
  if (windows.rank() != 3 || windows[1] != attributes_.window.h * attributes_.window.w || each == 0 ||
      windows[0] % each != 0) {
    throw Error(fmt::format("window_merge: {} are not {} windows of each {}x{} map", windows.to_string(), each,
                            image_.h, image_.w));
  }
  return {{Shape{windows[0] / each, image_.h, image_.w, windows[2]}, inputs[0].dtype}};
}

void WindowMergeOp::gradient(GradientScope& scope) const {
  scope.set_grad_input(0, scope.add(std::make_shared<WindowPartitionOp>(attributes_), {scope.grad_output(0)})[0]);
}

void WindowMergeOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                              const StepScalars&) const {
  for_each_element(attributes_, outputs[0].type.shape, inputs[0].type.shape,
                   [&](int64_t i, int64_t pixel) { outputs[0].begin()[pixel] = inputs[0].begin()[i]; });
}

std::vector<OpType> window_ops() { return {op_type<WindowPartitionOp>(), op_type<WindowMergeOp>()}; }

Value window_partition(Value x, Size2 window, Size2 shift) {
  return append(std::make_shared<WindowPartitionOp>(WindowAttributes{window, shift}), {x});
}

Value window_merge(Value windows, Size2 image, Size2 window, Size2 shift) {
  return append(std::make_shared<WindowMergeOp>(WindowAttributes{window, shift}, image), {windows});
}

}  // namespace convoy

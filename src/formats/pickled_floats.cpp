#include "convoy/error.h"
#include "formats/pickled_weights.h"

namespace convoy {
namespace {

// The last element that a tensor of at least one element reaches.
int64_t last_element(const PickleTensor& tensor) {
  int64_t last = tensor.offset;
  for (size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    int64_t step = 0;
    if (__builtin_mul_overflow(tensor.shape[axis] - 1, tensor.strides[axis], &step) ||
        __builtin_add_overflow(last, step, &last)) {
      throw Error("reaches beyond its data");
    }
  }
  return last;
}

bool is_dense(const PickleTensor& tensor) {
  int64_t next = 1;
  for (size_t axis = tensor.shape.size(); axis-- > 0;) {
    if (tensor.shape[axis] != 1 && tensor.strides[axis] != next) return false;
    next *= tensor.shape[axis];
  }
  return true;
}

}  // namespace

std::vector<float> pickled_floats(const PickleTensor& tensor,
                                  const std::function<std::span<const std::byte>(const PickleStorage&)>& storage) {
  const std::span<const std::byte> bytes = tensor.storage.key.empty() ? tensor.bytes : storage(tensor.storage);
  const auto available = static_cast<int64_t>(bytes.size() / static_cast<size_t>(size_of(tensor.type)));
  int64_t elements = 1;
  for (const int64_t extent : tensor.shape) {
    if (__builtin_mul_overflow(elements, extent, &elements)) throw Error("has more than 2^63 elements");
  }
  if (elements == 0) return {};
  if (elements > available || last_element(tensor) >= available) throw Error("reaches beyond its data");
  const auto count = static_cast<size_t>(elements);
  const auto numbers = [&](size_t first, size_t length) {
    const auto size = static_cast<size_t>(size_of(tensor.type));
    std::vector<float> result(length);
    for_each_element(tensor.type, bytes.subspan(first * size, length * size),
                     [&](size_t i, auto value) { result[i] = static_cast<float>(value); });
    return result;
  };
  if (is_dense(tensor)) return numbers(static_cast<size_t>(tensor.offset), count);
  const std::vector<float> all = numbers(0, static_cast<size_t>(available));
  std::vector<float> values;
  values.reserve(count);
  std::vector<int64_t> index(tensor.shape.size(), 0);
  for (int64_t at = tensor.offset; values.size() < count;) {
    values.push_back(all[static_cast<size_t>(at)]);
    for (size_t axis = index.size(); axis-- > 0;) {
      if (tensor.shape[axis] == 1) continue;  // its stride may be anything
      at += tensor.strides[axis];
      if (++index[axis] < tensor.shape[axis]) break;
      at -= tensor.strides[axis] * tensor.shape[axis];
      index[axis] = 0;
    }
  }
  return values;
}

}  // namespace convoy

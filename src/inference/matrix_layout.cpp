#include "inference/matrix_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "convoy/error.h"

namespace convoy {
namespace {

// Whether the file has a matrix of this size; below 0: of any, but not square.
bool has_matrix(const Checkpoint& file, int64_t rows, int64_t columns) {
  return std::ranges::any_of(file.tensors(), [&](const Checkpoint::Tensor& tensor) {
    if (!is_floating(tensor.type) || tensor.shape.size() != 2) return false;
    if ((rows < 0 || columns < 0) && tensor.shape[0] == tensor.shape[1]) return false;
    return (rows < 0 || tensor.shape[0] == rows) && (columns < 0 || tensor.shape[1] == columns);
  });
}

}  // namespace

SourceLayout layout_by_shapes(const Checkpoint& file, std::span<const NetworkTensor> wanted) {
  int torch = 0, paddle = 0;
  std::string square;
  for (const NetworkTensor& tensor : wanted) {
    if (tensor.layout != FileLayout::linear) continue;
    const int64_t in = tensor.shape[1], out = tensor.class_axis == 0 ? -1 : tensor.shape[0];
    const bool as_torch = has_matrix(file, out, in), as_paddle = has_matrix(file, in, out);
    if (as_torch && !as_paddle) ++torch;
    if (as_paddle && !as_torch) ++paddle;
    if (as_torch && as_paddle && square.empty()) square = tensor.name;
  }
  if (torch > 0 && paddle == 0) return SourceLayout::torch;
  if (paddle > 0 && torch == 0) return SourceLayout::paddle;
  if (torch == 0 && square.empty()) return SourceLayout::torch;  // there is nothing to transpose
  throw UsageError(fmt::format(
      "{}: is {}, and nothing in it tells whether the matrix for {} is {{out, in}}, as PyTorch writes it, or {{in, "
      "out}}, as Paddle; say which: --source-layout torch or paddle",
      file.path().string(), to_string(file.format()), square.empty() ? "a linear layer" : square));
}

}  // namespace convoy

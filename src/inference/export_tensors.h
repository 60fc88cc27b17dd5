// The tensors of a network as another library's network has them.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/safetensors.h"
#include "graph/graph.h"
#include "inference/integer_buffer.h"
#include "models/names/naming.h"

namespace convoy {

// A tensor there, without its numbers.
struct ExportedTensor {
  std::string name;
  std::vector<int64_t> shape;
};

// What the parameter or state `name` of our network `model` is there: one tensor, or several whose rows are its;
// `shape` as in torch's files. naming: nullptr for our own names.
std::vector<ExportedTensor> exported_tensors(const Naming* naming, std::string_view model, std::string_view name,
                                             FileLayout layout, const std::vector<int64_t>& shape);

// The integers that stand beside it there; without values where there are none. PaddleClas's norms count nothing, and
// timm's windows keep no index.
IntegerBuffer exported_buffer(const Naming* naming, std::string_view model, std::string_view name,
                              const std::vector<int64_t>& shape);

// Tensors to be written, with the memory that they lie in.
class ExportTensors {
 public:
  ExportTensors(const Naming* naming, std::string_view model, DType type)
      : naming_(naming), model_(model), type_(type) {}

  // `values` in the order of torch's files. Throws Error for a number that is too large for the type.
  void add(const std::string& name, FileLayout layout, const std::vector<int64_t>& shape, std::vector<float> values);

  const std::vector<TensorToStore>& stored() const { return stored_; }

 private:
  const Naming* naming_;
  std::string_view model_;
  DType type_;
  std::deque<std::vector<std::byte>> bytes_;
  std::deque<IntegerBuffer> buffers_;
  std::vector<TensorToStore> stored_;
};

}  // namespace convoy

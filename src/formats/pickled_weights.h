// The weights in a pickle: which of its dictionaries they are, and their numbers.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "formats/pickle.h"

namespace convoy {

struct PickledWeights {
  struct Tensor {
    std::string name;
    PickleTensor tensor;
  };
  std::string key;                      // of the dictionary, with dots between levels; empty: the pickle itself
  std::vector<std::string> other_keys;  // of dictionaries that hold tensors, too
  std::vector<Tensor> tensors;          // in the order of the dictionary
};

// The dictionary of tensors that `key` names or, where it is empty, that training programs use for weights: averaged
// ones first, as timm. Throws Error when there is none, or several are as likely.
PickledWeights find_pickled_weights(const Pickle& pickle, const std::string& key);

// The tensor's numbers, row by row. storage: the bytes of a storage, which may throw Error. Throws Error when the
// tensor reaches beyond its bytes, or has more elements than they have.
std::vector<float> pickled_floats(const PickleTensor& tensor,
                                  const std::function<std::span<const std::byte>(const PickleStorage&)>& storage);

}  // namespace convoy

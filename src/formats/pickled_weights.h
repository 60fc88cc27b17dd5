// The weights in a pickle: which of its dictionaries or networks they are, and their numbers.
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
  std::vector<std::string> unread;      // "NAME is an object of CLASS", where a tensor may have been meant
  bool by_paddle = false;               // names or form are those of paddle.save
};

// The dictionary of tensors, or the network saved as a whole, that `key` names or, where it is empty, that training
// programs use for weights: averaged ones first, as timm. Throws Error when there is none, or several are as likely.
PickledWeights find_pickled_weights(const Pickle& pickle, const std::string& key);

// "an object of "numpy.dtype": arrays of type "O8" are not supported".
std::string describe(const PickleObject& object);

// The tensor's numbers, row by row. storage: the bytes of a storage, which may throw Error. Throws Error when the
// tensor reaches beyond its bytes, or has more elements than they have.
std::vector<float> pickled_floats(const PickleTensor& tensor,
                                  const std::function<std::span<const std::byte>(const PickleStorage&)>& storage);

}  // namespace convoy

// What stands beside the weights in a pickle: options, names of classes, the name of the network.
#pragma once

#include <nlohmann/json.hpp>

#include "formats/pickle.h"

namespace convoy {

// The plain data of a pickle as JSON: text, numbers, lists, dictionaries, and the attributes of objects whose names do
// not begin with '_'. Tensors and everything else are left out, and so is what is nested deeper or larger than any
// description of a network.
nlohmann::json pickled_notes(const Pickle& pickle);

}  // namespace convoy

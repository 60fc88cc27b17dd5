// The built-in networks. Each src/models/<family>.cpp defines `std::vector<Model> <family>_models()`; the list that
// calls them is generated from the folder.
#pragma once

#include <vector>

#include "convoy/model.h"

namespace convoy {

std::vector<Model> built_in_models();

}  // namespace convoy

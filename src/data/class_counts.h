// How many images each class has.
#pragma once

#include <vector>

#include "convoy/data.h"
#include "data/dataset.h"

namespace convoy {

// Of every class of either split, in order of names; val may be null.
std::vector<ClassCount> count_classes(const TrainVal& data);

}  // namespace convoy

// Images to compare networks on.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "data/dataset.h"
#include "data/transform.h"

namespace convoy {

// Hears of a batch {batch size, S, S, 3}, of which the first `count` images are to be compared, and of their classes as
// the dataset numbers them; random images have none.
using SampleVisitor = std::function<void(std::span<const float> images, int64_t count, std::span<const int> labels)>;

// Visits up to `most` images from all over the dataset, whose first ones may be of one class; without a dataset `most`
// images of random pixels. The same for the same arguments. batch_size: at most the dataset's size.
void visit_samples(const DatasetPtr& dataset, const Preprocessing& preprocessing, int64_t batch_size, int64_t most,
                   const SampleVisitor& visit);

}  // namespace convoy

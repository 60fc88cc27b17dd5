// How the matrices of a file lie that does not say so.
#pragma once

#include <span>

#include "convoy/source_layout.h"
#include "formats/checkpoint.h"
#include "inference/weight_match.h"

namespace convoy {

// By the shapes of those matrices that are not square and belong to the network's linear layers. Throws UsageError when
// these do not tell, and the network has linear layers whose weights would fit either way.
SourceLayout layout_by_shapes(const Checkpoint& file, std::span<const NetworkTensor> wanted);

}  // namespace convoy

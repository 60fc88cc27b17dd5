// The loss of a training step.
#pragma once

#include <string_view>

#include "convoy/loss.h"

namespace convoy {

// Throws UsageError, with the nearest known name, when there is none; InternalError, or what the loss throws, when it
// is not as convoy/loss.h asks. All messages name the loss.
Value build_loss(std::string_view name, Value logits, Value targets, float smoothing);

}  // namespace convoy

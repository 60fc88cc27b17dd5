// Applying augmentations of a program's own.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "convoy/own_augmentation.h"
#include "core/random.h"
#include "data/image.h"

namespace convoy {

struct OwnAugmentation {
  std::string name;
  AugmentFunction augment;
};

// Null when there is none of that name.
std::shared_ptr<const OwnAugmentation> find_own_augmentation(std::string_view name);

// Throws Error that names the augmentation when it throws.
void apply(const OwnAugmentation& own, Image& image, RandomStream& random);

}  // namespace convoy

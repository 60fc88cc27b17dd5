// The tables of names, one function a source.
#pragma once

#include <span>

#include "models/names/naming.h"

namespace convoy {

std::span<const Naming> torchvision_namings();
std::span<const Naming> timm_namings();
std::span<const Naming> hf_namings();
std::span<const Naming> paddle_namings();

}  // namespace convoy

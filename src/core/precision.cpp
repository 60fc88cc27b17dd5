#include "convoy/precision.h"

#include "core/cpu.h"

namespace convoy {

std::string_view to_string(Precision precision) {
  switch (precision) {
    case Precision::fp32: return "fp32";
    case Precision::bf16: return "bf16";
    case Precision::automatic: return "auto";
  }
  return "";
}

Precision settled(Precision precision) {
  if (precision != Precision::automatic) return precision;
  return has_matrix_tiles() ? Precision::bf16 : Precision::fp32;
}

}  // namespace convoy

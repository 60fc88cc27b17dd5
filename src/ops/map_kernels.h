// What kernels of maps of brain floats have in common.
#pragma once

#include <string>

#include "convoy/kernel.h"

namespace convoy {

inline constexpr DType kMapTypes[] = {DType::bf16, DType::f32, DType::u8};

// Why a node's maps are not brain floats: all values of the rank and the first extent of input 0 are to be. Empty when
// they are.
std::string refuse_unless_bf16(const NodeSpec& spec);

// A kernel that computes a node with maps of brain floats.
constexpr Kernel bf16_kernel(void (*run)(const NodeSpec&, const NodeMemory&),
                             size_t (*workspace)(const NodeSpec&) = nullptr) {
  return {.name = "bf16", .refuse = refuse_unless_bf16, .workspace = workspace, .run = run, .accepts = kMapTypes};
}

// A map, null where it is not present.
template <class Map>
const Map* map_input(const NodeMemory& memory, int i) {
  const View& view = memory.inputs[static_cast<size_t>(i)];
  return view.data == nullptr ? nullptr : view.as<const Map>();
}
template <class Map>
Map* map_output(const NodeMemory& memory, int i) {
  const View& view = memory.outputs[static_cast<size_t>(i)];
  return view.data == nullptr ? nullptr : view.as<Map>();
}

}  // namespace convoy

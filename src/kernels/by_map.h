// Tables of kernels for each type that maps are stored as.
#pragma once

#include <type_traits>

#include "convoy/bf16.h"

namespace convoy::kernels {

template <template <class Map> class Table>
struct ByMap {
  Table<float> f32;
  Table<Bf16> bf16;

  template <class Map>
  constexpr const Table<Map>& of() const {
    if constexpr (std::is_same_v<Map, float>) {
      return f32;
    } else {
      return bf16;
    }
  }
};

}  // namespace convoy::kernels

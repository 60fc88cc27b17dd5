// The tables of MobileNetV3-Large and -Small (Howard et al., arXiv 1905.02244, tables 1 and 2), which AsymmNet keeps.
#pragma once

#include <array>
#include <cstdint>

#include "convoy/activation.h"

namespace convoy {

// A row of the paper's tables.
struct BneckRow {
  int64_t kernel;
  int64_t expanded;
  int64_t channels;
  bool squeeze_excite;
  Activation activation;
  int64_t stride;
};

inline constexpr Activation kRelu = Activation::relu;
inline constexpr Activation kHardSwish = Activation::hard_swish;

inline constexpr std::array<BneckRow, 15> kLargeRows{{{3, 16, 16, false, kRelu, 1},
                                                      {3, 64, 24, false, kRelu, 2},
                                                      {3, 72, 24, false, kRelu, 1},
                                                      {5, 72, 40, true, kRelu, 2},
                                                      {5, 120, 40, true, kRelu, 1},
                                                      {5, 120, 40, true, kRelu, 1},
                                                      {3, 240, 80, false, kHardSwish, 2},
                                                      {3, 200, 80, false, kHardSwish, 1},
                                                      {3, 184, 80, false, kHardSwish, 1},
                                                      {3, 184, 80, false, kHardSwish, 1},
                                                      {3, 480, 112, true, kHardSwish, 1},
                                                      {3, 672, 112, true, kHardSwish, 1},
                                                      {5, 672, 160, true, kHardSwish, 2},
                                                      {5, 960, 160, true, kHardSwish, 1},
                                                      {5, 960, 160, true, kHardSwish, 1}}};

inline constexpr std::array<BneckRow, 11> kSmallRows{{{3, 16, 16, true, kRelu, 2},
                                                      {3, 72, 24, false, kRelu, 2},
                                                      {3, 88, 24, false, kRelu, 1},
                                                      {5, 96, 40, true, kHardSwish, 2},
                                                      {5, 240, 40, true, kHardSwish, 1},
                                                      {5, 240, 40, true, kHardSwish, 1},
                                                      {5, 120, 48, true, kHardSwish, 1},
                                                      {5, 144, 48, true, kHardSwish, 1},
                                                      {5, 288, 96, true, kHardSwish, 2},
                                                      {5, 576, 96, true, kHardSwish, 1},
                                                      {5, 576, 96, true, kHardSwish, 1}}};

}  // namespace convoy

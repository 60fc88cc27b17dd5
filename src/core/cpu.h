// Which instruction set the kernels run on.
#pragma once

#include <string_view>
#include <vector>

namespace convoy {

enum class Isa { baseline, avx2, avx512 };

std::string_view to_string(Isa isa);

// The sets that this binary was built with and this processor has, slowest first; never empty.
std::vector<Isa> available_isas();

// The set in use: the fastest available, or the one that CONVOY_ISA (baseline, avx2, avx512) names.
// Throws UsageError when CONVOY_ISA names an unknown or unavailable set.
Isa active_isa();

// Whether kernels may use matrix tiles (AMX), and AVX-512's BF16 and VNNI with them: with avx512 in use, where this
// binary was built with them, the processor has them, and the system lets the process have them.
bool has_matrix_tiles();

// Makes the kernels use `isa` from now on; for tests. Throws UsageError when it is not available.
void set_active_isa(Isa isa);

}  // namespace convoy

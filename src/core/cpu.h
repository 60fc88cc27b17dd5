// Which instruction set the kernels run on.
#pragma once

#include <string_view>
#include <vector>

namespace convoy {

// Each has the one before it; amx is avx512 with matrix tiles.
enum class Isa { baseline, avx2, avx512, amx };

std::string_view to_string(Isa isa);

// The sets that this binary was built with, this processor has and the system lets the process have, slowest first;
// never empty.
std::vector<Isa> available_isas();

// The set in use: the fastest available, or the one that CONVOY_ISA (baseline, avx2, avx512, amx) names.
// Throws UsageError when CONVOY_ISA names an unknown or unavailable set.
Isa active_isa();

// Whether kernels may use matrix tiles (AMX), and AVX-512's BF16 with them.
bool has_matrix_tiles();

// Whether kernels may use the dot product of four bytes (VNNI): in registers of AVX-512 where avx512 or amx is in use,
// in those of AVX2 (AVX-VNNI) where avx2 is.
bool has_avx512_vnni();
bool has_avx2_vnni();

// Makes the kernels use `isa` from now on; for tests. Throws UsageError when it is not available.
void set_active_isa(Isa isa);

}  // namespace convoy

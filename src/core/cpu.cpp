#include "core/cpu.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iterator>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "convoy/error.h"

namespace convoy {
namespace {

std::atomic<int> chosen{-1};

constexpr Isa kIsas[] = {Isa::baseline, Isa::avx2, Isa::avx512, Isa::amx};

#if defined(__x86_64__)
// Leaf 7 of CPUID, zeros where the processor does not have that part of it.
struct Features {
  unsigned a = 0, b = 0, c = 0, d = 0;

  explicit Features(unsigned part) { __get_cpuid_count(7, part, &a, &b, &c, &d); }
};

bool processor_has_avx512_vnni() { return (Features(0).c & 1U << 11) != 0; }
bool processor_has_avx2_vnni() { return (Features(1).a & 1U << 4) != 0; }
#else
bool processor_has_avx512_vnni() { return false; }
bool processor_has_avx2_vnni() { return false; }
#endif

#if defined(CONVOY_HAS_amx)
// Linux gives a process the tiles' state when it asks for it (arch_prctl(2)), for all its threads.
bool may_use_tiles() {
  constexpr unsigned kAmxBf16 = 1U << 22, kAmxTile = 1U << 24, kAmxInt8 = 1U << 25, kAvx512Bf16 = 1U << 5;
  constexpr unsigned kTiles = kAmxBf16 | kAmxTile | kAmxInt8;
  if ((Features(0).d & kTiles) != kTiles || (Features(1).a & kAvx512Bf16) == 0) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif

bool is_available(Isa isa) {
#if defined(__x86_64__)
  __builtin_cpu_init();
#endif
  switch (isa) {
    case Isa::baseline: return true;
#if defined(CONVOY_HAS_avx2)
    case Isa::avx2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
#if defined(CONVOY_HAS_avx512)
    case Isa::avx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    case Isa::amx: {
      static const bool kMay = is_available(Isa::avx512) && may_use_tiles();
      return kMay;
    }
#endif
    default: return false;
  }
}

Isa require_available(Isa isa) {
  if (!is_available(isa)) {
    throw UsageError(fmt::format("CONVOY_ISA={}: this processor or build does not have it; the fastest it has is {}",
                                 to_string(isa), to_string(available_isas().back())));
  }
  return isa;
}

Isa choose() {
  const char* wanted = std::getenv("CONVOY_ISA");
  if (wanted == nullptr || *wanted == '\0') return available_isas().back();
  for (const Isa isa : kIsas) {
    if (to_string(isa) == wanted) return require_available(isa);
  }
  throw UsageError(fmt::format("CONVOY_ISA={}: expected baseline, avx2, avx512 or amx", wanted));
}

}  // namespace

std::string_view to_string(Isa isa) {
  switch (isa) {
    case Isa::baseline: return "baseline";
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
    case Isa::amx: return "amx";
  }
  return "";
}

std::vector<Isa> available_isas() {
  std::vector<Isa> isas;
  std::ranges::copy_if(kIsas, std::back_inserter(isas), is_available);
  return isas;
}

Isa active_isa() {
  if (chosen.load() < 0) chosen.store(static_cast<int>(choose()));
  return static_cast<Isa>(chosen.load());
}

bool has_matrix_tiles() { return active_isa() == Isa::amx; }

bool has_avx512_vnni() {
  static const bool kHas = processor_has_avx512_vnni();
  return kHas && active_isa() >= Isa::avx512;
}

bool has_avx2_vnni() {
  static const bool kHas = processor_has_avx2_vnni();
  return kHas && active_isa() == Isa::avx2;
}

void set_active_isa(Isa isa) { chosen.store(static_cast<int>(require_available(isa))); }

}  // namespace convoy

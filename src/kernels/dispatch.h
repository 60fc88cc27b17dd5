// How a family of kernels reaches the instruction set in use.
//
// A family has a header src/kernels/FAMILY.h with a table of function pointers and its accessor
//     struct FamilyKernels { void (*forward)(const ForwardArgs&); ... };
//     const FamilyKernels& family_kernels();
// a source src/kernels/isa/FAMILY.cpp, compiled once per set, that defines family_kernels() in namespace
// convoy::kernels::CONVOY_ISA, and a source src/kernels/FAMILY.cpp that says
//     CONVOY_DISPATCH(FamilyKernels, family_kernels)
#pragma once

#include "core/cpu.h"

#if defined(CONVOY_HAS_avx2)
#define CONVOY_DECLARE_AVX2(Table, accessor) \
  namespace avx2 {                           \
  const Table& accessor();                   \
  }
#define CONVOY_CASE_AVX2(accessor) \
  case Isa::avx2:                  \
    return avx2::accessor();
#else
#define CONVOY_DECLARE_AVX2(Table, accessor)
#define CONVOY_CASE_AVX2(accessor)
#endif

#if defined(CONVOY_HAS_avx512)
#define CONVOY_DECLARE_AVX512(Table, accessor) \
  namespace avx512 {                           \
  const Table& accessor();                     \
  }
#define CONVOY_CASE_AVX512(accessor) \
  case Isa::amx:                     \
  case Isa::avx512:                  \
    return avx512::accessor();
#else
#define CONVOY_DECLARE_AVX512(Table, accessor)
#define CONVOY_CASE_AVX512(accessor)
#endif

#define CONVOY_DISPATCH(Table, accessor)    \
  namespace convoy::kernels {               \
  namespace baseline {                      \
  const Table& accessor();                  \
  }                                         \
  CONVOY_DECLARE_AVX2(Table, accessor)      \
  CONVOY_DECLARE_AVX512(Table, accessor)    \
  const Table& accessor() {                 \
    switch (active_isa()) {                 \
      CONVOY_CASE_AVX512(accessor)          \
      CONVOY_CASE_AVX2(accessor)            \
      default: return baseline::accessor(); \
    }                                       \
  }                                         \
  }  // namespace convoy::kernels

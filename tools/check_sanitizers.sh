#!/usr/bin/env bash
# Builds with clang and the sanitizers of addresses and undefined behaviour, runs the tests that are quick there and every
# fuzzer for FUZZ_SECONDS (30); then with gcc and the sanitizer of threads, and runs what has threads. Kernels are built for
# the instruction sets of CONVOY_ISAS, by default those that most machines have.
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=${JOBS:-$(nproc)}
isas=${CONVOY_ISAS:-baseline;avx2}
slow='OpCases|VerifyGolden|Winograd|Conv|DepthWise|BatchNorm|GroupNorm|LayerNorm|Pool|Matmul|Softmax|Optimizers|package'
threaded='ThreadTeam|ParallelFor|Program|Session|ClassifierTest|Loader|Contents|Trainer|ResumeTest|Verification'
export LSAN_OPTIONS="suppressions=$PWD/tests/support/leaks.txt:print_suppressions=0"

cmake --preset fuzz "-DCONVOY_ISAS=$isas" ${CMAKE_FLAGS-}
cmake --build build/fuzz --parallel "$jobs"
ctest --test-dir build/fuzz --parallel "$jobs" --output-on-failure --timeout 900 -E "$slow"
for fuzzer in build/fuzz/tests/fuzz/fuzz_*; do
  [ -f "$fuzzer" ] && [ -x "$fuzzer" ] || continue
  seeds=tests/fuzz/seeds/$(basename "$fuzzer" | sed 's/^fuzz_//')
  found=build/fuzz/found/$(basename "$fuzzer")
  mkdir -p "$found"
  echo "$(basename "$fuzzer"): ${FUZZ_SECONDS:-30} s"
  "$fuzzer" -max_total_time="${FUZZ_SECONDS:-30}" -rss_limit_mb=4096 -artifact_prefix="$found/" -verbosity=0 -print_final_stats=1 \
    "$found" $([ -d "$seeds" ] && echo "$seeds") 2>&1 | tail -n 12
done

cmake --preset tsan "-DCONVOY_ISAS=$isas" ${CMAKE_FLAGS-}
cmake --build build/tsan --parallel "$jobs" --target core_test plan_test data_test inference_test train_test
ctest --test-dir build/tsan --parallel 1 --output-on-failure --timeout 900 -R "$threaded"

#!/usr/bin/env bash
# Builds with clang and the sanitizers of addresses and undefined behaviour, runs the tests that are quick there and every
# fuzzer for FUZZ_SECONDS (30); then with gcc and the sanitizer of threads, and runs what has threads. Kernels are built for
# the instruction sets of CONVOY_ISAS, by default the one that any machine has.
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=${JOBS:-$(nproc)}
isas=${CONVOY_ISAS:-baseline}
export FUZZ_SECONDS=${FUZZ_SECONDS:-30}
export LSAN_OPTIONS="suppressions=$PWD/tests/support/leaks.txt:print_suppressions=0"

cmake --preset fuzz "-DCONVOY_ISAS=$isas" ${CMAKE_FLAGS-}
cmake --build build/fuzz --parallel "$jobs" --target fuzzers core_test graph_test formats_test data_test inference_test
ctest --test-dir build/fuzz --parallel "$jobs" --output-on-failure --timeout 900 -L '^(core|graph|formats|data|inference)_test$' \
  -E EveryNetwork  # the weights of each, several times over

fuzz() {
  name=$(basename "$1") found=build/fuzz/found/$(basename "$1")
  seeds=tests/fuzz/seeds/${name#fuzz_}
  mkdir -p "$found"
  if ! "$1" -max_total_time="$FUZZ_SECONDS" -rss_limit_mb=4096 -artifact_prefix="$found/" -verbosity=0 \
      -print_final_stats=1 "$found" $([ -d "$seeds" ] && echo "$seeds") >"$found.log" 2>&1; then
    tail -n 60 "$found.log"
    echo "$name: found something"
    return 1
  fi
  echo "$name: $(grep -o 'number_of_executed_units: .*' "$found.log"), nothing found"
}
export -f fuzz
find build/fuzz/tests/fuzz -maxdepth 1 -name 'fuzz_*' -type f -perm -u+x | sort | xargs -P "$jobs" -I {} bash -c 'fuzz {}'

cmake --preset tsan "-DCONVOY_ISAS=$isas" ${CMAKE_FLAGS-}
cmake --build build/tsan --parallel "$jobs" --target core_test data_test inference_test plan_test
ctest --test-dir build/tsan --parallel 1 --output-on-failure --timeout 900 \
  -R 'ThreadTeam|ParallelFor|World|BatchProgram|SessionTest|ClassifierTest|Loader|Contents'

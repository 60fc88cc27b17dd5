#!/bin/sh
# Checks that includes between the stages of src/ point left only:
#   core -> kernels -> graph -> ops -> backends -> models -> plan -> formats -> data -> inference -> train -> report -> cli
# Prints each offending line; exits 1 when there is one.
set -eu
cd "$(dirname "$0")/.."

find src include -name '*.h' -o -name '*.cpp' | LC_ALL=C sort | xargs awk '
  BEGIN {
    count = split("core kernels graph ops backends models plan formats data inference train report cli", stages, " ")
    for (i = 1; i <= count; ++i) rank[stages[i]] = i
  }
  FNR == 1 {
    split(FILENAME, parts, "/")
    from = parts[1] == "include" ? "include" : parts[2]
  }
  /^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, quoted, "\"")
    split(quoted[2], path, "/")
    to = path[1]
    if (!(to in rank)) next
    if (from == "include") problem = "a public header includes an internal one"
    else if (!(from in rank)) problem = "src/" from " is no stage"
    else if (rank[to] > rank[from]) problem = from " comes before " to
    else next
    printf "%s:%d: %s (%s)\n", FILENAME, FNR, $0, problem
    bad = 1
  }
  END { exit bad }'

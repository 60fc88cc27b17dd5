#!/usr/bin/env bash
# Fails, and lists them, where a type's full name is defined in two files: a program of both merges what the compiler
# made of either (the one-definition rule), and no compiler or linker says so.
set -euo pipefail
cd "$(dirname "$0")/.."

find src include tests examples bench -name '*.h' -o -name '*.cpp' | LC_ALL=C sort | xargs awk '
  FNR == 1 { depth = 0 }
  /^(inline )?namespace([ ][a-zA-Z_:]+)? \{/ { scope[++depth] = ($1 == "inline" ? $3 : $2 == "{" ? FILENAME : $2); next }
  /^}  \/\/ (anonymous )?namespace/ { --depth; next }
  /^(struct|class|union|enum|enum class) / && /\{/ && !/;$/ {
    line = $0
    sub(/ (final|:).*/, "", line); sub(/ \{.*/, "", line)
    name = ""
    for (i = 1; i <= depth; ++i) name = name scope[i] "::"
    n = split(line, words, " ")
    name = name words[n]
    if (name in file && file[name] != FILENAME) { print name ": " file[name] " and " FILENAME; found = 1 }
    file[name] = FILENAME
  }
  END { exit found }'

#!/bin/sh
# Checks every C++ source against .clang-format; `tools/check_format.sh --fix` rewrites what differs.
# CLANG_FORMAT names the program; version 14 is the one that counts.
set -eu
cd "$(dirname "$0")/.."

format=${CLANG_FORMAT:-$(command -v clang-format-14 || echo clang-format)}
mode="--dry-run --Werror"
[ "${1-}" != --fix ] || mode=-i
find src include tests examples bench \( -name '*.h' -o -name '*.cpp' \) -print0 2>/dev/null | xargs -0 "$format" --style=file $mode

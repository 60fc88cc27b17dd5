#!/usr/bin/env bash
# clang-tidy, with every finding an error, on the sources that differ from a commit: tools/check_tidy.sh [COMMIT]
# The commit is the one before by default. A file takes up to a minute. Of more than MOST (40) sources only so many are looked at, which is said.
# Needs a configured build/release.
set -euo pipefail
cd "$(dirname "$0")/.."

base=${1:-HEAD~1}
if ! git rev-parse --quiet --verify "$base^{commit}" >/dev/null; then
  echo "check_tidy: no commit $base to compare with; nothing was looked at"
  exit 0
fi
tidy=$(command -v clang-tidy-14 || echo clang-tidy)
mapfile -t changed < <(git diff --name-only --diff-filter=d "$base" -- 'src/*.cpp' 'examples/*.cpp' 'bench/*.cpp')
echo "check_tidy: ${#changed[@]} sources differ from $base; looking at $((${#changed[@]} < ${MOST:-40} ? ${#changed[@]} : ${MOST:-40}))"
printf '%s\n' "${changed[@]:0:${MOST:-40}}" | grep . |
  xargs -r -P "${JOBS:-$(nproc)}" -n 1 "$tidy" -p build/release --quiet --warnings-as-errors='*'

#!/bin/sh
# Installs with apt whatever of tools/packages.txt, and of the packages named as arguments, is missing.
# Asks for nothing and touches nothing when all is there.
set -eu

list=$(dirname "$0")/packages.txt
wanted="$(sed 's/#.*//' "$list") $*"

if ! command -v dpkg-query >/dev/null; then
  echo "convoy: not a Debian-like system: install the equivalents of" $wanted >&2
  exit 0
fi

missing=
for package in $wanted; do
  status=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null) || status=
  [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
  sudo=
elif command -v sudo >/dev/null; then
  sudo=sudo
else
  echo "convoy: these packages are missing, and neither root nor sudo is here to install them:$missing" >&2
  exit 1
fi

echo "convoy: installing with apt-get:$missing"
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $missing

#!/bin/sh
# The demo of `make demo`: trains on the sample of CIFAR-10 that the repository ships, evaluates, classifies some images.
# Usage: tools/demo.sh PATH_OF_CONVOY
set -eu
convoy=$(realpath "$1")
cd "$(dirname "$0")/.."

data=build/cifar10-sample
run=runs/demo
if [ ! -d "$data" ]; then
  rm -rf "$data.tmp"
  mkdir -p "$data.tmp"
  tar -xzf data/cifar10-sample.tar.gz -C "$data.tmp"
  mv "$data.tmp" "$data"
fi

# Says each command before running it.
run_command() {
  echo
  echo "\$ convoy $*"
  "$convoy" "$@"
}

rm -rf "$run"
run_command train "$data" --recipe recipes/resnet9-cifar10-sample.toml --experiment demo
run_command eval "$data" --checkpoint "$run"
run_command predict "$data"/test/*/0000.jpg --checkpoint "$run" --top-k 3
echo
echo "The run is in $run: results.csv, TensorBoard events, best.safetensors. Next: $convoy train --help"

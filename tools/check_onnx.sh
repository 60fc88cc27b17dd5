#!/usr/bin/env bash
# tools/check_onnx.py in an environment of its own, build/onnx-env, on networks that have every op between them, and ONNX's own
# tests of the operators that are imported. Where the packages cannot be had, it says so and ends well.
set -euo pipefail
cd "$(dirname "$0")/.."

env=build/onnx-env
[ -x "$env/bin/pip" ] || python3 -m venv "$env" || true
if ! "$env/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 numpy onnxruntime openvino; then
  echo "check_onnx: onnx, numpy, onnxruntime and openvino cannot be installed; ONNX models were not run elsewhere"
  exit 0
fi
"$env/bin/python" tools/check_onnx.py --opset 17 22 \
  --networks resnet9 acnet_resnet18 asymmnet_small conv2former_n mobilenet_v2 swin_t airbench94
"$env/bin/python" -W ignore tools/check_onnx_import.py nodes build/release/bench/onnx_imports build/onnx-nodes | tail -n 1

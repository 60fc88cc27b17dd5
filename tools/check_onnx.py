#!/usr/bin/env python3
"""Checks that other runtimes answer as Convoy does to the ONNX models that it writes.

    tools/check_onnx.py [--samples build/release/bench/onnx_samples] [--opset N ...] [--networks NAME ...]

Needs onnx, numpy, onnxruntime and openvino (PyPI). For every network, as it is and fused: onnx.checker and strict shape
inference pass; ONNX Runtime and OpenVINO give Convoy's logits within 1e-4 of the largest, for batches of two and of one.
Of resnet9 also models with preprocessing, for images of several sizes. Of tiny.quantized, whose layers compute with bytes,
ONNX Runtime gives them within 1e-4 where it computes the model as written; what the runtimes make of several nodes rounds
to bytes elsewhere: within 1e-1.
Prints one line a model; ends with 1 if one fails, and with 2 where a package is missing.
"""

from __future__ import annotations

import argparse
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
    import onnx
    import onnxruntime
    import openvino
except ImportError as error:
    print(f"check_onnx: {error.name} is missing; pip install onnx numpy onnxruntime openvino", file=sys.stderr)
    sys.exit(2)

import json

ROOT = Path(__file__).parent.parent
TOLERANCE = 1e-4
# Of models with preprocessing: a pixel whose sum is a rounding away from a half may be one level off, and one on the edge
# of a window without weights may be its neighbour.
TOLERANCES = {"quantized": 1e-1, "bilinear": 1e-3, "bicubic": 1e-3, "box": 3e-2, "nearest": 3e-2}


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, tensor in header.items():
        if name != "__metadata__":
            begin, end = tensor["data_offsets"]
            kind = {"F32": np.float32, "U8": np.uint8}[tensor["dtype"]]
            values = np.frombuffer(data[8 + length + begin : 8 + length + end], kind)
            tensors[name] = values.reshape(tensor["shape"])
    return tensors


def run_onnxruntime(path: Path, images: np.ndarray, as_written: bool = False) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    if as_written:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"]).run(None, {"images": images})[0]


def run_openvino(path: Path, images: np.ndarray) -> np.ndarray:
    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled(images)[0]


def check(path: Path) -> tuple[str, bool]:
    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.shape_inference.infer_shapes(onnx.load(path), strict_mode=True, data_prop=True)
    assert [d.dim_param or d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim] == ["batch", 10]
    answers = read_safetensors(path.parent / (path.name.removesuffix(".onnx") + ".answers.safetensors"))
    images, logits = answers["images"], answers["logits"]
    largest = float(np.abs(logits).max())
    found = {}
    runtimes = {"onnxruntime": run_onnxruntime, "openvino": run_openvino}
    if ".quantized." in path.name:
        runtimes["as written"] = lambda *args: run_onnxruntime(*args, as_written=True)
    for runtime, run in runtimes.items():
        whole = run(path, images)
        one = run(path, images[-1:])
        distance = max(np.abs(whole - logits).max(), np.abs(one - logits[-1:]).max())
        found[runtime] = float(distance) / largest if whole.shape == logits.shape else float("inf")
    text = ", ".join(f"{runtime} {distance:.1e}" for runtime, distance in found.items())
    tolerance = next((t for part, t in TOLERANCES.items() if f".{part}." in path.name), TOLERANCE)
    as_written = found.get("as written", 0)
    return text, as_written <= TOLERANCE and all(distance <= tolerance for distance in found.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=Path, default=ROOT / "build/release/bench/onnx_samples")
    parser.add_argument("--opset", type=int, nargs="+", default=[17])
    parser.add_argument("--networks", nargs="*", default=[])
    args = parser.parse_args()
    failed = 0
    for opset in args.opset:
        with tempfile.TemporaryDirectory() as name:
            command = [str(args.samples), name, str(opset), *args.networks]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as samples:
                for line in samples.stdout:
                    network = line.strip()
                    for path in sorted([Path(name) / f"{network}.onnx", *Path(name).glob(f"{network}.*.onnx")]):
                        try:
                            text, good = check(path)
                        except Exception as error:  # of any runtime
                            text, good = " ".join(str(error).split())[:300], False
                        failed += not good
                        verdict = "" if good else "  FAILED"
                        print(f"opset {opset} {path.name.removesuffix('.onnx')}: {text}{verdict}", flush=True)
                    for path in Path(name).glob(f"{network}.*"):
                        path.unlink()
            failed += samples.returncode != 0
    print(f"{failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()

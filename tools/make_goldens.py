#!/usr/bin/env python3
"""Makes tests/golden/MODEL.safetensors: one exact training step of every network, from PyTorch in float64.

Needs the folder with golden.py and reference_models.py (--peers) and a Python with its requirements. Rounding flips ReLUs
of deep networks, so that some seeds are of little use as a reference: several are tried and the one is kept in whose
step float32 comes closest to float64. Equal calls make equal files.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

# model -> batch, image size, label smoothing. VGG's classifier sees 7x7 maps, which only 224 gives without replication.
CASES: dict[str, tuple[int, int, float]] = {
    "resnet18": (2, 64, 0.0),
    "resnet34": (2, 64, 0.0),
    "resnet50": (2, 64, 0.0),
    "resnet101": (2, 64, 0.0),
    "mobilenet_v2": (2, 64, 0.0),
    "vgg19": (1, 224, 0.0),
    "vgg19_bn": (1, 224, 0.0),
    "conv2former_n": (2, 32, 0.1),
    "resnet152": (2, 64, 0.0),
    "vgg11": (1, 224, 0.0),
    "asymmnet_large": (2, 64, 0.0),
    "asymmnet_small": (2, 64, 0.0),
    "efficientnetv2_s": (2, 64, 0.1),
    "acnet_resnet50": (2, 64, 0.0),
    "darknet53": (2, 64, 0.0),
    "cspdarknet53": (2, 64, 0.0),
    "mobilenet_v3_large": (2, 64, 0.0),
    "mobilenet_v3_small": (2, 64, 0.0),
    "swin_t": (2, 64, 0.1),
}
GOOD = 1e-5  # relative error of float32 gradients below which no further seed is tried


def float32_error(path: Path) -> float:
    """What the file says about the gradients of the same step in float32."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return json.loads(header["__metadata__"]["golden"])["float32_error"]["grad"]


def make(peers: Path, out: Path, model: str, seeds: int) -> None:
    """Writes the file of one model."""
    batch, size, smoothing = CASES[model]
    best = float("inf")
    with tempfile.TemporaryDirectory(dir=out) as folder:
        for seed in range(seeds):
            path = Path(folder) / f"{seed}.safetensors"
            settings = {"model": model, "batch": batch, "size": size, "seed": seed, "loss-smoothing": smoothing}
            flags = [str(word) for key, value in settings.items() for word in (f"--{key}", value)]
            command = [sys.executable, str(peers / "golden.py"), "--compact", *flags, "--out", str(path)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            error = float32_error(path)
            print(f"{model} seed {seed}: float32 error of the gradients {error:.1e}", flush=True)
            if error < best:
                best = error
                path.rename(out / f"{model}.safetensors")
            if best <= GOOD:
                break


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(CASES), help=f"some of {' '.join(CASES)} (default: all)")
    parser.add_argument("--peers", type=Path, required=True, help="the folder of golden.py")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "tests" / "golden")
    parser.add_argument("--seeds", type=int, default=12, help="how many seeds to try")
    args = parser.parse_args()
    for model in args.models:
        if model not in CASES:
            parser.error(f"no settings for model {model}; known: {' '.join(CASES)}")
        make(args.peers, args.out, model, args.seeds)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Takes every network that torchvision, timm or transformers has there and back, and prints a table.

Each gets random weights and running statistics that fit them, goes through `convoy import` and `convoy export --to`, and
is loaded with strict=True into a fresh network of the library. Its logits on random images must be those of before.
Needs PyTorch and the libraries; those that are not installed are left out.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import torch
from make_name_goldens import LIBRARIES
from safetensors.torch import load_file, save_file
from torch import nn

# What import must be told where the names are those of two networks.
FLAGS = {"tf_": ["--bn-eps", "0.001", "--padding", "same"], "": ["--bn-eps", "1e-5", "--padding", "symmetric"]}
DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


@torch.no_grad()
def randomize(network: nn.Module, images: torch.Tensor) -> None:
    for parameter in network.parameters():
        if parameter.dim() == 1:
            parameter.add_(0.1 * torch.randn_like(parameter))
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # the statistics of these images
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    network(images)
    network.eval()


def convoy(program: Path, *words: object) -> None:
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())


def check(program: Path, folder: Path, library: str, name: str, ours: str, dtype: str) -> str:
    """The largest difference of a logit, of the largest; or what went wrong."""
    make = LIBRARIES[library][0]
    source, model, back = (folder / f"{part}.safetensors" for part in ("source", "model", "back"))
    torch.manual_seed(0)
    network = make(name)
    images = torch.randn(4, 3, 224, 224)
    randomize(network, images)
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, source)
    shared = library == "timm" and ours.startswith(("mobilenet_v3", "efficientnetv2"))
    flags = FLAGS["tf_" if name.startswith("tf_") else ""] if shared else []
    try:
        convoy(program, "import", source, "--model", ours, *flags, "-o", model)
        convoy(program, "export", model, "--to", library, "--dtype", dtype, "-o", back)
        state = load_file(back)
        fresh = make(name).eval()
        (fresh.network if library == "hf" else fresh).load_state_dict(state, strict=True)
        if library == "torchvision" and dtype == "f32":  # the model file itself is one of torchvision's
            make(name).load_state_dict(load_file(model), strict=True)
    except RuntimeError as error:
        return str(error).splitlines()[0]
    with torch.no_grad():
        before, after = network(images), fresh(images)
    return f"{((before - after).abs().max() / before.abs().max()).item():.1e}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--convoy", type=Path, default=Path("build/release/convoy"))
    parser.add_argument("--dtypes", nargs="*", default=list(DTYPES), choices=DTYPES)
    parser.add_argument("networks", nargs="*", help="the libraries' names (default: all)")
    args = parser.parse_args()
    print(f"| library | network | ours | {' | '.join(args.dtypes)} |\n|---|---|---|{'--:|' * len(args.dtypes)}")
    with tempfile.TemporaryDirectory() as folder:
        for library, (make, networks) in LIBRARIES.items():
            try:
                make("resnet-18" if library == "hf" else "resnet18")
            except ModuleNotFoundError:
                continue
            for name, (ours, _) in networks.items():
                if args.networks and name not in args.networks:
                    continue
                results = [check(args.convoy, Path(folder), library, name, ours, dtype) for dtype in args.dtypes]
                print(f"| {library} | {name} | {ours} | {' | '.join(results)} |", flush=True)


if __name__ == "__main__":
    main()

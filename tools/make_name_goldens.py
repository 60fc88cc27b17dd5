#!/usr/bin/env python3
"""Makes tests/names.jsonl: what torchvision, timm and transformers call the tensors of our networks, and their answers.

A line is a network of a library. "digest" is the FNV-1a-64 of its state_dict: of the sorted lines "NAME SHAPE TYPE", such
as "bn1.weight 64 f" or "bn1.num_batches_tracked  i", each with a line feed; floats are f, integers i. "logits" are those
of the formula's weights and images (golden.py's formula.py, seed 0) in float64, for small networks alone,
and not for EfficientNetV2, whose logits of these weights grow to 1e6. Needs the folder of formula.py (--peers) and the
libraries; lines of those that are not installed stay as they are.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from torch import nn

CLASSES = 10
RESNETS = (18, 34, 50, 101, 152)
VGGS = [f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")]
# library's name -> ours; 0: no logits, else the side of the images
TORCHVISION = {f"resnet{n}": (f"resnet{n}", 0) for n in RESNETS}
TORCHVISION |= {name: (name, 0) for name in VGGS}
TORCHVISION |= {name: (name, 64) for name in ("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small")}
TORCHVISION |= {f"efficientnet_v2_{size}": (f"efficientnetv2_{size}", 0) for size in "sml"}
TORCHVISION |= {"swin_t": ("swin_t", 64)}
TIMM = {f"resnet{n}": (f"resnet{n}", 0) for n in RESNETS}
TIMM |= {name: (name, 0) for name in VGGS}
TIMM |= {"mobilenetv2_100": ("mobilenet_v2", 64), "swin_tiny_patch4_window7_224": ("swin_t", 224), "darknet53": ("darknet53", 64)}
TIMM |= {f"{tf}mobilenetv3_{size}_100": (f"mobilenet_v3_{size}", 64) for tf in ("", "tf_") for size in ("large", "small")}
TIMM |= {f"{tf}efficientnetv2_{size}": (f"efficientnetv2_{size}", 0) for tf in ("", "tf_") for size in "sml"}
HF = {f"resnet-{n}": (f"resnet{n}", 64 if n == 50 else 0) for n in RESNETS}
HF |= {"mobilenet_v2_1.0_224": ("mobilenet_v2", 64), "swin-tiny-patch4-window7-224": ("swin_t", 64)}


def torchvision_network(name: str) -> nn.Module:
    import torchvision

    return torchvision.models.get_model(name, num_classes=CLASSES)


def timm_network(name: str) -> nn.Module:
    import timm

    return timm.create_model(name, num_classes=CLASSES)


class Logits(nn.Module):
    """A network of transformers as one that returns its logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def state_dict(self) -> dict[str, torch.Tensor]:
        return self.network.state_dict()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(pixel_values=x).logits


def hf_network(name: str) -> nn.Module:
    import transformers as hf

    if name.startswith("mobilenet"):
        network = hf.MobileNetV2ForImageClassification(hf.MobileNetV2Config(num_labels=CLASSES))
    elif name.startswith("swin"):
        network = hf.SwinForImageClassification(hf.SwinConfig(num_labels=CLASSES))
    else:
        depth = int(name.removeprefix("resnet-"))
        depths = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3], 101: [3, 4, 23, 3], 152: [3, 8, 36, 3]}[depth]
        kind = {"layer_type": "basic", "hidden_sizes": [64, 128, 256, 512]} if depth < 50 else {}
        network = hf.ResNetForImageClassification(hf.ResNetConfig(depths=depths, num_labels=CLASSES, **kind))
    return Logits(network)


LIBRARIES = {"torchvision": (torchvision_network, TORCHVISION), "timm": (timm_network, TIMM), "hf": (hf_network, HF)}


def digest(state: dict[str, torch.Tensor]) -> str:
    lines = sorted(
        f"{name} {'x'.join(map(str, tensor.shape))} {'f' if tensor.is_floating_point() else 'i'}\n"
        for name, tensor in state.items()
    )
    key = 0xCBF29CE484222325
    for byte in "".join(lines).encode():
        key = (key ^ byte) * 0x100000001B3 % 2**64
    return f"{key:016x}"


def line(library: str, name: str, ours: str, side: int, make) -> dict[str, object]:
    import formula

    if side == 0:
        with torch.device("meta"):
            network = make(name)
        return {"library": library, "network": name, "model": ours, "digest": digest(network.state_dict())}
    network = make(name).eval()
    result = {"library": library, "network": name, "model": ours, "digest": digest(network.state_dict()), "side": side}
    formula.fill(network, 0)
    images, _ = formula.batch(0, 2, side, CLASSES)
    with torch.no_grad():
        result["logits"] = [float(f"{x:.9g}") for x in network.double()(images.double()).flatten()]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, required=True, help="the folder of formula.py")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "tests" / "names.jsonl")
    args = parser.parse_args()
    sys.path.insert(0, str(args.peers))
    torch.set_num_threads(1)
    kept = [json.loads(text) for text in args.out.read_text().splitlines()] if args.out.exists() else []
    for library, (make, networks) in LIBRARIES.items():
        try:
            lines = [line(library, name, *facts, make) for name, facts in networks.items()]
        except ModuleNotFoundError as missing:
            print(f"{library}: {missing}")
            continue
        kept = [entry for entry in kept if entry["library"] != library] + lines
    args.out.write_text("".join(json.dumps(entry) + "\n" for entry in kept))


if __name__ == "__main__":
    main()

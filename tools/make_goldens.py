#!/usr/bin/env python3
"""Makes tests/golden/MODEL.safetensors: one exact training step of every network, from PyTorch in float64.

Needs the folder with golden.py and reference_models.py (--peers) and a Python with its requirements. Rounding flips ReLUs
of deep networks, which changes gradients by up to 15 %. Against that the biases of their batch norms are lifted by three
deviations (NORM_BIAS), so that a few units of a thousand are off instead of half of them, and several seeds are tried: for
each the step is also taken in float32 from weights and images that differ by about their rounding, and the seed is kept
whose worst such step comes closest to float64. That worst distance is the file's float32_error. Equal calls make equal
files.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

# model -> batch, image size, label smoothing
CASES: dict[str, tuple[int, int, float]] = {
    "resnet9": (2, 32, 0.0),
    "resnet18": (4, 64, 0.0),
    "resnet34": (4, 64, 0.0),
    "resnet50": (4, 64, 0.0),
    "resnet101": (4, 64, 0.0),
    "resnet152": (4, 64, 0.0),
    "mobilenet_v2": (4, 64, 0.0),
    "mobilenet_v3_small": (4, 64, 0.0),
    "mobilenet_v3_large": (4, 64, 0.0),
    "vgg11": (2, 64, 0.0),
    "vgg13": (2, 64, 0.0),
    "vgg16": (2, 64, 0.0),
    "vgg19": (2, 32, 0.0),
    "vgg11_bn": (4, 64, 0.0),
    "vgg13_bn": (4, 64, 0.0),
    "vgg16_bn": (4, 64, 0.0),
    "vgg19_bn": (4, 64, 0.0),
    "conv2former_n": (2, 32, 0.1),
    "conv2former_t": (2, 64, 0.1),
    "conv2former_s": (2, 64, 0.1),
    "conv2former_b": (2, 64, 0.1),
    "conv2former_l": (2, 64, 0.1),
    "asymmnet_small": (2, 64, 0.0),
    "asymmnet_large": (2, 64, 0.0),
    "efficientnetv2_s": (2, 64, 0.1),
    "efficientnetv2_m": (4, 128, 0.1),
    "efficientnetv2_l": (4, 128, 0.1),
    "acnet_resnet18": (4, 64, 0.0),
    "acnet_resnet18_deploy": (4, 64, 0.0),
    "acnet_resnet50": (4, 64, 0.0),
    "acnet_resnet50_deploy": (4, 64, 0.0),
    "acnet_vgg16_bn": (4, 64, 0.0),
    "acnet_vgg16_bn_deploy": (2, 64, 0.0),
    "darknet53": (4, 64, 0.0),
    "cspdarknet53": (4, 64, 0.0),
    "cspdarknet53_padded": (4, 64, 0.0),
    "airbench94": (4, 32, 0.0),
    "swin_t": (2, 64, 0.1),
}
GOOD = 1e-5  # relative error of float32 gradients below which no further seed is tried


NOISE = 3e-7  # relative, on every weight and pixel of a trial: float32's rounding as it adds up in sums
TRIALS = 4
NORM_BIAS = 3.0
# The networks whose batch norms feed a ReLU, a ReLU6, a leaky ReLU or a SiLU.
LIFTED = ("resnet", "mobilenet_v2", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn", "acnet", "darknet53", "cspdarknet53",
          "efficientnetv2")


def norm_bias_of(model: str) -> float:
    return NORM_BIAS if model.startswith(LIFTED) else 0.0


def lift_norms(net: nn.Module, norm_bias: float) -> None:
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d) and module.bias is not None:
                module.bias.add_(norm_bias)


def worst_float32_error(model: str, seed: int, smoothing: float, batch: int, size: int) -> dict[str, float]:
    """The largest relative distance of logits and gradients from float64 in trials in float32."""
    import copy

    import formula
    import golden
    import reference_models
    from torch.nn import functional as F

    exact_net = reference_models.create(model, 10, drop=False).train()
    formula.fill(exact_net, seed)
    lift_norms(exact_net, norm_bias_of(model))
    images, labels = formula.batch(seed, batch, size, 10)

    def run(net: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = net(x)
        F.cross_entropy(logits, labels, label_smoothing=smoothing).backward()
        return logits.detach().double(), torch.cat([p.grad.flatten().double() for p in net.parameters()])

    logits, grad = run(copy.deepcopy(exact_net).double(), images.double())
    worst = {"logits": 0.0, "grad": 0.0}
    noise = torch.Generator().manual_seed(seed)

    def disturbed(tensor: Tensor) -> Tensor:
        return tensor * (1 + NOISE * torch.randn(tensor.shape, generator=noise))

    for _ in range(TRIALS):
        net = copy.deepcopy(exact_net)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.copy_(disturbed(parameter))
        trial_logits, trial_grad = run(net, disturbed(images))
        worst["logits"] = max(worst["logits"], golden.relative(trial_logits, logits))
        worst["grad"] = max(worst["grad"], golden.relative(trial_grad, grad))
    return worst


def make(peers: Path, out: Path, model: str, seeds: range) -> None:
    """Writes the file of one model."""
    sys.path.insert(0, str(peers))
    import formula
    import golden
    import reference_networks  # noqa: F401  (registers)

    fill = formula.fill

    def fill_and_lift(net: nn.Module, seed: int) -> None:
        fill(net, seed)
        lift_norms(net, norm_bias_of(model))

    batch, size, smoothing = CASES[model]
    best = float("inf")
    for seed in seeds:
        error = worst_float32_error(model, seed, smoothing, batch, size)
        print(f"{model} seed {seed}: float32 error of the gradients {error['grad']:.1e}", flush=True)
        if error["grad"] < best:
            best = error["grad"]
            formula.fill = fill_and_lift  # as golden.compact calls it
            tensors, facts = golden.compact(model, 10, batch, size, seed, smoothing)
            formula.fill = fill
            facts["float32_error"] = error
            if norm_bias_of(model):
                facts["norm_bias"] = norm_bias_of(model)
            save_file(tensors, out / f"{model}.safetensors", metadata={"golden": json.dumps(facts)})
        if best <= GOOD:
            break


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(CASES), help=f"some of {' '.join(CASES)} (default: all)")
    parser.add_argument("--peers", type=Path, required=True, help="the folder of golden.py")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "tests" / "golden")
    parser.add_argument("--seeds", type=int, default=12, help="how many seeds to try")
    parser.add_argument("--first-seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)  # a fixed order of summation
    torch.use_deterministic_algorithms(True)
    for model in args.models:
        if model not in CASES:
            parser.error(f"no settings for model {model}; known: {' '.join(CASES)}")
        make(args.peers, args.out, model, range(args.first_seed, args.first_seed + args.seeds))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes tests/data/optimizers.json: weights before and after four updates by the optimizers of PyTorch and timm.

    tools/make_optimizer_references.py tests/data/optimizers.json

Needs PyTorch and timm 1.0.31. Everything is in double precision. A case has the recipe that asks Convoy for the same,
and the rate, and where it varies the momentum, of each update.
"""
import functools
import json
import sys

import timm.optim
import timm.optim.muon
import torch

STEPS = 4
RATES = [0.01, 0.02, 0.015, 0.005]
SHAPES = {"conv.weight": (8, 3, 2, 2), "norm.weight": (8,), "norm.bias": (8,), "head.weight": (5, 8), "head.bias": (5,)}
DECAY = 0.1

# Newton-Schulz in double precision instead of bfloat16.
timm.optim.muon.zeropower_via_newtonschulz = functools.partial(
    timm.optim.muon.zeropower_via_newtonschulz, dtype=torch.float64)

torch.manual_seed(5)
START = {name: torch.randn(shape, dtype=torch.float64) for name, shape in SHAPES.items()}
GRADIENTS = [{name: torch.randn(shape, dtype=torch.float64) for name, shape in SHAPES.items()} for _ in range(STEPS)]


def groups(parameters, names=SHAPES, all_decay=False):
    """Matrices with decay, vectors without, unless all have it."""
    decayed = [p for n, p in parameters.items() if n in names and (all_decay or p.ndim > 1)]
    other = [p for n, p in parameters.items() if n in names and not (all_decay or p.ndim > 1)]
    return [dict(params=group, weight_decay=decay) for group, decay in [(decayed, DECAY), (other, 0)] if group]


def run(make, momenta=None, thawed=(), thawed_after=0):
    parameters = {name: torch.nn.Parameter(start.clone()) for name, start in START.items()}
    optimizers = make(parameters)
    scales = [[group["lr"] / RATES[0] for group in optimizer.param_groups] for optimizer in optimizers]
    for step, gradients in enumerate(GRADIENTS):
        for name, parameter in parameters.items():
            late = name in thawed and step < thawed_after
            parameter.grad = None if late else gradients[name].clone()
        for optimizer, scale in zip(optimizers, scales):
            for group, factor in zip(optimizer.param_groups, scale):
                group["lr"] = RATES[step] * factor
                if momenta and "betas" in group:
                    group["betas"] = (momenta[step], group["betas"][1])
                elif momenta:
                    group["momentum"] = momenta[step]
            optimizer.step()
    return {name: parameter.detach().flatten().tolist() for name, parameter in parameters.items()}


def simple(optimizer, **settings):
    return lambda p: [optimizer(groups(p), lr=RATES[0], **settings)]


def scaled_biases(p):
    """airbench94's groups: the norms' biases learn faster, and decay as all else."""
    others = [v for n, v in p.items() if n != "norm.bias"]
    return [torch.optim.SGD([dict(params=[p["norm.bias"]], lr=RATES[0] * 64, weight_decay=DECAY / 64),
                             dict(params=others, weight_decay=DECAY)], lr=RATES[0], momentum=0.85, nesterov=True)]


def scaled_layers(p):
    """Groups with rates of their own, as timm's layer_decay and a rate for the head make them."""
    return [torch.optim.AdamW([dict(group, lr=RATES[0] * SCALES[name]) for name in p for group in groups(p, [name])])]


def muon(p):
    rest = [name for name in SHAPES if name != "conv.weight"]
    return [timm.optim.Muon(groups(p, ["conv.weight"]), lr=RATES[0], nesterov=True, ns_coefficients="original"),
            torch.optim.AdamW(groups(p, rest), lr=RATES[0], betas=(0.9, 0.95), eps=1e-10)]


SCALES = {"conv.weight": 0.25, "norm.weight": 0.25, "norm.bias": 0.25, "head.weight": 3, "head.bias": 3}
THAWED = {"thawed": ["conv.weight", "norm.weight", "norm.bias"], "thawed_after": 2}
MOMENTA = [0.95, 0.9, 0.85, 0.92]
CASES = [
    ("sgd", 'opt = "sgd"', simple(torch.optim.SGD, momentum=0.9), None),
    ("sgd_nesterov", 'opt = "sgd"\nnesterov = true\nmomentum = 0.8',
     simple(torch.optim.SGD, momentum=0.8, nesterov=True), None),
    ("sgd_plain", 'opt = "sgd"\nmomentum = 0', simple(torch.optim.SGD), None),
    ("sgd_l2_on_all", 'opt = "sgd"\ndecay-norms = true',
     lambda p: [torch.optim.SGD(groups(p, all_decay=True), lr=RATES[0], momentum=0.9)], None),
    ("sgd_decoupled", 'opt = "sgd"\ndecay-mode = "decoupled"', simple(timm.optim.SGDW, momentum=0.9), None),
    ("sgd_scaled_biases", 'opt = "sgd"\nnesterov = true\nmomentum = 0.85\ndecay-norms = true\nbias-lr-scale = 64',
     scaled_biases, None),
    ("sgd_cycled", 'opt = "sgd"', simple(torch.optim.SGD, momentum=0.9), MOMENTA),
    ("adam", 'opt = "adam"', simple(torch.optim.Adam), None),
    ("adam_cycled", 'opt = "adam"', simple(torch.optim.Adam), MOMENTA),
    ("adamw", 'opt = "adamw"\nopt-betas = [0.8, 0.99]\nopt-eps = 1e-3',
     simple(torch.optim.AdamW, betas=(0.8, 0.99), eps=1e-3), None),
    ("rmsprop", 'opt = "rmsprop"', simple(torch.optim.RMSprop, alpha=0.9, momentum=0.9, eps=0.0316), None),
    ("rmsprop_plain", 'opt = "rmsprop"\nmomentum = 0', simple(torch.optim.RMSprop, alpha=0.9, eps=0.0316), None),
    ("rmsproptf", 'opt = "rmsproptf"', simple(timm.optim.RMSpropTF, momentum=0.9, eps=1e-3), None),
    ("rmsproptf_plain", 'opt = "rmsproptf"\nmomentum = 0', simple(timm.optim.RMSpropTF, eps=1e-3), None),
    ("rmsproptf_decoupled", 'opt = "rmsproptf"\ndecay-mode = "decoupled"',
     simple(timm.optim.RMSpropTF, momentum=0.9, eps=1e-3, decoupled_decay=True), None),
    ("lamb", 'opt = "lamb"', simple(timm.optim.Lamb), None),
    ("lamb_unclipped", 'opt = "lamb"\nclip-grad = 0', simple(timm.optim.Lamb, max_grad_norm=None), None),
    ("lamb_decoupled", 'opt = "lamb"\ndecay-mode = "decoupled"', simple(timm.optim.Lamb, decoupled_decay=True), None),
    ("lion", 'opt = "lion"', simple(timm.optim.Lion), None),
    ("muon", 'opt = "muon"', muon, None),
    ("adamw_scaled_layers", 'opt = "adamw"', scaled_layers, None, {"scales": SCALES}),
    ("adamw_thawed", 'opt = "adamw"', simple(torch.optim.AdamW), None, THAWED),
]

if len(sys.argv) != 2:
    sys.exit(__doc__)
flat = lambda tensors: {name: tensor.flatten().tolist() for name, tensor in tensors.items()}
document = {
    "shapes": SHAPES,
    "rates": RATES,
    "start": flat(START),
    "gradients": [flat(step) for step in GRADIENTS],
    "cases": [{"name": name, "recipe": f"weight-decay = {DECAY}\n{recipe}\n", "momenta": momenta,
               "result": run(make, momenta, **(THAWED if THAWED in more else {})), **dict(*more)}
              for name, recipe, make, momenta, *more in CASES],
}
rounded = json.loads(json.dumps(document), parse_float=lambda text: round(float(text), 9))
with open(sys.argv[1], "w", encoding="utf-8") as out:
    json.dump(rounded, out, separators=(",", ":"))
    out.write("\n")

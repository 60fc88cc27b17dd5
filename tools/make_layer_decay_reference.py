#!/usr/bin/env python3
"""Writes tests/data/layer_decay.json: how timm groups the parameters of networks into layers for its layer_decay.

    tools/make_layer_decay_reference.py tests/data/layer_decay.json

Needs PyTorch and timm 1.0.31. A network has [parameters, exponent] pairs in the order of its parameters: that many of
them in turn learn at the rate times layer_decay to that power.
"""
import json
import math
import sys

import timm
import timm.optim

# Ours, and timm's of the same parameters in the same order.
NETWORKS = {"resnet18": "resnet18", "resnet50": "resnet50", "mobilenet_v3_small": "mobilenetv3_small_100",
            "mobilenet_v3_large": "mobilenetv3_large_100", "vgg11": "vgg11"}


def layers(name):
    network = timm.create_model(name)
    groups = timm.optim.param_groups_layer_decay(network, layer_decay=0.5)
    exponents = {id(p): round(-math.log2(group["lr_scale"])) for group in groups for p in group["params"]}
    runs = []
    for parameter in network.parameters():
        exponent = exponents[id(parameter)]
        if not runs or runs[-1][1] != exponent:
            runs.append([0, exponent])
        runs[-1][0] += 1
    return runs


if len(sys.argv) != 2:
    sys.exit(__doc__)
with open(sys.argv[1], "w", encoding="utf-8") as out:
    json.dump({ours: layers(theirs) for ours, theirs in NETWORKS.items()}, out, separators=(",", ":"))
    out.write("\n")

"""PyTorch references of the networks that reference_models.py, the peers' registry, lacks."""

from __future__ import annotations

import torch
from reference_models import (
    REGISTRY,
    ACConv,
    ChannelNorm,
    ConvMLP,
    ConvModulation,
    Spec,
    conv_bn,
    paddle_init,
)
from torch import Tensor, nn
from torch.nn import functional as F


class ConvBnRelu(nn.Sequential):
    """3x3 convolution, batch norm, ReLU."""

    def __init__(self, cin: int, cout: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn = nn.BatchNorm2d(cout)
        self.act = nn.ReLU()


class ResNet9(nn.Module):
    """The reference of src/models/resnet9.cpp."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.stem = ConvBnRelu(3, 32)
        self.down1, self.res1 = ConvBnRelu(32, 64, 2), nn.Sequential(ConvBnRelu(64, 64), ConvBnRelu(64, 64))
        self.down2, self.down3 = ConvBnRelu(64, 128, 2), ConvBnRelu(128, 256, 2)
        self.res3 = nn.Sequential(ConvBnRelu(256, 256), ConvBnRelu(256, 256))
        self.fc = nn.Linear(256, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down1(self.stem(x))
        x = self.down3(self.down2(x + self.res1(x)))
        return self.fc((x + self.res3(x)).mean((2, 3)))


class LinearACConv(ACConv):
    """An asymmetric convolution block without its activation."""

    def forward(self, x: Tensor) -> Tensor:
        return self.fused(x) if self.deploy else self.square(x) + (self.ver(x) + self.hor(x))


class ACBasicBlock(nn.Module):
    """ResNet's block of two 3x3 convolutions, both asymmetric."""

    def __init__(self, cin: int, width: int, stride: int, deploy: bool) -> None:
        super().__init__()
        self.conv1 = ACConv(cin, width, 3, stride, deploy)
        self.conv2 = LinearACConv(width, width, 3, 1, deploy)
        self.shortcut = conv_bn(cin, width, 1, stride) if cin != width or stride != 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.shortcut(x) + self.conv2(self.conv1(x)))


class ACResNet18(nn.Module):
    """ResNet-18 with asymmetric-convolution blocks, the 7x7 stem included."""

    def __init__(self, num_classes: int, deploy: bool = False) -> None:
        super().__init__()
        self.stem = ACConv(3, 64, 7, 2, deploy)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.blocks = nn.Sequential()
        cin = 64
        for width in (64, 128, 256, 512):
            for i in range(2):
                self.blocks.append(ACBasicBlock(cin, width, 2 if i == 0 and width > 64 else 1, deploy))
                cin = width
        self.fc = nn.Linear(cin, num_classes)
        paddle_init(self, uniform_head=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.blocks(self.pool(self.stem(x))).mean((2, 3)))


class ACVGG16(nn.Module):
    """VGG-16 with asymmetric-convolution blocks."""

    def __init__(self, num_classes: int, deploy: bool = False) -> None:
        super().__init__()
        self.features = nn.Sequential()
        cin = 3
        for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            for _ in range(depth):
                self.features.append(ACConv(cin, width, 3, 1, deploy))
                cin = width
            self.features.append(nn.MaxPool2d(2))
        self.pool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(cin * 49, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, num_classes),
        )
        paddle_init(self, uniform_head=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.pool(self.features(x)), 1))


class FixedConv2d(nn.Conv2d):
    """A convolution whose weight is a buffer: it is not trained."""

    def __init__(self, *args: int) -> None:
        super().__init__(*args)
        weight = self.weight.detach()
        del self.weight
        self.register_buffer("weight", weight)


class OffsetNorm(nn.BatchNorm2d):
    """Batch norm whose scale is a buffer; momentum and eps as in airbench94."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-12, momentum=0.4)
        del self.weight
        self.register_buffer("weight", torch.ones(channels))


class AirbenchGroup(nn.Module):
    """Convolution, pooling, norm, GELU; convolution, norm, GELU."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, padding=1, bias=False)
        self.norm1 = OffsetNorm(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1, bias=False)
        self.norm2 = OffsetNorm(cout)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        return F.gelu(self.norm2(self.conv2(x)))


class Airbench94(nn.Module):
    """legacy/airbench94.py of github.com/KellerJordan/cifar10-airbench, with the names of its airbench94_muon.py."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.whiten = FixedConv2d(3, 24, 2)
        self.layers = nn.Sequential(
            nn.GELU(), AirbenchGroup(24, 64), AirbenchGroup(64, 256), AirbenchGroup(256, 256), nn.MaxPool2d(3)
        )
        self.head = nn.Linear(256, num_classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.flatten(self.layers(self.whiten(x)), 1)) / 9


class ScaledModulation(ConvModulation):
    """The tutorial's modulation, its large-kernel branch named as in the paper's code."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.att = self.a
        del self.a

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        return self.proj(self.att(x) * self.v(x))


class ScaledConv2FormerBlock(nn.Module):
    """The paper's block: a layer scale on both branches."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layer_scale_1 = nn.Parameter(torch.full((dim,), 1e-6))
        self.layer_scale_2 = nn.Parameter(torch.full((dim,), 1e-6))
        self.attn, self.mlp = ScaledModulation(dim), ConvMLP(dim, 4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.layer_scale_1[:, None, None] * self.attn(x)
        return x + self.layer_scale_2[:, None, None] * self.mlp(x)


class Conv2Former224(nn.Module):
    """Conv2Former as github.com/HVision-NKU/Conv2Former has it: stem of three convolutions, head of 1280 channels."""

    def __init__(self, num_classes: int, depths: tuple[int, ...], dims: tuple[int, ...]) -> None:
        super().__init__()
        half = dims[0] // 2
        stem = nn.Sequential(
            nn.Conv2d(3, half, 3, 2, 1, bias=False),
            nn.GELU(),
            nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 3, 1, 1, bias=False),
            nn.GELU(),
            nn.BatchNorm2d(half),
            nn.Conv2d(half, dims[0], 2, 2, bias=False),
        )
        self.downsample_layers = nn.ModuleList([stem])
        for cin, cout in zip(dims[:-1], dims[1:], strict=True):
            self.downsample_layers.append(nn.Sequential(ChannelNorm(cin, eps=1e-6), nn.Conv2d(cin, cout, 2, 2)))
        self.stages = nn.ModuleList(
            nn.Sequential(*(ScaledConv2FormerBlock(dim) for _ in range(depth)))
            for depth, dim in zip(depths, dims, strict=True)
        )
        self.head = nn.Sequential(nn.Conv2d(dims[-1], 1280, 1), nn.GELU(), ChannelNorm(1280, eps=1e-6))
        self.pred = nn.Linear(1280, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        for downsample, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(downsample(x))
        return self.pred(self.head(x).mean((2, 3)))


CONV2FORMERS = {  # depths and widths of arXiv 2211.11943
    "conv2former_t": ((3, 3, 12, 3), (72, 144, 288, 576)),
    "conv2former_s": ((4, 4, 32, 4), (72, 144, 288, 576)),
    "conv2former_b": ((4, 4, 34, 4), (96, 192, 384, 768)),
    "conv2former_l": ((4, 4, 48, 4), (128, 256, 512, 1024)),
}

REGISTRY |= {
    name: Spec(lambda n, depths=depths, dims=dims: Conv2Former224(n, depths, dims), 1000, 224)
    for name, (depths, dims) in CONV2FORMERS.items()
}
REGISTRY |= {
    "resnet9": Spec(ResNet9, 10, 32),
    "acnet_resnet18": Spec(ACResNet18, 1000, 224),
    "acnet_resnet18_deploy": Spec(lambda n: ACResNet18(n, deploy=True), 1000, 224),
    "acnet_vgg16_bn": Spec(ACVGG16, 1000, 224),
    "acnet_vgg16_bn_deploy": Spec(lambda n: ACVGG16(n, deploy=True), 1000, 224),
    "airbench94": Spec(Airbench94, 10, 32),
}
REGISTRY |= {f"efficientnetv2_{size}": REGISTRY[f"efficientnet_v2_{size}"] for size in "sml"}

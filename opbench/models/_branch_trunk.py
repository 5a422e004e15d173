"""The pieces that DeepONet and MultiONet share: activations, layers, the trunk's features, the branch's encoder."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, relu, silu

from opbench.errors import ModelError
from opbench.grid import Grid
from opbench.model import Spec
from opbench.models._sensors import at_sensors, every

Activation = Literal["relu", "tanh", "gelu", "silu", "silu_sin", "tanh_sin", "silu_id", "sinc"]

# The last four are DGenNO's (Zang and Koutsourelakis): a residual x keeps the gradient alive where the periodic part is flat.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": relu,
    "tanh": torch.tanh,
    "gelu": gelu,
    "silu": silu,
    "silu_sin": lambda x: silu(torch.sin(math.pi * (x + 1))) + x,
    "tanh_sin": lambda x: torch.tanh(torch.sin(math.pi * (x + 1))) + x,
    "silu_id": lambda x: silu(x) + x,
    "sinc": lambda x: x * torch.sin(x),
}

HARMONICS = 2  # Lu et al. 2022, Burgers: cos, sin of 2 pi x and of 4 pi x
COARSEST = 8  # the convolutions halve the sensors until no axis has more points than this

Encoding = Literal["auto", "flatten", "convolution"]
CONVOLUTION = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class Layers(nn.Module):
    """x^0 = s(A_0 x + a_0), x^k = s(A_k x^{k-1} + a_k): affine layers, each activated."""

    def __init__(self, sizes: tuple[int, ...], activation: Activation):
        super().__init__()
        self.linear = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> list[Tensor]:
        """(..., sizes[0]) -> the values of all layers, first to last."""
        values = []
        for linear in self.linear:
            x = self.activation(linear(x))
            values.append(x)
        return values


def trunk_size(grid: Grid) -> int:
    """How many features `trunk_features` gives a point."""
    return sum(2 * HARMONICS if wraps else 1 for wraps in grid.periodic)


def trunk_features(coords: Tensor, grid: Grid) -> Tensor:
    """Coordinates (*s, d) as features (points, trunk_size(grid)): bounded axes scaled to [-1, 1], periodic ones as harmonics.

    On a periodic axis x in [0, 1) enters as cos 2 pi h x, sin 2 pi h x, so the trunk is exactly periodic (Lu et al. 2022).
    """
    features = []
    for axis, (low, high, wraps) in enumerate(zip(grid.lower, grid.upper, grid.periodic, strict=True)):
        x = (coords[..., axis].reshape(-1) - low) / (high - low)
        angles = [2 * math.pi * h * x for h in range(1, HARMONICS + 1)]
        features += [wave(angle) for angle in angles for wave in (torch.cos, torch.sin)] if wraps else [2 * x - 1]
    return torch.stack(features, -1)


class Encoder(nn.Module):
    """A given field (b, c_in, *s) as a vector (b, size), read at the sensors.

    "flatten" lists the sensors' values; "convolution" halves the sensors first by stride-2 convolutions, as the published
    DeepONet and MultiONet do for Darcy flow; "auto" flattens in one dimension and convolves in two and three.
    """

    def __init__(self, spec: Spec, encoding: Encoding, stride: int, channels: int):
        super().__init__()
        self.sensors = every(stride, spec.grid)
        if encoding == "convolution" and spec.dims not in CONVOLUTION:
            raise ModelError(f"encoding 'convolution' works in 1 to 3 dimensions, got {spec.dims}; choose 'flatten'")
        convolve = encoding == "convolution" or (encoding == "auto" and spec.dims in (2, 3))
        halvings = max(1, math.ceil(math.log2(max(self.sensors.shape) / COARSEST))) if convolve else 0
        wide = [spec.in_channels] + [channels * 2 ** min(k, 2) for k in range(halvings)]
        padding = "circular" if all(spec.grid.periodic) else "zeros"
        steps: list[nn.Module] = []
        for a, b in pairwise(wide):
            steps += [CONVOLUTION[spec.dims](a, b, 5, stride=2, padding=2, padding_mode=padding), nn.GELU()]
        self.steps = nn.Sequential(*steps, nn.Flatten())
        self.size = wide[-1] * math.prod(-(-n // 2**halvings) for n in self.sensors.shape)

    def forward(self, given: Tensor) -> Tensor:
        return self.steps(at_sensors(given, self.sensors))

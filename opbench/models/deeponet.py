"""DeepONet: u(x; a) = sum_k b_k(a) t_k(x) + b_0; with a POD trunk u = mean(x) + (1/p) sum_k b_k(a) phi_k(x)."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from opbench.grid import Grid
from opbench.model import OperatorModel, Spec
from opbench.models._branch_trunk import Activation, Encoder, Encoding, Layers, trunk_features, trunk_size
from opbench.models._pod import pod
from opbench.models._sensors import same_grid

POD_ONE_RESOLUTION = "deeponet: POD modes are known at the points of the training grid only"


class NetworkTrunk(nn.Module):
    """Coefficients (b, c, p) and coords (*s, d) -> <b, t(x)> + b_0, (b, c, points); t is a network, its last layer activated.

    The trunk sees the points once for all samples.
    """

    def __init__(self, grid: Grid, sizes: tuple[int, ...], activation: Activation, channels: int):
        super().__init__()
        self.grid = grid
        self.layers = Layers((trunk_size(grid), *sizes), activation)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, coefficients: Tensor, coords: Tensor) -> Tensor:
        basis = self.layers(trunk_features(coords, self.grid))[-1]
        return coefficients @ basis.T + self.bias[:, None]


class PodTrunk(nn.Module):
    """Coefficients (b, c, p) -> mean + (1/p) <b, phi>, (b, c, points), on the training grid.

    phi_k are each channel's POD modes of the training references, scaled to unit mean square over the points.
    """

    mean: Tensor
    basis: Tensor

    def __init__(self, grid: Grid, modes: int, channels: int):
        super().__init__()
        points = math.prod(grid.shape)
        self.register_buffer("mean", torch.zeros(channels, points))
        self.register_buffer("basis", torch.zeros(channels, modes, points))

    def fit(self, reference: Tensor) -> None:
        """Take the modes from the training references (n, c, *s)."""
        for channel, values in enumerate(reference.double().flatten(2).unbind(1)):
            mean, modes = pod(values, self.basis.shape[1])
            self.mean[channel] = mean
            self.basis[channel] = modes * math.sqrt(values.shape[1])

    def forward(self, coefficients: Tensor, coords: Tensor) -> Tensor:
        return self.mean + torch.einsum("bcp,cpx->bcx", coefficients, self.basis) / self.basis.shape[1]


class DeepONet(OperatorModel):
    """Unstacked DeepONet (Lu et al. 2021, Nat. Mach. Intell. 3) and POD-DeepONet (Lu et al. 2022, CMAME 393).

    The branch reads the given field at the sensors (in two and three dimensions through a small CNN) and gives each asked channel
    its own p coefficients; the trunk's features are shared by the channels. trunk "pod" takes the modes from the training split.
    The published networks use tanh or ReLU; the defaults here are silu_sin and GELU.
    """

    learning_rate = 2e-3

    @dataclass(frozen=True)
    class Config:
        trunk: Literal["network", "pod"] = "network"
        features: PositiveInt = 128
        modes: PositiveInt = 32
        width: PositiveInt = 128
        branch_layers: PositiveInt = 4
        trunk_layers: PositiveInt = 4
        trunk_activation: Activation = "silu_sin"
        branch_activation: Activation = "gelu"
        encoding: Encoding = "auto"
        encoding_channels: PositiveInt = 32
        sensor_stride: PositiveInt = 1

    def __init__(self, spec: Spec, config: Config):
        super().__init__(spec, config)
        width, channels = config.width, spec.out_channels
        self.encoder = Encoder(spec, config.encoding, config.sensor_stride, config.encoding_channels)
        self.branch = Layers((self.encoder.size, *(width,) * config.branch_layers), config.branch_activation)
        if config.trunk == "pod":
            self.one_resolution = POD_ONE_RESOLUTION
            self.trunk = PodTrunk(spec.grid, config.modes, channels)
        else:
            sizes = (*(width,) * (config.trunk_layers - 1), config.features)
            self.trunk = NetworkTrunk(spec.grid, sizes, config.trunk_activation, channels)
        self.head = nn.Linear(width, channels * (config.modes if config.trunk == "pod" else config.features))

    @property
    def fitted(self) -> bool:
        return isinstance(self.trunk, PodTrunk)

    def prepare(self, given: Tensor, reference: Tensor, coords: Tensor) -> None:
        if isinstance(self.trunk, PodTrunk):
            self.trunk.fit(reference)

    @property
    def layout(self) -> dict[str, str]:
        return {"trunk": "shared by the batch, evaluated in each call"}

    def forward(self, given: Tensor, coords: Tensor) -> Tensor:
        if self.one_resolution:
            same_grid(given, self.spec.grid, self.one_resolution)
        branch = self.head(self.branch(self.encoder(given))[-1])
        prediction = self.trunk(branch.unflatten(1, (self.spec.out_channels, -1)), coords)
        return prediction.unflatten(2, coords.shape[:-1])

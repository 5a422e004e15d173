"""MultiONet: u(x; a) = (1/l) sum_k w_k <b^k(a), t^k(x)> + b_0, layers of trunk and branch paired."""

from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from opbench.errors import ModelError
from opbench.model import OperatorModel, Spec
from opbench.models._branch_trunk import Activation, Encoder, Encoding, Layers, trunk_features, trunk_size


class MultiONetCore(nn.Module):
    """(points, features) and (b, beta) -> (b, channels, points):

        u_c = (1/l) sum_{k = n-l}^{n-1} <w_{c,k} b^k, t^k> + b_{0,c}

    over the last l = sum_layers of n = len(widths) layer pairs. For one channel w_k is a number, which is the published form. For
    more it is a vector over the pair's features: each channel weighs the features that all of them share, from weights of mean
    square one, drawn at random, because from equal ones the channels start as one.
    The trunk is evaluated once for all samples, and the sum over layers and features is one matrix product.
    """

    def __init__(
        self,
        features: int,
        beta: int,
        widths: tuple[int, ...],
        sum_layers: PositiveInt,
        trunk_activation: Activation = "silu_sin",
        branch_activation: Activation = "silu",
        weight_init: Literal["one", "zero"] = "one",
        channels: int = 1,
    ):
        super().__init__()
        summed = set(widths[-sum_layers:])
        if not 1 <= sum_layers < len(widths) or len(summed) > 1:
            raise ModelError(f"multionet: cannot sum the last {sum_layers} of layers {widths}; choose 1 to layers - 1 of equal width")
        self.sum_layers = sum_layers
        self.trunk = Layers((features, *widths), trunk_activation)
        self.branch = Layers((beta, *widths), branch_activation)
        weight = torch.ones(1, sum_layers, 1) if channels == 1 else torch.randn(channels, sum_layers, widths[-1])
        self.weight = nn.Parameter(weight if weight_init == "one" else torch.zeros_like(weight))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor, beta: Tensor) -> Tensor:
        trunk = torch.cat(self.trunk(features)[-self.sum_layers :], -1)
        branch = torch.stack(self.branch(beta)[-self.sum_layers :], 1)
        weighted = (self.weight * branch[:, None]).flatten(2) / self.sum_layers
        return weighted @ trunk.T + self.bias[:, None]


class MultiONet(OperatorModel):
    """MultiONet of Zang and Koutsourelakis (DGenNO, 2025), in the form of its released MultiONetCartesianProd.

    The given field is encoded (sensor values in one dimension, a small CNN in two and three) to beta, and `MultiONetCore` maps
    coordinates and beta to the asked fields. weight_init: "zero" is the released start, where the network is exactly 0 and only w
    and b_0 have a gradient at the first step; "one" is that of the authors' first version.
    """

    learning_rate = 2e-3

    @dataclass(frozen=True)
    class Config:
        layers: PositiveInt = 5
        width: PositiveInt = 128
        sum_layers: int = 4
        trunk_activation: Activation = "silu_sin"
        branch_activation: Activation = "silu"
        weight_init: Literal["one", "zero"] = "one"
        encoding: Encoding = "auto"
        encoding_channels: PositiveInt = 32
        sensor_stride: PositiveInt = 1

    def __init__(self, spec: Spec, config: Config):
        super().__init__(spec, config)
        self.encoder = Encoder(spec, config.encoding, config.sensor_stride, config.encoding_channels)
        self.core = MultiONetCore(
            trunk_size(spec.grid),
            self.encoder.size,
            (config.width,) * config.layers,
            config.sum_layers,
            config.trunk_activation,
            config.branch_activation,
            config.weight_init,
            spec.out_channels,
        )

    @property
    def layout(self) -> dict[str, str]:
        return {"trunk": "shared by the batch, evaluated in each call"}

    def forward(self, given: Tensor, coords: Tensor) -> Tensor:
        prediction = self.core(trunk_features(coords, self.spec.grid), self.encoder(given))
        return prediction.unflatten(2, coords.shape[:-1])

"""A linear map, u = mean + Psi M Phi^T (a - mean a): POD of inputs and outputs, ridge regression between their coefficients."""

import math
from dataclasses import dataclass

import torch
from pydantic import PositiveInt
from torch import Tensor

from opbench.model import OperatorModel, Spec
from opbench.models._pod import pod
from opbench.models._sensors import same_grid

STRENGTHS = 10.0 ** torch.arange(-12, 3, dtype=torch.float64)  # ridge, relative to the largest variance of the input coefficients


class Linear(OperatorModel):
    """The best linear operator that the training split supports, in closed form; what a network has to beat by being nonlinear.

    POD coefficients z of the given and y of the asked fields, y = M z with M = argmin |Y - Z M^T|^2 + s |M|^2 (Hoerl and Kennard
    1970). The strength s is the one of `STRENGTHS` with the least leave-one-out error on the training split.
    """

    one_resolution = "linear: POD modes are known at the points of the training grid only"
    given_mean: Tensor
    given_modes: Tensor
    reference_mean: Tensor
    reference_modes: Tensor
    map: Tensor

    @dataclass(frozen=True)
    class Config:
        modes: PositiveInt = 128

    def __init__(self, spec: Spec, config: Config):
        super().__init__(spec, config)
        for name, channels in (("given", spec.in_channels), ("reference", spec.out_channels)):
            size = channels * math.prod(spec.grid.shape)
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_modes", torch.zeros(config.modes, size))
        self.register_buffer("map", torch.zeros(config.modes, config.modes))

    def prepare(self, given: Tensor, reference: Tensor, coords: Tensor) -> None:
        coefficients = []
        for name, values in (("given", given.double().flatten(1)), ("reference", reference.double().flatten(1))):
            mean, modes = pod(values, self.config.modes)
            coefficients.append((values - mean) @ modes.T)
            getattr(self, f"{name}_mean").copy_(mean)
            getattr(self, f"{name}_modes").copy_(modes)
        self.map.copy_(ridge(*coefficients))

    def forward(self, given: Tensor, coords: Tensor) -> Tensor:
        same_grid(given, self.spec.grid, self.one_resolution)
        inputs = (given.flatten(1) - self.given_mean) @ self.given_modes.T
        prediction = self.reference_mean + inputs @ self.map.T @ self.reference_modes
        return prediction.unflatten(1, (self.spec.out_channels, *self.spec.grid.shape))


def ridge(inputs: Tensor, outputs: Tensor) -> Tensor:
    """M (q, p) for centred samples (n, p) -> (n, q), its strength chosen by the leave-one-out error.

    With inputs = U S V^T the hat matrix is H = 1/n + U S^2 / (S^2 + s) U^T, and the error of sample i left out is its residual over
    1 - H_ii (Allen's PRESS, 1974).
    """
    left, scale, right = torch.linalg.svd(inputs, full_matrices=False)
    projected = left.T @ outputs
    largest = scale[0].clamp(min=torch.finfo(scale.dtype).tiny)  # inputs that never vary get the zero map

    def inverse(strength):
        return scale / largest / ((scale / largest) ** 2 + strength) / largest

    def left_out(strength):
        shrink = scale * inverse(strength)
        residual = outputs - left @ (shrink[:, None] * projected)
        leverage = 1 / len(inputs) + left**2 @ shrink
        return float((residual / (1 - leverage)[:, None]).square().sum())

    best = min(STRENGTHS.tolist(), key=left_out)
    return ((right.T * inverse(best)) @ projected).T

"""Predict the mean: every answer is the mean of the training references at its point."""

from dataclasses import dataclass

import torch
from torch import Tensor

from opbench.model import OperatorModel, Spec
from opbench.models._sensors import same_grid


class Mean(OperatorModel):
    """The best answer that does not look at the given field; its relative error says how much the samples differ."""

    one_resolution = "mean: the training mean is known at the points of the training grid only"
    mean: Tensor

    @dataclass(frozen=True)
    class Config:
        pass

    def __init__(self, spec: Spec, config: Config):
        super().__init__(spec, config)
        self.register_buffer("mean", torch.zeros(spec.out_channels, *spec.grid.shape))

    def prepare(self, given: Tensor, reference: Tensor, coords: Tensor) -> None:
        self.mean.copy_(reference.double().mean(0))

    def forward(self, given: Tensor, coords: Tensor) -> Tensor:
        same_grid(given, self.spec.grid, self.one_resolution)
        return self.mean.expand(len(given), *self.mean.shape)

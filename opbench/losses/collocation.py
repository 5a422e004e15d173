"""The task's own equation at random points, differentiated exactly through the model (strong form); reads no reference."""

import torch
from pydantic import PositiveInt
from torch import Tensor

from opbench.losses import Network
from opbench.losses._pointwise import PointwiseLoss, PointwiseSettings, drawn
from opbench.residual.pointwise import rms


class CollocationSettings(PointwiseSettings):
    """points: how many are drawn, anew at each step, for all samples of a batch."""

    points: PositiveInt = 256


class CollocationLoss(PointwiseLoss):
    """The L2 norm of the residual over that of zero's. Validation is the physics loss on the grid.

    Source: Wang, Wang and Perdikaris, Science Advances 7 (2021), eabi8605.
    """

    Settings = CollocationSettings

    def squares(self, network: Network, given: Tensor) -> Tensor:
        unit = torch.rand(self.settings.points, self.residual.grid.dims, device=given.device)
        here = self.pointwise.at(network, given, drawn(self.residual.grid, unit))
        left = rms(here.left(here.d, lambda expression: expression))
        return (left / here.sizes(here.d, lambda expression: expression)).square().mean(1)

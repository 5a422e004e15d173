"""What the losses share that ask a model for its answer at points of their own."""

from abc import abstractmethod
from typing import Any, Literal, Self

import torch
from torch import Tensor

from opbench.boundary import Dirichlet, Outflow, conditions, homogeneous
from opbench.data.task import Problem
from opbench.errors import ModelError
from opbench.grid import Grid
from opbench.losses import LossSettings, Network
from opbench.losses.physics import PhysicsLoss
from opbench.model import OperatorModel, Samples
from opbench.residual import Norm, Residual
from opbench.residual.pointwise import Pointwise, one_point_at_a_time


class PointwiseSettings(LossSettings):
    """norm: of the validation, which is the physics loss on the grid."""

    ends: Literal["free", "exact"] = "exact"
    norm: Norm = "auto"


class PointwiseLoss(PhysicsLoss):
    """The physics loss with the model's own derivatives; of a prediction on a grid alone, as in validation, the physics loss itself."""

    def __init__(self, chosen: Problem, residual: Residual, settings: Any):
        super().__init__(residual)
        self.pointwise, self.settings = Pointwise(chosen, residual), settings
        self.held = settings.ends == "exact" and all(
            isinstance(condition, Outflow) or (isinstance(condition, Dirichlet) and homogeneous(condition))
            for *_, condition in conditions(residual.posed.conditions)
        )

    @classmethod
    def of(cls, chosen: Problem, settings: LossSettings, device: str = "cpu") -> Self:
        assert isinstance(settings, PointwiseSettings)
        return cls(chosen, Residual(chosen, device=device, norm=settings.norm), settings)

    def require(self, model: OperatorModel) -> None:
        """Raises ModelError for a model whose answer at a point is no function of that point."""
        if reason := one_point_at_a_time(model):
            raise ModelError(f"{model.written.__name__.lower()}: {reason}; take --loss physics, or deeponet or multionet")

    def of_model(self, network: Network, batch: Samples) -> Tensor:
        """Mean over samples of the root of the squares of what the equation leaves and, where they are not built in, what ends miss."""
        total = self.squares(network, batch.given)
        if not self.held:
            prediction = network(batch.given, batch.coords)[:, : batch.reference.shape[1]]
            for miss in self.residual.misses(batch.given, prediction, self.residual.expected(batch.given)):
                total = total + miss.square().flatten(1).mean(1)
        return total.sqrt().mean()

    @abstractmethod
    def squares(self, network: Network, given: Tensor) -> Tensor:
        """(b,): the mean square of what the equation leaves at new points, relative to the sample's own size."""


def drawn(grid: Grid, unit: Tensor, margin: Tensor | float = 0.0) -> Tensor:
    """Points (p, d) of the unit box as points of the domain, `margin` or more away from its ends."""
    lower, upper = (torch.tensor(ends, dtype=unit.dtype, device=unit.device) for ends in (grid.lower, grid.upper))
    inset = torch.as_tensor(margin) * (~torch.tensor(grid.periodic)).to(unit)
    return lower + inset + unit * (upper - lower - 2 * inset)

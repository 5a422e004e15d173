"""Data and physics: the relative L2 distance to the references that there are, plus weight times what the equation leaves everywhere."""

from typing import Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from opbench.losses import Loss, LossSettings
from opbench.losses.data import DataLoss
from opbench.losses.physics import PhysicsLoss, PhysicsSettings
from opbench.model import Samples
from opbench.residual import Residual
from opbench.task import Problem


class BothSettings(PhysicsSettings):
    """weight: of the physics loss. balance: "fixed", or "gradient": weight is the ratio of the two gradients' norms at the prediction."""

    weight: PositiveFloat = 1.0
    balance: Literal["fixed", "gradient"] = "fixed"


class BothLoss(Loss):
    """data + weight * physics. A sample without a label has NaN for a reference; a batch of such samples alone has no data term.

    Balancing by gradients follows Wang, Teng and Perdikaris, SIAM J. Sci. Comput. 43 (2021), with the gradients taken at the prediction
    instead of the parameters, so that it costs no second pass through the network and keeps no state from step to step.
    """

    Settings = BothSettings
    unlabelled = True

    def __init__(self, residual: Residual, settings: BothSettings):
        self.data, self.physics, self.settings = DataLoss(), PhysicsLoss(residual), settings

    @classmethod
    def of(cls, chosen: Problem, settings: LossSettings, device: str = "cpu") -> "BothLoss":
        assert isinstance(settings, BothSettings)
        return cls(Residual(chosen, device=device, norm=settings.norm), settings)

    def check(self, train: Samples) -> None:
        self.data.check(train)
        self.physics.check(train)

    def expected(self, train: Samples) -> Tensor:
        """The references that there are."""
        return train.reference[_labelled(train)]

    def __call__(self, prediction: Tensor, batch: Samples) -> Tensor:
        physics, held = self.physics(prediction, batch), _labelled(batch)
        if not bool(held.any()):
            return self.settings.weight * physics
        data = self.data(prediction[held], batch[held])
        if self.settings.balance == "fixed":
            return data + self.settings.weight * physics
        norms = [torch.autograd.grad(part, prediction, retain_graph=True)[0].norm() for part in (data, physics)]
        return data + self.settings.weight * (norms[0] / norms[1]).detach() * physics


def _labelled(samples: Samples) -> Tensor:
    return samples.reference.flatten(1).isfinite().all(dim=1)

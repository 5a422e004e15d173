"""The task's own equation: mean over samples of the relative size of what it leaves of the prediction; reads no reference."""

from typing import Literal

import torch
from torch import Tensor

from opbench.errors import DataError
from opbench.losses import Loss, LossSettings
from opbench.model import Samples
from opbench.residual import Norm, Residual
from opbench.task import Problem


class PhysicsSettings(LossSettings):
    """norm: of the residual, "l2", or "inverse", of its inverse Laplacian, so that high waves count as in the solution; "auto" takes the
    inverse for steady equations with Dirichlet ends, which alone admit it.
    """

    ends: Literal["free", "exact"] = "exact"
    norm: Norm = "auto"


class PhysicsLoss(Loss):
    """Strong form with the solver's stencils, see opbench.residual; conditions at ends that do not hold by construction add their misses.

    Sources: Li et al. 2021, Physics-informed neural operator (arXiv:2111.03794); Wang et al. 2021, Science Advances 7 (eabi8605).
    """

    Settings = PhysicsSettings
    labels, unlabelled = False, True

    def __init__(self, residual: Residual):
        self.residual = residual

    @classmethod
    def of(cls, chosen: Problem, settings: LossSettings, device: str = "cpu") -> "PhysicsLoss":
        """Raises ConfigError for tasks without an equation and those that it makes nothing of."""
        assert isinstance(settings, PhysicsSettings)
        return cls(Residual(chosen, device=device, norm=settings.norm))

    def check(self, train: Samples) -> None:
        """Raises DataError where a sample's own size is zero: zero solves its equation, and nothing tells how large a residual is."""
        still = (self.residual.sizes(train.given) == 0).any(dim=1)
        if still.any():
            first, count = int(still.nonzero()[0]), int(still.sum())
            raise DataError(
                f"physics loss: expected samples that zero does not solve, {count} of {len(train)} are (first: sample {first}); "
                "leave these samples out of the training split"
            )

    def expected(self, train: Samples) -> Tensor:
        """The initial state, or one bump of the size that the equation asks for: no label is read."""
        with torch.no_grad():
            expected = self.residual.expected(train.given)
        return expected.expand(-1, -1, train.reference.shape[1] // expected.shape[1], *expected.shape[3:]).flatten(1, 2)

    def validation(self, prediction: Tensor, valid: Samples) -> float:
        """The loss itself, since there are no labels to choose by."""
        return self(prediction, valid).item()

    def __call__(self, prediction: Tensor, batch: Samples) -> Tensor:
        return self.residual.relative(batch.given, prediction).mean()

"""The task's own equation: mean over samples of the relative size of what it leaves of the prediction; reads no reference."""

from typing import Literal

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from opbench.data.task import Problem
from opbench.errors import ConfigError, DataError
from opbench.losses import Loss, LossSettings
from opbench.model import Samples
from opbench.residual import Differences, Norm, Residual


class PhysicsSettings(LossSettings):
    """norm: of the residual, "l2", or "inverse", of its inverse Laplacian, so that high waves count as in the solution; "auto" takes the
    inverse for steady equations with Dirichlet ends, which alone admit it.
    derivatives: the solver's "stencils", or on periodic grids "spectral" ones with dealiased products.
    causal: eps of causal weights, see PhysicsLoss; 0 gives all times the same.
    """

    ends: Literal["free", "exact"] = "exact"
    norm: Norm = "auto"
    derivatives: Differences = "stencils"
    causal: NonNegativeFloat = 0.0


class PhysicsLoss(Loss):
    """Strong form with the solver's stencils, see opbench.residual; conditions at ends that do not hold by construction add their misses.

    Sources: Li et al. 2021, Physics-informed neural operator (arXiv:2111.03794); Wang et al. 2021, Science Advances 7 (eabi8605).
    Causal weights, w_i = exp(-eps sum_{k < i} r_k) of a sample's squared residuals r_k at earlier times: Wang, Sankaran and Perdikaris
    (arXiv:2203.07404), written from the formula printed there, as their code is not free to use. Validation weighs all times alike: where
    the weights vanish, so would the loss.
    """

    Settings = PhysicsSettings
    labels, unlabelled = False, True

    def __init__(self, residual: Residual, causal: float = 0.0):
        self.residual, self.causal = residual, causal

    @classmethod
    def of(cls, chosen: Problem, settings: LossSettings, device: str = "cpu") -> "PhysicsLoss":
        """Raises ConfigError for tasks without an equation and those that it makes nothing of."""
        assert isinstance(settings, PhysicsSettings)
        if settings.causal and chosen.task.kind != "trajectory":
            raise ConfigError(f"{chosen.name}: causal weights order the times of a trajectory; leave loss.causal out")
        return cls(Residual(chosen, device=device, norm=settings.norm, derivatives=settings.derivatives), settings.causal)

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
        """What the equation leaves, since there are no labels to choose by."""
        return self.residual.relative(valid.given, prediction).mean().item()

    def __call__(self, prediction: Tensor, batch: Samples) -> Tensor:
        return self.residual.relative(batch.given, prediction, self.causal).mean()

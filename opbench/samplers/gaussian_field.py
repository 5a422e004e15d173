"""Gaussian random field N(mean, amplitude^2 (-D + tau^2)^-alpha), with periodic, no-flux or zero-end Laplacian D."""

from typing import Any, Literal

import numpy as np
from pydantic import Field, model_serializer

from opbench.grid import Grid
from opbench.samplers import Sampler
from opbench.samplers._series import Boundary, eigenfunctions, series


class GaussianField(Sampler):
    """A Karhunen-Loeve series cut after `modes` waves an axis; D's constant mode is left out, so samples have zero mean (plus `mean`).

    A grid too coarse for the finest waves still sees the right values; what it cannot resolve shows in the data's error floor.
    D is periodic on periodic axes; on bounded ones its functions have no slope at the ends (boundary neumann) or vanish there
    (dirichlet; samples then equal `mean` at the ends).
    Reproduces FNO's Burgers input with amplitude 25, tau 5, alpha 2 on [0, 1); FNO's Navier-Stokes input with amplitude 7^1.5,
    tau 7, alpha 2.5 on [0, 1)^2 (Li et al., ICLR 2021, sections 5.1 and 5.3).
    """

    sampler: Literal["gaussian_field"]
    amplitude: float = Field(gt=0)
    tau: float = Field(ge=0)
    alpha: float = Field(gt=0)
    modes: int = Field(gt=0)
    mean: float = 0.0
    boundary: Boundary = "neumann"

    @model_serializer(mode="wrap")
    def _as_before_boundary(self, handler: Any) -> dict[str, Any]:
        """Without `boundary` where it is neumann: recipes older than it keep their fingerprints."""
        return {name: value for name, value in handler(self).items() if (name, value) != ("boundary", "neumann")}

    def draw(self, rng: np.random.Generator, grid: Grid) -> np.ndarray:
        pairs = (eigenfunctions(grid, axis, self.modes, self.boundary) for axis in range(grid.dims))
        bases, squares = zip(*pairs, strict=True)
        square = sum(np.ix_(*squares))
        with np.errstate(divide="ignore"):  # the constant mode where tau = 0, which is left out
            spectrum = self.amplitude * (square + self.tau**2) ** (-self.alpha / 2)
        spectrum[square == 0] = 0.0
        return self.mean + series(spectrum * rng.standard_normal(spectrum.shape), bases)

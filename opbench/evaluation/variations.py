"""The test samples as a model was not trained on them: on a coarser grid, and with noise on what it is given."""

import numpy as np
import torch

from opbench.grid import Grid
from opbench.model import Samples, coordinates

SEED = 20260  # of all noise; together with a sample's index it decides that sample's noise


def restricted(samples: Samples, grid: Grid, coarse: Grid) -> Samples:
    """The samples at those points of their grid that `coarse` has; raises OpbenchError where it has others."""
    return Samples(grid.restrict(samples.given, coarse), grid.restrict(samples.reference, coarse), coordinates(coarse).to(samples.coords))


def noisy(samples: Samples, level: float) -> Samples:
    """White noise of `level` times its root mean square on every given field of every sample that varies in space; the references stay.

    A sample's noise depends on its index alone, neither on its neighbours nor, but for its size, on the level.
    """
    flat = samples.given.flatten(2)
    size = torch.where(flat.amax(2) > flat.amin(2), flat.double().square().mean(2).sqrt(), 0.0)
    drawn = [np.random.default_rng([SEED, index]).standard_normal(samples.given.shape[1:]) for index in range(len(samples))]
    noise = level * size.reshape(*size.shape, *[1] * (samples.given.ndim - 2)) * torch.from_numpy(np.stack(drawn)).to(size)
    return Samples((samples.given.double() + noise).to(samples.given.dtype), samples.reference, samples.coords)

"""Central finite differences on periodic grids, applied as the circulant matrices that they are."""

import numpy as np
import torch

from opbench.derivatives import stencil
from opbench.derivatives.fourier import Fourier
from opbench.grid import Grid


class Circulant(Fourier):
    """The stencils of FiniteDifference, to round-off, at the cost of one product per derivative."""

    def __init__(self, grid: Grid, order: int = 8, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float64):
        super().__init__(grid, device, dtype)
        self.order = order

    def symbol(self, angle: np.ndarray, derivative: int) -> np.ndarray:
        return stencil.symbol(*stencil.central(self.order, derivative), angle)

"""Spectral derivatives on periodic grids: the symbol of d/dx is i k."""

import numpy as np

from opbench.derivatives.fourier import Fourier


class Spectral(Fourier):
    """Exact for every resolved wave; products are not dealiased."""

    def symbol(self, angle: np.ndarray, derivative: int) -> np.ndarray:
        return (1j * angle) ** derivative

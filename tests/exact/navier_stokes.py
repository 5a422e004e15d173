"""Vorticity Navier-Stokes by closed form: Taylor and Green's decaying vortices, and a steady forced flow."""

import numpy as np

EQUATION = "navier_stokes"


def taylor_green(x: np.ndarray, y: np.ndarray, t: float, viscosity: float) -> np.ndarray:
    """w(x, y, t) on [0, 2 pi)^2 for w(0) = 2 cos x cos y: the stream function stays an eigenfunction, so w decays at rate 2 nu.

    Source: Taylor and Green, Proc. R. Soc. A 158 (1937).
    """
    return 2 * np.cos(x) * np.cos(y) * np.exp(-2 * viscosity * t)

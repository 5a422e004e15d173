"""How large a residual is: its root mean square, or that of its inverse Laplacian."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from opbench.boundary import Dirichlet, conditions
from opbench.derivatives.circulant import Circulant
from opbench.errors import ConfigError
from opbench.grid import Grid
from opbench.pde import SteadyPDE
from opbench.solver import Posed

Norm = Literal["auto", "l2", "inverse"]


def inverse_laplacian(name: str, posed: Posed, dtype: torch.dtype, norm: Norm) -> Callable[[Tensor], Tensor] | None:
    """The w with laplacian(w) = field, w = 0 at the ends of bounded axes, by second-order stencils on the field's odd extension.

    None for the norm "l2", and for "auto" where it is not defined. Raises ConfigError where "inverse" is asked for and not defined.
    """
    grid = posed.grid
    asked = {field.name for field in posed.unknowns if not field.multiplier}
    fits = isinstance(posed.pde, SteadyPDE) and all(isinstance(c, Dirichlet) for _, name, _, c in conditions(posed.ends) if name in asked)
    if norm == "l2" or (norm == "auto" and not fits):
        return None
    if not fits:
        raise ConfigError(f"{name}: the norm 'inverse' takes steady equations with Dirichlet ends or none; take --set loss.norm=l2")
    shape = tuple(n if wraps else 2 * (n - 1) for n, wraps in zip(grid.shape, grid.periodic, strict=True))
    upper = tuple(low + n * h for low, n, h in zip(grid.lower, shape, grid.spacing, strict=True))
    d = Circulant(Grid(grid.axes, shape, grid.lower, upper, (True,) * grid.dims), 2, posed.device, dtype)
    bounded = [place - grid.dims for place, wraps in enumerate(grid.periodic) if not wraps]

    def inverse(fields: Tensor) -> Tensor:
        for place in bounded:
            fields = torch.cat((fields, -fields.narrow(place, 1, fields.shape[place] - 2).flip(place)), place)
        whole = d.inverse_laplacian(fields).values
        return whole[(..., *(slice(n) for n in grid.shape))]

    return inverse


def mean_squares(values: Tensor) -> Tensor:
    """(b, unknown, level, *s) -> (b, unknown, level)."""
    return values.square().flatten(3).mean(3)


def rms(values: Tensor) -> Tensor:
    """(b, unknown, level, *s) -> (b, unknown)."""
    return mean_squares(values).mean(2).sqrt()

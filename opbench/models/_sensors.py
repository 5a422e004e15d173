"""Where a model that reads fixed points finds them: its sensors are points of the training grid."""

from dataclasses import replace

from torch import Tensor
from torch.nn.functional import interpolate

from opbench.errors import ModelError, OpbenchError
from opbench.grid import Grid

INTERPOLATION = {1: "linear", 2: "bilinear", 3: "trilinear"}


def every(stride: int, grid: Grid) -> Grid:
    """Every `stride`-th point of `grid` along each axis; raises ModelError where the stride does not divide its cells."""
    cells = [n if wraps else n - 1 for n, wraps in zip(grid.shape, grid.periodic, strict=True)]
    if stride < 1 or any(cell % stride or (cell < 2 * stride and stride > 1) for cell in cells):
        raise ModelError(f"sensor_stride ({stride}) must divide the cells {tuple(cells)} into 2 or more; choose a divisor")
    return replace(grid, shape=tuple(cell // stride + (not wraps) for cell, wraps in zip(cells, grid.periodic, strict=True)))


def at_sensors(given: Tensor, sensors: Grid) -> Tensor:
    """`given` (b, c, *s), on any uniform grid of the sensors' domain, at the sensors: (b, c, *sensors.shape).

    Where the sensors are points of that grid (periodic n -> k n, bounded n -> k (n - 1) + 1) they are picked out exactly.
    Where they are not and every axis is bounded, values are interpolated linearly along each axis.
    Raises ModelError where an axis is periodic and the sensors are not points of the grid.
    """
    shape = tuple(given.shape[2:])
    if shape == sensors.shape:
        return given
    try:
        return replace(sensors, shape=shape).restrict(given, sensors)
    except OpbenchError as error:
        if any(sensors.periodic) or sensors.dims not in INTERPOLATION:
            raise ModelError(
                f"expected a grid that holds the {sensors.shape} sensors, got {shape}; evaluate on whole refinements of the training grid"
            ) from error
    return interpolate(given, sensors.shape, mode=INTERPOLATION[sensors.dims], align_corners=True)


def same_grid(values: Tensor, grid: Grid, reason: str) -> None:
    """Raises ModelError with `reason` where `values` (b, c, *s) do not stand on `grid`."""
    if tuple(values.shape[2:]) != grid.shape:
        raise ModelError(f"{reason}: expected {grid.shape} points, got {tuple(values.shape[2:])}; evaluate on the training grid")

"""Steps and distances: what shapes are made of."""

from collections.abc import Sequence

import numpy as np

from opbench.errors import OpbenchError
from opbench.grid import Grid
from opbench.samplers._spans import Span, pick

ON = 1e-9  # in axis lengths: a point this close to a jump lies on it, however the grid's coordinates were rounded


def rise(distance: np.ndarray, width: float, length: float) -> np.ndarray:
    """0 below and 1 above distance zero: a step that is 1 on the jump, or (1 + tanh(distance / width)) / 2; length: of the axis."""
    return (1 + np.tanh(distance / width)) / 2 if width > 0 else (distance >= -ON * length).astype(float)


def beyond(grid: Grid, axis: int, jump: float, width: float) -> np.ndarray:
    """0 before and 1 after a jump along an axis, (point,); on a periodic axis back to 0 where the domain ends."""
    low, high, x = grid.lower[axis], grid.upper[axis], grid.coordinates()[axis]
    length = high - low
    if not low < jump < high:
        raise OpbenchError(f"riemann: the jump at {jump:g} lies outside axis {grid.axes[axis]}, [{low:g}, {high:g}]; move it inside")
    if not grid.periodic[axis]:
        return rise(x - jump, width, length)
    inside = rise(x - jump, width, length) - rise(x - high, width, length)
    return inside + rise(x - jump + length, width, length) - rise(x - low, width, length)  # the image one period below


def offsets(grid: Grid, centre: Sequence[float]) -> list[np.ndarray]:
    """Signed distance to the centre along each axis, (point,) each; to its nearest image on periodic axes."""
    distances = []
    for axis, middle in enumerate(centre):
        distance, length = grid.coordinates()[axis] - middle, grid.upper[axis] - grid.lower[axis]
        distances.append(distance - length * np.round(distance / length) if grid.periodic[axis] else distance)
    return distances


def centres(places: np.random.Generator, spans: Sequence[Span], grid: Grid, count: int, law: str) -> np.ndarray:
    """`count` points, (count, axis): within `spans`, one an axis, or anywhere in the domain where there are none."""
    if len(spans) not in (0, grid.dims):
        raise OpbenchError(f"{law}: centre: expected one entry an axis, {grid.dims}, or none for anywhere, got {len(spans)}")
    chosen = spans or tuple(zip(grid.lower, grid.upper, strict=True))
    return np.stack([pick(places, span, count) for span in chosen], axis=-1)

"""From one grid to another: exact for waves, cubics and shared points, and no overshoot where fields jump."""

import numpy as np
import pytest
import torch

from opbench.grid import Grid
from opbench.interpolation import to_grid


def line(n: int, periodic: bool) -> Grid:
    return Grid(("x",), (n,), (1.0,), (3.0,), (periodic,))


def on(grid: Grid, function) -> torch.Tensor:
    return torch.from_numpy(np.asarray(function(*grid.mesh())))


@pytest.mark.parametrize("n", [8, 9])
def test_waves_that_a_periodic_grid_holds_are_exact_on_any_other(n):
    def waves(x):
        return 1 + np.cos(np.pi * x) - 2 * np.sin(3 * np.pi * x)

    for m in (5, 16, 21):
        error = (to_grid(line(n, True), line(m, True))(on(line(n, True), waves)) - on(line(m, True), waves)).abs().max()
        assert error < 1e-12, (m, float(error))


@pytest.mark.parametrize("n", [6, 7])
def test_the_wave_that_an_even_grid_cannot_tell_from_its_mirror_is_a_cosine(n):
    source, target = line(n, True), line(29, True)
    impulse = torch.zeros(n, dtype=torch.float64)
    impulse[2] = 1.0
    waves, place = np.arange(n // 2 + 1), (target.coordinates()[0] - source.coordinates()[0][2]) / 2.0
    weight = np.where((waves == 0) | (2 * waves == n), 1.0, 2.0) / n
    expected = np.cos(2 * np.pi * place[:, None] * waves) @ weight
    assert np.abs(to_grid(source, target)(impulse).numpy() - expected).max() < 1e-14


def test_cubics_between_ends_are_exact_and_few_points_take_a_lower_degree():
    def cubic(x):
        return x**3 - 2 * x

    source, target = line(6, False), line(23, False)
    assert (to_grid(source, target)(on(source, cubic)) - on(target, cubic)).abs().max() < 1e-12
    three = line(3, False)
    assert (to_grid(three, target)(on(three, lambda x: x**2)) - on(target, lambda x: x**2)).abs().max() < 1e-12


def test_a_finer_grid_that_holds_the_coarse_points_is_read_there():
    fine = torch.randn(4, 33, dtype=torch.float64)
    assert torch.equal(to_grid(line(33, False), line(9, False))(fine), fine[:, ::4])


def test_axes_keep_their_order_and_kinds_behind_leading_ones():
    source = Grid(("x", "y"), (8, 6), (0.0, 0.0), (1.0, 1.0), (True, False))
    target = Grid(("x", "y"), (12, 11), (0.0, 0.0), (1.0, 1.0), (True, False))

    def field(x, y):
        return np.sin(2 * np.pi * x) * (1 + y**3)

    values = on(source, field).expand(2, 3, -1, -1)
    assert (to_grid(source, target)(values) - on(target, field)).abs().max() < 1e-12


@pytest.mark.parametrize("periodic", [True, False])
def test_a_jump_does_not_overshoot_where_fields_are_not_smooth(periodic):
    source, target = line(9, periodic), line(31, periodic)
    step = on(source, lambda x: (x > 2.0).astype(float))
    found = to_grid(source, target, smooth=False)(step)
    assert 0.0 <= float(found.min()) <= float(found.max()) <= 1.0
    assert float(to_grid(source, target)(step).max()) > 1.0

"""Test samples on coarser grids and with noise: what is changed, and that nothing else is."""

import pytest
import torch

from opbench.errors import OpbenchError
from opbench.evaluation.variations import noisy, restricted
from opbench.grid import Grid
from opbench.model import Samples, coordinates

GRID = Grid(("x", "y"), (8, 9), (0.0, 0.0), (1.0, 2.0), (True, False))


@pytest.fixture
def samples() -> Samples:
    given, reference = (torch.randn(6, 3, *GRID.shape, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    given[:, 2] = 7.0  # a parameter, the same everywhere
    return Samples(given * torch.tensor([1.0, 1e-6, 1.0])[:, None, None], reference, coordinates(GRID))


def test_a_coarser_grid_holds_every_second_point_with_its_place(samples):
    coarse = restricted(samples, GRID, GRID.coarsen(2))
    assert coarse.given.shape[2:] == (4, 5)
    for fine, restricted_ in zip((samples.given, samples.reference), (coarse.given, coarse.reference), strict=True):
        torch.testing.assert_close(restricted_, fine[:, :, ::2, ::2], rtol=0, atol=0)
    torch.testing.assert_close(coarse.coords, samples.coords[::2, ::2], rtol=0, atol=0)


def test_the_same_grid_gives_the_same_samples(samples):
    same = restricted(samples, GRID, GRID.coarsen(1))
    assert all(torch.equal(getattr(same, name), getattr(samples, name)) for name in ("given", "reference", "coords"))


@pytest.mark.parametrize(("shape", "periodic"), [((9,), True), ((8,), False), ((2,), True), ((3,), False)])
def test_cells_that_cannot_be_joined_are_refused(shape, periodic):
    with pytest.raises(OpbenchError, match="cannot be joined"):
        Grid(("x",), shape, (0.0,), (1.0,), (periodic,)).coarsen(2)


def test_a_coarsened_grid_refined_is_the_grid_itself():
    assert GRID.coarsen(4).refine(4) == GRID


def test_noise_has_the_size_that_is_stated_of_every_field_and_leaves_references_and_parameters_alone(samples):
    wide = Samples(samples.given.repeat(1, 1, 16, 16), samples.reference, samples.coords)
    spoilt = noisy(wide, 0.05)
    size = (spoilt.given - wide.given).double().square().mean((2, 3)).sqrt() / wide.given.double().square().mean((2, 3)).sqrt()
    torch.testing.assert_close(size[:, :2], torch.full((6, 2), 0.05, dtype=torch.float64), rtol=0.05, atol=0)
    assert torch.equal(spoilt.given[:, 2], wide.given[:, 2])
    assert torch.equal(spoilt.reference, wide.reference)


def test_noise_of_a_sample_does_not_depend_on_the_others_and_differs_from_theirs(samples):
    assert torch.equal(noisy(samples, 0.01).given[:2], noisy(samples[:2], 0.01).given)
    alike = noisy(Samples(samples.given[:1].expand(2, -1, -1, -1), samples.reference[:2], samples.coords), 0.01)
    assert not torch.equal(alike.given[0], alike.given[1])


def test_no_noise_is_no_change(samples):
    assert torch.equal(noisy(samples, 0.0).given, samples.given)

"""Multigrid: an approximate inverse that stays symmetric, and as good on any number of nodes."""

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from opbench.errors import SolverError
from opbench.solver.multigrid import Multigrid, Network, interpolate, restrict
from opbench.solver.steady import conjugate_gradients


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_network(shape: tuple[int, ...], seed: int = 0, samples: int = 1, contrast: float = 4.0) -> Network:
    """Conductances 1 or `contrast`, at random; no reaction."""
    faces = []
    for axis in range(len(shape)):
        links = [n + (place == axis) for place, n in enumerate(shape)]
        strong = torch.rand(samples, *links, generator=generator(seed + axis), dtype=torch.float64) > 0.5
        faces.append(torch.where(strong, contrast, 1.0).double())
    return Network(tuple(faces), torch.zeros(samples, *shape, dtype=torch.float64))


def iterations(network: Network, spacing: tuple[float, ...]) -> int:
    right = torch.ones_like(network.reaction)
    return conjugate_gradients(network, right, Multigrid(network, spacing), 1e-10)[1]


def test_a_network_sums_the_currents_to_its_neighbours():
    network = random_network((3, 4), seed=1)
    u = torch.zeros(5, 6, dtype=torch.float64)
    u[1:-1, 1:-1] = torch.randn(3, 4, generator=generator(2), dtype=torch.float64)
    expected = torch.zeros(3, 4, dtype=torch.float64)
    for i, j in product(range(3), range(4)):
        here = u[i + 1, j + 1]
        expected[i, j] += network.faces[0][0, i, j] * (here - u[i, j + 1]) + network.faces[0][0, i + 1, j] * (here - u[i + 2, j + 1])
        expected[i, j] += network.faces[1][0, i, j] * (here - u[i + 1, j]) + network.faces[1][0, i, j + 1] * (here - u[i + 1, j + 2])
    found = network.apply(u[None, 1:-1, 1:-1])
    assert torch.allclose(found, expected[None], rtol=1e-14)
    assert torch.allclose(network.dense() @ u[1:-1, 1:-1].reshape(-1, 1), expected.reshape(-1, 1), rtol=1e-13, atol=1e-14)


@settings(deadline=None, max_examples=25)
@given(n=st.integers(2, 12), seed=st.integers(0, 10**6))
def test_restriction_is_the_transpose_of_interpolation(n, seed):
    lower, upper = random_network((n, 3), seed).shares(0)
    fine = torch.randn(1, n, 3, generator=generator(seed), dtype=torch.float64)
    coarse = torch.randn(1, n // 2, 3, generator=generator(seed + 1), dtype=torch.float64)
    left = float((restrict(fine, 1, lower, upper) * coarse).sum())
    right = float((fine * interpolate(coarse, 1, n, lower, upper)).sum())
    assert abs(left - right) < 1e-12 * float(fine.norm() * coarse.norm()), (left, right)


def test_a_uniform_network_coarsens_to_that_of_twice_the_spacing():
    network = Network((torch.ones(1, 8, 7), torch.ones(1, 7, 8)), torch.full((1, 7, 7), 0.5))
    coarse = network.coarsen(0).coarsen(1)
    assert torch.allclose(coarse.faces[0], torch.ones(1, 4, 3))
    assert torch.allclose(coarse.faces[1], torch.ones(1, 3, 4))
    assert torch.allclose(coarse.reaction, torch.full((1, 3, 3), 4 * 0.5))


@pytest.mark.parametrize("shape", [(301,), (300,), (18, 19), (17, 30)])
def test_a_cycle_is_symmetric_and_positive(shape):
    network = random_network(shape)
    unit = torch.eye(network.reaction.numel(), dtype=torch.float64).reshape(-1, *shape)
    inverse = Multigrid(network, (1.0,) * len(shape), torch.float64)(unit).flatten(1)
    assert float((inverse - inverse.T).abs().max()) < 1e-12 * float(inverse.abs().max())
    assert float(torch.linalg.eigvalsh(inverse).min()) > 0


@pytest.mark.parametrize(
    "shape", [(28, 28), (63, 63), (100, 99), (127, 127), (239, 31), (5, 400), (1, 700), (2047,), (2000,), (15, 16, 17)]
)
def test_iterations_stay_below_fifteen_on_grids_of_any_size(shape):
    smallest = min(n + 1 for n in shape)
    for spacing in ((1.0,) * len(shape), tuple(smallest / (n + 1) for n in shape)):
        network = random_network(shape)
        network = Network(tuple(g / h**2 for g, h in zip(network.faces, spacing, strict=True)), network.reaction)
        assert iterations(network, spacing) <= 15


@pytest.mark.parametrize("contrast", [1e2, 1e4])
def test_contrast_of_a_medium_with_interfaces_slows_convergence_but_mildly(contrast):
    x, y = torch.meshgrid(*2 * (torch.linspace(0, 1, 101, dtype=torch.float64),), indexing="ij")
    k = torch.where(torch.sin(9 * x + 4 * y) * torch.cos(13 * y - 5 * x) > 0, contrast, 1.0)[None]
    faces = 2 / (1 / k[:, 1:, 1:-1] + 1 / k[:, :-1, 1:-1]), 2 / (1 / k[:, 1:-1, 1:] + 1 / k[:, 1:-1, :-1])
    assert iterations(Network(faces, torch.zeros(1, 99, 99, dtype=torch.float64)), (1.0, 1.0)) <= 30


def test_units_do_not_matter():
    network = random_network((40, 40))
    counts = [iterations(network.times(unit), (1.0, 1.0)) for unit in (1e-40, 1.0, 1e40)]
    assert len(set(counts)) == 1, counts


def test_a_matrix_that_is_not_positive_definite_is_refused():
    network = random_network((20, 20))
    indefinite = Network(network.faces, network.reaction - 1.0)
    with pytest.raises(SolverError, match="not positive definite"):
        Multigrid(indefinite, (1.0, 1.0))

"""solve_steady: the discrete equations solved to the tolerance, sample by sample, or a refusal in one line."""

import numpy as np
import pytest
import torch
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve
from test_probe import Equation

from opbench.errors import OpbenchError, SolverError
from opbench.grid import Grid
from opbench.pdes.darcy import Darcy
from opbench.solver import steady
from opbench.solver.multigrid import Multigrid, Network
from opbench.solver.steady import conjugate_gradients, solve_steady


def square(n: int, m: int | None = None) -> Grid:
    return Grid(("x", "y"), (n, m or n), (0.0, 0.0), (1.0, 1.0), (False, False))


def two_phase(n: int, samples: int, seed: int = 0) -> torch.Tensor:
    """Values 12 and 3 in random blobs, (samples, n, n)."""
    noise = torch.randn(samples, n, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    wave = torch.fft.fftfreq(n, 1 / n, dtype=torch.float64)
    smooth = torch.fft.ifft2(torch.fft.fft2(noise) / (wave[:, None] ** 2 + wave**2 + 1)).real
    return torch.where(smooth > 0, 12.0, 3.0).double()


def source(value: float = 1.0) -> torch.Tensor:
    return torch.full((1, 1, 1), value, dtype=torch.float64)


def five_point(k: np.ndarray, f: float) -> np.ndarray:
    """The same discrete equations, assembled node by node and solved by scipy's LU."""
    n = len(k)
    number = np.full(k.shape, -1)
    number[1:-1, 1:-1] = np.arange((n - 2) ** 2).reshape(n - 2, n - 2)
    rows, columns, values = [], [], []
    for i, j in np.argwhere(number >= 0):
        for a, b in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
            conductance = 2 * k[i, j] * k[a, b] / (k[i, j] + k[a, b]) * (n - 1) ** 2
            rows.append(number[i, j]), columns.append(number[i, j]), values.append(conductance)
            if number[a, b] >= 0:
                rows.append(number[i, j]), columns.append(number[a, b]), values.append(-conductance)
    u = np.zeros_like(k)
    u[1:-1, 1:-1] = spsolve(coo_matrix((values, (rows, columns))).tocsc(), np.full((n - 2) ** 2, f)).reshape(n - 2, n - 2)
    return u


@pytest.mark.parametrize("n", [30, 65])
def test_the_solution_is_scipys_of_the_same_five_point_system(n):
    k = two_phase(n, 2)
    found = solve_steady(Darcy(), square(n), {"permeability": k, "source": source(2.0)})
    for sample in range(2):
        expected = five_point(k[sample].numpy(), 2.0)
        error = np.abs(found[sample].numpy() - expected).max() / np.abs(expected).max()
        assert error < 1e-10, error


@pytest.fixture
def iterations(monkeypatch) -> list[int]:
    """Of every solve, as they come."""
    counts = []

    def counted(*arguments):
        solution, count = conjugate_gradients(*arguments)
        counts.append(count)
        return solution, count

    monkeypatch.setattr(steady, "conjugate_gradients", counted)
    return counts


@pytest.mark.parametrize(("n", "most"), [(30, 12), (129, 15), pytest.param(241, 15, marks=pytest.mark.slow)])
def test_a_two_phase_medium_takes_at_most_fifteen_iterations(n, most, iterations):
    solve_steady(Darcy(), square(n), {"permeability": two_phase(n, 1), "source": source()})
    assert max(iterations) <= most, iterations


def test_421_nodes_a_side_take_hardly_more_iterations_than_257(iterations):
    """257 is a power of two and one, 420 = 4 x 105: coarsening by two does not mind."""
    for n in (257, 421):
        solve_steady(Darcy(), square(n), {"permeability": two_phase(n, 1), "source": source()})
    assert iterations[1] <= iterations[0] + 2, iterations


def test_a_sample_does_not_depend_on_its_neighbours(monkeypatch):
    k = two_phase(40, 4) * torch.tensor([1.0, 1e-6, 1e6, 1.0], dtype=torch.float64).reshape(4, 1, 1)
    k[3] = 1.0 + two_phase(40, 1, seed=5)[0] ** 4  # takes more iterations than the others
    given = {"permeability": k, "source": source()}
    together = solve_steady(Darcy(), square(40), given)
    for sample in range(4):
        alone = solve_steady(Darcy(), square(40), {"permeability": k[sample : sample + 1], "source": source()})[0]
        difference = float((together[sample] - alone).abs().max() / alone.abs().max())
        assert difference < 1e-13, (sample, difference)
    monkeypatch.setattr(steady, "CPU_NODES", 2 * 64**2)
    assert torch.allclose(solve_steady(Darcy(), square(40), given), together, rtol=1e-12, atol=0)


def test_a_sample_that_has_converged_is_left_as_it_is():
    uneven = two_phase(31, 1)[:, :, :30] ** 4
    faces = (torch.cat((torch.ones_like(uneven), uneven)), torch.cat((torch.ones_like(uneven), uneven)).mT.contiguous())
    network = Network(faces, torch.zeros(2, 30, 30, dtype=torch.float64))
    easy = Network(tuple(g[:1] for g in faces), network.reaction[:1])
    right = torch.ones(2, 30, 30, dtype=torch.float64)
    alone, fewer = conjugate_gradients(easy, right[:1], Multigrid(easy, (1.0, 1.0)), 1e-6)
    both, more = conjugate_gradients(network, right, Multigrid(network, (1.0, 1.0)), 1e-6)
    assert more >= fewer + 5, (fewer, more)
    difference = float((both[0] - alone[0]).abs().max() / alone.max())
    assert difference < 1e-13, difference


def test_no_source_gives_no_pressure_even_beside_one():
    found = solve_steady(
        Darcy(), square(20), {"permeability": two_phase(20, 1), "source": torch.tensor([0.0, 1.0]).double().reshape(2, 1, 1)}
    )
    assert torch.equal(found[0], torch.zeros(20, 20, dtype=torch.float64))
    assert float(found[1].max()) > 0


@settings(deadline=None, max_examples=5)
@drawn(seed=st.integers(0, 10**6))
def test_a_positive_source_gives_positive_pressure_inside_and_zero_on_the_edge(seed):
    f = torch.rand(1, 21, 21, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    p = solve_steady(Darcy(), square(21), {"permeability": two_phase(21, 1, seed), "source": f})[0]
    assert float(p[1:-1, 1:-1].min()) > 0
    assert float(p[[0, -1]].abs().max() + p[:, [0, -1]].abs().max()) == 0


@settings(deadline=None, max_examples=5)
@drawn(seed=st.integers(0, 10**6))
def test_swapping_the_axes_of_the_input_swaps_those_of_the_solution(seed):
    k = two_phase(24, 1, seed)
    p, swapped = (solve_steady(Darcy(), square(24), {"permeability": values, "source": source()}) for values in (k, k.mT.contiguous()))
    assert torch.allclose(swapped, p.mT, rtol=1e-9, atol=1e-12 * float(p.max()))


def test_scaling_the_coefficient_scales_the_solution_whatever_the_units():
    k = two_phase(24, 1)
    p = solve_steady(Darcy(), square(24), {"permeability": k, "source": source()})
    for unit in (1e-60, 1e60):
        for load in (1e-60, 1e60):
            found = solve_steady(Darcy(), square(24), {"permeability": unit * k, "source": source(load)})
            assert torch.allclose(found * unit / load, p, rtol=1e-9, atol=0), (unit, load)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_other_equations_are_solved_from_their_residual_alone(sign):
    """Screened Poisson with either sign: p - laplacian(p) = (1 + 2 pi^2) sin(pi x) sin(pi y)."""
    equation = Equation(lambda p, given, d: sign * (p - d.laplacian(p) - given["source"]))
    errors = []
    for n in (17, 33, 65):
        x, y = (torch.as_tensor(axis) for axis in square(n).mesh())
        exact = torch.sin(torch.pi * x) * torch.sin(torch.pi * y)
        found = solve_steady(equation, square(n), {"source": (1 + 2 * torch.pi**2) * exact[None]})[0]
        errors.append(float((found - exact).abs().max()))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders.min() > 1.9, (orders, errors)


def test_three_dimensions_and_unequal_axes_are_solved():
    grid = Grid(("x", "y", "z"), (9, 30, 14), (0.0,) * 3, (1.0, 2.0, 0.1), (False,) * 3)
    k = 1 + torch.rand(1, 9, 30, 14, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    p = solve_steady(Darcy(), grid, {"permeability": k, "source": torch.ones(1, 1, 1, 1, dtype=torch.float64)})
    assert p.shape == (1, 9, 30, 14)
    assert float(p[:, 1:-1, 1:-1, 1:-1].min()) > 0


def test_equations_that_are_not_affine_are_refused():
    given = {"permeability": two_phase(12, 1), "source": source()}
    for formula in (lambda p, given, d: p**3 - d.laplacian(p) - 10.0, lambda p, given, d: -d.div_grad(1 + p**2, p) - 1.0):
        with pytest.raises(SolverError, match="Equation is not affine in its unknown"):
            solve_steady(Equation(formula), square(12), given)


def test_an_indefinite_operator_is_refused():
    for n in (12, 40):  # by the factorisation, and by the iteration
        helmholtz = Equation(lambda p, given, d: -d.laplacian(p) - 300 * p - given["source"])
        with pytest.raises(SolverError, match="not positive definite"):
            solve_steady(helmholtz, square(n), {"source": source()})


def test_mistakes_are_told_in_a_line(monkeypatch):
    grid, given = square(12), {"permeability": two_phase(12, 1), "source": source()}
    with pytest.raises(OpbenchError, match="order 4 is not offered"):
        solve_steady(Darcy(), grid, given, order=4)
    with pytest.raises(OpbenchError, match="axis y is periodic"):
        solve_steady(Darcy(), Grid(("x", "y"), (12, 12), (0.0, 0.0), (1.0, 1.0), (False, True)), given)
    with pytest.raises(SolverError, match="permeability has values that are not finite"):
        solve_steady(Darcy(), grid, given | {"permeability": given["permeability"] * float("nan")})
    monkeypatch.setattr(steady, "ITERATIONS", 3)
    grid, given = square(30), {"permeability": two_phase(30, 1), "source": source()}
    with pytest.raises(
        SolverError, match=r"1 of 1 samples have not converged in 3 iterations, the relative residual is .* raise the tolerance"
    ):
        solve_steady(Darcy(), grid, given)

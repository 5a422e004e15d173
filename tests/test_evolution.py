"""Time stepping: its order, its error control, and what it refuses."""

import numpy as np
import pytest
import torch

from opbench import Grid, solve
from opbench.derivatives.circulant import Circulant
from opbench.derivatives.spectral import Spectral
from opbench.errors import SolverError
from opbench.field import Field
from opbench.pde import EvolutionPDE
from opbench.pdes.burgers import Burgers
from opbench.solver.evolution import Semidiscrete, _step, evolve
from opbench.solver.exponential import phi_matrices, phi_numbers

LINE = Grid(("x",), (64,), (0.0,), (1.0,), (True,))


class Heat(EvolutionPDE):
    """u_t = u_xx."""

    dims = (1, 2)
    inputs = ()
    outputs = (Field("temperature", "K"),)

    def linear(self, u, given, d):
        return d.laplacian(u)


class Oscillator(EvolutionPDE):
    """Two unknowns, u_t = v, v_t = -u, at every point."""

    dims = (1,)
    inputs = ()
    outputs = (Field("u"), Field("v"))

    def nonlinear(self, unknown, given, d):
        return {"u": unknown["v"], "v": -unknown["u"]}


def burgers(viscosity: float = 0.02) -> tuple[Semidiscrete, torch.Tensor]:
    initial = torch.sin(2 * torch.pi * torch.as_tensor(LINE.coordinates()[0]))[None]
    given = {"velocity": initial, "viscosity": torch.full((1, 1), viscosity, dtype=torch.float64)}
    return Semidiscrete(Burgers(), Circulant(LINE, 8), given), torch.fft.rfft(initial)[None]


def march(system: Semidiscrete, state: torch.Tensor, time: float, steps: int) -> torch.Tensor:
    c = system.coefficients(time / steps)
    rate = system.nonlinear(state)
    for _ in range(steps):
        state, rate, _ = _step(system, state, rate, c)
    return state


def assert_fourth_order(system: Semidiscrete, state: torch.Tensor, time: float, counts: tuple[int, ...]):
    best = march(system, state, time, 8 * counts[-1])
    errors = [float((march(system, state, time, n) - best).norm() / best.norm()) for n in counts]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > 3.9).all(), f"errors {errors}, orders {orders}"


def test_fixed_steps_converge_at_fourth_order():
    assert_fourth_order(*burgers(), 0.2, (20, 40, 80))


@pytest.mark.parametrize("z", [1e-9, -1e-3, -0.5, -0.999, -1.001, -30.0, -1e4, 0.7j, 3j, -200j])
def test_phi_functions_agree_with_long_arithmetic(z):
    from mpmath import mp, mpc, mpf

    mp.dps = 60
    exact = mpc(z) if isinstance(z, complex) else mpf(z)
    one = (mp.exp(exact) - 1) / exact
    two = (one - 1) / exact
    three = (two - mpf(1) / 2) / exact
    for ours, theirs in zip(phi_numbers(torch.tensor([z], dtype=torch.complex128)), (mp.exp(exact), one, two, three), strict=True):
        assert abs(complex(ours[0]) - complex(theirs)) <= 1e-13 * abs(complex(theirs))


@pytest.mark.parametrize(
    "matrix",
    [
        [[0.0, 0.1], [-1e6, 0.0]],  # a wave of the finest wavenumber
        [[0.0, 0.3], [0.0, 0.0]],  # and of wavenumber 0, a Jordan block
        [[-2.0, 1e4], [0.0, -1.5]],
        [[-1e5, 3e4], [2e4, -5e4]],
        [[1.0, 2.0, 3.0], [-4.0, -5j, 6.0], [7.0, 8e-3, -90.0]],
    ],
)
def test_phi_functions_of_matrices_agree_with_long_arithmetic(matrix):
    """The first block row of the exponential of a block matrix holds them all (Saad, SIAM J. Numer. Anal. 29, 1992)."""
    from mpmath import mp

    mp.dps = 80
    m = len(matrix)
    block = mp.zeros(4 * m)
    for i in range(m):
        for j in range(m):
            block[i, j] = mp.mpmathify(matrix[i][j])
        for k in range(3):
            block[k * m + i, (k + 1) * m + i] = 1
    exponential = mp.expm(block)
    for k, ours in enumerate(phi_matrices(torch.tensor(matrix, dtype=torch.complex128))):
        exact = np.array([[complex(exponential[i, k * m + j]) for j in range(m)] for i in range(m)])
        assert np.abs(ours.numpy() - exact).max() <= 1e-12 * np.abs(exact).max()
        assert (np.abs(ours.numpy() - exact) <= 1e-12 * np.abs(exact)).all(), f"phi_{k}: {ours.numpy()} for {exact}"


class Varying(Heat):
    """u_t = k(x) u_xx, with its coefficient where it does not belong."""

    inputs = (Field("conductivity"),)

    def linear(self, u, given, d):
        return given["conductivity"] * d.laplacian(u)


def test_a_linear_part_that_varies_in_space_is_stepped_explicitly():
    answer = solve(Varying, LINE, {"temperature": np.sin(np.arange(64)), "conductivity": 2 + np.sin(np.arange(64))}, times=[1e-3])
    assert "Dormand-Prince" in answer.attrs["scheme"]


def test_a_purely_linear_equation_is_exact_in_time():
    x = LINE.coordinates()[0]
    answer = solve(Heat, LINE, {"temperature": np.cos(2 * np.pi * x)}, times=[0.05], tolerance=1e-3)
    symbol = Circulant(LINE, 8)._laplacian[1].item()
    assert np.abs(answer.temperature.values[0] - np.exp(0.05 * symbol) * np.cos(2 * np.pi * x)).max() < 1e-12
    assert answer.attrs["steps"] == 1


class Wave(EvolutionPDE):
    """u_t = v, v_t = c^2 u_xx."""

    dims = (1,)
    inputs = (Field("speed", uniform=True),)
    outputs = (Field("u"), Field("v"))

    def linear(self, unknown, given, d):
        return {"u": unknown["v"], "v": given["speed"] * given["speed"] * d.laplacian(unknown["u"])}


@pytest.mark.parametrize("speeds", [2.0, np.array([0.5, 2.0, 30.0])], ids=["one speed", "a speed a sample"])
def test_waves_are_exact_in_one_step_an_output(speeds):
    k, x, times = 2 * np.pi * 5, LINE.coordinates()[0], np.array([0.3, 1.0, 1.05])
    symbol = Circulant(LINE, 8)._laplacian[5].item()
    for direction in (0, 1):  # standing, travelling
        frequency = np.reshape(speeds, (-1, 1)) * np.sqrt(-symbol)
        given = {"speed": speeds, "u": np.cos(k * x), "v": direction * frequency * np.sin(k * x)}
        answer = solve(Wave, LINE, given | ({"v": given["v"][0]} if np.ndim(speeds) == 0 else {}), times=times, tolerance=1e-3)
        phase = frequency[..., None] * times[:, None]
        exact = np.cos(k * x - phase) if direction else np.cos(phase) * np.cos(k * x)
        assert np.abs(answer.u.values - exact).max() < 1e-11
        assert answer.attrs["steps"] == len(times)


def test_the_mean_of_a_wave_drifts_linearly():
    x = LINE.coordinates()[0]
    answer = solve(Wave, LINE, {"speed": 1.0, "u": 0.5 + 0 * x, "v": -3.0}, times=[2.0, 10.0])
    assert np.abs(answer.u.values[:, 7] - (0.5 - 3 * np.array([2, 10]))).max() < 1e-12


class Acoustics(EvolutionPDE):
    """u_t = -p_x, p_t = -u_x: a symbol that is a complex matrix."""

    dims = (1,)
    inputs = ()
    outputs = (Field("u"), Field("p"))

    def linear(self, unknown, given, d):
        return {"u": -d.partial(unknown["p"], "x"), "p": -d.partial(unknown["u"], "x")}


def test_sound_travels_by_its_distance():
    pulse = np.exp(np.cos(2 * np.pi * LINE.coordinates()[0]))
    answer = solve(Acoustics, LINE, {"u": pulse, "p": pulse}, times=[0.25], scheme="spectral")
    assert np.abs(answer.p.values[0] - np.roll(pulse, 16)).max() < 1e-11


class Schroedinger(EvolutionPDE):
    """i psi_t = -psi_xx / 2 - g |psi|^2 psi."""

    dims = (1,)
    inputs = (Field("g", uniform=True, default=0.0),)
    outputs = (Field("real"), Field("imaginary"))

    def linear(self, unknown, given, d):
        return {"real": d.laplacian(unknown["imaginary"]) * -0.5, "imaginary": d.laplacian(unknown["real"]) * 0.5}

    def nonlinear(self, unknown, given, d):
        real, imaginary = unknown["real"], unknown["imaginary"]
        density = given["g"] * (real**2 + imaginary**2)
        return {"real": -(density * imaginary), "imaginary": density * real}


WIDE = Grid(("x",), (320,), (-30.0,), (30.0,), (True,))


def schroedinger(start: np.ndarray, g: float, times: list[float], tolerance: float) -> tuple[np.ndarray, int]:
    given = {"real": start.real, "imaginary": start.imag, "g": g}
    answer = solve(Schroedinger, WIDE, given, times=times, scheme="spectral", tolerance=tolerance)
    return answer["real"].values + 1j * answer["imaginary"].values, answer.attrs["steps"]


def test_a_free_wave_packet_spreads_and_moves_as_its_closed_form():
    """psi = (1 + i t)^(-1/2) exp(-(x - v t)^2 / (2 (1 + i t)) + i v (x - v t / 2)), any text on quantum mechanics."""

    def packet(t: float, v: float = 2.0):
        x = WIDE.coordinates()[0]
        return (1 + 1j * t) ** -0.5 * np.exp(-((x - v * t) ** 2) / (2 * (1 + 1j * t)) + 1j * v * (x - v * t / 2))

    found, steps = schroedinger(packet(0.0), 0.0, [1.0, 2.0], 1e-3)
    assert np.abs(found - [packet(1.0), packet(2.0)]).max() < 1e-11
    assert steps == 2


def soliton(t: float, v: float = 1.0) -> np.ndarray:
    """Zakharov and Shabat, Sov. Phys. JETP 34 (1972): amplitude 1 moves at v unchanged."""
    x = WIDE.coordinates()[0]
    return np.exp(1j * (v * x + (1 - v**2) * t / 2)) / np.cosh(x - v * t)


def test_a_soliton_keeps_its_shape():
    found, _ = schroedinger(soliton(0.0), 1.0, [2.0], 1e-10)
    error = np.abs(found[0] - soliton(2.0)).max()
    assert error < 1e-8, f"error {error:.1e}"


def test_fixed_steps_of_coupled_unknowns_converge_at_fourth_order():
    start = soliton(0.0)
    initial = torch.as_tensor(np.stack([start.real, start.imag]))[:, None]
    system = Semidiscrete(Schroedinger(), Spectral(WIDE), {"g": torch.ones(1, 1, dtype=torch.float64)})
    assert_fourth_order(system, torch.fft.rfft(initial), 1.0, (64, 128, 256))


def test_several_unknowns_are_passed_by_name():
    answer = solve(Oscillator, LINE, {"u": 1.0, "v": 0.0}, times=[0.0, 1.0, 2.5], tolerance=1e-10)
    assert np.abs(answer.u.values[:, 0] - np.cos([0, 1, 2.5])).max() < 1e-8
    assert np.abs(answer.v.values[:, 5] + np.sin([0, 1, 2.5])).max() < 1e-8


@pytest.mark.parametrize("tolerance", [1e-5, 1e-7, 1e-9])
def test_the_time_error_follows_the_tolerance(tolerance):
    x = LINE.coordinates()[0]
    given = {"velocity": np.sin(2 * np.pi * x), "viscosity": 0.02}
    best = solve("burgers", LINE, given, times=[0.5], tolerance=1e-13).velocity.values
    error = np.linalg.norm(solve("burgers", LINE, given, times=[0.5], tolerance=tolerance).velocity.values - best) / np.linalg.norm(best)
    assert error < 10 * tolerance, f"error {error:.1e} at tolerance {tolerance:.0e}"


def test_steps_adapt_to_the_front_and_relax_after_it():
    system, state = burgers(0.005)
    initial = torch.fft.irfft(state[0], n=64)
    steps = [evolve(system, initial[None], [0.0, t], 1e-8)[1] for t in (0.25, 0.5, 4.0)]
    early, late = steps[0] / 0.25, (steps[2] - steps[1]) / 3.5
    assert late < early / 2, f"steps a time unit: {early} early, {late} late"


def test_uneven_output_times_do_not_change_the_answer():
    x = LINE.coordinates()[0]
    given = {"velocity": np.sin(2 * np.pi * x), "viscosity": 0.02}
    even = solve("burgers", LINE, given, times=[0.25, 0.5], tolerance=1e-10).velocity.values
    uneven = solve("burgers", LINE, given, times=[0.001, 0.25, 0.26, 0.5], tolerance=1e-10).velocity.values
    assert np.abs(even - uneven[[1, 3]]).max() < 1e-8


def test_an_unstable_solve_says_when_and_what_to_do():
    """u_t = u - u^2 from -1 leaves all bounds at t = log 2 = 0.693."""
    with pytest.raises(SolverError, match=r"unstable at t = 0\.693.*refine the grid"):
        solve("fisher_kpp", LINE, {"population": -1.0, "diffusivity": 0.1, "growth": 1.0}, times=[5.0])

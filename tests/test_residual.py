"""What an equation leaves: nothing but the scheme's own error of an exact solution, much of anything else; what it refuses."""

import gc
from dataclasses import replace

import numpy as np
import pytest
import torch

import opbench
from opbench.data.task import problem
from opbench.errors import ConfigError
from opbench.pdes.schroedinger import Schroedinger
from opbench.residual import Residual, unfit
from opbench.solver.manufactured import observed

BURGERS = """
name = "line"
version = 1
summary = "Burgers"
source = "made here"
equation = "burgers"
seed = 1
[domain]
axes = ["x"]
lower = [0.0]
upper = [1.0]
periodic = [{periodic}]
{boundary}
[given.velocity]
sampler = "gaussian_field"
amplitude = 25.0
tau = 5.0
alpha = 2.0
modes = 8
[given.viscosity]
{viscosity}
[solving]
tolerance = 1e-9
order = {order}
block = 4
[scales.mini]
points = [{points}]
refine = 2
final = 0.2
frames = {frames}
samples = {{ train = 4, valid = 2, test = 2 }}
[[tasks]]
kind = "trajectory"
version = 1
epochs = {{ mini = 2 }}
batch_size = 4
[[tasks]]
kind = "step"
version = 1
epochs = {{ mini = 2 }}
batch_size = 4
[[tasks]]
kind = "final"
version = 1
epochs = {{ mini = 2 }}
batch_size = 4
"""
FIXED = 'sampler = "constant"\nvalue = 0.02'
TOLD = 'sampler = "uniform"\nlow = 0.01\nhigh = 0.04'
DARCY = """
name = "square"
version = 1
summary = "Darcy with a told source"
source = "made here"
equation = "darcy"
seed = 1
boundary = { x = { kind = "dirichlet", value = VALUE }, y = [{ kind = "dirichlet" }, { kind = "UPPER" }] }
[domain]
axes = ["x", "y"]
lower = [0.0, 0.0]
upper = [1.0, 1.0]
periodic = [false, false]
[given.permeability]
sampler = "log_normal"
amplitude = 3.0
tau = 3.0
alpha = 2.0
modes = 4
[given.source]
sampler = "gaussian_field"
amplitude = 3.0
tau = 3.0
alpha = 2.0
modes = 4
boundary = "neumann"
[solving]
tolerance = 1e-9
order = 2
block = 4
[scales.mini]
points = [POINTS, POINTS]
refine = 2
samples = { train = 4, valid = 2, test = 2 }
[[tasks]]
kind = "static"
version = 1
epochs = { mini = 2 }
batch_size = 2
"""


def line(folder, kind="trajectory", periodic=True, viscosity=FIXED, order=8, points=64, frames=11, boundary=""):
    """A Burgers task."""
    words = {"periodic": "true" if periodic else "false", "viscosity": viscosity, "order": order, "points": points, "frames": frames}
    (folder / "line.toml").write_text(BURGERS.format(**words, boundary=boundary))
    return problem(f"{folder / 'line.toml'}/{kind}" if kind == "trajectory" else str(folder / "line.toml"), "mini")


def task(folder, kind, **options):
    line(folder, **options)
    chosen = problem(str(folder / "line.toml"))
    kinds = {entry.kind: entry for entry in chosen.recipe.tasks}
    return replace(chosen, task=kinds[kind])


def solved(chosen, viscosity=0.02, boundary=None):
    """A solution of the task's frames, from sin(2 pi x) + 1/2, far more exact than the residual: given, prediction."""
    fine = chosen.plan.grid.refine(max(1, 256 // chosen.plan.points[0]))
    start = {"velocity": lambda x: np.sin(2 * np.pi * x) + 0.5, "viscosity": viscosity}
    answer = opbench.solve("burgers", fine, start, chosen.plan.times, tolerance=1e-11, boundary=boundary)
    values = torch.as_tensor(fine.restrict(answer["velocity"].values, chosen.plan.grid))[None]
    given = [values[:, 0]] + [torch.full_like(values[:, 0], viscosity)] * (len(chosen.spec.inputs) - 1)
    return torch.stack(given, 1), values[:, 1:]


def left(chosen, given, prediction, **options):
    return float(Residual(chosen, dtype=torch.float64, **options).relative(given, prediction)[0])


@pytest.mark.parametrize("viscosity", [FIXED, TOLD], ids=["exponential", "polynomial"])
def test_what_is_left_of_a_solution_falls_at_fourth_order_with_the_frames(tmp_path, viscosity):
    frames, found = (21, 41, 81), []
    for count in frames:
        chosen = task(tmp_path, "trajectory", viscosity=viscosity, frames=count, points=256)
        found.append(left(chosen, *solved(chosen)))
    orders = observed([count - 1 for count in frames], found)
    assert orders[-1] >= 3.8, (found, orders)


def test_what_is_left_of_a_solution_falls_at_the_stencils_order_with_the_grid(tmp_path):
    sizes, found = (32, 64, 128), []
    for points in sizes:
        chosen = task(tmp_path, "trajectory", frames=161, points=points, order=2)
        found.append(left(chosen, *solved(chosen)))
    orders = observed(sizes, found)
    assert orders[-1] >= 1.85, (found, orders)


def test_a_step_leaves_the_error_of_one_trapezoidal_step(tmp_path):
    frames, found = (21, 41, 81), []
    for count in frames:
        chosen = task(tmp_path, "step", frames=count, points=128)
        given, later = solved(chosen)
        found.append(left(chosen, given, later[:, :1]))
    orders = observed([count - 1 for count in frames], found)
    assert orders[-1] >= 1.85, (found, orders)


def manufactured(n):
    """given (1, 2, n, n), pressure (1, 1, n, n) with p = 0 where x is 0 or 1 or y is 0, and no slope at y = 1."""
    x, y = (torch.tensor(values, requires_grad=True) for values in np.meshgrid(*[np.linspace(0, 1, n)] * 2, indexing="ij"))
    p, k = torch.sin(np.pi * x) * torch.sin(np.pi * y / 2), torch.exp(0.5 * torch.sin(3 * x + y))

    def slope(f, at):
        return torch.autograd.grad(f.sum(), at, create_graph=True)[0]

    f = -slope(k * slope(p, x), x) - slope(k * slope(p, y), y)
    return torch.stack((k, f)).detach()[None], p.detach()[None, None]


def square(folder, n, value="0.0", upper="neumann"):
    (folder / "square.toml").write_text(DARCY.replace("POINTS", str(n)).replace("VALUE", value).replace("UPPER", upper))
    return problem(str(folder / "square.toml"))


def test_what_is_left_of_a_steady_solution_falls_at_second_order(tmp_path):
    sizes = (17, 33, 65)
    found = [left(square(tmp_path, n), *manufactured(n)) for n in sizes]
    orders = observed([n - 1 for n in sizes], found)
    assert orders[-1] >= 1.85, (found, orders)


def test_a_condition_that_is_missed_is_seen(tmp_path):
    given, exact = manufactured(33)
    kept, missed = left(square(tmp_path, 33), given, exact), left(square(tmp_path, 33, value="0.5"), given, exact)
    assert missed > 50 * kept, (kept, missed)


@pytest.mark.parametrize(
    "mutate",
    [
        lambda given: given.flip(1),
        lambda given: given * torch.tensor([1.0, -1.0]).reshape(1, 2, 1, 1),
        lambda given: given * torch.tensor([1.5, 1.0]).reshape(1, 2, 1, 1),
    ],
    ids=["swapped", "sign", "factor"],
)
def test_wrong_coefficients_leave_much(tmp_path, mutate):
    given, exact = manufactured(33)
    right, wrong = left(square(tmp_path, 33), given, exact), left(square(tmp_path, 33), mutate(given), exact)
    assert wrong > 50 * right, (right, wrong)


@pytest.mark.parametrize("periodic", [True, False])
def test_another_viscosity_leaves_much(tmp_path, periodic):
    boundary = "" if periodic else "[boundary.x]\nkind = 'dirichlet'\nvalue = 0.5"
    chosen = task(tmp_path, "trajectory", periodic=periodic, viscosity=TOLD, frames=41, points=129, boundary=boundary)
    given, later = solved(chosen, boundary=None if periodic else {"x": opbench.boundary.Dirichlet(0.5)})
    wrong = given * torch.tensor([1.0, 1.5]).reshape(1, 2, 1)
    assert left(chosen, wrong, later) > 10 * left(chosen, given, later), (left(chosen, given, later), left(chosen, wrong, later))


def test_the_odd_even_mode_is_seen(tmp_path):
    chosen = task(tmp_path, "trajectory", frames=21)
    given, later = solved(chosen)
    sawtooth = 0.01 * (-1.0) ** torch.arange(later.shape[1]).reshape(1, -1, 1)
    assert left(chosen, given, later + sawtooth) > 0.3, left(chosen, given, later + sawtooth)


def test_single_precision_changes_nothing_that_counts(tmp_path):
    chosen = task(tmp_path, "trajectory", frames=11)
    given, later = solved(chosen)
    double = left(chosen, given, later)
    single = float(Residual(chosen).relative(given.float(), later.float())[0])
    assert abs(single - double) < 1e-3 * double, (single, double)


def test_the_inverse_norm_is_the_error_of_a_solution_of_poissons_equation(tmp_path):
    chosen = square(tmp_path, 65, upper="dirichlet")
    x, y = torch.linspace(0, 1, 65, dtype=torch.float64).reshape(-1, 1), torch.linspace(0, 1, 65, dtype=torch.float64)
    exact = torch.sin(np.pi * x) * torch.sin(np.pi * y)
    wave = torch.sin(7 * np.pi * x) * torch.sin(4 * np.pi * y)
    given = torch.stack((torch.ones(65, 65, dtype=torch.float64), 2 * np.pi**2 * exact))[None]
    residual = Residual(chosen, dtype=torch.float64, norm="inverse")
    found = float(residual.relative(given, (exact + 0.1 * wave)[None, None])[0])
    assert abs(found - 0.1) < 0.01, found


def test_the_bump_that_an_equation_lets_expect_has_the_size_of_its_solution(tmp_path):
    given, exact = manufactured(33)
    expected = Residual(square(tmp_path, 33), dtype=torch.float64).expected(given)
    assert 0.8 < float(expected.norm() / exact.norm()) < 1.25, float(expected.norm() / exact.norm())


def test_the_mollifier_is_zero_where_the_unknown_is(tmp_path):
    chosen = square(tmp_path, 17)
    residual = Residual(chosen)
    m = residual.mollifier(torch.stack(torch.meshgrid(*[torch.linspace(0, 1, 17)] * 2, indexing="ij"), -1))[0, 0]
    assert float(m[0].abs().max()) == float(m[-1].abs().max()) == float(m[:, 0].abs().max()) == 0.0
    assert float(m[1:-1, 1:].min()) > 0


def test_steps_leave_nothing_behind(tmp_path):
    chosen = task(tmp_path, "trajectory")
    residual = Residual(chosen)
    given, later = (part.float().requires_grad_() for part in solved(chosen))

    def tensors():
        later.grad = None
        residual.relative(given, later).mean().backward()
        return sum(type(thing) is torch.Tensor for thing in gc.get_objects())

    counts = [tensors() for _ in range(12)]
    assert counts[-1] == counts[2], counts


def test_tasks_that_an_equation_makes_nothing_of_say_so(tmp_path):
    final = task(tmp_path, "final")
    assert "take line/trajectory" in unfit(final)
    with pytest.raises(ConfigError, match="take line/trajectory"):
        Residual(final)
    with pytest.raises(ConfigError, match="comes without an equation; train on data"):
        Residual(problem("darcy_neuralop"))
    with pytest.raises(ConfigError, match="take --set loss"):
        Residual(task(tmp_path, "trajectory"), norm="inverse")


class Swapped(Schroedinger):
    """Names its rates in another order than its unknowns."""

    def linear(self, psi, given, d):
        return dict(reversed(super().linear(psi, given, d).items()))

    def nonlinear(self, psi, given, d):
        return dict(reversed(super().nonlinear(psi, given, d).items()))


def test_the_order_in_which_an_equation_names_its_rates_does_not_matter():
    left = []
    for pde in (Schroedinger, Swapped):
        chosen = problem("schroedinger_1d", "mini")
        chosen.recipe.__dict__["pde"] = pde()
        spec = chosen.spec
        values = torch.Generator().manual_seed(0)
        given, fields = (torch.rand(2, n, *spec.grid.shape, generator=values) for n in (spec.in_channels, spec.out_channels))
        left.append(Residual(chosen, spec.grid, "cpu").relative(given, fields))
    assert torch.equal(*left)

"""What every equation leaves of its own solutions falls with refinement at the scheme's order, and a wrong equation leaves much of them."""

import math
from functools import cache

import numpy as np
import pytest
import torch

from mutants import OF_RESIDUALS, mutants
from opbench.find import find, names
from opbench.grid import Grid
from opbench.pde import PDE
from opbench.residual.strong import Differences, Strong
from opbench.solver import pose, solve
from opbench.solver.verification import Case, solutions

INTERVALS = 8  # of time, on the coarser grid
TIME_ORDER = 4
SLACK = 0.3
MUCH = 5.0  # times what the right equation leaves
CASES = 3  # of an equation, at most
OTHERWISE_ZERO = 0.1  # a parameter that is zero by default and in a case, whose solution is computed anyway
REDUCED = {"kuramoto_sivashinsky": 1.0}  # of the order in time: short waves follow long ones at once, which exponential formulas feel


def waves(name: str, given) -> Case:
    """Where no case depends on a parameter: `given` of the positions' angle, on a periodic line."""

    def line(n: int) -> Grid:
        return Grid(("x",), (n,), (0.0,), (1.0,), (True,))

    def at(grid: Grid):
        return given(2 * np.pi * grid.mesh()[0])

    return Case(name, "the solver", line, at, at, (32, 64, 128), bound=1.0, times=(0.2,))


MORE = {
    "euler": [waves("sound", lambda a: {"density": 1 + 0.2 * np.sin(a), "velocity_x": 0.3 * np.cos(a), "pressure": 1 + 0.2 * np.cos(a)})],
    "diffusion_sorption": [waves("sorption", lambda a: {"concentration": 0.1 + 0.05 * np.sin(a), "diffusivity": 0.5, "offset": 0.1})],
}


class Setting:
    """A solution of a case on a grid of `refine` times the cells of its coarsest one, with as many more times."""

    def __init__(self, equation: str, case: Case, refine: int):
        self.case, self.grid = case, case.grid(case.sizes[0]).refine(refine)
        self.order = (case.options or {}).get("order", 8 if all(self.grid.periodic) else 2 if case.times is None else 4)
        self.times, self.inputs = None, find("pdes", equation, PDE).inputs
        if case.times is None:
            self.values = {name: np.asarray(values)[None] for name, values in case.exact(self.grid).items()}
        else:
            self.times = tuple(np.linspace(0, case.times[0] or case.times[1], 1 + INTERVALS * refine))
            fine = self.grid.refine(2)
            answer = solve(equation, fine, self.given(fine), self.times, boundary=case.boundary, tolerance=1e-10)
            self.values = {str(name): fine.restrict(answer[name].values, self.grid) for name in answer.data_vars}

    def given(self, grid):
        given = self.case.given(grid)
        if self.case.times is None:
            return given
        zero = {field.name: OTHERWISE_ZERO for field in self.inputs if field.uniform and field.default == 0}
        return zero | given

    def left(self, pde: PDE, derivatives: Differences = "stencils") -> float:
        """What the equation leaves of the solution, relative."""
        posed, _ = pose(pde, self.grid, self.given(self.grid), self.case.boundary)
        channels = [field.name for field in posed.unknowns] if self.times else []
        strong = Strong(type(pde).__name__, posed, channels, self.times, self.order, torch.float64, derivatives=derivatives)
        self.expected_order = strong.order if self.times is None else min(strong.order, TIME_ORDER)
        levels = torch.stack([torch.as_tensor(self.values[field.name]) for field in posed.unknowns])
        given, later = (levels[:, 0], levels[:, 1:]) if self.times else (levels[:1, 0], levels)
        return float(strong.relative(given[None], later.flatten(0, 1)[None]))


def smooth(equation: str, case: Case) -> bool:
    """Whether a case tells all unknowns of a solution that stencils can follow."""
    wanted = {field.name for field in find("pdes", equation, PDE)().outputs_on(case.grid(case.sizes[0]).axes)}
    return wanted <= {*case.exact(case.grid(case.sizes[0]))} and (case.rate is None or case.rate >= 1)


@cache
def settings(equation: str) -> list[tuple[Setting, Setting, float, float]]:
    """Solutions at two refinements and what is left of them, where something but the ends drives them, and it is no rounding."""
    pde, found = find("pdes", equation, PDE)(), []
    for case in [*MORE.get(equation, []), *solutions(equation).CASES]:
        if smooth(equation, case) and len(found) < CASES:
            coarse, fine = (Setting(equation, case, refine) for refine in (1, 2))
            left = coarse.left(pde), fine.left(pde)
            if all(math.isfinite(value) and 1e-9 < value < 0.3 for value in left):
                found.append((coarse, fine, *left))
    return found


@pytest.mark.parametrize("equation", names("pdes"))
def test_what_an_equation_leaves_of_its_solutions_falls_at_the_order_of_the_scheme(equation):
    found = settings(equation)
    assert found, "no case with a smooth solution"
    missing = [setting.expected_order - math.log2(coarse / fine) for _, setting, coarse, fine in found]
    told = [(setting.case.name, setting.expected_order, coarse, fine) for _, setting, coarse, fine in found]
    assert min(missing) <= SLACK + REDUCED.get(equation, 0.0), told
    assert all(fine < coarse for *_, coarse, fine in found), told


@pytest.mark.parametrize("equation", names("pdes"))
def test_a_wrong_equation_leaves_much_of_a_solution(equation):
    changed = list(mutants(equation, OF_RESIDUALS))
    pde, fine = find("pdes", equation, PDE)(), [setting for _, setting, *_ in settings(equation)]
    right = {setting: setting.left(pde, sharpest(setting)) for setting in fine}
    survivors = [word for word, mutant in changed if not any(found_out(mutant, setting, right[setting]) for setting in fine)]
    assert not survivors, "\n".join(survivors)


def sharpest(setting: Setting) -> Differences:
    """The derivatives that leave the least of a solution, so that a small mistake stands out."""
    return "spectral" if all(setting.grid.periodic) else "stencils"


def found_out(mutant: type[PDE], setting: Setting, right: float) -> bool:
    try:
        return not setting.left(mutant(), sharpest(setting)) <= MUCH * right
    except Exception:  # whatever a wrong equation breaks
        return True

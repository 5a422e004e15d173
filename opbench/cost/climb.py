"""Measures a solver ladder: our solver on coarse grids, with loose tolerances and low orders, against the task's own test data.

Errors are a model's: relative L2 on the test split's stored points and times. Seconds are those from inputs on the rung's grid to answers
on the task's, in float64, on the model's device, one sample alone and in batches. What follows from grid and step alone (symbols, step
coefficients, the factors of a matrix that is every sample's, interpolation matrices) is prepared once, as a network's weights are.
"""

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from opbench.boundary import Dirichlet, conditions, homogeneous
from opbench.cost.timing import Timing, clock_of, fastest, rough, timed
from opbench.data.generation import Report
from opbench.data.samples import as_solved, draw, laws, solve_block
from opbench.data.task import Problem, StoredSplit
from opbench.errors import OpbenchError
from opbench.grid import Grid
from opbench.interpolation import to_grid
from opbench.metrics import relative_l2
from opbench.pde import ConservationLaw, EvolutionPDE, SteadyPDE
from opbench.provenance import commit, machine, versions
from opbench.records.ladder import Ladder, Rung
from opbench.records.record import Machine, Scheme, rung_name
from opbench.solver import Posed, Solution, compute, differences, pose
from opbench.solver.direct import Factors
from opbench.solver.evolution import NotDiagonal, Semidiscrete, evolve
from opbench.solver.sparse import solve_sparse
from opbench.threads import one_thread
from opbench.version import __version__

PARTS = (1 / 8, 3 / 16, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 1, 2)  # of the task's cells, as long as the data's own grid is finer
FEWEST_CELLS = 4
TOLERANCES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
ANSWERS = 4  # of a method on one grid, each by a tighter tolerance than the last
GAIN = 0.95  # of the error, which a tighter tolerance must fall below to be followed by a still tighter one
SAMPLES = 64  # of the test split, at most
ALONE = 4  # samples whose lone solves are timed, one after the other
NEAR = 1.2  # times the seconds of the fastest rung as accurate, up to which a rough timing does not rule a rung out
ALIKE = 1.05  # times an error, up to which another is as good for that
BATCHES = (16, 64, 256)
LONGEST = 20.0  # seconds of all test samples together, after which a scheme climbs no further


@dataclass(frozen=True)
class Method:
    """How a rung solves: what of its name the grid does not say."""

    scheme: Scheme
    order: int | None
    tolerances: tuple[float | None, ...]


def climb(chosen: Problem, splits: Mapping[str, StoredSplit], device: str, report: Report | None = None) -> Ladder | None:
    """Measure the ladder of a task that the solver made, from its splits: half a minute to some minutes for a mini scale.

    None where the data were solved on too few points for a coarser grid. Raises OpbenchError where no rung can be solved.
    """
    course = Course(chosen, splits["test"], device)
    if not course.grids():
        return None
    tries, left_out = _tries(course, report)
    near = [attempt for attempt in tries if _may_be_cheapest(attempt, tries)]
    rungs = []
    for number, attempt in enumerate(near, 1):
        rungs.append(attempt.rung())
        if report is not None:
            report("solver ladder, timing", number, len(near))
    rungs = [attempt.rung() if rung.noisy else rung for attempt, rung in zip(near, rungs, strict=True)]  # what disturbed may be gone
    seconds, words = generation_seconds(chosen, splits, device)
    head, _ = commit()
    ladder = Ladder(
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        task=chosen.name,
        task_version=chosen.task.version,
        scale=chosen.scale,
        data_fingerprint=chosen.data_fingerprint,
        machine=Machine(**machine(device)),
        clock=clock_of(device),
        samples=course.count,
        interpolation=course.interpolation,
        rungs=tuple(rungs),
        left_out=left_out,
        generation_seconds=seconds,
        generation=words,
        opbench=__version__,
        commit=head,
        versions=versions(),
    )
    kept = {rung.name for way in ("alone", "batched") for rung in ladder.front(way)}
    return ladder.model_copy(update={"rungs": tuple(rung for rung in rungs if rung.name in kept)})


class Start(NamedTuple):
    """What the rungs of one grid share: the solver's inputs there, and the way from answers on it to the task's points."""

    grid: Grid
    inputs: dict[str, np.ndarray]
    to_task: Callable[[Tensor], Tensor]


class Course:
    """What the rungs of a ladder share: the samples, their references, the times."""

    def __init__(self, chosen: Problem, split: StoredSplit, device: str):
        self.chosen, self.plan, self.split, self.device, self.times = chosen, chosen.plan, split, device, chosen.levels
        self.recipe, self.kind, self.grid = self.plan.recipe, chosen.task.kind, split.spec.grid
        self.smooth = not isinstance(self.recipe.pde, ConservationLaw)
        self.items = np.unique(np.linspace(0, len(split) - 1, min(SAMPLES, len(split))).astype(int)).tolist()
        given, reference = zip(*split.__getitems__(self.items), strict=True)
        self.given, self.reference = torch.stack(given).double(), torch.stack(reference).to(device)

    @property
    def count(self) -> int:
        return len(self.items)

    @property
    def interpolation(self) -> str:
        if not self.smooth:
            return "linear"
        kinds = {"trigonometric" if wraps else "cubic splines" for wraps in self.grid.periodic}
        return " and ".join(sorted(kinds, reverse=True))

    def grids(self) -> list[Grid]:
        """The ladder's grids, coarse to fine: all coarser than the data were solved on."""
        found = []
        for part in PARTS:
            cells = [round(part * n) for n in self.grid.cells]
            if min(cells) >= FEWEST_CELLS and all(2 * m <= n for m, n in zip(cells, self.plan.solve_grid.cells, strict=True)):
                points = tuple(m if wraps else m + 1 for m, wraps in zip(cells, self.grid.periodic, strict=True))
                found.append(self.recipe.domain.grid(points))
        return found

    def methods(self) -> list[Method]:
        """The recipe's own scheme and lower orders; a second scheme where there is one."""
        order, pde = self.recipe.solving.order, self.recipe.pde
        if isinstance(pde, ConservationLaw):
            return [Method("finite_difference", lower, (None,)) for lower in (3, 5) if lower <= order]
        if isinstance(pde, SteadyPDE):
            ends = [condition for *_, condition in conditions(self.pose(self.grid, 1).conditions)]
            plain = len(self.recipe.unknowns) == 1 and all(isinstance(end, Dirichlet) and homogeneous(end) for end in ends)
            steady = Method("finite_difference", order, (1e-1, 1e-2, 1e-4, 1e-6))
            return [steady, Method("sparse_lu", order, (None,))] if plain and order == 2 and self.device == "cpu" else [steady]
        orders = [lower for lower in (2, 4, 8) if lower < order] + [order]
        found = [Method("finite_difference", lower, TOLERANCES) for lower in orders]
        return [*found, Method("spectral", None, TOLERANCES)] if all(self.grid.periodic) else found

    def start(self, grid: Grid) -> Start:
        return Start(grid, self.inputs(grid), to_grid(grid, self.grid, self.smooth, self.device))

    def inputs(self, grid: Grid) -> dict[str, np.ndarray]:
        """What the solver is given on `grid`, sample by sample; coefficients that do not differ once."""
        plan, frames = self.plan, self.split.pairs
        trajectories = [item // frames for item in self.items]
        last = range(max(trajectories) + 1)
        drawn = as_solved(plan, "test", last, grid, draw(plan, "test", last, grid))
        random = {name for name, law in laws(plan, "test").items() if law.random} | {field.name for field in self.recipe.unknowns}
        found = {name: values[trajectories] if name in random else values[:1] for name, values in drawn.items()}
        if self.kind == "step":
            place = {channel.field: i for i, channel in enumerate(self.chosen.spec.inputs)}
            resample = to_grid(self.grid, grid, self.smooth)
            for field in self.recipe.unknowns:
                found[field.name] = resample(self.given[:, place[field.name]]).numpy()
        return found

    def pose(self, grid: Grid, size: int, inputs: dict[str, np.ndarray] | None = None) -> Posed:
        """`size` samples as a problem, over and over again where there are fewer."""
        chosen = [i % self.count for i in range(size)]
        given = {name: values if len(values) == 1 else values[chosen] for name, values in (inputs or self.inputs(grid)).items()}
        return pose(self.recipe.pde, grid, given, self.recipe.boundary or None, self.device)[0]

    def answer(self, values: dict[str, Tensor]) -> Tensor:
        """A solution's unknowns as a task asks for them, (sample, channel, *space)."""
        names = dict.fromkeys(channel.field for channel in self.chosen.spec.outputs)
        parts = [values[name][:, None] if self.times is None else values[name][:, 1:] for name in names]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


class Attempt:
    """A rung before it is timed."""

    def __init__(self, course: Course, start: Start, method: Method, tolerance: float | None):
        self.course, self.method, self.tolerance = course, method, tolerance
        self.grid, self.inputs, self.to_task = start
        self.name = rung_name(method.scheme, method.order, self.grid.shape, tolerance)
        self.system: Semidiscrete | None = None

    def try_out(self) -> None:
        """Solve all samples: error, steps, and roughly how long it takes. Raises OpbenchError where that fails."""
        whole, device = self.posed(self.course.count), self.course.device
        self.system = self._prepared(whole)
        found: list[tuple[Solution, Tensor]] = []
        factors = Factors(whole)
        seconds = rough(lambda: found.append(self.run(whole, factors)), device)
        solution, prediction = found[0]
        self.error = float(relative_l2(prediction, self.course.reference).mean())
        if not np.isfinite(self.error):
            raise OpbenchError("the answer is not finite")
        self.own_error = self._own_error(self.course.answer(solution.values))
        self.steps, self.words = solution.steps, solution.scheme
        one = self.posed(1)
        self.rough = {"alone": rough(lambda: self.run(one, factors), device), "batched": seconds / self.course.count}

    def posed(self, size: int, first: int = 0) -> Posed:
        inputs = self.inputs if first == 0 else {name: np.roll(v, -first, 0) for name, v in self.inputs.items()}
        return self.course.pose(self.grid, size, inputs)

    def run(self, posed: Posed, factors: Factors | None = None) -> tuple[Solution, Tensor]:
        """What is timed: from the inputs to the answer on the task's points."""
        solution = self.solve(posed, factors)
        return solution, self.to_task(self.course.answer(solution.values))

    def solve(self, posed: Posed, factors: Factors | None) -> Solution:
        course, pde = self.course, self.course.recipe.pde
        if self.method.scheme == "sparse_lu":
            assert isinstance(pde, SteadyPDE)
            value = solve_sparse(pde, self.grid, posed.given)
            return Solution({posed.unknowns[0].name: value}, 0, "central finite differences of order 2, scipy's sparse LU factors")
        tolerance = 1e-6 if self.tolerance is None else self.tolerance  # schemes for jumps have steps of their own
        if self.system is None:
            return compute(posed, course.times, tolerance, self.method.order, self.method.scheme, factors)
        assert course.times is not None
        assert posed.initial is not None
        with torch.no_grad():
            values, steps = evolve(self.system, posed.initial, course.times, tolerance)
        words = differences(posed, self.method.order, self.method.scheme)[2]
        return Solution({f.name: values[:, i].transpose(0, 1) for i, f in enumerate(posed.unknowns)}, steps, f"{words}, ETDRK4")

    def _prepared(self, posed: Posed) -> Semidiscrete | None:
        """The equation in Fourier space, where it is the same for every sample."""
        same = all(len(value) == 1 for value in posed.given.values())
        if not isinstance(posed.pde, EvolutionPDE) or isinstance(posed.pde, ConservationLaw) or not all(self.grid.periodic) or not same:
            return None
        d, _, _ = differences(posed, self.method.order, "spectral" if self.method.scheme == "spectral" else "finite_difference")
        try:
            return Semidiscrete(posed.pde, d, posed.given)  # pyright: ignore[reportArgumentType]  # on periodic axes it is Fourier
        except NotDiagonal:
            return None

    def _own_error(self, answer: Tensor) -> float | None:
        """At the points that both grids have."""
        try:
            reference = self.course.grid.restrict(self.course.reference, self.grid)
        except OpbenchError:
            return None
        return float(relative_l2(answer, reference).mean())

    def timings(self) -> tuple[Timing, Timing, int]:
        """Alone, batched, and the size of that batch."""
        count = min(ALONE, self.course.count)
        ones = [self.posed(1, first) for first in range(count)]
        factors = Factors(ones[0])

        def each_alone() -> None:
            for one in ones:
                self.run(one, factors)

        def batched(size: int) -> Callable[[], object]:
            posed = self.posed(size)
            return lambda: self.run(posed, factors)

        alone = timed(each_alone, self.course.device)
        full, size = fastest(batched, self.course.device, BATCHES)
        return alone.of(count), full.of(size), size

    def rung(self) -> Rung:
        """With its timings."""
        alone, batched, size = self.timings()
        return Rung(
            scheme=self.method.scheme,
            order=self.method.order,
            points=self.grid.shape,
            tolerance=self.tolerance,
            words=self.words,
            steps=self.steps,
            error=self.error,
            own_error=self.own_error,
            alone=alone.seconds,
            batched=batched.seconds,
            batch_size=size,
            noisy=alone.noisy or batched.noisy,
        )


def _tries(course: Course, report: Report | None) -> tuple[list[Attempt], dict[str, str]]:
    """Every rung that can be solved, with its error, and why the others cannot."""
    tries: list[Attempt] = []
    left_out: dict[str, str] = {}
    grids = course.grids()
    slow: set[Method] = set()
    for number, grid in enumerate(grids, 1):
        start = course.start(grid)
        for method in (method for method in course.methods() if method not in slow):
            best, answers = float("inf"), 0
            for tolerance in method.tolerances:
                attempt = Attempt(course, start, method, tolerance)
                try:
                    attempt.try_out()
                except OpbenchError as error:
                    left_out[attempt.name] = str(error)
                    continue
                if attempt.error == best:  # the very same answer, where stored times are closer than the steps that would do
                    continue
                tries.append(attempt)
                answers += 1
                if attempt.rough["batched"] * course.count > LONGEST:
                    slow.add(method)
                if attempt.error > GAIN * best or answers == ANSWERS:
                    break
                best = attempt.error
        if report is not None:
            report("solver ladder, errors", number, len(grids))
    if not tries:
        raise OpbenchError(f"{course.chosen.name}: no rung of the solver ladder was solved: {next(iter(left_out.values()))}")
    return tries, left_out


def _may_be_cheapest(attempt: Attempt, tries: Sequence[Attempt]) -> bool:
    """Whether no rung as accurate is much faster, by rough timings."""
    return any(
        all(other.error > ALIKE * attempt.error or NEAR * other.rough[way] > attempt.rough[way] for other in tries if other is not attempt)
        for way in ("alone", "batched")
    )


def generation_seconds(chosen: Problem, splits: Mapping[str, StoredSplit], device: str) -> tuple[float, str]:
    """What making the training and validation data costs on this machine, and how that is known.

    One block is solved again and timed, and counted as often as the files hold its time steps, or blocks where an equation is steady.
    """
    plan, size = chosen.plan, chosen.plan.recipe.solving.block
    steps = [step for name in ("train", "valid") for step in splits[name].stored.header.provenance["steps"]]
    with one_thread():
        seconds = rough(lambda: solve_block(plan, "train", 0, device), device)
    times = len(steps) if plan.times is None else sum(steps) / steps[0]
    words = f"a block of {size} training samples, solved again in {seconds:.3g} s, {times:.4g} times"
    return seconds * times, f"{words}, {'as many as there are blocks' if plan.times is None else 'by the time steps that the files record'}"

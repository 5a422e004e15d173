"""Conservation laws whose solutions may jump: conservative WENO finite differences, positive states, strong-stability-preserving steps.

    d u_i / dt = -(F_{i+1/2} - F_{i-1/2}) / h,    F = WENO of (f + a u) / 2 from the left and of (f - a u) / 2 from the right

The order (3 or 5) is that of smooth solutions, where in the end the steps' own fourth order shows. Where a solution jumps, errors fall
like h in the mean (L1) and like h^(1/2) in relative L2, a little more slowly at contacts, whatever the order. Steps are bound by stability,
so a tolerance means nothing here: how wrong an answer is shows on a finer grid.

Sources: Shu and Osher, J. Comput. Phys. 83 (1989), for conservative finite differences; Jiang and Shu, J. Comput. Phys. 126 (1996), for
the splitting wave by wave; Hu, Adams and Shu, J. Comput. Phys. 242 (2013), for positive fluxes; Ketcheson, SIAM J. Sci. Comput. 30
(2008), for the ten-stage fourth-order steps.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from opbench.errors import OpbenchError, SolverError
from opbench.pde import ConservationLaw
from opbench.solver.ghosts import Ghosts
from opbench.solver.posed import Posed
from opbench.solver.weno import floor, reach, windward

COURANT = 0.45  # of each of a step's ten Euler steps, summed over axes; linear stability ends at 0.51 (order 5) and 0.60 (order 3)
LARGEST = 0.5  # up to which Lax-Friedrichs fluxes keep states positive; signals may speed up within a step
EULER = 1 / 6  # of the step: the length of its Euler steps
VACUUM = 1e-13  # of its largest initial value: what a positive unknown never falls below
SHORTEST = 1e-4  # of the first step: an expansion into vacuum is at most 2 / (adiabatic_index - 1) times faster than sound


class Balance:
    """A conservation law on nodes; `conserved` quantities are (field, sample, *space), in the order of the unknowns."""

    def __init__(self, posed: Posed, order: int):
        assert isinstance(posed.pde, ConservationLaw)
        assert posed.initial is not None
        self.posed, self.pde, self.order = posed, posed.pde, order
        self.width = reach(order, posed.name)
        self.ghosts = Ghosts(posed, self.width)
        self.given = {axis: {key: self.ghosts.coefficient(value, axis) for key, value in posed.given.items()} for axis in posed.grid.axes}
        start = dict(zip(self.names, posed.initial.clone(), strict=True))
        self.ghosts.impose(start)
        self.initial = self.stack(self.pde.conserved(self._passed(start), posed.given))
        self.vacuum = {field.name: self._vacuum(field.name, start[field.name]) for field in posed.unknowns if field.positive}

    @property
    def names(self) -> list[str]:
        return [field.name for field in self.posed.unknowns]

    def _vacuum(self, name: str, initial: Tensor) -> Tensor:
        least = float(initial.min())
        if least <= 0:
            raise OpbenchError(f"{self.posed.name}: '{name}' must be positive, its smallest value is {least:.6g}; check the given field")
        return VACUUM * initial.amax(tuple(range(1, initial.ndim)), keepdim=True).movedim(1, 0)

    def _passed(self, state: Mapping[str, Tensor]) -> Any:
        return self.posed.unknown(list(state.values()))

    def stack(self, quantities: Any) -> Tensor:
        """Named quantities in the order of the unknowns, (field, ...)."""
        return torch.stack([quantities[name] for name in self.names]) if isinstance(quantities, Mapping) else quantities[None]

    def state(self, conserved: Tensor) -> dict[str, Tensor]:
        """The unknowns by name, (sample, *space), with their conditions at the ends."""
        state = self._state(conserved.clone() if self.ghosts.fixed else conserved, self.posed.given)
        self.ghosts.impose(state)
        return state

    def _state(self, conserved: Tensor, given: Mapping[str, Any]) -> dict[str, Tensor]:
        state = self.pde.state(self.posed.unknown(conserved), given)
        return {name: state[name] for name in self.names} if isinstance(state, Mapping) else {self.names[0]: state}

    def fastest(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The largest speed of a signal along each axis, (sample, 1, ..., 1)."""
        passed, space, grid = self._passed(state), tuple(range(1, self.posed.grid.dims + 1)), self.posed.grid
        speeds = {axis: self.pde.speed(passed, self.posed.given, axis) for axis in grid.axes}
        return {axis: speed.expand(self.posed.samples, *grid.shape).amax(space, keepdim=True) for axis, speed in speeds.items()}

    def signals(self, fastest: Mapping[str, Tensor]) -> Tensor:
        """Spacings that signals cross per unit of time, summed over axes, (sample, 1, ..., 1)."""
        spacing = zip(self.posed.grid.axes, self.posed.grid.spacing, strict=True)
        return torch.stack([fastest[axis] / h for axis, h in spacing]).sum(0)

    def euler(self, conserved: Tensor, step: float) -> tuple[Tensor, Tensor]:
        """One forward step, and its Courant number, the largest over samples."""
        state = self.state(conserved)
        fastest = self.fastest(state)
        courant = step * self.signals(fastest)
        rate = torch.zeros_like(conserved)
        for place, (axis, h) in enumerate(zip(self.posed.grid.axes, self.posed.grid.spacing, strict=True)):
            ends = (self.ghosts.first(entry, axis) for entry in (fastest[axis], courant))
            flux = self.flux(self.ghosts.extend(state, axis), axis, *ends)
            rate -= (flux.diff(dim=1) / h).movedim(1, place + 2)
        start = self.stack(self.pde.conserved(self._passed(state), self.posed.given)) if self.ghosts.fixed else conserved
        return start.add(rate, alpha=step), courant.max()

    def flux(self, state: Mapping[str, Tensor], axis: str, fastest: Tensor, courant: Tensor) -> Tensor:
        """Fluxes between the nodes of continued grid lines, (field, interface, sample, *rest)."""
        given, passed, left = self.given[axis], self._passed(state), self.width - 1
        conserved, carried = self.stack(self.pde.conserved(passed, given)), self.stack(self.pde.flux(passed, given, axis))
        count = conserved.shape[1] - 2 * self.width + 1
        before, after = slice(left, left + count), slice(left + 1, left + 1 + count)
        speed = self.pde.speed(passed, given, axis).expand(conserved.shape[1:])
        local = speed.unfold(0, count, 1).amax(0).movedim(-1, 0)  # over all nodes that an interface's stencil sees
        split, join = self.pde.waves(self.posed.unknown([(v[before] + v[after]) / 2 for v in state.values()]), given, axis)
        # differences across all places of each interface's stencil, (field, place, interface, sample, *rest)
        passing, present = (v.diff(dim=1).unfold(1, count, 1).movedim(-1, 2) for v in (carried, conserved))

        def blown(along: bool) -> tuple[Tensor, ...]:
            """What a wind along the axis, or against it, carries: differences of its waves, in its direction."""
            places, sign = (slice(None, -1), 1) if along else (slice(1, None), -1)
            change = torch.addcmul(passing[:, places], local, present[:, places], value=sign)
            return torch.stack(split(self.posed.unknown(change))).unbind(1)[::sign]

        winds = blown(True), blown(False)
        least = floor(winds[0][left], winds[1][left], self.order)
        mean = (carried[:, before] + carried[:, after]) / 2
        turn = windward(winds[0], least) - windward(winds[1], least)
        flux = mean.sub(self.stack(join(list(turn))), alpha=1 / 12)
        if not self.vacuum:
            return flux
        diffusive = mean - fastest * (conserved[:, after] - conserved[:, before]) / 2
        return self._positive(flux, diffusive, conserved[:, before], conserved[:, after], 2 * courant / fastest, given)

    def _positive(self, flux: Tensor, diffusive: Tensor, before: Tensor, after: Tensor, ratio: Tensor, given: Mapping[str, Any]) -> Tensor:
        """Fluxes drawn towards `diffusive` (Lax and Friedrichs') where they would leave a node with an unknown below vacuum.

        A node's new value is a mean of what each of its interfaces would make of it alone, with `ratio` for step over spacing. Positive
        unknowns are concave functions of the conserved quantities, each where those named before it are positive.
        """

        def sides(flux: Tensor) -> list[dict[str, Tensor]]:
            passed = ratio * flux
            return [self._state(before - passed, given), self._state(after + passed, given)]

        if all(bool((side[name] >= vacuum).all()) for side in sides(flux) for name, vacuum in self.vacuum.items()):
            return flux
        safe = sides(diffusive)
        for name, vacuum in self.vacuum.items():
            for here, there in zip(sides(flux), safe, strict=True):
                share = ((there[name] - vacuum) / (there[name] - here[name])).clamp(0, 1)
                flux = torch.where(here[name] < vacuum, diffusive + share * (flux - diffusive), flux)
        return flux


def conserve(balance: Balance, times: Sequence[float], courant: float = COURANT) -> tuple[Tensor, int]:
    """Values of the unknowns (time, field, sample, *space) at `times` (the first is the initial state's) and the number of steps taken.

    courant: of each Euler step; all samples take the step of the one with the fastest signals.
    Raises SolverError where signals run away.
    """
    conserved, steps, shortest = balance.initial, 0, 0.0
    values = [balance.stack(balance.state(conserved))]
    for start, stop in itertools.pairwise(times):
        time = start
        while time < stop:
            signals = float(balance.signals(balance.fastest(balance.state(conserved))).max())
            step = min(stop - time, courant / (EULER * signals)) if signals > 0 else stop - time
            shortest = shortest or SHORTEST * step
            while True:
                count = math.ceil((stop - time) / step * (1 - 1e-9)) if step > shortest else 0
                if not count:
                    raise SolverError(
                        f"{balance.posed.name}: signals run away at t = {time:.6g}; check the given fields and the conditions at the ends, "
                        "lower the order, or refine the grid"
                    )
                new, met = _step(balance, conserved, (stop - time) / count)
                if met <= LARGEST:  # a NaN is refused
                    break
                step *= max(0.1, courant / met)  # 0.1 for a NaN
            conserved, steps = new, steps + 1
            time = stop if count == 1 else time + (stop - time) / count
        values.append(balance.stack(balance.state(conserved)))
    return torch.stack(values), steps


def _step(balance: Balance, conserved: Tensor, step: float) -> tuple[Tensor, float]:
    """Ten Euler steps and their means: fourth order, and what holds after every Euler step holds after all; the largest Courant number."""
    largest, state = torch.zeros((), dtype=torch.float64, device=conserved.device), conserved

    def forward(state: Tensor) -> Tensor:
        nonlocal largest
        state, courant = balance.euler(state, EULER * step)
        largest = torch.maximum(largest, courant)
        return state

    for _ in range(5):
        state = forward(state)
    kept = conserved / 25 + 9 / 25 * state
    state = 0.6 * conserved + 0.4 * state
    for _ in range(4):
        state = forward(state)
    return kept + 0.6 * forward(state), float(largest)

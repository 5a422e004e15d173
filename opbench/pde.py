"""An equation: a function of the unknown, the given fields, and something that differentiates."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from opbench.derivatives import Derivatives
from opbench.field import Field

Given = Mapping[str, Any]  # coefficient fields and parameters by name, each broadcastable to (sample, *space)


class PDE(ABC):
    """What every equation says of itself.

    inputs: coefficient fields and parameters; outputs: the unknowns. A sole unknown is passed as it is, several as a mapping by name.
    """

    dims: ClassVar[tuple[int, ...]]
    inputs: ClassVar[tuple[Field, ...]]
    outputs: ClassVar[tuple[Field, ...]]

    def inputs_on(self, axes: Sequence[str]) -> tuple[Field, ...]:
        """The inputs that a grid with these axes has: vectors have a component an axis."""
        return _on(self.inputs, axes)

    def outputs_on(self, axes: Sequence[str]) -> tuple[Field, ...]:
        """The unknowns that a grid with these axes has."""
        return _on(self.outputs, axes)


class SteadyPDE(PDE):
    """residual(unknown) = 0; several unknowns have one residual each, under the unknowns' names."""

    @abstractmethod
    def residual(self, unknown: Any, /, given: Given, d: Derivatives) -> Any:
        """What vanishes at a solution, (sample, *space)."""


class EvolutionPDE(PDE):
    """d unknown / dt = rate(unknown) = linear(unknown) + nonlinear(unknown).

    Where the coefficients of `linear` are constant in space the solver exponentiates it exactly; elsewhere it treats the whole rate alike.
    Either part may be zero. The unknowns' initial values are given under their own names.
    dissipative: whether something damps the finest waves, as diffusion does. One-sided differences of order 6 and 8 at the ends of an axis
    feed them (a wave of speed c grows like exp(0.3 c t / h)), so that where nothing does the ends are reflected, or the order is 2; or 4
    if asked for, which coefficients that are rough on the grid make unstable too.
    """

    dissipative: ClassVar[bool] = True

    def linear(self, unknown: Any, /, given: Given, d: Derivatives) -> Any:
        return _zero(unknown)

    def nonlinear(self, unknown: Any, /, given: Given, d: Derivatives) -> Any:
        return _zero(unknown)

    def undamped(self, given: Given) -> "ConservationLaw | None":
        """The law that these values leave, where nothing keeps its solutions from jumping; None where something does."""
        return None

    def rate(self, unknown: Any, /, given: Given, d: Derivatives) -> Any:
        """The time derivative of the unknown, (sample, *space)."""
        linear, nonlinear = self.linear(unknown, given, d), self.nonlinear(unknown, given, d)
        return {name: linear[name] + nonlinear[name] for name in linear} if isinstance(linear, Mapping) else linear + nonlinear


class ConservationLaw(EvolutionPDE):
    """d conserved(state) / dt + sum over axes of d flux(state, axis) / d axis = 0, whose solutions may jump.

    The unknowns are the state that people measure (density, velocity, pressure); `conserved` and `state` lead to the conserved quantities
    and back. Unknowns that are marked `positive` stay so.
    """

    def undamped(self, given: Given) -> "ConservationLaw":
        return self

    @abstractmethod
    def flux(self, state: Any, /, given: Given, axis: str) -> Any:
        """The flux of each conserved quantity along `axis`."""

    @abstractmethod
    def speed(self, state: Any, /, given: Given, axis: str) -> Any:
        """The largest speed of a signal along `axis`, (sample, *space)."""

    def conserved(self, state: Any, /, given: Given) -> Any:
        return state

    def state(self, conserved: Any, /, given: Given) -> Any:
        return conserved

    def waves(self, state: Any, /, given: Given, axis: str) -> tuple[Callable[[Any], list[Any]], Callable[[list[Any]], Any]]:
        """Two linear functions: a small change of the conserved quantities at `state` -> its waves along `axis`, and back.

        Waves are what travels with one speed (eigenvectors of the flux' derivative). By default each quantity is taken for a wave of its
        own, which is exact for a single one; schemes that go by such waves oscillate a little where several meet at a strong shock.
        """
        if isinstance(state, Mapping):
            return (lambda change: [change[name] for name in state]), (lambda waves: dict(zip(state, waves, strict=True)))
        return (lambda change: [change]), (lambda waves: waves[0])

    def rate(self, unknown: Any, /, given: Given, d: Derivatives) -> Any:
        """The time derivative of conserved(unknown), where it is smooth."""
        total: Any = None
        for axis in d.axes:
            flux = self.flux(unknown, given, axis)
            if isinstance(flux, Mapping):
                share = {name: -d.partial(value, axis) for name, value in flux.items()}
                total = share if total is None else {name: total[name] + share[name] for name in share}
            else:
                total = -d.partial(flux, axis) if total is None else total - d.partial(flux, axis)
        return total


def parts(made: Any, unknowns: Sequence[str]) -> list[Any]:
    """What an equation made of its unknowns, in their order."""
    return [made[name] for name in unknowns] if len(unknowns) > 1 else [made]


def _on(fields: Sequence[Field], axes: Sequence[str]) -> tuple[Field, ...]:
    return tuple(field for field in fields if field.along is None or field.along in axes)


def _zero(unknown: Any) -> Any:
    return {name: 0.0 * value for name, value in unknown.items()} if isinstance(unknown, Mapping) else 0.0 * unknown

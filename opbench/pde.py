"""An equation: a function of the unknown, the given fields, and something that differentiates."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
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


class SteadyPDE(PDE):
    """residual(unknown) = 0."""

    @abstractmethod
    def residual(self, unknown: Any, /, given: Given, d: Derivatives) -> Any:
        """What vanishes at a solution, (sample, *space)."""


class EvolutionPDE(PDE):
    """d unknown / dt = rate(unknown) = linear(unknown) + nonlinear(unknown).

    `linear` has coefficients that are constant in space and time, and couples no two unknowns; it may be zero, and so may `nonlinear`.
    The unknowns' initial values are given under their own names.
    """

    def linear(self, unknown: Any, /, given: Given, d: Derivatives) -> Any:
        return _zero(unknown)

    def nonlinear(self, unknown: Any, /, given: Given, d: Derivatives) -> Any:
        return _zero(unknown)

    def rate(self, unknown: Any, /, given: Given, d: Derivatives) -> Any:
        """The time derivative of the unknown, (sample, *space)."""
        linear, nonlinear = self.linear(unknown, given, d), self.nonlinear(unknown, given, d)
        return {name: linear[name] + nonlinear[name] for name in linear} if isinstance(linear, Mapping) else linear + nonlinear


def _zero(unknown: Any) -> Any:
    return {name: 0.0 * value for name, value in unknown.items()} if isinstance(unknown, Mapping) else 0.0 * unknown

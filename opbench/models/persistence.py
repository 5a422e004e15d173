"""Persistence: the future is the present, u(t) = u(t_last given)."""

from dataclasses import dataclass

from torch import Tensor

from opbench.errors import ModelError
from opbench.model import Channel, OperatorModel, Spec


class Persistence(OperatorModel):
    """Each asked channel repeats the latest given channel of the same field, in physical units.

    Raises ModelError where a field is asked for that is not given.
    """

    physical = True

    @dataclass(frozen=True)
    class Config:
        pass

    def __init__(self, spec: Spec, config: Config):
        super().__init__(spec, config)
        self.source = [_latest(channel.field, spec.inputs) for channel in spec.outputs]

    def forward(self, given: Tensor, coords: Tensor) -> Tensor:
        return given[:, self.source]


def _latest(field: str, inputs: tuple[Channel, ...]) -> int:
    """The index of the input channel of `field` with the greatest time; one without a time comes before all others."""
    times = {index: float("-inf") if c.time is None else c.time for index, c in enumerate(inputs) if c.field == field}
    if not times:
        given = ", ".join(dict.fromkeys(c.field for c in inputs))
        raise ModelError(f"persistence: expected '{field}' among the given fields, got {given}; leave persistence out of this task")
    return max(times, key=times.__getitem__)

"""What every dataset says of itself, whoever made it: its domain, its tasks and the budget of each."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import Field

from opbench.config import Frozen, Name
from opbench.grid import Grid

SPLITS = ("train", "valid", "test", "ood", "finer")
REQUIRED = SPLITS[:3]
SCALES = ("mini", "full")
SplitName = Annotated[str, Field(pattern=f"^({'|'.join(SPLITS)})$")]
Kind = Literal["static", "final", "trajectory", "step"]
Count = Annotated[int, Field(gt=0)]


class Task(Frozen):
    """What is given, what is asked, and the budget that every model gets.

    static: coefficients -> solution. final: initial state -> state at the last stored time. trajectory: initial state -> all later
    stored times. step: state -> state at the next stored time.
    version: raised by any change that moves a number.
    """

    kind: Kind
    version: Count
    epochs: dict[str, Count]
    batch_size: Count

    def budget_faults(self, scales: Iterable[str]) -> Iterator[str]:
        """What is wrong with the budget of a dataset that has these scales."""
        if set(self.epochs) != set(scales):
            yield f"tasks: {self.kind}: epochs must name the scales {', '.join(scales)}, got {', '.join(self.epochs) or 'none'}"


class Domain(Frozen):
    axes: tuple[str, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    periodic: tuple[bool, ...]

    def grid(self, points: tuple[int, ...]) -> Grid:
        return Grid(self.axes, points, self.lower, self.upper, self.periodic)


class Common(Frozen):
    """What every dataset says: `source` names the published benchmark and what had to be chosen."""

    name: Name
    version: Count
    summary: str
    source: str
    domain: Domain
    tasks: tuple[Task, ...] = Field(min_length=1)

"""What every dataset says of itself, whoever made it: its domain, its tasks and the budget of each."""

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Literal

from pydantic import Field, field_validator

from opbench.config import TAKEN, Frozen, Name
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


class Named(Frozen):
    name: Name

    @field_validator("name")
    @classmethod
    def _free(cls, name: str) -> str:
        if name.casefold() in TAKEN:
            raise ValueError(f"'{name}' is the leaderboards' own page; rename the recipe")
        return name


class Common(Named):
    """What every dataset says: `source` names the published benchmark and what had to be chosen."""

    version: Count
    summary: str
    source: str
    domain: Domain
    tasks: tuple[Task, ...] = Field(min_length=1)

    def task_faults(self, scales: Iterable[str], fits: Callable[[Kind], str]) -> Iterator[str]:
        """What is wrong with the tasks of a dataset that has these scales; fits: why a kind does not, or an empty string."""
        for task in self.tasks:
            yield from task.budget_faults(scales)
            if [t.kind for t in self.tasks].count(task.kind) > 1:
                yield f"tasks: '{task.kind}' is declared more than once"
            if why := fits(task.kind):
                yield f"tasks: '{task.kind}' does not fit {why}"

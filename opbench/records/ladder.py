"""What our own solver costs at every accuracy, on one task and machine; and the solve that errs no more than a model.

A ladder is no model's: it is measured once for a task, scale, state of the data and machine, and kept in a file of its own.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from opbench import find
from opbench.atomic import write_bytes
from opbench.config import Frozen, Sha256, fingerprint, read_json, validate_json
from opbench.errors import ConfigError, DataError, OpbenchError
from opbench.records.record import (
    Clock,
    Cost,
    Count,
    Date,
    Error,
    Label,
    Machine,
    Match,
    Matched,
    Positive,
    Scale,
    Scheme,
    Spread,
    Way,
    rung_name,
)

VERSION = 1  # raised by any change of the solver or of the measurement that moves a ladder's seconds or errors


class Rung(Frozen):
    """One way to solve the task.

    scheme, order, tolerance: as in `opbench.solve`, or "sparse_lu" (scipy's factors); words: what the solver says of itself.
    error: mean relative L2 over samples on the task's own points and times, as a model's; own_error: at those of them that are points of
    this grid too, where nothing is interpolated; null where there are none.
    alone: seconds of one solve; batched: of a sample in batches of batch_size, that which solves most; noisy: as in a record's cost.
    """

    scheme: Scheme
    order: Count | None
    points: tuple[Count, ...]
    tolerance: Positive | None
    words: str
    steps: Count
    error: Error
    own_error: Error | None
    alone: Spread
    batched: Spread
    batch_size: Count
    noisy: bool

    @property
    def name(self) -> str:
        return rung_name(self.scheme, self.order, self.points, self.tolerance)

    def seconds(self, way: Way) -> float:
        """Of a sample."""
        return self.spread(way).median

    def spread(self, way: Way) -> Spread:
        return self.alone if way == "alone" else self.batched


class Ladder(Frozen):
    """Rungs, those that another beats in accuracy and in both seconds left out.

    interpolation: how a rung's answer gets to the task's points. samples: of the test split, that errors are means over.
    left_out: rungs that could not be solved, and why. generation_seconds: of the training and validation data; generation: how it is known.
    clock: as in a record's cost.
    """

    schema_version: Literal[1] = 1
    version: int = VERSION
    date: Date
    task: Label
    task_version: Count
    scale: Scale
    data_fingerprint: Sha256
    machine: Machine
    clock: Clock
    samples: Count
    interpolation: str
    rungs: tuple[Rung, ...]
    left_out: dict[str, str]
    generation_seconds: Error
    generation: str
    opbench: str
    commit: str | None
    versions: dict[str, str | None]

    @property
    def noisy(self) -> bool:
        return any(rung.noisy for rung in self.rungs)

    @property
    def fingerprint(self) -> str:
        """Equal for ladders that may stand for each other."""
        return identity(self.task, self.task_version, self.scale, self.data_fingerprint, self.machine, self.version)

    def cheapest(self, error: float, way: Way) -> Rung | None:
        """The rung that costs least among those that err no more; None where all err more.

        Of those that the timings do not tell from the fastest (a lower quartile at its median or below), the cheapest the other way.
        """
        fitting = [rung for rung in self.rungs if rung.error <= error]
        if not fitting:
            return None
        least = min(rung.seconds(way) for rung in fitting)
        other: Way = "batched" if way == "alone" else "alone"
        return min((rung for rung in fitting if rung.spread(way).lower <= least), key=lambda rung: rung.seconds(other))

    def front(self, way: Way) -> list[Rung]:
        """The rungs that no other beats in both error and seconds, the fastest first; each next one errs less by a hundredth at least."""
        kept: list[Rung] = []
        for rung in sorted(self.rungs, key=lambda rung: (rung.seconds(way), rung.error)):
            if not kept or rung.error < 0.99 * kept[-1].error:
                kept.append(rung)
        return kept


def identity(task: str, task_version: int, scale: str, data_fingerprint: str, machine: Machine, version: int = VERSION) -> str:
    """What a ladder holds for."""
    return fingerprint([version, task, task_version, scale, data_fingerprint, machine])


def matched(ladder: Ladder, error: float, cost: Cost, training_seconds: float) -> Matched:
    """The ladder's solves that err no more than a model of this error and cost."""

    rungs: dict[Way, Rung | None] = {"alone": ladder.cheapest(error, "alone"), "batched": ladder.cheapest(error, "batched")}

    def match(way: Way) -> Match | None:
        rung = rungs[way]
        if rung is None:
            return None
        solver, model = rung.seconds(way), cost.seconds(way)
        return Match(
            scheme=rung.scheme,
            order=rung.order,
            points=rung.points,
            tolerance=rung.tolerance,
            error=rung.error,
            seconds=solver,
            ratio=solver / model,
            break_even=break_even(training_seconds + ladder.generation_seconds, model, solver),
        )

    return Matched(
        error=error,
        alone=match("alone"),
        batched=match("batched"),
        training_seconds=training_seconds,
        generation_seconds=ladder.generation_seconds,
        ladder=ladder.fingerprint,
        noisy=cost.noisy or any(rung.noisy for rung in rungs.values() if rung),
    )


def break_even(invested: float, model: float, solver: float) -> float | None:
    """The N with invested + N model = N solver, all in seconds; None where the solver is no slower, so that it never comes."""
    return invested / (solver - model) if solver > model else None


def path_of(ladder_identity: str, task: str, scale: str, folder: Path) -> Path:
    """folder/<dataset>/<task>-<scale>-<fingerprint>.json."""
    dataset, _, kind = task.partition("/")
    return folder / dataset / f"{kind}-{scale}-{ladder_identity[:12]}.json"


def save(ladder: Ladder, folder: Path) -> Path:
    """Write a ladder below `folder`, in place of an earlier one of the same identity."""
    path = path_of(ladder.fingerprint, ladder.task, ladder.scale, folder)
    write_bytes(path, (json.dumps(ladder.model_dump(mode="json"), allow_nan=False, indent=1) + "\n").encode())
    return path


def shipped() -> Path:
    """Where the ladders that come with opbench lie."""
    return find.shipped("solvers", "leaderboards/solvers")


def stored(*folders: Path) -> tuple[list[Ladder], list[OpbenchError]]:
    """The ladders of today's version below the folders, oldest first, and what is wrong with each of the other files."""
    found, faults = [], []
    for path in sorted({path for folder in folders for path in folder.resolve().glob("*/*.json")}):
        try:
            text, _ = read_json(path, "solver ladder")
            found.append(validate_json(Ladder, text, str(path)))
        except (ConfigError, DataError) as error:
            faults.append(error)
    return sorted((ladder for ladder in found if ladder.version == VERSION), key=lambda ladder: ladder.date), faults


def read_ladders(*folders: Path) -> list[Ladder]:
    """Those of `stored`; raises its first fault."""
    found, faults = stored(*folders)
    if faults:
        raise faults[0]
    return found


def ladder_for(ladders: Iterable[Ladder], wanted: str) -> Ladder | None:
    """The newest ladder of that identity."""
    fitting = [ladder for ladder in ladders if ladder.fingerprint == wanted]
    return fitting[-1] if fitting else None

"""What a file in datasets/ means: an equation with random inputs that is solved, or foreign arrays that are read."""

import math
import tomllib
from collections.abc import Iterator
from functools import cached_property, reduce
from numbers import Real
from operator import or_
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from opbench.boundary import Condition, conditions, named, resolve
from opbench.config import Frozen, fingerprint, load_toml
from opbench.data.dataset import REQUIRED, SCALES, Common, Count, SplitName
from opbench.data.foreign import Foreign
from opbench.errors import ConfigError, OpbenchError
from opbench.field import Field as Quantity
from opbench.find import find, known, names, shipped
from opbench.grid import AXES, Grid
from opbench.pde import PDE, EvolutionPDE
from opbench.samplers import Sampler

DATA_VERSION = 1  # raised by any change of the code that moves a number in generated files
AnySampler = Annotated[reduce(or_, (find("samplers", name, Sampler) for name in names("samplers"))), Field(discriminator="sampler")]


def _side(value: Any) -> str:
    return "by unknown" if isinstance(value, dict) and "kind" not in value else "condition"


def _sides(value: Any) -> str:
    return "(lower, upper)" if isinstance(value, (list, tuple)) else "both ends"


# told apart by their form, so that a fault is told of the form that was meant and not of all
Side = Annotated[Annotated[Condition, Tag("condition")] | Annotated[dict[str, Condition], Tag("by unknown")], Discriminator(_side)]
Sides = Annotated[Annotated[Side, Tag("both ends")] | Annotated[tuple[Side, Side], Tag("(lower, upper)")], Discriminator(_sides)]


class Solving(Frozen):
    """How the reference solver runs.

    block: samples solved together, always whole and aligned by index, so that a sample never depends on how many are made.
    """

    tolerance: float = Field(gt=0, lt=1)
    order: Literal[2, 3, 4, 5, 6, 8]
    block: Count


class Scale(Frozen):
    """points: stored, per axis; refine: the solve grid has that many times the cells; frames: stored times, the initial one included."""

    points: tuple[Count, ...]
    refine: Count
    final: float | None = Field(default=None, gt=0)
    frames: int | None = Field(default=None, gt=1)
    samples: dict[SplitName, Count]


class Recipe(Common):
    """A dataset that the reference solver makes. `ood` replaces some of `given` in the split of that name.

    boundary: what holds at the ends of bounded axes, as in opbench.boundary; conditions are tables, { kind = "dirichlet", value = 1.0 }.
    """

    equation: str
    seed: int = Field(ge=0)
    boundary: dict[str, Sides] = Field(default_factory=dict)
    given: dict[str, AnySampler]
    ood: dict[str, AnySampler] = Field(default_factory=dict)
    solving: Solving
    scales: dict[str, Scale]

    @cached_property
    def pde(self) -> PDE:
        return find("pdes", self.equation, PDE)()

    @property
    def evolves(self) -> bool:
        return isinstance(self.pde, EvolutionPDE)

    @property
    def unknowns(self) -> tuple[Quantity, ...]:
        return self.pde.outputs_on(self.domain.axes)

    @property
    def fields(self) -> tuple[Quantity, ...]:
        """What is drawn for a sample, or has a default: initial states, coefficients and parameters."""
        return (*(self.unknowns if self.evolves else ()), *self.pde.inputs_on(self.domain.axes))

    @property
    def conditions(self):
        """The boundary, axis by axis and unknown by unknown."""
        return resolve(self.boundary, self.domain.grid(tuple(9 for _ in self.domain.axes)), self.unknowns, self.equation)

    @model_validator(mode="after")
    def _fits_together(self):
        try:
            known("equation", self.equation, names("pdes"))
            fields = {field.name: field for field in self.fields}
            at_ends = named(self.conditions) if self.boundary else set()
            for name in (*self.given, *self.ood):
                known(f"field of {self.equation}", name, {*fields, *at_ends})
        except OpbenchError as error:
            raise ValueError(str(error)) from error
        missing = [name for name, field in fields.items() if field.default is None and name not in self.given]
        missing += sorted(at_ends - set(self.given))
        if missing:
            raise ValueError(f"given: {', '.join(missing)} must be sampled for {self.equation}")
        faults = [*self._faults(), *(fault for key, scale in self.scales.items() for fault in self._scale_faults(f"scales.{key}", scale))]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        for scale in self.scales:
            if scale not in SCALES:
                yield f"scales: expected {' or '.join(SCALES)}, got {scale!r:.60}"
        if len(self.domain.axes) not in self.pde.dims:
            yield f"domain.axes: {self.equation} takes {' or '.join(map(str, self.pde.dims))} axes, got {len(self.domain.axes)}"
        if self.domain.axes != AXES[: len(self.domain.axes)]:
            yield f"domain.axes: expected {AXES[: len(self.domain.axes)]}, got {self.domain.axes}"
        if self.evolves and not all(self.domain.periodic) and not self.boundary:
            yield "boundary: an axis is bounded; say what holds at its ends"
        for axis, unknown, _, condition in conditions(self.conditions) if self.boundary else ():
            value = getattr(condition, "value", 0.0)
            if not isinstance(value, str) and not (isinstance(value, Real) and math.isfinite(value)):
                yield f"boundary.{axis}: the value of {unknown} must be a number or the name of an entry of given, got {value!r:.60}"
        for name, law in self.given.items():
            if law.random and name not in [field.name for field in self.fields]:
                yield f"given.{name}: is random and only at an end, so no model is told of it; fix it, or vary a field of {self.equation}"
        for name in self.ood:
            if name not in [field.name for field in self.unknowns] and not (name in self.given and self.given[name].random):
                yield f"ood.{name}: does not vary in training, so no model is told of it; shift something that does"
        unfit = f"{self.equation}, which {'evolves' if self.evolves else 'is steady'}"
        yield from self.task_faults(self.scales, lambda kind: unfit if (kind == "static") == self.evolves else "")

    def _scale_faults(self, place: str, scale: Scale) -> Iterator[str]:
        if len(scale.points) != len(self.domain.axes):
            yield f"{place}.points: one entry an axis, got {len(scale.points)} for {len(self.domain.axes)} axes"
        if self.evolves != (scale.frames is not None and scale.final is not None):
            yield f"{place}: final and frames are {'required: the equation evolves' if self.evolves else 'for evolution only'}"
        for split in REQUIRED:
            if split not in scale.samples:
                yield f"{place}.samples: {split} is required"
        if "ood" in scale.samples and not self.ood:
            yield f"{place}.samples.ood: no shifted law is declared under [ood]; declare one, or leave the split out"
        if scale.samples.get("finer", 0) > scale.samples.get("test", 0):
            yield f"{place}.samples.finer: these are the test samples on a finer grid, of which there are fewer"
        if "finer" in scale.samples and scale.refine % 2:
            yield f"{place}.refine: must be even, so that the finer split's grid is part of the solve grid"


AnyRecipe = Recipe | Foreign


def folder() -> Path:
    """Where the recipes that come with opbench lie."""
    return shipped("datasets", "datasets")


def datasets() -> list[str]:
    """Names of the recipes that come with opbench."""
    return sorted(path.stem for path in folder().glob("*.toml"))


def load_recipe(dataset: str) -> AnyRecipe:
    """The recipe of a dataset: a name that `opbench list` shows, or the path of a .toml file.

    Raises UnknownName, and ConfigError with all faults and their paths.
    """
    path = Path(dataset) if dataset.endswith(".toml") else folder() / f"{known('dataset', dataset, datasets())}.toml"
    if not path.is_file():
        raise ConfigError(f"{path}: no such recipe; give a dataset's name or the path of a .toml file")
    try:
        foreign = "reader" in tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        foreign = False  # load_toml tells what is wrong
    recipe = load_toml(path, Foreign).placed(path.parent) if foreign else load_toml(path, Recipe)
    if recipe.name != path.stem:
        raise ConfigError(f"{path}: name: expected '{path.stem}', the file's own name, got '{recipe.name}'")
    return recipe


class Plan(Frozen):
    """A recipe at one scale with the user's changes: everything that decides the numbers in its files."""

    recipe: Recipe
    scale: str
    seed: int
    points: tuple[Count, ...]
    samples: dict[SplitName, Count]

    @property
    def settings(self) -> Scale:
        return self.recipe.scales[self.scale]

    @cached_property
    def grid(self) -> Grid:
        """The stored grid."""
        return self.recipe.domain.grid(self.points)

    @cached_property
    def solve_grid(self) -> Grid:
        return self.grid.refine(self.settings.refine)

    @property
    def times(self) -> tuple[float, ...] | None:
        """Stored times; None for steady problems."""
        if self.settings.frames is None or self.settings.final is None:
            return None
        return tuple(self.settings.final * k / (self.settings.frames - 1) for k in range(self.settings.frames))

    @cached_property
    def fingerprint(self) -> str:
        """Equal exactly where all generated numbers are, up to rounding on another machine."""
        decisive = {"name", "version", "domain", "equation", "given", "ood", "solving"} | ({"boundary"} if self.recipe.boundary else set())
        content: dict[str, Any] = self.recipe.model_dump(mode="json", include=decisive)
        decided = {"settings": self.settings.model_dump(mode="json", exclude={"points", "samples"}), "data_version": DATA_VERSION}
        return fingerprint(content | decided | {"seed": self.seed, "points": self.points, "samples": self.samples})

    @property
    def folder(self) -> str:
        """dataset/scale, with the user's changes in the name, so that no two plans share files."""
        default = plan(self.recipe, self.scale)
        changes = [f"-n{self.samples['train']}"] if self.samples != default.samples else []
        changes += [f"-grid{'x'.join(map(str, self.points))}"] if self.points != default.points else []
        changes += [f"-seed{self.seed}"] if self.seed != default.seed else []
        return f"{self.recipe.name}/{self.scale}{''.join(changes)}"


def plan(recipe: Recipe, scale: str, samples: int | None = None, grid: int | None = None, seed: int | None = None) -> Plan:
    """A recipe's plan. samples: of the training split (the others keep theirs, at most as many); grid: stored points on every axis.

    Raises UnknownName for a scale that the recipe lacks, ConfigError for a number that cannot be.
    """
    for name, value, least in (("samples", samples, 1), ("grid", grid, 4), ("seed", seed, 0)):
        if value is not None and not (isinstance(value, int) and value >= least):
            raise ConfigError(f"{recipe.name}: {name}: expected a whole number, {least} or more, got {value!r}")
    settings = recipe.scales[known(f"scale of {recipe.name}", scale, recipe.scales)]
    counts = (
        settings.samples
        if samples is None
        else {split: min(n, samples) if split != "train" else samples for split, n in settings.samples.items()}
    )
    points = settings.points if grid is None else tuple(grid for _ in settings.points)
    return Plan(recipe=recipe, scale=scale, seed=recipe.seed if seed is None else seed, points=points, samples=counts)

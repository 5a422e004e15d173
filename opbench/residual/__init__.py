"""What a task's own equation leaves of a model's output."""

import torch

from opbench.boundary import conditions
from opbench.data.recipe import Recipe
from opbench.data.samples import draw, laws
from opbench.data.task import Problem
from opbench.errors import ConfigError
from opbench.grid import Grid
from opbench.residual.integrals import exact_in_time
from opbench.residual.norms import Norm
from opbench.residual.strong import Differences, Strong
from opbench.solver import Posed, pose


def unfit(chosen: Problem) -> str:
    """Why a task's equation makes nothing of a model's output, or an empty string."""
    if not isinstance(chosen.recipe, Recipe):
        return f"{chosen.name} comes without an equation; train on data"
    if chosen.task.kind == "final" and not (exact_in_time(chosen.recipe.pde) and all(chosen.recipe.domain.periodic)):
        others = [task.kind for task in chosen.recipe.tasks if task.kind != "final"]
        advice = f"take {chosen.recipe.name}/{others[0]}" if others else "train on data"
        return f"{chosen.name} asks for the last state alone, and the equation ties neighbouring ones; {advice}"
    return ""


class Residual(Strong):
    """A task's equation on one grid, that of its training data unless another is given; see Strong.

    Raises ConfigError where the task is `unfit`, the norm or the derivatives.
    """

    def __init__(
        self,
        chosen: Problem,
        grid: Grid | None = None,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        norm: Norm = "auto",
        derivatives: Differences = "stencils",
    ):
        if reason := unfit(chosen):
            raise ConfigError(reason)
        assert isinstance(chosen.recipe, Recipe)
        posed = _posed(chosen, chosen.spec.grid if grid is None else grid, device)
        channels = [channel.field for channel in chosen.spec.inputs]
        super().__init__(chosen.name, posed, channels, chosen.levels, chosen.recipe.solving.order, dtype, norm, derivatives)


def _posed(chosen: Problem, grid: Grid, device: str) -> Posed:
    """The problem of one training sample: what is not told to a model is the same in all of them."""
    assert isinstance(chosen.recipe, Recipe)
    given, fields = {}, {field.name for field in chosen.recipe.fields}
    for name, values in draw(chosen.plan, "train", range(1), grid).items():
        drawn = values[0] if name in fields else values  # what an end takes its part of is told from a row of samples by their axis
        given[name] = drawn if values.ndim > 1 else float(values[0])
    for _, unknown, _, condition in conditions(chosen.recipe.conditions) if chosen.recipe.boundary else ():
        if isinstance(value := getattr(condition, "value", None), str) and laws(chosen.plan, "train")[value].random:
            raise ConfigError(f"{chosen.name}: the value of {unknown} at an end is random; the physics loss takes fixed ones so far")
    return pose(chosen.recipe.pde, grid, given, chosen.recipe.boundary or None, device)[0]

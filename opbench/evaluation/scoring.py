"""A trained model on a task's splits: every metric of every sample, roll-outs of a step, and what could not be scored."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from opbench.data.task import Problem, Split
from opbench.errors import ModelError, OpbenchError
from opbench.evaluation.rollout import measured, roll_out
from opbench.evaluation.variations import noisy, restricted
from opbench.grid import Grid
from opbench.metrics import crmse, rmse, versions
from opbench.model import Normalized, Samples, Spec
from opbench.records.record import finite
from opbench.residual import Residual, unfit
from opbench.train import predict

STORED = ("test", "ood", "finer")
HEADLINE = "relative_l2"  # the metric of the tables, kept of every sample of every split
COARSER = 2  # times the spacing of the test grid
NOISE = {"noise_1": 0.01, "noise_5": 0.05}  # parts of each field's own size
CONSERVED = 5e-3  # of a field's size: totals of our data move by 2e-3 at most where the equation holds them, else by 4e-2 or more


def scores(chosen: Problem, network: Normalized, splits: Mapping[str, Split], place: str, batch_size: int) -> dict[str, Any]:
    """The record's fields of accuracy; a split on another grid than the training's is scored where the model runs there.

    A sample of a step task is a trajectory: its values are means over the steps.
    """
    told: dict[str, Any] = {name: {} for name in ("scores", "per_sample", "not_scored", "physics_floor", "rollouts")}
    held: list[int] = []
    for name, samples, grid in _cases(splits, place, told["not_scored"]):
        reason = network.model.one_resolution
        if reason and grid != network.model.spec.grid:
            told["not_scored"][name] = reason
            continue
        try:
            prediction = predict(network, samples, batch_size)
            values, absent = measured(prediction, samples.reference, grid, batch_size)
        except ModelError as error:
            if grid == network.model.spec.grid:
                raise
            told["not_scored"][name] = str(error)  # the model has not said that it knows one grid only, but so it is
            continue
        if name == "test":
            held = conserved(network.model.spec, samples, grid)
        absent |= of_totals(held, values, prediction, samples.reference, grid)
        if name in STORED and not unfit(chosen):
            residual = Residual(chosen, grid, place)
            values["physics_residual"] = _left(residual, samples.given, prediction, batch_size)
            told["physics_floor"][name] = finite(float(_left(residual, samples.given, samples.reference, batch_size).mean()))
        if name in STORED and len(splits[name].times) > 1:
            told["rollouts"][name] = roll_out(network, samples, splits[name].times, grid, batch_size)
        steps = splits.get(name, splits["test"]).pairs
        values = {key: value.unflatten(0, (-1, steps)).mean(1) for key, value in values.items()}  # of one trajectory, they go together
        _tell(told, name, values, absent | _infinite(values, prediction.unflatten(0, (-1, steps))))
    return told | {"metric_versions": {name: version for name, version in versions().items() if name in told["scores"]["test"]}}


def of_totals(held: list[int], values: dict[str, Tensor], prediction: Tensor, reference: Tensor, grid: Grid) -> dict[str, str]:
    """Take `crmse` of those channels alone, or leave it out; why it is absent."""
    del values["crmse"]
    if not held:
        return {"crmse": "no field's total stays what it was in the references"}
    values["crmse"] = crmse(prediction[:, held], reference[:, held], grid).cpu()
    return {}


def conserved(spec: Spec, samples: Samples, grid: Grid) -> list[int]:
    """The channels asked for of those fields whose total is, in every sample and at all times, that of the state given."""
    given = [channel.field for channel in spec.inputs]
    lost = {channel.field for channel in spec.outputs if channel.field not in given}
    for place, channel in enumerate(spec.outputs):
        if channel.field not in lost:
            start = samples.given[:, [given.index(channel.field)]]
            moved = crmse(samples.reference[:, [place]], start, grid)
            if (moved > CONSERVED * rmse(start, torch.zeros_like(start))).any():
                lost.add(channel.field)
    return [place for place, channel in enumerate(spec.outputs) if channel.field not in lost]


def _cases(splits: Mapping[str, Split], place: str, not_scored: dict[str, str]) -> Iterator[tuple[str, Samples, Grid]]:
    """What a model is scored on, test first: stored splits, the test split on a coarser grid and with noise; else the reason why not."""
    for name in (name for name in STORED if name in splits):
        samples, grid = splits[name].samples().to(place), splits[name].spec.grid
        yield name, samples, grid
        if name == "test":
            try:
                coarse = grid.coarsen(COARSER)
            except OpbenchError as error:
                not_scored["coarser"] = str(error)
            else:
                yield "coarser", restricted(samples, grid, coarse), coarse
            for noise, level in NOISE.items():
                yield noise, noisy(samples, level), grid


def _tell(told: dict[str, Any], name: str, values: Mapping[str, Tensor], absent: Mapping[str, str]) -> None:
    """Means of all metrics; of every sample all of the test split, elsewhere the headline and what the equation leaves."""
    told["scores"][name] = {key: finite(float(value.mean())) for key, value in values.items()}
    kept = values if name == "test" else {HEADLINE: values[HEADLINE]}
    told["per_sample"][name] = {key: [_short(v) for v in value.tolist()] for key, value in kept.items()}
    for key, reason in absent.items():
        if key not in told["not_scored"]:
            told["not_scored"][key if name == "test" else f"{key} on {name}"] = reason


def _infinite(values: Mapping[str, Tensor], prediction: Tensor) -> dict[str, str]:
    """Metrics whose mean is infinite though the prediction is finite, and why."""
    sound, found = prediction.isfinite().flatten(1).all(1).cpu(), {}
    for name, value in values.items():
        count = int((value.isinf() & sound).sum())
        if count:
            found[name] = f"is infinite in {count} of {len(value)} samples, in which a channel of the reference is zero or constant"
    return found


def _short(value: float) -> float | None:
    """Eight digits: float32 predictions have no more, and a record has a thousand such numbers."""
    return finite(float(f"{value:.8g}"))


@torch.no_grad()
def _left(residual: Residual, given: Tensor, fields: Tensor, batch_size: int) -> Tensor:
    """What the equation leaves of each sample's fields, relative, (n,) float64."""
    batches = zip(given.split(batch_size), fields.split(batch_size), strict=True)
    return torch.cat([residual.relative(*batch) for batch in batches]).double().cpu()

"""A trained model on a task's splits: every metric of every sample, and what could not be scored."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from opbench.errors import ModelError
from opbench.metrics import metrics
from opbench.model import Normalized
from opbench.record import finite
from opbench.residual import Residual, unfit
from opbench.task import Problem, Split
from opbench.train import predict

SCORED = ("test", "ood", "finer")


def scores(chosen: Problem, network: Normalized, splits: Mapping[str, Split], place: str, batch_size: int) -> dict[str, Any]:
    """Every metric on every scored split; a split on another grid than the training's only where the model runs there."""
    means, per_sample, skipped, floors = {}, {}, {}, {}
    for name in (name for name in SCORED if name in splits):
        reason = network.model.one_resolution
        if reason and splits[name].spec.grid != splits["train"].spec.grid:
            skipped[name] = reason
            continue
        samples = splits[name].samples().to(place)
        try:
            prediction = predict(network, samples, batch_size)
            values = {key: metric(prediction, samples.reference).double().cpu() for key, metric in metrics().items()}
        except ModelError as error:
            if splits[name].spec.grid == splits["train"].spec.grid:
                raise
            skipped[name] = str(error)  # the model has not said that it knows one grid only, but so it is
            continue
        if not unfit(chosen):
            residual = Residual(chosen, splits[name].spec.grid, place)
            values["physics_residual"] = _left(residual, samples.given, prediction, batch_size)
            floors[name] = finite(float(_left(residual, samples.given, samples.reference, batch_size).mean()))
        means[name] = {key: finite(float(value.mean())) for key, value in values.items()}
        per_sample[name] = {key: [finite(v) for v in value.tolist()] for key, value in values.items()}
    return {"scores": means, "per_sample": per_sample, "not_scored": skipped, "physics_floor": floors}


@torch.no_grad()
def _left(residual: Residual, given: Tensor, fields: Tensor, batch_size: int) -> Tensor:
    """What the equation leaves of each sample's fields, relative, (n,) float64."""
    batches = zip(given.split(batch_size), fields.split(batch_size), strict=True)
    return torch.cat([residual.relative(*batch) for batch in batches]).double().cpu()

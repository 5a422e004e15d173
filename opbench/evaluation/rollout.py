"""A model of one step that is fed its own output, time after time: how the error grows, and whether the model stays bounded."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from opbench.errors import Undefined
from opbench.grid import Grid
from opbench.metrics import metrics
from opbench.model import Normalized, Samples
from opbench.records.record import Rollout, finite
from opbench.train import predict

HORIZON = 4  # times the stored time: how long a model is run, for references end before it
BOUND = 10.0  # times the largest value that a field ever has in the sample's references: what has grown beyond is called unstable
CORRELATED = 0.8  # PDE-Refiner's (arXiv:2308.05732): below, the prediction is another flow than the reference


def roll_out(network: Normalized, samples: Samples, times: Sequence[float], grid: Grid, batch_size: int) -> Rollout:
    """samples: those of a step task, all steps of a trajectory one after another; times: after each of its steps, equally spaced."""
    start, references = samples[:: len(times)], samples.reference.unflatten(0, (-1, len(times)))
    names = [channel.field for channel in network.model.spec.inputs]
    places = [names.index(channel.field) for channel in network.model.spec.outputs]
    largest = BOUND * torch.maximum(_size(start.given[:, places]), _size(references.transpose(1, 2)))
    stable = torch.ones(len(start), dtype=torch.bool, device=start.given.device)
    errors: dict[str, list[Tensor]] = {}
    state = start.given
    for step in range(HORIZON * len(times)):
        prediction = predict(network, Samples(state, start.reference, start.coords), batch_size)
        stable &= (_size(prediction) <= largest).all(1)  # a NaN is not
        state = state.clone()
        state[:, places] = prediction
        if step < len(times):
            for name, values in measured(prediction, references[:, step], grid, batch_size)[0].items():
                errors.setdefault(name, []).append(values)
    means = {name: tuple(finite(float(value.mean())) for value in values) for name, values in errors.items()}
    return Rollout(
        times=tuple(times),
        errors=means,
        correlation_time=correlation_time(1 - torch.stack(errors["correlation_error"], 1), times),
        stable=float(stable.double().mean()),
        horizon=float(HORIZON),
        growth_rate=growth_rate(means["relative_l2"], times),
    )


def measured(prediction: Tensor, reference: Tensor, grid: Grid, batch_size: int) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Every metric of every sample, on the CPU, and why others do not exist on this grid."""
    values: dict[str, Tensor] = {}
    absent: dict[str, str] = {}
    pairs = list(zip(prediction.split(batch_size), reference.split(batch_size), strict=True))
    for name, metric in metrics().items():
        try:
            values[name] = torch.cat([metric(*pair, grid) for pair in pairs]).cpu()
        except Undefined as error:
            absent[name] = str(error)
    return values, absent


def correlation_time(correlation: Tensor, times: Sequence[float]) -> float:
    """The mean over samples of the first of `times` at which the correlation (n, time) is below CORRELATED, or the last one."""
    lost = ~(correlation >= CORRELATED)  # a NaN is lost too
    first = torch.where(lost.any(1), lost.double().argmax(1), len(times) - 1)
    return float(torch.tensor(times, dtype=torch.float64)[first.cpu()].mean())


def growth_rate(errors: Sequence[float | None], times: Sequence[float]) -> float | None:
    """The slope of log error over time by least squares; None where an error is zero or not finite."""
    known = [error for error in errors if error is not None and error > 0]
    if len(known) < len(errors) or len(errors) < 2:
        return None
    return float(np.polyfit(times, [math.log(error) for error in known], 1)[0])


def _size(fields: Tensor) -> Tensor:
    """(n, c, ...) -> (n, c), the largest absolute value."""
    return fields.abs().flatten(2).amax(2)

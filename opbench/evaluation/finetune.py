"""Test-time optimisation: a trained model goes on training on a single sample that it is asked, by a loss that reads no reference.

Source: the second stage of Li et al. 2021, Physics-informed neural operator (arXiv:2111.03794), without its anchor to the first answer.
"""

import time
from dataclasses import dataclass

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from opbench.checkpoint import put_back, tensors_of
from opbench.config import Frozen, canonical
from opbench.evaluation.rollout import measured
from opbench.grid import Grid
from opbench.losses import Loss, LossSettings
from opbench.model import Normalized, Samples
from opbench.records.record import Finetuned, finite
from opbench.residual import Residual
from opbench.train import learning_rate_factor, predict


class Finetuning(Frozen):
    """samples: the first ones of the test split; of a step task trajectories, each of whose states is asked by itself. steps: of Adam, an
    answer. learning_rate: at the first step, it falls to zero by a cosine.
    clip: largest norm of the gradient.
    """

    samples: PositiveInt = 8
    steps: PositiveInt = 100
    learning_rate: PositiveFloat = 1e-3
    clip: PositiveFloat = 1.0


def finetune(model: Normalized, loss: Loss, samples: Samples, settings: Finetuning, seed: int) -> Tensor:
    """Predictions (n, c_out, *s), each by weights of its own: the trained ones after `steps` steps on that sample.

    The last step's weights answer, whatever the loss does on the way; the model is left as it was.
    """
    device, trained = samples.given.device, tensors_of(model)
    hidden = Samples(samples.given, torch.full_like(samples.reference, float("nan")), samples.coords)
    predictions = []
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        for index in range(len(samples)):
            put_back(model, trained, "trained weights")
            one = hidden[index : index + 1]
            _descend(model, loss, one, settings)
            predictions.append(predict(model, one))
    put_back(model, trained, "trained weights")
    return torch.cat(predictions)


@dataclass(frozen=True)
class SecondStage:
    """By which loss, with settings of its own, and how. residual: is measured beside the errors, where the task has an equation."""

    name: str
    loss: Loss
    loss_settings: LossSettings
    settings: Finetuning
    residual: Residual | None


def finetuned_scores(model: Normalized, test: Samples, pairs: int, stage: SecondStage, seed: int) -> Finetuned:
    """Every metric of the first test samples before and after. pairs: of a step task, how many of `test` are one sample's."""
    settings, residual = stage.settings, stage.residual
    samples = test[: settings.samples * pairs]
    begun = time.perf_counter()
    answers = predict(model, samples), finetune(model, stage.loss, samples, settings, seed)
    count = len(samples) // pairs
    seconds = (time.perf_counter() - begun) / count
    before, after = (_told(answer, samples, model.model.spec.grid, residual, count) for answer in answers)
    floor = None if residual is None else finite(float(residual.relative(samples.given, samples.reference).mean()))
    about = settings.model_dump() | {"loss": stage.name, "loss_settings": canonical(stage.loss_settings), "samples": count}
    return Finetuned(**about, before=before, after=after, floor=floor, seconds=seconds)


@torch.no_grad()
def _told(prediction: Tensor, samples: Samples, grid: Grid, residual: Residual | None, count: int) -> dict[str, list[float | None]]:
    values, _ = measured(prediction, samples.reference, grid, len(samples))
    if residual is not None:
        values["physics_residual"] = residual.relative(samples.given, prediction)
    return {key: [finite(v) for v in value.unflatten(0, (count, -1)).mean(1).tolist()] for key, value in values.items()}


def _descend(model: Normalized, loss: Loss, sample: Samples, settings: Finetuning) -> None:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate)
    model.train()
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * learning_rate_factor("cosine", step / settings.steps)
        optimizer.zero_grad()
        loss.of_model(model.whole, sample).backward()
        nn.utils.clip_grad_norm_(parameters, settings.clip)
        optimizer.step()
    model.eval()

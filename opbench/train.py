"""The only training loop: AdamW on a loss over the training split; kept are the weights with the least validation error.

The validation error is the relative L2 error, or for a loss that reads no reference the loss itself.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import Tensor, nn

from opbench.checkpoint import Tensors, copy_of, put_back, read, tensors_of, write
from opbench.config import Frozen, canonical, fingerprint, validate
from opbench.errors import DataError, Interrupted
from opbench.losses import Loss
from opbench.model import Normalized, Samples

RISE = {"cosine": 0.0, "one_cycle": 0.3}  # part of the steps in which the learning rate rises; 0.3 and 1/25: torch's OneCycleLR
START = 1 / 25  # of the peak, where the rate rises
STATE, WEIGHTS = "state.safetensors", "weights.safetensors"
SAVE_EVERY = 5.0  # seconds; a state file costs three times the weights, and an epoch may take milliseconds

Progress = Callable[[int, int, float, float], None]  # epoch counted from 1, epochs, training loss, validation error


Whole = Annotated[int, Field(gt=0, lt=1 << 31)]


class Training(Frozen):
    """How a model is trained.

    epochs: passes over the training split. batch_size: samples a step; an epoch's last, smaller batch counts too.
    learning_rate: the peak, or the model's own where it is not given.
    schedule: "cosine" falls from the peak to zero; "one_cycle" rises to it first, for losses that start badly scaled.
    weight_decay: AdamW's. clip: largest norm of the gradient. precision: of the model's forward pass; validation is float32 always.
    """

    epochs: Whole
    batch_size: Whole = 20
    learning_rate: PositiveFloat | None = None
    schedule: Literal["cosine", "one_cycle"] = "cosine"
    weight_decay: NonNegativeFloat = 1e-4
    clip: PositiveFloat = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"


@dataclass(frozen=True)
class Outcome:
    """What came of a training run, over all its resumes.

    status: "trained", "fitted" (nothing to train after `prepare`) or "diverged" (a loss or validation error was not finite in the last
    of `epochs`). best_epoch counts from 1. curve: (epoch, training loss, validation error).
    seconds: wall time; cpu_seconds: this process' CPU time; best_seconds, best_cpu_seconds: until the best validation error;
    samples: training samples seen.
    """

    status: Literal["trained", "fitted", "diverged"] = "trained"
    epochs: int = 0
    best_epoch: int | None = None
    best_valid_error: float | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    best_seconds: float | None = None
    best_cpu_seconds: float | None = None
    samples: int = 0
    curve: tuple[tuple[int, float, float], ...] = ()

    @property
    def samples_per_second(self) -> float:
        """Training samples a second of wall time, validation and checkpoints included."""
        return self.samples / self.seconds


def train(
    model: Normalized,
    loss: Loss,
    train: Samples,
    valid: Samples,
    training: Training,
    seed: int,
    identity: str = "",
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Prepare and train `model` in place, on the device where it and the samples are; it ends with its best weights.

    identity: a fingerprint of the model's configuration and of the data. The same arguments give the same result, bit for bit on one
    CPU, whether or not the run was interrupted in between: the state in folder/state.safetensors is gone on from; it is the
    caller's to remove, when what came of the run is safe. At the end
    folder/weights.safetensors holds the best weights. Models draw random numbers from torch only.
    Raises DataError for a state of other settings, Interrupted on KeyboardInterrupt.
    """
    loss.check(train)
    train = loss.completed(train)
    device = train.given.device
    path = None if folder is None else folder / STATE
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        clock = _Clock()
        model.prepare(train.given, loss.expected(train), train.coords)
        if any(parameter.requires_grad for parameter in model.parameters()):
            run = _Run(model, loss, train, valid, training, seed, clock)
            outcome = _follow(run, path, fingerprint([training, seed, identity]), progress)
        else:
            outcome = clock.lap(_fitted(_valid_error(model, loss, valid, training.batch_size), len(train)))
    if folder is not None:
        write(folder / WEIGHTS, tensors_of(model), _description(model, training, seed, identity))
    return outcome


@torch.no_grad()  # not inference mode: a tensor that a model caches there could not be trained with afterwards
def predict(model: Normalized, samples: Samples, batch_size: int = 20) -> Tensor:
    """(n, c_out, *s) in physical units, on the samples' device; the batch size changes it by round-off only."""
    training = model.training
    model.eval()
    batches = (samples[first : first + batch_size] for first in range(0, len(samples), batch_size))
    with model.told():
        prediction = torch.cat([model(batch.given, batch.coords) for batch in batches])
    model.train(training)
    return prediction


def learning_rate_factor(schedule: str, progress: float) -> float:
    """Part of the peak learning rate after a part `progress` of all steps; half a cosine up, half a cosine down to zero."""
    rise = RISE[schedule]
    if progress < rise:
        return START + (1 - START) * (1 - math.cos(math.pi * progress / rise)) / 2
    return (1 + math.cos(math.pi * (progress - rise) / (1 - rise))) / 2


def _description(model: Normalized, training: Training, seed: int, identity: str) -> Any:
    """What a weights file says of itself: enough to build the model again, and nothing that two equal runs could differ in."""
    kind = type(model.model)
    made = {"model": f"{kind.__module__}:{kind.__qualname__}", "config": model.model.config, "spec": model.model.spec}
    return canonical({**made, "training": training, "seed": seed, "identity": identity})


def _valid_error(model: Normalized, loss: Loss, valid: Samples, batch_size: int) -> float:
    with torch.no_grad():
        return loss.validation(predict(model, valid, batch_size), valid)


def _fitted(error: float, samples: int) -> Outcome:
    if not math.isfinite(error):
        return Outcome("diverged", samples=samples)
    return Outcome("fitted", best_valid_error=error, samples=samples)


class _Clock:
    def __init__(self):
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def lap(self, outcome: Outcome) -> Outcome:
        """`outcome` with the time since the last lap added."""
        wall, cpu, self.wall, self.cpu = self.wall, self.cpu, time.perf_counter(), time.process_time()
        return replace(outcome, seconds=outcome.seconds + self.wall - wall, cpu_seconds=outcome.cpu_seconds + self.cpu - cpu)


class _Run:
    """A model in training: all that changes from epoch to epoch is in `snapshot`."""

    def __init__(self, model: Normalized, loss: Loss, train: Samples, valid: Samples, training: Training, seed: int, clock: _Clock):
        self.model, self.loss, self.samples, self.valid, self.training, self.clock = model, loss, train, valid, training, clock
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.peak = training.learning_rate or model.model.learning_rate
        fused = True if all(parameter.is_floating_point() for parameter in self.parameters) else None  # torch fuses real ones only
        self.optimizer = torch.optim.AdamW(self.parameters, lr=self.peak, weight_decay=training.weight_decay, fused=fused)
        self.order = torch.Generator().manual_seed(seed)  # on the CPU: the same order of samples on every device
        self.best: Tensors = {}
        self.outcome = Outcome()

    @property
    def going(self) -> bool:
        return self.outcome.status == "trained" and self.outcome.epochs < self.training.epochs

    def epoch(self) -> None:
        """Train on every sample once, validate, keep the weights if they are the best so far."""
        self.model.begin_epoch(self.outcome.epochs, self.training.epochs)
        train_loss = self._step_through()
        valid_error = _valid_error(self.model, self.loss, self.valid, self.training.batch_size)
        epoch = self.outcome.epochs + 1
        curve = (*self.outcome.curve, (epoch, train_loss, valid_error))
        outcome = replace(self.outcome, epochs=epoch, samples=self.outcome.samples + len(self.samples), curve=curve)
        if not (math.isfinite(train_loss) and math.isfinite(valid_error)):
            outcome = replace(outcome, status="diverged")
        else:
            if self.model.final and (outcome.best_valid_error is None or valid_error < outcome.best_valid_error):
                outcome = replace(outcome, best_epoch=epoch, best_valid_error=valid_error)
                self.best = tensors_of(self.model)
        outcome = self.clock.lap(outcome)
        if outcome.best_epoch == epoch:
            outcome = replace(outcome, best_seconds=outcome.seconds, best_cpu_seconds=outcome.cpu_seconds)
        self.outcome = outcome

    def _step_through(self) -> float:
        """One step a batch; the mean loss over all samples. The host waits for the device once, at the end."""
        self.model.train()
        count, size, epoch = len(self.samples), self.training.batch_size, self.outcome.epochs
        batches = torch.randperm(count, generator=self.order).to(self.samples.given.device).split(size)
        total = torch.zeros((), dtype=torch.float64, device=self.samples.given.device)
        for step, indices in enumerate(batches):
            part = (epoch + step / len(batches)) / self.training.epochs
            for group in self.optimizer.param_groups:
                group["lr"] = self.peak * learning_rate_factor(self.training.schedule, part)
            total += self._step(self.samples[indices]) * len(indices)
        return total.item() / count

    def _step(self, batch: Samples) -> Tensor:
        self.optimizer.zero_grad()
        loss = self.loss.of_model(self._forward, batch)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, self.training.clip)
        self.optimizer.step()
        return loss.detach()

    def _forward(self, given: Tensor, coords: Tensor) -> Tensor:
        with self.model.told(), torch.autocast(given.device.type, torch.bfloat16, enabled=self.training.precision == "bfloat16"):
            return self.model.whole(given, coords)

    def snapshot(self) -> tuple[Tensors, Outcome]:
        """Everything that the next epoch depends on, copied."""
        moments = self.optimizer.state_dict()["state"]
        groups = {
            "model": tensors_of(self.model),
            "best": self.best,
            "moments": {f"{index}.{name}": copy_of(value) for index, entry in moments.items() for name, value in entry.items()},
            "loss": {name: copy_of(value) for name, value in self.loss.state().items()},
            "random": {"order": self.order.get_state(), "cpu": torch.get_rng_state()},
        }
        if self.samples.given.is_cuda:
            groups["random"]["cuda"] = torch.cuda.get_rng_state(self.samples.given.device)
        return {f"{group}/{name}": value for group, tensors in groups.items() for name, value in tensors.items()}, self.outcome

    def restore(self, tensors: Tensors, outcome: Outcome, source: str) -> None:
        """Take a snapshot's place; raises DataError where it is another model's."""
        groups: dict[str, Tensors] = {"best": {}, "moments": {}}
        for key, value in tensors.items():
            group, _, name = key.partition("/")
            groups.setdefault(group, {})[name] = value
        put_back(self.model, groups["model"], source)
        moments: dict[int, Tensors] = {}
        for key, value in groups["moments"].items():
            index, _, name = key.partition(".")
            moments.setdefault(int(index), {})[name] = value
        self.loss.restore(groups.get("loss", {}))
        self.optimizer.load_state_dict({"state": moments, "param_groups": self.optimizer.state_dict()["param_groups"]})
        self.order.set_state(groups["random"]["order"])
        torch.set_rng_state(groups["random"]["cpu"])
        if "cuda" in groups["random"]:
            torch.cuda.set_rng_state(groups["random"]["cuda"], self.samples.given.device)
        self.best, self.outcome = groups["best"], outcome


def _follow(run: _Run, path: Path | None, mark: str, progress: Progress | None) -> Outcome:
    """Run all epochs that are left, saving the state at `path` now and then, and put the best weights back."""
    if path is not None and path.is_file():
        _resume(run, path, mark)
    whole, saved = run.snapshot(), time.monotonic()
    try:
        while run.going:
            run.epoch()
            whole = run.snapshot()
            if path is not None and (not run.going or time.monotonic() - saved >= SAVE_EVERY):
                _save(path, whole, mark)
                saved = time.monotonic()
            if progress is not None and run.outcome.status == "trained":
                epoch, train_loss, valid_error = run.outcome.curve[-1]
                progress(epoch, run.training.epochs, train_loss, valid_error)
    except KeyboardInterrupt as stop:
        epoch = f"epoch {min(whole[1].epochs + 1, run.training.epochs)} of {run.training.epochs}"
        if path is None:
            raise Interrupted(f"interrupted in {epoch}; nothing is kept, as no folder was given") from stop
        _save(path, whole, mark)
        raise Interrupted(f"interrupted; run the same command again to go on from {epoch}") from stop
    if run.best:
        put_back(run.model, run.best, "best weights")
    return run.outcome


def _save(path: Path, snapshot: tuple[Tensors, Outcome], mark: str) -> None:
    write(path, snapshot[0], {"fingerprint": mark, "outcome": canonical(snapshot[1])})


def _resume(run: _Run, path: Path, mark: str) -> None:
    tensors, description = read(path)
    if description.get("fingerprint") != mark:
        raise DataError(f"{path}: expected a state of this run, got one of other settings, data, model or seed; delete it to start anew")
    run.restore(tensors, validate(Outcome, description["outcome"], str(path)), str(path))

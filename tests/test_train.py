"""The training loop: what it minimises, keeps, resumes and refuses."""

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

import opbench.train
from opbench.checkpoint import put_back, read
from opbench.config import validate
from opbench.errors import ConfigError, DataError, Interrupted
from opbench.grid import Grid
from opbench.losses import Loss
from opbench.losses.data import DataLoss
from opbench.metrics import relative_l2
from opbench.model import Channel, Normalized, OperatorModel, Samples, Spec
from opbench.train import Training, learning_rate_factor, predict, train

SPEC = Spec((Channel("a"),), (Channel("b"),), Grid(("x",), (8,), (0.0,), (1.0,), (True,)))
TRAINING = Training(epochs=6, batch_size=5, learning_rate=1e-2)


@dataclass(frozen=True)
class Config:
    width: int = 16
    dropout: float = 0.2


class Small(OperatorModel):
    """Two layers with dropout, so that training draws random numbers, and a running buffer."""

    Config = Config

    def __init__(self, spec, config=None):
        super().__init__(spec, config or Config())
        n = spec.grid.shape[0]
        self.net = nn.Sequential(
            nn.Linear(n, self.config.width), nn.GELU(), nn.Dropout(self.config.dropout), nn.Linear(self.config.width, n)
        )
        self.unused = nn.Parameter(torch.ones(2))  # as a parameter that joins later: no gradient, no moments
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, given, coords):
        if self.training:
            self.calls += 1
        return self.net(given)


class Mean(OperatorModel):
    """Predicts the training mean: nothing is left to train."""

    def __init__(self, spec, config=None):
        super().__init__(spec, config)
        self.register_buffer("mean", torch.zeros(spec.out_channels, *spec.grid.shape))

    def prepare(self, given, reference, coords):
        self.mean.copy_(reference.mean(dim=0))

    def forward(self, given, coords):
        return self.mean.expand(len(given), *self.mean.shape)


class Growing(Small):
    """Takes its final form in epoch 4 of 6; before, it predicts the training mean, which is better than what it gives then."""

    depth = 0

    def begin_epoch(self, epoch, epochs):
        self.depth = epoch

    @property
    def final(self):
        return self.depth >= 3

    def forward(self, given, coords):
        return super().forward(given, coords) * (1.0 if self.final else 0.0)


def samples(n, seed):
    given = torch.randn(n, 1, 8, generator=torch.Generator().manual_seed(seed))
    return Samples(given, 3 + given.cumsum(dim=-1), torch.linspace(0, 1, 8)[:, None])


TRAIN, VALID = samples(23, 0), samples(7, 1)


def build(kind=Small, seed=0):
    torch.manual_seed(seed)
    return Normalized(kind(SPEC))


def run(model, training=TRAINING, seed=0, loss=None, **options):
    return train(model, loss or DataLoss(), TRAIN, VALID, training, seed, **options)


def stop_after(epochs):
    def progress(epoch, *_):
        if epoch == epochs:
            raise KeyboardInterrupt

    return progress


def assert_same(model, other):
    for (name, value), (_, expected) in zip(model.state_dict().items(), other.state_dict().items(), strict=True):
        assert torch.equal(value, expected), (name, (value - expected).abs().max())


def test_training_lowers_the_validation_error_well_below_the_mean_s():
    training = Training(epochs=60, batch_size=5, learning_rate=1e-2)
    outcome, mean = run(build(), training), run(build(Mean), training)
    assert outcome.best_valid_error < 0.5 * mean.best_valid_error, (outcome.best_valid_error, mean.best_valid_error)


def test_every_sample_is_seen_once_an_epoch_the_last_small_batch_included():
    seen = []

    class Spy(Loss):
        def __call__(self, prediction, batch):
            seen.append(batch.given[:, 0, 0])
            return DataLoss()(prediction, batch)

    outcome = run(build(), TRAINING, loss=Spy())
    assert [len(batch) for batch in seen[:5]] == [5, 5, 5, 5, 3]
    epochs = torch.cat(seen).reshape(6, 23)
    assert torch.equal(epochs.sort(dim=1).values, TRAIN.given[:, 0, 0].sort().values.expand(6, 23))
    assert not torch.equal(epochs[0], epochs[1])
    assert outcome.samples == 6 * 23


def test_the_training_loss_of_an_epoch_is_a_mean_over_samples_not_over_batches():
    class FirstValue(Loss):
        def __call__(self, prediction, batch):
            return batch.given[:, 0, 0].mean() + 0 * prediction.sum()

    outcome = run(build(), TRAINING, loss=FirstValue())
    torch.testing.assert_close(outcome.curve[0][1], TRAIN.given[:, 0, 0].mean().item(), rtol=1e-5, atol=0)


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_the_learning_rate_reaches_its_peak_once_and_ends_at_zero(schedule):
    factors = [learning_rate_factor(schedule, step / 1000) for step in range(1001)]
    top = factors.index(max(factors))
    assert max(factors) == pytest.approx(1.0, abs=1e-5)
    assert factors[-1] == pytest.approx(0.0, abs=1e-12)
    assert factors[: top + 1] == sorted(factors[: top + 1])
    assert factors[top:] == sorted(factors[top:], reverse=True)
    assert top == {"cosine": 0, "one_cycle": 300}[schedule]


def test_a_model_with_complex_weights_can_be_trained():
    class Spectral(Small):
        def __init__(self, spec, config=None):
            super().__init__(spec, config)
            self.weight = nn.Parameter(torch.ones(5, dtype=torch.complex64))

        def forward(self, given, coords):
            return super().forward(torch.fft.irfft(torch.fft.rfft(given) * self.weight, n=8), coords)

    model = build(Spectral)
    assert run(model).status == "trained"
    assert (model.model.weight != 1).all(), model.model.weight


def test_bfloat16_is_used_in_training_only():
    seen = []

    class Spy(Small):
        def forward(self, given, coords):
            prediction = super().forward(given, coords)
            seen.append((self.training, prediction.dtype))
            return prediction

    run(build(Spy), Training(epochs=1, precision="bfloat16"))
    assert set(seen) == {(True, torch.bfloat16), (False, torch.float32)}


def test_the_model_ends_with_its_best_epoch_s_weights():
    model = build()
    outcome = run(model, Training(epochs=12, batch_size=5, learning_rate=0.3))
    errors = [error for _, _, error in outcome.curve]
    assert outcome.best_epoch == 1 + errors.index(min(errors))
    assert outcome.best_epoch < 12, "the last epoch is the best one, so the test shows nothing"
    assert relative_l2(predict(model, VALID), VALID.reference).mean().item() == pytest.approx(outcome.best_valid_error, rel=1e-6)


def test_weights_of_a_model_that_is_not_final_never_become_the_best():
    outcome = run(build(Growing))
    assert outcome.best_epoch is not None
    assert outcome.best_epoch >= 4, outcome


def test_a_model_without_parameters_is_fitted_and_not_trained(tmp_path):
    model = build(Mean)
    outcome = run(model, folder=tmp_path)
    assert (outcome.status, outcome.epochs, outcome.curve) == ("fitted", 0, ())
    expected = relative_l2(TRAIN.reference.mean(dim=0).expand(7, 1, 8), VALID.reference).mean().item()
    assert outcome.best_valid_error == pytest.approx(expected, rel=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]


def test_the_weights_file_restores_the_model_and_says_how_to_build_it(tmp_path):
    model, other = build(), build(seed=1)
    run(model, folder=tmp_path, identity="burgers")
    tensors, description = read(tmp_path / "weights.safetensors")
    put_back(other, tensors, "weights")
    assert_same(model, other)
    assert description["config"] == {"width": 16, "dropout": 0.2}
    assert description["spec"]["grid"]["shape"] == [8]
    assert description["identity"] == "burgers"
    again = build(seed=2)
    assert run(again, folder=tmp_path, identity="burgers").curve  # the finished state stays until the caller has saved what came of it
    assert_same(model, again)


def test_the_same_seed_gives_the_same_run_and_another_seed_another():
    first, again, other = build(), build(), build()
    curves = [run(model, seed=seed).curve for model, seed in ((first, 3), (again, 3), (other, 4))]
    assert curves[0] == curves[1]
    assert curves[0] != curves[2]
    assert_same(first, again)


def test_training_leaves_the_callers_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    model = build()
    torch.manual_seed(5)
    run(model)
    assert torch.equal(torch.rand(3), expected)


def test_predictions_do_not_depend_on_the_batch_size_nor_on_training_mode():
    model = build().train()
    whole = predict(model, TRAIN, batch_size=23)
    torch.testing.assert_close(predict(model, TRAIN, batch_size=4), whole, rtol=1e-5, atol=1e-6)
    assert model.training


def test_a_diverged_run_says_so_and_keeps_the_best_weights_so_far():
    class Explodes(Loss):
        steps = 0

        def __call__(self, prediction, batch):
            self.steps += 1
            return DataLoss()(prediction, batch) * (math.inf if self.steps == 12 else 1.0)  # in epoch 3 of 5 steps each

    model = build()
    outcome = run(model, loss=Explodes())
    assert (outcome.status, outcome.epochs, len(outcome.curve)) == ("diverged", 3, 3)
    assert relative_l2(predict(model, VALID), VALID.reference).mean().item() == pytest.approx(outcome.best_valid_error, rel=1e-6)


def test_a_run_that_diverges_at_once_is_not_repaired(tmp_path):
    class Not(Loss):
        def __call__(self, prediction, batch):
            return prediction.sum() * math.nan

    model = build()
    outcome = run(model, loss=Not(), folder=tmp_path)
    assert (outcome.status, outcome.epochs, outcome.best_epoch, outcome.best_valid_error) == ("diverged", 1, None, None)
    assert predict(model, VALID).isnan().any()


@pytest.mark.parametrize("epochs", [1, 3, 6])
def test_an_interrupted_and_resumed_run_equals_an_unbroken_one_bit_for_bit(tmp_path, epochs):
    unbroken, broken, resumed = build(), build(), build(seed=9)
    expected = run(unbroken, folder=tmp_path / "unbroken")
    with pytest.raises(Interrupted, match=f"run the same command again to go on from epoch {min(epochs + 1, 6)} of 6"):
        run(broken, folder=tmp_path / "broken", progress=stop_after(epochs))
    seen = []
    outcome = run(resumed, folder=tmp_path / "broken", progress=lambda epoch, *_: seen.append(epoch))
    assert seen == list(range(epochs + 1, 7))
    assert outcome.curve == expected.curve
    assert (outcome.best_epoch, outcome.samples) == (expected.best_epoch, expected.samples)
    assert_same(resumed, unbroken)
    assert sorted(path.name for path in (tmp_path / "broken").iterdir()) == ["state.safetensors", "weights.safetensors"]


def test_an_interruption_in_the_middle_of_an_epoch_goes_back_to_its_beginning(tmp_path):
    class Stops(DataLoss):
        steps = 0

        def __call__(self, prediction, batch):
            self.steps += 1
            if self.steps == 13:
                raise KeyboardInterrupt
            return super().__call__(prediction, batch)

    expected = run(unbroken := build())
    with pytest.raises(Interrupted, match="epoch 3 of 6"):
        run(build(), loss=Stops(), folder=tmp_path)
    resumed = build(seed=9)
    assert run(resumed, folder=tmp_path).curve == expected.curve
    assert_same(resumed, unbroken)


def test_a_killed_process_loses_no_saved_epoch(tmp_path):
    script = (
        "import sys, time, opbench.train; from importlib import util\n"
        "spec = util.spec_from_file_location('case', sys.argv[1]); case = util.module_from_spec(spec); spec.loader.exec_module(case)\n"
        "opbench.train.SAVE_EVERY = 0.0\n"
        "from pathlib import Path\n"
        "def progress(epoch, *_):\n"
        "    print(epoch, flush=True)\n"
        "    time.sleep(60 if epoch == 4 else 0)\n"
        "case.run(case.build(), folder=Path(sys.argv[2]), progress=progress)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(opbench.train.__file__).parents[1])}
    process = subprocess.Popen([sys.executable, "-c", script, __file__, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert [process.stdout.readline().strip() for _ in range(4)] == ["1", "2", "3", "4"]
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    expected, seen = run(unbroken := build()), []
    outcome = run(resumed := build(seed=9), folder=tmp_path, progress=lambda epoch, *_: seen.append(epoch))
    assert seen == [5, 6]
    assert outcome.curve == expected.curve
    assert_same(resumed, unbroken)


def test_best_weights_from_before_an_interruption_survive_it(tmp_path):
    class Worsens(DataLoss):
        def __call__(self, prediction, batch):
            return -super().__call__(prediction, batch)

    unbroken, resumed = build(), build(seed=9)
    expected = run(unbroken, loss=Worsens())
    assert expected.best_epoch == 1, expected
    with pytest.raises(Interrupted):
        run(build(), loss=Worsens(), folder=tmp_path, progress=stop_after(3))
    assert run(resumed, loss=Worsens(), folder=tmp_path).best_epoch == 1
    assert_same(resumed, unbroken)


def test_seconds_add_up_over_resumes(tmp_path):
    class Sleeps(DataLoss):
        def __call__(self, prediction, batch):
            time.sleep(0.005)
            return super().__call__(prediction, batch)

    with pytest.raises(Interrupted):
        run(build(), loss=Sleeps(), folder=tmp_path, progress=stop_after(3))
    outcome = run(build(), loss=Sleeps(), folder=tmp_path)
    assert outcome.seconds > 6 * 5 * 0.005, outcome.seconds
    assert outcome.cpu_seconds > 0
    assert outcome.samples_per_second == 6 * 23 / outcome.seconds


def test_without_a_folder_an_interruption_says_that_nothing_is_kept():
    with pytest.raises(Interrupted, match="epoch 3 of 6; nothing is kept") as caught:
        run(build(), progress=stop_after(2))
    assert caught.value.exit_code == 130


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"identity": "another model"}, {"training": TRAINING.model_copy(update={"learning_rate": 1e-3})}]
)
def test_a_state_of_other_settings_is_refused_with_advice(tmp_path, other):
    with pytest.raises(Interrupted):
        run(build(), folder=tmp_path, progress=stop_after(2))
    before = (tmp_path / "state.safetensors").read_bytes()
    with pytest.raises(DataError, match="other settings, data, model or seed; delete it to start anew"):
        run(build(), folder=tmp_path, **other)
    assert (tmp_path / "state.safetensors").read_bytes() == before


NONSENSE = [{"epochs": 0}, {"epochs": 1.5}, {"epochs": 1, "clip": 0}, {"epochs": 1, "schedule": "step"}, {"epoch": 1}]


@pytest.mark.parametrize("settings", NONSENSE)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ConfigError):
        validate(Training, settings, "recipe")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda_a_resumed_run_equals_an_unbroken_one(tmp_path):
    def go(model, **options):
        return train(model.cuda(), DataLoss(), TRAIN.to("cuda"), VALID.to("cuda"), TRAINING, 0, **options)

    expected = go(unbroken := build())
    with pytest.raises(Interrupted):
        go(build(), folder=tmp_path, progress=stop_after(3))
    resumed = build(seed=9)
    assert go(resumed, folder=tmp_path).curve == expected.curve
    assert_same(resumed, unbroken)

"""Bugs that published benchmarks had, one test each: opbench cannot have them. The number after each is its issue, or what has the bug."""

import json
import subprocess
import sys
from pathlib import Path

import every.test_models as contracts
import numpy as np
import pytest
import torch

import opbench
from opbench.data.layout import Header
from opbench.data.store import Stored, write
from opbench.data.task import Split, StoredSplit, problem
from opbench.errors import DataError, UnknownName
from opbench.field import Field
from opbench.grid import Grid
from opbench.losses.data import DataLoss
from opbench.metrics import correlation_error, frmse_low, metrics, relative_l2, vrmse
from opbench.model import Channel, Normalized, OperatorModel, Samples, Spec
from opbench.train import Training, predict, train

TINY = (Path(__file__).parent / "test_cli.py").read_text().split('TINY = """')[1].split('"""')[0]
LINE = Grid(("x",), (8,), (0.0,), (1.0,), (True,))
SPEC = Spec((Channel("u"),), (Channel("u", 1.0),), LINE)


class Scaled(OperatorModel):
    """A factor to be learnt."""

    def __init__(self, spec=SPEC, config=None):
        super().__init__(spec, config)
        self.factor = torch.nn.Parameter(torch.zeros(()))

    def forward(self, given, coords):
        return self.factor * given


class Pointwise(torch.nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.layer = torch.nn.Conv1d(in_channels, out_channels, 1)

    def forward(self, given):
        return self.layer(given)


class Hollow(OperatorModel):
    """What its block makes is thrown away."""

    def __init__(self, spec, config=None):
        super().__init__(spec, config)
        self.lift = torch.nn.Conv1d(spec.in_channels, 4, 1)
        self.block = torch.nn.Conv1d(4, 4, 1)
        self.drop = torch.nn.Conv1d(4, spec.out_channels, 1)

    def forward(self, given, coords):
        lifted = self.lift(given)
        self.block(lifted)
        return self.drop(lifted)


def samples(n=7, seed=0):
    given, reference = torch.randn(2, n, 1, 8, generator=torch.Generator().manual_seed(seed))
    return Samples(given, reference, torch.linspace(0, 1, 8)[:, None])


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bugs")
    (folder / "tiny.toml").write_text(TINY)
    return folder


def run(home, out, model=Pointwise, task="tiny.toml", **settings):
    settings = {"train.epochs": 3, **settings}
    return opbench.evaluate(model, str(home / task), settings=settings, cost=False, out=home / out, data=home / "data", device="cpu")


def test_a_model_whose_blocks_are_never_used_is_found_out(monkeypatch):  # the_well pull 64: 17 months in its table
    def hollow(name, shape=(8,)):
        torch.manual_seed(0)
        return Normalized(Hollow(SPEC)), samples()

    monkeypatch.setattr(contracts, "made", hollow)
    with pytest.raises(AssertionError, match="block"):
        contracts.test_gradient_reaches_every_parameter("hollow", (8,))
    with pytest.raises(AssertionError, match="block"):
        contracts.test_every_parameter_changes_the_output("hollow")


def test_scores_are_those_of_the_best_weights_and_not_of_the_last_ones():  # the_well pull 64
    data, valid = samples(), samples()
    data = Samples(data.given, 1.0 * data.given, data.coords)
    valid = Samples(valid.given, 0.3 * valid.given, valid.coords)  # on the way from 0 to 1
    model = Normalized(Scaled())
    outcome = train(model, DataLoss(), data, valid, Training(epochs=40, batch_size=7, learning_rate=0.1), seed=0)
    assert 1 < outcome.best_epoch < 40
    assert outcome.curve[-1][2] > 2 * outcome.best_valid_error
    assert relative_l2(predict(model, valid), valid.reference).mean().item() == outcome.best_valid_error


def test_a_published_number_is_made_again_by_the_command_beside_it(home, tmp_path):  # the_well 49, PDEBench 39 and 66
    first = run(home, "again", model=str(Path(__file__).parent / "data" / "mine.py") + ":Net")
    command = [*first.command.split()[1:], "--out", str(tmp_path), "--data", str(home / "data"), "--json", "--no-cost"]
    done = subprocess.run([sys.executable, "-m", "opbench", *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)
    assert again["scores"] == first.scores
    assert again["weights_sha256"] == first.weights_sha256


@pytest.mark.parametrize("kind", ["trajectory", "step"])
def test_no_frame_that_is_given_is_scored_as_a_prediction_and_none_that_is_asked_is_left_out(home, kind):  # PDEBench 41 and 5
    split = problem(str(home / f"tiny.toml/{kind}")).split("test", home / "data")
    assert isinstance(split, StoredSplit)
    stored = torch.from_numpy(split.stored.read("velocity"))
    given, reference = (torch.stack(tensors) for tensors in zip(*split, strict=True))
    asked = reference if kind == "trajectory" else reference[:, 0].unflatten(0, (len(stored), -1))
    assert torch.equal(asked, stored[:, 1:])
    assert all(not torch.equal(given[i, 0], frame) for i in range(len(given)) for frame in reference[i])


def test_a_loss_is_a_mean_over_the_batch_whatever_its_size():  # neuraloperator 485
    data = samples(6)
    prediction = torch.randn(6, 1, 8, generator=torch.Generator().manual_seed(1))
    whole = DataLoss()(prediction, data)
    alone = torch.stack([DataLoss()(prediction[[i]], data[[i]]) for i in range(6)])
    torch.testing.assert_close(alone.mean(), whole, rtol=1e-6, atol=0)
    repeated = DataLoss()(prediction.repeat(3, 1, 1), Samples(data.given.repeat(3, 1, 1), data.reference.repeat(3, 1, 1), data.coords))
    torch.testing.assert_close(repeated, whole, rtol=1e-6, atol=0)


def test_normalisation_is_that_of_the_training_samples_wherever_a_model_is_used():  # the_well 68 and 69
    data = samples()
    data = Samples(5 + 3 * data.given, data.reference, data.coords)
    other = Samples(data.given - 100, data.reference, data.coords)
    model = Normalized(Scaled())
    model.model.factor.data.fill_(1.0)
    model.prepare(data.given, data.reference, data.coords)
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    moved = predict(model, other)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in kept.items())
    expected = (other.given - data.given.mean()) / data.given.std(correction=0) * data.reference.std(correction=0) + data.reference.mean()
    torch.testing.assert_close(moved, expected, rtol=1e-4, atol=1e-4)
    restored = Normalized(Scaled())
    restored.load_state_dict(kept)
    assert torch.equal(predict(restored, other), moved)


def test_scores_do_not_depend_on_the_number_of_batches(home):  # PDEBench divides by the last index: N / (N - 1), and 1 / 0 for one
    record = run(home, "batches")
    weights = next((home / "batches").rglob("weights.safetensors"))
    chosen = problem(str(home / "tiny.toml"))
    split = chosen.split("test", home / "data").samples()
    network = Normalized(opbench.evaluation.build.build_model(Pointwise, chosen.spec, {}))
    network.load_state_dict(opbench.checkpoint.read(weights)[0])
    for size in (1, 3, 4, 100):
        values = relative_l2(predict(network, split, size), split.reference)
        assert len(values) == 4
        assert values.mean().item() == pytest.approx(record.scores["test"]["relative_l2"], rel=1e-5)


def test_every_sample_of_every_split_is_scored(home):  # the_well drops the last batch of valid, test and rollout
    record = run(home, "all", **{"train.batch_size": 3})  # of 12, 4 and 4
    assert {name: len(kept["relative_l2"]) for name, kept in record.per_sample.items()} == dict.fromkeys(record.scores, 4)


def test_waves_with_one_negative_component_are_counted():  # PDEBench, two axes and three
    plane = Grid(("x", "y"), (32, 32), (0.0, 0.0), (1.0, 1.0), (True, True))
    x, y = (torch.as_tensor(axis) for axis in plane.mesh())
    errors = [frmse_low(torch.cos(2 * np.pi * (2 * x + s * 2 * y))[None, None], torch.zeros(1, 1, 32, 32), plane) for s in (1, -1)]
    assert errors[0].item() == pytest.approx(errors[1].item(), rel=1e-12) == pytest.approx(0.5**0.5, rel=1e-12)


def test_a_frame_that_hardly_varies_has_no_score_that_an_epsilon_made():  # the_well: 1e-7 beside the variance
    reference = 1 + 1e-5 * torch.randn(1, 1, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean = reference.mean().expand(1, 1, 8)
    assert vrmse(mean, reference).item() == pytest.approx(1, rel=1e-9)
    assert vrmse(mean + 1, torch.ones_like(reference)).item() == torch.inf


def test_a_perfect_prediction_is_perfectly_correlated():  # the_well: (n - 1) / n
    reference = samples(3).reference
    assert correlation_error(reference.clone(), reference).tolist() == [0.0] * 3


def test_correlation_does_not_see_an_offset():  # APEBench: a cosine, which an offset brings to one
    data = samples(3)
    plain = correlation_error(data.given.double(), data.reference.double())
    torch.testing.assert_close(correlation_error(data.given.double() + 100, data.reference.double() + 100), plain, rtol=1e-9, atol=0)
    assert (plain > 0.1).all()


def test_an_error_of_a_sample_does_not_depend_on_what_it_is_batched_with():  # PDEBench's Max: the largest in a loader's batch
    prediction, reference = samples(5).given, samples(5).reference
    wide = Grid(("x",), (8,), (0.0,), (1.0,), (False,))
    for name in sorted(set(metrics()) - {"frmse_mid", "frmse_high"}):
        whole = metrics()[name](prediction, reference, wide)
        torch.testing.assert_close(metrics()[name](prediction[2:3], reference[2:3], wide), whole[2:3], rtol=1e-12, atol=0)


def test_the_weights_are_chosen_without_the_test_split(home, monkeypatch):  # PDEBench: the best epoch on test
    plain = run(home, "plain")
    read = Split.samples

    def spoilt(split):
        found = read(split)
        test = "/test/" in split.path.as_posix()
        return Samples(found.given, found.reference.flip(0) * 7 if test else found.reference, found.coords)

    monkeypatch.setattr(Split, "samples", spoilt)
    again = run(home, "spoilt")
    assert (again.weights_sha256, again.best_epoch, again.curve) == (plain.weights_sha256, plain.best_epoch, plain.curve)
    assert again.scores["test"] != plain.scores["test"]


def test_what_is_not_finite_is_never_made_so(home, monkeypatch):  # the_well makes them 0, in inputs and in references
    class Breaks(Pointwise):
        def forward(self, given):
            return super().forward(given) + (
                0.0 if self.training else torch.where(given.flatten(1).amax(1) > 0.3, torch.nan, 0)[:, None, None]
            )

    record = run(home, "breaks", model=Breaks)
    assert record.status == "diverged"
    assert record.scores["test"]["relative_l2"] is None
    assert None in record.per_sample["test"]["relative_l2"]
    data = samples()
    data.reference[3, 0, 2] = torch.nan
    assert torch.isnan(relative_l2(data.given, data.reference)).tolist() == [i == 3 for i in range(7)]


def test_a_stored_field_that_is_not_finite_is_refused(tmp_path):  # the same
    header = Header(name="broken", grid=LINE, times=(0.0, 1.0), evolving=(Field("u"),))
    with pytest.raises(DataError, match="u of sample 1 is not finite"):
        write(tmp_path / "broken.hdf5", header, 2, iter([{"u": np.stack([np.zeros((2, 8)), np.full((2, 8), np.nan)])}]))
    assert not list(tmp_path.glob("*.hdf5"))
    with pytest.raises(DataError):
        Stored(tmp_path / "broken.hdf5")


def test_a_fingerprint_is_the_same_in_every_process():  # APEBench: a cache under hash(str(...))
    code = "from opbench.config import fingerprint; print(fingerprint({'a': 'x', 'b': [1, 2.5, None]}))"
    root = Path(__file__).parent.parent
    calls = [{"env": {"PYTHONHASHSEED": seed}, "cwd": root, "capture_output": True} for seed in ("1", "2", "3")]
    found = {subprocess.run([sys.executable, "-c", code], **call).stdout for call in calls}
    assert len(found) == 1
    assert len(found.pop()) == 65


@pytest.mark.parametrize("call", [{"task": "burgers_1d/stpe"}, {"task": "burgers1d"}, {"model": "fnoo"}, {"loss": "dta"}])
def test_a_misspelt_name_is_refused_and_takes_no_other_branch(call, tmp_path):  # PDEArena: "3DMaxell" in its test step
    with pytest.raises(UnknownName):
        opbench.evaluate(**{"model": "mean", "task": "burgers_1d", "out": tmp_path, **call})


def test_a_record_says_what_decided_its_numbers(home):  # the_well: TF32; PINNacle: a random seed, neither of them written down
    record = run(home, "told")
    assert record.seed == 0
    assert record.machine.tf32 is False
    assert record.metric_versions["rmse"] == 2
    assert len(record.source_sha256) == 64

"""opbench.evaluate: what a record holds, what is skipped and why, and how a run that stopped goes on."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import opbench
from opbench.data.task import Split, problem
from opbench.errors import ConfigError, Interrupted, ModelError, OpbenchError, UnknownName
from opbench.evaluation.build import build_model
from opbench.evaluation.evaluate import BASELINES, place_among_baselines
from opbench.evaluation.planning import mollifier
from opbench.evaluation.specimens import beside
from opbench.losses.data import DataLoss
from opbench.model import Normalized, OperatorModel, Samples
from opbench.provenance import sha256
from opbench.records.shelf import read_records

TINY = (Path(__file__).parent / "test_cli.py").read_text().split('TINY = """')[1].split('"""')[0]


class Pointwise(torch.nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.layer = torch.nn.Conv1d(in_channels, out_channels, 1)

    def forward(self, given):
        return self.layer(given)


class OneGrid(torch.nn.Module):
    """Runs on the training grid only, and does not say so."""

    def __init__(self, in_channels, out_channels, grid_shape):
        super().__init__()
        self.out, self.n = out_channels, grid_shape[0]
        self.layer = torch.nn.Linear(in_channels * self.n, out_channels * self.n)

    def forward(self, given):
        return self.layer(given.flatten(1)).reshape(-1, self.out, self.n)


class OneResolution(OneGrid):
    one_resolution = "one grid only"


class Diverges(Pointwise):
    def forward(self, given):
        return self.layer(given) * (float("nan") if self.training and len(given) > 2 else 1.0)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    (folder / "tiny.toml").write_text(TINY)
    return folder


def run(home, model, task="tiny.toml", **options):
    settings = {"train.epochs": 2} | options.pop("settings", {})
    options = {"cost": False} | options  # a ladder takes longer than all else here
    out = options.pop("out", home / "out")
    return opbench.evaluate(model, str(home / task), settings=settings, out=out, data=home / "data", device="cpu", **options)


def test_any_module_class_is_evaluated_and_its_record_is_on_disk(home):
    record = run(home, Pointwise)
    assert record in list(read_records(home / "out" / "records"))
    assert set(record.scores) == {"test", "ood", "finer", "coarser", "noise_1", "noise_5"}
    assert record.metric_versions.keys() | {"physics_residual"} == record.scores["test"].keys()
    assert record.changes == {"train.epochs": 2}
    assert record.training["epochs"] == 2
    assert [epoch for epoch, _, _ in record.curve] == [1, 2]
    assert record.parameters == 2 * (2 + 1)
    files = home / "data" / "tiny" / "mini" / "data"
    assert record.data_sha256 == {path.parent.name: sha256(path) for path in files.glob("*/tiny.hdf5")}
    assert record.error_floor["test"]["velocity"]["relative_l2"]["mean"] > 0


def test_predictions_of_the_best_the_median_and_the_worst_sample_lie_beside_the_record(home):
    record = run(home, Pointwise, seed=1)
    kept, errors = beside(record, home / "out" / "records"), record.per_sample["test"]["relative_l2"]
    assert kept is not None
    assert [errors[i] for i in kept.about.indices] == [sorted(errors)[k] for k in (0, 1, 3)]
    error, size = (np.linalg.norm(fields.reshape(3, -1), axis=1) for fields in (kept.prediction - kept.reference, kept.reference))
    assert error / size == pytest.approx(sorted(errors)[:2] + sorted(errors)[3:], rel=1e-4)


def test_the_weights_that_a_record_names_are_those_on_disk(home):
    record = run(home, Pointwise, seed=3)
    assert record.weights_sha256 == sha256(home / "out" / "runs" / "tiny" / record.stem / "weights.safetensors")
    assert not list((home / "out" / "runs").rglob("state.safetensors"))


def test_scores_are_means_over_samples_of_the_best_weights(home):
    record = run(home, Pointwise)
    for split, metrics in record.per_sample.items():
        for name, values in metrics.items():
            assert len(values) == 4
            assert record.scores[split][name] == pytest.approx(sum(values) / 4)


def test_a_class_from_a_notebooks_cell_is_told_from_another_of_its_name(home):
    records = []
    for kernel in (3, 5):
        cell = {"torch": torch, "Pointwise": Pointwise, "__name__": "__main__"}
        code = f"""
class Cell(torch.nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.layer = torch.nn.Conv1d(in_channels, out_channels, {kernel}, padding="same")

    def forward(self, given):
        return self.layer(given)
"""
        exec(compile(code, "<cell>", "exec"), cell)
        cell["Cell"].__module__ = "no_file_at_all"
        sys.modules.setdefault("no_file_at_all", type(torch)("no_file_at_all"))
        records.append(run(home, cell["Cell"]))
    assert records[0].source_sha256 != records[1].source_sha256
    assert records[0].configuration != records[1].configuration


def test_a_model_of_one_grid_is_scored_there_and_says_why_not_elsewhere(home):
    record = run(home, OneGrid)
    assert set(record.scores) == {"test", "ood", "noise_1", "noise_5"}
    for split in ("finer", "coarser"):
        assert "RuntimeError" in record.not_scored[split]


def test_a_model_with_a_config_that_knows_one_grid_is_scored_there_too(home):
    @dataclasses.dataclass(frozen=True)
    class Config:
        pass

    class Own(OperatorModel):
        def __init__(self, spec, config):
            super().__init__(spec, config)
            self.net = OneGrid(spec.in_channels, spec.out_channels, spec.grid.shape)

        def forward(self, given, coords):
            return self.net(given)

    Own.Config = Config
    record = run(home, Own)
    assert set(record.scores) == {"test", "ood", "noise_1", "noise_5"}
    assert "RuntimeError" in record.not_scored["finer"]


def test_a_run_whose_cost_cannot_be_measured_has_a_record(home, monkeypatch):
    def full(*_):
        raise MemoryError("32 GiB")

    monkeypatch.setattr(opbench.evaluation.evaluate, "climb", full)
    out = home / "untimed"
    with pytest.raises(
        OpbenchError, match=r"^cost was not measured: 32 GiB; the record is kept without it, and `opbench rescore .* adds it"
    ):
        run(home, "mean", out=out, cost=True)
    (record,) = read_records(out / "records")
    assert (record.cost, record.scores["test"]["relative_l2"] > 0) == (None, True)
    assert beside(record, out / "records") is not None


def test_data_solved_on_few_points_have_no_ladder_and_a_record_with_costs(home):
    few = TINY.replace('name = "tiny"', 'name = "few"').replace("points = [32]", "points = [6]").replace("refine = 2", "refine = 1")
    (home / "few.toml").write_text(few.replace(", finer = 4", ""))
    record = run(home, "mean", "few.toml", cost=True)
    assert record.cost is not None
    assert record.matched is None


def test_a_run_that_diverges_is_recorded_as_such_and_not_repaired(home):
    record = run(home, Diverges)
    assert record.status == "diverged"
    assert record.curve[-1][1] is None
    assert json.loads(record.to_json())["status"] == "diverged"


def test_an_interrupted_run_goes_on_to_the_very_same_record(home):
    def stop(epoch, *_):
        if epoch == 2:
            raise KeyboardInterrupt

    settings = {"train.epochs": 4}
    with pytest.raises(Interrupted, match="go on from epoch 3 of 4"):
        run(home, "fast_fno", settings=settings, progress=stop, out=home / "stopped")
    assert not list((home / "stopped").rglob("*.json"))
    seen = []
    resumed = run(home, "fast_fno", settings=settings, progress=lambda epoch, *_: seen.append(epoch), out=home / "stopped")
    whole = run(home, "fast_fno", settings=settings, out=home / "whole")
    assert seen == [3, 4]
    assert resumed.per_sample == whole.per_sample
    assert resumed.weights_sha256 == whole.weights_sha256


def test_a_step_task_asks_for_the_next_state(home):
    record = run(home, "persistence", task="tiny.toml/step")
    assert record.task == "tiny/step"
    assert len(record.per_sample["test"]["relative_l2"]) == 4  # trajectories, of two steps each
    assert record.rollouts.keys() == {"test", "ood", "finer"}
    assert record.rollouts["test"].stable == 1.0  # what stays as it is stays bounded
    assert record.rollouts["test"].errors["relative_l2"][0] < record.rollouts["test"].errors["relative_l2"][1]
    assert record in list(read_records(home / "out" / "records"))


def test_baselines_are_made_once_and_only_where_they_make_sense(home):
    record = run(home, "mean", settings={}, out=home / "baselines")
    for _ in range(2):
        place_among_baselines(record, str(home / "tiny.toml"), home / "baselines", data=home / "data", device="cpu", cost=False)
    found = [r.model for r in read_records(home / "baselines" / "records")]
    assert sorted(found) == sorted(BASELINES)
    static = opbench.evaluate("mean", "darcy_neuralop", out=home / "static", device="cpu")
    place_among_baselines(static, "darcy_neuralop", home / "static", device="cpu")
    assert "persistence" not in [r.model for r in read_records(home / "static" / "records")]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ({"model": Pointwise(2, 2)}, ModelError, "give the class itself"),
        ({"model": "mean", "seed": -1}, OpbenchError, "seed: expected a whole number"),
        ({"model": "mean", "seed": 1.5}, OpbenchError, "seed: expected a whole number"),
        ({"model": "fno", "settings": {"model.layers": 0}}, OpbenchError, "fno: layers"),
        ({"model": "linear", "settings": {"model.modes": 0}}, OpbenchError, "linear: modes"),
    ],
)
def test_a_users_mistake_is_told_before_anything_is_trained(home, call, error, message):
    with pytest.raises(error, match=message):
        run(home, **call, out=home / "mistakes")
    assert not (home / "mistakes").exists()


DARCY = """
name = "square"
version = 1
summary = "A few samples of Darcy, for tests"
source = "made here"
equation = "darcy"
seed = 1
[domain]
axes = ["x", "y"]
lower = [0.0, 0.0]
upper = [1.0, 1.0]
periodic = [false, false]
[given.permeability]
sampler = "log_normal"
amplitude = 3.0
tau = 3.0
alpha = 2.0
modes = 4
[solving]
tolerance = 1e-8
order = 2
block = 4
[scales.mini]
points = [17, 17]
refine = 2
samples = { train = 24, valid = 4, test = 4, finer = 2 }
[[tasks]]
kind = "static"
version = 1
epochs = { mini = 60 }
batch_size = 8
"""


@pytest.fixture(scope="module")
def square(home) -> str:
    (home / "square.toml").write_text(DARCY)
    return "square.toml"


def test_an_operator_is_trained_by_the_equation_alone_and_its_residual_stands_beside_the_references(home, square):
    settings = {"train.epochs": 60, "model.modes": 4, "model.width": 16}
    physics = run(home, "fast_fno", task=square, loss="physics", settings=settings)
    untrained = run(home, "fast_fno", task=square, loss="physics", settings=settings | {"train.learning_rate": 1e-9})
    assert physics.scores["test"]["relative_l2"] < 0.5 * untrained.scores["test"]["relative_l2"], (physics.scores, untrained.scores)
    assert 0 < physics.physics_floor["test"] < 0.1
    assert physics.scores["test"]["physics_residual"] > physics.physics_floor["test"]
    assert physics.loss_settings == {"ends": "exact", "norm": "auto", "derivatives": "stencils", "causal": 0.0}
    assert len({physics.configuration, untrained.configuration}) == 2


def test_a_loss_that_reads_no_labels_does_not_depend_on_them(home, square, monkeypatch):
    settings = {"train.epochs": 2}
    plain = run(home, "fast_fno", task=square, loss="physics", settings=settings)
    read = Split.samples

    def spoilt(split):
        samples = read(split)
        return Samples(samples.given, samples.reference + 1.0, samples.coords)

    monkeypatch.setattr(Split, "samples", spoilt)
    again = run(home, "fast_fno", task=square, loss="physics", settings=settings)
    assert again.weights_sha256 == plain.weights_sha256
    assert again.scores["test"]["relative_l2"] != plain.scores["test"]["relative_l2"]


def test_exact_ends_are_exact_with_every_loss(home, square):
    for loss in ("data", "both", "physics"):
        record = run(home, "fast_fno", task=square, loss=loss, settings={"loss.ends": "exact"})
        assert record.loss_settings["ends"] == "exact"
    chosen, split = problem(str(home / square)), problem(str(home / square)).split("test", home / "data").samples()
    operator = build_model("fast_fno", chosen.spec, {})
    settings = DataLoss.Settings(ends="exact")
    network = Normalized(operator, mollifier(chosen, settings, "cpu"))
    network.prepare(split.given, split.reference, split.coords)
    prediction = network(split.given, split.coords).detach()
    assert float(prediction[:, :, 0].abs().max()) == float(prediction[..., -1].abs().max()) == 0.0
    assert float(prediction[:, :, 1:-1, 1:-1].abs().min()) > 0


def test_finetuning_by_the_equation_helps_and_is_recorded_with_its_budget(home, square):
    settings = {"train.epochs": 20, "model.modes": 4, "model.width": 16, "finetune.samples": 2, "finetune.steps": 60}
    record = run(home, "fast_fno", task=square, labels=2, finetune="physics", settings=settings)
    tuned = record.finetuned
    assert (tuned.loss, tuned.samples, tuned.steps, len(tuned.after["relative_l2"])) == ("physics", 2, 60, 2)
    assert tuned.before["relative_l2"] == pytest.approx(record.per_sample["test"]["relative_l2"][:2], rel=1e-5)
    assert all(after < 0.7 * before for before, after in zip(tuned.before["relative_l2"], tuned.after["relative_l2"], strict=True)), tuned
    assert tuned.seconds > 0
    assert 0 < tuned.floor < 0.1
    assert "--finetune physics" in record.command
    plain = run(home, "fast_fno", task=square, labels=2, settings={k: v for k, v in settings.items() if "finetune" not in k})
    assert plain.configuration == record.configuration
    assert plain.finetuned is None


def test_of_a_step_task_a_finetuned_sample_is_a_trajectory_whose_states_are_all_asked(home):
    settings = {"train.epochs": 2, "finetune.samples": 2, "finetune.steps": 1}
    record = run(home, "fast_fno", task="tiny.toml/step", finetune="physics", settings=settings)
    tuned = record.finetuned
    assert (tuned.samples, len(tuned.after["relative_l2"])) == (2, 2)
    assert tuned.before["relative_l2"] == pytest.approx(record.per_sample["test"]["relative_l2"][:2], rel=1e-5)
    assert tuned.before != tuned.after


def test_training_that_balances_as_it_goes_goes_on_to_the_same_bits(home, square):
    def stop(epoch, *_):
        if epoch == 2:
            raise KeyboardInterrupt

    options = {"task": square, "loss": "both", "labels": 8, "settings": {"train.epochs": 4, "loss.balance": "relobralo"}}
    whole = run(home, "fast_fno", **options, out=home / "whole")
    with pytest.raises(Interrupted):
        run(home, "fast_fno", **options, out=home / "halves", progress=stop)
    assert run(home, "fast_fno", **options, out=home / "halves").weights_sha256 == whole.weights_sha256


def test_labels_settings_and_the_plain_data_loss_have_their_own_fingerprints(home):
    settings = {"train.epochs": 1}
    records = [
        run(home, "fast_fno", settings=settings),
        run(home, "fast_fno", settings=settings, labels=3),
        run(home, "fast_fno", settings=settings, labels=3, loss="both"),
        run(home, "fast_fno", settings=settings | {"loss.weight": 0.1}, labels=3, loss="both"),
    ]
    assert len({record.configuration for record in records}) == 4
    assert records[0].loss_settings == {}
    assert "--labels 3" in records[1].command
    assert "--set=loss.weight=0.1" in records[3].command


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ({"model": "linear", "loss": "physics"}, ModelError, "is fitted to references as they are; take --loss data"),
        ({"model": "persistence", "loss": "physics"}, ModelError, "has nothing to train with the loss physics"),
        ({"model": "fast_fno", "loss": "physics", "labels": 3}, ConfigError, "the loss physics reads none"),
        ({"model": "fast_fno", "loss": "both", "labels": 0}, ConfigError, "--loss physics needs none"),
        ({"model": "fast_fno", "loss": "both", "settings": {"loss.wieght": 1}}, UnknownName, "did you mean 'weight'"),
        ({"model": "fast_fno", "loss": "physics", "settings": {"loss.norm": "inverse"}}, ConfigError, "take --set loss.norm=l2"),
        ({"model": OneResolution, "loss": "both", "settings": {"loss.refine": 2}}, ModelError, "one grid only; leave loss.refine out"),
        ({"model": "persistence", "finetune": "physics"}, ModelError, "no weights to optimise"),
    ],
)
def test_what_does_not_fit_a_loss_is_told_before_anything_is_trained(home, call, error, message):
    with pytest.raises(error, match=message):
        run(home, **call, out=home / "unfit")
    assert not (home / "unfit").exists()


def test_foreign_data_have_no_equation_to_train_by(home):
    with pytest.raises(ConfigError, match="darcy_neuralop/static comes without an equation; train on data"):
        opbench.evaluate("fast_fno", "darcy_neuralop", loss="physics", out=home / "unfit", device="cpu")

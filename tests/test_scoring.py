"""What is scored, where and on which channels; what is not, and why."""

from pathlib import Path

import pytest
import torch

import opbench.evaluation.scoring
from opbench.data.task import problem
from opbench.evaluation.build import build_model
from opbench.evaluation.scoring import HEADLINE, conserved, scores
from opbench.grid import Grid
from opbench.metrics import crmse, metrics, versions
from opbench.model import Channel, Normalized, Samples, Spec, coordinates
from opbench.train import predict

TINY = (Path(__file__).parent / "test_cli.py").read_text().split('TINY = """')[1].split('"""')[0]
LINE = Grid(("x",), (8,), (0.0,), (1.0,), (True,))


class Pointwise(torch.nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Conv1d(in_channels, out_channels, 1)

    def forward(self, given):
        return self.layer(given)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scoring")
    (folder / "tiny.toml").write_text(TINY)

    def made(kind):
        chosen = problem(str(folder / f"tiny.toml/{kind}"))
        return chosen, {name: chosen.split(name, folder / "data") for name in chosen.splits}

    return made


def scored(chosen, splits, batch_size=3):
    network = Normalized(build_model(Pointwise, chosen.spec, {}))
    train = splits["train"].samples()
    network.prepare(train.given, train.reference, train.coords)
    return scores(chosen, network, splits, "cpu", batch_size), network


def test_every_metric_is_scored_on_test_or_there_is_a_reason_why_not(tiny):
    found, _ = scored(*tiny("trajectory"))
    assert found["scores"]["test"].keys() | found["not_scored"].keys() >= {*metrics(), "physics_residual"}
    assert found["not_scored"]["brmse"].startswith("the grid is periodic")
    assert found["metric_versions"] == {name: version for name, version in versions().items() if name in found["scores"]["test"]}
    assert not found["rollouts"]


def test_all_errors_of_all_test_samples_are_kept_and_elsewhere_the_headline(tiny):
    found, _ = scored(*tiny("trajectory"))
    assert found["per_sample"]["test"].keys() == found["scores"]["test"].keys()
    for name, kept in found["per_sample"].items():
        assert name == "test" or list(kept) == [HEADLINE]
        for key, values in kept.items():
            assert found["scores"][name][key] == pytest.approx(sum(values) / len(values), rel=1e-7)


def test_the_training_grid_itself_taken_for_a_coarser_one_has_the_main_score(tiny, monkeypatch):
    monkeypatch.setattr(opbench.evaluation.scoring, "COARSER", 1)
    found, _ = scored(*tiny("trajectory"))
    assert found["scores"]["coarser"] == {name: v for name, v in found["scores"]["test"].items() if name != "physics_residual"}


def test_noise_makes_the_error_grow_with_its_level(tiny):
    found, _ = scored(*tiny("trajectory"))
    clean, some, more = (found["per_sample"][name][HEADLINE] for name in ("test", "noise_1", "noise_5"))
    changes = [[abs(a - b) for a, b in zip(noisy, clean, strict=True)] for noisy in (some, more)]
    assert 0 < sum(changes[0]) < sum(changes[1])


def test_a_step_task_is_rolled_out_on_every_stored_split_beside_its_one_step_scores(tiny):
    chosen, splits = tiny("step")
    found, network = scored(chosen, splits)
    assert found["rollouts"].keys() == {"test", "ood", "finer"}
    rollout, times = found["rollouts"]["test"], splits["test"].times
    assert rollout.times == times
    assert len(times) > 1
    samples = splits["test"].samples()
    state = samples.given[:: len(times)]
    for _ in times:
        state = torch.cat((predict(network, Samples(state, state, samples.coords), 3), state[:, 1:]), 1)  # the viscosity stays
    reference = samples.reference[len(times) - 1 :: len(times)]
    error = ((state[:, :1] - reference).flatten(1).norm(dim=1) / reference.flatten(1).norm(dim=1)).mean().item()
    assert rollout.errors["relative_l2"][-1] == pytest.approx(error, rel=1e-5)


def test_the_errors_of_a_trajectorys_steps_count_as_one_sample(tiny):
    chosen, splits = tiny("step")
    found, network = scored(chosen, splits)
    steps = len(splits["test"].times)
    for name in ("test", "finer"):
        samples = splits[name].samples()
        error = predict(network, samples, 3) - samples.reference
        each = error.flatten(1).norm(dim=1) / samples.reference.flatten(1).norm(dim=1)
        means = [each[i : i + steps].mean().item() for i in range(0, len(samples), steps)]
        assert found["per_sample"][name]["relative_l2"] == pytest.approx(means, rel=1e-5)
        assert found["scores"][name]["relative_l2"] == pytest.approx(each.mean().item(), rel=1e-5)
    assert {len(values) for values in found["per_sample"]["noise_1"].values()} == {len(samples) // steps}


@pytest.mark.parametrize("kind", ["trajectory", "step"])
def test_no_score_depends_on_the_batch_size(tiny, kind):
    one, all_ = (scored(*tiny(kind), batch_size)[0] for batch_size in (1, 1000))
    for name, means in one["scores"].items():
        assert means == pytest.approx(all_["scores"][name], rel=1e-4, abs=1e-7)
    for name, rollout in one["rollouts"].items():
        for key, errors in rollout.errors.items():
            assert errors == pytest.approx(all_["rollouts"][name].errors[key], rel=1e-3, abs=1e-6)


def test_a_total_counts_where_the_references_hold_theirs():
    spec = Spec(
        (Channel("mass"), Channel("heat")), (Channel("mass", 1.0), Channel("mass", 2.0), Channel("heat", 1.0), Channel("other")), LINE
    )
    mass = torch.rand(5, 1, 8, generator=torch.Generator().manual_seed(0))
    heat = torch.rand(5, 1, 8, generator=torch.Generator().manual_seed(1))
    reference = torch.cat((mass.roll(1, 2), mass.roll(2, 2), 0.99 * heat, mass), 1)
    samples = Samples(torch.cat((mass, heat), 1), reference, coordinates(LINE))
    assert conserved(spec, samples, LINE) == [0, 1]
    reference[4, 1] *= 1.01  # one sample at one time is enough
    assert conserved(spec, samples, LINE) == []


def test_the_error_of_the_total_is_of_conserved_fields_alone(tiny):
    chosen, splits = tiny("trajectory")
    found, network = scored(chosen, splits)
    samples = splits["test"].samples()
    held = conserved(chosen.spec, samples, chosen.spec.grid)
    assert held == [0, 1]  # Burgers' velocity on a circle
    prediction = predict(network, samples)
    assert found["scores"]["test"]["crmse"] == pytest.approx(crmse(prediction, samples.reference, chosen.spec.grid).mean().item(), rel=1e-5)


def test_steady_problems_conserve_nothing_and_an_odd_grid_cannot_be_coarsened():
    chosen = problem("darcy_neuralop")
    splits = {name: chosen.split(name) for name in chosen.splits}
    network = Normalized(build_model("fast_fno", chosen.spec, {}))
    found = scores(chosen, network, splits, "cpu", 50)
    assert found["not_scored"]["crmse"] == "no field's total stays what it was in the references"
    assert "cannot be joined" in found["not_scored"]["coarser"]
    assert "crmse" not in found["scores"]["test"]


def test_an_infinite_mean_of_a_finite_prediction_is_null_with_the_reason(tiny, monkeypatch):
    chosen, splits = tiny("trajectory")
    samples = splits["test"].samples()
    samples.reference[1, 0] = 0.25
    monkeypatch.setattr(type(splits["test"]), "samples", lambda split: samples)
    found, _ = scored(chosen, {"train": splits["train"], "test": splits["test"]})
    assert found["scores"]["test"]["vrmse"] is None
    assert found["not_scored"]["vrmse"].startswith("is infinite in 1 of 4 samples")
    assert [v is None for v in found["per_sample"]["test"]["vrmse"]] == [False, True, False, False]

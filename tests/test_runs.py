"""Places of runs: one for each record, whoever else is at work, and an interrupted run keeps its own."""

import itertools
from contextlib import suppress

import pytest
import torch

import opbench
from opbench.evaluation.runs import claimed
from opbench.provenance import sha256
from opbench.records.shelf import read_record, save
from opbench.submission.reproduce import checkpoint
from records import record

DATA = "darcy_neuralop"


class Restless(torch.nn.Module):
    """Learns otherwise each time, as on another number of threads."""

    made = itertools.count(1)

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.layer = torch.nn.Conv2d(in_channels, out_channels, 1)
        torch.nn.init.constant_(self.layer.weight, next(self.made) / 10)

    def forward(self, given):
        return self.layer(given)


def run(out, model=Restless, **options):
    return opbench.evaluate(
        model, DATA, settings=options.pop("settings", {"train.epochs": 1}), out=out, device="cpu", cost=False, **options
    )


def claim(out, resume=True):
    return claimed(out, DATA, "fno-1", resume)


def test_a_repeated_run_leaves_the_first_ones_checkpoint_as_it_was(tmp_path):
    first, second = run(tmp_path), run(tmp_path)
    paths = [tmp_path / "records" / DATA / f"{first.stem}{number}.json" for number in ("", "-2")]
    assert [read_record(path) for path in paths] == [first, second]
    assert first.weights_sha256 != second.weights_sha256
    for path, held in zip(paths, (first, second), strict=True):
        assert checkpoint(path, held) == tmp_path / "runs" / DATA / path.stem / "weights.safetensors"
        assert sha256(checkpoint(path, held)) == held.weights_sha256
    assert [file.name for file in (tmp_path / "runs").rglob("*") if file.is_file()] == ["weights.safetensors"] * 2


def test_weights_that_lie_where_each_run_of_a_name_once_put_its_own_are_found_if_the_record_names_them(tmp_path):
    (weights := tmp_path / "runs" / "burgers_1d" / record().stem / "weights.safetensors").parent.mkdir(parents=True)
    weights.write_bytes(b"those of the second run")
    paths = [save(record(weights_sha256=sum), tmp_path / "records") for sum in ("0" * 64, sha256(weights), "1" * 64)]
    third = weights.parents[1] / f"{record().stem}-3" / "weights.safetensors"
    assert [checkpoint(path, read_record(path)) for path in paths] == [weights, weights, third]


def test_two_processes_at_once_have_two_places(tmp_path):
    with claim(tmp_path) as one, claim(tmp_path) as other:
        assert (one.name, other.name) == ("fno-1", "fno-1-2")


def test_an_interrupted_run_keeps_its_place_for_the_next_of_its_name_and_for_no_other(tmp_path):
    with suppress(KeyboardInterrupt), claim(tmp_path) as place:
        place.weights.write_bytes(b"half trained")
        raise KeyboardInterrupt
    with claim(tmp_path, resume=False) as other:
        assert other.name == "fno-1-2"
    with claim(tmp_path) as again:
        assert again == place


def test_the_second_of_two_runs_goes_on_where_it_was_interrupted_though_the_first_ones_record_is_gone(tmp_path):
    (state := tmp_path / "runs" / DATA / "fno-1-2" / "state.safetensors").parent.mkdir(parents=True)
    state.write_bytes(b"")
    with claim(tmp_path) as place:
        assert place.folder == state.parent
    assert not state.exists()


def test_weights_whose_record_is_elsewhere_are_not_written_over(tmp_path):
    first = run(tmp_path)
    (path := tmp_path / "records" / DATA / f"{first.stem}.json").rename(tmp_path / "on_another_branch.json")
    second = run(tmp_path)
    (tmp_path / "on_another_branch.json").rename(path)
    assert sha256(checkpoint(path, first)) == first.weights_sha256
    assert [read_record(path.with_name(f"{first.stem}-2.json"))] == [second]


def test_a_model_that_is_fitted_and_then_interrupted_takes_its_place_again(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("opbench.evaluation.evaluate.kept_beside", stop)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "mean", settings={})
    monkeypatch.undo()
    held = run(tmp_path, "mean", settings={})
    assert [path.stem for path in (tmp_path / "records").rglob("*.json")] == [held.stem]

"""The Well's statistics: the values that its own script gives, whatever the size of what is read at once."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from small_files import make

import opbench.data.well_stats
from opbench.data.well_stats import write_stats
from opbench.errors import DataError

THE_WELL = Path(__file__).parent / "data" / "thewell_mixed2d"


@pytest.mark.parametrize("block", [1, 2000, 1 << 24])
def test_statistics_are_those_that_the_well_computes(tmp_path, monkeypatch, block):
    """Two files with 7 and 6 steps; vectors, matrices, a field that no sample varies. The Well writes five digits."""
    monkeypatch.setattr(opbench.data.well_stats, "BLOCK", block)
    shutil.copytree(THE_WELL / "data", tmp_path / "data")
    write_stats(tmp_path)
    ours, theirs = (yaml.safe_load((folder / "stats.yaml").read_text()) for folder in (tmp_path, THE_WELL))
    assert {kind: set(fields) for kind, fields in ours.items()} == {kind: set(fields) for kind, fields in theirs.items()}
    for kind, fields in theirs.items():
        for name, values in fields.items():
            np.testing.assert_allclose(ours[kind][name], values, rtol=1e-4, err_msg=f"{kind} of {name}")


def test_steps_of_a_steady_solution_are_zero(tmp_path):
    _, values = make(tmp_path / "data" / "train" / "file.hdf5", steady=True)
    write_stats(tmp_path)
    stats = yaml.safe_load((tmp_path / "stats.yaml").read_text())
    assert stats["std"]["velocity"] == pytest.approx(values["velocity"].astype(np.float64).std(), rel=1e-12)
    assert stats["mean_delta"] == stats["std_delta"] == stats["rms_delta"] == {"velocity": 0.0, "pressure": 0.0}
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["stats.yaml"]


def test_small_numbers_are_numbers_in_yaml(tmp_path):
    """YAML 1.1 reads 1e-05 as text."""
    make(tmp_path / "data" / "train" / "file.hdf5")
    write_stats(tmp_path)
    stats = yaml.safe_load((tmp_path / "stats.yaml").read_text())
    assert {type(value) for fields in stats.values() for value in fields.values()} == {float}


def test_statistics_without_training_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="data/train: no HDF5 files"):
        write_stats(tmp_path)

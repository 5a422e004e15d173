"""Predictions of other frameworks: scored as our own are, and refused by name and shape."""

import h5py
import numpy as np
import pytest

from opbench.data.task import load
from opbench.errors import DataError
from opbench.evaluation.predictions import score
from opbench.metrics import metrics

TASK = "darcy_neuralop"


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    return load(TASK, "test").samples().reference.numpy()


def written(path, **arrays):
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                file[name] = values
    return path


@pytest.mark.parametrize("suffix", ["h5", "hdf5", "npz"])
def test_the_reference_itself_has_no_error_and_twice_it_an_error_of_one(tmp_path, reference, suffix):
    fields = {channel.field: reference[:, i] for i, channel in enumerate(load(TASK, "test").spec.outputs)}
    exact = score(written(tmp_path / f"exact.{suffix}", **fields), TASK)
    assert {"relative_l2"} <= exact.keys() <= metrics().keys()
    assert set(exact.values()) == {0.0}
    assert "crmse" not in exact  # records have no total of what is not given, and so is not held
    double = score(written(tmp_path / f"double.{suffix}", **{name: 2 * values for name, values in fields.items()}), TASK)
    assert double["relative_l2"] == pytest.approx(1.0)


def test_a_prediction_that_is_not_finite_has_no_finite_error(tmp_path, reference):
    (channel,) = load(TASK, "test").spec.outputs
    broken = reference[:, 0].copy()
    broken[3, 2, 1] = np.nan
    assert score(written(tmp_path / "nan.npz", **{channel.field: broken}), TASK)["relative_l2"] is None


def test_only_what_is_asked_is_looked_at_and_nothing_large_is_read_before_it_is_known_to_fit(tmp_path, reference):
    (channel,) = load(TASK, "test").spec.outputs
    name, values = channel.field, reference[:, 0]
    np.savez(tmp_path / "more.npz", **{name: values, "notes": np.array([{}], dtype=object)})
    with h5py.File(tmp_path / "more.h5", "w") as file:
        file[name] = values
        file["gone"] = h5py.SoftLink("/nowhere")
    for path in (tmp_path / "more.npz", tmp_path / "more.h5"):
        assert score(path, TASK)["relative_l2"] == 0
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset(name, (1 << 40,), dtype="f4")
    with h5py.File(tmp_path / "gone.h5", "w") as file:
        file[name] = h5py.SoftLink("/nowhere")
    written(tmp_path / "wide.npz", **{name: values.astype(np.longdouble)})
    (tmp_path / "empty.npz").write_bytes(b"")
    np.save(tmp_path / "bare.npy", values)
    (tmp_path / "bare.npy").rename(tmp_path / "bare.npz")
    told = {
        "huge.h5": "expected shape",
        "gone.h5": "expected an array named",
        "wide.npz": "expected real numbers",
        "empty.npz": "expected NumPy",
    }
    for file, message in (told | {"bare.npz": "expected NumPy"}).items():
        with pytest.raises(DataError, match=message):
            score(tmp_path / file, TASK)


def test_what_does_not_fit_is_told_with_what_was_expected(tmp_path, reference):
    (channel,) = load(TASK, "test").spec.outputs
    name, values = channel.field, reference[:, 0]
    cases = {
        "short.npz": ({name: values[:-1]}, r"expected shape \("),
        "other.h5": ({"other": values}, f"expected an array named {name}, found other"),
        "whole.npz": ({name: values.astype(int)}, "expected real numbers"),
    }
    for file, (arrays, message) in cases.items():
        with pytest.raises(DataError, match=message):
            score(written(tmp_path / file, **arrays), TASK)
    (tmp_path / "text.h5").write_text("no HDF5")
    for file in ("text.h5", "missing.npz"):
        with pytest.raises(DataError, match=r"expected HDF5 with arrays of numbers|no such file"):
            score(tmp_path / file, TASK)
    np.savez(tmp_path / "pickled.npz", **{name: np.array([{}], dtype=object)})
    with pytest.raises(DataError, match=r"expected NumPy's \.npz with arrays of numbers"):
        score(tmp_path / "pickled.npz", TASK)

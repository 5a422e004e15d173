"""Foreign arrays come as float32, and nothing that comes with them is run."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from opbench.errors import DataError
from opbench.readers.tensors import Tensors

DARCY = Path(__file__).parents[1] / "datasets" / "foreign" / "darcy_neuralop"


class Trap:
    """Unpickled, it leaves a trace."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def test_arrays_of_both_kinds_of_file_come_as_float32(tmp_path):
    arrays = {"x": np.arange(6).reshape(2, 3) > 2, "y": np.linspace(0, 1, 6).reshape(2, 3), "z": np.arange(2)}
    np.savez(tmp_path / "a.npz", **arrays)
    torch.save({key: torch.as_tensor(array) for key, array in arrays.items()}, tmp_path / "a.pt")
    for file in ("a.npz", "a.pt"):
        read_arrays = Tensors().read(tmp_path / file, ("y", "x"))
        assert list(read_arrays) == ["y", "x"]
        for key, array in read_arrays.items():
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, arrays[key].astype(np.float32), err_msg=f"{key} of {file}")


def text(path):
    path.write_text("x,y\n1,2\n")


@pytest.mark.parametrize(
    ("name", "save", "message"),
    [
        ("a.npz", text, "not a file of plain arrays"),
        ("a.pt", text, "not a file of plain arrays"),
        ("a.npz", Path.touch, "not a file of plain arrays"),
        ("a.pt", Path.touch, "not a file of plain arrays"),
        ("a.npz", lambda path: path.write_bytes(b"PK\x03\x04 cut short"), "not a file of plain arrays"),
        ("a.npz", lambda path: np.savez(path, x=np.array([{}, None])), "not a file of plain arrays"),
        ("a.npz", lambda path: np.savez(path, x=np.ones(2)), "no array 'y.*expected x, y"),
        ("a.pt", lambda path: torch.save({"x": torch.ones(2)}, path), "no array 'y', expected x, y"),
        ("a.pt", lambda path: torch.save(torch.ones(2), path), r"not a file of plain arrays by name \(TypeError\)"),
        ("a.pt", lambda path: torch.save({"x": torch.ones(2), "y": "text"}, path), "not a file of plain arrays"),
        ("a.npz", lambda path: np.savez(path, x=np.ones(2), y=np.array(["text"])), "y has type <U4, expected real numbers"),
        ("a.pt", lambda path: torch.save({"x": torch.ones(2), "y": torch.ones(2) * 1j}, path), "y has type complex64"),
        ("a.npz", lambda path: np.savez(path, x=np.ones(2), y=np.array([np.nan])), "y has values that are not finite"),
        ("a.npz", lambda path: np.savez(path, x=np.ones(2), y=np.array([1e39])), "y has values that are not finite"),
        ("a.mat", text, "expected an .npz or a .pt file"),
        ("a.npz", lambda path: None, "no such file"),
    ],
)
def test_another_kind_of_file_is_told_in_one_line(tmp_path, name, save, message):
    save(tmp_path / name)
    with pytest.raises(DataError, match=message) as error:
        Tensors().read(tmp_path / name, ("x", "y"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("a.npz", lambda path, trap: np.savez(path, x=np.array([trap]), y=np.ones(2))),
        ("a.npz", lambda path, trap: path.write_bytes(pickle.dumps(trap))),
        ("a.pt", lambda path, trap: torch.save({"x": trap, "y": torch.ones(2)}, path)),
        ("a.pt", lambda path, trap: path.write_bytes(pickle.dumps(trap))),
    ],
    ids=["object array", "pickle named npz", "object in pt", "pickle named pt"],
)
def test_a_pickle_is_refused_and_not_run(tmp_path, name, save):
    trace = tmp_path / "trace"
    save(tmp_path / name, Trap(trace))
    with pytest.raises(DataError, match="not a file of plain arrays"):
        Tensors().read(tmp_path / name, ("x", "y"))
    assert not trace.exists()
    pickle.loads(pickle.dumps(Trap(trace)))
    assert trace.exists(), "the trap does not work, so the test proves nothing"


@pytest.mark.parametrize(
    ("file", "samples", "points", "digest"),
    [
        ("darcy_train_16.npz", 1000, 16, "9d2807c436e838ace0207e3e6c7e3e98a1b1c7a991069031167a1c2f422724d8"),
        ("darcy_test_16.npz", 50, 16, "27ab4805a5bb52fbb58613fcfd35d73835a6980b2f9cbd04e3bea6bff25972e1"),
        ("darcy_test_32.npz", 50, 32, "8367d675cfc7cab2d092639685086fd3cf6054ea5b3c41fca7cf743c448ca81b"),
    ],
)
def test_the_shipped_darcy_data_are_what_their_note_says(file, samples, points, digest):
    assert hashlib.sha256((DARCY / file).read_bytes()).hexdigest() == digest
    assert digest in (DARCY / "LICENSE-neuraloperator.txt").read_text()
    arrays = Tensors().read(DARCY / file, ("x", "y"))
    assert arrays["x"].shape == arrays["y"].shape == (samples, points, points)
    assert set(np.unique(arrays["x"])) == {0.0, 1.0}

"""What every file of opbench/readers/ must do."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from opbench.errors import DataError
from opbench.find import names, summary
from opbench.readers import reader_of

READERS = names("readers")


def text(path: Path) -> None:
    path.write_text("x,y\n1,2\n")


def noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(4096))


def empty_hdf5(path: Path) -> None:
    h5py.File(path, "w").close()


def empty_npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir, Path.touch, text, noise, empty_hdf5, empty_npz])
@pytest.mark.parametrize("suffix", [".hdf5", ".npz", ".pt"])
def test_a_file_of_another_kind_is_told_in_a_line(reader, make, suffix, tmp_path):
    path = tmp_path / f"file{suffix}"
    make(path)
    for call in (lambda: reader_of(reader).read(path, ["t0_fields/u"]), lambda: reader_of(reader).look(path)):
        with pytest.raises(DataError) as told:
            call()
        message = str(told.value)
        assert message.startswith(f"{path}: "), message
        assert "\n" not in message, message


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_says_what_it_reads(reader):
    assert len(summary("readers", reader)) > 20

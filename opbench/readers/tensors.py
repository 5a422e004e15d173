"""Arrays by name from an .npz or .pt file of another suite; nothing in it is executed."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from opbench.errors import DataError


def read(path: Path | str, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays called `keys`, float32; truth values become 0 and 1.

    Raises DataError for a file that is missing or of another kind, that holds pickled objects, lacks a key, or has values that are not
    finite real numbers.
    """
    path = Path(path)
    if path.suffix not in (".npz", ".pt"):
        raise DataError(f"{path}: expected an .npz or a .pt file; convert it with numpy.savez")
    if not path.is_file():
        raise DataError(f"{path}: no such file; put it there")
    try:
        with path.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch doubts a pickle's version before it refuses the pickle
            arrays = _load_npz(stream, keys) if path.suffix == ".npz" else _load_pt(stream, keys)
    except KeyError as error:
        raise DataError(f"{path}: no array {error}, expected {', '.join(keys)}; name the arrays that the file has") from error
    except Exception as error:  # a damaged or hostile file may raise anything in a parser
        raise DataError(f"{path}: not a file of plain arrays by name ({type(error).__name__}); save it with numpy.savez") from error
    return {key: _float32(path, key, array) for key, array in arrays.items()}


def _load_npz(stream: BinaryIO, keys: Sequence[str]) -> dict[str, np.ndarray]:
    with np.load(stream, allow_pickle=False) as file:
        return {key: file[key] for key in keys}


def _load_pt(stream: BinaryIO, keys: Sequence[str]) -> dict[str, np.ndarray]:
    import torch

    content: Any = torch.load(stream, map_location="cpu", weights_only=True)
    if not isinstance(content, Mapping):
        raise TypeError(type(content).__name__)
    return {key: torch.as_tensor(content[key]).numpy() for key in keys}


def _float32(path: Path, key: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}: {key} has type {array.dtype}, expected real numbers; convert it")
    with np.errstate(over="ignore"):  # found below
        values = array.astype(np.float32)
    if not np.all(np.isfinite(values)):
        raise DataError(f"{path}: {key} has values that are not finite in float32; leave those samples out")
    return values

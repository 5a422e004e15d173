"""Arrays by name from an .npz or .pt file of another suite; nothing in it is executed."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from opbench.errors import DataError
from opbench.readers import Contents, Reader, Selection, float32, told


class Tensors(Reader):
    """Every array is (sample, ...) under its own name."""

    def read(self, path: Path, keys: Sequence[str], chosen: Selection | None = None) -> dict[str, np.ndarray]:
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
        part = chosen or Selection()
        with told(path):
            return {key: float32(key, array[part.index(array.ndim)]) for key, array in arrays.items()}

    def look(self, path: Path) -> Contents:
        raise DataError(f"{path}: its format does not say what the arrays are; write a recipe as datasets/darcy_neuralop.toml is one")


def _load_npz(stream: BinaryIO, keys: Sequence[str]) -> dict[str, np.ndarray]:
    with np.load(stream, allow_pickle=False) as file:
        return {key: file[key] for key in keys}


def _load_pt(stream: BinaryIO, keys: Sequence[str]) -> dict[str, np.ndarray]:
    import torch

    content: Any = torch.load(stream, map_location="cpu", weights_only=True)
    if not isinstance(content, Mapping):
        raise TypeError(type(content).__name__)
    return {key: torch.as_tensor(content[key]).numpy() for key in keys}

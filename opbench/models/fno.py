"""The Fourier neural operator of the neuraloperator library, as the field runs it."""

import inspect
import sys
import warnings
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from opbench.errors import ModelError
from opbench.model import OperatorModel, Spec
from opbench.models._spectral import check_modes, resolve_modes
from opbench.provenance import sha256


@dataclass(frozen=True)
class FNOConfig:
    """modes: per axis and sign, half of neuraloperator's n_modes; None is a quarter of the axis' points, at most 16 in 1-D, 12 beyond.

    width: hidden_channels; layers: n_layers; channel_mlp: the two-layer network after each Fourier layer.
    """

    modes: PositiveInt | None = None
    width: PositiveInt = 32
    layers: PositiveInt = 4
    channel_mlp: bool = True


class FNO(OperatorModel):
    """neuralop.models.FNO: Li et al. 2021, arXiv 2010.08895, eq. 2 to 5, with the library's channel MLP and soft gating.

    It is guarded where the library is known to fail:

    * on odd sizes in every axis but the last the 2.0.0 wheel shifts the spectrum twice: those axes gain one point and lose it again;
    * its spectral weights are complex, which fused optimizers, sharding and safetensors refuse: here real parts are the parameters;
    * its state dict carries a `_metadata` entry that is no tensor: it is removed;
    * its grid embedding is cached by size alone: the cache is dropped when the model moves.

    Raises ModelError where neuraloperator is missing, the modes do not fit the grid, or the values are not float32.
    """

    Config = FNOConfig
    learning_rate = 5e-3
    network: Any  # the library's classes carry no types

    def __init__(self, spec: Spec, config: FNOConfig):
        super().__init__(spec, config)
        self.modes = resolve_modes("fno", config.modes, spec.grid.shape)
        self.network = _library_fno()(
            n_modes=tuple(2 * m for m in self.modes),
            in_channels=spec.in_channels,
            out_channels=spec.out_channels,
            hidden_channels=config.width,
            n_layers=config.layers,
            use_channel_mlp=config.channel_mlp,
            positional_embedding="grid",
        )
        for convolution in self.network.fno_blocks.convs:
            convolution.weight = RealParts(convolution.weight.to_tensor())
        self.register_state_dict_post_hook(_remove_metadata)

    def forward(self, given: Tensor, coords: Tensor) -> Tensor:
        """(b, c_in, *s), (*s, d) -> (b, c_out, *s); the library counts coordinates by itself, from 0 to 1."""
        if given.dtype != torch.float32:
            raise ModelError(f"fno: neuraloperator computes in float32, got {given.dtype}; use float32 or the model fast_fno")
        shape = tuple(given.shape[2:])
        check_modes("fno", self.modes, shape)
        odd = [axis for axis, n in enumerate(shape[:-1]) if n % 2]
        for axis in odd:
            given = self._grow(given, axis)
        prediction = self.network(given)
        for axis in odd:
            prediction = self._shrink(prediction, axis)
        return prediction

    @property
    def layout(self) -> dict[str, str]:
        return {"memory": "channels first", "transform": "fft", "parameters": "real parts of complex weights"}

    def provenance(self) -> dict[str, str]:
        """The library's version, which does not identify its code, and the sha256 of the files that do."""
        parts = (self.network, self.network.fno_blocks, self.network.fno_blocks.convs[0])
        files = [Path(inspect.getfile(type(part))) for part in parts]
        hashes = {f"neuralop/{file.parent.name}/{file.name} sha256": sha256(file) for file in files}
        return {"neuraloperator": metadata.version("neuraloperator"), **hashes}

    def _grow(self, values: Tensor, axis: int) -> Tensor:
        """One point more: on a periodic axis by trigonometric interpolation, which loses nothing; else the end is repeated."""
        dim, n = axis + 2, values.shape[axis + 2]
        if self.spec.grid.periodic[axis]:
            return resample(values, n + 1, dim)
        return torch.cat([values, values.narrow(dim, n - 1, 1)], dim)

    def _shrink(self, values: Tensor, axis: int) -> Tensor:
        dim, n = axis + 2, values.shape[axis + 2] - 1
        return resample(values, n, dim) if self.spec.grid.periodic[axis] else values.narrow(dim, 0, n)

    def _apply(self, fn, recurse=True):
        self.network.positional_embedding._grid = None
        return super()._apply(fn, recurse)


class RealParts(nn.Module):
    """A complex weight, read by indexing, whose parameter is real: `parts` (*shape, 2)."""

    def __init__(self, weight: Tensor):
        super().__init__()
        self.parts = nn.Parameter(torch.view_as_real(weight.detach()).clone())

    def __getitem__(self, index) -> Tensor:
        return torch.view_as_complex(self.parts)[index]


def resample(values: Tensor, n: int, dim: int) -> Tensor:
    """Trigonometric interpolation of periodic values at n points along one axis."""
    return torch.fft.irfft(torch.fft.rfft(values, dim=dim, norm="forward"), n=n, dim=dim, norm="forward")


def _remove_metadata(module: nn.Module, state: dict, prefix: str, local_metadata: dict) -> None:
    state.pop("_metadata", None)


def _library_fno() -> type[nn.Module]:
    """neuralop.models.FNO, imported without wandb, which takes time and is not used; raises ModelError."""
    block = "wandb" not in sys.modules
    if block:
        sys.modules["wandb"] = None  # pyright: ignore[reportArgumentType]
    try:
        with warnings.catch_warnings():  # the import would change the warning filters of the whole process
            warnings.simplefilter("ignore")
            from neuralop.models import FNO as LibraryFNO
    except ImportError as error:
        raise ModelError(f"fno: neuraloperator is missing ({error}); pip install 'neuraloperator>=2,<3', or use fast_fno") from error
    finally:
        if block:
            del sys.modules["wandb"]
    return LibraryFNO

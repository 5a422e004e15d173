"""Spectral convolution K z = F^-1 (R . F z) on the lowest modes: real parameters, channels last, any number of axes."""

from functools import cache
from math import pi, prod
from typing import Literal

import torch
from torch import Tensor, nn

from opbench.errors import ModelError
from opbench.grid import Grid

Transform = Literal["auto", "gemm", "fft"]


def default_modes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A quarter of each axis' points, so that half the resolution runs too, and at most the FNO paper's 16 in 1-D, 12 beyond."""
    return tuple(max(1, min(16 if len(shape) == 1 else 12, n // 4)) for n in shape)


def check_modes(owner: str, modes: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Raises ModelError where an axis of `shape` cannot tell `modes` frequencies and their negatives apart."""
    for m, n in zip(modes, shape, strict=True):
        if m < 1:
            raise ModelError(f"{owner}: modes must be 1 or more, got {m}; raise modes")
        if m > n // 2:
            raise ModelError(f"{owner}: modes ({m}) exceed half the cells ({n // 2}); lower modes or refine")


def resolve_modes(owner: str, modes: int | None, shape: tuple[int, ...]) -> tuple[int, ...]:
    """`modes` on every axis of `shape`, or the default; raises ModelError where they do not fit."""
    per_axis = default_modes(shape) if modes is None else (modes,) * len(shape)
    check_modes(owner, per_axis, shape)
    return per_axis


def resolve_transform(modes: tuple[int, ...], transform: Transform) -> Literal["gemm", "fft"]:
    """The faster transform unless one is named.

    On one CPU core matrix products win up to about 40 modes in 1-D and 30 beyond, nearly independently of the resolution.
    """
    if transform == "auto":
        return "gemm" if max(modes) <= (32 if len(modes) == 1 else 24) else "fft"
    return transform


@cache
def dft_matrices(n: int, modes: int, last: bool, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Truncated DFT of n points and its inverse as real matrices.

    last: the axis of real values, k = 0 .. modes-1; (2 modes, n) and (n, 2 modes), rows of the first are (part, mode).
    Else complex values, k = 0 .. modes-1, -modes .. -1; (4 modes, 2 n) and (2 n, 4 modes) over (part, mode) and (point, part).
    The inverse keeps the real part where the kept modes are not conjugate symmetric: exp(-i modes x) has no partner.
    """
    with torch.inference_mode(False):  # a cached inference tensor could never be trained with
        k = torch.arange(modes) if last else torch.cat([torch.arange(modes), torch.arange(-modes, 0)])
        angle = 2 * pi / n * ((k[:, None] * torch.arange(n)) % n).double()
        cos, sin = angle.cos(), angle.sin()
        if last:
            forward = torch.cat([cos, -sin])
            twice = torch.where(k > 0, 2.0, 1.0).double().repeat(2)[:, None]  # k > 0 stands for -k too
            inverse = (twice * forward).T / n
        else:
            forward = torch.stack([torch.stack([cos, sin], -1), torch.stack([-sin, cos], -1)]).reshape(2 * len(k), 2 * n)
            inverse = forward.T / n
        return forward.to(device, dtype), inverse.contiguous().to(device, dtype)


class SpectralConv(nn.Module):
    """(K z)(x) = F^-1 (R . F z)(x), z (b, *s, c_in) -> (b, *s, c_out); Li et al. 2021, arXiv 2010.08895, eq. 4 and 5.

    modes: per axis m, the frequencies -m .. m-1 are kept and on the last axis, where z is real, 0 .. m-1: no Nyquist frequency there.
    weight: (kept modes, c_in, c_out, 2), real and imaginary parts, drawn from U[0, 1) / (c_in c_out) as in the paper.
    transform: "gemm" multiplies with DFT matrices, "fft" calls the FFT; they agree to rounding, "auto" takes the faster.
    forward raises ModelError, in the name of `owner`, on a grid too coarse for the modes.
    """

    def __init__(self, c_in: int, c_out: int, modes: tuple[int, ...], transform: Transform = "auto", owner: str = "spectral convolution"):
        super().__init__()
        self.modes, self.owner = modes, owner
        self.transform = resolve_transform(modes, transform)
        self.kept = (*(2 * m for m in modes[:-1]), modes[-1])
        self.weight = nn.Parameter(torch.rand(prod(self.kept), c_in, c_out, 2) / (c_in * c_out))

    def forward(self, z: Tensor) -> Tensor:
        shape = tuple(z.shape[1:-1])
        check_modes(self.owner, self.modes, shape)
        if self.transform == "gemm":
            return self._synthesize_gemm(self._mix(self._analyze_gemm(z)), shape)
        return self._synthesize_fft(self._mix(self._analyze_fft(z)), shape)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[1]}, {self.weight.shape[2]}, modes={self.modes}, transform={self.transform}"

    def _mix(self, spectrum: Tensor) -> Tensor:
        """R applied mode by mode: (b, 2, kept modes, c_in) -> (b, 2, kept modes, c_out)."""
        batch, _, kept, _ = spectrum.shape
        real, imaginary = self.weight.unbind(-1)
        block = torch.cat([torch.cat([real, imaginary], -1), torch.cat([-imaginary, real], -1)], -2)
        mixed = torch.bmm(spectrum.permute(2, 0, 1, 3).reshape(kept, batch, -1), block)
        return mixed.view(kept, batch, 2, -1).permute(1, 2, 0, 3)

    def _matrices(self, shape: tuple[int, ...], like: Tensor) -> list[tuple[Tensor, Tensor]]:
        last = len(shape) - 1
        sizes = enumerate(zip(shape, self.modes, strict=True))
        return [dft_matrices(n, m, axis == last, like.device, like.dtype) for axis, (n, m) in sizes]

    def _analyze_gemm(self, z: Tensor) -> Tensor:
        """(b, *s, c) -> (b, 2, kept modes, c). Axes from the last to the first: each product leaves (part, mode), and the part
        thereby next to the axis that comes before, as that axis' matrix expects."""
        (batch, *shape, channels), suffix = z.shape, z.shape[-1]
        for axis, (forward, _) in reversed(list(enumerate(self._matrices(tuple(shape), z)))):
            z = _multiply(forward, z.reshape(batch * prod(shape[:axis]), -1, suffix))
            suffix *= self.kept[axis]
        return z.reshape(batch, 2, -1, channels)

    def _synthesize_gemm(self, spectrum: Tensor, shape: tuple[int, ...]) -> Tensor:
        """(b, 2, kept modes, c) -> (b, *s, c)."""
        batch, channels, z = len(spectrum), spectrum.shape[-1], spectrum
        for axis, (_, inverse) in enumerate(self._matrices(shape, spectrum)):
            suffix = prod(self.kept[axis + 1 :]) * channels
            z = _multiply(inverse, z.reshape(batch * prod(shape[:axis]), -1, suffix))
        return z.reshape(batch, *shape, channels)

    def _analyze_fft(self, z: Tensor) -> Tensor:
        last = len(self.modes)
        spectrum = torch.fft.rfft(_float32_or_better(z), dim=last).narrow(last, 0, self.modes[-1])
        for axis, m in reversed(list(enumerate(self.modes[:-1], start=1))):
            spectrum = torch.fft.fft(spectrum, dim=axis)
            spectrum = torch.cat([spectrum.narrow(axis, 0, m), spectrum.narrow(axis, spectrum.shape[axis] - m, m)], axis)
        return torch.stack([spectrum.real, spectrum.imag], 1).flatten(2, -2)

    def _synthesize_fft(self, spectrum: Tensor, shape: tuple[int, ...]) -> Tensor:
        last = len(self.modes)
        z = torch.complex(*_float32_or_better(spectrum).unbind(1)).unflatten(1, self.kept)
        for axis, m in enumerate(self.modes[:-1], start=1):
            gap = z.new_zeros(*z.shape[:axis], shape[axis - 1] - 2 * m, *z.shape[axis + 1 :])
            z = torch.fft.ifft(torch.cat([z.narrow(axis, 0, m), gap, z.narrow(axis, m, m)], axis), dim=axis)
        z.imag.select(last, 0).zero_()  # FFT libraries differ in what they make of an imaginary part at frequency 0
        return torch.fft.irfft(z, n=shape[-1], dim=last)


def _multiply(matrix: Tensor, z: Tensor) -> Tensor:
    """(k, n) times (b, n, c), without the copy of z that torch.matmul makes to fold it."""
    return torch.bmm(matrix.expand(len(z), -1, -1), z)


def _float32_or_better(z: Tensor) -> Tensor:
    """Autocast hands over bfloat16, of which there is no FFT."""
    return z.to(torch.promote_types(z.dtype, torch.float32))


class Lifting(nn.Module):
    """P (a(x), x): given (b, c_in, *s) and coordinates (*s, d), scaled to [0, 1] over the grid's box, -> (b, *s, width)."""

    lower: Tensor
    extent: Tensor

    def __init__(self, in_channels: int, grid: Grid, width: int):
        super().__init__()
        lower = torch.tensor(grid.lower)
        self.register_buffer("lower", lower, persistent=False)
        self.register_buffer("extent", torch.tensor(grid.upper) - lower, persistent=False)
        self.linear = nn.Linear(in_channels + grid.dims, width)

    def forward(self, given: Tensor, coords: Tensor) -> Tensor:
        place = ((coords - self.lower) / self.extent).expand(len(given), *coords.shape)
        return self.linear(torch.cat([given.movedim(1, -1), place], -1))


class Projection(nn.Module):
    """Q2 GELU(Q1 z): (b, *s, width) -> (b, c_out, *s)."""

    def __init__(self, width: int, hidden: int, out_channels: int):
        super().__init__()
        self.first, self.second = nn.Linear(width, hidden), nn.Linear(hidden, out_channels)

    def forward(self, z: Tensor) -> Tensor:
        return self.second(nn.functional.gelu(self.first(z))).movedim(-1, 1)

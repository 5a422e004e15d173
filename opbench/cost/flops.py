"""Floating-point operations of a call, by one formula whatever the implementation: torch's own count, completed.

A product of (m, k) with (k, n) counts 2 m k n, of complex numbers 8 m k n; a complex FFT of n points 5 n log2 n, one from or to real
numbers half of that (FFTW's convention); convolutions and attention as torch counts them. Additions, activations and copies count nothing.
torch.utils.flop_counter alone counts an FFT as 0 and a complex product as a real one.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

aten = torch.ops.aten


def flops(work: Callable[[], object]) -> int:
    """Operations of one call of `work`."""
    with FlopCounterMode(display=False, custom_mapping=FORMULAS) as counter:
        work()
    return counter.get_total_flops()


def _product(a: Tensor, b: Tensor, *_: Any, out_val: Tensor, **__: Any) -> int:
    return 2 * (4 if a.is_complex() or b.is_complex() else 1) * out_val.numel() * a.shape[-1]


def _added_product(_: Tensor, a: Tensor, b: Tensor, *__: Any, out_val: Tensor, **___: Any) -> int:
    return _product(a, b, out_val=out_val)


def _complex_transform(values: Tensor, dim: Sequence[int], *_: Any, **__: Any) -> int:
    return round(_transform(values, dim))


def _from_real(values: Tensor, dim: Sequence[int], *_: Any, **__: Any) -> int:
    return round(_transform(values, dim) / 2)


def _to_real(values: Tensor, dim: Sequence[int], *_: Any, out_val: Tensor, **__: Any) -> int:
    return round(_transform(out_val, dim) / 2)


def _transform(whole: Tensor, dim: Sequence[int]) -> float:
    return 5 * whole.numel() * math.log2(math.prod(whole.shape[axis] for axis in dim))


FORMULAS: dict[Any, Callable[..., int]] = {
    aten.mm: _product,
    aten.bmm: _product,
    aten.addmm: _added_product,
    aten.baddbmm: _added_product,
    aten._fft_c2c: _complex_transform,
    aten._fft_r2c: _from_real,
    aten._fft_c2r: _to_real,
}
for formula in FORMULAS.values():
    formula._get_raw = True  # pyright: ignore[reportFunctionMemberAccess]  # torch passes tensors, whose type tells complex ones

"""Linear evolution on a line between ends: an affine system of its nodes, stepped by the exponential of a dense matrix, exact in time."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from opbench.solver.explicit import Lines

MOST = 600  # values of all unknowns together; the exponential costs as their cube
INTERVALS = 8  # of different length between stored times, each of which takes an exponential of its own
ROUNDING = 1e-9  # relative; how far from affine rounding makes a rate


def exact_steps(lines: Lines, one: Lines, initial: Tensor, times: Sequence[float]) -> Tensor | None:
    """Values (time, field, sample, *space) at `times`, the first of which is the initial state's; None where that is not to be had.

    one: the same lines of one sample. None is for more axes than one, more values than MOST, coefficients that differ between samples,
    and a rate that is not affine.
    """
    fields, samples, *space = initial.shape
    spans = [float(f"{stop - start:.12g}") for start, stop in itertools.pairwise(times)]
    shared = all(len(value) == 1 for value in lines.posed.given.values())
    if len(space) > 1 or fields * space[0] > MOST or samples > MOST or not shared or len(set(spans)) > INTERVALS:
        return None
    if not _is_affine(lines, initial):
        return None
    state = lines.impose(initial.clone())
    matrix, constant = _affine(lines, one, state)
    count = len(matrix)
    system = torch.zeros(count + samples, count + samples, dtype=state.dtype, device=state.device)
    system[:count, :count], system[:count, count:] = matrix, _columns(constant)
    steps = {span: torch.linalg.matrix_exp(system * span)[:count] for span in set(spans)}
    values = [state]
    for span in spans:
        moved = _applied(steps[span][:, :count], state) + _rows(steps[span][:, count:], state)
        state = lines.impose(moved)
        values.append(state)
    return torch.stack(values)


def _is_affine(lines: Lines, state: Tensor) -> bool:
    """By the rates along a way from the state that is smooth and nowhere zero; NaN is not."""
    x = torch.linspace(0, 1, state.shape[-1], dtype=state.dtype, device=state.device)
    way = (1 + state.abs().max()) * (1 + 2 * x - x**2)
    first, second, third = (lines.rate(lines.impose(state + far * way)) for far in range(3))
    return bool((third - 2 * second + first).abs().max() <= ROUNDING * second.abs().max())


def _affine(lines: Lines, one: Lines, state: Tensor) -> tuple[Tensor, Tensor]:
    """The rate as (value, value) matrix and (field, sample, node) constant."""
    fields, _, nodes = state.shape
    units = torch.eye(fields * nodes, dtype=state.dtype, device=state.device).reshape(-1, fields, nodes).transpose(0, 1)
    nothing = torch.zeros_like(state)
    change = one.rate(one.impose(units.clone())) - one.rate(one.impose(nothing[:, :1].clone()))
    return _columns(change), lines.rate(lines.impose(nothing))


def _columns(state: Tensor) -> Tensor:
    """(field, sample, node) -> (value, sample)."""
    return state.transpose(1, 2).flatten(0, 1)


def _rows(columns: Tensor, like: Tensor) -> Tensor:
    """The other way round."""
    return columns.unflatten(0, (like.shape[0], like.shape[2])).transpose(1, 2)


def _applied(matrix: Tensor, state: Tensor) -> Tensor:
    return _rows(matrix @ _columns(state), state)

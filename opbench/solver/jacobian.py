"""The sparse matrix of a function's derivatives on a grid, found by pulling coloured rows back through the function."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

ROUNDING = 1e-9  # relative to the largest product; entries that are right agree to about 1e-15
NODES = 2**16  # that the function is called on at once: enough to drown its overhead, few enough for a cache


class Pullback:
    """Products of rows with the derivative of `function` at `state`, both (field, 1, *space): exact, by reverse differentiation.

    function: takes any number of states, (field, copy, *space), one by one, so that many rows are pulled back together.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], state: Tensor):
        self.function, self.state = function, state.detach()
        self.fields, _, *self.space = state.shape
        self.copies = max(1, NODES // int(np.prod(self.space)))
        self.noise = torch.rand(state.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        self._graphs: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, rows: Tensor) -> Tensor:
        """(field, row, *space) -> the columns' entries, of the same shape."""
        return torch.cat([self._pulled(part) for part in rows.split(self.copies, dim=1)], dim=1)

    def _pulled(self, rows: Tensor) -> Tensor:
        count = rows.shape[1]
        if count not in self._graphs:
            states = self.state.repeat(1, count, *[1] * len(self.space)).requires_grad_()
            with torch.enable_grad():
                self._graphs[count] = self.function(states), states
        values, states = self._graphs[count]
        return torch.autograd.grad(values, states, rows, retain_graph=True, materialize_grads=True)[0]


@dataclass(frozen=True)
class Colouring:
    """Rows of one colour never meet in a column, so that one product holds all their entries (Curtis, Powell & Reid, J. Inst. Math. Appl.
    13, 1974). owners: per axis, (colour, column), the row of that colour that may touch the column, or -1."""

    owners: tuple[np.ndarray, ...]

    @staticmethod
    def of(pull: Pullback, periodic: Sequence[bool]) -> "Colouring":
        return Colouring(tuple(_owners(_touched(pull, axis), wraps) for axis, wraps in enumerate(periodic)))

    def rows(self) -> list[np.ndarray]:
        """Per colour, the row (number in its field, or -1) that each column belongs to."""
        shape = [owner.shape[1] for owner in self.owners]
        found = []
        for colours in itertools.product(*(range(len(owner)) for owner in self.owners)):
            mesh = np.meshgrid(*(owner[colour] for owner, colour in zip(self.owners, colours, strict=True)), indexing="ij")
            number = np.ravel_multi_index([np.maximum(index, 0) for index in mesh], shape)
            found.append(np.where(np.min(mesh, axis=0) < 0, -1, number).ravel())
        return found


def assemble(pull: Pullback, colouring: Colouring):
    """The matrix as a scipy csc_array, rows and columns in the order of `state.flatten()`."""
    from scipy.sparse import coo_array

    points = int(np.prod(pull.space))
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    tasks = list(itertools.product(colouring.rows(), range(pull.fields)))
    for first in range(0, len(tasks), pull.copies):
        part = tasks[first : first + pull.copies]
        wanted = torch.zeros(pull.fields, len(part), points, dtype=torch.float64)
        for i, (owner, field) in enumerate(part):
            wanted[field, i, np.unique(owner[owner >= 0])] = 1.0
        products = pull(wanted.reshape(pull.fields, len(part), *pull.space)).reshape(wanted.shape).numpy()
        for i, (owner, field) in enumerate(part):
            unknown, column = np.nonzero((products[:, i] != 0) & (owner >= 0))
            found.append((field * points + owner[column], unknown * points + column, products[unknown, i, column]))
    rows, columns, values = (np.concatenate(entries) for entries in zip(*found, strict=True))
    return coo_array((values, (rows, columns)), shape=(pull.fields * points,) * 2).tocsc()


def reproduces(matrix, pull: Pullback) -> bool:
    """Whether the matrix is the function's derivative, as far as a random combination of all its rows tells."""
    expected = pull(pull.noise).flatten().numpy()
    return bool(np.abs(matrix.T @ pull.noise.flatten().numpy() - expected).max() <= ROUNDING * np.abs(expected).max())


def _touched(pull: Pullback, axis: int) -> np.ndarray:
    """(row, column): whether any row at that place on the axis has entries in any column at that place."""
    n = pull.space[axis]
    touched = []
    for first in range(0, n, pull.copies):
        places = torch.arange(first, min(first + pull.copies, n))
        here = (places[:, None] == torch.arange(n)).reshape(
            1, len(places), *(n if other == axis else 1 for other in range(len(pull.space)))
        )
        products = pull(pull.noise * here) != 0
        touched.append(products.movedim((1, axis + 2), (0, 1)).flatten(2).any(2))
    return torch.cat(touched).numpy()


def _owners(touched: np.ndarray, wraps: bool) -> np.ndarray:
    """One axis' colours: greedily from its lower end on, or in blocks that are longer than any stencil where it wraps around."""
    n = len(touched)
    if wraps:
        shift = (np.arange(n)[:, None] + np.arange(n)) % n  # per row, columns by their distance from it
        offsets = np.flatnonzero(np.take_along_axis(touched, shift, axis=1).any(axis=0))
        reach = int(np.minimum(offsets, n - offsets).max(initial=0))
        start = np.arange(max(1, n // (2 * reach + 1)) + 1) * n // max(1, n // (2 * reach + 1))
        colour = np.arange(n) - np.repeat(start[:-1], np.diff(start))
    else:
        colour, last = np.zeros(n, dtype=int), []
        first = np.where(touched.any(axis=1), touched.argmax(axis=1), np.arange(n))
        end = np.where(touched.any(axis=1), n - 1 - touched[:, ::-1].argmax(axis=1), np.arange(n))
        for row in np.argsort(first, kind="stable"):
            free = next((c for c, taken in enumerate(last) if taken < first[row]), len(last))
            last[free : free + 1] = [end[row]]
            colour[row] = free
    owners = np.full((int(colour.max()) + 1, n), -1)
    for row in range(n):
        owners[colour[row], touched[row]] = row
    return owners

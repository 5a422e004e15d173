"""A system's Jacobian, factorised, with care for the constants that it does not see."""

import numpy as np
import torch
from torch import Tensor

from opbench.errors import SolverError
from opbench.solver.system import System

SINGULAR = "check the boundary conditions, change a coefficient, or give a first guess of the unknowns in `given`"


class Factor:
    """Solves with a Jacobian.

    Where the equations fix an unknown up to a constant, it is held at one node, and its rows share one number more, their imbalance.
    """

    def __init__(self, matrix, system: System):
        from scipy.sparse import diags_array
        from scipy.sparse.linalg import splu

        self.matrix, self.shape = matrix, system.start.shape
        self.sizes = abs(matrix)
        fields, free = self.shape[0], system.free.flatten(1).numpy()
        columns = np.eye(fields).repeat(free.shape[1], axis=1)  # per unknown, its constant
        self.floating = system.floating
        self.held = [index * free.shape[1] + np.flatnonzero(free[index])[free[index].sum() // 2] for index in self.floating]
        keep = np.ones(matrix.shape[0])
        keep[self.held] = 0.0
        try:
            self.lu = splu((diags_array(keep) @ matrix + diags_array(1 - keep)).tocsc())
        except RuntimeError as error:
            name = system.posed.name
            raise SolverError(f"{name}: the equations are singular; {SINGULAR}") from error
        self.sharing = np.stack([(columns[index] * free.ravel()) for index in self.floating], axis=1) if self.floating else None
        if self.sharing is not None:
            self.spread = self.lu.solve(keep[:, None] * self.sharing)
            self.held_rows = matrix[self.held]

    def solve(self, rows: Tensor) -> Tensor:
        """The correction that makes `rows` vanish, up to imbalances; both (field, 1, *space)."""
        right = rows.detach().flatten().numpy().copy()
        if self.sharing is None:
            return torch.from_numpy(self.lu.solve(right)).reshape(self.shape)
        missed = right[self.held]
        right[self.held] = 0.0
        found = self.lu.solve(right)
        imbalance = np.linalg.solve(self.held_rows @ self.spread - self.sharing[self.held], self.held_rows @ found - missed)
        return torch.from_numpy(found - self.spread @ imbalance).reshape(self.shape)

    def imbalance(self, rows: Tensor) -> dict[int, float]:
        """Per floating unknown, the change of it (2-norm) if its rows shared what they lack with weights that rise along the first axis."""
        if self.sharing is None:
            return {}
        lacking = self.sharing.T @ rows.flatten().numpy() / self.sharing.sum(axis=0)
        ramp = torch.linspace(0.0, 2.0, self.shape[2], dtype=torch.float64).reshape(1, 1, -1, *[1] * (len(self.shape) - 3))
        changes = {}
        for index, share, lack in zip(self.floating, self.sharing.T, lacking, strict=True):
            change = self.solve(torch.from_numpy(lack * share).reshape(self.shape) * ramp)[index]
            changes[index] = float((change - change.mean()).norm())
        return changes

    def rounding(self, state: Tensor) -> Tensor:
        """How far rounding errors in the rows' terms may move the solution: a random instance of it."""
        noise = np.sign(np.random.default_rng(0).standard_normal(state.numel()))
        terms = self.sizes @ np.abs(state.detach().flatten().numpy())
        return self.solve(torch.from_numpy(np.finfo(float).eps * noise * terms).reshape(self.shape))

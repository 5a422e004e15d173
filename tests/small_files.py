"""Small files that the tests of store, stats and check share."""

from pathlib import Path

import numpy as np

from opbench.data.store import Header, write
from opbench.field import Field
from opbench.grid import Grid

SAMPLES = 5
PROVENANCE = {"recipe": "burgers_1d", "fingerprint": "0" * 64, "seed": 3, "scheme": {"order": 4, "tolerance": 1e-8}}


def header(dims: int, steady: bool = False) -> Header:
    """Odd, unequal sizes, and one bounded axis after a periodic one."""
    grid = Grid(("x", "y", "z")[:dims], (8, 5, 3)[:dims], (0.0, -1.0, 0.0)[:dims], (1.0, 1.0, 0.3)[:dims], (True, False, True)[:dims])
    return Header(
        name=f"example_{dims}d",
        grid=grid,
        times=None if steady else (0.0, 0.1, 1 / 3),
        evolving=(Field("velocity", "m/s"), Field("pressure", "Pa")),
        constant=(Field("permeability", "m^2/(Pa s)"),),
        parameters=(Field("viscosity", "m^2/s"),),
        fixed={"density": 0.1},
        provenance=PROVENANCE,
    )


def arrays(header: Header, samples: int = SAMPLES) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {name: rng.standard_normal((samples, *shape)).astype(np.float32) for name, shape in header.shapes.items()}


def blocks(values: dict[str, np.ndarray], run: int = 2):
    for start in range(0, SAMPLES, run):
        yield {name: array[start : start + run] for name, array in values.items()}


def make(path: Path, dims: int = 2, steady: bool = False) -> tuple[Header, dict[str, np.ndarray]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = arrays(header(dims, steady))
    write(path, header(dims, steady), SAMPLES, blocks(values))
    return header(dims, steady), values

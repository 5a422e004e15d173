"""One thread where it is asked for, and the former number afterwards."""

import os
import subprocess
import sys

import torch

from opbench.threads import _blas, one_thread

CODE = """
import hashlib, numpy as np
from opbench.grid import Grid
from opbench.samplers.gaussian_field import GaussianField
from opbench.threads import one_thread
grid = Grid(("x", "y"), (129, 129), (0.0, 0.0), (1.0, 1.0), (True, False))
law = GaussianField(sampler="gaussian_field", amplitude=25.0, tau=5.0, alpha=2.0, modes=32)
with one_thread():
    print(hashlib.sha256(law.draw(np.random.default_rng(0), grid).tobytes()).hexdigest())
"""


def test_torch_and_numpy_have_one_thread_inside_and_theirs_afterwards():
    counts = [torch.get_num_threads, *(get for get, _ in _blas())]
    before = [get() for get in counts]
    torch.set_num_threads(before[0] + 1)
    try:
        with one_thread():
            inside = [get() for get in counts]
        assert inside == [1] * len(counts)
        assert [get() for get in counts] == [before[0] + 1, *before[1:]]
    finally:
        torch.set_num_threads(before[0])


def test_a_drawn_field_has_the_same_bits_whatever_numpys_threads():
    """Without one_thread, OpenBLAS gives other last bits on two threads than on one."""
    seen = set()
    for threads in "12":
        counts = {"OPENBLAS_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, env={**os.environ, **counts})
        assert done.returncode == 0, done.stderr
        seen.add(done.stdout)
    assert len(seen) == 1, seen

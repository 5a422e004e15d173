"""Numbers that depend on no thread count: the last bits of a sum are those of its order, and threads that share it change that."""

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Count = tuple[Callable[[], int], Callable[[int], None]]  # how to ask for a number of threads, and how to set it
NUMPY = ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath")  # since 2.0, and before: what is linked to the BLAS
OPENBLAS = [f"{name}_{{}}_num_threads{bits}" for name in ("scipy_openblas", "openblas") for bits in ("64_", "")]  # numpy's wheels, others
BLAS = [*((name.format("get"), name.format("set")) for name in OPENBLAS), ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads")]


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch and numpy's BLAS on one thread; a BLAS that is none of `BLAS` keeps its own way."""
    import torch

    counts = [(torch.get_num_threads, torch.set_num_threads), *_blas()]
    before = [get() for get, _ in counts]
    try:
        for _, put in counts:
            put(1)
        yield
    finally:
        for (_, put), count in zip(counts, before, strict=True):
            put(count)


def _blas() -> list[Count]:
    library = ctypes.CDLL(next(sys.modules[name].__file__ for name in NUMPY if name in sys.modules))  # finds its dependencies' names too
    return [(getattr(library, get), getattr(library, put)) for get, put in BLAS if hasattr(library, get)][:1]

"""Peak memory and energy of a call; what the machine does not tell is None."""

import time
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from opbench.cost.timing import synchronize

ENERGY_SECONDS = 2.0  # the counter advances in steps of up to 0.1 s


def peak_memory(work: Callable[[], object], device: str) -> int:
    """Most bytes of tensors that a call of `work` holds at once, beside those that were there before.

    On a GPU the allocator's own count; on a CPU the sizes of the tensors that torch makes, without what an operation needs inside.
    """
    if device == "cpu":
        with _Live() as live:
            work()
        return live.peak
    synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    work()
    synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


class _Live(TorchDispatchMode):
    """Counts the bytes of every storage from the operation that makes it until it is freed."""

    def __init__(self):
        super().__init__()
        self.held: dict[int, weakref.ref] = {}
        self.now = self.peak = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None) -> Any:
        result = func(*args, **(kwargs or {}))
        before = {_address(tensor) for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, Tensor)}
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and _address(tensor) not in before:
                self._take(tensor.untyped_storage())
        return result

    def _take(self, storage: torch.UntypedStorage) -> None:
        address, size = storage._cdata, storage.nbytes()
        if address in self.held:
            return

        def freed(_: Any) -> None:
            self.now -= size
            del self.held[address]

        self.held[address] = weakref.ref(storage, freed)
        self.now += size
        self.peak = max(self.peak, self.now)


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def joules(work: Callable[[], object], device: str) -> float | None:
    """Energy of a call of `work` on a GPU, by NVML's counter over some seconds of calls; None where there is none.

    It is the whole board's, what it draws when idle included. Needs nvidia-ml-py (the extra `gpu`) and a GPU since Volta.
    """
    if device == "cpu":
        return None
    try:
        import pynvml  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError:
        return None
    try:
        pynvml.nvmlInit()
        board = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        pynvml.nvmlDeviceGetTotalEnergyConsumption(board)
    except pynvml.NVMLError:
        return None  # no driver's library, or a board without the counter
    synchronize(device)
    begun, before, calls = time.perf_counter(), pynvml.nvmlDeviceGetTotalEnergyConsumption(board), 0
    while time.perf_counter() - begun < ENERGY_SECONDS:
        work()
        synchronize(device)
        calls += 1
    return (pynvml.nvmlDeviceGetTotalEnergyConsumption(board) - before) / 1000 / calls

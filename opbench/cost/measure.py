"""What a trained model costs: latency of one sample, throughput at the best batch size, memory, operations, energy."""

import time
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from opbench.cost.flops import flops
from opbench.cost.memory import joules, peak_memory
from opbench.cost.timing import Timing, clock_of, fastest, synchronize, timed
from opbench.losses import Loss
from opbench.model import Normalized, Samples
from opbench.records.record import Cost, Speed, Spread

Run = Callable[[Tensor, Tensor], Tensor]


def cost_of(network: Normalized, samples: Samples, loss: Loss, batch_size: int, compiled: bool) -> Cost:
    """Measure a trained model on its device with samples of the training split; batch_size: that of training.

    compiled: whether torch.compile is tried too, which takes up to a minute. The network's buffers may move: score it before.
    """
    device = samples.given.device.type
    training_memory = _training_memory(network, loss, _batch(samples, batch_size), device)
    network.eval()
    with torch.no_grad():
        eager, noisy = _speed(network, samples, device)
        inference: dict[Literal["eager", "compiled"], Speed] = {"eager": eager}
        reason = "not asked for"
        if compiled:
            try:
                inference["compiled"], also = _compiled(network, samples, device, eager.batch_size)
                noisy, reason = noisy or also, None
            except Exception as error:  # a compiler fails in as many ways as there are models; the record says how
                reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            finally:
                torch.compiler.reset()
        best, one = _batch(samples, eager.batch_size), samples[:1]
        energy = joules(lambda: network(best.given, best.coords), device)
        return Cost(
            inference=inference,
            not_compiled=reason,
            clock=clock_of(device),
            noisy=noisy,
            flops=flops(lambda: network(one.given, one.coords)),
            memory=peak_memory(lambda: network(best.given, best.coords), device),
            training_memory=training_memory,
            joules=None if energy is None else energy / len(best),
            dtype=str(samples.given.dtype).removeprefix("torch."),
            layout=network.model.layout,
        )


def _batch(samples: Samples, size: int) -> Samples:
    """`size` samples, over and over again where there are fewer."""
    return samples[torch.arange(size, device=samples.given.device) % len(samples)]


def _training_memory(network: Normalized, loss: Loss, batch: Samples, device: str) -> int | None:
    """Peak bytes of forward pass, loss and backward pass, gradients included; None for a model without parameters."""
    if not any(parameter.requires_grad for parameter in network.parameters()):
        return None

    def step() -> None:
        network.zero_grad(set_to_none=True)
        loss.of_model(network.whole, batch).backward()

    network.train()
    step()
    peak = peak_memory(step, device)
    network.zero_grad(set_to_none=True)
    return peak


def _speed(network: Normalized, samples: Samples, device: str) -> tuple[Speed, bool]:
    """Latency and throughput, and whether either is noisy."""

    def batched(size: int) -> Callable[[], Tensor]:
        batch = _batch(samples, size)
        return lambda: network(batch.given, batch.coords)

    alone = timed(batched(1), device)
    best, size = fastest(batched, device)
    return Speed(latency=alone.seconds, throughput=_rate(best.seconds, size), batch_size=size), alone.noisy or best.noisy


def _compiled(network: Normalized, samples: Samples, device: str, size: int) -> tuple[Speed, bool]:
    run = torch.compile(network, dynamic=False)
    one, many = samples[:1], _batch(samples, size)
    begun = time.perf_counter()
    run(one.given, one.coords)
    run(many.given, many.coords)
    synchronize(device)
    seconds = time.perf_counter() - begun
    latency, full = _timed(run, one, device), _timed(run, many, device)
    speed = Speed(latency=latency.seconds, throughput=_rate(full.seconds, size), batch_size=size, compile_seconds=seconds)
    return speed, latency.noisy or full.noisy


def _timed(run: Run, batch: Samples, device: str) -> Timing:
    return timed(lambda: run(batch.given, batch.coords), device)


def _rate(seconds: Spread, samples: int) -> Spread:
    """Samples a second; the slower quartile is the lower one."""
    return Spread(median=samples / seconds.median, lower=samples / seconds.upper, upper=samples / seconds.lower)

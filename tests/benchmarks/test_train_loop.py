"""What opbench's training loop costs a step more than a bare PyTorch loop of the same model; interleaved, in CPU time."""

from statistics import median
from time import process_time

import pytest
import torch

from opbench.data.task import problem
from opbench.evaluation.build import build_model
from opbench.losses.data import DataLoss
from opbench.model import Normalized, Samples, coordinates
from opbench.train import Training, _Clock, _Run

STEPS, ROUNDS = 8, 15


def samples_of(task: str) -> tuple[Samples, int]:
    chosen = problem(task)
    shape, size = chosen.spec.grid.shape, chosen.task.batch_size
    given, reference = (torch.randn(size * STEPS, c, *shape) for c in (chosen.spec.in_channels, chosen.spec.out_channels))
    return Samples(given, reference, coordinates(chosen.spec.grid)), size


def prepared(model: str, task: str, samples: Samples) -> Normalized:
    torch.manual_seed(0)
    network = Normalized(build_model(model, problem(task).spec, {}))
    network.prepare(samples.given, samples.reference, samples.coords)
    return network


class Bare:
    """Shuffle, forward pass, relative L2, backward pass, clipping, AdamW, cosine: as one writes it by hand."""

    def __init__(self, network: Normalized, samples: Samples, size: int):
        self.network, self.samples, self.size = network, samples, size
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4, fused=True)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, 10**6)

    def epoch(self) -> None:
        self.network.train()
        for indices in torch.randperm(len(self.samples)).split(self.size):
            given, reference = self.samples.given[indices], self.samples.reference[indices]
            self.optimizer.zero_grad()
            prediction = self.network(given, self.samples.coords)
            loss = ((prediction - reference).flatten(1).norm(dim=1) / reference.flatten(1).norm(dim=1)).mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            self.optimizer.step()
            self.schedule.step()


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("model", "task"), [("fast_fno", "burgers_1d"), ("fast_fno", "darcy_2d"), ("deeponet", "burgers_1d")])
def test_a_step_of_ours_beside_a_bare_loops(benchmark, model, task):
    samples, size = samples_of(task)
    bare = Bare(prepared(model, task, samples), samples, size)
    training = Training(epochs=10**6, batch_size=size, learning_rate=1e-3)
    ours = _Run(prepared(model, task, samples), DataLoss(), samples, samples[:size], training, 0, _Clock())
    seconds: dict[str, list[float]] = {"bare": [], "opbench": []}

    def turn():
        """Both in turns, so that a busy machine slows both."""
        for name, epoch in (("bare", bare.epoch), ("opbench", ours._step_through)):
            begun = process_time()
            epoch()
            seconds[name].append((process_time() - begun) / STEPS)

    benchmark.pedantic(turn, rounds=ROUNDS, warmup_rounds=2)
    if not benchmark.enabled:
        return
    ratio = median(our / other for our, other in zip(seconds["opbench"][2:], seconds["bare"][2:], strict=True))
    benchmark.extra_info |= {f"cpu seconds a step, {name}": median(found[2:]) for name, found in seconds.items()} | {"ratio": ratio}

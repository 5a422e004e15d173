"""Data and physics: the relative L2 distance to the references that there are, plus weight times what the equation leaves everywhere."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from opbench.data.samples import draw
from opbench.data.task import Problem
from opbench.errors import ConfigError
from opbench.losses import Loss, LossSettings, Network
from opbench.losses.data import DataLoss
from opbench.losses.physics import PhysicsLoss, PhysicsSettings
from opbench.model import Samples, coordinates
from opbench.residual import Residual


class BothSettings(PhysicsSettings):
    """weight: of the physics loss. balance: "fixed"; "gradient": weight is the ratio of the two gradients' norms at the prediction;
    "relobralo": by how each part falls, see Relative.
    refine: the physics loss is taken of the model's answer on a grid of so many times the data's cells.
    """

    weight: PositiveFloat = 1.0
    balance: Literal["fixed", "gradient", "relobralo"] = "fixed"
    refine: PositiveInt = 1


class BothLoss(Loss):
    """data + weight * physics. A sample without a label has NaN for a reference; a batch of such samples alone has no data term.

    Balancing by gradients follows Wang, Teng and Perdikaris, SIAM J. Sci. Comput. 43 (2021), with the gradients taken at the prediction
    instead of the parameters, so that it costs no second pass through the network and keeps no state from step to step.
    On a finer grid the same inputs are drawn anew, by the recipe's laws.
    """

    Settings = BothSettings
    unlabelled = True

    def __init__(self, physics: PhysicsLoss, settings: BothSettings, finer: "Finer | None" = None):
        self.data, self.physics, self.settings, self.finer = DataLoss(), physics, settings, finer
        self.elsewhere = finer is not None
        self.relative = Relative() if settings.balance == "relobralo" else None

    @classmethod
    def of(cls, chosen: Problem, settings: LossSettings, device: str = "cpu") -> "BothLoss":
        assert isinstance(settings, BothSettings)
        finer = Finer(chosen, settings, device) if settings.refine > 1 else None
        return cls(PhysicsLoss.of(chosen, settings, device), settings, finer)

    def check(self, train: Samples) -> None:
        self.data.check(train)
        self.physics.check(train)

    def completed(self, train: Samples) -> Samples:
        return train if self.finer is None else self.finer.beside(train)

    def expected(self, train: Samples) -> Tensor:
        """The references that there are."""
        return train.reference[_labelled(train)]

    def state(self) -> dict[str, Tensor]:
        return {} if self.relative is None else self.relative.state()

    def restore(self, state: dict[str, Tensor]) -> None:
        if self.relative is not None:
            self.relative.restore(state)

    def of_model(self, network: Network, batch: Samples) -> Tensor:
        if self.finer is None:
            return super().of_model(network, batch)
        physics, held = self.finer.loss(network, batch), _labelled(batch)
        if not bool(held.any()):
            return self.settings.weight * physics
        return self._sum(network(batch.given[held], batch.coords), batch[held], physics)

    def __call__(self, prediction: Tensor, batch: Samples) -> Tensor:
        held = _labelled(batch)
        return self._sum(prediction[held], batch[held], self.physics(prediction, batch), prediction)

    def _sum(self, prediction: Tensor, labelled: Samples, physics: Tensor, whole: Tensor | None = None) -> Tensor:
        """The weighted sum; whole: what both parts are functions of, where gradients balance them."""
        if not len(labelled):
            return self.settings.weight * physics
        data = self.data(prediction, labelled)
        if self.relative is not None:
            return self.relative(data, self.settings.weight * physics)
        if self.settings.balance == "fixed":
            return data + self.settings.weight * physics
        assert whole is not None
        norms = [torch.autograd.grad(part, whole, retain_graph=True)[0].norm() for part in (data, physics)]
        return data + self.settings.weight * (norms[0] / norms[1]).detach() * physics


class Finer:
    """The physics loss on a finer grid than the data's, of inputs that are drawn there."""

    def __init__(self, chosen: Problem, settings: BothSettings, device: str):
        if chosen.task.kind == "step":
            raise ConfigError(f"{chosen.name}: its inputs are solved states, which cannot be drawn on a finer grid; leave loss.refine out")
        if settings.balance == "gradient":
            raise ConfigError("loss both: gradients balance at one prediction, and loss.refine makes two; take loss.balance=relobralo")
        self.plan, self.names = chosen.plan, [channel.field for channel in chosen.spec.inputs]
        self.grid = chosen.spec.grid.refine(settings.refine)
        residual = Residual(chosen, self.grid, device, norm=settings.norm, derivatives=settings.derivatives)
        self.physics = PhysicsLoss(residual, settings.causal)

    def beside(self, train: Samples) -> Samples:
        """The training split with its inputs on the finer grid."""
        fields = draw(self.plan, "train", range(len(train)), self.grid)
        shape = (len(train), *self.grid.shape)
        columns = (fields[name].reshape(len(train), *(fields[name].shape[1:] or [1] * self.grid.dims)) for name in self.names)
        given = np.stack([np.broadcast_to(column, shape) for column in columns], 1).astype(np.float32)
        finer = torch.from_numpy(given).to(train.given.device)
        return Samples(train.given, train.reference, train.coords, finer)

    def loss(self, model: Callable[[Tensor, Tensor], Tensor], batch: Samples) -> Tensor:
        assert batch.finer is not None
        coords = coordinates(self.grid).to(batch.coords)
        return self.physics(model(batch.finer, coords), Samples(batch.finer, batch.reference, coords))


class Relative:
    """neuraloperator's ReLoBRaLo: each part weighs the more, the less it has fallen since the step before, or sometimes since the first.

    Source: Bischof and Kraus (arXiv:2110.09813). The weights sum to two and start at one each. It draws from torch's random numbers.
    """

    def __init__(self):
        self.steps, self.kept = 0, None

    def state(self) -> dict[str, Tensor]:
        if self.kept is None:
            return {}
        return dict(self.kept.named_buffers()) | {"steps": torch.tensor(self.steps)}

    def restore(self, state: dict[str, Tensor]) -> None:
        if state:
            self.steps = int(state["steps"])
            self.kept = self._made(state["prev_losses"])
            self.kept.load_state_dict({name: value for name, value in state.items() if name != "steps"})

    def __call__(self, data: Tensor, physics: Tensor) -> Tensor:
        self.kept = self.kept or self._made(data)
        total, _ = self.kept({"data": data, "physics": physics}, self.steps)
        self.steps += 1
        return total

    @staticmethod
    def _made(like: Tensor) -> torch.nn.Module:
        from neuralop.losses.meta_losses import Relobralo  # here, so that other losses work without neuraloperator

        return Relobralo([like.detach()], num_losses=2)  # it keeps the tensor, to know the device


def _labelled(samples: Samples) -> Tensor:
    return samples.reference.flatten(1).isfinite().all(dim=1)

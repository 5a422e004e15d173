"""What training minimises, one loss a file."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from torch import Tensor

from opbench.config import Frozen
from opbench.metrics import relative_l2
from opbench.model import Channel, OperatorModel, Samples

if TYPE_CHECKING:  # training works where what reads a task, h5py, is not installed
    from opbench.data.task import Problem

Network = Callable[[Tensor, Tensor], Tensor]  # given (b, c_in, *s), coords (*points, d) -> (b, c_out, *points), physical units


class LossSettings(Frozen):
    """What a user may set of a loss, as loss.<name>.

    ends: "exact" multiplies the model's output by a mollifier where a task's unknowns are zero at an end, "free" does not.
    """

    ends: Literal["free", "exact"] = "free"


class Loss(ABC):
    """A scalar of a prediction (b, c_out, *s) in physical units and the batch that it was made for: >= 0, a mean over the batch.

    labels: whether it reads references; a loss that does not is never shown any.
    unlabelled: whether it learns from inputs without a reference, which is then NaN.
    elsewhere: whether it asks the model on another grid than the data's.
    auxiliary: channels that a model is to answer beside those of the task.
    """

    Settings: ClassVar[type[LossSettings]] = LossSettings
    labels: ClassVar[bool] = True
    unlabelled: ClassVar[bool] = False
    elsewhere: bool = False
    auxiliary: tuple[Channel, ...] = ()

    @classmethod
    def of(cls, chosen: "Problem", settings: LossSettings, device: str = "cpu") -> "Loss":
        """The loss of a task. Raises ConfigError where it is not defined for it."""
        return cls()

    def check(self, train: Samples) -> None:  # noqa: B027 (most losses are defined on all data)
        """See the training split once; raises DataError where the loss is not defined on it."""

    def completed(self, train: Samples) -> Samples:
        """The training split with what the loss wants to have beside it. Raises ConfigError where that is not to be had."""
        return train

    def require(self, model: OperatorModel) -> None:  # noqa: B027 (most losses take all models)
        """Raises ModelError for a model that the loss cannot train."""

    def expected(self, train: Samples) -> Tensor:
        """(n, c_out, *s): what a model's output is normalised by, the references."""
        return train.reference

    def validation(self, prediction: Tensor, valid: Samples) -> float:
        """By what the best weights are chosen: the mean relative L2 error."""
        return relative_l2(prediction, valid.reference).mean().item()

    def of_model(self, network: Network, batch: Samples) -> Tensor:
        """The loss of a model, (b, c_in, *s) and positions (*s, d) -> (b, c_out, *s), on a batch: where it is asked at other points too."""
        return self(network(batch.given, batch.coords), batch)

    def state(self) -> dict[str, Tensor]:
        """What the loss remembers from step to step."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:  # noqa: B027 (most losses remember nothing)
        """Take an earlier state's place."""

    @abstractmethod
    def __call__(self, prediction: Tensor, batch: Samples) -> Tensor: ...

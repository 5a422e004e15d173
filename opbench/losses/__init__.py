"""What training minimises, one loss a file."""

from abc import ABC, abstractmethod

from torch import Tensor

from opbench.model import Samples


class Loss(ABC):
    """A scalar of a prediction (b, c_out, *s) in physical units and the batch that it was made for: >= 0, a mean over the batch."""

    def check(self, train: Samples) -> None:  # noqa: B027 (most losses are defined on all data)
        """See the training split once; raises DataError where the loss is not defined on it."""

    @abstractmethod
    def __call__(self, prediction: Tensor, batch: Samples) -> Tensor: ...

"""Relative L2 distance to the reference, mean over samples of ||prediction - reference|| / ||reference||."""

import torch
from torch import Tensor

from opbench.errors import DataError
from opbench.losses import Loss
from opbench.model import Samples


class DataLoss(Loss):
    """Norms run over channels and space jointly; there is no epsilon, so an identically zero reference is refused at the door.

    Source: Li et al. 2021, Fourier neural operator (arXiv:2010.08895), the loss of its released code.
    """

    def check(self, train: Samples) -> None:
        """Raises DataError where a training reference is zero everywhere: no error relative to it exists."""
        zero = (train.reference == 0).flatten(1).all(dim=1)
        if zero.any():
            first, count = int(zero.nonzero()[0]), int(zero.sum())
            raise DataError(
                f"data loss: expected references that are not zero everywhere, got {count} of {len(train)} (first: sample {first}); "
                "leave these samples out of the training split"
            )

    def __call__(self, prediction: Tensor, batch: Samples) -> Tensor:
        """(b, c, *s) -> scalar."""
        difference = torch.linalg.vector_norm((prediction - batch.reference).flatten(1), dim=1)
        return (difference / torch.linalg.vector_norm(batch.reference.flatten(1), dim=1)).mean()

"""Errors of predictions, one function a metric: (n, c, *s), (n, c, *s) -> (n,), >= 0, and 0 exactly when perfect.

Norms run over channels and space jointly and are accumulated in float64. A prediction that holds a NaN has the error NaN, so that a
diverged model stays visible. A change that moves a number raises the version in the metric's docstring.
"""

import sys
from collections.abc import Callable

import torch
from torch import Tensor

from opbench.errors import ModelError

Metric = Callable[[Tensor, Tensor], Tensor]


def relative_l2(prediction: Tensor, reference: Tensor) -> Tensor:
    """||prediction - reference|| / ||reference||, without an epsilon: infinite where the reference alone is zero.

    Source: PDEBench's nRMSE (arXiv:2210.07182), which takes the mean of this over times and channels. Version 1.
    """
    difference = _norm(_difference(prediction, reference))
    return torch.where(difference == 0, 0.0, difference / _norm(reference.double().flatten(1)))


def rmse(prediction: Tensor, reference: Tensor) -> Tensor:
    """sqrt(mean((prediction - reference)^2)), in the field's unit.

    Source: The Well's RMSE (arXiv:2412.00568) on one field, PDEBench's RMSE before its mean over samples. Version 1.
    """
    difference = _difference(prediction, reference)
    return _norm(difference) / difference.shape[1] ** 0.5


def max_error(prediction: Tensor, reference: Tensor) -> Tensor:
    """max |prediction - reference|, in the field's unit.

    Source: The Well's LInfinity (arXiv:2412.00568); PDEBench's Max is its largest value over a batch. Version 1.
    """
    return _difference(prediction, reference).abs().amax(dim=1)


def metrics() -> dict[str, Metric]:
    """Every metric of this module by name: its public functions of a prediction and a reference."""
    functions = {name: value for name, value in vars(sys.modules[__name__]).items() if getattr(value, "__module__", None) == __name__}
    return {name: function for name, function in functions.items() if not name.startswith("_") and function is not metrics}


def _difference(prediction: Tensor, reference: Tensor) -> Tensor:
    if prediction.shape != reference.shape:
        raise ModelError(f"metrics: expected a prediction of shape {tuple(reference.shape)}, got {tuple(prediction.shape)}; mend the model")
    return (prediction.double() - reference.double()).flatten(1)


def _norm(values: Tensor) -> Tensor:
    return torch.linalg.vector_norm(values, dim=1)

"""Errors of predictions, one function a metric: (n, c, *s), (n, c, *s), grid -> (n,), >= 0, and 0 when perfect.

A channel is a field at a time. Norms and maxima run over channels and space jointly; all others are of each channel alone, <.> being its
mean over the grid's points, and then averaged over channels, as the suites do that they are named after. All is accumulated in float64. A
prediction that holds a NaN has the error NaN, so that a diverged model stays visible; nothing is divided by an epsilon. What only needs the
values takes no grid; what does not exist on a grid raises Undefined there. A change that moves a number raises the docstring's version.
"""

import re
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from opbench.errors import ModelError, Undefined
from opbench.grid import Grid

Metric = Callable[[Tensor, Tensor, Grid], Tensor]
MIDDLE, HIGH = 4, 12  # waves across the domain where the middle and the high band begin: PDEBench's iLow and iHigh


def relative_l2(prediction: Tensor, reference: Tensor, grid: Grid | None = None) -> Tensor:
    """||prediction - reference|| / ||reference||; infinite where the reference alone is zero.

    Source: the LpLoss of FNO's released code (arXiv:2010.08895); PDEBench's nRMSE, `nrmse`, is this of every channel. Version 1.
    """
    return _ratio(_norm(_difference(prediction, reference)), _norm(reference.double()))


def relative_h1(prediction: Tensor, reference: Tensor, grid: Grid) -> Tensor:
    """||prediction - reference||_1 / ||reference||_1 with ||u||_1^2 = <u^2> + sum over axes <(difference of neighbours / spacing)^2>.

    The slopes are those of the piecewise linear interpolant, whose norm no wave escapes; neuraloperator's central differences do not see
    the shortest. Source: neuraloperator's H1Loss. Version 1.
    """
    return _ratio(_h1(_difference(prediction, reference), grid), _h1(reference.double(), grid))


def rmse(prediction: Tensor, reference: Tensor, grid: Grid | None = None) -> Tensor:
    """sqrt <(prediction - reference)^2>, in the field's unit.

    Source: The Well's RMSE (arXiv:2412.00568), PDEBench's RMSE (arXiv:2210.07182). Version 2: of every channel, not of all jointly.
    """
    return _mean_square(_difference(prediction, reference)).sqrt().mean(1)


def nrmse(prediction: Tensor, reference: Tensor, grid: Grid | None = None) -> Tensor:
    """sqrt(<(prediction - reference)^2> / <reference^2>); infinite where a channel of the reference alone is zero.

    Source: PDEBench's nRMSE (arXiv:2210.07182); The Well's NRMSE adds 1e-7 to the denominator. Version 1.
    """
    return _ratio(_mean_square(_difference(prediction, reference)), _mean_square(reference.double())).sqrt().mean(1)


def vrmse(prediction: Tensor, reference: Tensor, grid: Grid | None = None) -> Tensor:
    """sqrt(<(prediction - reference)^2> / <(reference - <reference>)^2>): 1 for the mean; infinite where a channel alone does not vary.

    Source: The Well's VRMSE (arXiv:2412.00568), whose variance is the unbiased one plus 1e-7. Version 1.
    """
    return _ratio(_mean_square(_difference(prediction, reference)), _mean_square(_fluctuation(reference.double()))).sqrt().mean(1)


def mae(prediction: Tensor, reference: Tensor, grid: Grid | None = None) -> Tensor:
    """<|prediction - reference|>, in the field's unit.

    Source: The Well's MAE (arXiv:2412.00568). Version 1.
    """
    return _difference(prediction, reference).abs().flatten(1).mean(1)


def max_error(prediction: Tensor, reference: Tensor, grid: Grid | None = None) -> Tensor:
    """max |prediction - reference|, in the field's unit.

    Source: The Well's LInfinity (arXiv:2412.00568); PDEBench's Max is its largest value over a batch. Version 1.
    """
    return _difference(prediction, reference).abs().flatten(1).amax(1)


def crmse(prediction: Tensor, reference: Tensor, grid: Grid) -> Tensor:
    """|integral of prediction - reference| / the domain's size, by the trapezoidal rule: what the field's total errs by, in its unit.

    Where the equation conserves the total, this is how far the prediction is from doing so.
    Source: PDEBench's cRMSE (arXiv:2210.07182) of a periodic grid, before its root mean square over the batch. Version 1.
    """
    total = _difference(prediction, reference)
    for axis in reversed(range(grid.dims)):
        total = total.mean(axis + 2) if grid.periodic[axis] else torch.trapezoid(total, dim=axis + 2) / (grid.shape[axis] - 1)
    return total.abs().mean(1)


def brmse(prediction: Tensor, reference: Tensor, grid: Grid) -> Tensor:
    """sqrt(mean of (prediction - reference)^2 over the points of the domain's faces), in the field's unit.

    A point on an edge counts for each of its faces. Raises Undefined on a grid without faces, periodic along every axis.
    Source: PDEBench's bRMSE (arXiv:2210.07182). Version 1.
    """
    if all(grid.periodic):
        raise Undefined("the grid is periodic along every axis, it has no boundary")
    square = _difference(prediction, reference).square()
    bounded = [axis for axis in range(grid.dims) if not grid.periodic[axis]]
    faces = [square.narrow(axis + 2, end, 1).flatten(2) for axis in bounded for end in (0, grid.shape[axis] - 1)]
    return (torch.cat(faces, 2).mean(2).sqrt() + _lost(square)).mean(1)


def frmse_low(prediction: Tensor, reference: Tensor, grid: Grid) -> Tensor:
    """The RMSE of those waves of prediction - reference that fit into the domain fewer than 4 times: |k| < 4.

    Wave vectors count in every direction. A bounded axis is continued evenly beyond its ends, so that a jump between them is none. The
    squares of the three bands sum to <(prediction - reference)^2>, by the trapezoidal rule on bounded axes.
    Source: PDEBench's fRMSE (arXiv:2210.07182), which omits wave vectors with one negative component. Version 1.
    """
    return _band(prediction, reference, grid, 0, MIDDLE)


def frmse_mid(prediction: Tensor, reference: Tensor, grid: Grid) -> Tensor:
    """As `frmse_low`, of 4 <= |k| < 12; raises Undefined on a grid that has no such waves.

    Source: PDEBench's fRMSE (arXiv:2210.07182), which omits wave vectors with one negative component. Version 1.
    """
    return _band(prediction, reference, grid, MIDDLE, HIGH)


def frmse_high(prediction: Tensor, reference: Tensor, grid: Grid) -> Tensor:
    """As `frmse_low`, of 12 <= |k|; raises Undefined on a grid that has no such waves.

    Source: PDEBench's fRMSE (arXiv:2210.07182), which omits wave vectors with one negative component. Version 1.
    """
    return _band(prediction, reference, grid, HIGH, None)


def energy_spectrum_error(prediction: Tensor, reference: Tensor, grid: Grid) -> Tensor:
    """sum_k |E_prediction(k) - E_reference(k)| / sum_k E_reference(k), E(k) the energy of all waves with k <= |wave vector| < k + 1.

    The mean is no wave. It tells of sharpness and not of place: 1 for a constant prediction; infinite where a reference alone is constant.
    Source: the isotropic spectrum is The Well's power_spectrum (arXiv:2412.00568), the distance opbench's own. Version 1.
    """
    _difference(prediction, reference)
    energies = [shells(_fluctuation(values.double()), grid, still=True) for values in (prediction, reference)]
    return _ratio((energies[0] - energies[1]).abs().sum(2), energies[1].sum(2)).mean(1)


def correlation_error(prediction: Tensor, reference: Tensor, grid: Grid | None = None) -> Tensor:
    """1 - r, r Pearson's correlation over the points; 1 where one of the two does not vary, for it correlates with nothing.

    Source: The Well's PearsonR (arXiv:2412.00568), which mixes the biased covariance with unbiased deviations. Version 1.
    """
    difference = _difference(prediction, reference)
    equal = (difference == 0).flatten(2).all(2)
    one, other = (_fluctuation(values.double()).flatten(2) for values in (prediction, reference))
    sizes = [torch.linalg.vector_norm(values, dim=2, keepdim=True) for values in (one, other)]
    distance = (one / sizes[0] - other / sizes[1]).square().sum(2) / 2  # is 1 - r, without the cancellation
    silent = ((sizes[0] == 0) | (sizes[1] == 0)).squeeze(2)
    return (torch.where(equal, 0.0, torch.where(silent, 1.0, distance)) + _lost(difference)).mean(1)


def histogram_w1(prediction: Tensor, reference: Tensor, grid: Grid | None = None) -> Tensor:
    """Wasserstein's distance of order 1 between the values of prediction and reference, wherever they stand, in the field's unit.

    <|sorted prediction - sorted reference|>, exact without bins.
    Source: The Well's HistogramW1 (arXiv:2412.00568), which pools all times and divides by <reference^2> + 1e-7. Version 1.
    """
    _difference(prediction, reference)
    one, other = (values.double().flatten(2).sort(2).values for values in (prediction, reference))
    return (one - other).abs().mean(2).mean(1)


def metrics() -> dict[str, Metric]:
    """Every metric of this module by name: its public functions of a prediction, a reference and a grid."""
    functions = {name: value for name, value in vars(sys.modules[__name__]).items() if getattr(value, "__module__", None) == __name__}
    return {
        name: function for name, function in functions.items() if not name.startswith("_") and function not in (metrics, versions, shells)
    }


def versions() -> dict[str, int]:
    """The version of every metric, as its docstring says it."""
    return {name: int(re.findall(r"Version (\d+)", function.__doc__ or "")[-1]) for name, function in metrics().items()}


def _difference(prediction: Tensor, reference: Tensor) -> Tensor:
    if prediction.shape != reference.shape:
        raise ModelError(f"metrics: expected a prediction of shape {tuple(reference.shape)}, got {tuple(prediction.shape)}; mend the model")
    return prediction.double() - reference.double()


def _lost(values: Tensor) -> Tensor:
    """(n, c): NaN where a channel holds one, else zero."""
    return torch.where(values.isnan().flatten(2).any(2), torch.nan, 0.0)


def _norm(values: Tensor) -> Tensor:
    return torch.linalg.vector_norm(values.flatten(1), dim=1)


def _h1(values: Tensor, grid: Grid) -> Tensor:
    total = _mean_square(values).sum(1)
    for axis, (spacing, wraps) in enumerate(zip(grid.spacing, grid.periodic, strict=True)):
        slope = values.roll(-1, axis + 2) - values if wraps else values.diff(dim=axis + 2)
        total = total + _mean_square(slope / spacing).sum(1)
    return total.sqrt()


def _mean_square(values: Tensor) -> Tensor:
    """(n, c, *s) -> (n, c)."""
    return values.square().flatten(2).mean(2)


def _fluctuation(values: Tensor) -> Tensor:
    """`values` less each channel's mean; exactly zero where a channel does not vary."""
    flat = values.flatten(2)
    return torch.where(_still(flat), 0.0, flat - flat.mean(2, keepdim=True)).reshape(values.shape)


def _still(flat: Tensor) -> Tensor:
    """(n, c, points) -> (n, c, 1), where all points have one value."""
    return flat.amax(2, keepdim=True) == flat.amin(2, keepdim=True)


def _ratio(error: Tensor, size: Tensor) -> Tensor:
    """error / size, 0 for no error: infinite where the size alone is zero."""
    return torch.where(error == 0, 0.0, error / size)


def _band(prediction: Tensor, reference: Tensor, grid: Grid, first: int, last: int | None) -> Tensor:
    energies = shells(_difference(prediction, reference), grid)[..., first:last]
    if energies.shape[2] == 0:
        raise Undefined(f"a grid of {'x'.join(map(str, grid.shape))} points has no waves that fit {first} times or more into the domain")
    return energies.sum(2).sqrt().mean(1)


def shells(values: Tensor, grid: Grid, still: bool = False) -> Tensor:
    """The mean square of (n, c, *s) shared out among waves with k <= |wave vector| < k + 1, (n, c, k); still: without the mean.

    Wave vectors count waves across the domain, along bounded axes half waves. They come in pairs +-k, of which rfftn gives one.
    """
    if values.shape[2:] != grid.shape:
        raise ModelError(f"metrics: expected values at {grid.shape} points, got {tuple(values.shape[2:])}; give their grid")
    for axis in (axis for axis in range(2, values.ndim) if not grid.periodic[axis - 2]):
        values = torch.cat((values, values.narrow(axis, 1, values.shape[axis] - 2).flip(axis)), axis)
    shape, dims = values.shape[2:], tuple(range(2, values.ndim))
    energy = torch.fft.rfftn(values, dim=dims, norm="forward").abs().square()
    paired = torch.full((energy.shape[-1],), 2.0, dtype=energy.dtype, device=energy.device)
    paired[0] = 1.0
    if shape[-1] % 2 == 0:
        paired[-1] = 1.0
    waves = [torch.arange(n, dtype=energy.dtype, device=energy.device) for n in energy.shape[2:]]
    across = [torch.minimum(k, n - k) / (1 if wraps else 2) for k, n, wraps in zip(waves, shape, grid.periodic, strict=True)]
    squares = torch.stack(torch.meshgrid(*(k.square() for k in across), indexing="ij")).sum(0)
    shell = squares.sqrt().floor().long().flatten()
    shared = (energy * paired).flatten(2)
    if still:
        shared[..., 0] = 0.0
    return shared.new_zeros(*shared.shape[:2], int(shell.max()) + 1).index_add_(2, shell, shared)

"""Weighted essentially non-oscillatory (WENO) reconstruction of order 3 or 5: what lies between two nodes, seen from the windward side.

Sources: Jiang and Shu, J. Comput. Phys. 126 (1996), for the stencils, their ideal weights and smoothness indicators; Borges, Carmona,
Costa and Don, J. Comput. Phys. 227 (2008), for the weights (WENO-Z, power 2).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from opbench.errors import OpbenchError

GHOSTS = {3: 2, 5: 3}  # nodes that a stencil reaches beyond an interface, on each side
FLOORS = {3: 0.1, 5: 0.001}  # of smoothness indicators, in mean squared differences: see `floor`
TINY = 1e-40  # keeps 0 / 0 out where a field is constant


def reach(order: int, name: str) -> int:
    """Ghost nodes beyond either end; raises OpbenchError for an order that is not offered."""
    if order not in GHOSTS:
        raise OpbenchError(f"{name}: a conservation law is solved by WENO schemes of order 3 or 5, got order {order}; choose one of them")
    return GHOSTS[order]


def floor(along: Tensor, against: Tensor, order: int) -> Tensor:
    """What is added to smoothness indicators, from the differences across the interfaces of grid lines (wave, interface, sample, *rest).

    It falls like the square of the spacing where a field is smooth, as the indicators do, and so keeps the order where they vanish
    (extrema, inflections); at a jump it is small against them. It is one number a line, so that what a wall reflects is treated alike.
    Arandiga, Baeza, Belda and Mulet, SIAM J. Numer. Anal. 49 (2011), add the spacing squared itself, which depends on the field's unit.
    """
    return (along.square().mean((0, 1)) + against.square().mean((0, 1))).mul_(FLOORS[order] / 2).add_(TINY)


def windward(differences: Sequence[Tensor], floor: Tensor) -> Tensor:
    """-6 times what the value midway between two nodes is more than their mean, for a wind that blows along the axis.

    differences: between neighbouring nodes in the wind's direction, two (order 3) or four (order 5); those before the last but one, and
    the last one of two, are upwind of the interface, or across it.
    """
    return _fifth(*differences, floor=floor) if len(differences) == 4 else _third(*differences, floor=floor)


def _third(before: Tensor, across: Tensor, floor: Tensor) -> Tensor:
    bend = across - before
    contrast = bend.square()
    inner, outer = (_weight(contrast, torch.addcmul(floor, slope, slope), ideal) for slope, ideal in ((before, 1 / 3), (across, 2 / 3)))
    return bend.mul_(inner).mul_(3).div_(inner.add_(outer))


def _fifth(first: Tensor, before: Tensor, across: Tensor, after: Tensor, floor: Tensor) -> Tensor:
    bends = (before - first, across - before, after - across)  # second differences
    slopes = (before.add(bends[0], alpha=0.5), before.add(bends[1], alpha=0.5), across.sub(bends[2], alpha=0.5))
    rough = [torch.addcmul(floor, slope, slope).addcmul_(bend, bend, value=13 / 12) for slope, bend in zip(slopes, bends, strict=True)]
    contrast = (rough[0] - rough[2]).abs_()
    left, middle, right = (_weight(contrast, indicator, ideal) for indicator, ideal in zip(rough, (0.1, 0.6, 0.3), strict=True))
    turn = right * (bends[2] - bends[1])
    turn.addcmul_(left, bends[1] - bends[0], value=2)
    return turn.div_(left.add_(middle).add_(right)).add_(bends[1])


def _weight(contrast: Tensor, indicator: Tensor, ideal: float) -> Tensor:
    """ideal (1 + (contrast / indicator)^2)."""
    ratio = contrast / indicator
    return torch.addcmul(ratio.new_full((), ideal), ratio, ratio, value=ideal)

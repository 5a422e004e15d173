"""Proper orthogonal decomposition: samples = mean + coefficients @ modes."""

import torch
from torch import Tensor


def pod(values: Tensor, modes: int) -> tuple[Tensor, Tensor]:
    """Mean (m,) and the leading orthonormal modes (modes, m) of samples (n, m); modes beyond the samples' rank are zero.

    The modes are right singular vectors of the mean-subtracted samples (Sirovich 1987).
    """
    mean = values.mean(0)
    _, scale, right = torch.linalg.svd(values - mean, full_matrices=False)
    rank = int((scale > scale[0] * max(values.shape) * torch.finfo(scale.dtype).eps).sum())
    kept = right.new_zeros(modes, values.shape[1])
    count = min(rank, modes)
    kept[:count] = right[:count]
    return mean, kept

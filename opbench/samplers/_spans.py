"""Numbers of a law: fixed ones, and ranges from which each sample draws its own."""

from typing import Annotated

import numpy as np
from pydantic import AfterValidator


def _ordered(span):
    if isinstance(span, tuple) and not span[0] < span[1]:
        raise ValueError(f"a range needs low < high, got {span[0]:g} and {span[1]:g}")
    return span


def _positive(span):
    if least(span) <= 0:
        raise ValueError(f"must be positive, got {span}")
    return span


Span = Annotated[float | tuple[float, float], AfterValidator(_ordered)]  # a number, or (low, high) for a uniform one
Size = Annotated[Span, AfterValidator(_positive)]
Count = Annotated[int | tuple[int, int], AfterValidator(_ordered), AfterValidator(_positive)]  # (low, high): both included


def least(span: float | tuple[float, float]) -> float:
    return span[0] if isinstance(span, tuple) else span


def vary(*spans: float | tuple[float, float]) -> bool:
    """Whether any of them is a range."""
    return any(isinstance(span, tuple) for span in spans)


def pick(rng: np.random.Generator, span: Span, size: int | tuple[int, ...] = (), log: bool = False) -> np.ndarray:
    """Numbers of a span, float64 (*size); a fixed one uses up no random number. log: uniform in the logarithm."""
    if not isinstance(span, tuple):
        return np.full(size, span)
    low, high = span
    return np.exp(rng.uniform(np.log(low), np.log(high), size)) if log else rng.uniform(low, high, size)


def pick_count(rng: np.random.Generator, count: Count) -> int:
    return int(rng.integers(*count, endpoint=True)) if isinstance(count, tuple) else count

"""Numbers as tables say them."""


def seconds(value: float) -> str:
    """Three digits, in the unit that suits."""
    size, unit = next(((size, unit) for size, unit in ((1.0, "s"), (1e-3, "ms")) if value >= size), (1e-6, "µs"))
    return f"{value / size:.3g} {unit}"


def rate(value: float) -> str:
    """Samples a second, three digits."""
    return f"{float(f'{value:.3g}'):,.15g}/s"

"""Numbers as tables say them."""


def seconds(value: float) -> str:
    """Three digits, in the unit that suits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            break
    return f"{value / size:.3g} {unit}"


def rate(value: float) -> str:
    """Samples a second, three digits."""
    return f"{float(f'{value:.3g}'):,.6g}/s"

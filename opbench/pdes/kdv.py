"""Korteweg-de Vries equation, u_t + a u u_x + b u_xxx = 0, a = 6 and b = 1 unless given."""

from opbench.field import Field
from opbench.pde import EvolutionPDE


class KdV(EvolutionPDE):
    """a: steepening, b: dispersion."""

    dims = (1,)
    inputs = (Field("steepening", "1/s", default=6.0, uniform=True), Field("dispersion", "m^3/s", default=1.0, uniform=True))
    outputs = (Field("elevation", "m"),)
    dissipative = False

    def linear(self, u, given, d):
        return -given["dispersion"] * d.partial(u, "x", 3)

    def nonlinear(self, u, given, d):
        return -given["steepening"] * d.partial(u**2 / 2, "x")

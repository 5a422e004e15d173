"""Kuramoto-Sivashinsky equation, u_t + a (u^2 / 2)_x + b u_xx + g u_xxxx = 0, a = b = g = 1 unless given."""

from opbench.field import Field
from opbench.pde import EvolutionPDE


class KuramotoSivashinsky(EvolutionPDE):
    """a: steepening, b: antidiffusion, which feeds long waves, g: hyperdiffusion, which damps short ones."""

    dims = (1,)
    inputs = (
        Field("steepening", "1", default=1.0, uniform=True),
        Field("antidiffusion", "m^2/s", default=1.0, uniform=True),
        Field("hyperdiffusion", "m^4/s", default=1.0, uniform=True),
    )
    outputs = (Field("velocity", "m/s"),)

    def linear(self, u, given, d):
        return -given["antidiffusion"] * d.partial(u, "x", 2) - given["hyperdiffusion"] * d.partial(u, "x", 4)

    def nonlinear(self, u, given, d):
        return -given["steepening"] * d.partial(u**2 / 2, "x")

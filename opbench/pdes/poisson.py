"""Poisson's equation, -lap u = f."""

from opbench.field import Field
from opbench.pde import SteadyPDE


class Poisson(SteadyPDE):
    dims = (1, 2)
    inputs = (Field("source", "1/m^2"),)
    outputs = (Field("potential"),)

    def residual(self, u, given, d):
        return -d.laplacian(u) - given["source"]

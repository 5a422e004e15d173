"""Steady Darcy flow, -div(k grad p) = f."""

from opbench.field import Field
from opbench.pde import SteadyPDE


class Darcy(SteadyPDE):
    dims = (1, 2)
    inputs = (Field("permeability", "m^2/(Pa s)", cells=1), Field("source", "1/s", default=1.0))
    outputs = (Field("pressure", "Pa"),)

    def residual(self, p, given, d):
        return -d.div_grad(given["permeability"], p) - given["source"]

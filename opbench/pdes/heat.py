"""Heat conduction, u_t = div(k grad u) + f; a constant diffusivity k is stepped exactly, a varying one explicitly."""

from opbench.field import Field
from opbench.pde import EvolutionPDE


class Heat(EvolutionPDE):
    dims = (1, 2)
    inputs = (Field("diffusivity", "m^2/s", cells=1, least=0.0), Field("source", "K/s", default=0.0))
    outputs = (Field("temperature", "K"),)

    def linear(self, u, given, d):
        return d.div_grad(given["diffusivity"], u)

    def nonlinear(self, u, given, d):
        return 0.0 * u + given["source"]  # a field, also where the source is a number

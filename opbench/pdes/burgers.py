"""Viscous Burgers equation, u_t + (u^2 / 2)_x = nu u_xx."""

from opbench.field import Field
from opbench.pde import EvolutionPDE


class Burgers(EvolutionPDE):
    dims = (1,)
    inputs = (Field("viscosity", "m^2/s", uniform=True, least=0.0),)
    outputs = (Field("velocity", "m/s"),)

    def linear(self, u, given, d):
        return given["viscosity"] * d.laplacian(u)

    def nonlinear(self, u, given, d):
        return -d.partial(u**2 / 2, "x")

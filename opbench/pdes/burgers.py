"""Viscous Burgers equation, u_t + (u^2 / 2)_x = nu u_xx.

Without viscosity it is the inviscid one, a conservation law whose solutions jump.
"""

from opbench.field import Field
from opbench.pde import EvolutionPDE
from opbench.pdes.inviscid_burgers import InviscidBurgers


class Burgers(EvolutionPDE):
    dims = (1,)
    inputs = (Field("viscosity", "m^2/s", uniform=True, least=0.0),)
    outputs = (Field("velocity", "m/s"),)

    def linear(self, u, given, d):
        return given["viscosity"] * d.laplacian(u)

    def nonlinear(self, u, given, d):
        return InviscidBurgers().rate(u, given, d)

    def undamped(self, given):
        return None if given["viscosity"].any() else InviscidBurgers()

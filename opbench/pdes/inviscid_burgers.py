"""Inviscid Burgers equation, u_t + (u^2 / 2)_x = 0."""

from opbench.field import Field
from opbench.pde import ConservationLaw


class InviscidBurgers(ConservationLaw):
    dims = (1,)
    inputs = ()
    outputs = (Field("velocity", "m/s"),)

    def flux(self, u, given, axis):
        return u**2 / 2

    def speed(self, u, given, axis):
        return abs(u)

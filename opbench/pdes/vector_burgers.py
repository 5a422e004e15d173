"""Viscous Burgers equation of a velocity in the plane, u_t + u . grad u = nu lap u."""

from opbench.field import Field
from opbench.pde import EvolutionPDE


class VectorBurgers(EvolutionPDE):
    dims = (2,)
    inputs = (Field("viscosity", "m^2/s", uniform=True, least=0.0),)
    outputs = (Field("velocity_x", "m/s", along="x"), Field("velocity_y", "m/s", along="y"))

    def linear(self, velocity, given, d):
        return {name: given["viscosity"] * d.laplacian(u) for name, u in velocity.items()}

    def nonlinear(self, velocity, given, d):
        vx, vy = velocity["velocity_x"], velocity["velocity_y"]
        return {name: -(vx * d.partial(u, "x") + vy * d.partial(u, "y")) for name, u in velocity.items()}

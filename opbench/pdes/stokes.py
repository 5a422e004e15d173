"""Steady Stokes flow, -mu lap u + grad p = f, div u = 0."""

from opbench.field import Field
from opbench.pde import SteadyPDE


class Stokes(SteadyPDE):
    dims = (2,)
    inputs = (
        Field("viscosity", "Pa s", uniform=True, least=0.0),
        Field("force_x", "N/m^3", default=0.0, along="x"),
        Field("force_y", "N/m^3", default=0.0, along="y"),
    )
    outputs = (
        Field("velocity_x", "m/s", along="x"),
        Field("velocity_y", "m/s", along="y"),
        Field("pressure", "Pa", multiplier=True),
    )

    def residual(self, flow, given, d):
        u, v, p = flow["velocity_x"], flow["velocity_y"], flow["pressure"]
        mu = given["viscosity"]
        return {
            "velocity_x": -mu * d.laplacian(u) + d.partial(p, "x") - given["force_x"],
            "velocity_y": -mu * d.laplacian(v) + d.partial(p, "y") - given["force_y"],
            "pressure": d.partial(u, "x") + d.partial(v, "y"),
        }

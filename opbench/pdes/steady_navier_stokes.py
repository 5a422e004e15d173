"""Steady incompressible Navier-Stokes flow, u . grad u + grad p = nu lap u + f, div u = 0; p is the pressure over the density."""

from opbench.field import Field
from opbench.pde import SteadyPDE


class SteadyNavierStokes(SteadyPDE):
    dims = (2,)
    inputs = (
        Field("viscosity", "m^2/s", uniform=True, least=0.0),
        Field("force_x", "m/s^2", default=0.0, along="x"),
        Field("force_y", "m/s^2", default=0.0, along="y"),
    )
    outputs = (
        Field("velocity_x", "m/s", along="x"),
        Field("velocity_y", "m/s", along="y"),
        Field("pressure", "m^2/s^2", multiplier=True),
    )

    def residual(self, flow, given, d):
        u, v, p = flow["velocity_x"], flow["velocity_y"], flow["pressure"]
        nu = given["viscosity"]
        return {
            "velocity_x": u * d.partial(u, "x") + v * d.partial(u, "y") + d.partial(p, "x") - nu * d.laplacian(u) - given["force_x"],
            "velocity_y": u * d.partial(v, "x") + v * d.partial(v, "y") + d.partial(p, "y") - nu * d.laplacian(v) - given["force_y"],
            "pressure": d.partial(u, "x") + d.partial(v, "y"),
        }

"""Incompressible Navier-Stokes as vorticity, w_t + u . grad w = nu lap w - a w + f, w = v_x - u_y, in two dimensions."""

from opbench.field import Field
from opbench.pde import EvolutionPDE


class NavierStokes(EvolutionPDE):
    dims = (2,)
    inputs = (
        Field("viscosity", "m^2/s", uniform=True, least=0.0),
        Field("forcing", "1/s^2", default=0.0),
        Field("drag", "1/s", default=0.0, uniform=True),  # a: linear friction, as of a thin layer on its bottom
    )
    outputs = (Field("vorticity", "1/s"),)

    def linear(self, w, given, d):
        return given["viscosity"] * d.laplacian(w) - given["drag"] * w

    def nonlinear(self, w, given, d):
        stream = d.inverse_laplacian(w)  # velocity (u, v) = (-stream_y, stream_x)
        u, v = -d.partial(stream, "y"), d.partial(stream, "x")
        return -(u * d.partial(w, "x") + v * d.partial(w, "y")) + given["forcing"]

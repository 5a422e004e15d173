"""Incompressible Navier-Stokes as vorticity, w_t + u . grad w = nu lap w + f, w = v_x - u_y, in two dimensions."""

from opbench.field import Field
from opbench.pde import EvolutionPDE


class NavierStokes(EvolutionPDE):
    dims = (2,)
    inputs = (Field("viscosity", "m^2/s", uniform=True), Field("forcing", "1/s^2", default=0.0))
    outputs = (Field("vorticity", "1/s"),)

    def linear(self, w, given, d):
        return given["viscosity"] * d.laplacian(w)

    def nonlinear(self, w, given, d):
        stream = d.inverse_laplacian(w)  # velocity (u, v) = (-stream_y, stream_x)
        u, v = -d.partial(stream, "y"), d.partial(stream, "x")
        return -(u * d.partial(w, "x") + v * d.partial(w, "y")) + given["forcing"]

"""Linear advection, u_t + v . grad u = 0, with a velocity v that is constant in space."""

from opbench.field import Field
from opbench.pde import EvolutionPDE


class Advection(EvolutionPDE):
    dims = (1, 2)
    inputs = (Field("velocity_x", "m/s", uniform=True, along="x"), Field("velocity_y", "m/s", uniform=True, along="y"))
    outputs = (Field("concentration", "kg/m^3"),)
    dissipative = False

    def linear(self, u, given, d):
        return -sum(given[f"velocity_{axis}"] * d.partial(u, axis) for axis in d.axes)

"""The Helmholtz equation, lap u + k^2 u = f, with a wavenumber k that may vary in space."""

from opbench.field import Field
from opbench.pde import SteadyPDE


class Helmholtz(SteadyPDE):
    dims = (1, 2)
    inputs = (Field("wavenumber", "1/m"), Field("source", "1/m^2", default=0.0))
    outputs = (Field("amplitude"),)

    def residual(self, u, given, d):
        return d.laplacian(u) + given["wavenumber"] ** 2 * u - given["source"]

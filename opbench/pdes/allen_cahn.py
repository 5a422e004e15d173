"""Allen-Cahn equation, u_t = D lap u + r (u - u^3)."""

from opbench.field import Field
from opbench.pde import EvolutionPDE


class AllenCahn(EvolutionPDE):
    """D: diffusivity, r: reaction rate; interfaces are sqrt(2 D / r) wide, the phases are u = -1 and u = 1."""

    dims = (1, 2)
    inputs = (Field("diffusivity", "m^2/s", uniform=True, least=0.0), Field("reaction", "1/s", uniform=True))
    outputs = (Field("phase"),)

    def linear(self, u, given, d):
        return given["diffusivity"] * d.laplacian(u)

    def nonlinear(self, u, given, d):
        return given["reaction"] * (u - u**3)

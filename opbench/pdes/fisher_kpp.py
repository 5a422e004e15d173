"""Fisher-KPP equation, logistic growth with diffusion, u_t = D lap u + r u (1 - u)."""

from opbench.field import Field
from opbench.pde import EvolutionPDE


class FisherKPP(EvolutionPDE):
    """D: diffusivity, r: growth rate. PDEBench's one-dimensional reaction-diffusion with D = nu, r = rho."""

    dims = (1, 2)
    inputs = (Field("diffusivity", "m^2/s", uniform=True, least=0.0), Field("growth", "1/s", uniform=True))
    outputs = (Field("population"),)

    def linear(self, u, given, d):
        return given["diffusivity"] * d.laplacian(u)

    def nonlinear(self, u, given, d):
        return given["growth"] * (u - u**2)

"""Diffusion with Freundlich sorption, u_t = D / R(u) u_xx, R(u) = 1 + (1 - phi) / phi rho_s k n_f (u + u_0)^(n_f - 1)."""

from opbench.field import Field
from opbench.pde import EvolutionPDE


class DiffusionSorption(EvolutionPDE):
    """PDEBench's equation (Takamoto et al., NeurIPS 2022, section D.4 and sim_diff_sorp.py), with its coefficients unless given.

    D: diffusivity, phi: porosity, rho_s: density of the solid, k and n_f: Freundlich's coefficient and exponent.
    u_0: offset, 0 as in the paper; PDEBench's code takes 1e-6, so that R stays finite at u = 0. R is infinite there without it, and so
    are errors: give an offset where u may vanish.
    PDEBench's ends are u = 1 at the left, and at the right u = D u_x in the paper but u = -D u_x, a flux out, in its code, which is
    well posed: Robin(1 / D), 1 / D u + du/dn = 0.
    """

    dims = (1,)
    inputs = (
        Field("diffusivity", "m^2/s", default=5e-4, uniform=True, least=0.0),
        Field("porosity", "1", default=0.29, uniform=True, least=0.0),
        Field("density", "kg/m^3", default=2880.0, uniform=True),
        Field("freundlich_coefficient", "m^3/kg", default=3.5e-4, uniform=True),
        Field("freundlich_exponent", "1", default=0.874, uniform=True),
        Field("offset", "1", default=0.0, uniform=True),
    )
    outputs = (Field("concentration", "1", positive=True),)

    def nonlinear(self, u, given, d):
        porosity, exponent = given["porosity"], given["freundlich_exponent"]
        sorption = (1 - porosity) / porosity * given["density"] * given["freundlich_coefficient"]
        retardation = 1 + sorption * exponent * (u + given["offset"]) ** (exponent - 1)
        return given["diffusivity"] * d.laplacian(u) / retardation

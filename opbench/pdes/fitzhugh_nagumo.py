"""FitzHugh and Nagumo's excitable medium, u_t = Du lap u + u - u^3 - k - v, v_t = Dv lap v + r (u - s v)."""

from opbench.field import Field
from opbench.pde import EvolutionPDE


class FitzHughNagumo(EvolutionPDE):
    """Defaults are PDEBench's diffusion-reaction (Takamoto et al., NeurIPS 2022, appendix D.4): r = s = 1."""

    dims = (1, 2)
    inputs = (
        Field("diffusivity_activator", "m^2/s", default=1e-3, uniform=True, least=0.0),  # Du
        Field("diffusivity_inhibitor", "m^2/s", default=5e-3, uniform=True, least=0.0),  # Dv
        Field("threshold", "1/s", default=5e-3, uniform=True),  # k
        Field("recovery", "1/s", default=1.0, uniform=True),  # r
        Field("decay", "1", default=1.0, uniform=True),  # s
    )
    outputs = (Field("activator"), Field("inhibitor"))

    def linear(self, unknown, given, d):
        u, v = unknown["activator"], unknown["inhibitor"]
        return {"activator": given["diffusivity_activator"] * d.laplacian(u), "inhibitor": given["diffusivity_inhibitor"] * d.laplacian(v)}

    def nonlinear(self, unknown, given, d):
        u, v = unknown["activator"], unknown["inhibitor"]
        return {"activator": u - u**3 - v - given["threshold"], "inhibitor": given["recovery"] * (u - given["decay"] * v)}

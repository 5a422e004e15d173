"""Gray and Scott's reaction u + 2 v -> 3 v, u_t = Du lap u - u v^2 + F (1 - u), v_t = Dv lap v + u v^2 - (F + k) v."""

from opbench.field import Field
from opbench.pde import EvolutionPDE


class GrayScott(EvolutionPDE):
    dims = (1, 2)
    inputs = (
        Field("diffusivity_u", "m^2/s", uniform=True, least=0.0),
        Field("diffusivity_v", "m^2/s", uniform=True, least=0.0),
        Field("feed", "1/s"),
        Field("kill", "1/s"),
    )
    outputs = (Field("concentration_u"), Field("concentration_v"))

    def linear(self, unknown, given, d):
        u, v = unknown["concentration_u"], unknown["concentration_v"]
        return {"concentration_u": given["diffusivity_u"] * d.laplacian(u), "concentration_v": given["diffusivity_v"] * d.laplacian(v)}

    def nonlinear(self, unknown, given, d):
        u, v = unknown["concentration_u"], unknown["concentration_v"]
        reaction = u * v**2
        return {
            "concentration_u": given["feed"] * (1.0 - u) - reaction,
            "concentration_v": reaction - (given["feed"] + given["kill"]) * v,
        }

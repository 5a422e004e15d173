"""Nonlinear Schroedinger equation, i psi_t + p lap psi + q |psi|^2 psi - V psi = 0, p = 1/2, q = 1, V = 0 unless given."""

from opbench.field import Field
from opbench.pde import EvolutionPDE


class Schroedinger(EvolutionPDE):
    """psi = real + i imaginary; p: dispersion, q: focusing (defocusing where q < 0), V: potential."""

    dims = (1, 2)
    inputs = (
        Field("dispersion", "m^2/s", default=0.5, uniform=True),
        Field("focusing", "m/s", default=1.0, uniform=True),
        Field("potential", "1/s", default=0.0),
    )
    outputs = (Field("real", "1/m^0.5"), Field("imaginary", "1/m^0.5"))
    dissipative = False

    def linear(self, psi, given, d):
        p = given["dispersion"]
        return {"real": -p * d.laplacian(psi["imaginary"]), "imaginary": p * d.laplacian(psi["real"])}

    def nonlinear(self, psi, given, d):
        real, imaginary = psi["real"], psi["imaginary"]
        phase_speed = given["focusing"] * (real**2 + imaginary**2) - given["potential"]
        return {"real": -phase_speed * imaginary, "imaginary": phase_speed * real}

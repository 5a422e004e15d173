"""Compressible Euler equations of an ideal gas, rho_t + div(rho v) = 0, (rho v)_t + div(rho v v) + grad p = 0, E_t + div((E + p) v) = 0."""

from opbench.field import Field
from opbench.pde import ConservationLaw


class Euler(ConservationLaw):
    """With the total energy E = p / (adiabatic_index - 1) + rho |v|^2 / 2, conserved under the name of the pressure."""

    dims = (1, 2)
    inputs = (Field("adiabatic_index", default=1.4, uniform=True, least=1.0),)
    outputs = (
        Field("density", "kg/m^3", positive=True),
        Field("velocity_x", "m/s", along="x"),
        Field("velocity_y", "m/s", along="y"),
        Field("pressure", "Pa", positive=True),
    )

    def conserved(self, state, given):
        density, velocity, pressure = _parts(state)
        energy = pressure / (given["adiabatic_index"] - 1) + density * _half_square(velocity)
        return {"density": density, **{name: density * v for name, v in velocity.items()}, "pressure": energy}

    def state(self, conserved, given):
        density, momentum, energy = _parts(conserved)
        velocity = {name: m / density for name, m in momentum.items()}
        pressure = (given["adiabatic_index"] - 1) * (energy - density * _half_square(velocity))
        return {"density": density, **velocity, "pressure": pressure}

    def flux(self, state, given, axis):
        normal, pressure, conserved = state[f"velocity_{axis}"], state["pressure"], self.conserved(state, given)
        carried = {name: normal * quantity for name, quantity in conserved.items()}
        push = {f"velocity_{axis}": pressure, "pressure": pressure * normal}
        return {name: flux + push[name] if name in push else flux for name, flux in carried.items()}

    def speed(self, state, given, axis):
        return abs(state[f"velocity_{axis}"]) + _sound(state, given)

    def waves(self, state, given, axis):
        _, velocity, _ = _parts(state)
        normal, across = f"velocity_{axis}", [name for name in velocity if name != f"velocity_{axis}"]
        sound, excess, kinetic = _sound(state, given), given["adiabatic_index"] - 1, _half_square(velocity)
        slowness, softness = 1 / sound, excess / sound**2

        def split(change):
            density, momentum, energy = _parts(change)
            work = sum(velocity[name] * m for name, m in momentum.items())
            squeeze = softness * (energy - work + kinetic * density)  # change of pressure over sound^2
            push = {name: slowness * (m - velocity[name] * density) for name, m in momentum.items()}  # density times change of Mach number
            return [squeeze - push[normal], squeeze + push[normal], density - squeeze, *(push[name] for name in across)]

        def join(waves):
            squeeze, push = (waves[0] + waves[1]) / 2, {normal: (waves[1] - waves[0]) / 2, **dict(zip(across, waves[3:], strict=True))}
            density = squeeze + waves[2]
            momentum = {name: v * density + sound * push[name] for name, v in velocity.items()}
            work = sum(velocity[name] * m for name, m in momentum.items())
            return {"density": density, **momentum, "pressure": squeeze / softness + work - kinetic * density}

        return split, join


def _parts(quantities):
    """The scalar of mass, the vector by name, the scalar of energy."""
    vector = {name: value for name, value in quantities.items() if name.startswith("velocity")}
    return quantities["density"], vector, quantities["pressure"]


def _half_square(velocity):
    return sum(v**2 for v in velocity.values()) / 2


def _sound(state, given):
    return (given["adiabatic_index"] * state["pressure"] / state["density"]) ** 0.5

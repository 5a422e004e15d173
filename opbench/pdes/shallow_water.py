"""Shallow water over flat ground, h_t + div(h v) = 0, (h v)_t + div(h v v) + grad(g h^2 / 2) = 0."""

from opbench.field import Field
from opbench.pde import ConservationLaw


class ShallowWater(ConservationLaw):
    """Conserved under the names of the velocity's components: depth times velocity."""

    dims = (1, 2)
    inputs = (Field("gravity", "m/s^2", default=1.0, uniform=True, least=0.0),)
    outputs = (
        Field("depth", "m", positive=True),
        Field("velocity_x", "m/s", along="x"),
        Field("velocity_y", "m/s", along="y"),
    )

    def conserved(self, state, given):
        return {name: value if name == "depth" else state["depth"] * value for name, value in state.items()}

    def state(self, conserved, given):
        return {name: value if name == "depth" else value / conserved["depth"] for name, value in conserved.items()}

    def flux(self, state, given, axis):
        normal = f"velocity_{axis}"
        carried = {name: state[normal] * quantity for name, quantity in self.conserved(state, given).items()}
        return carried | {normal: carried[normal] + given["gravity"] * state["depth"] ** 2 / 2}

    def speed(self, state, given, axis):
        return abs(state[f"velocity_{axis}"]) + (given["gravity"] * state["depth"]) ** 0.5

    def waves(self, state, given, axis):
        velocity = {name: value for name, value in state.items() if name != "depth"}
        normal, across = f"velocity_{axis}", [name for name in velocity if name != f"velocity_{axis}"]
        celerity = (given["gravity"] * state["depth"]) ** 0.5
        slowness = 1 / celerity

        def split(change):
            depth = change["depth"]
            push = {name: slowness * (change[name] - v * depth) for name, v in velocity.items()}  # depth times change of Froude number
            return [depth - push[normal], depth + push[normal], *(push[name] for name in across)]

        def join(waves):
            depth, push = (waves[0] + waves[1]) / 2, {normal: (waves[1] - waves[0]) / 2, **dict(zip(across, waves[2:], strict=True))}
            return {"depth": depth, **{name: v * depth + celerity * push[name] for name, v in velocity.items()}}

        return split, join

"""Wave equation, u_t = v, v_t = div(c^2 grad u): c is the speed itself, constant or a field."""

from opbench.field import Field
from opbench.pde import EvolutionPDE


class Wave(EvolutionPDE):
    """u: displacement, v: velocity, c: speed."""

    dims = (1, 2)
    inputs = (Field("speed", "m/s", cells=2),)
    outputs = (Field("displacement", "m"), Field("velocity", "m/s"))
    dissipative = False

    def linear(self, state, given, d):
        return {"displacement": state["velocity"], "velocity": d.div_grad(given["speed"] ** 2, state["displacement"])}

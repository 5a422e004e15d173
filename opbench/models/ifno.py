"""u = Q2 GELU(Q1 z_L), z_{l+1} = z_l + (1/L) sigma(W z_l + c + K z_l): one Fourier layer, applied L times."""

from dataclasses import dataclass
from itertools import pairwise

from pydantic import PositiveInt
from torch import Tensor, nn

from opbench.errors import ModelError
from opbench.model import OperatorModel, Spec
from opbench.models._spectral import Lifting, Projection, SpectralConv, Transform, resolve_modes


@dataclass(frozen=True)
class IFNOConfig:
    """modes: per axis and sign; None is a quarter of the axis' points, at most 16 in 1-D and 12 beyond.

    width: channels of z; depth: L; shallow_to_deep: smaller depths, increasing, that are trained first for equal shares of the epochs;
    projection: hidden channels of Q; transform: how the spectral layer transforms (the function is the same).
    """

    modes: PositiveInt | None = None
    width: PositiveInt = 32
    depth: PositiveInt = 8
    shallow_to_deep: tuple[PositiveInt, ...] = ()
    projection: PositiveInt = 128
    transform: Transform = "auto"


class IFNO(OperatorModel):
    """Implicit Fourier neural operator; You et al. 2022, CMAME 398:115296, arXiv 2203.08205.

    The last of the L steps has no activation, as in the authors' code. The weights do not depend on L, which allows training
    from shallow to deep: 1/L is a time step, and a deeper network starts from a shallower one's weights.
    Raises ModelError where the modes do not fit the grid, or the depths do not increase.
    """

    Config = IFNOConfig
    learning_rate = 1e-2

    def __init__(self, spec: Spec, config: IFNOConfig):
        super().__init__(spec, config)
        self.depths = (*config.shallow_to_deep, config.depth)
        if self.depths[0] < 1 or any(deep <= shallow for shallow, deep in pairwise(self.depths)):
            raise ModelError(f"ifno: depths {self.depths} must increase from 1 or more to `depth`; change shallow_to_deep or depth")
        self.steps = config.depth
        self.lifting = Lifting(spec.in_channels, spec.grid, config.width)
        modes = resolve_modes("ifno", config.modes, spec.grid.shape)
        self.spectral = SpectralConv(config.width, config.width, modes, config.transform, "ifno")
        self.pointwise = nn.Linear(config.width, config.width)
        self.projection = Projection(config.width, config.projection, spec.out_channels)

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Set the depth of this epoch; the last one always runs the full depth."""
        shares_left = (epochs - 1 - epoch) * len(self.depths) // epochs
        self.steps = self.depths[-1 - shares_left]

    @property
    def final(self) -> bool:
        return self.steps == self.config.depth

    @property
    def layout(self) -> dict[str, str]:
        return {"memory": "channels last", "transform": self.spectral.transform, "parameters": "real"}

    def forward(self, given: Tensor, coords: Tensor) -> Tensor:
        """(b, c_in, *s), (*s, d) -> (b, c_out, *s)."""
        z = self.lifting(given, coords)
        for step in range(1, self.steps + 1):
            change = self.pointwise(z) + self.spectral(z)
            z = z + (nn.functional.gelu(change) if step < self.steps else change) / self.steps
        return self.projection(z)

"""u = Q z_L, z_{l+1} = sigma(W_l z_l + c_l + K_l z_l), z_0 = P (a, x): the FNO paper's network on a real, channels-last spectral layer."""

from dataclasses import dataclass

from pydantic import PositiveInt
from torch import Tensor, nn

from opbench.model import OperatorModel, Spec
from opbench.models._spectral import Lifting, Projection, SpectralConv, Transform, resolve_modes


@dataclass(frozen=True)
class FastFNOConfig:
    """modes: per axis and sign; None is a quarter of the axis' points, at most 16 in 1-D and 12 beyond.

    width: channels of z; projection: hidden channels of Q; transform: how the spectral layer transforms (the function is the same).
    """

    modes: PositiveInt | None = None
    width: PositiveInt = 32
    layers: PositiveInt = 4
    projection: PositiveInt = 128
    transform: Transform = "auto"


class FastFNO(OperatorModel):
    """Fourier neural operator; Li et al. 2021, arXiv 2010.08895, eq. 2 to 5.

    GELU for sigma, none after the last layer, as in the authors' code; grid coordinates are appended to the input.
    Raises ModelError where the modes do not fit the grid.
    """

    Config = FastFNOConfig
    learning_rate = 5e-3

    def __init__(self, spec: Spec, config: FastFNOConfig):
        super().__init__(spec, config)
        modes, width = resolve_modes("fast_fno", config.modes, spec.grid.shape), config.width
        self.lifting = Lifting(spec.in_channels, spec.grid, width)
        self.spectral = nn.ModuleList(SpectralConv(width, width, modes, config.transform, "fast_fno") for _ in range(config.layers))
        self.pointwise = nn.ModuleList(nn.Linear(width, width) for _ in range(config.layers))
        self.projection = Projection(width, config.projection, spec.out_channels)

    @property
    def layout(self) -> dict[str, str]:
        return {"memory": "channels last", "transform": str(self.spectral[0].transform), "parameters": "real"}

    def forward(self, given: Tensor, coords: Tensor) -> Tensor:
        """(b, c_in, *s), (*s, d) -> (b, c_out, *s)."""
        z = self.lifting(given, coords)
        for layer, (K, W) in enumerate(zip(self.spectral, self.pointwise, strict=True), start=1):
            z = W(z) + K(z)
            if layer < len(self.spectral):
                z = nn.functional.gelu(z)
        return self.projection(z)

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from opbench.errors import ConfigError, ModelError, UnknownName
from opbench.evaluation.build import Plain, build_model
from opbench.grid import Grid
from opbench.model import Channel, OperatorModel, Spec

MINE = Path(__file__).parent / "data" / "mine.py"
GRID = Grid(("x",), (64,), (0.0,), (1.0,), (True,))
SPEC = Spec((Channel("a"), Channel("b")), (Channel("u"),), GRID)
COORDS = torch.linspace(0, 1, 65)[:-1, None]


class Net(nn.Module):
    def __init__(self, in_channels, out_channels, width=8):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(in_channels, width, 1), nn.Conv1d(width, out_channels, 1))

    def forward(self, given):
        return self.layers(given)


def test_a_file_of_fifteen_lines_works():
    assert len([line for line in MINE.read_text().splitlines() if line.strip()]) <= 15
    model = build_model(f"{MINE}:Net", SPEC, {"width": 24})
    assert model(torch.randn(3, 2, 64), COORDS).shape == (3, 1, 64)
    assert model.net.first.out_channels == 24
    assert model.config == {"width": 24}


def test_a_model_of_ours_takes_settings_and_keeps_the_other_defaults():
    model = build_model("deeponet", SPEC, {"width": 16})
    assert model.config == type(model).Config(width=16)


@pytest.mark.parametrize(
    ("model", "settings", "error", "message"),
    [
        ("deponet", {}, UnknownName, "unknown model 'deponet'; did you mean 'deeponet'?"),
        ("deeponet", {"widht": 16}, UnknownName, "unknown setting of deeponet 'widht'; did you mean 'width'?"),
        ("deeponet", {"width": "wide"}, ConfigError, "deeponet: width"),
        (Net, {"widht": 16}, UnknownName, "unknown setting of Net 'widht'; did you mean 'width'?"),
        (f"{MINE}:Nets", {}, UnknownName, "did you mean 'Net'?"),
        (dict, {}, ModelError, "dict: expected a torch.nn.Module class"),
    ],
)
def test_names_and_settings_that_do_not_fit_are_told(model, settings, error, message):
    with pytest.raises(error) as caught:
        build_model(model, SPEC, settings)
    assert message in str(caught.value)


def test_a_constructor_is_given_what_its_parameters_name():
    class Named(Net):
        def __init__(self, c_in, c_out, ndim, grid_shape, spec, resolution, dim=256):
            super().__init__(c_in, c_out)
            self.seen = (ndim, grid_shape, spec, resolution, dim)

    assert build_model(Named, SPEC, {}).net.seen == (1, (64,), SPEC, (64,), 256)


def test_a_constructor_with_open_keywords_takes_any_setting():
    class Open(Net):
        def __init__(self, in_channels, out_channels, **rest):
            super().__init__(in_channels, out_channels)
            self.rest = rest

    assert build_model(Open, SPEC, {"anything": 1}).net.rest == {"anything": 1}


def test_a_required_parameter_that_nothing_fills_is_named():
    class Wants(Net):
        def __init__(self, in_channels, out_channels, modes):
            super().__init__(in_channels, out_channels)

    with pytest.raises(ModelError, match=r"Wants: nothing fills the constructor's modes; opbench offers spec, grid_shape, in_channels"):
        build_model(Wants, SPEC, {})
    assert isinstance(build_model(Wants, SPEC, {"modes": 4}), Plain)


def test_coords_are_passed_to_a_forward_that_asks_for_them():
    class Named(Net):
        def forward(self, given, coords=None):
            return self.layers(given) + coords.T

    class Required(Net):
        def forward(self, given, x):
            return self.layers(given) + x.T

    class Masked(Net):
        def forward(self, given, mask=None):
            assert mask is None
            return self.layers(given)

    assert [build_model(cls, SPEC, {}).wants_coords for cls in (Named, Required, Masked, Net)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("reshape", "got"),
    [
        (lambda u: u[:, 0], "(b, 64)"),
        (lambda u: u.movedim(1, -1), "(b, 64, 1)"),
        (lambda u: u[:1], "(1, 1, 64)"),
        (lambda u: (u, None), "tuple"),
    ],
)
def test_a_wrong_output_is_told_with_both_shapes(reshape, got):
    class Wrong(Net):
        def forward(self, given):
            return reshape(self.layers(given))

    with pytest.raises(ModelError) as caught:
        build_model(Wrong, SPEC, {})
    assert f"Wrong: expected output (b, 1, 64), got {got}; return" in str(caught.value)


def test_errors_in_a_users_code_are_one_line_with_their_place():
    class Builds(Net):
        def __init__(self):
            raise RuntimeError("no\n   luck")

    class Runs(Net):
        def forward(self, given):
            return given @ torch.zeros(3, 3)

    with pytest.raises(ModelError, match=rf"^Builds: RuntimeError: no luck \({__file__}:\d+\)$"):
        build_model(Builds, SPEC, {})
    with pytest.raises(ModelError, match=rf"^Runs: RuntimeError: .*shape.* \({__file__}:\d+\)$") as caught:
        build_model(Runs, SPEC, {})
    line = int(str(caught.value).rpartition(":")[2].rstrip(")"))
    assert "given @ torch.zeros" in Path(__file__).read_text().splitlines()[line - 1]


def test_what_cannot_be_differentiated_is_told_before_it_is_trained():
    class InPlace(Net):
        def forward(self, given):
            hidden = torch.sigmoid(self.layers(given))
            hidden += 1
            return hidden

    with pytest.raises(ModelError, match=r"^InPlace: RuntimeError: .*inplace operation"):
        build_model(InPlace, SPEC, {})
    assert all(p.grad is None for p in build_model(Net, SPEC, {}).parameters())


def test_errors_in_a_users_file_name_that_file(tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text(MINE.read_text().replace("width, out_channels, 1", "width, out_channels, 0.5j"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"Net: TypeError: .*broken\.py:11\)$"):
        build_model("broken.py:Net", SPEC, {})


def test_the_trial_leaves_random_numbers_running_statistics_and_mode_alone():
    class Noisy(Net):
        def __init__(self, in_channels, out_channels):
            super().__init__(in_channels, out_channels)
            self.norm = nn.BatchNorm1d(in_channels)

        def forward(self, given):
            return self.layers(self.norm(given) + torch.rand(()))

    torch.manual_seed(0)
    Noisy(2, 1)
    expected = torch.rand(5)
    torch.manual_seed(0)
    model = build_model(Noisy, SPEC, {})
    assert torch.equal(torch.rand(5), expected)
    assert not model.net.norm.running_mean.any()
    assert model.net.training


def test_a_users_operator_model_has_its_settings_checked():
    class Scaled(OperatorModel):
        @dataclass(frozen=True)
        class Config:
            factor: float = 2.0

        def forward(self, given, coords):
            return self.config.factor * given[:, :1]

    model = build_model(Scaled, SPEC, {"factor": 3.0})
    assert torch.equal(model(torch.ones(1, 2, 64), COORDS), torch.full((1, 1, 64), 3.0))
    with pytest.raises(UnknownName, match="did you mean 'factor'"):
        build_model(Scaled, SPEC, {"factro": 3.0})


def test_an_operator_model_without_a_config_is_told_what_to_write():
    class Bare(OperatorModel):
        def forward(self, given, coords):
            return given[:, :1]

    with pytest.raises(ModelError, match="Bare: expected a frozen dataclass named Config"):
        build_model(Bare, SPEC, {})


def test_why_a_plain_module_runs_on_one_grid_only_is_its_own_to_say():
    class Fixed(Net):
        one_resolution = "Fixed: it is trained for 64 points"

    assert build_model(Fixed, SPEC, {}).one_resolution == "Fixed: it is trained for 64 points"
    assert build_model(Net, SPEC, {}).one_resolution == ""

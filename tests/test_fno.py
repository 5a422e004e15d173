"""fno is neuraloperator's FNO, and the guards around it hold: odd sizes, real parameters, a plain state dict, a clean import."""

import copy
import importlib.util
import sys
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from opbench.errors import ModelError
from opbench.grid import Grid
from opbench.model import Channel, Normalized, Spec
from opbench.models.fno import FNO, FNOConfig, _library_fno, resample

pytestmark = pytest.mark.skipif(importlib.util.find_spec("neuralop") is None, reason="neuraloperator is not installed")


def make_spec(shape, periodic=True, c_in=1, c_out=1):
    d = len(shape)
    grid = Grid(("x", "y", "z")[:d], shape, (0.0,) * d, (1.0,) * d, (periodic,) * d)
    return Spec(tuple(Channel(f"a{i}") for i in range(c_in)), tuple(Channel(f"u{i}") for i in range(c_out)), grid)


def coordinates(spec):
    return torch.stack([torch.as_tensor(x, dtype=torch.float32) for x in spec.grid.mesh()], -1)


def make_model(spec, seed=0, **settings):
    torch.manual_seed(seed)
    return FNO(spec, FNOConfig(**settings))


@pytest.fixture(scope="module")
def library():
    return _library_fno()


def bare(library, modes, width=32, **settings):
    """The library's own network, with the adapter's initial weights."""
    torch.manual_seed(0)
    return library(n_modes=tuple(2 * m for m in modes), in_channels=1, out_channels=1, hidden_channels=width, **settings)


def smooth(spec):
    """A smooth field, periodic on the unit square, the same function on every grid; (1, 1, *s)."""
    x, y = coordinates(spec).unbind(-1)
    return ((2 * torch.pi * x).sin() * (4 * torch.pi * y).cos() + (6 * torch.pi * (x - y)).cos())[None, None]


def relative(values, reference):
    return ((values - reference).norm() / reference.norm()).item()


@pytest.mark.parametrize("shape", [(32,), (31,), (16, 16), (16, 17), (8, 8, 9)])
def test_the_adapter_is_the_library_where_the_library_is_right(library, shape):
    spec = make_spec(shape)
    model, given = make_model(spec), torch.randn(2, 1, *shape)
    torch.testing.assert_close(model(given, coordinates(spec)), bare(library, model.modes)(given), rtol=0, atol=0)


def test_training_real_parts_is_training_complex_weights(library):
    spec, given = make_spec((16, 16)), torch.randn(4, 1, 16, 16)
    model = make_model(spec)
    reference = bare(library, model.modes)
    for network, call in ((model, lambda: model(given, coordinates(spec))), (reference, lambda: reference(given))):
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
        for _ in range(3):
            optimizer.zero_grad()
            call().square().mean().backward()
            optimizer.step()
    assert relative(model(given, coordinates(spec)), reference(given)) < 1e-4


def at_points(values, n, periodic):
    """Values interpolated to n points of the first axis, without their mean."""
    if periodic:
        values = resample(values, n, 2)
    else:
        values = torch.nn.functional.interpolate(values, (n, values.shape[3]), mode="bilinear", align_corners=True)
    return values - values.mean()


@pytest.mark.parametrize("periodic", [True, False])
def test_odd_sizes_agree_with_their_even_neighbours_where_the_library_does_not(library, periodic):
    """The same smooth field on 32, 33 and 34 points, outputs compared on 33."""
    specs = {n: make_spec((n, 32), periodic) for n in (32, 33, 34)}
    model = make_model(specs[33], modes=8)
    with torch.no_grad():
        outputs = {n: at_points(model(smooth(spec), coordinates(spec)), 33, periodic) for n, spec in specs.items()}
        unguarded = at_points(bare(library, model.modes)(smooth(specs[33])), 33, periodic)
    for n in (32, 34):
        assert relative(outputs[33], outputs[n]) < 0.1
        assert relative(unguarded, outputs[n]) > 0.5


def test_an_odd_periodic_axis_keeps_every_frequency_it_holds():
    values = torch.randn(2, 3, 15, 8, dtype=torch.float64)
    torch.testing.assert_close(resample(resample(values, 16, 2), 15, 2), values, rtol=0, atol=1e-13)


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("shape", [(17, 16), (15, 15), (9, 7, 8)])
def test_odd_sizes_keep_their_shape(shape, periodic):
    spec = make_spec(shape, periodic, c_in=2, c_out=3)
    assert make_model(spec, width=8, layers=2)(torch.randn(2, 2, *shape), coordinates(spec)).shape == (2, 3, *shape)


def test_parameters_are_real_and_the_state_dict_holds_tensors_only():
    model = Normalized(make_model(make_spec((16, 16))))
    state = model.state_dict()
    assert {type(value) for value in state.values()} == {torch.Tensor}
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert any(name.endswith("weight.parts") for name in state)


def test_weights_survive_a_safetensors_round_trip():
    spec = make_spec((16, 16))
    model, other, given = make_model(spec), make_model(spec, seed=1), torch.randn(2, 1, 16, 16)
    expected = model(given, coordinates(spec))
    assert not torch.equal(other(given, coordinates(spec)), expected)
    other.load_state_dict(load(save(model.state_dict())))
    assert torch.equal(other(given, coordinates(spec)), expected)
    assert torch.equal(copy.deepcopy(model)(given, coordinates(spec)), expected)


def test_double_is_refused_because_the_library_would_round_in_silence():
    spec = make_spec((16,))
    with pytest.raises(
        ModelError, match=r"^fno: neuraloperator computes in float32, got torch.float64; use float32 or the model fast_fno$"
    ):
        make_model(spec).double()(torch.randn(2, 1, 16, dtype=torch.float64), coordinates(spec))


def test_a_moved_model_forgets_the_grid_it_has_cached():
    spec = make_spec((16,))
    model = make_model(spec)
    model(torch.randn(2, 1, 16), coordinates(spec))
    assert model.network.positional_embedding._grid is not None
    assert model.to("meta").network.positional_embedding._grid is None


def test_a_grid_cached_in_inference_can_be_trained_on():
    spec = make_spec((16,))
    model, given = make_model(spec), torch.randn(2, 1, 16)
    with torch.inference_mode():
        model(given, coordinates(spec))
    model(given, coordinates(spec)).sum().backward()
    assert model.network.lifting.fcs[0].weight.grad is not None


def test_modes_that_the_grid_cannot_hold_are_refused_instead_of_clipped():
    with pytest.raises(ModelError, match=r"^fno: modes \(9\) exceed half the cells \(8\); lower modes or refine$"):
        make_model(make_spec((16, 16)), modes=9)
    coarse = make_spec((8,))
    with pytest.raises(ModelError, match=r"^fno: modes \(16\) exceed half the cells \(4\)"):
        make_model(make_spec((64,)))(torch.randn(1, 1, 8), coordinates(coarse))


def test_the_code_is_named_by_version_and_hashes():
    provenance = Normalized(make_model(make_spec((16,)))).provenance()
    names = ["neuralop/layers/fno_block.py sha256", "neuralop/layers/spectral_convolution.py sha256", "neuralop/models/fno.py sha256"]
    assert sorted(provenance) == [*names, "neuraloperator"]
    assert all(len(bytes.fromhex(provenance[name])) == 32 for name in names)


def without_modules(monkeypatch, *names):
    """Forget modules until the test ends, those that it imports included."""
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)
        del sys.modules[name]


def test_a_missing_library_is_one_line_that_says_what_to_install(monkeypatch):
    without_modules(monkeypatch, "neuralop.models")
    monkeypatch.setitem(sys.modules, "neuralop", None)
    with pytest.raises(ModelError, match=r"^fno: neuraloperator is missing \(.*\); pip install 'neuraloperator>=2,<3', or use fast_fno$"):
        make_model(make_spec((16,)))


@pytest.mark.parametrize("imported", [False, True])
def test_the_import_blocks_wandb_only_where_it_is_not_in_use_and_leaves_no_trace(monkeypatch, tmp_path: Path, imported):
    (tmp_path / "neuralop").mkdir()
    (tmp_path / "neuralop/__init__.py").touch()
    (tmp_path / "neuralop/models.py").write_text(
        "import sys, warnings\nwarnings.filterwarnings('once')\nclass FNO:\n    wandb = sys.modules.get('wandb', 'not blocked')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    without_modules(monkeypatch, "neuralop", "neuralop.models", "wandb")
    if imported:
        monkeypatch.setitem(sys.modules, "wandb", sys)  # any module will do
    filters = list(warnings.filters)
    assert _library_fno().wandb is (sys if imported else None)
    assert ("wandb" in sys.modules) == imported
    assert warnings.filters == filters

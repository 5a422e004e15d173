"""ifno: one shared layer, a step of 1/L, no activation in the last step, and depth as a matter of training."""

import pytest
import torch
from torch.nn.functional import gelu

from opbench.errors import ModelError
from opbench.grid import Grid
from opbench.model import Channel, Normalized, Spec
from opbench.models.fast_fno import FastFNO, FastFNOConfig
from opbench.models.ifno import IFNO, IFNOConfig

SPEC = Spec((Channel("a"),), (Channel("u"),), Grid(("x", "y"), (16, 15), (0.0, 0.0), (1.0, 1.0), (True, True)))
COORDS = torch.stack([torch.as_tensor(x, dtype=torch.float32) for x in SPEC.grid.mesh()], -1)


def make_model(**settings):
    torch.manual_seed(0)
    return IFNO(SPEC, IFNOConfig(**settings))


def schedule(model, epochs):
    """(steps, final) of every epoch."""
    result = []
    for epoch in range(epochs):
        model.begin_epoch(epoch, epochs)
        result.append((model.steps, model.final))
    return result


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_output_is_the_update_with_one_shared_layer(depth):
    model = make_model(depth=depth, width=6)
    given = torch.randn(3, 1, 16, 15)
    z = model.lifting(given, COORDS)
    for _ in range(depth - 1):
        z = z + gelu(model.pointwise(z) + model.spectral(z)) / depth
    z = z + (model.pointwise(z) + model.spectral(z)) / depth
    expected = model.projection.second(gelu(model.projection.first(z))).permute(0, 3, 1, 2)
    torch.testing.assert_close(model(given, COORDS), expected)


@pytest.mark.parametrize(("depth", "affine"), [(1, True), (2, False)])
def test_the_last_step_has_no_activation(depth, affine):
    """Without Q, one step is affine in the input only if nothing activates it; two steps hold one activation."""
    model = make_model(depth=depth, width=6).double()
    model.projection = torch.nn.Identity()
    a, b = torch.randn(2, 1, 1, 16, 15, dtype=torch.float64)
    coords = COORDS.double()
    defect = model(a + b, coords) - model(a, coords) - model(b, coords) + model(torch.zeros_like(a), coords)
    assert (defect.abs().max().item() < 1e-12) == affine


def test_the_parameter_count_does_not_depend_on_the_depth():
    counts = [sum(p.numel() for p in make_model(depth=depth).parameters()) for depth in (1, 8, 20)]
    spectral, pointwise = 2 * (2 * 4 * 3) * 32 * 32, 32 * 32 + 32
    assert counts == [(1 + 2 + 1) * 32 + spectral + pointwise + (32 + 1) * 128 + (128 + 1)] * 3
    one_layer = FastFNO(SPEC, FastFNOConfig(layers=1))
    assert counts[0] == sum(p.numel() for p in one_layer.parameters())


def test_every_step_uses_and_trains_the_same_weights():
    model = make_model(depth=4)
    model(torch.randn(2, 1, 16, 15), COORDS).square().sum().backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert silent == []


def test_a_deeper_network_of_the_same_weights_is_a_finer_step_of_one_flow():
    given, outputs = torch.randn(2, 1, 16, 15), {}
    for depth in (8, 16, 32):
        with torch.no_grad():
            outputs[depth] = make_model(depth=depth)(given, COORDS)
    ratio = (outputs[32] - outputs[16]).norm() / (outputs[16] - outputs[8]).norm()
    assert 0.4 < ratio.item() < 0.6  # first order in 1/L


def test_shallow_to_deep_gives_every_depth_an_equal_share_and_ends_at_the_full_depth():
    model = make_model(depth=8, shallow_to_deep=(2, 4))
    assert schedule(model, 9) == [(2, False)] * 3 + [(4, False)] * 3 + [(8, True)] * 3
    assert schedule(model, 10) == [(2, False)] * 3 + [(4, False)] * 3 + [(8, True)] * 4
    assert schedule(model, 2) == [(4, False), (8, True)]
    assert schedule(model, 1) == [(8, True)]


def test_without_shallow_to_deep_every_epoch_is_final():
    assert schedule(make_model(depth=6), 5) == [(6, True)] * 5


def test_the_depth_in_use_follows_from_the_epoch_alone_so_that_a_run_can_resume():
    went_through, resumed = (make_model(depth=8, shallow_to_deep=(2, 4)) for _ in range(2))
    schedule(went_through, 10)
    went_through.begin_epoch(4, 10)
    resumed.begin_epoch(4, 10)
    assert went_through.steps == resumed.steps == 4


def test_trained_weights_loaded_into_a_new_model_run_at_the_full_depth():
    trained = make_model(depth=8, shallow_to_deep=(2,))
    schedule(trained, 4)
    torch.manual_seed(1)
    loaded = IFNO(SPEC, trained.config)
    loaded.load_state_dict(trained.state_dict())
    given = torch.randn(2, 1, 16, 15)
    assert loaded.final
    assert torch.equal(loaded(given, COORDS), trained(given, COORDS))
    loaded.begin_epoch(0, 4)
    assert not torch.equal(loaded(given, COORDS), trained(given, COORDS))


def test_the_wrapper_passes_epochs_on_and_tells_whether_the_form_is_final():
    wrapped = Normalized(make_model(depth=8, shallow_to_deep=(2,)))
    wrapped.begin_epoch(0, 2)
    assert (wrapped.model.steps, wrapped.final) == (2, False)
    wrapped.begin_epoch(1, 2)
    assert (wrapped.model.steps, wrapped.final) == (8, True)


@pytest.mark.parametrize("settings", [{"depth": 0}, {"depth": 4, "shallow_to_deep": (4,)}, {"depth": 8, "shallow_to_deep": (4, 2)}])
def test_depths_that_do_not_increase_are_refused(settings):
    with pytest.raises(ModelError, match=r"^ifno: depths .* must increase from 1 or more to `depth`; change shallow_to_deep or depth$"):
        make_model(**settings)


def test_modes_that_the_grid_cannot_hold_are_refused():
    with pytest.raises(ModelError, match=r"^ifno: modes \(8\) exceed half the cells \(7\); lower modes or refine$"):
        make_model(modes=8)

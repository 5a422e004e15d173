import pytest
import torch

from opbench.errors import ModelError
from opbench.grid import Grid
from opbench.model import Channel, Spec
from opbench.models._branch_trunk import trunk_features, trunk_size
from opbench.models._pod import pod
from opbench.models.deeponet import DeepONet

WAVE = Grid(("x",), (32,), (-1.0,), (3.0,), (True,))
PLATE = Grid(("x", "y"), (17, 17), (0.0, 0.0), (2.0, 1.0), (False, False))


def coordinates(grid):
    return torch.stack([torch.as_tensor(x, dtype=torch.float32) for x in grid.mesh()], -1)


def made(grid, channels=1, **settings):
    torch.manual_seed(0)
    outputs = tuple(Channel("u", float(t)) for t in range(channels))
    return DeepONet(Spec((Channel("a"),), outputs, grid), DeepONet.Config(**settings))


def test_it_is_the_sum_of_branch_times_trunk_plus_a_bias():
    model = made(WAVE, channels=2)
    torch.nn.init.normal_(model.trunk.bias)
    given, coords = torch.randn(3, 1, 32), coordinates(WAVE)
    branch = model.head(model.branch(given.flatten(1))[-1]).reshape(3, 2, 128)
    trunk = model.trunk.layers(trunk_features(coords, WAVE))[-1]
    for sample, prediction in zip(branch, model(given, coords), strict=True):
        for c in range(2):
            expected = (sample[c] * trunk).sum(1) + model.trunk.bias[c]
            assert torch.allclose(prediction[c], expected, atol=1e-5)


def test_the_trunks_last_layer_is_activated():
    model = made(WAVE, trunk_activation="relu")
    assert (model.trunk.layers(trunk_features(coordinates(WAVE), WAVE))[-1] >= 0).all()


def test_periodic_features_are_periodic_and_bounded_ones_end_at_one():
    grid = Grid(("x", "y"), (8, 5), (-1.0, 2.0), (3.0, 4.0), (True, False))
    ends = trunk_features(torch.tensor([[-1.0, 2.0], [3.0, 4.0]]), grid)
    assert ends.shape == (2, trunk_size(grid))
    assert torch.allclose(ends[0, :4], ends[1, :4], atol=1e-5)
    assert ends[:, 4].tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("grid", [WAVE, PLATE], ids=["1d", "2d"])
def test_on_a_refined_grid_the_training_points_keep_their_values(grid):
    model = made(grid)
    fine = grid.refine(2)
    given = torch.randn(2, 1, *fine.shape)
    coarse = model(fine.restrict(given, grid), coordinates(grid))
    gap = (fine.restrict(model(given, coordinates(fine)), grid) - coarse).abs().max().item()
    assert gap < 1e-5, gap


def test_fewer_sensors_read_fewer_points():
    model = made(WAVE, sensor_stride=4)
    given = torch.randn(2, 1, 32)
    altered = given.clone()
    altered[..., 1::4] += 1
    assert torch.equal(model(given, coordinates(WAVE)), model(altered, coordinates(WAVE)))
    altered[..., 0] += 1
    assert not torch.equal(model(given, coordinates(WAVE)), model(altered, coordinates(WAVE)))


def test_four_dimensions_cannot_be_convolved_but_flattened():
    grid = Grid(tuple("xyzt"), (4,) * 4, (0.0,) * 4, (1.0,) * 4, (True,) * 4)
    assert made(grid)(torch.zeros(1, 1, *grid.shape), coordinates(grid)).shape == (1, 1, 4, 4, 4, 4)
    with pytest.raises(ModelError, match="works in 1 to 3 dimensions, got 4"):
        made(grid, encoding="convolution")


def waves(count):
    """References of rank 3 per channel, (count, 2, 32), and given fields."""
    generator = torch.Generator().manual_seed(1)
    x = coordinates(WAVE)[:, 0].double()
    shapes = torch.stack([torch.sin(x), torch.cos(2 * x), x**2])
    reference = 1 + torch.randn(count, 2, 3, generator=generator).double() @ shapes
    return torch.randn(count, 1, 32, generator=generator), reference


def test_pod_modes_come_from_the_training_split_and_have_unit_mean_square():
    model = made(WAVE, channels=2, trunk="pod", modes=5)
    given, reference = waves(20)
    model.prepare(given, reference, coordinates(WAVE))
    power = model.trunk.basis.square().mean(-1)
    assert torch.allclose(power, torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0]).expand(2, 5), atol=1e-4), power
    mean, modes = pod(reference[:, 1], 5)
    assert torch.allclose(model.trunk.mean[1], mean.float(), atol=1e-6)
    assert torch.allclose(model.trunk.basis[1], (modes * 32**0.5).float(), atol=1e-5)


def test_a_pod_deeponet_is_the_mean_plus_the_averaged_product():
    model = made(WAVE, channels=2, trunk="pod", modes=5)
    given, reference = waves(20)
    model.prepare(given, reference, coordinates(WAVE))
    branch = model.head(model.branch(given.flatten(1))[-1]).reshape(20, 2, 5)
    expected = reference.mean(0)[1].float() + branch[3, 1] @ model.trunk.basis[1] / 5
    assert torch.allclose(model(given, coordinates(WAVE))[3, 1], expected, atol=1e-5)


def test_a_pod_deeponet_refuses_another_grid_and_says_why():
    model = made(WAVE, trunk="pod")
    fine = WAVE.refine(2)
    with pytest.raises(ModelError, match=r"at the points of the training grid only: expected \(32,\) points, got \(64,\)"):
        model(torch.zeros(1, 1, 64), coordinates(fine))
    assert made(WAVE).one_resolution == ""

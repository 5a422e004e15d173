import pytest
import torch

from opbench.errors import ModelError
from opbench.grid import Grid
from opbench.model import Channel, Normalized, Spec
from opbench.models.linear import Linear, ridge
from opbench.models.mean import Mean
from opbench.models.persistence import Persistence

GRID = Grid(("x",), (24,), (0.0,), (1.0,), (True,))
COORDS = torch.as_tensor(GRID.coordinates()[0], dtype=torch.float32)[:, None]
U, V = (tuple(Channel(name, float(t)) for t in range(3)) for name in "uv")


def fitted(cls, inputs, outputs, given, reference, **settings):
    model = Normalized(cls(Spec(inputs, outputs, GRID), cls.Config(**settings)))
    model.prepare(given, reference, COORDS)
    return model


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_mean_model_answers_the_training_mean_in_physical_units():
    given, reference = random(10, 1, 24), 5 + 3 * random(10, 2, 24, seed=1)
    model = fitted(Mean, U[:1], (U[1], V[1]), given, reference)
    assert torch.allclose(model(random(4, 1, 24, seed=2), COORDS), reference.mean(0).expand(4, 2, 24), atol=1e-5)


def test_persistence_repeats_the_latest_given_channel_of_each_field_exactly():
    given, reference = 7 + 2 * random(10, 4, 24), 100 + random(10, 3, 24, seed=1)
    model = fitted(Persistence, (V[0], U[1], U[0], Channel("u")), (U[2], V[1], V[2]), given, reference)
    assert torch.equal(model(given, COORDS), given[:, [1, 0, 0]])


def test_persistence_refuses_a_field_that_is_not_given():
    with pytest.raises(ModelError, match="persistence: expected 'v' among the given fields, got u"):
        Persistence(Spec(U[:1], V[1:2], GRID), Persistence.Config())


def test_a_linear_operator_is_learnt_to_rounding_where_samples_suffice():
    operator = random(24, 24) / 5
    given = 3 + random(200, 1, 24, seed=1)
    model = fitted(Linear, U[:1], U[1:2], given, given @ operator.T + 1)
    test = 3 + random(50, 1, 24, seed=2)
    reference = test @ operator.T + 1
    error = ((model(test, COORDS) - reference).norm() / reference.norm()).item()
    assert error < 1e-5, error


def test_with_fewer_samples_than_points_and_noise_the_linear_map_beats_the_mean():
    basis = random(4, 24)
    weights = random(15, 4, seed=1)
    given, clean = (weights @ basis)[:, None], (weights.flip(1) @ basis)[:, None]
    model = fitted(Linear, U[:1], U[1:2], given, clean + 0.1 * random(15, 1, 24, seed=2))
    test = random(100, 4, seed=3)
    reference = (test.flip(1) @ basis)[:, None]
    error = ((model((test @ basis)[:, None], COORDS) - reference).norm() / reference.norm()).item()
    assert error < 0.2, error


def test_the_ridge_chosen_is_the_one_that_explicit_leaving_out_chooses():
    inputs = random(12, 5).double()
    outputs = inputs @ random(5, 3, seed=1).double() + random(12, 3, seed=2).double()
    inputs, outputs = inputs - inputs.mean(0), outputs - outputs.mean(0)
    penalty = torch.linalg.svdvals(inputs)[0] ** 2

    def solved(x, y, strength):
        return torch.linalg.solve(x.T @ x + strength * penalty * torch.eye(5, dtype=torch.float64), x.T @ y).T

    def left_out(strength):
        total = 0.0
        for i in range(12):
            rest = [j for j in range(12) if j != i]
            x, y = inputs[rest], outputs[rest]
            predicted = y.mean(0) + solved(x - x.mean(0), y - y.mean(0), strength) @ (inputs[i] - x.mean(0))
            total += float((predicted - outputs[i]).square().sum())
        return total

    best = min((10.0**k for k in range(-12, 3)), key=left_out)
    assert 1e-6 < best < 1e2, best
    assert torch.allclose(ridge(inputs, outputs), solved(inputs, outputs, best), atol=1e-10)


def test_inputs_that_never_vary_give_the_mean():
    reference = random(10, 1, 24)
    model = fitted(Linear, U[:1], U[1:2], torch.ones(10, 1, 24), reference)
    assert torch.allclose(model(torch.ones(2, 1, 24), COORDS), reference.mean(0).expand(2, 1, 24), atol=1e-6)


def test_a_linear_model_saves_only_its_modes_and_map():
    model = fitted(Linear, U[:1], U[1:2], random(10, 1, 24), random(10, 1, 24, seed=1), modes=6)
    assert {key: tuple(value.shape) for key, value in model.model.state_dict().items()} == {
        "given_mean": (24,),
        "given_modes": (6, 24),
        "reference_mean": (24,),
        "reference_modes": (6, 24),
        "map": (6, 6),
    }


@pytest.mark.parametrize("cls", [Mean, Linear])
def test_closed_forms_refuse_another_grid_and_say_why(cls):
    model = cls(Spec(U[:1], U[1:2], GRID), cls.Config())
    with pytest.raises(ModelError, match="known at the points of the training grid only"):
        model(torch.zeros(1, 1, 48), COORDS)

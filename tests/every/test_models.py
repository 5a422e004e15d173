"""What every file of opbench/models keeps to."""

import math
import random

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from opbench import find
from opbench.errors import ModelError
from opbench.evaluation.build import build_model
from opbench.grid import Grid
from opbench.model import Channel, Normalized, OperatorModel, Samples, Spec

MODELS = find.names("models")
SAMPLES = 4
every_model = pytest.mark.parametrize("name", MODELS)
in_1d_and_2d = pytest.mark.parametrize("shape", [(32,), (16, 16)], ids=["1d", "2d"])


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def spec_of(shape):
    """Two fields in, the same two later out, on a periodic box."""
    d = len(shape)
    grid = Grid(("x", "y")[:d], shape, (0.0,) * d, (1.0,) * d, (True,) * d)
    return Spec((Channel("u", 0.0), Channel("v", 0.0)), (Channel("v", 1.0), Channel("u", 1.0)), grid)


def samples_on(grid, count=SAMPLES):
    """Random waves a sin(2 pi x + phase), and their nonlinear images; the same functions on every grid."""
    generator = np.random.default_rng(7)
    phase, amplitude = generator.uniform(0, 2 * np.pi, (count, 2)), generator.uniform(0.5, 2.0, (count, 2))
    angle = 2 * np.pi * sum(grid.mesh())
    over = (slice(None), slice(None), *[None] * grid.dims)
    given = amplitude[over] * np.sin(angle + phase[over])
    reference = np.tanh(given[:, ::-1]) + 0.5 * amplitude[over] + 0.25 * np.sin(angle + 1)
    tensors = (np.ascontiguousarray(a, dtype=np.float32) for a in (given, reference, np.stack(grid.mesh(), -1)))
    return Samples(*map(torch.from_numpy, tensors))


def made(name, shape=(32,), seed=0):
    """The model under this seed, prepared on its samples."""
    torch.manual_seed(seed)
    spec = spec_of(shape)
    samples = samples_on(spec.grid)
    model = Normalized(build_model(name, spec, {}))
    model.prepare(samples.given, samples.reference, samples.coords)
    return model, samples


def train(model, samples, steps):
    """AdamW at the model's own rate, decaying to zero; the last relative error."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=model.model.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        error = relative(model(samples.given, samples.coords), samples.reference)
        error.backward()
        optimizer.step()
        schedule.step()
    return float(error.detach())


def relative(prediction, reference):
    return (prediction - reference).norm() / reference.norm()


def trainable(model):
    return any(p.requires_grad for p in model.parameters())


def answer(model, samples):
    model.eval()
    with torch.no_grad():
        return model(samples.given, samples.coords)


@every_model
@in_1d_and_2d
def test_the_output_has_the_asked_channels_on_the_given_grid(name, shape):
    model, samples = made(name, shape)
    prediction = answer(model, samples)
    assert prediction.shape == samples.reference.shape
    assert prediction.isfinite().all()


@every_model
@in_1d_and_2d
def test_gradient_reaches_every_parameter(name, shape):
    model, samples = made(name, shape)
    if trainable(model):
        train(model, samples, steps=3)  # a factor that starts at zero hides the gradient of the other one at first
    idle = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


@every_model
def test_every_parameter_changes_the_output(name):
    model, samples = made(name)
    if trainable(model):
        train(model, samples, steps=3)
    before, unused = answer(model, samples), []
    for key, parameter in model.named_parameters():
        kept = parameter.detach().clone()
        with torch.no_grad():
            parameter.add_(torch.randn_like(parameter), alpha=0.5)
        if torch.equal(answer(model, samples), before):
            unused.append(key)
        with torch.no_grad():
            parameter.copy_(kept)
    assert unused == []


@every_model
def test_a_model_with_parameters_overfits_four_samples(name):
    model, samples = made(name)
    if trainable(model):
        error = train(model, samples, steps=150)
        assert error < 0.1, f"{name}: relative error {error:.3f} after 150 steps"
    else:
        error = float(relative(answer(model, samples), samples.reference))
        assert math.isfinite(error), f"{name}: relative error {error}"


@every_model
def test_the_same_seed_gives_the_same_answer(name):
    answers = []
    for distraction in (1, 2):
        random.seed(distraction)
        np.random.seed(distraction)  # noqa: NPY002 (a model that draws from here is what this looks for)
        model, samples = made(name)
        if trainable(model):
            train(model, samples, steps=3)
        answers.append(answer(model, samples))
    assert torch.equal(*answers), f"{name}: differs by {(answers[0] - answers[1]).abs().max():.2e}"


@every_model
def test_weights_are_real_tensors_and_round_trip_bit_for_bit(name):
    model, samples = made(name)
    if trainable(model):
        train(model, samples, steps=3)
    state = model.state_dict()
    assert [key for key, value in state.items() if not isinstance(value, torch.Tensor) or value.is_complex()] == []
    torch.manual_seed(1)
    other = Normalized(build_model(name, model.model.spec, {}))
    other.load_state_dict(load(save({key: value.contiguous() for key, value in state.items()})))
    assert torch.equal(answer(other, samples), answer(model, samples))


@every_model
@in_1d_and_2d
def test_it_runs_on_a_refined_grid_or_says_why_not(name, shape):
    model, _ = made(name, shape)
    fine = samples_on(model.model.spec.grid.refine(2))
    if reason := model.model.one_resolution:
        with pytest.raises(ModelError) as caught:
            answer(model, fine)
        assert reason in str(caught.value)
    else:
        prediction = answer(model, fine)
        assert prediction.shape == fine.reference.shape
        assert prediction.isfinite().all()


@every_model
def test_double_precision_agrees_with_single_or_is_refused(name):
    model, samples = made(name)
    single = answer(model, samples)
    try:
        double = answer(model.double(), Samples(samples.given.double(), samples.reference.double(), samples.coords.double()))
    except ModelError as error:
        assert "use float32" in str(error)  # noqa: PT017 (refusing is the other half of the contract)
        return
    assert double.dtype == torch.float64
    assert relative(single.double(), double) < 1e-4


@every_model
@in_1d_and_2d
def test_a_sample_does_not_depend_on_its_batch(name, shape):
    model, samples = made(name, shape)
    together, alone = answer(model, samples), torch.cat([answer(model, samples[i : i + 1]) for i in range(len(samples))])
    assert relative(alone, together) < 1e-5


@every_model
def test_it_is_an_operator_model_with_a_docstring_and_frozen_defaults(name):
    cls = find.find("models", name, OperatorModel)
    assert cls.__doc__
    assert cls.__doc__ != OperatorModel.__doc__
    assert cls.Config.__dataclass_params__.frozen
    cls.Config()

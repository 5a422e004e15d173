"""What every function of opbench/metrics.py must do."""

import re
from math import copysign, sqrt

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from opbench.errors import ModelError, Undefined
from opbench.grid import Grid
from opbench.metrics import metrics, versions

# Errors of the prediction below: 3 samples, 2 channels, 4 points. A new metric brings its own line, worked out by hand.
PREDICTION = torch.tensor([[[2, 0, 2, 0], [0, 0, 0, 0]], [[1, 2, 3, 4], [0, 0, 0, 1]], [[0, 0, 0, 6], [2, 3, 2, 1]]], dtype=torch.float64)
REFERENCE = torch.tensor([[[1, -1, 1, -1], [0, 4, 0, 0]], [[1, 2, 3, 4], [0, 0, 0, 1]], [[0, 0, 0, 3], [1, 2, 3, 2]]], dtype=torch.float64)
CIRCLE = Grid(("x",), (4,), (0.0,), (4.0,), (True,))
LINE = Grid(("x",), (4,), (0.0,), (3.0,), (False,))
GOLDEN = {
    "relative_l2": [1, 0, sqrt(13 / 27)],
    "relative_h1": [sqrt(13 / 17), 0, sqrt(9.75 / 12.25)],
    "rmse": [3 / 2, 0, 5 / 4],
    "nrmse": [1, 0, (1 + 1 / sqrt(4.5)) / 2],
    "vrmse": [(1 + 2 / sqrt(3)) / 2, 0, (1.5 / sqrt(1.6875) + sqrt(2)) / 2],
    "mae": [1, 0, 7 / 8],
    "max_error": [4, 0, 3],
    "crmse": [1, 0, 3 / 8],
    "brmse": [1 / 2, 0, (sqrt(4.5) + 1) / 2],
    "frmse_low": [3 / 2, 0, 5 / 4],
    "energy_spectrum_error": [1 / 2, 0, 3 / 2],
    "correlation_error": [1 / 2, 0, 1 / 2],
    "histogram_w1": [1, 0, 3 / 8],
}
ABSENT = {"frmse_mid": CIRCLE, "frmse_high": CIRCLE, "brmse": CIRCLE}  # metrics that do not exist on a grid; their numbers: test_metrics.py
RELATIVE = {"relative_l2", "relative_h1", "nrmse", "vrmse", "energy_spectrum_error", "correlation_error"}  # others have the field's unit
FROM_ZERO = {"relative_l2", "relative_h1", "nrmse"}  # measured by the reference's distance from zero
BLIND = {"crmse", "energy_spectrum_error", "histogram_w1"}  # to where things stand
POINTS = {"frmse_mid": 13, "frmse_high": 48, "correlation_error": 3}  # at least, along the first axis

every_metric = pytest.mark.parametrize("name", sorted(metrics()))


def grid_of(name):
    return LINE if name == "brmse" else CIRCLE


@st.composite
def cases(draw, name, *, periodic=None):
    """A random pair of fields, and a grid on which the metric exists."""
    first = POINTS.get(name, 2)
    shape = draw(st.tuples(st.integers(first, first + 5), *[st.integers(2, 6)] * draw(st.integers(0, 2))))
    wraps = tuple(draw(st.booleans()) if periodic is None else periodic for _ in shape)
    wraps = (False, *wraps[1:]) if name == "brmse" and periodic is None else wraps
    grid = Grid(("x", "y", "z")[: len(shape)], shape, (0.0,) * len(shape), (1.0, 2.0, 0.5)[: len(shape)], wraps)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    pair = torch.randn(2, draw(st.integers(1, 5)), draw(st.integers(1, 3)), *shape, generator=generator, dtype=torch.float64)
    return pair[0], pair[1], grid


@every_metric
def test_hits_its_golden_values(name):
    if name not in GOLDEN:
        assert name in ABSENT
        return
    found = metrics()[name](PREDICTION, REFERENCE, grid_of(name)).tolist()
    torch.testing.assert_close(found, [float(x) for x in GOLDEN[name]], rtol=1e-14, atol=0)


@pytest.mark.parametrize("name", sorted(ABSENT))
def test_is_refused_on_a_grid_where_it_does_not_exist(name):
    with pytest.raises(Undefined, match=r"^(the|a) grid"):
        metrics()[name](PREDICTION, REFERENCE, ABSENT[name])


@every_metric
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_is_zero_on_itself_and_positive_otherwise(name, data):
    prediction, reference, grid = data.draw(cases(name))
    own, other = metrics()[name](reference, reference.clone(), grid), metrics()[name](prediction, reference, grid)
    assert own.shape == other.shape == (len(reference),)
    assert own.dtype == torch.float64
    assert (own == 0).all(), own
    assert (other > 0).all(), other


@every_metric
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_depends_on_neither_batch_order_nor_batch_size(name, data):
    prediction, reference, grid = data.draw(cases(name))
    whole = metrics()[name](prediction, reference, grid)
    order = data.draw(st.permutations(range(len(whole))))
    alone = torch.cat([metrics()[name](prediction[[i]], reference[[i]], grid) for i in order])
    torch.testing.assert_close(alone, whole[order], rtol=1e-13, atol=1e-15)


@every_metric
@settings(max_examples=25, deadline=None)
@given(data=st.data(), exponent=st.integers(-9, 9), sign=st.sampled_from([-1, 1]))
def test_scales_with_the_field_or_not_at_all(name, data, exponent, sign):
    prediction, reference, grid = data.draw(cases(name))
    scale = sign * 10.0**exponent
    expected = metrics()[name](prediction, reference, grid) * (1 if name in RELATIVE else abs(scale))
    torch.testing.assert_close(metrics()[name](scale * prediction, scale * reference, grid), expected, rtol=1e-11, atol=0)


@every_metric
@settings(max_examples=25, deadline=None)
@given(data=st.data(), shift=st.floats(-8, 8))
def test_does_not_feel_an_offset_of_both_fields_unless_it_is_measured_from_zero(name, data, shift):
    prediction, reference, grid = data.draw(cases(name))
    shift += copysign(4.01, shift) if name in FROM_ZERO else 0.0
    plain, moved = (metrics()[name](prediction + offset, reference + offset, grid) for offset in (0.0, shift))
    if name in FROM_ZERO:
        assert (moved < plain).all(), (plain, moved)
    else:
        torch.testing.assert_close(moved, plain, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", sorted(set(metrics()) - {"brmse"}))  # which exists on no grid without ends
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_does_not_feel_a_shift_around_a_periodic_domain_nor_a_reflection(name, data):
    prediction, reference, grid = data.draw(cases(name, periodic=True))
    axis = data.draw(st.integers(2, prediction.ndim - 1))
    plain = metrics()[name](prediction, reference, grid)
    for moved in (lambda field: field.roll(2, axis), lambda field: field.flip(axis)):
        torch.testing.assert_close(metrics()[name](moved(prediction), moved(reference), grid), plain, rtol=1e-11, atol=0)


@every_metric
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_prediction_that_is_not_finite_has_an_error_that_is_not_finite(name, bad):
    points = POINTS.get(name, 4)
    reference = torch.arange(3.0 * 2 * points).sin().reshape(3, 2, points)
    prediction = reference + 1.0
    prediction[1, 0, points - 1] = bad
    error = metrics()[name](prediction, reference, Grid(("x",), (points,), (0.0,), (1.0,), (False,)))
    assert not torch.isfinite(error[1]), error
    assert torch.isfinite(error[[0, 2]]).all(), error


@every_metric
def test_a_prediction_of_another_shape_is_refused_not_broadcast(name):
    with pytest.raises(ModelError, match=r"expected a prediction of shape \(3, 2, 4\), got \(3, 1, 4\)"):
        metrics()[name](PREDICTION[:, :1], REFERENCE, grid_of(name) if name == "brmse" else LINE)


@every_metric
def test_its_docstring_gives_formula_source_and_version(name):
    text = (metrics()[name].__doc__ or "").strip()
    found = re.search(r"Source: .* Version (\d+)(\.|: [^.]*\.)$", text, re.DOTALL)
    assert found, text
    assert versions()[name] == int(found[1])


def test_those_that_are_blind_to_place_and_no_others_are_zero_for_a_shifted_field():
    found = {name for name in metrics() if ABSENT.get(name) is not CIRCLE and _zero(name, REFERENCE.roll(1, 2))}
    assert found == BLIND


def _zero(name, prediction):
    return bool((metrics()[name](prediction, REFERENCE, CIRCLE) <= 1e-15).all())

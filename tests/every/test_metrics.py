"""What every function of opbench/metrics.py must do."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from opbench.metrics import metrics

# Errors of the prediction below: 3 samples, 2 channels, 4 points. A new metric brings its own line, worked out by hand.
PREDICTION = torch.tensor([[[1, 2, 2, 0], [0, 0, 0, 0]], [[0, 0, 0, 0], [0, 0, 3, 4]], [[1, 1, 1, 1], [1, 1, 1, 1]]], dtype=torch.float64)
REFERENCE = torch.tensor([[[0, 0, 0, 0], [0, 3, 0, 0]], [[0, 0, 0, 0], [0, 0, 0, 4]], [[1, 1, 1, 1], [1, 1, 1, 1]]], dtype=torch.float64)
GOLDEN = {
    "relative_l2": [2**0.5, 3 / 4, 0],
    "rmse": [(18 / 8) ** 0.5, (9 / 8) ** 0.5, 0],
    "max_error": [3, 3, 0],
}
RELATIVE = {"relative_l2"}  # the others have the field's unit

every_metric = pytest.mark.parametrize("name", sorted(metrics()))
fields = st.builds(
    lambda seed, n, c, space: torch.randn(2, n, c, *space, generator=torch.Generator().manual_seed(seed), dtype=torch.float64),
    st.integers(0, 2**32),
    st.integers(1, 5),
    st.integers(1, 3),
    st.lists(st.integers(2, 7), min_size=1, max_size=3),
)


@every_metric
def test_hits_its_golden_values(name):
    torch.testing.assert_close(metrics()[name](PREDICTION, REFERENCE).tolist(), [float(x) for x in GOLDEN[name]], rtol=1e-15, atol=0)


@every_metric
@settings(max_examples=25, deadline=None)
@given(pair=fields)
def test_is_zero_on_itself_and_positive_otherwise(name, pair):
    prediction, reference = pair
    own, other = metrics()[name](reference, reference), metrics()[name](prediction, reference)
    assert own.shape == other.shape == (len(reference),)
    assert (own == 0).all(), own
    assert (other > 0).all(), other


@every_metric
@settings(max_examples=25, deadline=None)
@given(pair=fields, data=st.data())
def test_depends_on_neither_batch_order_nor_batch_size(name, pair, data):
    prediction, reference = pair
    whole = metrics()[name](prediction, reference)
    order = data.draw(st.permutations(range(len(whole))))
    alone = torch.cat([metrics()[name](prediction[[i]], reference[[i]]) for i in order])
    torch.testing.assert_close(alone, whole[order], rtol=1e-14, atol=0)


@every_metric
@settings(max_examples=25, deadline=None)
@given(pair=fields, exponent=st.integers(-9, 9), sign=st.sampled_from([-1, 1]))
def test_scales_with_the_field_or_not_at_all(name, pair, exponent, sign):
    prediction, reference = pair
    scale = sign * 10.0**exponent
    expected = metrics()[name](prediction, reference) * (1 if name in RELATIVE else abs(scale))
    torch.testing.assert_close(metrics()[name](scale * prediction, scale * reference), expected, rtol=1e-12, atol=0)


@every_metric
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_prediction_that_is_not_finite_has_an_error_that_is_not_finite(name, bad):
    prediction = PREDICTION.clone()
    prediction[1, 0, 2] = bad
    error = metrics()[name](prediction, REFERENCE)
    assert not torch.isfinite(error[1]), error
    assert torch.isfinite(error[[0, 2]]).all(), error


@every_metric
def test_its_docstring_gives_source_and_version(name):
    assert re.search(r"Source: .* Version \d+\.$", (metrics()[name].__doc__ or "").strip(), re.DOTALL), metrics()[name].__doc__

"""Statistics over seeds, samples and tasks, against closed forms, scipy's own and published examples."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from opbench.statistics import Interval, Ranking, compare, interval, profiles, ranking, summarize


def errors(seeds, samples, rng, spread=0.1):
    """(seed, sample) errors: positive, skewed, with an effect of the seed and one of the sample."""
    effect = rng.normal(0, spread, (seeds, 1)) + rng.normal(0, 0.5, (1, samples)) + rng.normal(0, 0.1, (seeds, samples))
    return np.exp(effect).tolist()


def test_a_diverged_run_makes_the_mean_infinite_and_is_counted():
    assert summarize([0.1, None, math.nan]).diverged == 2
    assert summarize([0.1, None, 0.2]).mean == math.inf
    assert summarize([0.1, None, 0.2]).deviation is None


def test_a_deviation_is_given_from_three_seeds_on():
    assert summarize([1.0, 2.0]).deviation is None
    three = summarize([1.0, 2.0, 3.0])
    assert (three.mean, three.deviation, three.seeds, three.diverged) == (2.0, 1.0, 3, 0)
    assert summarize([0.1, 0.1, 0.1]).deviation == 0  # their mean is not 0.1


def test_nothing_is_said_below_three_seeds_or_of_a_diverged_run():
    rng = np.random.default_rng(0)
    two, three = errors(2, 20, rng), errors(3, 20, rng)
    broken = [*three[:2], [None, *three[2][1:]]]
    assert interval(two) is interval(broken) is None
    assert compare(two, three) is compare(three, two) is compare(broken, three) is None
    assert interval(three) is not None
    assert compare(three, errors(3, 20, rng)) is not None


def test_without_spread_between_seeds_the_interval_is_scipys_t_over_samples():
    sample = np.exp(np.random.default_rng(1).normal(0, 0.05, 50))
    ours = interval([sample.tolist()] * 3)
    theirs = stats.ttest_1samp(sample, 1.0).confidence_interval(0.95)
    np.testing.assert_allclose([ours.lower, ours.upper], [theirs.low, theirs.high], rtol=2e-4)  # theirs is not of the logarithm


def test_without_spread_between_samples_the_comparison_is_scipys_welch_test_over_seeds():
    rng = np.random.default_rng(2)
    one, other = np.exp(rng.normal(0, 0.001, 4)), np.exp(rng.normal(0.001, 0.002, 3))
    found = compare([[seed] * 9 for seed in one], [[seed] * 9 for seed in other])
    theirs = stats.ttest_ind(one, other, equal_var=False)
    assert found.p_value == pytest.approx(theirs.pvalue, rel=5e-3)
    between = theirs.confidence_interval(0.95)
    assert [found.interval.lower - 1, found.interval.upper - 1] == pytest.approx(
        [between.low, between.high], rel=2e-2
    )  # not of the logarithm


def test_an_interval_covers_the_true_mean_about_as_often_as_it_says():
    true = math.exp((0.1**2 + 0.5**2 + 0.1**2) / 2)
    rng = np.random.default_rng(3)
    found = [interval(errors(10, 60, rng)) for _ in range(150)]
    covered = np.mean([i.lower <= true <= i.upper for i in found])
    assert 0.88 <= covered <= 0.99, covered


@pytest.mark.parametrize("spread", [0.02, 0.1, 0.3])
def test_two_trainings_of_one_model_are_rarely_told_apart_however_much_seeds_scatter(spread):
    """Samples share what is hard about them; each seed has an effect of its own, which a test over samples alone takes for the model's."""
    rng, trials = np.random.default_rng(8), 300

    def trained(hard):
        return np.exp(hard + rng.normal(0, spread, (3, 1)) + rng.normal(0, 0.1, (3, 64))).tolist()

    found = [compare(trained(hard), trained(hard)) for hard in rng.normal(0, 0.5, (trials, 1, 64))]
    false = np.mean([one.p_value < 0.05 for one in found])
    assert false <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / trials), false
    assert all((one.p_value < 0.05) == (not one.interval.lower <= 1 <= one.interval.upper) for one in found)


def test_the_spread_between_seeds_widens_the_interval():
    rng = np.random.default_rng(4)
    narrow, wide = (interval(errors(5, 500, rng, spread)) for spread in (0.0, 0.5))
    assert wide.upper - wide.lower > 3 * (narrow.upper - narrow.lower), (narrow, wide)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), exponent=st.integers(-8, 8))
def test_an_interval_scales_with_the_errors_and_a_comparison_does_not(seed, exponent):
    rng = np.random.default_rng(seed)
    one, other, scale = np.array(errors(3, 12, rng)), np.array(errors(4, 12, rng)), 10.0**exponent
    plain, scaled = interval(one.tolist()), interval((scale * one).tolist())
    np.testing.assert_allclose([scaled.lower, scaled.upper], [scale * plain.lower, scale * plain.upper], rtol=1e-9)
    assert plain.lower <= one.mean() <= plain.upper
    plain, scaled = compare(one.tolist(), other.tolist()), compare((scale * one).tolist(), (scale * other).tolist())
    assert scaled.ratio == pytest.approx(plain.ratio, rel=1e-9)
    assert scaled.interval.upper == pytest.approx(plain.interval.upper, rel=1e-9)


def test_errors_that_are_all_equal_have_an_interval_of_no_width():
    assert interval([[0.0] * 7] * 3) == Interval(0.0, 0.0)
    found = interval([[0.1] * 7] * 3)
    assert (found.lower, found.upper) == pytest.approx((0.1, 0.1), rel=1e-12)


def test_a_difference_that_every_sample_shows_is_found_though_samples_differ_far_more():
    rng = np.random.default_rng(5)
    base = np.exp(rng.normal(0, 1.0, (1, 40)) + rng.normal(0, 0.01, (3, 40)))
    better = compare((0.95 * base).tolist(), base.tolist())
    assert better.ratio == pytest.approx(0.95)
    assert better.p_value < 1e-5
    assert better.interval.upper < 1
    alone = interval(base.tolist())
    assert alone.lower < 0.95 * base.mean() < alone.upper  # unpaired, nobody would see it


def test_errors_of_other_samples_are_not_compared():
    rng = np.random.default_rng(7)
    with pytest.raises(ValueError, match="got 10 and 11"):
        compare(errors(3, 10, rng), errors(3, 11, rng))


def test_the_critical_difference_is_that_of_demsars_table():
    rng = np.random.default_rng(8)
    found = ranking([[{model: float(rng.random()) for model in "abcd"}] for _ in range(14)], "abcd")
    assert found.critical_difference == pytest.approx(2.569 * math.sqrt(4 * 5 / (6 * 14)), rel=1e-3)  # Demsar 2006: q = 2.569, CD = 1.25


@pytest.mark.parametrize("models", [3, 8, 30])
def test_the_quantile_of_the_studentized_range_is_scipys(models):
    names = [str(i) for i in range(models)]
    found = ranking([[{}], [{}]], names).critical_difference
    quantile = stats.studentized_range.ppf(0.95, models, np.inf)
    assert found == pytest.approx(quantile / math.sqrt(2) * math.sqrt(models * (models + 1) / 12), rel=1e-6)


def test_ranks_share_a_tie_and_put_a_run_that_diverged_or_is_missing_last():
    found = ranking([[{"a": 0.1, "b": 0.1, "d": math.inf}], [{"a": 0.2, "b": 0.1, "c": 0.3, "d": 0.4}]], "abcd")
    assert found.ranks == {"a": 1.75, "b": 1.25, "c": 3.25, "d": 3.75}


def test_tasks_on_the_same_data_count_once_together():
    apart = [[{"a": 1.0, "b": 2.0, "c": 3.0}], [{"a": 2.0, "b": 1.0, "c": 3.0}]]
    together = [[*apart[0] * 5], apart[1]]
    assert ranking(together, "abc") == ranking(apart, "abc")


def test_two_trainings_of_one_model_are_seldom_told_apart():
    rng = np.random.default_rng(9)
    wrong = 0
    for _ in range(400):
        found = ranking([[dict(zip("abcd", rng.lognormal(size=4), strict=True))] for _ in range(20)], "abcd")
        wrong += max(found.ranks.values()) - min(found.ranks.values()) > found.critical_difference
    assert wrong <= 0.07 * 400


def test_ranks_do_not_depend_on_the_size_of_a_tasks_errors():
    plain = [{"a": 0.1, "b": 0.2, "c": 0.3}, {"a": 0.2, "b": 0.1, "c": 0.3}, {"a": 3.0, "b": 4.0, "c": 5.0}]
    scaled = [{model: error * scale for model, error in errors.items()} for errors, scale in zip(plain, (1, 1e6, 1e-6), strict=True)]
    assert ranking([plain], "abc") == ranking([scaled], "abc")


def test_no_difference_is_told_of_two_models_or_of_one_dataset():
    assert ranking([[{"a": 1.0, "b": 2.0}], [{"a": 1.0, "b": 2.0}]], "ab") == Ranking({"a": 1.0, "b": 2.0}, None)
    assert ranking([[{"a": 1.0, "b": 2.0, "c": 3.0}]], "abc").critical_difference is None
    assert ranking([], "").ranks == {}


def test_a_profile_counts_the_tasks_on_which_a_model_is_near_the_best():
    found = profiles({"a": {"x": 1.0, "y": 4.0, "z": 0.0}, "b": {"x": 2.0, "y": 1.0, "z": 1.0}, "c": {"x": None, "y": 1.5}})
    assert [found["a"].within(factor) for factor in (1, 3.9, 4)] == [2, 2, 3]
    assert [found["b"].within(factor) for factor in (1, 2, 1e9)] == [1, 2, 2]
    assert found["c"].factors == (1.5, math.inf, math.inf)


def test_a_task_on_which_all_diverged_says_nothing():
    assert profiles({"a": {"x": None, "y": 1.0}, "b": {"x": None, "y": 2.0}})["b"].factors == (2.0,)
    assert profiles({"a": {"x": None}}) == {}


def test_neither_torch_nor_h5py_is_needed():
    code = "import sys, opbench.statistics; assert not {'torch', 'h5py'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

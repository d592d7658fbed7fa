"""A difference of independent figures, a share, and how many images an interval needs."""

import math

import numpy as np
import pytest

from metrics.comparison import difference
from metrics.intervals import Estimate, evaluate
from metrics.sample_size import Sampling
from metrics.shares import share


def test_a_difference_has_the_published_interval() -> None:
    """Newcombe 1998, table II, (a), method 10: 56/70 - 48/80 from Wilson's intervals."""
    one = Estimate(48 / 80, 0.4904, 0.7003)
    two = Estimate(56 / 70, 0.6916, 0.8767)
    found = difference(one, two)
    assert found.value == pytest.approx(0.2)
    assert found.low == pytest.approx(0.0524, abs=5e-4)
    assert found.high == pytest.approx(0.3339, abs=5e-4)


def test_a_figure_without_an_interval_gives_a_difference_without_one() -> None:
    found = difference(Estimate(0.8, math.nan, math.nan), Estimate(0.7, 0.6, 0.8))
    assert found.value == pytest.approx(-0.1)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


Y = np.arange(40) % 2


def test_a_share_of_positives_called_is_the_sensitivity() -> None:
    scores = np.random.default_rng(1).random(40)
    expected = evaluate(Y, scores)["sensitivity"]
    assert share(Y, scores >= 0.5, None, Y == 1) == expected


@pytest.mark.parametrize("hit", [True, False])
def test_a_share_of_all_or_none_has_the_bound_of_its_groups(hit: bool) -> None:
    found = share(Y, np.full(40, hit), np.repeat(np.arange(20), 2))
    bound = 0.025 ** (1 / 20)
    ends = (bound, 1) if hit else (0, 1 - bound)
    assert (found.low, found.high) == pytest.approx(ends)


ANY = Estimate(0.9, 0.8, 0.95)


def test_a_sensitivity_needs_what_buderer_says() -> None:
    need = Sampling(images=200, groups=200, positive=0.25).for_share(ANY, ANY, 0.1)
    assert need.images == math.ceil(1.959964**2 * 0.09 / 0.05**2 / 0.25)
    assert need.groups == need.images


def test_an_auroc_needs_what_riley_and_others_publish() -> None:
    """The example of pmvalsampsize, their program: 0.8, 1.8 % positive, width 0.1."""
    auroc = Estimate(0.8, 0.7, 0.87)
    need = Sampling(images=1000, groups=1000, positive=0.018).for_auroc(auroc, auroc, 0.1)
    assert need.images == 4252


def test_images_of_one_patient_need_more_images_and_fewer_patients() -> None:
    sampling = Sampling(images=400, groups=100, positive=0.5)
    wide, narrow = Estimate(0.9, 0.8, 0.953), Estimate(0.9, 0.86, 0.93)
    need = sampling.for_share(wide, narrow, 0.1)
    alone = sampling.for_share(narrow, narrow, 0.1)
    assert need.design_effect > 1.5
    assert need.images > 1.5 * alone.images
    assert need.groups == math.ceil(need.images / 4)


@pytest.mark.parametrize("method", ["for_share", "for_auroc"])
def test_a_faultless_figure_needs_the_images_of_its_bound(method: str) -> None:
    sampling = Sampling(images=60, groups=20, positive=0.5)
    faultless = Estimate(1.0, 0.9, 1.0)
    need = getattr(sampling, method)(faultless, faultless, 0.1)
    positives = math.log(0.025) / math.log(0.9)
    assert need.design_effect == 3
    assert need.images == math.ceil(positives / 0.5 * 3)


def test_a_narrower_interval_needs_more() -> None:
    sampling = Sampling(images=60, groups=60, positive=0.5)
    needs = [sampling.for_auroc(ANY, ANY, width).images for width in (0.2, 0.1, 0.05)]
    assert needs == sorted(needs)
    assert needs[2] > 3 * needs[1]

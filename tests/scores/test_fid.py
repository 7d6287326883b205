"""FID is exact, also with fewer images than dimensions."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import linalg

from handful.scores import fid
from handful.scores.base import FeatureSets
from handful.scores.jackknife import content_order, interval, split_groups, spread


def gaussian(images: int, mean: np.ndarray, axes: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Rows whose sample mean and covariance (axes diag(deviations^2) axes^T) are exact; images > len(deviations)."""
    random = np.random.default_rng(images)
    table = np.column_stack([np.ones(images), random.normal(size=(images, len(deviations)))])
    directions = np.linalg.qr(table)[0][:, 1:]  # orthonormal, each summing to 0
    return mean + np.sqrt(images - 1) * directions * deviations @ axes[:, : len(deviations)].T


def by_matrix_root(a: np.ndarray, b: np.ndarray) -> float:
    """The usual way: scipy's matrix square root of the product of the covariances."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of singular matrices, and goes on
        root = linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    difference = a.mean(0) - b.mean(0)
    return float(difference @ difference + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root))


@pytest.mark.parametrize(("images", "dimensions"), [(20, 256), (100, 16)])
def test_a_shifted_copy_is_exactly_the_shift_apart(images: int, dimensions: int) -> None:
    a = np.random.default_rng(0).normal(size=(images, dimensions))
    assert fid.frechet_distance(a, a + 0.01) == pytest.approx(0.01**2 * dimensions, rel=1e-9)


@pytest.mark.parametrize(("n", "m", "dimensions", "rank"), [(40, 30, 16, 16), (12, 15, 40, 10)])
def test_gaussians_on_common_axes_have_their_closed_form(n: int, m: int, dimensions: int, rank: int) -> None:
    random = np.random.default_rng(1)
    axes = np.linalg.qr(random.normal(size=(dimensions, dimensions)))[0]
    mean_a, mean_b = random.normal(size=(2, dimensions))
    deviations_a, deviations_b = random.uniform(0.5, 2, size=(2, rank))
    a = gaussian(n, mean_a, axes, deviations_a)
    b = gaussian(m, mean_b, axes, deviations_b)
    expected = np.sum((mean_a - mean_b) ** 2) + np.sum((deviations_a - deviations_b) ** 2)
    assert fid.frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_two_pairs_of_images_have_their_closed_form() -> None:
    u, v = np.random.default_rng(2).normal(size=(2, 7))
    pair_u, pair_v = (np.stack([w, -w]) / np.sqrt(2) for w in (u, v))  # covariances u u^T and v v^T
    assert fid.frechet_distance(pair_u, pair_v) == pytest.approx(u @ u + v @ v - 2 * abs(u @ v), rel=1e-9)


def test_full_rank_agrees_with_the_matrix_square_root() -> None:
    random = np.random.default_rng(3)
    a, b = random.normal(size=(300, 48)), random.normal(size=(400, 48)) @ random.normal(size=(48, 48)) / 5
    assert fid.frechet_distance(a, b) == pytest.approx(by_matrix_root(a, b), rel=1e-6)


def test_many_images_of_few_directions_are_exact() -> None:
    """d = 64 with more rows than dimensions and rank 19: B = c A + s has the closed form below."""
    random = np.random.default_rng(8)
    distinct = random.normal(size=(20, 64))
    a = distinct[np.concatenate([np.arange(20), random.integers(20, size=180)])]
    b = 1.5 * a + 0.3  # the same axes, 1.5 times the deviations
    mean_step = b.mean(0) - a.mean(0)
    truth = mean_step @ mean_step + 0.25 * np.trace(np.cov(a.T))
    assert fid.frechet_distance(a, b) == pytest.approx(truth, rel=1e-12)
    other = distinct[random.integers(20, size=150)]
    rows = [(x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (a, other)]
    step = a.mean(0) - other.mean(0)
    norm = linalg.svdvals(rows[0] @ rows[1].T).sum()
    expected = step @ step + sum(np.sum(x * x) for x in rows) - 2 * norm
    assert fid.frechet_distance(a, other) == pytest.approx(expected, rel=1e-12)


def test_few_images_break_the_matrix_square_root_and_not_ours() -> None:
    a = np.random.default_rng(4).normal(size=(20, 256))
    b, truth = a + 0.01, 0.01**2 * 256
    assert abs(by_matrix_root(a, b) / truth - 1) > 1e-4
    assert abs(fid.frechet_distance(a, b) / truth - 1) < 1e-9


@pytest.mark.parametrize(("n", "m", "dimensions"), [(25, 33, 100), (60, 50, 6)])
def test_the_interval_is_that_of_leaving_out_and_computing_anew(n: int, m: int, dimensions: int) -> None:
    random = np.random.default_rng(5)
    samples, photos = random.normal(size=(m, dimensions)), random.normal(size=(n, dimensions)) * 1.3
    score = fid.score(FeatureSets(samples, photos, photos, photos[:0]))
    a, b = samples[content_order(samples)], photos[content_order(photos)]
    value = fid.frechet_distance(a, b)
    groups_a, groups_b = split_groups(np.arange(m)), split_groups(np.arange(n))
    without_a = [fid.frechet_distance(np.delete(a, group, 0), b) for group in groups_a]
    without_b = [fid.frechet_distance(a, np.delete(b, group, 0)) for group in groups_b]
    sizes_a, sizes_b = ([len(group) for group in groups] for groups in (groups_a, groups_b))
    expected = interval(value, spread(value, without_a, sizes_a), spread(value, without_b, sizes_b))
    assert (score.low, score.high) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("dimensions", [100, 6])
def test_tiles_of_one_photo_are_left_out_together(dimensions: int) -> None:
    random = np.random.default_rng(7)
    samples = random.normal(size=(30, dimensions))
    mixed = random.permutation(28)
    photos = np.repeat(np.arange(7), 4)[mixed]
    tiles = (np.repeat(random.normal(size=(7, dimensions)), 4, 0) + 0.2 * random.normal(size=(28, dimensions)))[mixed]
    score = fid.score(FeatureSets(samples, tiles, tiles, tiles[:0], reference_photos=photos))
    assert score.n_reference == 7 and score.details["reference_images"] == 28
    a = samples[content_order(samples)]
    without_a = [fid.frechet_distance(np.delete(a, group, 0), tiles) for group in split_groups(np.arange(30))]
    without_b = [fid.frechet_distance(a, tiles[photos != photo]) for photo in range(7)]
    sizes_a = [len(group) for group in split_groups(np.arange(30))]
    value = score.value
    expected = interval(value, spread(value, without_a, sizes_a), spread(value, without_b, [4] * 7))
    assert (score.low, score.high) == pytest.approx(expected, rel=1e-9)


def test_few_images_are_noted_with_their_number() -> None:
    features = np.random.default_rng(6).normal(size=(2060, 4))

    def notes(n: int, m: int) -> str:
        return " ".join(fid.score(FeatureSets(features[:m], features[:n], features, features)).notes)

    assert "With 10 photos and 2050 samples" in notes(10, 2050) and "floor" in notes(10, 2050)
    assert notes(2050, 2050) == ""
    assert "No interval" in notes(2, 40)

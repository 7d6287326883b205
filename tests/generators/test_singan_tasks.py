"""The maths of SinGAN's tasks, against answers known beforehand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from handful.core.seeds import torch_stream
from handful.generators.singan import SinganSettings
from handful.generators.singan_parts.photo_scales import Scales
from handful.generators.singan_parts.pyramid import resize
from handful.generators.singan_parts.scale import ScaleGenerator, fresh_network
from handful.generators.singan_parts.tasks import (
    animate,
    coarsen,
    enlarge,
    enlarged_sizes,
    learn_colours,
    main_colours,
    redraw,
    to_colours,
)

SIZES = ((12, 12), (17, 17), (24, 24))


class Pass(nn.Module):
    """Draws exactly what it is given, noise and all."""

    def forward(self, noisy: Tensor, image: Tensor) -> Tensor:
        return noisy


def scales(weights: tuple[float, ...] = (1.0, 0.5, 0.25)) -> Scales:
    photo = torch.rand(1, 1, *SIZES[-1], generator=torch_stream(0, "test/photo")) - 0.5
    home = torch.randn(1, 1, *SIZES[0], generator=torch_stream(0, "test/home"))
    still = torch.zeros(())
    return Scales([Pass()] * 3, (4, 4, 4), SIZES, torch.tensor(weights), (home, still, still), photo)


def test_redrawing_adds_weighted_noise_at_each_scale_from_the_first_on() -> None:
    known, picture = scales(), torch.full((1, 1, *SIZES[1]), 0.25)
    noise = [torch.randn(1, 1, *SIZES[at], generator=torch_stream(7, "singan/noise", at)) for at in (1, 2)]
    expected = resize(picture + 0.5 * noise[0], *SIZES[2]) + 0.25 * noise[1]
    assert torch.allclose(redraw(known, 1, picture, 7), expected)
    assert torch.equal(redraw(scales((1, 0, 0)), 1, picture, 7), resize(picture, *SIZES[2]))


def test_coarsening_keeps_what_the_scale_below_can_hold_and_no_more() -> None:
    stripes = torch.zeros(1, 1, *SIZES[-1])
    stripes[..., ::2] = 1.0
    assert coarsen(scales(), 1, stripes).shape[2:] == SIZES[1]
    assert coarsen(scales(), 1, stripes)[..., 3:-3].std() < 0.02 * stripes.std()
    flat = torch.full((1, 1, *SIZES[-1]), -0.3)
    assert torch.allclose(coarsen(scales(), 2, flat), flat, atol=1e-6)


def test_four_times_is_six_steps_of_about_a_quarter() -> None:
    sizes = enlarged_sizes(100, 200, 4.0)
    assert sizes == [(126, 252), (159, 317), (200, 400), (252, 504), (317, 635), (400, 800)]
    assert enlarged_sizes(10, 10, 1.1) == [(11, 11)]
    flat = torch.full((1, 1, 40, 80), 0.5)
    assert torch.allclose(enlarge(scales((1, 1, 0)), flat[..., :10, :20], 4.0, 0), flat, atol=1e-5)
    assert 0.05 < enlarge(scales((0, 0, 0.1)), flat[..., :10, :20], 4.0, 0).std() < 0.2  # the finest scale's noise


@pytest.mark.parametrize("start", [0, 1])
def test_an_animation_is_the_papers_walk_around_the_photos_own_noise(start: int) -> None:
    """Against the equations written out for one scale; the scales above have no noise."""
    known, alpha, beta = scales(tuple(0.3 if at == start else 0.0 for at in range(3))), 0.1, 0.8
    frames = list(animate(known, start, 4, alpha, beta, seed=3))
    stream = torch_stream(3, "singan/walk", start)
    home = known.fixed_noise[start].expand(1, 1, *SIZES[start])
    below = resize(known.reconstruct(start), *SIZES[start]) if start else torch.zeros(1, 1, *SIZES[0])
    walk = [home, home]
    for frame in frames:
        expected = below + walk[-1]
        for size in SIZES[start + 1 :]:
            expected = resize(expected, *size)
        assert torch.allclose(frame, expected, atol=1e-5)
        drift = beta * (walk[-1] - walk[-2]) + (1 - beta) * 0.3 * torch.randn(1, 1, *SIZES[start], generator=stream)
        walk.append(alpha * home + (1 - alpha) * (walk[-1] + drift))
    assert not torch.equal(frames[0], frames[1])


def test_flat_colours_are_found_and_every_pixel_takes_the_nearest() -> None:
    palette = torch.tensor([[-1.0, -1.0, 0.0], [0.0, 0.5, 0.5], [1.0, 0.0, -0.5]])
    places = torch.randint(3, (1, 8, 9), generator=torch_stream(0, "test/places"))
    image = palette[places].permute(0, 3, 1, 2)
    assert torch.allclose(main_colours(image, 3).sort(0).values, palette.sort(0).values)
    assert len(main_colours(image, 5)) == 3  # there are no more
    noisy = image + 0.1 * torch.randn(image.shape, generator=torch_stream(0, "test/noise"))
    assert torch.equal(to_colours(noisy, palette), image)


def test_training_on_flat_colours_brings_the_drawing_nearer_to_the_photo_and_leaves_the_scale_alone() -> None:
    known = scales()
    networks = [fresh_network(ScaleGenerator, 1, 4, 0, f"test/{at}") for at in range(3)]
    known = Scales(networks, known.widths, known.sizes, known.noise_weights, known.fixed_noise, known.photo)
    before = [weight.clone() for weight in networks[2].parameters()]
    colours = torch.tensor([[-0.4], [0.0], [0.4]])
    shares: list[float] = []
    settings = SinganSettings(min_size=12, width=4, learning_rate=0.01, reconstruction_weight=100)
    learned = learn_colours(known, 2, colours, 15, 0, settings, shares.append)
    flat = to_colours(resize(known.reconstruct(2), *SIZES[2]), colours)
    with torch.no_grad():
        old, new = ((network(flat, flat) - known.photo).square().mean() for network in (networks[2], learned))
    assert new < 0.9 * old
    assert all(torch.equal(weight, was) for weight, was in zip(networks[2].parameters(), before, strict=True))
    assert shares == pytest.approx([(step + 1) / 15 for step in range(15)])

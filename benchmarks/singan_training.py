"""How fast SinGAN learns a 250x187 photo, scale by scale: our step against the authors' procedure, as a ratio.

The peer has the nets and the loop of the authors' code (tamarott/SinGAN), written anew: float32, eager, contiguous,
convolutions with biases, batch norm with running statistics, unfused Adam, one drawing of the scales below before
each step of the critic, a numpy resize of 8-bit images between scales whose weights are computed at every call,
a trainable critic in the generator's steps, the allocator as it comes. It has one change, without which current
autograd refuses it: the second and third step of the generator redraw the fake. It neither plots nor saves. Its lower
scales have random weights, which cost the same.

First both take one iteration at the coarsest scale from the same weights, photo and noise, and must report the same
losses (tests compare a finer one with a plain loop). Then each scale of each is timed in fresh processes of its own,
because the allocator setting holds for a whole process; the processes take turns, so that a busy machine slows both.
The full run is the sum over the scales of 2000 iterations each; it is computed, not run.

Usage: python benchmarks/singan_training.py [--scales 0-3] [--rounds 3] [--iterations 3] [--compiled] [--fast] [--json]
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from hardware import hardware
from torch import Tensor, nn

from handful.core.device import start_runtime
from handful.core.seeds import torch_stream
from handful.generators.base import Clock, ImageSpec
from handful.generators.singan import Singan, SinganSettings
from handful.generators.singan_parts.compiled import compiled_engine
from handful.generators.singan_parts.scale import ImageNorm

SPEC = ImageSpec(width=250, height=187, channels=3)
SIZES = ((25, 34), (33, 43), (42, 56), (54, 72), (69, 92), (88, 118), (114, 152), (146, 195), (187, 250))
FACTOR = (25 / 187) ** (1 / 8)
ITERATIONS_A_SCALE = 2000
WAYS = ("fp32", "bf16")
COMPILED = ("fp32 compiled", "bf16 compiled")
FAST = ("fp32 fast", "bf16 fast")
LOSS_TOLERANCE = 3e-3  # Adam's first steps divide a gradient by its own size, so that rounding of small ones shows

Draw = Callable[..., Tensor]


def peer_width(scale: int) -> int:
    return min(32 * 2 ** math.floor(scale / 4), 128)


class PeerBlock(nn.Sequential):
    def __init__(self, before: int, after: int) -> None:
        super().__init__(nn.Conv2d(before, after, 3, 1, 0), nn.BatchNorm2d(after), nn.LeakyReLU(0.2, inplace=True))


class PeerBody(nn.Module):
    """Head, three blocks and tail, shared by both networks."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.head = PeerBlock(3, width)
        self.body = nn.Sequential(*(PeerBlock(width, width) for _ in range(3)))
        self.tail = nn.Conv2d(width, out, 3, 1, 0)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.data.normal_(0.0, 0.02)
            elif isinstance(layer, nn.BatchNorm2d):
                layer.weight.data.normal_(1.0, 0.02)

    def maps(self, images: Tensor) -> Tensor:
        maps: Tensor = self.tail(self.body(self.head(images)))
        return maps


class PeerCritic(PeerBody):
    def forward(self, images: Tensor) -> Tensor:
        return self.maps(images)


class PeerGenerator(PeerBody):
    def forward(self, noisy: Tensor, image: Tensor) -> Tensor:
        made = torch.tanh(self.maps(noisy))
        cut = (image.shape[2] - made.shape[2]) // 2
        return made + image[:, :, cut : image.shape[2] - cut, cut : image.shape[3] - cut]


def cubic(x: np.ndarray) -> np.ndarray:
    a = np.abs(x)
    near, far = 1.5 * a**3 - 2.5 * a**2 + 1, -0.5 * a**3 + 2.5 * a**2 - 4 * a + 2
    return near * (a <= 1) + far * ((a > 1) & (a <= 2))


def peer_resize_axis(image: np.ndarray, axis: int, scale: float) -> np.ndarray:
    before = image.shape[axis]
    stretch = min(scale, 1.0)
    centres = np.arange(1, math.ceil(before * scale) + 1) / scale + 0.5 * (1 - 1 / scale)
    reach = 4.0 / stretch
    pixels = np.floor(centres - reach / 2)[:, None] + np.arange(math.ceil(reach) + 2) - 1
    weights = stretch * cubic(stretch * (centres[:, None] - pixels - 1))
    weights = weights / weights.sum(1, keepdims=True)
    mirrored = np.concatenate([np.arange(before), np.arange(before)[::-1]])
    pixels = mirrored[np.mod(pixels.astype(np.int32), 2 * before)]
    used = np.nonzero(np.any(weights, axis=0))[0]
    weights, pixels = weights[:, used], pixels[:, used]
    turned = np.swapaxes(image, axis, 0)
    out = np.sum(turned[pixels.T] * weights.T[:, :, None, None], axis=0)
    return np.swapaxes(out, axis, 0)


def peer_resize(image: Tensor, scale: float) -> Tensor:
    """(1, 3, h, w) in [-1, 1], cut to 8 bits, resized in float64, and clipped."""
    levels = (255 * (image[0].permute(1, 2, 0) / 2 + 0.5).clamp(0, 1)).detach().numpy().astype(np.uint8)
    for axis in (0, 1):
        levels = peer_resize_axis(levels, axis, scale)
    back = torch.from_numpy(levels.transpose(2, 0, 1)[None] / 255).float()
    return ((back - 0.5) * 2).clamp(-1, 1)


class Peer:
    """The authors' training of one scale."""

    def __init__(self, scale: int, draw: Draw = torch.randn, draw_mix: Draw = torch.rand) -> None:
        self.scale, self.draw, self.draw_mix = scale, draw, draw_mix
        self.pad = nn.ZeroPad2d(5)
        self.lower = [PeerGenerator(peer_width(below), 3).requires_grad_(False) for below in range(scale)]
        self.generator, self.critic = PeerGenerator(peer_width(scale), 3), PeerCritic(peer_width(scale), 1)
        self.generator_optimiser = torch.optim.Adam(self.generator.parameters(), lr=5e-4, betas=(0.5, 0.999))
        self.critic_optimiser = torch.optim.Adam(self.critic.parameters(), lr=5e-4, betas=(0.5, 0.999))
        self.weight = 1.0 if scale == 0 else 0.02  # its value costs nothing; the authors measure it once a scale
        self.mse = nn.MSELoss()
        self.fixed: Tensor | None = None

    def take_weights(self, model: Singan) -> None:
        """Weights of the coarsest scale; biases that ours lacks become 0, which changes nothing."""
        pairs = ((self.generator, model.generators[0]), (self.critic, model.critics[0]))
        with torch.no_grad():
            for mine, other in pairs:
                kept = [layer for layer in mine.modules() if isinstance(layer, nn.Conv2d | nn.BatchNorm2d)]
                theirs = [layer for layer in other.modules() if isinstance(layer, nn.Conv2d | ImageNorm)]
                for layer, source in zip(kept, theirs, strict=True):
                    layer.weight.copy_(source.weight)
                    layer.bias.zero_()
                    if source.bias is not None:
                        layer.bias.copy_(source.bias)

    def noise(self, scale: int) -> Tensor:
        height, width = SIZES[scale]
        if scale == 0:
            return self.pad(self.draw(1, 1, height, width).expand(1, 3, height, width))
        return self.pad(self.draw(1, 3, height, width))

    def draw_below(self, fixed: bool) -> Tensor:
        image = torch.zeros(1, 3, *SIZES[0])
        for below, network in enumerate(self.lower):
            height, width = SIZES[below]
            image = self.pad(image[:, :, :height, :width])
            noise = torch.zeros_like(image) if fixed and below else self.noise(below)
            image = network(self.weight * noise + image if below else noise + image, image)
            image = peer_resize(image, 1 / FACTOR)
        height, width = SIZES[self.scale]
        return self.pad(image[:, :, :height, :width])

    def penalty(self, real: Tensor, fake: Tensor) -> Tensor:
        alpha = self.draw_mix(1, 1).expand(real.size())
        between = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
        out = self.critic(between)
        slope = torch.autograd.grad(
            out, between, torch.ones(out.size()), create_graph=True, retain_graph=True, only_inputs=True
        )[0]
        return ((slope.norm(2, dim=1) - 1) ** 2).mean() * 0.1

    def iterate(self, real: Tensor) -> dict[str, float]:
        if self.fixed is None:
            self.fixed = self.draw_below(fixed=True)
        z = self.noise(0) if self.scale == 0 else torch.zeros_like(self.pad(real))
        noise_now = self.noise(self.scale)
        for _ in range(3):
            self.critic.zero_grad()
            loss_real = -self.critic(real).mean()
            loss_real.backward(retain_graph=True)
            previous = self.draw_below(fixed=False)
            noise = self.weight * noise_now + previous
            fake = self.generator(noise.detach(), previous)
            loss_fake = self.critic(fake.detach()).mean()
            loss_fake.backward(retain_graph=True)
            penalty = self.penalty(real, fake.detach())
            penalty.backward()
            self.critic_optimiser.step()
        for step in range(3):
            self.generator.zero_grad()
            if step:  # the patch for current autograd
                fake = self.generator(noise.detach(), previous)
            adversarial = -self.critic(fake).mean()
            adversarial.backward(retain_graph=True)
            drawn = self.generator((self.weight * z + self.fixed).detach(), self.fixed)
            error = 10 * self.mse(drawn, real)
            error.backward(retain_graph=True)
            self.generator_optimiser.step()
        return {
            "critic": float(loss_real.detach() + loss_fake.detach()),
            "penalty": float(penalty.detach()) / 0.1,
            "adversarial": float(adversarial.detach()),
            "reconstruction": float(error.detach()) / 10,
        }


def photo() -> Tensor:
    """Smooth, with some texture: (1, 3, 187, 250)."""
    random = torch_stream(0, "benchmark/photo")
    smooth = torch.rand(1, 3, 6, 8, generator=random)
    large = nn.functional.interpolate(smooth, (SPEC.height, SPEC.width), mode="bicubic")
    return (2 * large - 1 + 0.1 * torch.randn(1, 3, SPEC.height, SPEC.width, generator=random)).clamp(-1, 1)


def ours(scale: int, way: str, tuned: bool) -> tuple[Singan, Callable[[], dict[str, float]]]:
    """Our generator, one iteration before `scale`, and an iteration as the training loop calls it."""
    runtime = start_runtime("cpu", precision=way.split()[0], tuned=tuned)
    model, image = Singan(SinganSettings(fast=way in FAST), SPEC, seed=0), photo()
    assert model.sizes == SIZES
    model.to(runtime.device, runtime.memory_format)
    model.prepare(image)

    def iterate(at: int = scale) -> dict[str, float]:
        clock = Clock(2 * at + 1, 0, (2 * at + 1) / (2 * len(SIZES)), torch_stream(0, "benchmark/step"))
        with runtime.autocast():
            losses = model.step(image, clock, lambda images, random: images)
        return {name: float(loss) for name, loss in losses.items()}

    for below in range(scale):
        iterate(below)
    if way in COMPILED:
        model.engine = compiled_engine()  # this scale alone
    return model, iterate


def check_equal_maths() -> float:
    """Largest relative difference of a loss after one iteration at the coarsest scale; ends the benchmark if large."""
    model, iterate = ours(0, "fp32", tuned=False)
    peer = Peer(0)
    peer.take_weights(model)
    purpose = f"singan/{model.fleet.fingerprint(0)}"
    fixed, random = torch_stream(0, f"{purpose}/reconstruction"), torch_stream(0, f"{purpose}/0")
    streams: Iterator[torch.Generator] = iter((fixed, random))
    peer.draw = lambda *shape: torch.randn(*shape, generator=next(streams))
    peer.draw_mix = lambda *shape: torch.rand(*shape, generator=random)
    theirs = peer.iterate(model.look().scales.photo)
    largest = max(abs(value / theirs[name] - 1) for name, value in iterate().items())
    if largest > LOSS_TOLERANCE:
        sys.exit(f"The maths differ: a loss is off by {largest:.1e} of its value; {LOSS_TOLERANCE:.0e} is allowed.")
    return largest


def time_iterations(who: str, scale: int, iterations: int) -> list[float]:
    """Seconds of each iteration in this process; the first warms up, and compiles."""
    if who == "peer":
        torch.manual_seed(0)
        peer, real = Peer(scale), nn.functional.interpolate(photo(), SIZES[scale], mode="bicubic", antialias=True)
        iterate: Callable[[], Any] = lambda: peer.iterate(real)  # noqa: E731
    else:
        _, iterate = ours(scale, who, tuned=True)
    laps = []
    for _ in range(1 + iterations):
        start = time.perf_counter()
        iterate()
        laps.append(time.perf_counter() - start)
    return laps


def time_in_a_process(who: str, scale: int, iterations: int) -> tuple[float, float]:
    """Median seconds of an iteration in a fresh process, and the seconds of the first one."""
    words = [sys.executable, __file__, "--worker", who, str(scale), str(iterations)]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True)
    first, *laps = json.loads(done.stdout)
    return statistics.median(laps), first


def measure(scales: range, rounds: int, iterations: int, ways: tuple[str, ...]) -> list[dict[str, Any]]:
    """One row a scale and way of ours, each round's ratio taken against the same round's peer."""
    rows = []
    for scale in scales:
        seconds: dict[str, list[float]] = {who: [] for who in ("peer", *ways)}
        first: dict[str, list[float]] = {who: [] for who in seconds}
        for _ in range(rounds):
            for who, laps in seconds.items():
                lap, start_s = time_in_a_process(who, scale, iterations)
                laps.append(lap)
                first[who].append(start_s)
        for way in ways:
            ratios = [peer / mine for peer, mine in zip(seconds["peer"], seconds[way], strict=True)]
            rows.append(
                {
                    "scale": scale,
                    "size": f"{SIZES[scale][1]}x{SIZES[scale][0]}",
                    "way": way,
                    "peer_s": round(statistics.median(seconds["peer"]), 4),
                    "ours_s": round(statistics.median(seconds[way]), 4),
                    "first_iteration_s": round(statistics.median(first[way]), 2),
                    "ratio": round(statistics.median(ratios), 2),
                    "ratio_min": round(min(ratios), 2),
                    "ratio_max": round(max(ratios), 2),
                    "n_processes": rounds,
                    "n_iterations_each": iterations,
                }
            )
    return rows


def add_up(rows: list[dict[str, Any]], scales: range, ways: tuple[str, ...]) -> list[dict[str, Any]]:
    """The run of 2000 iterations at each of these scales, from the medians; the first ones of each scale count too."""
    totals = []
    for way in ways:
        mine = [row for row in rows if row["way"] == way]
        peer_s, ours_s = (ITERATIONS_A_SCALE * sum(row[who] for row in mine) for who in ("peer_s", "ours_s"))
        ours_s += sum(row["first_iteration_s"] for row in mine)
        totals.append(
            {
                "scales": f"{scales[0]}-{scales[-1]}",
                "way": way,
                "peer_h": round(peer_s / 3600, 3),
                "ours_h": round(ours_s / 3600, 3),
                "ratio": round(peer_s / ours_s, 2),
            }
        )
    return totals


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scales", default="0-3", help="which scales, first-last (default 0-3; 0-8 takes an hour)")
    parser.add_argument("--rounds", type=int, default=3, help="processes timed for each row (default 3)")
    parser.add_argument("--iterations", type=int, default=3, help="iterations timed in each process (default 3)")
    parser.add_argument("--compiled", action="store_true", help="time compiled=true too (a minute more a process)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--fast", action="store_true", help="time fast=true too: other maths, and no early stop here")
    words = parser.parse_args()
    if words.worker:
        who, scale, iterations = words.worker
        print(json.dumps(time_iterations(who, int(scale), int(iterations))))
        return
    first, _, last = words.scales.partition("-")
    scales = range(int(first), int(last or first) + 1)
    difference = check_equal_maths()
    ways = WAYS + (COMPILED if words.compiled else ()) + (FAST if words.fast else ())
    rows = measure(scales, words.rounds, words.iterations, ways)
    totals, machine = add_up(rows, scales, ways), hardware(torch.get_num_threads())
    if words.json:
        found = {"hardware": machine, "largest_loss_difference": difference, "rows": rows, "totals": totals}
        print(json.dumps(found))
        return
    print("SinGAN 250x187, seconds an iteration. {cpu}, {threads} threads, torch {torch}".format(**machine))
    print(f"Equal maths: over one iteration in fp32 no loss differs by more than {difference:.1e} of its value.")
    for row in rows:
        print(
            "scale {scale} {size:>7} {way}: peer {peer_s:.3f} s, ours {ours_s:.3f} s, {ratio:.2f}x faster "
            "({ratio_min:.2f} to {ratio_max:.2f}; {n_processes} processes of {n_iterations_each})".format(**row)
        )
    for total in totals:
        print(
            "scales {scales} at 2000 iterations, {way}: peer {peer_h:.2f} h, ours {ours_h:.2f} h, "
            "{ratio:.2f}x faster".format(**total)
        )


if __name__ == "__main__":
    main()

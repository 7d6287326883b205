"""How fast DCGAN learns at 64x64: our step against the usual plain loop, in the same run, as a ratio.

The peer is the arithmetic of the pytorch/examples tutorial, written anew: float32, eager, BCE on a sigmoid, three
backward passes, unfused Adam, the allocator as it comes. First both take three steps from the same weights, photos
and noise, and must report the same losses up to rounding. Then each is timed in fresh processes of its own,
because the allocator setting holds for a whole process; the processes take turns, so that a busy machine slows both.

Usage: python benchmarks/dcgan_training.py [--rounds 5] [--threads N] [--json]
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from hardware import hardware
from torch import Tensor, nn

from handful.core.device import start_runtime
from handful.core.seeds import draw_noise, torch_stream
from handful.generators.base import Clock, ImageSpec
from handful.generators.dcgan import Dcgan, DcganSettings

SPEC = ImageSpec(64, 64, 3)
BATCHES = (16, 64)
PRECISIONS = ("fp32", "bf16")
WARM_UP_STEPS = 3
LOSS_TOLERANCE, WEIGHT_TOLERANCE = 1e-5, 1e-2

Step = Callable[[Tensor, int], dict[str, Tensor]]


class Peer:
    """The tutorial's nets and loop."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise((100, 512, 256, 128, 64)):
            stride, padding = (1, 0) if before == 100 else (2, 1)
            layers += [nn.ConvTranspose2d(before, after, 4, stride, padding, bias=False), nn.BatchNorm2d(after)]
            layers.append(nn.ReLU(inplace=True))
        self.generator = nn.Sequential(*layers, nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False), nn.Tanh())
        layers = [nn.Conv2d(3, 64, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
        for before, after in itertools.pairwise((64, 128, 256, 512)):
            layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after)]
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.discriminator = nn.Sequential(*layers, nn.Conv2d(512, 1, 4, 1, 0, bias=False), nn.Sigmoid())
        self.criterion = nn.BCELoss()
        rates: dict[str, Any] = {"lr": 2e-4, "betas": (0.5, 0.999)}
        self.generator_optimiser = torch.optim.Adam(self.generator.parameters(), **rates)
        self.discriminator_optimiser = torch.optim.Adam(self.discriminator.parameters(), **rates)

    @torch.no_grad()
    def beside(self, model: Dcgan) -> list[tuple[Tensor, Tensor]]:
        """Pairs (our weight in the tutorial's shape, the tutorial's): its first layer is a transposed convolution."""
        project, *ours = model.generator.parameters()
        first, *theirs = self.generator.parameters()
        rest = zip([*ours, *model.discriminator.parameters()], [*theirs, *self.discriminator.parameters()], strict=True)
        return [(project.T.reshape(first.shape), first), *rest]

    @torch.no_grad()
    def take_weights(self, model: Dcgan) -> None:
        for mine, theirs in self.beside(model):
            theirs.copy_(mine)

    def step(self, photos: Tensor, number: int) -> dict[str, Tensor]:
        label = torch.ones(len(photos))
        self.discriminator.zero_grad()
        real_loss = self.criterion(self.discriminator(photos).view(-1), label)
        real_loss.backward()
        fake = self.generator(noise(len(photos), number)[:, :, None, None])
        fake_loss = self.criterion(self.discriminator(fake.detach()).view(-1), label.fill_(0))
        fake_loss.backward()
        self.discriminator_optimiser.step()
        self.generator.zero_grad()
        generator_loss = self.criterion(self.discriminator(fake).view(-1), label.fill_(1))
        generator_loss.backward()
        self.generator_optimiser.step()
        return {"discriminator": (real_loss + fake_loss).detach(), "generator": generator_loss.detach()}


def our_step(model: Dcgan, precision: str, tuned: bool) -> Step:
    """Our step as the training loop calls it."""
    runtime = start_runtime("cpu", precision=precision, tuned=tuned)
    model.to(runtime.device, runtime.memory_format)

    def step(photos: Tensor, number: int) -> dict[str, Tensor]:
        with runtime.autocast():
            return model.step(photos, Clock(number, 0, 0.0, stream(number)), lambda images, random: images)

    return step


def stream(number: int) -> torch.Generator:
    return torch_stream(number, "benchmark/step")


def noise(count: int, number: int) -> Tensor:
    return draw_noise((count, 100), "uniform", stream(number))


def photos(count: int) -> Tensor:
    return torch.rand(count, 3, 64, 64, generator=torch_stream(0, "benchmark/photos")) * 2 - 1


def check_equal_maths() -> dict[str, float]:
    """Largest relative difference of a loss, and mean difference of a weight after a step as a share of the learning
    rate, over three steps of both; ends the benchmark where they are not small.

    Before each step the peer takes our weights again (not Adam's moments, they are its own): Adam's first steps have
    the size of the learning rate whatever the gradient, so that rounding of gradients near 0 would grow.
    """
    model, peer = Dcgan(DcganSettings(), SPEC, seed=0), Peer()
    step, batch = our_step(model, "fp32", tuned=False), photos(BATCHES[0])
    loss_difference = weight_difference = 0.0
    for number in range(3):
        peer.take_weights(model)
        mine, theirs = step(batch, number), peer.step(batch, number)
        for name, loss in theirs.items():
            loss_difference = max(loss_difference, abs(float(mine[name]) / float(loss) - 1))
        distances = torch.cat([(ours - its).detach().abs().flatten() for ours, its in peer.beside(model)])
        weight_difference = max(weight_difference, float(distances.mean()) / model.settings.learning_rate)
    if not (loss_difference <= LOSS_TOLERANCE and weight_difference <= WEIGHT_TOLERANCE):
        sys.exit(f"The maths differ: losses by {loss_difference:.1e}, weights by {weight_difference:.1e} of a step.")
    return {"loss_difference": loss_difference, "weight_difference": weight_difference}


def time_steps(who: str, batch: int, steps: int) -> list[float]:
    """Seconds of each step after the warm-up, in this process."""
    step = Peer().step if who == "peer" else our_step(Dcgan(DcganSettings(), SPEC, seed=0), who, tuned=True)
    images, laps = photos(batch), []
    for number in range(WARM_UP_STEPS + steps):
        start = time.perf_counter()
        step(images, number)
        laps.append(time.perf_counter() - start)
    return laps[WARM_UP_STEPS:]


def time_in_a_process(who: str, batch: int, steps: int) -> float:
    """Median seconds of a step in a fresh process."""
    threads = str(torch.get_num_threads())
    words = [sys.executable, __file__, "--threads", threads, "--worker", who, str(batch), str(steps)]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True)
    laps: list[float] = json.loads(done.stdout)
    return statistics.median(laps)


def measure(batch: int, rounds: int) -> list[dict[str, Any]]:
    """One row for each precision of ours, each round's ratio taken against the same round's peer."""
    steps = 12 if batch <= 16 else 6
    seconds: dict[str, list[float]] = {who: [] for who in ("peer", *PRECISIONS)}
    for _ in range(rounds):
        for who, laps in seconds.items():
            laps.append(time_in_a_process(who, batch, steps))
    rows = []
    for precision in PRECISIONS:
        ratios = [peer / mine for peer, mine in zip(seconds["peer"], seconds[precision], strict=True)]
        rows.append(
            {
                "batch": batch,
                "precision": precision,
                "peer_s": round(statistics.median(seconds["peer"]), 4),
                "ours_s": round(statistics.median(seconds[precision]), 4),
                "ratio": round(statistics.median(ratios), 2),
                "ratio_min": round(min(ratios), 2),
                "ratio_max": round(max(ratios), 2),
                "n_processes": rounds,
                "n_steps_each": steps,
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="processes timed for each row (default 5)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's choice)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.threads:
        torch.set_num_threads(words.threads)
    if words.worker:
        who, batch, steps = words.worker
        print(json.dumps(time_steps(who, int(batch), int(steps))))
        return
    equal = check_equal_maths()
    rows = [row for batch in BATCHES for row in measure(batch, words.rounds)]
    if words.json:
        print(json.dumps({"hardware": hardware(torch.get_num_threads()), **equal, "rows": rows}))
        return
    here = hardware(torch.get_num_threads())
    print("DCGAN 64x64, seconds a step. {cpu} ({units}), {threads} threads, torch {torch}".format(**here))
    print(
        "Equal maths in fp32: over 3 steps no loss differs by more than {loss_difference:.0e} of its value, weights by "
        "{weight_difference:.0e} of a step on average.".format(**equal)
    )
    for row in rows:
        print(
            "batch {batch:2} {precision}: peer {peer_s:.3f} s, ours {ours_s:.3f} s, {ratio:.2f}x faster "
            "({ratio_min:.2f} to {ratio_max:.2f}; n = {n_processes} processes of {n_steps_each} steps)".format(**row)
        )


if __name__ == "__main__":
    main()

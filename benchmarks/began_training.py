"""How fast BEGAN learns at 128x128, batch 16: our step against the usual plain loop, in the same run, as a ratio.

The peer has the nets and the loop of carpedm20/BEGAN-pytorch, written anew: float32, eager, contiguous, three passes of
the discriminator an update (photos, detached fakes, fakes), one backward pass of the sum of all losses, unfused Adam,
the allocator as it comes. Its last ELU, which cuts images at -1, is left out, as the paper has none.

First both take the same three updates from the same weights, photos and noise, and must report the same losses. The
loop that is timed cannot pass that test: by summing the losses it adds the generator's gradient to the discriminator's
and so departs from the paper. The check therefore gives the peer the paper's rule (each network gets the gradient of
its own loss). A peer with that rule would be about a tenth faster: the discriminator would need no weight gradients in
the third pass. The losses of the second and third update follow from the gradients of those before.

Then each is timed in fresh processes of its own, because the allocator setting holds for a whole process; the
processes take turns, so that a busy machine slows both.

Usage: python benchmarks/began_training.py [--filters 64] [--rounds 3] [--steps 2] [--json]
"""

from __future__ import annotations

import argparse
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
from handful.generators.began import Began, BeganSettings

SPEC = ImageSpec(128, 128, 3)
BATCH = 16
PRECISIONS = ("fp32", "bf16")
WARM_UP_STEPS = 1
LOSS_TOLERANCE = 1e-4

Step = Callable[[Tensor, int], dict[str, float]]


class PeerDecoder(nn.Module):
    """Five sizes of two convolutions, from 8x8 to 128x128."""

    def __init__(self, n: int, code: int) -> None:
        super().__init__()
        self.n = n
        self.first = nn.Linear(code, 64 * n)
        layers: list[nn.Module] = []
        for level in range(5):
            if level:
                layers.append(nn.UpsamplingNearest2d(scale_factor=2))
            layers += [nn.Conv2d(n, n, 3, 1, 1), nn.ELU(True), nn.Conv2d(n, n, 3, 1, 1), nn.ELU(True)]
        self.rest = nn.Sequential(*layers, nn.Conv2d(n, 3, 3, 1, 1))

    def forward(self, codes: Tensor) -> Tensor:
        images: Tensor = self.rest(self.first(codes).view(-1, self.n, 8, 8))
        return images


class PeerDiscriminator(nn.Module):
    """Five sizes of two convolutions down to 8x8, the code, and the decoder."""

    def __init__(self, n: int, code: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, n, 3, 1, 1), nn.ELU(True)]
        for level in range(5):
            before, after, stride = n * max(1, level), n * (level + 1), 2 if level < 4 else 1
            layers += [nn.Conv2d(before, after, 3, 1, 1), nn.ELU(True)]
            layers += [nn.Conv2d(after, after, 3, stride, 1), nn.ELU(True)]
        self.encoder = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 5 * n, code))
        self.decoder = PeerDecoder(n, code)

    def forward(self, images: Tensor) -> Tensor:
        reconstructions: Tensor = self.decoder(self.encoder(images))
        return reconstructions


class Peer:
    """The usual nets and loop."""

    def __init__(self, settings: BeganSettings, papers_rule: bool = False) -> None:
        """Args:
        papers_rule: keep the generator's gradient out of the discriminator's, which the timed loop does not.
        """
        self.settings, self.papers_rule, self.k = settings, papers_rule, 0.0
        self.generator = PeerDecoder(settings.filters, settings.code)
        self.discriminator = PeerDiscriminator(settings.filters, settings.code)
        self.generator_optimiser = torch.optim.Adam(self.generator.parameters(), lr=settings.learning_rate)
        self.discriminator_optimiser = torch.optim.Adam(self.discriminator.parameters(), lr=settings.learning_rate)
        self.l1 = nn.L1Loss()

    def take_weights(self, model: Began) -> None:
        with torch.no_grad():
            for name in ("generator", "discriminator"):
                theirs, mine = getattr(self, name).parameters(), getattr(model, name).parameters()
                for weight, other in zip(theirs, mine, strict=True):
                    weight.copy_(other)

    def step(self, photos: Tensor, number: int) -> dict[str, float]:
        self.discriminator.zero_grad()
        self.generator.zero_grad()
        fake = self.generator(noise(len(photos), self.settings.code, number))
        loss_real = self.l1(self.discriminator(photos), photos)
        loss_fake = self.l1(self.discriminator(fake.detach()), fake.detach())
        discriminator_loss = loss_real - self.k * loss_fake
        generator_loss = self.l1(fake, self.discriminator(fake))
        if self.papers_rule:
            discriminator_loss.backward(inputs=list(self.discriminator.parameters()))
            generator_loss.backward(inputs=list(self.generator.parameters()))
        else:
            (discriminator_loss + generator_loss).backward()
        self.generator_optimiser.step()
        self.discriminator_optimiser.step()
        loss_real, loss_fake = loss_real.detach(), loss_fake.detach()
        balance = float(self.settings.gamma * loss_real - loss_fake)
        self.k = max(min(1.0, self.k + self.settings.lambda_k * balance), 0.0)
        return {
            "loss_real": float(loss_real),
            "loss_fake": float(loss_fake),
            "k": self.k,
            "convergence": float(loss_real) + abs(balance),
        }


def ours(model: Began, precision: str, tuned: bool) -> Step:
    """Our step as the training loop calls it, losses read each time as there."""
    runtime = start_runtime("cpu", precision=precision, tuned=tuned)
    model.to(runtime.device, runtime.memory_format)

    def step(photos: Tensor, number: int) -> dict[str, float]:
        photos = photos.contiguous(memory_format=runtime.memory_format)
        with runtime.autocast():
            losses = model.step(photos, Clock(number, 0, 0.0, stream(number)), lambda images, random: images)
        return {name: float(loss) for name, loss in losses.items()}

    return step


def stream(number: int) -> torch.Generator:
    return torch_stream(number, "benchmark/step")


def noise(count: int, code: int, number: int) -> Tensor:
    return draw_noise((count, code), "uniform", stream(number))


def photos(count: int) -> Tensor:
    return torch.rand(count, 3, SPEC.height, SPEC.width, generator=torch_stream(0, "benchmark/photos")) * 2 - 1


def check_equal_maths() -> float:
    """Largest relative difference of L(x), L(G(z)), k and M over three updates by the paper's rule, k weighing from
    the first one on; ends the benchmark where it is not small."""
    settings = BeganSettings(filters=16, lambda_k=0.1, learning_rate=1e-3)
    model, peer = Began(settings, SPEC, seed=0), Peer(settings, papers_rule=True)
    peer.take_weights(model)
    peer.k = 0.3
    model.balance.k.fill_(peer.k)
    step, batch, largest = ours(model, "fp32", tuned=False), photos(4), 0.0
    for number in range(3):
        mine, theirs = step(batch, number), peer.step(batch, number)
        largest = max(largest, *(abs(mine[name] / loss - 1) for name, loss in theirs.items()))
    if largest > LOSS_TOLERANCE:
        sys.exit(f"The maths differ: a loss is off by {largest:.1e} of its value; {LOSS_TOLERANCE:.0e} is allowed.")
    return largest


def time_steps(who: str, filters: int, steps: int) -> list[float]:
    """Seconds of each step after the warm-up, in this process."""
    settings = BeganSettings(filters=filters)
    step = Peer(settings).step if who == "peer" else ours(Began(settings, SPEC, seed=0), who, tuned=True)
    images, laps = photos(BATCH), []
    for number in range(WARM_UP_STEPS + steps):
        start = time.perf_counter()
        step(images, number)
        laps.append(time.perf_counter() - start)
    return laps[WARM_UP_STEPS:]


def time_in_a_process(who: str, filters: int, steps: int) -> float:
    """Median seconds of a step in a fresh process."""
    words = [sys.executable, __file__, "--worker", who, str(filters), str(steps)]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True)
    return statistics.median(json.loads(done.stdout))


def measure(filters: int, rounds: int, steps: int) -> list[dict[str, Any]]:
    """One row for each precision of ours, each round's ratio taken against the same round's peer."""
    seconds: dict[str, list[float]] = {who: [] for who in ("peer", *PRECISIONS)}
    for _ in range(rounds):
        for who, laps in seconds.items():
            laps.append(time_in_a_process(who, filters, steps))
    rows = []
    for precision in PRECISIONS:
        ratios = [peer / mine for peer, mine in zip(seconds["peer"], seconds[precision], strict=True)]
        rows.append(
            {
                "batch": BATCH,
                "filters": filters,
                "precision": precision,
                "peer_s": round(statistics.median(seconds["peer"]), 3),
                "ours_s": round(statistics.median(seconds[precision]), 3),
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
    parser.add_argument("--filters", type=int, default=64, help="channels n of the nets (default 64)")
    parser.add_argument("--rounds", type=int, default=3, help="processes timed for each row (default 3)")
    parser.add_argument("--steps", type=int, default=2, help="updates timed in each process (default 2)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.worker:
        who, filters, steps = words.worker
        print(json.dumps(time_steps(who, int(filters), int(steps))))
        return
    difference = check_equal_maths()
    rows = measure(words.filters, words.rounds, words.steps)
    machine = hardware(torch.get_num_threads())
    if words.json:
        print(json.dumps({"hardware": machine, "largest_loss_difference": difference, "rows": rows}))
        return
    print("BEGAN 128x128, seconds an update. {cpu}, {threads} threads, torch {torch}".format(**machine))
    print(f"Equal maths by the paper's rule: over 3 updates in fp32 no loss differs by more than {difference:.1e}.")
    for row in rows:
        print(
            "batch {batch}, n = {filters}, {precision}: peer {peer_s:.2f} s, ours {ours_s:.2f} s, {ratio:.2f}x faster "
            "({ratio_min:.2f} to {ratio_max:.2f}; {n_processes} processes of {n_steps_each} updates)".format(**row)
        )


if __name__ == "__main__":
    main()

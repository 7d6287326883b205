"""How long `handful --help` takes, as a whole process: the goal is under half a second.

Usage: python benchmarks/startup.py [--json]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

ROUNDS = 15
COMMANDS = (["--help"], ["compare", "--help"], ["generators"], ["weights"])


def seconds(words: list[str]) -> list[float]:
    """Wall time of each round, after one warm-up."""
    laps = []
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "handful", *words], stdout=subprocess.DEVNULL, check=True)
        laps.append(time.perf_counter() - start)
    return laps[1:]


def main() -> None:
    rows = []
    for words in COMMANDS:
        laps = seconds(words)
        rows.append(
            {
                "command": " ".join(["handful", *words]),
                "median_s": round(statistics.median(laps), 3),
                "min_s": round(min(laps), 3),
                "max_s": round(max(laps), 3),
                "n": ROUNDS,
            }
        )
    if "--json" in sys.argv:
        print(json.dumps(rows))
        return
    for row in rows:
        print("{command:28} median {median_s:.3f} s ({min_s:.3f} to {max_s:.3f}, n = {n})".format(**row))


if __name__ == "__main__":
    main()

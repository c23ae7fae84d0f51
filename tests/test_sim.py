"""The simulation (tests/sim): the core with fake clock, store and drivers, a seed for each cluster.

A seed that fails is replayed by `tests/sim/run --seeds 1 --from SEED`.
"""
import os

import pytest
from conftest import ROOT, run

RUN = ROOT / "tests/sim/run"
SEEDS = int(os.environ.get("SIM_SEEDS", "300"))
CHUNKS = 10


@pytest.mark.skipif(not RUN.exists(), reason="tests/sim/run is not there")
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_seeds(chunk):
    each = max(1, SEEDS // CHUNKS)
    first = 1 + chunk * each
    ended = run([RUN, "--seeds", each, "--from", first], timeout=1800)
    assert ended.returncode == 0, ended.stdout[-6000:]


@pytest.mark.skipif(not RUN.exists(), reason="tests/sim/run is not there")
def test_a_seed_replays_exactly():
    once, twice = (run([RUN, "--seeds", 1, "--from", 7], timeout=600) for _ in range(2))
    assert once.returncode == 0, once.stdout[-6000:]

    def told(text):  # all but how long the computer took
        return [line for line in text.split("\n") if " s" not in line and "second" not in line]

    assert told(once.stdout) == told(twice.stdout)

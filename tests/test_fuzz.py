"""Each fuzz target twice: over the seeds kept in tests/fuzz/corpus, and for a short run from them."""
import os
import shutil

import pytest
from conftest import ROOT, run

BUILD = ROOT / "build-fuzz"
SECONDS = int(os.environ.get("FUZZ_SECONDS", "20"))
TARGETS = sorted(source.stem for source in (ROOT / "tests/fuzz").glob("fuzz_*.c"))


def fuzz(target, directory, *options):
    program = BUILD / target
    assert program.exists(), f"{program} is not built: `scons fuzz=1` makes it"
    return run(
        [program, f"-artifact_prefix={directory}/", "-timeout=60", "-rss_limit_mb=2048",
         "-print_final_stats=0", *options],
        timeout=SECONDS + 600, env=dict(os.environ, ASAN_OPTIONS="allocator_may_return_null=1"))


def seeds_of(target):
    return ROOT / "tests/fuzz/corpus" / target.removeprefix("fuzz_")


def keep(target, directory):
    """An input that breaks the target must survive the test's scratch folder."""
    kept = BUILD / "found"
    found = [path for path in directory.iterdir() if path.name.startswith(("crash-", "leak-", "timeout-", "oom-"))]
    for path in found:
        kept.mkdir(exist_ok=True)
        shutil.copy(path, kept / f"{target}-{path.name}")
    return [str(kept / f"{target}-{path.name}") for path in found]


@pytest.mark.parametrize("target", TARGETS)
def test_seeds(target, tmp_path):
    seeds = seeds_of(target)
    assert seeds.is_dir() and any(seeds.iterdir()), f"{target} has no seeds in {seeds}"
    ended = fuzz(target, tmp_path, "-runs=0", seeds)
    assert ended.returncode == 0, ended.stdout[-4000:]


@pytest.mark.parametrize("target", TARGETS)
def test_short_run(target, tmp_path):
    grown = tmp_path / "corpus"
    grown.mkdir()
    ended = fuzz(target, tmp_path, f"-max_total_time={SECONDS}", grown, seeds_of(target))
    assert ended.returncode == 0, f"kept: {keep(target, tmp_path)}\n{ended.stdout[-4000:]}"

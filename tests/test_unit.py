"""Each case of the C unit tests (tests/unit, built with the sanitizers) as a case of pytest."""
import re
import subprocess
from functools import lru_cache

import pytest
from conftest import ROOT, run, sanitizer_environment

BUILD = ROOT / "build-san" / "tests"


def names_of(program):
    """The cases of a program as GLib lists them; one nameless case when it is not built."""
    try:
        listed = subprocess.run([program, "-l"], capture_output=True, text=True, timeout=600,
                                env=sanitizer_environment(), cwd=ROOT)
    except OSError:
        return [""]
    return [line for line in listed.stdout.split("\n") if line.startswith("/")] or [""]


def cases():
    for source in sorted((ROOT / "tests/unit").glob("test_*.c")):
        program = BUILD / source.stem
        for name in names_of(program):
            yield pytest.param(program, name, id=source.stem + name)


@lru_cache(maxsize=None)
def results_of(program):
    """Runs a program once: its output, and for each case "ok", "skip" or "not ok"."""
    ended = run([program, "--tap"], timeout=1800, env=sanitizer_environment())
    results = {}
    for verdict, name, skip in re.findall(r"^(ok|not ok) \d+ (/.*?)(\s*# SKIP.*)?$", ended.stdout, re.M):
        results[name] = "skip" if skip else verdict
    return ended, results


@pytest.mark.parametrize("program, name", cases())
def test_unit(program, name):
    assert program.exists(), f"{program} is not built: `scons sanitize=1 tests` makes it"
    ended, results = results_of(program)
    said = ended.stdout[-6000:]
    if results.get(name) == "skip":
        pytest.skip(f"{name} skips itself")
    if name:
        assert results.get(name) == "ok", f"{name}: {results.get(name, 'never reported')}\n{said}"
    # A leak, or a crash at the end, belongs to the program as a whole; its last case tells of it.
    if name == "" or name == list(results)[-1]:
        assert ended.returncode == 0, f"{program.name} ended with {ended.returncode}\n{said}"

"""What all tests share: where things are, how a program is run, and a list of what was skipped.

`./check` builds everything and then runs this whole folder in one pytest, so that the closing line
counts every test: unit tests, simulation, fuzz targets, API, lab and style alike.
"""
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# The order of a run: what is quick and tells most comes first.
ORDER = ["test_style", "test_unit", "test_sim", "api", "test_fuzz", "test_install", "lab"]


def run(command, timeout=600, **options):
    """Runs a program; its output is one text. Never raises for a failure of the program itself."""
    options.setdefault("cwd", ROOT)
    try:
        return subprocess.run(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=timeout, text=True, errors="replace", **options)
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode(errors="replace")
        pytest.fail(f"{' '.join(map(str, command))} took more than {timeout} s; it had said:\n{output[-4000:]}")


def sanitizer_environment():
    return dict(
        os.environ, ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:allocator_may_return_null=1",
        UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1", G_DEBUG="", G_SLICE="always-malloc",
        LSAN_OPTIONS=f"suppressions={ROOT}/tests/lsan.txt:print_suppressions=0")


def pytest_collection_modifyitems(items):
    def place(item):
        parts = Path(str(item.fspath)).relative_to(ROOT / "tests").parts
        name = parts[0].removesuffix(".py")
        return ORDER.index(name) if name in ORDER else len(ORDER)

    items.sort(key=place)


def pytest_terminal_summary(terminalreporter):
    """Skips are named, so that nobody takes a silent hole for a passed test."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section("skipped")
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.line(f"{report.nodeid}: {reason}")

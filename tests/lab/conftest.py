import os
import sys

import pytest

from lab.cloud import Lab, share_guest

LAB = pytest.StashKey()


@pytest.fixture(scope="session")
def lab(request):
    if os.geteuid() != 0:
        pytest.skip("the lab makes network namespaces: only root can")
    lab = Lab(2)
    lab.down()
    lab.up()
    request.session.stash[LAB] = lab
    yield lab
    lab.down()


@pytest.fixture(scope="module", autouse=True)
def clean(request):
    """What a module leaves on the hosts must not meet the next: names of machines begin with one-0 in each."""
    yield
    lab = request.session.stash.get(LAB, None)
    if lab:
        lab.clean()


@pytest.fixture(scope="session")
def guest(lab):
    return share_guest(lab)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Scenarios are told in steps: after one that failed, the rest of its story is not told."""
    report = (yield).get_result()
    if report.when == "call" and report.failed and item.cls is not None and getattr(item.cls, "story", False):
        item.cls.broken = item.name


def pytest_runtest_setup(item):
    if item.cls is not None and getattr(item.cls, "broken", None):
        pytest.fail(f"not tried: {item.cls.broken} failed before", pytrace=False)


def pytest_terminal_summary(terminalreporter):
    """What became of each injected fault, as a table."""
    results = getattr(sys.modules.get("lab.faults.test_faults"), "RESULTS", [])
    if not results:
        return
    columns = list(dict.fromkeys(key for row in results for key in row))
    rows = [columns, *([str(row.get(key, "-")) for key in columns] for row in results)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    terminalreporter.section("injected faults")
    for row in rows:
        terminalreporter.line("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())

import os
import shutil

import pytest

from lab.cloud import Lab, guest_files


@pytest.fixture(scope="session")
def lab():
    if os.geteuid() != 0:
        pytest.skip("the lab makes network namespaces: only root can")
    lab = Lab(2)
    lab.down()
    lab.up()
    yield lab
    lab.down()


@pytest.fixture(scope="session")
def guest(lab):
    """Directory of the guest's files, the same path on every host: on the shared storage."""
    made = guest_files()
    target = lab.shared / "guest"
    target.mkdir(exist_ok=True)
    for name in ("vmlinuz", "initrd.gz", "disk.img"):
        shutil.copy(made / name, target / name)
    return "/var/lib/one/datastores/guest"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Scenarios are told in steps: after one that failed, the rest of its story is not told."""
    report = (yield).get_result()
    if report.when == "call" and report.failed and item.cls is not None and getattr(item.cls, "story", False):
        item.cls.broken = item.name


def pytest_runtest_setup(item):
    if item.cls is not None and getattr(item.cls, "broken", None):
        pytest.fail(f"not tried: {item.cls.broken} failed before", pytrace=False)

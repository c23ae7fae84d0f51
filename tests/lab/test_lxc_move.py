"""Containers by liblxc moved live by CRIU between the lab's hosts: they end running in exactly one place, with their
memory, whatever is broken on the way."""
import re
import subprocess
import threading
import time

import pytest
from lab.cloud import DONE, RUNNING, SUSPENDED, Cloud, Failed, wait_for
from lab.containers import TEMPLATE, end_all, lxc, make_image, need_criu, need_lxc, read, starts


@pytest.fixture(scope="module")
def cloud(lab):
    need_lxc(lab)
    need_criu(lab)
    make_image(lab)
    cloud = Cloud(lab, "lxcmove", "/var/lib/one/datastores", "MONITORING_INTERVAL_HOST = 2\nMONITORING_INTERVAL_VM = 2")
    cloud.start()
    for host in lab.hosts:
        cloud.cli("onehost", "create", host, "-i", "lxc", "-v", "lxc")
    for host in lab.hosts:
        cloud.wait_host(host, "on")
    yield cloud
    end_all(lab)
    cloud.stop()


@pytest.fixture(autouse=True)
def told(cloud):
    """What the machine's log says when a step fails."""
    yield
    print(cloud.logs()[-6000:])


def beats(lab, host):
    """(start, beat) of each line that the container wrote."""
    return [tuple(map(int, line.split()[:2])) for line in read(lab, host, "beats").splitlines() if line.count(" ") == 2]


def goes_on(lab, cloud, host, name="box"):
    """It runs there and nowhere else, in its first start, and no beat was lost or told twice."""
    cloud.wait(name, RUNNING, 90)
    assert cloud.host_of(name) == host
    last = len(wait_for("its beats", 20, lambda: beats(lab, host)))
    wait_for("more beats", 20, lambda: len(beats(lab, host)) > last + 2)
    seen = beats(lab, host)
    assert {start for start, _ in seen} == {1}, "it was started anew"
    assert [beat for _, beat in seen] == list(range(1, len(seen) + 1)), "beats were lost or told twice"
    for other in lab.hosts:
        there = "one-0" in lxc(lab, other, "lxc-ls", "-1", "--running").split()
        assert there == (other == host), f"on {other}: {there}"
        if other != host:
            assert "one-0" not in lxc(lab, other, "lxc-ls", "-1")
            assert "one-0" not in lab.on(other, "cat", "/proc/mounts")
            left = lab.on(other, "sh", "-c", "cat /sys/fs/cgroup/*/lxc.payload.one-0*/cgroup.procs /sys/fs/cgroup/lxc.payload.one-0*/cgroup.procs 2>/dev/null", check=False)
            assert not left.split(), left
    assert not list((lab.shared / "0").glob("*/checkpoint*"))


def last_move(cloud):
    said = cloud.cli("onevm", "migrations", "box", "-x")
    return re.findall(r"<MODE>(\w+)</MODE>", said)[-1], int(re.findall(r"<DOWNTIME_MS>(-?\d+)</DOWNTIME_MS>", said)[-1])


class Broken:
    """A program that a test puts in front of one of the host's, which its driver finds first."""

    def __init__(self, lab, host, name, text):
        self.lab, self.host, self.path = lab, host, f"/usr/local/sbin/{name}"
        lab.on(host, "sh", "-c", f"mount -t tmpfs tmpfs /usr/local/sbin && printf '%s' '{text}' >{self.path} && chmod 755 {self.path}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lab.on(self.host, "umount", "-l", "/usr/local/sbin")


class TestMove:
    story = True  # each step stands on those before

    def test_it_is_said_in_advance(self, lab, cloud):
        cloud.create("box", TEMPLATE, "--hold")
        cloud.cli("onevm", "deploy", "box", "node01")
        cloud.wait("box", RUNNING, 60)
        wait_for("its start", 20, lambda: starts(lab, "node01") == 1)
        said = cloud.cli("onevm", "migrate", "box", "node02", "--check")
        assert "live: its memory goes over the shared storage by CRIU" in said, said
        assert re.search(r"expected interruption about \d+ ms", said), said

    def test_it_moves_and_its_counter_goes_on(self, lab, cloud):
        for host in ("node02", "node01", "node02"):
            cloud.cli("onevm", "migrate", "--live", "--live-only", "box", host)
            wait_for("the move", 60, lambda host=host: cloud.host_of("box") == host)
            goes_on(lab, cloud, host)
            mode, still = last_move(cloud)
            assert mode == "live" and 0 < still < 60000
            print("stood still for", still, "ms")

    def test_suspend_and_resume(self, lab, cloud):
        cloud.cli("onevm", "suspend", "box")
        cloud.wait("box", SUSPENDED, 60)
        assert "one-0" not in lxc(lab, "node02", "lxc-ls", "-1")
        cloud.cli("onevm", "resume", "box")
        goes_on(lab, cloud, "node02")

    def test_moved_by_a_checkpoint(self, lab, cloud):
        """onevm migrate without --live: saved, moved, restored."""
        cloud.cli("onevm", "migrate", "box", "node01")
        wait_for("the move", 60, lambda: cloud.host_of("box") == "node01")
        goes_on(lab, cloud, "node01")

    def test_restore_fails(self, lab, cloud):
        """Nothing is lost: it goes on where it was."""
        real = lab.on("node02", "sh", "-c", "PATH=/usr/local/sbin:$PATH; readlink -f $(command -v criu)").strip()
        text = f'#!/bin/sh\ncase " $* " in *" restore "*) echo broken >&2; exit 1;; esac\nexec {real} "$@"\n'
        with Broken(lab, "node02", "criu", text):
            cloud.cli("onevm", "migrate", "--live", "box", "node02")
            wait_for("the failure", 60, lambda: "goes on running on node01" in cloud.vm_log("box"))
            goes_on(lab, cloud, "node01")

    def test_without_criu_it_is_stopped_or_refused(self, lab, cloud):
        text = "#!/bin/sh\nexit 1\n"
        with Broken(lab, "node02", "criu", text):
            said = cloud.cli("onevm", "migrate", "box", "node02", "--check", check=False)
            assert "stopped: it is ended, and started anew there" in said, said
            said = cloud.cli("onevm", "migrate", "--live", "--live-only", "box", "node02", check=False)
            wait_for("the refusal", 30, lambda: "LIVE_ONLY forbids" in cloud.vm_log("box"))
            goes_on(lab, cloud, "node01")
            cloud.cli("onevm", "migrate", "--live", "box", "node02")
            wait_for("the move", 60, lambda: cloud.host_of("box") == "node02")
            cloud.wait("box", RUNNING, 60)
            wait_for("its second start", 20, lambda: starts(lab, "node02") == 2)
            assert last_move(cloud)[0] == "stopped"

    def test_it_ends(self, lab, cloud):
        cloud.cli("onevm", "terminate", "--hard", "box")
        wait_for("the end", 60, lambda: cloud.vm("0").findtext("STATE") == str(DONE[0]))

"""Containers by liblxc moved live by CRIU between the lab's hosts: they end running in exactly one place, with their
memory, whatever is broken on the way."""
import os
import re
import socket
import time

import pytest
from lab.cloud import DONE, RUNNING, SUSPENDED, Cloud, wait_for
from lab.driver import Driver
from lab.containers import TEMPLATE, end_all, lxc, make_image, need_criu, need_lxc, read, request_of, starts, users_are_its_own


PROVED = TEMPLATE + 'OS = [ INIT = "/sbin/proving" ]\n'


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


def proofs(lab, host):
    """(writes, bad) of each line of the program that proves the memory; a byte that is wrong fails."""
    said = read(lab, host, "pattern")
    assert "BAD" not in said, said[-2000:]
    return [tuple(map(int, found)) for found in re.findall(r"PATTERN memory writes=(\d+) passes=\d+ bad=(\d+)\n", said)]


def memory_is_whole(lab, host):
    """It was never filled anew, never went back in time, and is checked on: all of it in two seconds, a line each second."""
    last = len(proofs(lab, host))
    seen = wait_for("its memory to be checked", 30, lambda: len(now := proofs(lab, host)) > last + 1 and now)
    writes = [count for count, _ in seen]
    assert writes == sorted(set(writes)) and not any(bad for _, bad in seen), seen


def goes_on(lab, cloud, host, name="box"):
    """It runs there and nowhere else, in its first start, its memory is whole, and no beat was lost or told twice."""
    cloud.wait(name, RUNNING, 90)
    assert cloud.host_of(name) == host
    last = len(wait_for("its beats", 20, lambda: beats(lab, host)))
    wait_for("more beats", 20, lambda: len(beats(lab, host)) > last + 2)
    seen = beats(lab, host)
    assert {start for start, _ in seen} == {1}, "it was started anew"
    assert [beat for _, beat in seen] == list(range(1, len(seen) + 1)), "beats were lost or told twice"
    memory_is_whole(lab, host)
    for other in lab.hosts:
        there = "one-0" in lxc(lab, other, "lxc-ls", "-1", "--running").split()
        assert there == (other == host), f"on {other}: {there}"
        if other != host:
            assert "one-0" not in lxc(lab, other, "lxc-ls", "-1")
            assert "one-0" not in lab.on(other, "cat", "/proc/mounts")
            assert not left_groups(lab, other)
    assert not list((lab.shared / "0").glob("*/checkpoint*"))


def places(cloud):
    here = cloud.host_of("box")
    return here, "node02" if here == "node01" else "node01"


def writers(lab, host):
    """lxc-checkpoint that writes memory; the monitor of a container that was restored has that name, too."""
    return lab.on(host, "pgrep", "-f", "^lxc-checkpoint .* -s ").split()


# What CRIU has just written when it is killed. tests/lab/run-all has the first and the last moments, too.
MOMENTS = ["pages-1.img"] + (["cgroup.img", "fs-1.img", "core-1.img", "mm-1.img", "pstree.img", "inventory.img", "stats-dump"] if os.environ.get("FAULTS") == "all" else [])


def left_groups(lab, host):
    """Control groups of the machine; those that stayed would give the next one of that name others beside them."""
    return lab.on(host, "sh", "-c", "ls -d /sys/fs/cgroup/*/lxc.*.one-0* /sys/fs/cgroup/lxc.*.one-0* 2>/dev/null", check=False).split()


def last_move(cloud):
    said = cloud.cli("onevm", "migrations", "box", "-x")
    return re.findall(r"<MODE>(\w+)</MODE>", said)[-1], int(re.findall(r"<DOWNTIME_MS>(-?\d+)</DOWNTIME_MS>", said)[-1])


# Stands before the real one on each host. /run/hold.dump: waits at the beginning, and says so by /run/in.dump;
# /run/fail.dump: fails; /run/full.dump: what it writes does not fit on the disk. The same with .restore and .check.
# /run/at.dump: is killed as soon as there is the file that is named there.
CRIU = """#!/bin/bash
act=other place=
for word in "$@"; do
    case $last,$word in --images-dir,*) place=$word ;; esac
    case $act,$word in other,dump | other,restore | other,check) act=$word ;; esac
    last=$word
done
if [ -e /run/at.$act ]; then
    read -r file </run/at.$act
    REAL "$@" &
    until [ -e "$place/$file" ] || ! kill -0 $!; do :; done 2>/dev/null
    kill -9 $!
    echo "killed at $file" >>/run/killed
    wait
    exit 137
fi
if [ -e /run/hold.$act ]; then
    touch /run/in.$act
    while [ -e /run/hold.$act ]; do sleep 0.05; done
fi
[ ! -e /run/fail.$act ] || { echo "broken by a test" >&2; exit 1; }
[ ! -e /run/full.$act ] || { trap "" XFSZ; ulimit -f 4; }
exec REAL "$@"
"""


@pytest.fixture(scope="module")
def criu(lab, cloud):
    """Makes CRIU of a host do as a test wants."""
    for host in lab.hosts:
        real = lab.on(host, "sh", "-c", "PATH=/usr/local/sbin:$PATH; readlink -f $(command -v criu)").strip()
        path = lab.root(host) / "run/criu"
        path.write_text(CRIU.replace("REAL", real))
        path.chmod(0o755)
        lab.on(host, "sh", "-c", "mountpoint -q /usr/local/sbin || mount -t tmpfs tmpfs /usr/local/sbin; ln -sf /run/criu /usr/local/sbin/criu")

    class Criu:
        @staticmethod
        def does(host, what, act):
            (lab.root(host) / f"run/{what}.{act}").touch()

        @staticmethod
        def dies(host, act, file):
            """As soon as it has written that one."""
            (lab.root(host) / f"run/at.{act}").write_text(f"{file}\n")

        @staticmethod
        def is_in(host, act):
            wait_for(f"CRIU in {act}", 30, (lab.root(host) / f"run/in.{act}").exists)

        @staticmethod
        def ends(host, what, act):
            (lab.root(host) / f"run/{what}.{act}").unlink()
            (lab.root(host) / f"run/in.{act}").unlink(missing_ok=True)

    return Criu


class TestMove:
    story = True  # each step stands on those before

    def test_it_is_said_in_advance(self, lab, cloud):
        cloud.create("box", PROVED, "--hold")
        cloud.cli("onevm", "deploy", "box", "node01")
        cloud.wait("box", RUNNING, 60)
        wait_for("its start", 20, lambda: starts(lab, "node01") == 1)
        said = cloud.cli("onevm", "migrate", "box", "node02", "--check")
        assert "live: its memory goes over the shared storage by CRIU" in said, said
        assert "it has no socket open that CRIU cannot write" in said, said
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

    def test_restore_fails(self, lab, cloud, criu):
        """Nothing is lost: it goes on where it was."""
        criu.does("node02", "fail", "restore")
        cloud.cli("onevm", "migrate", "--live", "box", "node02")
        wait_for("the failure", 60, lambda: "goes on running on node01" in cloud.vm_log("box"))
        criu.ends("node02", "fail", "restore")
        goes_on(lab, cloud, "node01")

    def test_no_room_for_its_memory(self, lab, cloud, criu):
        criu.does("node01", "full", "dump")
        cloud.cli("onevm", "migrate", "--live", "box", "node02")
        wait_for("the failure", 60, lambda: "the memory of one-0 cannot be written" in cloud.vm_log("box"))
        criu.ends("node01", "full", "dump")
        goes_on(lab, cloud, "node01")

    def test_the_driver_dies_while_memory_is_written(self, lab, cloud, criu):
        criu.does("node01", "hold", "dump")
        cloud.cli("onevm", "migrate", "--live", "box", "node02")
        criu.is_in("node01", "dump")
        lab.kill("fe", "one_vmm")
        criu.ends("node01", "hold", "dump")
        wait_for("an end", 90, lambda: cloud.state("box") == RUNNING)
        goes_on(lab, cloud, cloud.host_of("box"))

    def test_lxc_is_killed_while_memory_is_written(self, lab, cloud, criu):
        """CRIU outlives it: what it does in the end counts."""
        here, there = places(cloud)
        criu.does(here, "hold", "dump")
        cloud.cli("onevm", "migrate", "--live", "--live-only", "box", there)
        criu.is_in(here, "dump")
        lab.on(here, "kill", "-KILL", *writers(lab, here))
        criu.ends(here, "hold", "dump")
        wait_for("the move", 90, lambda: cloud.host_of("box") == there)
        goes_on(lab, cloud, there)

    def test_all_but_criu_is_killed_while_memory_is_written(self, lab, cloud, criu):
        """Also what led it on the host: who comes next waits for CRIU, and finds out what became of the container."""
        here, there = places(cloud)
        criu.does(here, "hold", "dump")
        cloud.cli("onevm", "migrate", "--live", "--live-only", "box", there)
        criu.is_in(here, "dump")
        lab.kill("fe", "one_vmm", "STOP")
        led = lab.on(here, "pgrep", "-f", "checkpoint 'one-0'").split()
        lab.on(here, "kill", "-KILL", *led, *lab.pids(here, "timeout"), *writers(lab, here), check=False)
        lab.kill("fe", "one_vmm")
        criu.ends(here, "hold", "dump")
        wait_for("an end", 90, lambda: cloud.state("box") == RUNNING)
        goes_on(lab, cloud, cloud.host_of("box"))

    @pytest.mark.parametrize("file", MOMENTS)
    def test_criu_is_killed_while_memory_is_written(self, lab, cloud, criu, file):
        """It leaves the container frozen, by groups that LXC does not know of: it is thawed and goes on."""
        here, there = places(cloud)
        criu.dies(here, "dump", file)
        cloud.cli("onevm", "migrate", "--live", "--live-only", "box", there)
        wait_for("the failure", 60, lambda: (lab.root(here) / "run/killed").exists() and cloud.state("box") == RUNNING)
        (lab.root(here) / "run/killed").unlink()
        criu.ends(here, "at", "dump")
        goes_on(lab, cloud, cloud.host_of("box"))

    def test_the_driver_dies_while_memory_is_read(self, lab, cloud, criu):
        here, there = places(cloud)
        criu.does(there, "hold", "restore")
        cloud.cli("onevm", "migrate", "--live", "box", there)
        criu.is_in(there, "restore")
        lab.kill("fe", "one_vmm")
        criu.ends(there, "hold", "restore")
        wait_for("an end", 90, lambda: cloud.state("box") == RUNNING)
        goes_on(lab, cloud, cloud.host_of("box"))

    def test_lxc_is_killed_at_the_destination(self, lab, cloud, criu):
        here, there = places(cloud)
        criu.does(there, "hold", "restore")
        cloud.cli("onevm", "migrate", "--live", "box", there)
        criu.is_in(there, "restore")
        lab.kill(there, "lxc-checkpoint")
        criu.ends(there, "hold", "restore")
        wait_for("an end", 90, lambda: cloud.state("box") == RUNNING)
        goes_on(lab, cloud, cloud.host_of("box"))

    def test_another_move_of_it_is_ordered_meanwhile(self, lab, cloud, criu):
        """To a third host, as by somebody who has given up the first one: who was given its memory is asked, and runs it."""
        here, there = places(cloud)
        criu.does(there, "hold", "restore")
        cloud.cli("onevm", "migrate", "--live", "--live-only", "box", there)
        criu.is_in(there, "restore")
        driver = Driver(lab, "lxc")
        try:
            driver.send(f"MIGRATE 0 {request_of(lab, here, 0, 'fe')}")
            wait_for("its question", 60, lambda: lab.on(there, "pgrep", "-f", "withdraw 'one-0'", check=False).split())
            criu.ends(there, "hold", "restore")
            good, said = driver.result("MIGRATE", 0)
        finally:
            driver.stop()
        assert not good and f"on {there} it is running, and nothing was done" in said, said
        wait_for("the move", 90, lambda: cloud.host_of("box") == there)
        goes_on(lab, cloud, there)

    @pytest.mark.skipif(os.environ.get("FAULTS") != "all", reason="takes a minute or two: tests/lab/run-all")
    def test_the_destination_is_cut_off(self, lab, cloud, criu):
        """Nobody knows whether it runs there: it stands still until that host is back, and then runs in one place."""
        here, there = places(cloud)
        criu.does(there, "hold", "restore")
        cloud.cli("onevm", "migrate", "--live", "box", there)
        criu.is_in(there, "restore")
        lab.call("cut", there)
        criu.ends(there, "hold", "restore")
        time.sleep(60)
        assert "one-0" not in lxc(lab, here, "lxc-ls", "-1", "--running").split()
        lab.call("join", there)
        wait_for("an end", 240, lambda: cloud.state("box") == RUNNING)
        goes_on(lab, cloud, cloud.host_of("box"))

    def test_without_criu_it_is_stopped_or_refused(self, lab, cloud, criu):
        here, there = places(cloud)
        criu.does(there, "fail", "check")
        said = cloud.cli("onevm", "migrate", "box", there, "--check", check=False)
        assert "stopped: it is ended, and started anew there" in said, said
        cloud.cli("onevm", "migrate", "--live", "--live-only", "box", there)
        wait_for("the refusal", 30, lambda: "LIVE_ONLY forbids" in cloud.vm_log("box"))
        goes_on(lab, cloud, here)
        cloud.cli("onevm", "migrate", "--live", "box", there)
        wait_for("the move", 60, lambda: cloud.host_of("box") == there)
        cloud.wait("box", RUNNING, 60)
        wait_for("its second start", 20, lambda: starts(lab, there) == 2)
        assert last_move(cloud)[0] == "stopped"
        criu.ends(there, "fail", "check")

    def test_it_ends(self, lab, cloud):
        cloud.cli("onevm", "terminate", "--hard", "box")
        wait_for("the end", 60, lambda: cloud.vm("0").findtext("STATE") == str(DONE[0]))
        assert not [left_groups(lab, host) for host in lab.hosts if left_groups(lab, host)]


class TestUsersOfItsOwn:
    """Root of the container is nobody on the hosts, before and after a move."""
    own = re.sub("NIC = .*", "", TEMPLATE) + 'LXC_UNPRIVILEGED = "YES"\n'

    def test_without_a_card_it_moves_live(self, lab, cloud):
        cloud.create("own", self.own.replace('"box"', '"own"', 1), "--hold")
        name = f"one-{cloud.vm('own').findtext('ID')}"
        cloud.cli("onevm", "deploy", "own", "node01")
        cloud.wait("own", RUNNING, 60)
        wait_for("its beats", 20, lambda: len(read(lab, "node01", "beats", name).splitlines()) > 2)
        cloud.cli("onevm", "migrate", "--live", "--live-only", "own", "node02")
        wait_for("the move", 60, lambda: cloud.host_of("own") == "node02")
        cloud.wait("own", RUNNING, 60)
        seen = len(read(lab, "node02", "beats", name).splitlines())
        wait_for("more beats", 20, lambda: len(read(lab, "node02", "beats", name).splitlines()) > seen + 2)
        assert starts(lab, "node02", name) == 1
        users_are_its_own(lab, "node02", name)
        cloud.cli("onevm", "suspend", "own")
        cloud.wait("own", SUSPENDED, 60)
        cloud.cli("onevm", "resume", "own")
        cloud.wait("own", RUNNING, 60)
        assert starts(lab, "node02", name) == 1
        users_are_its_own(lab, "node02", name)
        cloud.cli("onevm", "terminate", "--hard", "own")

    def test_with_a_card_it_is_stopped(self, lab, cloud):
        cloud.create("carded", TEMPLATE.replace('"box"', '"carded"', 1) + 'LXC_UNPRIVILEGED = "YES"\n', "--hold")
        name = f"one-{cloud.vm('carded').findtext('ID')}"
        cloud.cli("onevm", "deploy", "carded", "node01")
        cloud.wait("carded", RUNNING, 60)
        wait_for("its start", 20, lambda: starts(lab, "node01", name) == 1)
        said = cloud.cli("onevm", "migrate", "carded", "node02", "--check", check=False)
        assert "network cards, which CRIU does not restore" in said and "stopped: it is ended" in said, said
        cloud.cli("onevm", "suspend", "carded")
        wait_for("the refusal", 60, lambda: "CRIU cannot restore the network cards" in cloud.vm_log("carded"))
        cloud.wait("carded", RUNNING, 60)
        assert starts(lab, "node01", name) == 1
        cloud.cli("onevm", "migrate", "--live", "carded", "node02")
        wait_for("the move", 60, lambda: cloud.host_of("carded") == "node02")
        cloud.wait("carded", RUNNING, 60)
        wait_for("its second start", 20, lambda: starts(lab, "node02", name) == 2)
        users_are_its_own(lab, "node02", name)
        cloud.cli("onevm", "terminate", "--hard", "carded")


def sockets_are_written(lab):
    """Whether this kernel answers what CRIU before 4.2 asks of each socket."""
    version = lab.on("node01", "sh", "-c", "PATH=/usr/local/sbin:$PATH; criu --version").split()[1].split(".")
    with socket.socket() as one:
        try:
            return one.getsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED) is not None
        except OSError:
            return [int(part) for part in version[:2]] >= [4, 2]


class TestSockets:
    """One that waits for connections moves live where CRIU can write that; else that is said before anything is tried."""

    def test_of_the_network(self, lab, cloud):
        cloud.create("web", TEMPLATE.replace('"box"', '"web"', 1) + 'OS = [ INIT = "/sbin/listening" ]\n', "--hold")
        name = f"one-{cloud.vm('web').findtext('ID')}"
        cloud.cli("onevm", "deploy", "web", "node01")
        cloud.wait("web", RUNNING, 60)
        wait_for("its start", 20, lambda: starts(lab, "node01", name) == 1)
        pid = lxc(lab, "node01", "lxc-info", "-n", name, "-pH").strip()
        wait_for("its socket", 20, lambda: ":1F90 " in lab.on("node01", "cat", f"/proc/{pid}/net/tcp", f"/proc/{pid}/net/tcp6"))
        said = cloud.cli("onevm", "migrate", "web", "node02", "--check", check=False)
        if sockets_are_written(lab):
            assert "live: its memory goes" in said and "no socket open that CRIU cannot write" in said, said
            cloud.cli("onevm", "migrate", "--live", "--live-only", "web", "node02")
            wait_for("the move", 60, lambda: cloud.host_of("web") == "node02")
            cloud.wait("web", RUNNING, 60)
            assert starts(lab, "node02", name) == 1
        else:
            assert "stopped: it is ended" in said and "socket TCP port 8080 (listening) is open in busybox" in said, said
            cloud.cli("onevm", "migrate", "--live", "--live-only", "web", "node02")
            wait_for("the refusal", 60, lambda: "LIVE_ONLY forbids to stop it" in cloud.vm_log("web"))
            cloud.wait("web", RUNNING, 60)
            cloud.cli("onevm", "suspend", "web")
            wait_for("the refusal", 60, lambda: f"cannot write the sockets of {name}" in cloud.vm_log("web"))
            cloud.wait("web", RUNNING, 60)
            assert cloud.host_of("web") == "node01" and starts(lab, "node01", name) == 1
            assert "Can't get" not in cloud.vm_log("web"), "CRIU was not asked to write it"
        cloud.cli("onevm", "terminate", "--hard", "web")


@pytest.fixture(scope="module")
def apart(lab, cloud):
    """A cloud whose hosts have their disks for themselves."""
    cloud.stop()
    end_all(lab)
    apart = Cloud(lab, "lxcapart", "/srv/local/datastores", 'DEFAULT_TM_MAD = "ssh"\nMONITORING_INTERVAL_HOST = 2')
    apart.start()
    for host in lab.hosts:
        apart.cli("onehost", "create", host, "-i", "lxc", "-v", "lxc")
    for host in lab.hosts:
        apart.wait_host(host, "on")
    yield apart
    end_all(lab)
    apart.stop()


class TestDisksOfTheirOwn:
    """Disks and memory are sent to the other host while it stands still."""
    story = True

    def test_it_moves_with_its_disks(self, lab, criu, apart):
        apart.create("box", PROVED, "--hold")
        apart.cli("onevm", "deploy", "box", "node01")
        apart.wait("box", RUNNING, 60)
        wait_for("its start", 20, lambda: starts(lab, "node01") == 1)
        said = apart.cli("onevm", "migrate", "box", "node02", "--check", check=False)
        assert "checkpointed: its memory and disks are sent" in said, said
        apart.cli("onevm", "migrate", "--live", "box", "node02")
        wait_for("the move", 90, lambda: apart.host_of("box") == "node02")
        goes_on(lab, apart, "node02")
        assert last_move(apart)[0] == "checkpointed"
        assert not list((lab.local("node01") / "datastores/0").glob("*"))
        assert sorted(path.name for path in (lab.local("node02") / "datastores/0/0").iterdir()) == ["disk.0"]
        criu.does("node01", "fail", "restore")
        apart.cli("onevm", "migrate", "--live", "box", "node01")
        wait_for("the failure", 60, lambda: "goes on running on node02" in apart.vm_log("box"))
        criu.ends("node01", "fail", "restore")
        goes_on(lab, apart, "node02")
        assert not list((lab.local("node01") / "datastores/0").glob("*/*"))

    def test_the_destination_is_full_meanwhile(self, lab, criu, apart):
        """What has come of its disk goes again, and it goes on where it was."""
        place = "/srv/local/datastores/0"
        before = apart.vm_log("box").count("goes on running on node02")
        lab.on("node01", "sh", "-c", f"mkdir -p {place}; mount -t tmpfs -o size=256M tmpfs {place}")
        try:
            criu.does("node02", "hold", "dump")
            apart.cli("onevm", "migrate", "--live", "box", "node01")
            criu.is_in("node02", "dump")
            lab.on("node01", "sh", "-c", f"dd if=/dev/zero of={place}/full bs=4k", check=False)
            criu.ends("node02", "hold", "dump")
            wait_for("the failure", 90, lambda: apart.vm_log("box").count("goes on running on node02") > before)
            goes_on(lab, apart, "node02")
            assert not lab.on("node01", "sh", "-c", f"ls {place}/0 2>/dev/null", check=False).split()
        finally:
            lab.on("node01", "umount", place, check=False)

    def test_it_ends(self, lab, apart):
        apart.cli("onevm", "terminate", "--hard", "box")
        wait_for("the end", 60, lambda: apart.vm("0").findtext("STATE") == str(DONE[0]))

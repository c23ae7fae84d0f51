"""Real LXD and real Incus on the lab's hosts, reached by ssh: from an image to the move between two daemons."""
import json
import re
import xml.etree.ElementTree as ET

import pytest
from lab import daemons as lab_daemons
from lab.cloud import DONE, POWEROFF, RUNNING, SUSPENDED, Cloud, Failed, wait_for

TEMPLATE = """NAME = "box"
CPU = 0.5
MEMORY = 64
CONTAINER = [ IMAGE = "box", PRIVILEGED = "YES" ]
NIC = [ BRIDGE = "br0", MAC = "02:00:0a:00:00:07" ]
CONTEXT = [ SET_HOSTNAME = "box" ]
"""


def lxc(lab, host, *words, **options):
    return lab.daemon.client(lab, host, *words, **options)


@pytest.fixture(scope="module", params=["lxd", "incus"])
def daemons(lab, request):
    lab.daemon = lab_daemons.LXDS[request.param]
    lab.daemon.require()
    image = lab_daemons.make_image(lab)
    for host in lab.hosts:
        try:
            lab.daemon.start(lab, host)
        except Failed as problem:
            pytest.skip(f"{lab.daemon.name} does not start in a namespace of this machine: {str(problem)[-300:]}")
        lxc(lab, host, "image", "import", "/var/lib/one/datastores/box.tar.gz", "--alias", "box")
    yield image
    for host in lab.hosts:
        lab.daemon.stop(lab, host)


@pytest.fixture(autouse=True)
def told(request, lab):
    """What the machine's log says when a step fails."""
    yield
    for log in lab.dir.glob("one-*/var/vms/0/vm.log"):
        print(log.read_text()[-2500:])
    for said in lab.dir.glob("node*/local/*.out"):
        print(said, said.read_text(errors="replace")[:3000])


@pytest.fixture(scope="module")
def cloud(lab, daemons):
    endpoint = f"ssh://%h{lab.daemon.directory}/unix.socket"
    cloud = Cloud(lab, lab.daemon.name, "/var/lib/one/datastores", f"""
MONITORING_INTERVAL_HOST = 5
IM_MAD = [ NAME = "lxd", EXECUTABLE = "one_im", ARGUMENTS = "lxd -u {endpoint}" ]
VM_MAD = [ NAME = "lxd", EXECUTABLE = "one_vmm", ARGUMENTS = "lxd -u {endpoint}", KEEP_MACHINES = "yes", KEEP_SNAPSHOTS = "yes", LIVE_RESIZE = "yes" ]
""")
    cloud.start()
    for host in lab.hosts:
        cloud.cli("onehost", "create", host, "-i", "lxd", "-v", "lxd")
    for host in lab.hosts:
        try:
            cloud.wait_host(host, "on")
        except AssertionError:
            raise AssertionError(cloud.log()) from None
    yield cloud
    cloud.stop()


def starts(lab, host, name="one-0"):
    return int(lxc(lab, host, "exec", name, "--", "/bin/busybox", "cat", "/starts"))


class TestContainer:
    story = True  # each step stands on those before

    def test_host_tells_what_it_is(self, cloud):
        host = ET.fromstring(cloud.cli("onehost", "show", "-x", "node01"))
        assert host.findtext("TEMPLATE/HYPERVISOR") == "lxd" and host.findtext("TEMPLATE/VERSION")
        assert int(host.findtext("HOST_SHARE/MAX_MEM")) > 0 and int(host.findtext("HOST_SHARE/MAX_CPU")) > 0

    def test_it_starts_from_an_image(self, lab, cloud):
        path = lab.shared / "box.one"
        path.write_text(TEMPLATE)
        cloud.cli("onevm", "create", "--hold", "/var/lib/one/datastores/box.one")
        cloud.cli("onevm", "deploy", "box", "node01")
        cloud.wait("box", RUNNING, 60)
        shown = json.loads(lxc(lab, "node01", "list", "-f", "json"))[0]
        assert shown["name"] == "one-0" and shown["status"] == "Running"
        config = shown["config"]
        assert config["limits.memory"] == "64MiB" and config["limits.cpu.allowance"] == "50ms/100ms"
        assert shown["devices"]["eth0"]["hwaddr"] == "02:00:0a:00:00:07" and shown["devices"]["eth0"]["parent"] == "br0"
        wait_for("its start", 20, lambda: lxc(lab, "node01", "exec", "one-0", "--", "/bin/busybox", "cat", "/starts", check=False).strip() == "1")

    def test_figures(self, cloud):
        wait_for("its memory", 30, lambda: int(cloud.vm("box").findtext("MONITORING/MEMORY") or 0) > 0)

    def test_console(self, lab, cloud):
        said = lab.front("sh", "-c", f"(sleep 1; printf 'hello\\n'; sleep 3) | {' '.join(cloud.environment())} timeout 20 onevm console box", check=False)
        assert "heard: hello (start 1)" in said, said

    def test_suspend_and_resume(self, lab, cloud):
        cloud.cli("onevm", "suspend", "box")
        cloud.wait("box", SUSPENDED, 60)
        assert lxc(lab, "node01", "list", "-c", "s", "-f", "csv").strip() == "FROZEN"
        cloud.cli("onevm", "resume", "box")
        cloud.wait("box", RUNNING, 60)
        lxc(lab, "node01", "pause", "one-0")
        cloud.wait("box", SUSPENDED, 60)
        cloud.cli("onevm", "resume", "box")
        cloud.wait("box", RUNNING, 60)
        assert lxc(lab, "node01", "list", "-c", "s", "-f", "csv").strip() == "RUNNING" and starts(lab, "node01") == 1

    def test_snapshots(self, lab, cloud):
        cloud.cli("onevm", "snapshot-create", "box", "before")
        cloud.wait("box", RUNNING, 60)
        lxc(lab, "node01", "exec", "one-0", "--", "/bin/busybox", "touch", "/after")
        cloud.cli("onevm", "snapshot-revert", "box", "0")
        cloud.wait("box", RUNNING, 60)
        wait_for("what was done after it to be gone", 30,
                 lambda: "No such file" in lxc(lab, "node01", "exec", "one-0", "--", "/bin/busybox", "ls", "/after", check=False))
        cloud.cli("onevm", "snapshot-delete", "box", "0")
        cloud.wait("box", RUNNING, 60)
        assert "snap-" not in lxc(lab, "node01", "info", "one-0")

    def test_off_and_on(self, lab, cloud):
        before = starts(lab, "node01")
        cloud.cli("onevm", "poweroff", "box")
        cloud.wait("box", POWEROFF, 60)
        assert lxc(lab, "node01", "list", "-c", "s", "-f", "csv").strip() == "STOPPED"
        cloud.cli("onevm", "resume", "box")
        cloud.wait("box", RUNNING, 60)
        wait_for("its start", 20, lambda: starts(lab, "node01") == before + 1)

    def test_it_dies_by_itself(self, lab, cloud):
        lxc(lab, "node01", "stop", "-f", "one-0")
        cloud.wait("box", POWEROFF, 30)
        cloud.cli("onevm", "resume", "box")
        cloud.wait("box", RUNNING, 60)

    def test_it_moves_by_power(self, lab, cloud):
        before = starts(lab, "node01")
        with pytest.raises(Failed, match="cannot move a machine while it runs; LIVE_ONLY forbids"):
            cloud.cli("onevm", "migrate", "--live", "--live-only", "box", "node02")
        said = cloud.cli("onevm", "migrate", "--check", "box", "node02")
        assert "to node02: possible" in said and "the pool default (dir)" in said and "stopped: onevm migrate, with" in said and "CRIU" in said, said
        assert "stopped, not live: the driver lxd cannot" in said and "ms without the machine" in said, said
        cloud.cli("onevm", "migrate", "--live", "box", "node02")
        wait_for("the move", 60, lambda: cloud.vm("box").findall("HISTORY_RECORDS/HISTORY")[-1].findtext("HOSTNAME") == "node02")
        cloud.wait("box", RUNNING, 60)
        assert "one-0" not in lxc(lab, "node01", "list", "-c", "n", "-f", "csv")
        wait_for("its start with the same disk", 20, lambda: starts(lab, "node02") == before + 1)
        log = cloud.cli("cat", f"{cloud.home}/var/vms/0/vm.log")
        assert "stopped, not live: the driver lxd cannot" in log
        assert "stopped, not live: the driver lxd cannot" in cloud.cli("onevm", "migrations", "box", "--csv")
        print("moved in", re.search(r"moved from node01 to node02 in (\d+) ms", log).group(1), "ms")

    def test_a_host_without_address(self, lab, cloud):
        """The daemons cannot talk to each other: its backup goes through the driver."""
        before = starts(lab, "node02")
        lxc(lab, "node02", "config", "unset", "core.https_address")
        cloud.cli("onevm", "migrate", "--poff", "box", "node01")
        wait_for("the move", 60, lambda: cloud.vm("box").findall("HISTORY_RECORDS/HISTORY")[-1].findtext("HOSTNAME") == "node01")
        cloud.wait("box", RUNNING, 60)
        assert "one-0" not in lxc(lab, "node02", "list", "-c", "n", "-f", "csv")
        wait_for("its start with the same disk", 20, lambda: starts(lab, "node01") == before + 1)

    def test_wild_ones_are_listed(self, lab, cloud):
        lxc(lab, "node02", "launch", "box", "wild", "-c", "security.privileged=true")
        wait_for("the wild one", 30, lambda: "wild" in cloud.cli("onehost", "show", "node02"))

    def test_a_wild_one_becomes_a_machine(self, lab, cloud):
        cloud.cli("onehost", "importvm", "node02", "wild")
        cloud.wait("wild", RUNNING, 60)
        cloud.cli("onevm", "poweroff", "--hard", "wild")
        cloud.wait("wild", POWEROFF, 60)
        cloud.cli("onevm", "resume", "wild")
        cloud.wait("wild", RUNNING, 60)
        cloud.cli("onevm", "terminate", "--hard", "wild")
        wait_for("its end", 60, lambda: cloud.vm("1").findtext("STATE") == str(DONE[0]))
        assert "wild" in lxc(lab, "node02", "list", "-c", "n", "-f", "csv"), "what we did not make we do not remove"

    def test_it_ends_even_frozen(self, lab, cloud):
        cloud.cli("onevm", "suspend", "box")
        cloud.wait("box", SUSPENDED, 60)
        cloud.cli("onevm", "terminate", "box")
        wait_for("the end", 60, lambda: cloud.vm("0").findtext("STATE") == str(DONE[0]))
        assert "one-0" not in lxc(lab, "node01", "list", "-c", "n", "-f", "csv")

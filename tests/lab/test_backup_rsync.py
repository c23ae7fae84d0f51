"""Backups on a computer of their own (RSYNC_HOST): node02 is that computer, reached by real rsync over ssh."""
import os
import re

import pytest
from lab.cloud import DONE, RUNNING, Cloud, wait_for
from lab.test_backup import DATASTORES, Machine

if not os.environ.get("RSYNC_SERVER"):
    pytest.skip("a server that goes away takes minutes: tests/lab/run-all does it", allow_module_level=True)

SERVER = "node02"


@pytest.fixture(scope="module")
def server(lab):
    """Its disks are its own: what the others share is not there."""
    lab.on(SERVER, "sh", "-c", f"mkdir -p /srv/local/kept && mount --bind /srv/local/kept {DATASTORES}")
    yield lab.local(SERVER) / "kept"
    lab.on(SERVER, "umount", DATASTORES, check=False)


@pytest.fixture(scope="module")
def cloud(lab, server):
    cloud = Cloud(lab, "rsync", DATASTORES, "MONITORING_INTERVAL_HOST = 5\nMONITORING_INTERVAL_DATASTORE = 5")
    cloud.start()
    cloud.cli("onehost", "create", "node01", "-i", "qemu", "-v", "qemu")
    cloud.wait_host("node01", "on")
    store = cloud.home / "backups.ds"
    store.write_text(f"NAME = backups\nTYPE = BACKUP_DS\nDS_MAD = rsync\nRSYNC_USER = root\nRSYNC_HOST = {SERVER}\n")
    cloud.cli("onedatastore", "create", store)
    wait_for("the room on the server", 60, lambda: re.search(r"<FREE_MB>[1-9]", cloud.cli("onedatastore", "show", "-x", "backups")))
    yield cloud
    lab.clean()
    cloud.stop()


@pytest.fixture(scope="module")
def machine(cloud):
    return Machine(cloud, "kept", "qcow2")


def on_server(machine, server):
    """The directory of its backups there."""
    return server / machine.backups()[1].relative_to(machine.cloud.lab.shared)


class TestBackups:
    story = True

    def test_whole_and_increments(self, machine, server):
        machine.write(0x11, 1 << 20)
        assert machine.back_up("-d", "backups") == [("0", "FULL")]
        machine.write(0x22, 2 << 20)
        assert machine.back_up() == [("0", "FULL"), ("1", "INCREMENT")]
        machine.write(0x33, 3 << 20)
        assert machine.back_up() == [("0", "FULL"), ("1", "INCREMENT"), ("2", "INCREMENT")]
        there = on_server(machine, server)
        for number in ("0", "1", "2"):
            assert {path.name for path in (there / number).iterdir()} == {"disk.0", "vm.xml", "about"}
        assert not [path for path in machine.backups()[1].rglob("disk.*")], "the disks are on the server alone"

    def test_the_chain_is_whole_there(self, machine, server):
        """Read by hand, as share/doc/backups.md says."""
        disk = f"{DATASTORES}/{on_server(machine, server).relative_to(server)}/2/disk.0"
        said = machine.cloud.lab.on(SERVER, "qemu-io", "-r", *(word for place, pattern in ((1, 0x11), (2, 0x22), (3, 0x33))
                                                              for word in ("-c", f"read -P {pattern} {place}M 64k")), disk)
        assert said.count("read 65536/65536") == 3 and "failed" not in said, said

    def test_damaged_and_restored(self, machine):
        identity, _ = machine.backups()
        machine.off()
        machine.damage()
        machine.cloud.cli("onevm", "restore", machine.name, identity, "--wait")
        assert machine.cloud.vm(machine.name).findtext("USER_TEMPLATE/ERROR") is None
        assert machine.holds(0x11, 1 << 20) and machine.holds(0x22, 2 << 20) and machine.holds(0x33, 3 << 20)
        machine.cloud.cli("onevm", "restore", machine.name, identity, "--increment", "0", "--wait")
        assert machine.holds(0x11, 1 << 20) and machine.holds(0, 2 << 20) and machine.holds(0, 3 << 20)
        machine.cloud.cli("onevm", "resume", machine.name)
        machine.cloud.wait(machine.name, RUNNING, 60)

    def test_images_of_it(self, machine):
        identity, _ = machine.backups()
        said = machine.cloud.cli("oneimage", "restore", identity, "-d", "default", "--name", "again")
        made = re.search(r"^Images: (\d+)$", said, re.M)[1]
        wait_for("the image", 60, lambda: machine.image(made).findtext("STATE") == "1")
        path = machine.image(made).findtext("SOURCE")
        assert machine.holds(0x33, 3 << 20, path=path, form=machine.image(made).findtext("FORMAT"))
        machine.cloud.cli("oneimage", "delete", made)

    def test_fewer_increments(self, machine, server):
        """The disk was written anew: the increment that follows is a whole backup, and the oldest go."""
        machine.write(0x44, 4 << 20)
        machine.cloud.cli("onevm", "updateconf", machine.name, "--append", machine.conf("BACKUP_CONFIG = [ KEEP_LAST = 2 ]"))
        known = [number for number, _ in machine.back_up()]
        assert known == ["2", "3"], known
        assert sorted(path.name for path in on_server(machine, server).iterdir() if path.name != ".lock") == known

    def test_gone(self, machine, server):
        identity, here = machine.backups()
        there = on_server(machine, server)
        machine.cloud.cli("oneimage", "delete", identity)
        wait_for("the backup to go", 60, lambda: not there.exists() and not here.exists())


# ---- the server goes away ----

@pytest.fixture
def slowly(lab):
    """What goes to the server takes its time."""
    lab.front("tc", "qdisc", "add", "dev", "v2", "root", "tbf", "rate", "8mbit", "burst", "32kb", "latency", "400ms")
    yield
    lab.front("tc", "qdisc", "del", "dev", "v2", "root", check=False)
    lab.call("join", SERVER)


def cable(lab):
    lab.call("cut", SERVER)


def killed(lab):
    lab.on(SERVER, "pkill", "-KILL", "-x", "rsync")


def image_state(cloud, name):
    return re.search(r"<STATE>(\d)", cloud.cli("oneimage", "show", "-x", name))[1]


@pytest.mark.parametrize("away", [cable, killed])
def test_server_that_goes_away(lab, cloud, machine, server, slowly, away):
    """The machine goes on as it was and says why there is no backup; the next one is made when the server is back."""
    machine.write(0x66, 0, 12 << 20)
    before = {path for path in server.rglob("disk.*")}
    cloud.cli("onevm", "backup", machine.name, "-d", "backups", "--reset")
    wait_for("some of it on the server", 120,
             lambda: any(path.stat().st_size > 100000 for path in server.rglob("*disk.*") if path not in before))
    away(lab)
    cloud.wait(machine.name, RUNNING, 240)
    complaint = cloud.vm(machine.name).findtext("USER_TEMPLATE/ERROR")
    assert complaint and SERVER in complaint, complaint
    lab.call("join", SERVER)
    lab.front("tc", "qdisc", "del", "dev", "v2", "root")
    wait_for("the server", 60, lambda: "here" in lab.front("ssh", SERVER, "echo here", check=False))
    cloud.cli("onevm", "update", machine.name, "--append", machine.conf('ERROR = ""'))
    assert machine.back_up("-d", "backups", "--reset") == [("0", "FULL")]
    there = on_server(machine, server)
    said = lab.on(SERVER, "qemu-io", "-r", "-c", "read -P 0x66 0 12M", f"{DATASTORES}/{there.relative_to(server)}/0/disk.0")
    assert "failed" not in said and "read 12582912" in said, said


def test_nothing_is_left(cloud, machine, server):
    for image in re.findall(r"<IMAGE><ID>(\d+)", cloud.cli("oneimage", "list", "-x").replace("\n", "").replace(" ", "")):
        cloud.cli("oneimage", "delete", image)
    wait_for("all backups to go", 60, lambda: not list(server.rglob("disk.*")))
    assert not [path for path in (server / "100").iterdir()], list((server / "100").iterdir())
    cloud.cli("onevm", "terminate", "--hard", machine.name)
    cloud.wait(str(machine.id), DONE, 60)

"""Backups with real QEMU: a guest's disk backed up whole and by increments while it runs, damaged, and restored. What the
guest writes is written by its QEMU, as when the guest did it."""
import re
import xml.etree.ElementTree as ET

import pytest
from lab.cloud import DONE, POWEROFF, RUNNING, Cloud, wait_for

# It looks for something to boot, and never finds it.
TEMPLATE = """NAME = "{name}"
CPU = 0.1
MEMORY = 16
DISK = [ TYPE = "fs", FORMAT = "{format}", SIZE = 16, TARGET = "vda" ]
BACKUP_CONFIG = [ BACKUP_VOLATILE = YES, MODE = INCREMENT ]
"""
DATASTORES = "/var/lib/one/datastores"


@pytest.fixture(scope="module")
def cloud(lab):
    cloud = Cloud(lab, "backup", DATASTORES, "MONITORING_INTERVAL_HOST = 5")
    cloud.start()
    cloud.cli("onehost", "create", "node01", "-i", "qemu", "-v", "qemu")
    cloud.wait_host("node01", "on")
    store = cloud.home / "backups.ds"
    store.write_text("NAME = backups\nTYPE = BACKUP_DS\nDS_MAD = rsync\nDATASTORE_CAPACITY_CHECK = NO\n")
    cloud.cli("onedatastore", "create", store)
    yield cloud
    lab.clean()
    cloud.stop()


class Machine:
    def __init__(self, cloud, name, form):
        self.cloud, self.name = cloud, name
        self.id = cloud.create(name, TEMPLATE.format(name=name, format=form), "--hold")
        cloud.cli("onevm", "deploy", name, "node01")
        cloud.wait(name, RUNNING, 60)
        self.disk = f"{DATASTORES}/0/{self.id}/disk.0"

    def io(self, command):
        said = self.cloud.lab.on("node01", "virsh", "qemu-monitor-command", "--hmp", f"one-{self.id}",
                                 f'qemu-io -d /machine/peripheral/virtio-disk0/virtio-backend "{command}"')
        assert "failed" not in said and "rror" not in said, said
        return said

    def write(self, pattern, at, size=65536):
        self.io(f"write -P {pattern} {at} {size}")

    def holds(self, pattern, at, size=65536, path=None, form=None):
        """What the disk of a machine that is off has there."""
        said = self.cloud.lab.on("node01", "qemu-io", "-r", "-f", form or self.form(), "-c", f"read -P {pattern} {at} {size}",
                                 path or self.disk, check=False)
        return "verification failed" not in said and "read" in said

    def damage(self):
        self.cloud.lab.on("node01", "qemu-io", "-f", self.form(), "-c", "write -P 0xee 0 16M", self.disk)

    def conf(self, text):
        path = self.cloud.home / f"{self.name}.conf"
        path.write_text(text + "\n")
        return path

    def form(self):
        return "qcow2" if "qcow2" in self.cloud.lab.on("node01", "qemu-img", "info", "-U", self.disk) else "raw"

    def back_up(self, *options, state=RUNNING):
        self.cloud.cli("onevm", "backup", self.name, *options)
        self.cloud.wait(self.name, state, 120)
        vm = self.cloud.vm(self.name)
        assert vm.findtext("USER_TEMPLATE/ERROR") is None, vm.findtext("USER_TEMPLATE/ERROR")
        image = vm.findtext("BACKUPS/BACKUP_CONFIG/INCREMENTAL_BACKUP_ID")
        wait_for("the image", 60, lambda: self.image(image).findtext("STATE") == "1")
        return [(i.findtext("ID"), i.findtext("TYPE")) for i in self.image(image).findall("BACKUP_INCREMENTS/INCREMENT")]

    def image(self, identity):
        return ET.fromstring(self.cloud.cli("oneimage", "show", "-x", identity))

    def backups(self):
        identity = self.cloud.vm(self.name).findtext("BACKUPS/BACKUP_IDS/ID")
        source = self.image(identity).findtext("SOURCE")
        return identity, self.cloud.lab.shared / source.removeprefix(DATASTORES + "/")

    def off(self):
        self.cloud.cli("onevm", "poweroff", "--hard", self.name)
        self.cloud.wait(self.name, POWEROFF, 60)


@pytest.fixture(scope="module", params=["qcow2", "raw"])
def machine(cloud, request):
    return Machine(cloud, f"kept-{request.param}", request.param)


class TestBackup:
    story = True

    def test_whole_and_increments(self, machine):
        """QEMU notes what is written in qcow2 disks; raw ones are read whole, and compared."""
        machine.write(0x11, 1 << 20)
        assert machine.back_up("-d", "backups") == [("0", "FULL")]
        machine.write(0x22, 2 << 20)
        assert machine.back_up() == [("0", "FULL"), ("1", "INCREMENT")]
        machine.write(0x33, 3 << 20)
        machine.write(0x44, 1 << 20)
        assert machine.back_up() == [("0", "FULL"), ("1", "INCREMENT"), ("2", "INCREMENT")]
        log = (machine.cloud.home / f"var/vms/{machine.id}/vm.log").read_text()
        said = ["full", "increment", "increment"] if machine.form() == "qcow2" else ["full"] * 3
        assert re.findall(r"BACKUP done in [0-9.]+ s: (full|increment)$", log, re.M) == said

    def test_after_going_back_to_a_snapshot(self, machine):
        """What QEMU noted as written is not what the disk differs in once the guest was put back."""
        if machine.form() != "qcow2":
            pytest.skip("a raw disk holds no snapshots")
        machine.write(0x66, 5 << 20)
        machine.cloud.cli("onevm", "snapshot-create", machine.name, "before")
        machine.cloud.wait(machine.name, RUNNING, 60)
        machine.back_up()
        machine.write(0x77, 5 << 20)
        machine.back_up()
        machine.cloud.cli("onevm", "snapshot-revert", machine.name, "0")
        machine.cloud.wait(machine.name, RUNNING, 60)
        said = machine.back_up()
        machine.cloud.cli("onevm", "snapshot-delete", machine.name, "0")
        machine.cloud.wait(machine.name, RUNNING, 60)
        identity, where = machine.backups()
        assert machine.holds(0x66, 5 << 20, path=f"{DATASTORES}/{where.parent.name}/{where.name}/{said[-1][0]}/disk.0")

    def test_nothing_is_left_on_the_host(self, machine):
        left = machine.cloud.lab.on("node01", "ls", f"{DATASTORES}/0/{machine.id}").split()
        assert not any("snap" in name for name in left), left
        _, where = machine.backups()
        assert [path.name for path in where.parent.iterdir() if path.name != where.name and path.name.startswith(where.name)] == []
        assert (where / "2/vm.xml").read_text().startswith("<VM>")

    def test_damaged_and_restored(self, machine):
        identity, _ = machine.backups()
        machine.off()
        machine.damage()
        assert not machine.holds(0x33, 3 << 20)
        machine.cloud.cli("onevm", "restore", machine.name, identity, "--wait")
        assert machine.cloud.vm(machine.name).findtext("USER_TEMPLATE/ERROR") is None
        assert machine.holds(0x44, 1 << 20) and machine.holds(0x22, 2 << 20) and machine.holds(0x33, 3 << 20)
        machine.cloud.cli("onevm", "restore", machine.name, identity, "--increment", "1", "--wait")
        assert machine.holds(0x11, 1 << 20) and machine.holds(0x22, 2 << 20) and machine.holds(0, 3 << 20), "as it was then"
        machine.cloud.cli("onevm", "resume", machine.name)
        machine.cloud.wait(machine.name, RUNNING, 60)

    def test_increment_of_one_that_is_off_and_fewer_of_them(self, machine):
        machine.write(0x55, 4 << 20)
        machine.off()
        machine.cloud.cli("onevm", "updateconf", machine.name, "--append", machine.conf("BACKUP_CONFIG = [ KEEP_LAST = 2 ]"))
        last = 5 if machine.form() == "qcow2" else 2  # of those that were made before, here and around the snapshot
        assert machine.back_up(state=POWEROFF) == [(str(last), "FULL"), (str(last + 1), "INCREMENT")]
        identity, where = machine.backups()
        assert sorted(path.name for path in where.iterdir()) == [str(last), str(last + 1)]
        machine.damage()
        machine.cloud.cli("onevm", "restore", machine.name, identity, "--wait")
        assert machine.holds(0x55, 4 << 20) and machine.holds(0x22, 2 << 20) and machine.holds(0, 3 << 20)
        machine.cloud.cli("onevm", "restore", machine.name, identity, "--increment", last, "--wait")
        assert machine.holds(0x33, 3 << 20) and machine.holds(0x44, 1 << 20)

    def test_images_of_it(self, machine):
        identity, _ = machine.backups()
        said = machine.cloud.cli("oneimage", "restore", identity, "-d", "default", "--name", f"again-{machine.name}")
        made = re.search(r"^Images: (\d+)$", said, re.M)[1]
        wait_for("the image", 60, lambda: machine.image(made).findtext("STATE") == "1")
        path = machine.image(made).findtext("SOURCE")
        assert machine.holds(0x55, 4 << 20, path=path, form=machine.image(made).findtext("FORMAT"))
        assert "again-kept" in machine.cloud.cli("onetemplate", "list")
        machine.cloud.cli("oneimage", "delete", made)

    def test_gone(self, machine):
        identity, where = machine.backups()
        machine.cloud.cli("oneimage", "delete", identity)
        wait_for("the backup to go", 60, lambda: not where.exists())
        machine.cloud.cli("onevm", "terminate", "--hard", machine.name)
        machine.cloud.wait(str(machine.id), DONE, 60)

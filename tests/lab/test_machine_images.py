"""Machines by image with real QEMU: linked copies of one image, a persistent one that is written and seen again, and a
disk saved while its guest writes. Each boot of the guest counts on its disk."""
import subprocess
import xml.etree.ElementTree as ET

import pytest
from lab.cloud import DONE, POWEROFF, RUNNING, Cloud, disk_count, wait_for
from lab.heartbeat import text_of

TEMPLATE = """NAME = {name}
CPU = 0.1
MEMORY = 96
OS = [ KERNEL = "{boot}/vmlinuz", INITRD = "{boot}/initrd.gz", KERNEL_CMD = "console=ttyS0 quiet panic=-1" ]
DISK = [ IMAGE = "{image}", TARGET = vda ]
"""


def files(lab):
    """What lies on the shared storage."""
    return {path for path in lab.shared.rglob("*") if path.is_file() and "guest" not in path.parts}


@pytest.fixture(scope="class")
def cloud(lab, guest, request):
    cloud = Cloud(lab, "byimage", "/var/lib/one/datastores", "MONITORING_INTERVAL_HOST = 5")
    cloud.before = files(lab)  # of tests that ran before
    try:
        cloud.start()
        cloud.cli("onehost", "create", "node01", "-i", "qemu", "-v", "qemu")
        store = cloud.home / "overlays.ds"
        store.write_text(f"NAME = overlays\nTYPE = IMAGE_DS\nDS_MAD = fs\nTM_MAD = qcow2\nSAFE_DIRS = {guest}\nDATASTORE_CAPACITY_CHECK = NO\n")
        cloud.cli("onedatastore", "create", store)
        cloud.wait_host("node01", "on")
        yield cloud
    finally:
        if request.node.cls.__dict__.get("broken"):
            print(cloud.logs())
        lab.clean()
        cloud.stop()


def image(cloud, name):
    return ET.fromstring(cloud.cli("oneimage", "show", "-x", name))


def outside(cloud, path):
    """Where a file of the hosts' datastores is, seen from here."""
    return cloud.lab.shared / str(path).removeprefix("/var/lib/one/datastores/")


def ready(cloud, name):
    wait_for(f"image {name} is ready", 120, lambda: image(cloud, name).findtext("STATE") == "1")
    return outside(cloud, image(cloud, name).findtext("SOURCE"))


def start(cloud, guest, name, of):
    identity = cloud.create(name, TEMPLATE.format(name=name, boot=guest, image=of))
    cloud.wait(name, RUNNING, 120)
    console = outside(cloud, f"0/{identity}/console.log")
    wait_for(f"the guest of {name} beats", 180, lambda: "HB 3 " in text_of(console))
    return identity


def end(cloud, identity):
    cloud.cli("onevm", "terminate", "--hard", str(identity))
    cloud.wait(str(identity), DONE, 120)


class TestByImage:
    story = True

    def test_images(self, cloud, guest):
        for name, more in (("base", []), ("own", ["--persistent"])):
            cloud.cli("oneimage", "create", "--name", name, "--path", f"{guest}/disk.img", "--type", "OS", "-d", "overlays", *more)
            assert ready(cloud, name).read_bytes() == (cloud.lab.shared / "guest/disk.img").read_bytes()

    def test_two_machines_of_one_image(self, cloud, guest):
        source = ready(cloud, "base")
        before = source.read_bytes()
        for name in ("one", "two"):
            disk = outside(cloud, f"0/{start(cloud, guest, name, 'base')}/disk.0")
            said = subprocess.run(["qemu-img", "info", "-U", disk], capture_output=True, text=True, check=True).stdout
            assert "file format: qcow2" in said and "backing file format: raw" in said
        assert image(cloud, "base").findtext("RUNNING_VMS") == "2" and source.read_bytes() == before

    def test_what_was_written_to_a_persistent_image_stays(self, cloud, guest):
        source = outside(cloud, image(cloud, "own").findtext("SOURCE"))
        for boots in (1, 2):
            identity = start(cloud, guest, f"p{boots}", "own")
            wait_for("the boot is counted", 60, lambda: source.read_bytes()[:14] == b"GLOBULE-GUEST " and disk_count(source)[0] == boots)
            end(cloud, identity)

    def test_a_disk_is_saved_while_its_guest_writes(self, cloud, tmp_path):
        cloud.cli("onevm", "disk-saveas", "one", "0", "saved")
        source = ready(cloud, "saved")
        cloud.wait("one", RUNNING)
        raw = tmp_path / "raw"
        said = subprocess.run(["qemu-img", "info", source], capture_output=True, text=True, check=True).stdout
        assert "backing file" not in said
        subprocess.run(["qemu-img", "convert", "-O", "raw", source, raw], check=True)
        assert disk_count(raw)[0] == 1

    def test_snapshots_of_a_persistent_image(self, cloud, guest):
        """One of a guest that writes, beside the image; back to it when the machine is off, and the boot after it is forgotten."""
        identity = start(cloud, guest, "snap", "own")
        source = outside(cloud, image(cloud, "own").findtext("SOURCE"))
        wait_for("the boot is counted", 60, lambda: disk_count(source)[0] == 3)
        cloud.cli("onevm", "disk-snapshot-create", "snap", "0", "third")
        wait_for("the snapshot is there", 120, lambda: image(cloud, "own").findtext("SNAPSHOTS/SNAPSHOT/NAME") == "third")
        cloud.wait("snap", RUNNING)
        assert disk_count(source.with_name(source.name + ".snap") / "0")[0] == 3
        for boots in (4, 5):
            cloud.cli("onevm", "poweroff", "--hard", "snap")
            cloud.wait("snap", POWEROFF, 120)
            if boots == 5:
                cloud.cli("onevm", "disk-snapshot-revert", "snap", "0", "0")
                wait_for("the disk is as it was", 120, lambda: disk_count(source)[0] == 3)
                cloud.wait("snap", POWEROFF, 120)
            cloud.cli("onevm", "resume", "snap")
            cloud.wait("snap", RUNNING, 120)
            wait_for("the boot is counted", 120, lambda: disk_count(source)[0] == 4)
        end(cloud, identity)
        assert image(cloud, "own").findtext("SNAPSHOTS/SNAPSHOT/NAME") == "third"

    def test_nothing_is_left(self, cloud, lab):
        for machine in ET.fromstring(cloud.cli("onevm", "list", "-x")).findall("VM"):
            end(cloud, machine.findtext("ID"))
        for name in ("base", "own", "saved"):
            assert image(cloud, name).findtext("RUNNING_VMS") == "0"
            cloud.cli("oneimage", "delete", name)
        wait_for("the images go", 60, lambda: not ET.fromstring(cloud.cli("oneimage", "list", "-x")).findall("IMAGE"))
        assert files(lab) <= cloud.before and lab.domains("node01") == []

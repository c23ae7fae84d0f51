"""Machines by image: files of a real datastore (fs) on simulated hosts, and what the images say of their machines."""
import os
import subprocess

import pytest
from api.schemas import checked
from api.server import Server
from api.states import ACTION, AUTHORIZATION, INTERNAL
from api.test_images import STATES
from api.test_scheduler import Scheduler

CONFIGURATION = """
DATASTORE_MAD = [ NAME = "store", EXECUTABLE = "one_store" ]
TM_MAD = [ NAME = "qcow2", EXECUTABLE = "one_tm", ARGUMENTS = "-d qcow2" ]
TM_MAD_CONF = [ NAME = "qcow2", LN_TARGET = "NONE", CLONE_TARGET = "SYSTEM", SHARED = "YES", DRIVER = "qcow2" ]
"""
GONE = "gone"


class Cloud:
    """An oned with a host, its usual datastores, and files to make images of."""

    def __init__(self, one, directory):
        self.one, self.directory = one, directory
        self.plain = directory / "plain.img"
        self.plain.write_bytes(b"plain" + bytes(3 << 20) + b"end")
        self.count = 0

    def image(self, text="", datastore=1, wait="READY", client=None, kind="OS", path=None):
        self.count += 1
        template = f'NAME="image{self.count}"\nTYPE={kind}\nPATH="{self.plain if path is None else path}"\n{text}'
        identity = (client or self.one).ok("one.image.allocate", template, datastore)
        if wait:
            self.wait_image(identity, wait)
        return identity

    def state(self, identity):
        reply = self.one.call("one.image.info", identity)
        return STATES[int(checked(reply[1]).findtext("STATE"))] if reply[0] else GONE

    def wait_image(self, identity, state):
        self.one.until(lambda: self.state(identity) == state, lambda: f"image {identity} to be {state}; it is {self.state(identity)}")

    def info(self, identity):
        return self.one.xml("one.image.info", identity)

    def users(self, identity):
        info = self.info(identity)
        listed = [int(i.text) for i in info.findall("VMS/ID")]
        assert int(info.findtext("RUNNING_VMS")) >= len(listed)
        return listed

    def machine(self, *images, more="", client=None, **options):
        disks = "".join(f"DISK = [ IMAGE_ID = {i} ]\n" for i in images)
        return (client or self.one).allocate(disks + more, **options)

    def run(self, identity):
        self.one.ok("one.vm.deploy", identity, 0, False, 0)
        self.one.wait(identity, "RUNNING")

    def disk(self, identity, number=0):
        return self.one.var / "datastores/0" / str(identity) / f"disk.{number}"

    def source(self, identity):
        return self.one.var.joinpath(self.info(identity).findtext("SOURCE"))

    def end(self, identity, word="terminate-hard"):
        if self.one.state(identity) != "DONE":
            self.one.action(word, identity)
            self.one.wait(identity, "DONE")

    def delete(self, identity):
        self.one.ok("one.image.delete", identity)
        self.wait_image(identity, GONE)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("by-image"), CONFIGURATION).start()
    server.simulated = True  # its hosts are, but not its files
    server.host("h1")
    server.until(lambda: int(server.xml("one.datastore.info", 1).findtext("TOTAL_MB")), "the figures of the datastore")
    sources = tmp_path_factory.mktemp("sources")
    server.ok("one.datastore.update", 1, f'SAFE_DIRS="{sources}"', 1)
    yield Cloud(server, sources)
    server.clean_up()


@pytest.fixture
def cloud(whole):
    yield whole
    whole.one.control()


def disk_of(one, identity, number=0):
    return {pair.tag: pair.text for pair in one.vm(identity).findall("TEMPLATE/DISK")[number]}


def test_disk_says_what_its_image_says(cloud):
    image = cloud.image()
    machine = cloud.machine(image, hold=True)
    assert cloud.state(image) == "USED" and cloud.users(image) == [machine]
    info = cloud.info(image)
    disk = disk_of(cloud.one, machine)
    wanted = {"IMAGE_ID": str(image), "IMAGE": info.findtext("NAME"), "SOURCE": info.findtext("SOURCE"), "SIZE": "4",
              "ORIGINAL_SIZE": "4", "DATASTORE_ID": "1", "DATASTORE": "default", "FORMAT": "raw", "DRIVER": "raw",
              "CLONE": "YES", "SAVE": "NO", "TM_MAD": "shared", "CLONE_TARGET": "SYSTEM", "LN_TARGET": "NONE",
              "TYPE": "FILE", "DISK_ID": "0", "TARGET": "sda", "DEV_PREFIX": "sd", "READONLY": "NO", "IMAGE_STATE": "2",
              "CLUSTER_ID": "0", "DISK_TYPE": "FILE", "ALLOW_ORPHANS": "YES", "DISK_SNAPSHOT_TOTAL_SIZE": "0"}
    assert {name: disk.get(name) for name in wanted} == wanted
    cloud.one.fails("one.image.delete", image, code=ACTION, text="There are 1 VMs using it")
    cloud.end(machine)
    assert cloud.state(image) == "READY" and cloud.users(image) == []
    cloud.delete(image)


def test_copy_belongs_to_its_machine(cloud):
    image = cloud.image()
    machines = [cloud.machine(image) for _ in range(2)]
    for machine in machines:
        cloud.run(machine)
    assert cloud.users(image) == machines
    first, second = (cloud.disk(machine) for machine in machines)
    assert first.read_bytes() == cloud.plain.read_bytes() and not first.is_symlink()
    first.write_bytes(b"changed")
    assert second.read_bytes() == cloud.source(image).read_bytes() == cloud.plain.read_bytes()
    for machine in machines:
        cloud.end(machine)
    assert not first.parent.exists() and not second.parent.exists()
    cloud.delete(image)


def test_persistent_image_keeps_what_was_written(cloud):
    image = cloud.image("PERSISTENT=YES")
    machine = cloud.machine(image)
    assert cloud.state(image) == "USED_PERS"
    disk = disk_of(cloud.one, machine)
    assert (disk["CLONE"], disk["SAVE"], disk["PERSISTENT"]) == ("NO", "YES", "YES")
    template = f"CPU=0.1\nMEMORY=64\nDISK=[IMAGE_ID={image}]"
    cloud.one.fails("one.vm.allocate", template, False, code=ACTION, text="persistent and another disk uses it")
    cloud.run(machine)
    assert cloud.disk(machine).is_symlink()
    cloud.disk(machine).write_bytes(b"written by a guest")
    cloud.end(machine)
    assert cloud.state(image) == "READY"
    assert cloud.source(image).read_bytes() == b"written by a guest"
    again = cloud.machine(image)
    cloud.run(again)
    assert cloud.disk(again).read_bytes() == b"written by a guest"
    cloud.end(again)
    cloud.delete(image)


def test_overlay_of_a_raw_image(cloud):
    store = cloud.one.ok("one.datastore.allocate", "NAME=overlays\nTYPE=IMAGE_DS\nDS_MAD=fs\nTM_MAD=qcow2\n"
                         f'DATASTORE_CAPACITY_CHECK=NO\nSAFE_DIRS="{cloud.directory}"', -1)
    image = cloud.image(datastore=store)
    machine = cloud.machine(image)
    cloud.run(machine)
    said = subprocess.run(["qemu-img", "info", "-U", cloud.disk(machine)], capture_output=True, text=True, check=True).stdout
    assert f"backing file: {cloud.source(image)}" in said and "backing file format: raw" in said
    assert disk_of(cloud.one, machine)["DRIVER"] == "qcow2"
    cloud.end(machine)
    cloud.delete(image)


def test_larger_than_its_image(cloud):
    image = cloud.image()
    machine = cloud.machine(more=f"DISK=[IMAGE_ID={image}, SIZE=9]\n")
    disk = disk_of(cloud.one, machine)
    assert (disk["SIZE"], disk["ORIGINAL_SIZE"]) == ("9", "4")
    cloud.run(machine)
    assert cloud.disk(machine).stat().st_size == 9 << 20
    cloud.end(machine)
    smaller = cloud.machine(more=f"DISK=[IMAGE_ID={image}, SIZE=1]\n", hold=True)
    assert disk_of(cloud.one, smaller)["SIZE"] == "4"
    cloud.end(smaller)
    cloud.delete(image)


def test_by_name_and_whose_it_is(cloud):
    one = cloud.one
    image = cloud.image()
    name = cloud.info(image).findtext("NAME")
    for reference in (f'IMAGE="{name}"', f'IMAGE="{name}", IMAGE_UID=0', f'IMAGE="{name}", IMAGE_UNAME=oneadmin'):
        machine = one.allocate(f"DISK=[{reference}]", hold=True)
        assert disk_of(one, machine)["IMAGE_ID"] == str(image)
        cloud.end(machine)
    base = "CPU=0.1\nMEMORY=64\n"
    one.fails("one.vm.allocate", base + "DISK=[IMAGE=nothing]", False, code=INTERNAL, text="does not own an image with name: nothing")
    one.fails("one.vm.allocate", base + f'DISK=[IMAGE="{name}", IMAGE_UNAME=nobody]', False, code=INTERNAL, text="IMAGE_UNAME")
    one.fails("one.vm.allocate", base + "DISK=[IMAGE_ID=4711]", False, code=INTERNAL, text="Image with ID: 4711 does not exist")
    one.fails("one.vm.allocate", base + f"DISK=[IMAGE_ID={2**32 + image}]", False, code=INTERNAL, text="does not exist")
    assert cloud.users(image) == []
    cloud.delete(image)


def test_right_to_use_the_image(cloud):
    one = cloud.one
    one.user("eve-by-image")
    eve = one.client("eve-by-image:pw")
    image = cloud.image()
    template = f"CPU=0.1\nMEMORY=64\nDISK=[IMAGE_ID={image}]"
    eve.fails("one.vm.allocate", template, False, code=AUTHORIZATION)
    assert cloud.users(image) == []
    one.ok("one.image.chmod", image, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    # What leads to other files is the server's, whatever a template says.
    machine = eve.allocate(f'DISK=[IMAGE_ID={image}, FORMAT=qcow2, CLONE=NO, DRIVER=raw, PERSISTENT=YES]', hold=True)
    disk = disk_of(one, machine)
    assert disk["SOURCE"] == str(cloud.source(image)) and disk["CLONE"] == "YES" and "PERSISTENT" not in disk
    cloud.end(machine)
    cloud.delete(image)


def test_several_disks_of_one_image(cloud):
    image = cloud.image()
    machine = cloud.machine(image, image, hold=True)
    assert cloud.users(image) == [machine] and cloud.info(image).findtext("RUNNING_VMS") == "2", "disks count"
    cloud.end(machine)
    assert cloud.state(image) == "READY" and cloud.users(image) == []
    # When one image cannot be had, none is taken.
    disabled = cloud.image()
    cloud.one.ok("one.image.enable", disabled, False)
    text = f"CPU=0.1\nMEMORY=64\nDISK=[IMAGE_ID={image}]\nDISK=[IMAGE_ID={disabled}]"
    cloud.one.fails("one.vm.allocate", text, False, code=ACTION, text="it is in state DISABLED")
    assert cloud.state(image) == "READY" and cloud.users(image) == []
    cloud.delete(image)
    cloud.delete(disabled)


def test_attached_and_detached(cloud):
    image, own = cloud.image(), cloud.image("PERSISTENT=YES")
    machine = cloud.machine(image)
    cloud.run(machine)
    cloud.one.ok("one.vm.attach", machine, f"DISK=[IMAGE_ID={own}]")
    cloud.one.wait(machine, "RUNNING")
    assert cloud.users(own) == [machine] and cloud.disk(machine, 1).is_symlink()
    cloud.disk(machine, 1).write_bytes(b"attached")
    cloud.one.fails("one.vm.attach", machine, f"DISK=[IMAGE_ID={own}]", code=ACTION)
    cloud.one.ok("one.vm.detach", machine, 1)
    cloud.one.wait(machine, "RUNNING")
    assert cloud.users(own) == [] and cloud.state(own) == "READY"
    assert cloud.source(own).read_bytes() == b"attached" and not os.path.lexists(cloud.disk(machine, 1))
    # An attachment that fails gives its image back.
    cloud.one.control("ATTACHDISK * fail=1")
    cloud.one.ok("one.vm.attach", machine, f"DISK=[IMAGE_ID={own}]")
    cloud.one.until(lambda: cloud.users(own) == [] and cloud.one.state(machine) == "RUNNING", "the image to be given back")
    cloud.one.control()
    assert len(cloud.one.vm(machine).findall("TEMPLATE/DISK")) == 1
    cloud.one.fails("one.vm.attach", machine, "DISK=[IMAGE_ID=55]", code=ACTION, text="Image with ID: 55 does not exist")
    cloud.end(machine)
    assert cloud.users(image) == []
    cloud.delete(own)
    cloud.delete(image)


def size_of(cloud, image):
    return int(cloud.info(image).findtext("SIZE"))


def test_persistent_disk_made_larger(cloud):
    one, image = cloud.one, cloud.image("PERSISTENT=YES")
    machine = cloud.machine(image)
    cloud.run(machine)
    one.fails("one.vm.diskresize", machine, 0, "4", code=ACTION, text="can only grow")
    one.fails("one.vm.diskresize", machine, 0, "2000000000", code=ACTION, text="Not enough space in datastore")
    one.control("RESIZEDISK * fail=1")
    one.ok("one.vm.diskresize", machine, 0, "9")
    one.wait(machine, "RUNNING")
    assert disk_of(one, machine)["SIZE"] == "4" and size_of(cloud, image) == 4
    one.control()
    one.ok("one.vm.diskresize", machine, 0, "9")  # by its hypervisor, a simulated one here
    one.wait(machine, "RUNNING")
    assert disk_of(one, machine)["SIZE"] == disk_of(one, machine)["ORIGINAL_SIZE"] == "9" and size_of(cloud, image) == 9
    one.action("poweroff-hard", machine)
    one.wait(machine, "POWEROFF")
    one.ok("one.vm.diskresize", machine, 0, "12")
    one.wait(machine, "POWEROFF")
    assert size_of(cloud, image) == 12 and cloud.source(image).stat().st_size == 12 << 20 and cloud.disk(machine).is_symlink()
    cloud.end(machine, "terminate")
    again = cloud.machine(image, hold=True)
    assert disk_of(one, again)["SIZE"] == "12"
    cloud.end(again)
    cloud.delete(image)


@pytest.mark.parametrize("comes_back", [True, False])
def test_persistent_disk_made_larger_on_its_host(cloud, comes_back):
    """Brought to the host and back by ssh: the image has another size when it is back, and not when it never comes."""
    one, image = cloud.one, cloud.image("PERSISTENT=YES")
    store = one.ok("one.datastore.allocate", f"NAME=hosts-{comes_back}\nTYPE=SYSTEM_DS\nTM_MAD=ssh", -1)
    host = one.host("localhost")
    machine = cloud.machine(image)
    one.ok("one.vm.deploy", machine, host, False, store)
    one.wait(machine, "RUNNING")
    one.ok("one.vm.diskresize", machine, 0, "9")
    one.wait(machine, "RUNNING")
    assert (disk_of(one, machine)["SIZE"], disk_of(one, machine)["ORIGINAL_SIZE"], size_of(cloud, image)) == ("9", "4", 4)
    if comes_back:
        cloud.end(machine)
    else:
        one.ok("one.vm.recover", machine, 3)
        one.wait(machine, "DONE")
    assert size_of(cloud, image) == (9 if comes_back else 4) and cloud.state(image) == "READY"
    cloud.delete(image)
    one.ok("one.host.delete", host)
    one.ok("one.datastore.delete", store)


def tree(info):
    """Snapshots of an image, or of a machine's only disk that has some: (id, parent, the base)."""
    assert info.find("SNAPSHOTS/ALLOW_ORPHANS").text == "YES"
    return [(int(s.findtext("ID")), int(s.findtext("PARENT")), s.findtext("ACTIVE") == "YES") for s in info.iter("SNAPSHOT")]


@pytest.mark.parametrize("transfer", ["shared", "ssh"])
def test_snapshots_of_a_persistent_image(cloud, transfer):
    """In place where the disk is a link, else brought back with it; the next machine has them, and so has the image."""
    one, image = cloud.one, cloud.image("PERSISTENT=YES")
    store = one.ok("one.datastore.allocate", f"NAME=snap-{transfer}\nTYPE=SYSTEM_DS\nTM_MAD={transfer}", -1)
    host = one.host(f"localhost-{transfer}" if transfer == "shared" else "localhost")
    source, began = cloud.source(image), cloud.source(image).read_bytes()
    kept = source.with_name(source.name + ".snap")

    def start():
        machine = cloud.machine(image)
        one.ok("one.vm.deploy", machine, host, False, store)
        one.wait(machine, "RUNNING")
        one.action("poweroff-hard", machine)
        one.wait(machine, "POWEROFF")
        return machine, one.var / f"datastores/{store}/{machine}/disk.0"

    def do(what, machine, *arguments):
        result = one.ok(f"one.vm.disksnapshot{what}", machine, 0, *arguments)
        one.wait(machine, "POWEROFF")
        return result

    machine, disk = start()
    assert do("create", machine, "first") == 0
    disk.write_bytes(b"later")  # behind the link, if it is one
    assert do("create", machine, "second") == 1
    do("revert", machine, 0)
    assert disk.read_bytes() == began
    assert disk.is_symlink() == (transfer == "shared")
    if transfer == "shared":
        assert tree(cloud.info(image)) == tree(one.vm(machine)) == [(0, -1, True), (1, 0, False)]
        assert (kept / "1").read_bytes() == b"later" and source.read_bytes() == began
    else:
        assert cloud.info(image).find("SNAPSHOTS/SNAPSHOT") is None and not kept.exists()
    cloud.end(machine)
    assert cloud.state(image) == "READY" and tree(cloud.info(image)) == [(0, -1, True), (1, 0, False)]
    assert (kept / "0").read_bytes() == source.read_bytes() == began and (kept / "1").read_bytes() == b"later"
    # Another machine has them, too.
    machine, disk = start()
    assert tree(one.vm(machine)) == [(0, -1, True), (1, 0, False)]
    do("revert", machine, 1)
    assert disk.read_bytes() == b"later" and do("create", machine, "third") == 2
    do("delete", machine, 0)
    saved = one.ok("one.vm.disksaveas", machine, 0, f"saved-{transfer}", "", 1)
    cloud.wait_image(saved, "READY")
    assert cloud.source(saved).read_bytes() == b"later"
    one.wait(machine, "POWEROFF")
    cloud.end(machine)
    assert tree(cloud.info(image)) == [(1, -1, False), (2, 1, True)] and sorted(path.name for path in kept.iterdir()) == ["1", "2"]
    # And without one.
    source.write_bytes(b"new")
    one.fails("one.image.snapshotrevert", image, 0, code=ACTION, text="0")
    for call, left in (("revert", [(1, -1, True), (2, 1, False)]), ("delete", [(1, -1, True)]), ("flatten", [])):
        one.ok(f"one.image.snapshot{call}", image, 2 if call == "delete" else 1)
        cloud.wait_image(image, "READY")
        assert tree(cloud.info(image)) == left and source.read_bytes() == b"later"
    assert not kept.exists()
    for gone in (image, saved):
        cloud.delete(gone)
    one.ok("one.host.delete", host)
    one.ok("one.datastore.delete", store)


def test_snapshot_that_must_not_be_an_orphan(cloud):
    """With ALLOW_ORPHANS = NO of the image's datastore neither the base of a disk nor a parent goes."""
    one, image = cloud.one, cloud.image()
    one.ok("one.datastore.update", 1, "ALLOW_ORPHANS=NO", 1)
    machine = cloud.machine(image)
    cloud.run(machine)
    for number in range(2):
        assert one.ok("one.vm.disksnapshotcreate", machine, 0, "s") == number
        one.wait(machine, "RUNNING")
    one.fails("one.vm.disksnapshotdelete", machine, 0, 0, code=ACTION, text="has children")
    one.fails("one.vm.disksnapshotdelete", machine, 0, 1, code=ACTION, text="stands on")
    one.ok("one.datastore.update", 1, "ALLOW_ORPHANS=YES", 1)
    cloud.end(machine)
    cloud.delete(image)


def test_growth_of_another_owner_s_image(cloud):
    one, image = cloud.one, cloud.image("PERSISTENT=YES")
    ann = one.ok("one.user.allocate", "grower", "secret", "core", [1])
    one.ok("one.image.chown", image, ann, 1)
    machine = cloud.machine(image)
    cloud.run(machine)
    one.ok("one.user.quota", ann, "DATASTORE=[ID=1, SIZE=8]")
    one.fails("one.vm.diskresize", machine, 0, "9", code=AUTHORIZATION, text="limit of 8 reached for SIZE")
    one.ok("one.vm.diskresize", machine, 0, "8")
    one.wait(machine, "RUNNING")
    assert one.xml("one.user.info", ann).findtext("DATASTORE_QUOTA/DATASTORE/SIZE_USED") == "8"
    cloud.end(machine)
    cloud.delete(image)
    one.ok("one.user.delete", ann)


# ---- room for disks ----

def test_room_in_a_shared_system_datastore(cloud):
    one, image = cloud.one, cloud.image()
    one.until(lambda: int(one.xml("one.datastore.info", 0).findtext("TOTAL_MB")), "the figures of the datastore")
    used = int(one.xml("one.datastore.info", 0).findtext("USED_MB"))
    one.ok("one.datastore.update", 0, f"LIMIT_MB={used + 10000}", 1)
    first, second = (cloud.machine(more=f"DISK=[IMAGE_ID={image}, SIZE=9]\nDISK=[TYPE=swap, SIZE={size}]\n") for size in (1, 20000))
    one.fails("one.vm.deploy", second, 0, True, 0, code=ACTION, text="datastore 0 for the disks of the machine on host h1: 20009 MiB are wanted, ")
    assert one.state(second) == "PENDING"
    one.ok("one.vm.deploy", first, 0, True, 0)
    one.wait(first, "RUNNING")
    assert one.xml("one.host.info", 0).findtext("HOST_SHARE/DATASTORES/DISK_USAGE") == "0"
    for machine in (first, second):
        cloud.end(machine)
    one.ok("one.datastore.update", 0, "LIMIT_MB=", 1)
    cloud.delete(image)


# ---- clusters ----

def test_only_in_the_clusters_of_its_images(cloud):
    one, away = cloud.one, cloud.one.ok("one.cluster.allocate", "away")
    store = one.ok("one.datastore.allocate", f'NAME=away\nTYPE=IMAGE_DS\nDS_MAD=fs\nTM_MAD=shared\nDATASTORE_CAPACITY_CHECK=NO\n'
                   f'SAFE_DIRS="{cloud.directory}"', away)
    here, there = cloud.image(), cloud.image(datastore=store)
    one.fails("one.vm.allocate", f"CPU=0.1\nMEMORY=64\nDISK=[IMAGE_ID={here}]\nDISK=[IMAGE_ID={there}]", False, code=INTERNAL,
              text="Incompatible clusters: the networks of the machine and the datastores of its images have no cluster in common")
    assert cloud.users(here) == cloud.users(there) == []
    scheduler = Scheduler(one).start()
    try:
        waits, runs = cloud.machine(there), cloud.machine(here)
        assert one.vm(waits).findtext("TEMPLATE/AUTOMATIC_REQUIREMENTS") == f"(CLUSTER_ID = {away}) & !(PIN_POLICY = PINNED)"
        assert one.vm(waits).findtext("TEMPLATE/AUTOMATIC_DS_REQUIREMENTS") == f'("CLUSTERS/ID" @> {away})'
        one.wait(runs, "RUNNING")
        one.until(lambda: "AUTOMATIC_REQUIREMENTS" in (one.vm(waits).findtext("USER_TEMPLATE/SCHED_MESSAGE") or ""), "the reason to be told")
        one.ok("one.cluster.adddatastore", 0, store)
        both = cloud.machine(here, there)
        assert "(CLUSTER_ID = 0)" in one.vm(both).findtext("TEMPLATE/AUTOMATIC_REQUIREMENTS")
        one.wait(both, "RUNNING")
    finally:
        scheduler.clean_up()
    for machine in (waits, runs, both):
        cloud.end(machine)
    for image in (here, there):
        cloud.delete(image)
    one.ok("one.datastore.delete", store)


def test_deleted_by_recover(cloud):
    image = cloud.image("PERSISTENT=YES")
    machine = cloud.machine(image)
    cloud.run(machine)
    cloud.disk(machine).write_bytes(b"kept")
    cloud.one.ok("one.vm.recover", machine, 3)
    cloud.one.wait(machine, "DONE")
    assert cloud.state(image) == "READY" and cloud.source(image).read_bytes() == b"kept"
    cloud.delete(image)


def test_image_in_doubt(cloud):
    """A record is deleted while its guest runs: no other machine gets the image before somebody has looked."""
    image = cloud.image("PERSISTENT=YES")
    machine = cloud.machine(image)
    cloud.run(machine)
    cloud.one.ok("one.vm.recover", machine, 5)
    cloud.one.wait(machine, "DONE")
    assert cloud.state(image) == "ERROR"
    reason = cloud.info(image).findtext("TEMPLATE/ERROR")
    assert f"Machine {machine} may still write" in reason and f"`oneimage enable {image}`" in reason
    cloud.one.fails("one.vm.allocate", f"CPU=0.1\nMEMORY=64\nDISK=[IMAGE_ID={image}]", False, code=ACTION, text="in state ERROR")
    cloud.one.ok("one.image.enable", image, True)
    assert cloud.state(image) == "READY" and cloud.info(image).find("TEMPLATE/ERROR") is None
    cloud.disk(machine).unlink()  # of what is left on the host only its administrator knows
    cloud.delete(image)


def test_stays_used_over_a_restart(cloud):
    image = cloud.image()
    machine = cloud.machine(image)
    cloud.run(machine)
    cloud.one.restart(clean=False)
    assert cloud.users(image) == [machine] and cloud.state(image) == "USED"
    cloud.end(machine)
    assert cloud.state(image) == "READY"
    cloud.delete(image)


# ---- saved as images ----

def save(cloud, machine, name, disk=0, snapshot=-1, kind=""):
    image = cloud.one.ok("one.vm.disksaveas", machine, disk, name, kind, snapshot)
    cloud.wait_image(image, "READY")
    return image


def test_disk_saved_as_an_image(cloud):
    one, image = cloud.one, cloud.image()
    machine = cloud.machine(image)
    cloud.run(machine)
    live = save(cloud, machine, "live")
    vm = one.wait(machine, "RUNNING")
    assert vm.find("SNAPSHOTS") is None and not cloud.disk(machine).with_name("disk.0.snap").exists()
    one.action("poweroff-hard", machine)
    one.wait(machine, "POWEROFF")
    cloud.disk(machine).write_bytes(b"later")
    off = save(cloud, machine, "off", kind="DATABLOCK")
    assert cloud.source(off).read_bytes() == b"later" and cloud.info(off).findtext("TYPE") == "2"
    one.wait(machine, "POWEROFF")
    assert one.ok("one.vm.disksnapshotcreate", machine, 0, "s") == 0
    one.wait(machine, "POWEROFF")
    cloud.disk(machine).write_bytes(b"last")
    of_snapshot = save(cloud, machine, "of snapshot", snapshot=0)
    assert cloud.source(of_snapshot).read_bytes() == b"later"
    info = cloud.info(of_snapshot)
    assert [info.findtext(f"TEMPLATE/SAVED_{name}_ID") for name in ("VM", "DISK", "IMAGE")] == [str(machine), "0", str(image)]
    assert cloud.users(image) == [machine] and cloud.users(live) == []
    one.fails("one.vm.disksaveas", machine, 0, "off", "", -1, text="NAME is already taken")
    one.fails("one.vm.disksaveas", machine, 7, "x", "", -1, code=ACTION, text="does not exist")
    one.fails("one.vm.disksaveas", machine, 0, "x", "KERNEL", -1, code=ACTION, text="cannot be saved as")
    one.fails("one.vm.disksaveas", machine, 0, "x", "", 9, code=ACTION, text="has no snapshot 9")
    cloud.end(machine)
    again = cloud.machine(off, hold=True)
    cloud.end(again)
    for one_image in (image, live, off, of_snapshot):
        cloud.delete(one_image)


def test_disk_that_cannot_be_saved(cloud):
    one, image = cloud.one, cloud.image()
    machine = cloud.machine(image, more='DISK=[TYPE=fs, SIZE=4]\n')
    one.fails("one.vm.disksaveas", machine, 0, "early", "", -1, code=ACTION, text="wrong state PENDING")
    cloud.run(machine)
    one.fails("one.vm.disksaveas", machine, 1, "volatile", "", -1, code=ACTION, text="not made of an image")
    one.action("poweroff-hard", machine)
    one.wait(machine, "POWEROFF")
    cloud.disk(machine).unlink()
    saved = one.ok("one.vm.disksaveas", machine, 0, "lost", "", -1)
    cloud.wait_image(saved, "ERROR")
    vm = one.wait(machine, "POWEROFF")
    assert "disk.0" in vm.findtext("USER_TEMPLATE/ERROR") and "disk.0" in cloud.info(saved).findtext("TEMPLATE/ERROR")
    cloud.end(machine)
    cloud.delete(saved)
    cloud.delete(image)


# ---- templates and their images ----

def test_template_with_its_images(cloud):
    one, image = cloud.one, cloud.image()
    template = one.ok("one.template.allocate", f"NAME=with-images\nCPU=0.1\nMEMORY=64\nDISK=[TYPE=fs, SIZE=2]\nDISK=[IMAGE_ID={image}]")
    plain = one.ok("one.template.clone", template, "plain")
    assert one.xml("one.template.info", plain).findtext("TEMPLATE/DISK[2]/IMAGE_ID") == str(image)
    copy = one.ok("one.template.clone", template, "copied", True)
    own = int(one.xml("one.template.info", copy).findtext("TEMPLATE/DISK[2]/IMAGE_ID"))
    assert own != image and cloud.info(own).findtext("NAME") == "copied-disk-1"
    cloud.wait_image(own, "READY")
    one.ok("one.template.chmod", copy, -1, -1, -1, 1, -1, -1, -1, -1, -1, True)
    assert [cloud.info(i).findtext("PERMISSIONS/GROUP_U") for i in (own, image)] == ["1", "0"]
    machine = one.ok("one.template.instantiate", template, "lasting", False, "", True)
    one.wait(machine, "PENDING")
    disk = disk_of(one, machine, 1)
    kept = int(disk["IMAGE_ID"])
    assert disk["PERSISTENT"] == "YES" and cloud.state(kept) == "USED_PERS" and cloud.state(image) == "READY"
    lasting = int(one.vm(machine).findtext("TEMPLATE/TEMPLATE_ID"))
    assert one.xml("one.template.info", lasting).findtext("TEMPLATE/DISK[2]/IMAGE_ID") == str(kept)
    one.fails("one.template.delete", lasting, True, code=ACTION, text="it is in state USED_PERS")
    cloud.end(machine)
    for own_template in (lasting, copy):
        one.ok("one.template.delete", own_template, True)
    for gone in (kept, own):
        cloud.wait_image(gone, GONE)
    one.ok("one.template.delete", plain)
    one.ok("one.template.delete", template)
    assert cloud.state(image) == "READY"
    cloud.delete(image)


def test_template_whose_machine_is_refused(cloud):
    """A copy that was begun for a machine that cannot be made goes again."""
    one, image = cloud.one, cloud.image()
    template = one.ok("one.template.allocate", f"NAME=refused\nCPU=0.1\nMEMORY=64\nDISK=[IMAGE_ID={image}]\nNIC=[NETWORK_ID=4711]")
    one.fails("one.template.instantiate", template, "never", False, "", True, text="network with ID: 4711")
    one.until(lambda: len(one.xml("one.imagepool.info", -2, -1, -1).findall("IMAGE")) == 1, "the copy to go")
    one.until(lambda: cloud.state(image) == "READY", "the image to be free")
    assert "never" not in [name.text for name in one.xml("one.templatepool.info", -2, -1, -1).iter("NAME")]
    one.ok("one.template.delete", template)
    cloud.delete(image)


# ---- files ----

def test_kernel_and_context_files(cloud):
    one = cloud.one
    one.ok("one.datastore.update", 2, f'SAFE_DIRS="{cloud.directory}"', 1)
    one.until(lambda: int(one.xml("one.datastore.info", 2).findtext("TOTAL_MB")), "the figures of the files")
    kernel, ramdisk = (cloud.image(datastore=2, kind=kind) for kind in ("KERNEL", "RAMDISK"))
    note = cloud.directory / "note"
    note.write_text("for the guest\n")
    file = cloud.image(datastore=2, kind="CONTEXT", path=note)
    name = cloud.info(file).findtext("NAME")
    machine = cloud.machine(more=f"""OS = [ KERNEL_DS = "$FILE[IMAGE_ID={kernel}]", INITRD_DS = "$FILE[IMAGE_ID={ramdisk}]" ]
CONTEXT = [ HELLO = "yes", FILES_DS = "$FILE[IMAGE=\\"{name}\\"]" ]
""")
    cloud.run(machine)
    assert cloud.disk(machine).with_name("kernel").read_bytes() == cloud.plain.read_bytes()
    assert cloud.disk(machine).with_name("initrd").read_bytes() == cloud.plain.read_bytes()
    disc = cloud.disk(machine).read_bytes()
    assert b"for the guest" in disc and b"HELLO='yes'" in disc and b"FILES_DS" not in disc
    cloud.end(machine)
    base = "CPU=0.1\nMEMORY=64\n"
    for wrong, text in ((f"$FILE[IMAGE_ID={file}]", "is of type CONTEXT"), ("/boot/vmlinuz", "is not one $FILE"),
                        ("$FILE[IMAGE_ID=4711]", "does not exist"), ("$FILE[]", "names no image")):
        one.fails("one.vm.allocate", base + f'OS=[KERNEL_DS="{wrong}"]', False, code=INTERNAL, text=text)
    one.fails("one.vm.allocate", base + f"DISK=[IMAGE_ID={kernel}]", False, code=ACTION, text="a disk is made of")
    one.user("files-by-image")
    other = one.client("files-by-image:pw")
    other.fails("one.vm.allocate", base + f'OS=[KERNEL_DS="$FILE[IMAGE_ID={kernel}]"]', False, code=AUTHORIZATION)
    for image in (kernel, ramdisk, file):
        cloud.delete(image)


# ---- images that are not ready ----

@pytest.fixture(scope="module")
def slow(whole):
    """A datastore whose driver is a script that can be told to wait or to fail (drivers/one_store)."""
    (whole.one.var / "store").mkdir()
    store = whole.one.ok("one.datastore.allocate", "NAME=slow\nTYPE=IMAGE_DS\nDS_MAD=store\nTM_MAD=dummy\n"
                         "DATASTORE_CAPACITY_CHECK=NO", -1)

    def tell(what, action, text=None):
        path = whole.one.var / "store" / f"{what}-{action}"
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(text)
    return store, tell


def test_machine_waits_for_its_image(cloud, slow):
    store, tell = slow
    tell("hold", "MKFS", "")
    image = cloud.image("SIZE=10", store, wait="LOCKED", kind="DATABLOCK", path="")
    ready = cloud.image()
    machine, held = cloud.machine(ready, image), cloud.machine(image, hold=True)
    assert cloud.one.state(machine) == cloud.one.state(held) == "CLONING"
    assert cloud.state(image) == "LOCKED_USED" and disk_of(cloud.one, machine, 1).get("SOURCE") in (None, "")
    cloud.one.fails("one.vm.deploy", machine, 0, code=ACTION)
    cloud.one.restart(clean=False)
    assert cloud.one.state(machine) == "CLONING"
    tell("hold", "MKFS")
    cloud.one.wait(machine, "PENDING")
    cloud.one.wait(held, "HOLD")
    assert disk_of(cloud.one, machine, 1)["SOURCE"] == cloud.info(image).findtext("SOURCE") != ""
    assert cloud.state(image) == "USED"
    for identity in (machine, held):
        cloud.end(identity)
    assert cloud.users(ready) == cloud.users(image) == []
    cloud.delete(ready)
    cloud.delete(image)


def test_image_that_cannot_be_made(cloud, slow):
    store, tell = slow
    tell("hold", "MKFS", "")
    image = cloud.image("SIZE=10", store, wait="LOCKED", kind="DATABLOCK", path="")
    machine, other = cloud.machine(image), cloud.machine(image)
    tell("fail", "MKFS", "the shelf is full")
    tell("hold", "MKFS")
    cloud.one.wait(machine, "CLONING_FAILURE")
    vm = cloud.one.wait(other, "CLONING_FAILURE")
    assert "the shelf is full" in vm.findtext("USER_TEMPLATE/ERROR")
    assert cloud.users(image) == [machine, other]
    cloud.one.ok("one.vm.recover", machine, 1)
    assert cloud.one.state(machine) == "CLONING_FAILURE", "the image is still in error"
    tell("fail", "MKFS")
    cloud.one.ok("one.vm.recover", other, 3)
    cloud.one.wait(other, "DONE")
    cloud.end(machine, "terminate")
    assert cloud.users(image) == []
    cloud.one.ok("one.image.delete", image, True)
    cloud.wait_image(image, GONE)


def test_nothing_is_left(cloud):
    """All of the above gave back what it had."""
    for machine in cloud.one.xml("one.vmpool.info", -2, -1, -1, -1).findall("VM/ID"):
        cloud.end(int(machine.text))
    assert cloud.one.xml("one.imagepool.info", -2, -1, -1).findall("IMAGE") == []
    left = [path for path in (cloud.one.var / "datastores").rglob("*") if path.is_file() or path.is_symlink()]
    assert left == []
    cloud.one.stop()
    checked_by_oned = cloud.one.command("--check")
    assert checked_by_oned.returncode == 0, checked_by_oned.stdout
    cloud.one.start()

"""Backups of machines: images of type BACKUP, their increments, what limits them, and what goes wrong with them."""
import pytest
from api.schemas import checked
from api.states import ACTION, AUTHORIZATION
from api.test_hotplug import actions
from api.test_images import STATES

STORE = 'NAME = "{name}"\nTYPE = BACKUP_DS\nDS_MAD = dummy\nTM_MAD = dummy'
DISK = 'DISK = [ TYPE = "fs", SIZE = "{size}" ]\n'
VOLATILE = 'BACKUP_CONFIG = [ BACKUP_VOLATILE = YES{more} ]\n'


def new_store(one, name="backups", wait=True):
    identity = one.ok("one.datastore.allocate", STORE.format(name=name), -1)
    if wait:
        one.until(lambda: one.xml("one.datastore.info", identity).findtext("TOTAL_MB") != "0", "the datastore's figures")
    return identity


@pytest.fixture(scope="module")
def store(one):
    return new_store(one)


@pytest.fixture
def machine(one):
    made = []

    def make(more="", size=100, state="RUNNING", host=0):
        made.append(one.running(host, DISK.format(size=size) + VOLATILE.format(more=more)))
        if state != "RUNNING":
            one.action("poweroff-hard", made[-1])
            one.wait(made[-1], "POWEROFF")
        return made[-1]
    yield make
    one.control()
    for identity in made:
        one.call("one.vm.backupcancel", identity)  # of a test that failed: the next one finds all as it was
        one.until(lambda: one.state(identity) in ("RUNNING", "POWEROFF", "DONE"), "the machine to rest")
        left = backups(one, identity)
        one.ok("one.vm.recover", identity, 3)
        one.wait(identity, "DONE")
        for image in left:
            one.call("one.image.delete", image)


def backups(one, machine):
    return [int(i.text) for i in one.vm(machine).findall("BACKUPS/BACKUP_IDS/ID")]


def settings(one, machine):
    return {pair.tag: pair.text for pair in one.vm(machine).find("BACKUPS/BACKUP_CONFIG")}


def image_of(one, identity):
    """State, size in MiB, disks, and (id, type, parent, size) of each increment; None: gone."""
    reply = one.call("one.image.info", identity)
    if not reply[0]:
        return None
    info = checked(reply[1])
    return (STATES[int(info.findtext("STATE"))], int(info.findtext("SIZE")),
            [int(i.text) for i in info.findall("BACKUP_DISK_IDS/ID")],
            [(int(i.findtext("ID")), i.findtext("TYPE"), int(i.findtext("PARENT_ID")), int(i.findtext("SIZE")))
             for i in info.findall("BACKUP_INCREMENTS/INCREMENT")])


def back_up(one, machine, *arguments, state="RUNNING"):
    """The image with the backup."""
    assert one.ok("one.vm.backup", machine, *arguments) == machine
    one.wait(machine, state)
    return backups(one, machine)[-1]


def no_backup_image(one, store):
    one.until(lambda: not one.xml("one.datastore.info", store).findall("IMAGES/ID"), "no image in the datastore")


@pytest.mark.parametrize("state", ["RUNNING", "POWEROFF"])
def test_a_backup(one, store, machine, state):
    vm = machine(state=state)
    one.control("BACKUP * hold=1")
    assert one.ok("one.vm.backup", vm, store, False) == vm
    assert one.vm(vm).findtext("LCM_STATE") == ("69" if state == "RUNNING" else "70")
    [image] = [int(i.text) for i in one.xml("one.datastore.info", store).findall("IMAGES/ID")]
    assert image_of(one, image) == ("LOCKED", 100, [0], []), "its room is taken before anything is done"
    assert backups(one, vm) == []
    one.fails("one.image.delete", image, code=ACTION, text=f"Machine {vm} is being backed up to it")
    one.fails("one.vm.backup", vm, store, code=ACTION, text="wrong state BACKUP")
    one.control()
    one.wait(vm, state)
    assert backups(one, vm) == [image]
    assert image_of(one, image) == ("READY", 1, [0], [(0, "FULL", -1, 1)])
    info = one.xml("one.image.info", image)
    assert info.findtext("TYPE") == "6" and info.findtext("TEMPLATE/VM_ID") == str(vm)
    kept = settings(one, vm)
    assert kept["BACKUP_VOLATILE"] == "YES" and kept["LAST_DATASTORE_ID"] == str(store)
    if state == "RUNNING":
        assert actions(one.vm(vm)) == [50, 0]
    second = back_up(one, vm, state=state)
    assert second != image and backups(one, vm) == [image, second], "each is whole, in the datastore of the last"
    for each in (image, second):
        one.ok("one.image.delete", each)
    one.until(lambda: backups(one, vm) == [], "the machine to know of none")
    no_backup_image(one, store)


def test_increments(one, store, machine):
    vm = machine(", MODE = INCREMENT")
    image = back_up(one, vm, store)
    for _ in range(2):
        assert back_up(one, vm) == image
    assert image_of(one, image)[3] == [(0, "FULL", -1, 1), (1, "INCREMENT", 0, 1), (2, "INCREMENT", 1, 1)]
    assert settings(one, vm)["LAST_INCREMENT_ID"] == "2" and settings(one, vm)["INCREMENTAL_BACKUP_ID"] == str(image)
    fresh = back_up(one, vm, -1, True)
    assert fresh != image and image_of(one, fresh)[3] == [(0, "FULL", -1, 1)], "reset begins a new series"
    assert back_up(one, vm) == fresh
    one.ok("one.image.delete", fresh)
    one.until(lambda: image_of(one, fresh) is None, "the image to go")
    assert "INCREMENTAL_BACKUP_ID" not in settings(one, vm)
    last = back_up(one, vm)
    assert image_of(one, last)[3] == [(0, "FULL", -1, 1)], "the series is gone, another begins"
    one.restart()
    assert backups(one, vm) == [image, last] and len(image_of(one, image)[3]) == 3
    for each in (image, last):
        one.ok("one.image.delete", each)


def test_keep_last(one, store, machine):
    vm = machine(", KEEP_LAST = 2")
    made = [back_up(one, vm, store) for _ in range(4)]
    one.until(lambda: backups(one, vm) == made[2:], "the oldest to go")
    series = machine(", KEEP_LAST = 2, MODE = INCREMENT")
    image = back_up(one, series, store)
    for wanted in ([(0, "FULL", -1, 1), (1, "INCREMENT", 0, 1)], [(1, "FULL", -1, 1), (2, "INCREMENT", 1, 1)],
                   [(2, "FULL", -1, 1), (3, "INCREMENT", 2, 1)]):
        back_up(one, series)
        one.until(lambda: (found := image_of(one, image))[0] == "READY" and found[3] == wanted, lambda: f"{wanted}: {image_of(one, image)}")
    for each in [*made[2:], image]:
        one.ok("one.image.delete", each)
    no_backup_image(one, store)


@pytest.mark.parametrize("state", ["RUNNING", "POWEROFF"])
@pytest.mark.parametrize("broken", ["BACKUP h1", "TRANSFER h1", "BACKUP datastore-*"])
def test_a_backup_that_fails(one, store, machine, state, broken):
    if state == "POWEROFF" and broken == "BACKUP h1":
        pytest.skip("a machine that is off has no hypervisor to ask")
    vm = machine(", MODE = INCREMENT", state=state)
    one.control(f"{broken} fail=1")
    one.ok("one.vm.backup", vm, store)
    one.until(lambda: one.vm(vm).find("USER_TEMPLATE/ERROR") is not None, "the failure")
    one.wait(vm, state)
    assert "BACKUP" in one.vm(vm).findtext("USER_TEMPLATE/ERROR")
    assert backups(one, vm) == []
    no_backup_image(one, store)
    one.control()
    image = back_up(one, vm, store, state=state)
    before = image_of(one, image)
    one.control(f"{broken} fail=1")
    one.ok("one.vm.backup", vm)
    one.until(lambda: one.vm(vm).find("USER_TEMPLATE/ERROR") is not None, "the failure")
    one.wait(vm, state)
    assert image_of(one, image) == before, "what was there is as good as before"
    one.control()
    assert back_up(one, vm, state=state) == image
    assert image_of(one, image)[3] == [(0, "FULL", -1, 1), (2, "INCREMENT", 0, 1)], "no number is given twice"
    one.ok("one.image.delete", image)


def test_a_guest_that_does_not_go_on(one, store, machine):
    """The driver could neither make the backup nor let the guest go on: both are said."""
    vm = machine()
    one.control("BACKUP h1 fail=1", "BACKUPCANCEL * fail=1")
    one.ok("one.vm.backup", vm, store)
    one.wait(vm, "RUNNING")
    error = one.vm(vm).findtext("USER_TEMPLATE/ERROR")
    assert "could not be ended" in error and error.count("(simulated)") == 2, error
    no_backup_image(one, store)


@pytest.mark.parametrize("state", ["RUNNING", "POWEROFF"])
@pytest.mark.parametrize("slow", ["BACKUP h1", "TRANSFER h1", "BACKUP datastore-*"])
def test_cancel(one, store, machine, state, slow):
    vm = machine(state=state)
    one.fails("one.vm.backupcancel", vm, code=ACTION, text=f"wrong state {state}")
    if state == "POWEROFF" and slow == "BACKUP h1":
        pytest.skip("a machine that is off has no hypervisor to ask")
    one.control(f"{slow} hold=1")
    one.ok("one.vm.backup", vm, store)
    assert one.state(vm).startswith("BACKUP")
    assert one.ok("one.vm.backupcancel", vm) == vm
    if slow.startswith("TRANSFER"):
        one.control()  # cleaning up is a transfer, too
    one.wait(vm, state)
    assert "it was cancelled" in one.vm(vm).findtext("USER_TEMPLATE/ERROR") and backups(one, vm) == []
    no_backup_image(one, store)


def test_a_backup_that_is_declared_done_is_none(one, store, machine):
    """Nobody said what was made, so there is no backup, and the machine says so."""
    vm = machine()
    one.control("BACKUP datastore-* latency=600")
    one.ok("one.vm.backup", vm, store)
    one.ok("one.vm.recover", vm, 1)
    one.wait(vm, "RUNNING")
    assert "did not say what it made" in one.vm(vm).findtext("USER_TEMPLATE/ERROR", "")
    assert backups(one, vm) == []
    no_backup_image(one, store)


def test_keep_last_leaves_what_is_locked(one, store, machine):
    vm = machine(", KEEP_LAST = 1")
    first = back_up(one, vm, store)
    one.ok("one.image.lock", first, 4, False)
    second = back_up(one, vm, store)
    third = back_up(one, vm, store)
    one.until(lambda: image_of(one, second) is None, "the second to go")
    assert backups(one, vm) == [first, third]
    one.ok("one.image.unlock", first)
    for each in (first, third):
        one.ok("one.image.delete", each)
    no_backup_image(one, store)


def test_keep_last_leaves_a_series_that_is_locked(one, store, machine):
    vm = machine(", KEEP_LAST = 1, MODE = INCREMENT")
    image = back_up(one, vm, store)
    one.ok("one.image.lock", image, 4, False)
    back_up(one, vm)
    assert image_of(one, image) == ("READY", 2, [0], [(0, "FULL", -1, 1), (1, "INCREMENT", 0, 1)])
    log = (one.var / "vms" / str(vm) / "vm.log").read_text()
    assert f"the oldest increments of backup {image} are not removed by KEEP_LAST: somebody locked it" in log
    one.ok("one.image.unlock", image)
    back_up(one, vm)
    one.until(lambda: image_of(one, image)[3] == [(2, "FULL", -1, 1)], "the oldest increments to go")
    one.ok("one.image.delete", image)
    no_backup_image(one, store)


def test_killed_in_the_middle(one, store, machine):
    """What was begun goes on when oned is there again."""
    vm = machine()
    one.control("BACKUP * hold=1")
    one.ok("one.vm.backup", vm, store)
    one.kill()
    one.control()
    one.start()
    one.wait(vm, "RUNNING")
    [image] = backups(one, vm)
    assert image_of(one, image)[3] == [(0, "FULL", -1, 1)]
    one.ok("one.image.delete", image)
    no_backup_image(one, store)


def test_deleted_in_the_middle(one, store, machine):
    vm = machine()
    one.control("BACKUP * hold=1")
    one.ok("one.vm.backup", vm, store)
    one.ok("one.vm.recover", vm, 3)
    one.wait(vm, "DONE")
    no_backup_image(one, store)


def test_where_backups_go(one, store, machine):
    vm = machine()
    one.fails("one.vm.backup", vm, code=ACTION, text="says which datastore to use")
    one.fails("one.vm.backup", vm, 1, code=ACTION, text="is of type IMAGE_DS; backups go to one of type BACKUP_DS")
    one.fails("one.vm.backup", vm, 999, text="Error getting datastore [999]")
    one.fails("one.image.allocate", 'NAME = "b"\nTYPE = BACKUP\nPATH = "/var/tmp/x"', store, text="made by a backup only")
    one.fails("one.image.allocate", 'NAME = "b"\nTYPE = OS\nSIZE = 1', store, text="is of type BACKUP_DS")


def test_which_disks(one, store):
    """CD-ROMs and swap never, volatile disks when wished, and those of DISK_IDS alone."""
    disks = DISK.format(size=10) + 'DISK = [ TYPE = swap, SIZE = 10 ]\n' + DISK.format(size=20) + DISK.format(size=30)
    vm = one.running(0, disks)
    one.fails("one.vm.backup", vm, store, code=ACTION, text="has no disk to back up")
    one.ok("one.vm.updateconf", vm, 'BACKUP_CONFIG = [ BACKUP_VOLATILE = "yes" ]', 1)
    first = back_up(one, vm, store)
    assert image_of(one, first)[2] == [0, 2, 3]
    one.ok("one.vm.updateconf", vm, 'BACKUP_CONFIG = [ DISK_IDS = "3,0", MODE = "increment" ]', 1)
    second = back_up(one, vm)
    assert image_of(one, second)[2] == [0, 3] and settings(one, vm)["MODE"] == "INCREMENT"
    one.ok("one.vm.updateconf", vm, 'BACKUP_CONFIG = [ DISK_IDS = "2" ]', 1)
    third = back_up(one, vm)
    assert third != second and image_of(one, third)[2] == [2], "other disks are another series"
    for wrong, text in (("MODE = SOMETIMES", "must be FULL or INCREMENT"), ("KEEP_LAST = few", "must be a whole number"),
                        ("FS_FREEZE = ICE", "must be NONE or AGENT or SUSPEND"), ("DISK_IDS = a", "numbers of disks")):
        one.fails("one.vm.updateconf", vm, f"BACKUP_CONFIG = [ {wrong} ]", 1, code=ACTION, text=text)
        one.fails("one.vm.allocate", f"CPU=1\nMEMORY=64\nBACKUP_CONFIG = [ {wrong} ]", True, text=text)
    assert settings(one, vm)["DISK_IDS"] == "2"
    one.ok("one.vm.updateconf", vm, "INPUT = [ TYPE = tablet, BUS = usb ]", 0)
    assert "MODE" not in settings(one, vm) or settings(one, vm)["MODE"] == "FULL"
    for each in (first, second, third):
        one.ok("one.image.delete", each)
    one.ok("one.vm.recover", vm, 3)


def test_room_and_quotas(one, store, machine):
    """Counted before it is used, for the machine's owner."""
    ann = one.user("ann").uid
    vm = machine(", MODE = INCREMENT", size=200)
    one.ok("one.vm.chown", vm, ann, -1)
    limit = 'DATASTORE = [ ID = {}, SIZE = {}, IMAGES = {} ]'
    one.ok("one.user.quota", ann, limit.format(store, 199, -1))
    one.fails("one.vm.backup", vm, store, text="limit of 199 reached for SIZE quota in DATASTORE")
    no_backup_image(one, store)
    one.ok("one.user.quota", ann, limit.format(store, 201, 1))
    image = back_up(one, vm, store)
    used = one.xml("one.user.info", ann).find("DATASTORE_QUOTA/DATASTORE")
    assert (used.findtext("SIZE_USED"), used.findtext("IMAGES_USED")) == ("1", "1"), "what it takes in the end"
    assert one.xml("one.image.info", image).findtext("UID") == str(ann)
    assert back_up(one, vm) == image
    one.fails("one.vm.backup", vm, text="limit of 201 reached for SIZE quota")
    one.fails("one.vm.backup", vm, -1, True, text="quota")
    one.ok("one.image.delete", image)
    no_backup_image(one, store)
    one.ok("one.datastore.update", store, "LIMIT_MB = 10300", 1)
    one.fails("one.vm.backup", vm, text="Not enough space in datastore")
    one.ok("one.datastore.update", store, "LIMIT_MB = 100000", 1)


def test_rights(one, store, machine):
    """The owner may not unless an administrator lets them: backup is an operation of administrators."""
    client = one.user("bob")
    bob = client.uid
    vm = machine()
    one.ok("one.vm.chown", vm, bob, -1)
    client.fails("one.vm.backup", vm, store, code=AUTHORIZATION)
    client.fails("one.vm.backupcancel", vm, code=AUTHORIZATION)
    one.ok("one.vm.chmod", vm, 1, 1, 1, -1, -1, -1, -1, -1, -1)
    assert client.ok("one.vm.backup", vm, store) == vm
    one.wait(vm, "RUNNING")
    [image] = backups(one, vm)
    client.ok("one.image.delete", image)
    no_backup_image(one, store)


def test_a_backup_is_no_image_for_machines(one, store, machine):
    vm = machine()
    image = back_up(one, vm, store)
    one.fails("one.vm.allocate", f"CPU=1\nMEMORY=64\nDISK=[IMAGE_ID={image}]", False, code=ACTION)
    one.fails("one.image.clone", image, "copy", code=ACTION, text="cannot be cloned")
    one.fails("one.image.chtype", image, "OS", code=ACTION)
    one.ok("one.image.delete", image)
    no_backup_image(one, store)


# ---- restoring ----

def test_restore_in_place(one, store, machine):
    vm = machine(", MODE = INCREMENT", state="POWEROFF")
    image = back_up(one, vm, store, state="POWEROFF")
    back_up(one, vm, state="POWEROFF")
    one.control("RESTOREVM datastore-* hold=1")
    assert one.ok("one.vm.restore", vm, image, -1, -1) == vm
    assert one.vm(vm).findtext("LCM_STATE") == "71"
    one.fails("one.image.delete", image, code=ACTION, text=f"Machine {vm} is being restored from it")
    one.control()
    one.wait(vm, "POWEROFF")
    assert one.vm(vm).find("USER_TEMPLATE/ERROR") is None and actions(one.vm(vm))[-1] == 60
    one.ok("one.vm.restore", vm, image, 0, 0)
    one.wait(vm, "POWEROFF")
    one.fails("one.vm.restore", vm, image, 7, -1, code=ACTION, text="has no increment 7")
    one.fails("one.vm.restore", vm, image, -1, 3, code=ACTION, text="does not hold disk 3")
    other = machine(state="POWEROFF")
    one.fails("one.vm.restore", other, image, -1, -1, code=ACTION, text=f"holds backups of VM {vm}, not of VM {other}")
    one.ok("one.vm.disksnapshotcreate", vm, 0, "s")
    one.wait(vm, "POWEROFF")
    one.fails("one.vm.restore", vm, image, -1, -1, code=ACTION, text="has snapshots; delete them first")
    one.ok("one.vm.disksnapshotdelete", vm, 0, 0)
    one.wait(vm, "POWEROFF")
    one.action("resume", vm)
    one.wait(vm, "RUNNING")
    one.fails("one.vm.restore", vm, image, -1, -1, code=ACTION, text="wrong state RUNNING")
    one.ok("one.image.delete", image)
    no_backup_image(one, store)


def new_image(one, images, name):
    identity = one.ok("one.image.allocate", f"NAME = {name}\nTYPE = DATABLOCK\nSIZE = 10\nPERSISTENT = YES", images)
    one.until(lambda: image_of(one, identity)[0] == "READY", "the image")
    return identity


def test_restore_of_a_disk_that_is_another_now(one, store, images, machine):
    """Numbers of disks are given again: what has the number now is not written over with what had it then."""
    vm = machine(", MODE = INCREMENT", state="POWEROFF")
    first, second = new_image(one, images, "first"), new_image(one, images, "second")

    def change(method, argument):
        one.ok(method, vm, argument)
        one.wait(vm, "POWEROFF")
        return [disk.findtext("IMAGE_ID") for disk in one.vm(vm).findall("TEMPLATE/DISK")]
    assert change("one.vm.attach", f"DISK = [ IMAGE_ID = {first} ]") == [None, str(first)]
    image = back_up(one, vm, store, state="POWEROFF")
    assert image_of(one, image)[2] == [0, 1] and back_up(one, vm, state="POWEROFF") == image
    change("one.vm.detach", 1)
    assert change("one.vm.attach", f"DISK = [ IMAGE_ID = {second} ]") == [None, str(second)]
    for disk in (-1, 1):
        one.fails("one.vm.restore", vm, image, -1, disk, code=ACTION,
                  text=f"Disk 1 of VM {vm} is image {second} now and was image {first}")
    one.ok("one.vm.restore", vm, image, -1, 0)
    one.wait(vm, "POWEROFF")
    assert one.vm(vm).find("USER_TEMPLATE/ERROR") is None
    fresh = back_up(one, vm, state="POWEROFF")
    assert fresh != image and image_of(one, fresh)[3] == [(0, "FULL", -1, 1)], "it is no increment to another disk"
    change("one.vm.detach", 1)
    change("one.vm.attach", "DISK = [ TYPE = fs, SIZE = 10 ]")
    one.fails("one.vm.restore", vm, fresh, -1, -1, code=ACTION, text=f"is a volatile disk now and was image {second}")
    change("one.vm.detach", 1)
    change("one.vm.attach", f"DISK = [ IMAGE_ID = {first} ]")
    one.ok("one.vm.restore", vm, image, -1, -1)
    one.wait(vm, "POWEROFF")
    assert one.vm(vm).find("USER_TEMPLATE/ERROR") is None, "the disk that it was is restored"
    for each in (image, fresh):
        one.ok("one.image.delete", each)
    no_backup_image(one, store)


def test_images_of_disks_that_grew(one, store, images, machine):
    """A series knows how large the disks are that its newest backup holds."""
    vm = machine(", MODE = INCREMENT", size=10, state="POWEROFF")
    image = back_up(one, vm, store, state="POWEROFF")
    one.ok("one.vm.diskresize", vm, 0, "30")
    one.wait(vm, "POWEROFF")
    assert back_up(one, vm, state="POWEROFF") == image and back_up(one, vm, state="POWEROFF") == image
    assert [each[0] for each in image_of(one, image)[3]] == [0, 1, 2]
    made = int(one.ok("one.image.restore", image, images, 'NAME = "grown"\nDISK_ID = 0').split()[1])
    one.until(lambda: image_of(one, made)[0] == "READY", "the image")
    assert image_of(one, made)[1] == 30
    one.until(lambda: image_of(one, image)[0] == "READY", "the copy to end")
    one.ok("one.image.delete", image)
    no_backup_image(one, store)


@pytest.mark.parametrize("broken", ["RESTOREVM datastore-*", "TRANSFER h1"])
def test_restore_that_fails(one, store, machine, broken):
    vm = machine(state="POWEROFF")
    image = back_up(one, vm, store, state="POWEROFF")
    one.control(f"{broken} fail=1")
    one.ok("one.vm.restore", vm, image, -1, -1)
    one.until(lambda: one.vm(vm).find("USER_TEMPLATE/ERROR") is not None, "the failure")
    one.wait(vm, "POWEROFF")
    one.control()
    one.ok("one.vm.restore", vm, image, -1, -1)
    one.wait(vm, "POWEROFF")
    assert one.vm(vm).find("USER_TEMPLATE/ERROR") is None
    one.ok("one.image.delete", image)
    no_backup_image(one, store)


@pytest.fixture(scope="module")
def images(one):
    identity = one.ok("one.datastore.allocate", 'NAME = "restored"\nTYPE = IMAGE_DS\nDS_MAD = dummy\nTM_MAD = dummy', -1)
    one.until(lambda: one.xml("one.datastore.info", identity).findtext("TOTAL_MB") != "0", "the datastore's figures")
    return identity


def test_images_of_a_backup(one, store, images):
    disks = DISK.format(size=10) + 'DISK = [ TYPE = swap, SIZE = 10 ]\n' + DISK.format(size=20)
    vm = one.running(0, disks + VOLATILE.format(more=", MODE = INCREMENT") + 'NIC = [ BRIDGE = br0, IP = "10.0.0.9" ]\n')
    image = back_up(one, vm, store)
    back_up(one, vm)
    one.control("RESTORE datastore-* hold=1")
    template, first, second = map(int, one.ok("one.image.restore", image, images, 'NAME = "again"').split())
    assert image_of(one, image)[0] == "CLONE" and image_of(one, first)[0] == "LOCKED"
    one.fails("one.image.delete", image, code=ACTION, text="2 images are being copied from it")
    one.control()
    for each, name, size in ((first, "again-disk-0", 10), (second, "again-disk-2", 20)):
        one.until(lambda: image_of(one, each)[0] == "READY", "the image")
        info = one.xml("one.image.info", each)
        assert (info.findtext("NAME"), info.findtext("SIZE")) == (name, str(size))
    assert one.xml("one.image.info", first).findtext("PATH") == f"backup://{image}/1/0"
    made = one.xml("one.template.info", template)
    assert [disk.findtext("IMAGE_ID") for disk in made.findall("TEMPLATE/DISK")] == [str(first), str(second)]
    assert made.findtext("TEMPLATE/NIC/IP") == "10.0.0.9" and made.find("TEMPLATE/VMID") is None
    assert made.find("TEMPLATE/OS/UUID") is None and made.findtext("TEMPLATE/MEMORY") == one.vm(vm).findtext("TEMPLATE/MEMORY")
    again = one.ok("one.template.instantiate", template, "again", True, "", False)
    assert [disk.findtext("IMAGE_ID") for disk in one.vm(again).findall("TEMPLATE/DISK")] == [str(first), str(second)]
    one.action("terminate-hard", again)
    one.fails("one.image.restore", image, images, 'NAME = "again"', text="NAME is already taken by IMAGE")
    plain = int(one.ok("one.image.restore", image, images, 'NAME = "bare"\nNO_IP = YES').split()[0])
    assert one.xml("one.template.info", plain).findtext("TEMPLATE/NIC/BRIDGE") == "br0"
    assert one.xml("one.template.info", plain).find("TEMPLATE/NIC/IP") is None
    bare = int(one.ok("one.image.restore", image, images, 'NAME = "barer"\nNO_NIC = YES').split()[0])
    assert one.xml("one.template.info", bare).find("TEMPLATE/NIC") is None
    none, single = map(int, one.ok("one.image.restore", image, images, 'NAME = "one"\nDISK_ID = 2\nINCREMENT_ID = 0').split())
    assert none == -1 and one.xml("one.image.info", single).findtext("PATH") == f"backup://{image}/0/2"
    for options, text in (("DISK_ID = 1", "does not hold disk 1"), ("INCREMENT_ID = 9", "has no increment 9")):
        one.fails("one.image.restore", image, images, f'NAME = "x"\n{options}', code=ACTION, text=text)
    one.fails("one.image.restore", image, store, 'NAME = "x"', code=ACTION, text="is of type BACKUP_DS")
    one.until(lambda: image_of(one, image)[0] == "READY", "the copies")
    one.ok("one.image.delete", image)
    one.ok("one.vm.recover", vm, 3)
    no_backup_image(one, store)


def test_restored_image_is_gone_on_with_after_a_kill(one, store, images, machine):
    vm = machine()
    image = back_up(one, vm, store)
    one.control("RESTORE datastore-* hold=1")
    made = int(one.ok("one.image.restore", image, images, 'NAME = "late"').split()[1])
    one.kill()
    one.control()
    one.start()
    one.until(lambda: image_of(one, made)[0] == "READY", "the image")
    assert image_of(one, image)[0] == "READY"
    one.ok("one.image.delete", image)
    no_backup_image(one, store)


# ---- jobs ----

def job_of(one, identity):
    """Updated, outdated, being backed up, failed."""
    info = one.xml("one.backupjob.info", identity)
    return tuple([int(i.text) for i in info.findall(f"{name}_VMS/ID")] for name in ("UPDATED", "OUTDATED", "BACKING_UP", "ERROR"))


@pytest.fixture
def job(one, store):
    made = []

    def make(machines, more=""):
        text = f'NAME = "job{len(made)}"\nBACKUP_VMS = "{",".join(map(str, machines))}"\nDATASTORE_ID = {store}\n{more}'
        made.append(one.ok("one.backupjob.allocate", text))
        return made[-1]
    yield make
    one.control()
    for identity in made:
        if one.call("one.backupjob.info", identity)[0]:
            one.ok("one.backupjob.cancel", identity)
            one.until(lambda: not job_of(one, identity)[2], "the job to end")
            one.ok("one.backupjob.delete", identity)
    for image in [int(i.text) for i in one.xml("one.datastore.info", store).findall("IMAGES/ID")]:
        one.until(lambda: (image_of(one, image) or [None])[0] in (None, "READY"), "the image to rest")
        one.call("one.image.delete", image)
    no_backup_image(one, store)


def test_a_job(one, store, machine, job):
    """Its machines one after the other, in their order; its settings go before theirs."""
    second, first = machine(", MODE = FULL"), machine(host=1)
    identity = job([first, second], "MODE = INCREMENT\nKEEP_LAST = 3")
    assert job_of(one, identity) == ([], sorted([first, second]), [], [])
    one.control("BACKUP h? hold=1")
    assert one.ok("one.backupjob.backup", identity) == identity
    one.until(lambda: job_of(one, identity)[2] == [first], "the first to be backed up alone")
    one.fails("one.backupjob.backup", identity, code=ACTION, text="is under way")
    one.fails("one.backupjob.delete", identity, code=ACTION, text="are being backed up for it")
    one.control("BACKUP h1 hold=1")
    one.until(lambda: job_of(one, identity)[2] == [second], "the second")
    one.control()
    one.until(lambda: job_of(one, identity) == (sorted([first, second]), [], [], []), "the job to be done")
    info = one.xml("one.backupjob.info", identity)
    assert int(info.findtext("LAST_BACKUP_TIME")) > 1e9 and info.find("TEMPLATE/ERROR") is None
    for vm in (first, second):
        assert settings(one, vm)["BACKUP_JOB_ID"] == str(identity) and "INCREMENTAL_BACKUP_ID" in settings(one, vm)
    one.ok("one.backupjob.backup", identity)
    one.until(lambda: len(image_of(one, backups(one, first)[0])[3]) == 2, "an increment")
    one.until(lambda: job_of(one, identity)[0] == sorted([first, second]), "the job to be done")


def test_limits_of_jobs(one, store, machine, job):
    """At most two on a host (MAX_BACKUPS_HOST), of all jobs; who is of higher priority is first."""
    vms = [machine() for _ in range(4)]
    low, high = job(vms[:2], "EXECUTION = PARALLEL\nPRIORITY = 1"), job(vms[2:], "EXECUTION = PARALLEL\nPRIORITY = 9")
    blocker = machine()
    one.control("BACKUP h1 latency=1")
    one.ok("one.vm.backup", blocker, store)
    one.ok("one.backupjob.backup", low)
    one.ok("one.backupjob.backup", high)

    def done():
        busy = [vm for vm in one.xml("one.vmpool.info", -2, -1, -1, -1).findall("VM") if vm.findtext("LCM_STATE") == "69"]
        assert len(busy) <= 2
        return job_of(one, low)[0] == vms[:2] and job_of(one, high)[0] == vms[2:]
    one.until(done, "both jobs")
    one.ok("one.image.delete", backups(one, blocker)[0])


def test_the_limit_of_all_backups(fresh):
    """MAX_BACKUPS, over hosts, also of what one look begins."""
    one = fresh("MAX_BACKUPS = 2\nMAX_BACKUPS_HOST = 0", hosts=2)
    store = new_store(one)
    vms = [one.running(which % 2, DISK.format(size=1) + VOLATILE.format(more="")) for which in range(4)]
    one.control("BACKUP * latency=0.5")
    identity = one.ok("one.backupjob.allocate", f'NAME = "all"\nDATASTORE_ID = {store}\nEXECUTION = PARALLEL\nBACKUP_VMS = "{",".join(map(str, vms))}"')
    one.ok("one.backupjob.backup", identity)

    def done():
        busy = [vm for vm in one.xml("one.vmpool.info", -2, -1, -1, -1).findall("VM") if vm.findtext("LCM_STATE") == "69"]
        assert len(busy) <= 2
        return job_of(one, identity)[0] == vms
    one.until(done, "the job")


def test_a_job_that_fails_is_tried_again(one, store, machine, job):
    good, bad, gone = machine(), machine(), machine()
    one.action("terminate-hard", gone)
    one.wait(gone, "DONE")
    one.action("suspend", bad)
    one.wait(bad, "SUSPENDED")
    identity = job([bad, good])
    one.ok("one.backupjob.backup", identity)
    one.until(lambda: job_of(one, identity) == ([good], [], [], [bad]), "the job to end")
    assert "wrong state SUSPENDED" in one.xml("one.backupjob.info", identity).findtext("TEMPLATE/ERROR")
    one.action("resume", bad)
    one.wait(bad, "RUNNING")
    assert one.ok("one.backupjob.retry", identity) == identity
    one.until(lambda: job_of(one, identity) == (sorted([good, bad]), [], [], []), "the second try")
    one.fails("one.backupjob.retry", identity, code=ACTION, text="no machine whose backup failed")
    one.control("BACKUP h1 fail=1")
    one.ok("one.backupjob.backup", identity)
    one.until(lambda: job_of(one, identity) == ([], [], [], sorted([good, bad])), "both to fail")


def test_a_job_is_cancelled_and_survives(one, store, machine, job):
    vms = [machine() for _ in range(3)]
    identity = job(vms)
    one.control("BACKUP h1 hold=1")
    one.ok("one.backupjob.backup", identity)
    one.until(lambda: job_of(one, identity)[2] == vms[:1], "the first")
    one.ok("one.backupjob.cancel", identity)
    one.until(lambda: not job_of(one, identity)[2], "the end")
    assert job_of(one, identity) == ([], vms[1:], [], vms[:1])
    one.control("BACKUP h1 hold=1")
    one.ok("one.backupjob.backup", identity)
    one.kill()
    one.control()
    one.start()
    one.until(lambda: job_of(one, identity)[0] == vms, "the run to go on")


def test_what_a_job_may_be(one, store, machine, job):
    vm = machine()
    for text, wrong in (("BACKUP_VMS = a", "ids of machines"), (f"BACKUP_VMS = \"{vm},{vm}\"", "twice"), ("EXECUTION = SOON", "SEQUENTIAL or PARALLEL"),
                        ("MODE = X", "must be FULL or INCREMENT"), ("DATASTORE_ID = 1", "is of type IMAGE_DS"), ("PRIORITY = 101", "from 0 to 100"),
                        ("SCHED_ACTION = [ TIME = x ]", "TIME")):
        one.fails("one.backupjob.allocate", f'NAME = "wrong"\n{text}', text=wrong)
    identity = job([vm])
    one.ok("one.backupjob.update", identity, 'BACKUP_VMS = ""', 1)
    assert job_of(one, identity) == ([], [], [], [])
    one.fails("one.backupjob.backup", identity, code=ACTION, text="has no machines")
    client = one.user("carl")
    client.fails("one.backupjob.allocate", f'NAME = "his"\nBACKUP_VMS = {vm}', code=AUTHORIZATION)
    own = client.ok("one.backupjob.allocate", 'NAME = "his"')
    client.fails("one.backupjob.priority", own, 60, code=AUTHORIZATION)
    assert client.ok("one.backupjob.priority", own, 50) == own
    client.ok("one.backupjob.delete", own)


def test_a_job_at_its_time(one, store, machine, job):
    vm = machine()
    identity = job([vm], "SCHED_ACTION = [ TIME = 4000000000 ]")
    [first] = [int(i.text) for i in one.xml("one.backupjob.info", identity).findall("SCHED_ACTIONS/ID")]
    second = one.ok("one.backupjob.schedadd", identity, "SCHED_ACTION = [ TIME = 1000 ]")
    one.until(lambda: job_of(one, identity)[0] == [vm], "the scheduled run")
    one.ok("one.backupjob.schedupdate", identity, first, "SCHED_ACTION = [ TIME = 4000000001 ]")
    shown = {i.findtext("ID"): i.findtext("TIME") for i in one.xml("one.backupjob.info", identity).findall("TEMPLATE/SCHED_ACTION")}
    assert shown[str(first)] == "4000000001"
    assert one.ok("one.backupjob.scheddelete", identity, first) == identity
    one.fails("one.backupjob.scheddelete", identity, first, code=ACTION)
    assert second != first

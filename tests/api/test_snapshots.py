"""Snapshots of machines and of single disks."""
import pytest
from api.states import ACTION, INTERNAL
from api.test_hotplug import DISKS, NIC, devices, disks, machine, off, settled  # noqa: F401


def snapshots(vm):
    return [{pair.tag: pair.text for pair in one} for one in vm.findall("TEMPLATE/SNAPSHOT")]


def of_disk(vm, disk):
    """The tree of a disk: CURRENT_BASE, NEXT_SNAPSHOT, and (id, parent, active, children, name) of each."""
    for tree in vm.findall("SNAPSHOTS"):
        if tree.findtext("DISK_ID") == str(disk):
            return int(tree.findtext("CURRENT_BASE")), int(tree.findtext("NEXT_SNAPSHOT")), [
                (int(one.findtext("ID")), int(one.findtext("PARENT")), one.findtext("ACTIVE") == "YES",
                 one.findtext("CHILDREN"), one.findtext("NAME")) for one in tree.findall("SNAPSHOT")]
    return None


# ---- of machines ----

def test_snapshot_of_a_machine(one, machine):  # noqa: F811
    assert one.ok("one.vm.snapshotcreate", machine, "before") == 0
    taken = snapshots(settled(one, machine))
    assert [(s["SNAPSHOT_ID"], s["NAME"], s["HYPERVISOR_ID"]) for s in taken] == [("0", "before", "snapshot0")]
    assert "ACTIVE" not in taken[0] and "ACTION" not in taken[0] and int(taken[0]["TIME"]) > 1e9
    assert one.ok("one.vm.snapshotcreate", machine, "") == 1
    assert snapshots(settled(one, machine))[1]["NAME"] == "snapshot-1"
    assert one.ok("one.vm.snapshotrevert", machine, 0) == machine
    assert len(snapshots(settled(one, machine))) == 2
    one.ok("one.vm.snapshotdelete", machine, 0)
    assert [s["SNAPSHOT_ID"] for s in snapshots(settled(one, machine))] == ["1"]
    assert "snapshot1" in devices(one, machine) and "snapshot0" not in devices(one, machine)


def test_snapshot_is_marked_meanwhile(one, machine):  # noqa: F811
    one.control("SNAPSHOT* * hold=1")
    one.ok("one.vm.snapshotcreate", machine, "s")
    vm = one.vm(machine)
    assert vm.findtext("LCM_STATE") == "24" and snapshots(vm)[0]["ACTIVE"] == "YES"
    one.control()
    settled(one, machine)
    one.control("SNAPSHOT* * hold=1")
    one.ok("one.vm.snapshotdelete", machine, 0)
    assert snapshots(one.vm(machine))[0]["ACTION"] == "DELETE"
    one.control()
    assert snapshots(settled(one, machine)) == []


def test_snapshot_that_fails(one, machine):  # noqa: F811
    one.control("SNAPSHOTCREATE * fail=1")
    one.ok("one.vm.snapshotcreate", machine, "s")
    vm = settled(one, machine)
    assert snapshots(vm) == [] and "SNAPSHOT" in vm.findtext("USER_TEMPLATE/ERROR")
    one.control("SNAPSHOTREVERT * fail=1", "SNAPSHOTDELETE * fail=1")
    one.ok("one.vm.snapshotcreate", machine, "s")
    before = snapshots(settled(one, machine))
    for method in ("snapshotrevert", "snapshotdelete"):
        one.ok(f"one.vm.{method}", machine, 0)
        assert snapshots(settled(one, machine)) == before


def test_wrong_snapshots(one, machine):  # noqa: F811
    one.fails("one.vm.snapshotrevert", machine, 7, code=ACTION, text="has no snapshot 7")
    one.fails("one.vm.snapshotdelete", machine, 7, code=ACTION, text="has no snapshot 7")
    one.fails("one.vm.snapshotcreate", machine, "a/b", code=INTERNAL)
    one.action("poweroff", machine)
    one.wait(machine, "POWEROFF")
    one.fails("one.vm.snapshotcreate", machine, "s", code=ACTION, text="wrong state POWEROFF")


@pytest.mark.parametrize("keeps", ["yes", "no"])
def test_snapshots_when_it_ends(fresh, keeps):
    """Only a driver that says so keeps them when the machine is off."""
    one = fresh(f'VM_MAD = [ NAME = "own", EXECUTABLE = "one_vmm", ARGUMENTS = "dummy", KEEP_SNAPSHOTS = "{keeps}" ]\n'
                'IM_MAD = [ NAME = "own", EXECUTABLE = "one_im", ARGUMENTS = "dummy" ]')
    identity = one.running(one.host("h1", "own"), DISKS)
    one.ok("one.vm.snapshotcreate", identity, "s")
    settled(one, identity)
    if keeps == "no":
        other = one.host("h2", "own")
        one.fails("one.vm.migrate", identity, other, True, code=ACTION, text="1 snapshots, which stay on its host")
    one.action("poweroff", identity)
    assert len(snapshots(one.wait(identity, "POWEROFF"))) == (1 if keeps == "yes" else 0)
    if keeps == "yes":
        one.ok("one.vm.snapshotdelete", identity, 0)
        assert snapshots(settled(one, identity, "POWEROFF")) == []


# ---- of disks ----

def test_tree_of_a_disk(one, off):  # noqa: F811
    """0 - 1, back to 0, 2: a fork; then the fork loses its root."""
    for name in ("a", "b"):
        one.ok("one.vm.disksnapshotcreate", off, 0, name)
        settled(one, off, "POWEROFF")
    one.ok("one.vm.disksnapshotrevert", off, 0, 0)
    settled(one, off, "POWEROFF")
    assert one.ok("one.vm.disksnapshotcreate", off, 0, "") == 2
    vm = settled(one, off, "POWEROFF")
    assert of_disk(vm, 0) == (2, 3, [(0, -1, False, "1,2", "a"), (1, 0, False, None, "b"), (2, 0, True, None, None)])
    assert disks(vm)[0]["DISK_SNAPSHOT_TOTAL_SIZE"] == "30" and of_disk(vm, 1) is None
    one.ok("one.vm.disksnapshotrename", off, 0, 2, "c")
    one.ok("one.vm.disksnapshotdelete", off, 0, 0)
    vm = settled(one, off, "POWEROFF")
    assert of_disk(vm, 0) == (2, 3, [(1, -1, False, None, "b"), (2, -1, True, None, "c")])
    one.ok("one.vm.detach", off, 0)
    assert settled(one, off, "POWEROFF").find("SNAPSHOTS") is None


@pytest.mark.parametrize("state", ["RUNNING", "SUSPENDED"])
def test_disk_snapshot_in(one, machine, state):  # noqa: F811
    if state == "SUSPENDED":
        one.action("suspend", machine)
        one.wait(machine, state)
    assert one.ok("one.vm.disksnapshotcreate", machine, 1, "s") == 0
    vm = settled(one, machine, state)
    assert of_disk(vm, 1)[2] == [(0, -1, True, None, "s")] and "DISK_SNAPSHOT_ACTIVE" not in disks(vm)[1]
    one.fails("one.vm.disksnapshotrevert", machine, 1, 0, code=ACTION, text=f"wrong state {state}")
    one.ok("one.vm.disksnapshotdelete", machine, 1, 0)
    assert of_disk(settled(one, machine, state), 1)[2] == []
    if state == "SUSPENDED":
        one.action("resume", machine)
        one.wait(machine, "RUNNING")


def test_number_is_never_used_again(one, off):  # noqa: F811
    one.ok("one.vm.disksnapshotcreate", off, 0, "s")
    settled(one, off, "POWEROFF")
    one.ok("one.vm.disksnapshotdelete", off, 0, 0)
    settled(one, off, "POWEROFF")
    assert one.ok("one.vm.disksnapshotcreate", off, 0, "s") == 1
    settled(one, off, "POWEROFF")


@pytest.mark.parametrize("running", [True, False])
def test_disk_snapshot_that_fails(one, machine, running):  # noqa: F811
    state = "RUNNING" if running else "POWEROFF"
    if not running:
        one.action("poweroff", machine)
        one.wait(machine, state)
    one.control("TRANSFER * fail=1")
    one.ok("one.vm.disksnapshotcreate", machine, 0, "s")
    assert of_disk(settled(one, machine, state), 0) is None
    one.control("DISKSNAPSHOTCREATE * fail=1")
    one.ok("one.vm.disksnapshotcreate", machine, 0, "s")
    assert of_disk(settled(one, machine, state), 0) == (None if running else (0, 1, [(0, -1, True, None, "s")]))


def test_disks_without_snapshots(one):
    identity = one.running(0, 'DISK=[SOURCE="/srv/a.img", CLONE="NO"]\nDISK=[SOURCE="/srv/b.iso", TYPE="cdrom"]')
    one.fails("one.vm.disksnapshotcreate", identity, 0, "s", code=ACTION, text="CLONE=NO")
    one.fails("one.vm.disksnapshotcreate", identity, 1, "s", code=ACTION, text="CD-ROM")
    one.fails("one.vm.diskresize", identity, 0, "20000", code=ACTION, text="CLONE=NO")
    one.fails("one.vm.disksnapshotcreate", identity, 9, "s", code=ACTION, text="disk does not exist")
    one.fails("one.vm.disksnapshotdelete", identity, 0, 3, code=ACTION, text="has no snapshot 3")
    one.fails("one.vm.disksnapshotrename", identity, 0, 3, "x", code=ACTION, text="has no snapshot 3")
    one.fails("one.vm.disksnapshotrename", identity, 0, 0, "", code=INTERNAL)
    one.action("terminate-hard", identity)


def test_snapshots_survive_a_restart(fresh):
    one = fresh(hosts=1)
    identity = one.running(0, DISKS)
    one.ok("one.vm.disksnapshotcreate", identity, 0, "of the disk")
    settled(one, identity)
    one.ok("one.vm.snapshotcreate", identity, "machine")
    before = settled(one, identity)
    one.restart(clean=False)
    after = one.vm(identity)
    assert of_disk(after, 0) == of_disk(before, 0) and snapshots(after) == snapshots(before)

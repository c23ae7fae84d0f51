"""Disks and network cards that come and go, sizes and configuration that change, on machines that run and that do not."""
import pytest
from api.states import ACTION, AUTHORIZATION, INTERNAL, RPC_API
from api.test_life import end, usage

DISKS = 'DISK = [ TYPE = "fs", SIZE = "10", TARGET = "vda" ]\nDISK = [ TYPE = "fs", SIZE = "10", TARGET = "vdb" ]\n'
NIC = 'NIC = [ BRIDGE = "br0" ]\n'
MORE = 'DISK = [ TYPE = "fs", SIZE = "20" ]'


@pytest.fixture
def machine(one):
    """One with two disks and a network card, that runs on h1."""
    identity = one.running(0, DISKS + NIC)
    yield identity
    one.control()
    if one.vm(identity).findtext("STATE") != "6":
        end(one, identity)


@pytest.fixture
def off(one, machine):
    one.action("poweroff", machine)
    one.wait(machine, "POWEROFF")
    return machine


def disks(vm):
    return [{pair.tag: pair.text for pair in disk} for disk in vm.findall("TEMPLATE/DISK")]


def nics(vm):
    return [{pair.tag: pair.text for pair in nic} for nic in vm.findall("TEMPLATE/NIC")]


def devices(one, identity, host="h1"):
    """What the simulated hypervisor has in the machine."""
    lines = dict(line.split("=", 1) for line in one.domain(host, f"one-{identity}").read_text().splitlines())
    return set(lines["DEVICES"].split())


def settled(one, identity, state="RUNNING"):
    vm = one.wait(identity, state)
    assert not any("ATTACH" in device for device in disks(vm) + nics(vm)), "marks are gone when the work is"
    return vm


def actions(vm):
    return [int(record.findtext("ACTION")) for record in vm.findall("HISTORY_RECORDS/HISTORY")]


# ---- disks ----

def test_disk_comes_and_goes(one, machine):
    assert one.ok("one.vm.attach", machine, MORE) == machine
    vm = settled(one, machine)
    assert [(disk["DISK_ID"], disk["TARGET"], disk["SIZE"]) for disk in disks(vm)] == [
        ("0", "vda", "10"), ("1", "vdb", "10"), ("2", "sda", "20")]
    assert devices(one, machine) == {"disk0", "disk1", "disk2", "nic0"}
    assert actions(vm) == [21, 0]
    one.ok("one.vm.detach", machine, 1)
    vm = settled(one, machine)
    assert [disk["DISK_ID"] for disk in disks(vm)] == ["0", "2"]
    assert devices(one, machine) == {"disk0", "disk2", "nic0"}
    assert actions(vm) == [21, 22, 0]
    assert vm.find("USER_TEMPLATE/ERROR") is None


def test_disk_is_marked_while_it_comes(one, machine):
    one.control("ATTACHDISK * hold=1")
    one.ok("one.vm.attach", machine, MORE)
    vm = one.vm(machine)
    assert vm.findtext("LCM_STATE") == "17" and disks(vm)[2]["ATTACH"] == "YES"
    reply = one.fails("one.vm.attach", machine, MORE, code=ACTION)
    assert reply[1].endswith(f"Could not perform disk-attach on VM {machine}, wrong state HOTPLUG.")
    one.fails("one.vm.action", "poweroff", machine, code=ACTION)
    one.control()
    settled(one, machine)


def test_disk_of_a_machine_that_is_off(one, off):
    one.ok("one.vm.attach", off, MORE)
    assert len(disks(settled(one, off, "POWEROFF"))) == 3
    one.ok("one.vm.detach", off, 0)
    assert [disk["DISK_ID"] for disk in disks(settled(one, off, "POWEROFF"))] == ["1", "2"]
    one.action("resume", off)
    one.wait(off, "RUNNING")
    assert devices(one, off) == {"disk1", "disk2", "nic0"}


@pytest.mark.parametrize("line", ["TRANSFER * fail=1", "ATTACHDISK * fail=1"])
def test_disk_that_does_not_come(one, machine, line):
    """A failure leaves the machine as it was, and says why."""
    before = disks(one.vm(machine))
    one.control(line)
    one.ok("one.vm.attach", machine, MORE)
    vm = settled(one, machine)
    assert disks(vm) == before and devices(one, machine) == {"disk0", "disk1", "nic0"}
    assert "simulated" in vm.findtext("USER_TEMPLATE/ERROR")


def test_disk_that_does_not_go(one, machine):
    before = disks(one.vm(machine))
    one.control("DETACHDISK * fail=1")
    one.ok("one.vm.detach", machine, 1)
    assert disks(settled(one, machine)) == before
    one.control()
    one.ok("one.vm.detach", machine, 1)
    assert len(disks(settled(one, machine))) == 1


def test_disk_of_which_nobody_knows(one, machine):
    """It may be attached, and cannot be taken back: then it stays in sight, so that it can be detached."""
    one.control("ATTACHDISK * fail=1", "DETACHDISK * fail=1")
    one.ok("one.vm.attach", machine, MORE)
    vm = settled(one, machine)
    assert len(disks(vm)) == 3 and "it is kept" in vm.findtext("USER_TEMPLATE/ERROR")
    one.control()
    one.ok("one.vm.detach", machine, 2)
    assert len(disks(settled(one, machine))) == 2


def test_lost_answer(one, machine):
    """The driver did it and nobody heard: it is asked again, and finds it done."""
    one.control("ATTACHDISK * latency=3600")
    one.ok("one.vm.attach", machine, MORE)
    one.until(lambda: one.vm(machine).findtext("LCM_STATE") == "17", "the disk to be on its way")
    one.control()
    for pid in one.drivers()["one_vmm"]:
        import os
        os.kill(pid, 9)
    assert len(disks(settled(one, machine))) == 3
    assert devices(one, machine) == {"disk0", "disk1", "disk2", "nic0"}


@pytest.mark.parametrize("action, call, count", [
    ("ATTACHDISK", ("one.vm.attach", MORE), 3), ("DETACHDISK", ("one.vm.detach", 1), 1)])
def test_oned_is_killed_meanwhile(fresh, action, call, count):
    one = fresh(hosts=1)
    machine = one.running(0, DISKS + NIC)
    one.control(f"{action} * hold=1")
    one.ok(call[0], machine, *call[1:])
    one.until(lambda: one.vm(machine).findtext("LCM_STATE") == "17", "the change to begin")
    one.restart(clean=False)
    one.control()
    assert len(disks(settled(one, machine))) == count
    assert len([word for word in devices(one, machine) if word.startswith("disk")]) == count


def test_recover_says_what_is_true(one, machine):
    one.control("ATTACHDISK * latency=3600")
    one.ok("one.vm.attach", machine, MORE)
    one.until(lambda: one.vm(machine).findtext("LCM_STATE") == "17", "the change to begin")
    one.ok("one.vm.recover", machine, 0)
    assert len(disks(settled(one, machine))) == 2
    one.ok("one.vm.attach", machine, MORE)
    one.ok("one.vm.recover", machine, 1)
    assert len(disks(settled(one, machine))) == 3


@pytest.mark.parametrize("template, text", [
    ("DISK=[IMAGE_ID=55]", "Image with ID: 55 does not exist"),
    ("DISK=[IMAGE=debian]", "does not own an image with name: debian"),
    ("DISK=[TYPE=fs]", "SIZE"), ("DISK=[TYPE=fs,SIZE=-1]", "SIZE"),
    ("DISK=[TYPE=fs,SIZE=1,TARGET=vda]", "TARGET vda is taken by another disk"),
    ("CPU=1", "one DISK"), ("DISK=[TYPE=fs,SIZE=1]\nDISK=[TYPE=fs,SIZE=1]", "several"),
])
def test_wrong_disks(one, machine, template, text):
    assert text in one.fails("one.vm.attach", machine, template, code=ACTION)[1]
    assert len(disks(one.vm(machine))) == 2


def test_wrong_calls(one, machine):
    assert one.fails("one.vm.detach", machine, 44) == [False, f"[one.vm.detach] VM disk does not exist: machine {machine} has no disk 44", ACTION, -1, -1]
    one.fails("one.vm.detachnic", machine, 44, code=ACTION, text="VM NIC does not exist")
    one.fails("one.vm.updatenic", machine, 44, "NIC=[A=1]", code=ACTION, text="VM NIC does not exist")
    one.fails("one.vm.attach", machine, "DISK=[", code=INTERNAL)
    held = one.allocate(DISKS, hold=True)
    one.fails("one.vm.attach", held, MORE, code=ACTION, text="wrong state HOLD")
    one.fails("one.vm.detach", held, 0, code=ACTION, text="wrong state HOLD")
    one.fails("one.vm.attachnic", held, NIC, code=ACTION, text="wrong state HOLD")
    one.action("terminate", held)


def test_rights(one, machine):
    """Who may use a machine may not change it; who manages it may not read files of the hosts."""
    other = one.user(f"plug{machine}")
    for method, arguments in [("attach", (MORE,)), ("detach", (1,)), ("attachnic", (NIC,)), ("detachnic", (0,)),
                              ("updatenic", (0, "NIC=[A=1]")), ("diskresize", (0, "20")), ("resize", ("CPU=1", True)),
                              ("snapshotcreate", ("s",)), ("disksnapshotcreate", (0, "s")), ("updateconf", ("RAW=[A=1]",))]:
        other.fails(f"one.vm.{method}", machine, *arguments, code=AUTHORIZATION)
    one.ok("one.vm.chown", machine, other.uid, -1)
    other.ok("one.vm.attach", machine, MORE)
    settled(one, machine)
    other.fails("one.vm.attach", machine, "DISK=[SOURCE=/etc/shadow]", code=AUTHORIZATION)
    one.ok("one.vm.lock", machine, 2)
    other.fails("one.vm.detach", machine, 1, code=AUTHORIZATION)
    one.ok("one.vm.unlock", machine)


# ---- network cards ----

def test_card_comes_and_goes(one, machine):
    one.ok("one.vm.attachnic", machine, NIC)
    cards = nics(settled(one, machine))
    assert [card["NIC_ID"] for card in cards] == ["0", "1"] and cards[0]["MAC"] != cards[1]["MAC"]
    assert cards[1]["TARGET"] == f"one-{machine}-1" and cards[1]["NAME"] == "NIC1"
    assert "nic1" in devices(one, machine)
    one.ok("one.vm.detachnic", machine, 0)
    assert [card["NIC_ID"] for card in nics(settled(one, machine))] == ["1"]
    assert devices(one, machine) == {"disk0", "disk1", "nic1"}


def test_card_of_a_machine_that_is_off(one, off):
    """At once: the hypervisor has nothing of it."""
    one.control("*NIC * fail=1")
    one.ok("one.vm.attachnic", off, NIC)
    assert len(nics(settled(one, off, "POWEROFF"))) == 2
    one.ok("one.vm.detachnic", off, 0)
    assert [card["NIC_ID"] for card in nics(settled(one, off, "POWEROFF"))] == ["1"]


def test_card_that_does_not_come(one, machine):
    before = nics(one.vm(machine))
    one.control("ATTACHNIC * fail=1")
    one.ok("one.vm.attachnic", machine, NIC)
    assert nics(settled(one, machine)) == before
    one.control("DETACHNIC * fail=1")
    one.ok("one.vm.detachnic", machine, 0)
    assert nics(settled(one, machine)) == before


def test_card_changes(one, machine):
    one.ok("one.vm.updatenic", machine, 0, "NIC=[INBOUND_AVG_BW=100, NOTE=a]", 1)
    card = nics(settled(one, machine))[0]
    assert (card["INBOUND_AVG_BW"], card["NOTE"], card["BRIDGE"]) == ("100", "a", "br0") and "UPDATE" not in card
    one.ok("one.vm.updatenic", machine, 0, "NIC=[INBOUND_AVG_BW=50]", 0)
    card = nics(settled(one, machine))[0]
    assert card["INBOUND_AVG_BW"] == "50" and "NOTE" not in card and card["BRIDGE"] == "br0"
    one.fails("one.vm.updatenic", machine, 0, "NIC=[BRIDGE=br1]", 1, code=ACTION, text="BRIDGE")
    one.fails("one.vm.updatenic", machine, 0, "NIC=[A=1]", 2, code=RPC_API)
    one.control("UPDATENIC * fail=1")
    one.ok("one.vm.updatenic", machine, 0, "NIC=[INBOUND_AVG_BW=1]", 1)
    assert nics(settled(one, machine))[0]["INBOUND_AVG_BW"] == "50"


@pytest.mark.parametrize("template, text", [
    ("NIC=[NETWORK_ID=5]", "Virtual network with ID: 5 does not exist"), ("NIC=[NETWORK=lan]", "lan"), ("A=1", "one NIC")])
def test_wrong_cards(one, machine, template, text):
    assert text in one.fails("one.vm.attachnic", machine, template, code=ACTION)[1]


# ---- sizes ----

def test_size_while_it_runs(one, machine):
    before = usage(one, 0)
    assert one.ok("one.vm.resize", machine, "CPU=1.5\nMEMORY=256\nVCPU=2", True) == machine
    vm = settled(one, machine)
    assert [vm.findtext(f"TEMPLATE/{name}") for name in ("CPU", "VCPU", "MEMORY")] == ["1.5", "2", "256"]
    after = usage(one, 0)
    assert after != before
    text = one.domain("h1", f"one-{machine}").read_text()
    assert "CPU=150\n" in text and f"MEMORY={256 * 1024}\n" in text
    one.control("RESIZE * fail=1")
    one.ok("one.vm.resize", machine, "CPU=0.5\nMEMORY=64", True)
    vm = settled(one, machine)
    assert vm.findtext("TEMPLATE/CPU") == "1.5" and usage(one, 0) == after
    one.control()
    one.ok("one.vm.resize", machine, "CPU=0.1\nMEMORY=64", True)
    settled(one, machine)
    assert usage(one, 0) == before


def test_size_that_does_not_fit(one, machine):
    before = usage(one, 0)
    one.fails("one.vm.resize", machine, "CPU=99", True, code=ACTION, text="Not enough capacity")
    one.fails("one.vm.resize", machine, "MEMORY=99000000", True, code=ACTION, text="Not enough capacity")
    assert usage(one, 0) == before and one.vm(machine).findtext("TEMPLATE/CPU") == "0.1"
    one.ok("one.vm.resize", machine, "CPU=99", False)
    settled(one, machine)
    one.ok("one.vm.resize", machine, "CPU=0.1", True)  # less always fits
    settled(one, machine)
    assert usage(one, 0) == before


def test_both_sizes_are_held_meanwhile(one, machine):
    one.ok("one.vm.resize", machine, "CPU=2", True)
    settled(one, machine)
    full = usage(one, 0)
    one.control("RESIZE * hold=1")
    one.ok("one.vm.resize", machine, "CPU=0.1", True)
    assert usage(one, 0) == full, "what may still be used is not given away"
    one.control()
    settled(one, machine)
    assert usage(one, 0) != full


def test_driver_that_cannot(fresh):
    one = fresh('VM_MAD = [ NAME = "stiff", EXECUTABLE = "one_vmm", ARGUMENTS = "dummy" ]\n'
                'IM_MAD = [ NAME = "stiff", EXECUTABLE = "one_im", ARGUMENTS = "dummy" ]')
    host = one.host("h1", "stiff")
    machine = one.running(host)
    assert "LIVE_RESIZE" in one.fails("one.vm.resize", machine, "CPU=1", False, code=ACTION)[1]


@pytest.mark.parametrize("bring", [None, "POWEROFF", "UNDEPLOYED"])
def test_disk_grows(one, machine, bring):
    if bring:
        one.action({"POWEROFF": "poweroff", "UNDEPLOYED": "undeploy"}[bring], machine)
        one.wait(machine, bring)
    state = bring or "RUNNING"
    one.ok("one.vm.diskresize", machine, 0, "30")
    assert disks(settled(one, machine, state))[0]["SIZE"] == "30"
    for wrong in ("30", "29", "0", "-5", "x", "", "99999999999999"):
        one.fails("one.vm.diskresize", machine, 0, wrong, code=ACTION)
    one.control("TRANSFER * fail=1", "RESIZEDISK * fail=1")
    one.ok("one.vm.diskresize", machine, 0, "40")
    vm = settled(one, machine, state)
    assert disks(vm)[0]["SIZE"] == "30" and "RESIZE" not in disks(vm)[0]
    one.control()
    if bring == "UNDEPLOYED":
        one.action("resume", machine)
        one.ok("one.vm.deploy", machine, 1)
        one.wait(machine, "RUNNING")


# ---- configuration ----

CONTEXT = 'CONTEXT = [ A = "1", WHO = "$NAME" ]\n'


def test_configuration_of_a_waiting_machine(one):
    held = one.allocate(DISKS + CONTEXT + 'GRAPHICS=[TYPE=vnc]\nRAW=[TYPE=kvm,DATA="<x/>"]', hold=True, name="conf")
    uuid = one.vm(held).findtext("TEMPLATE/OS/UUID")
    one.ok("one.vm.updateconf", held, 'OS=[BOOT=disk0]\nCONTEXT=[B="$NAME 2"]\nCPU=7', 1)
    vm = one.vm(held)
    assert vm.findtext("TEMPLATE/OS/BOOT") == "disk0" and vm.findtext("TEMPLATE/OS/UUID") == uuid
    assert vm.findtext("TEMPLATE/CONTEXT/A") == "1" and vm.findtext("TEMPLATE/CONTEXT/B") == "conf 2"
    assert vm.findtext("TEMPLATE/CPU") == "0.1", "only what is configuration is changed"
    one.ok("one.vm.updateconf", held, "CONTEXT=[C=3]", 0)
    vm = one.vm(held)
    assert vm.find("TEMPLATE/RAW") is None and vm.find("TEMPLATE/GRAPHICS") is None
    assert vm.findtext("TEMPLATE/OS/UUID") == uuid and vm.find("TEMPLATE/OS/BOOT") is None
    assert [pair.tag for pair in vm.find("TEMPLATE/CONTEXT")] == ["C", "DISK_ID", "TARGET"]
    one.fails("one.vm.updateconf", held, "A=1", 2, code=RPC_API)
    one.fails("one.vm.updateconf", held, 'OS=[UUID="0\nlxc.hook.pre-start = /bin/sh"]', 1, text="which is no UUID")
    one.fails("one.vm.allocate", DISKS + 'OS=[UUID="0\nlxc.hook.pre-start = /bin/sh"]', True, text="which is no UUID")
    one.action("terminate", held)


@pytest.mark.parametrize("state", ["RUNNING", "POWEROFF"])
def test_context_changes(one, machine, state):
    if state == "POWEROFF":
        one.action("poweroff", machine)
        one.wait(machine, state)
    one.ok("one.vm.updateconf", machine, "CONTEXT=[A=2]", 1)
    vm = settled(one, machine, state)
    assert vm.findtext("TEMPLATE/CONTEXT/A") == "2" and vm.findtext("TEMPLATE/CONTEXT/DISK_ID") == "2"
    text = (one.var / "vms" / str(machine) / "context.sh").read_text()
    assert "A='2'" in text
    one.control("UPDATECONF * fail=1", "TRANSFER * fail=1")
    one.ok("one.vm.updateconf", machine, "CONTEXT=[A=3]", 1)
    assert settled(one, machine, state).findtext("TEMPLATE/CONTEXT/A") == "2"
    one.control()
    one.ok("one.vm.updateconf", machine, "RAW=[TYPE=kvm]", 1)
    assert settled(one, machine, state).findtext("TEMPLATE/RAW/TYPE") == "kvm"

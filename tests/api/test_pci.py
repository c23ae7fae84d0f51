"""PCI devices of hosts: who gets which, and that no one is given twice."""
import re
import sqlite3

import pytest
from api.states import ACTION, AUTHORIZATION
from api.test_cli import Shell

GPU = "PCI = [ VENDOR = 10de ]\n"
CARD = "PCI = [ VENDOR = \"0x8086\", CLASS = 200 ]\n"


@pytest.fixture
def hosts(one):
    """Two hosts with two devices for computing (buses 01 and 03) and two cards (02 and 04) each."""
    one.control("HOST pci* PCI=4")
    found = [one.host(f"pci{number}") for number in range(2)]
    yield found
    one.control()
    for identity in found:
        for vm in [int(each.text) for each in one.xml("one.host.info", identity).findall("VMS/ID")]:
            one.ok("one.vm.recover", vm, 3)
            one.wait(vm, "DONE")
        one.ok("one.host.delete", identity)


def owners(one, host):
    """Bus of each device: the machine that has it."""
    devices = one.xml("one.host.info", host).findall("HOST_SHARE/PCI_DEVICES/PCI")
    return {device.findtext("BUS"): int(device.findtext("VMID")) for device in devices if device.findtext("VMID") != "-1"}


def given(one, vm):
    """PCI_ID of each device: its address."""
    return {pci.findtext("PCI_ID"): pci.findtext("ADDRESS") for pci in one.vm(vm).findall("TEMPLATE/PCI")}


def refused(one, pattern, method, *arguments, code=ACTION):
    reply = one.call(method, *arguments)
    assert reply[0] is False and reply[2] == code and re.search(pattern, reply[1]), reply


def sound(one):
    checked = one.command("--check")
    assert checked.returncode == 0, checked.stdout


def ended(one, *machines):
    for vm in machines:
        one.ok("one.vm.recover", vm, 3)
        one.wait(vm, "DONE")


def test_they_come_and_go_while_it_is_off(one, hosts):
    vm = one.running(hosts[0])
    refused(one, "POWEROFF or UNDEPLOYED, not in state RUNNING", "one.vm.attachpci", vm, GPU)
    refused(one, "POWEROFF or UNDEPLOYED, not in state RUNNING", "one.vm.detachpci", vm, 0)
    one.action("poweroff-hard", vm)
    one.wait(vm, "POWEROFF")
    for text, why in (("A = 1", "has none"), (GPU + GPU, "has several"), ("PCI = [ NOTE = x ]", "names no device"),
                      ("PCI = [ TYPE = NIC, VENDOR = 8086 ]", "TYPE = NIC")):
        refused(one, why, "one.vm.attachpci", vm, text)
    assert one.ok("one.vm.attachpci", vm, "PCI = [ SHORT_ADDRESS = \"03:00.0\", ADDRESS = x, PCI_ID = 7 ]") == vm
    one.ok("one.vm.attachpci", vm, CARD)
    assert given(one, vm) == {"0": "0000:03:00:0", "1": "0000:02:00:0"}
    assert owners(one, hosts[0]) == {"03": vm, "02": vm}
    refused(one, "no PCI device with SHORT_ADDRESS = 03:00.0 that is free", "one.vm.attachpci", vm,
            "PCI = [ SHORT_ADDRESS = \"03:00.0\" ]")
    refused(one, "no PCI device with DEVICE = 4711;", "one.vm.attachpci", vm, "PCI = [ DEVICE = 4711 ]")
    assert len(given(one, vm)) == 2
    actions = [record.findtext("ACTION") for record in one.vm(vm).findall("HISTORY_RECORDS/HISTORY")]
    assert actions[-3:] == ["58", "58", "0"]
    one.ok("one.vm.detachpci", vm, 0)
    refused(one, "no PCI device 0", "one.vm.detachpci", vm, 0)
    assert owners(one, hosts[0]) == {"02": vm}
    one.ok("one.vm.attachpci", vm, GPU)
    assert given(one, vm) == {"1": "0000:02:00:0", "2": "0000:01:00:0"}
    sound(one)
    one.action("resume", vm)
    one.wait(vm, "RUNNING")
    assert owners(one, hosts[0]) == {"02": vm, "01": vm}
    ended(one, vm)
    assert owners(one, hosts[0]) == {}


def test_of_an_undeployed_machine_the_host_is_not_known_yet(one, hosts):
    vm = one.running(hosts[0])
    one.action("undeploy", vm)
    one.wait(vm, "UNDEPLOYED")
    one.ok("one.vm.attachpci", vm, GPU)
    assert given(one, vm) == {"0": None} and owners(one, hosts[0]) == {}
    refused(one, "Host plain has no PCI device with VENDOR = 10de;", "one.vm.deploy", vm, one.host("plain"))
    one.ok("one.vm.deploy", vm, hosts[1])
    one.wait(vm, "RUNNING")
    assert given(one, vm) == {"0": "0000:01:00:0"} and owners(one, hosts[1]) == {"01": vm}
    ended(one, vm)


def test_only_administrators_give_them(one, hosts):
    vm = one.running(hosts[0])
    one.action("poweroff-hard", vm)
    one.wait(vm, "POWEROFF")
    ann = one.user("pciann")
    one.ok("one.vm.chown", vm, ann.uid, -1)
    refused(ann, "restricted", "one.vm.attachpci", vm, GPU, code=AUTHORIZATION)
    one.ok("one.user.quota", ann.uid, "VM = [ PCI_DEV = 1 ]")
    one.ok("one.vm.attachpci", vm, GPU)
    refused(one, "PCI_DEV", "one.vm.attachpci", vm, GPU, code=AUTHORIZATION)
    ended(one, vm)


def test_by_the_command_line(one, hosts, tmp_path):
    shell = Shell(tmp_path, one.port, one.session)
    vm = one.running(hosts[0])
    one.action("poweroff-hard", vm)
    one.wait(vm, "POWEROFF")
    shell.run(f"onevm pci-attach {vm} --pci_vendor 10de --pci_device 1db4 --pci_class 0302")
    shell.run(f"onevm pci-attach {vm} --pci_short_address 04:00.0")
    assert given(one, vm) == {"0": "0000:01:00:0", "1": "0000:04:00:0"}
    lines = [line.split() for line in shell.run(f"onevm show {vm}").splitlines()]
    assert ["0", "10de", "1db4", "0302", "0000:01:00:0"] in lines and ["1", "04:00.0", "0000:04:00:0"] in lines, lines
    shell.run(f"onevm pci-detach {vm} 0")
    assert given(one, vm) == {"1": "0000:04:00:0"}
    ended(one, vm)


# -- where machines are placed --

def test_each_machine_gets_its_own(one, hosts):
    first, second, third = (one.allocate(GPU, hold=True) for _ in range(3))
    one.ok("one.vm.deploy", first, hosts[0])
    one.ok("one.vm.deploy", second, hosts[0])
    assert owners(one, hosts[0]) == {"01": first, "03": second}
    refused(one, "Host pci0 has no PCI device with VENDOR = 10de that is free: it reports 2", "one.vm.deploy", third, hosts[0])
    assert one.vm(third).findtext("STATE") == "2" and given(one, third) == {"0": None}
    pci = one.vm(second).find("TEMPLATE/PCI")
    assert [pci.findtext(name) for name in ("DOMAIN", "BUS", "SLOT", "FUNCTION", "ADDRESS")] == ["0000", "03", "00", "0", "0000:03:00:0"]
    sound(one)
    ended(one, first)
    assert owners(one, hosts[0]) == {"03": second}
    one.ok("one.vm.deploy", third, hosts[0])
    assert owners(one, hosts[0]) == {"01": third, "03": second}
    named = one.allocate("PCI = [ BUS = \"03\", SLOT = \"00\", FUNCTION = \"0\" ]", hold=True)
    refused(one, f"0000:03:00:0 of host pci0 is given to machine {second}", "one.vm.deploy", named, hosts[0])
    one.ok("one.vm.deploy", named, hosts[1])
    assert owners(one, hosts[1]) == {"03": named}
    sound(one)
    ended(one, second, third, named)


def test_who_asks_for_little_leaves_the_rest(one, hosts):
    """The first wish alone would take the device that only the second can use."""
    vm = one.running(hosts[0], GPU + "PCI = [ SHORT_ADDRESS = \"01:00.0\" ]\n")
    assert given(one, vm) == {"0": "0000:03:00:0", "1": "0000:01:00:0"}
    twice = one.allocate("PCI = [ SHORT_ADDRESS = \"02:00.0\" ]\n" * 2, hold=True)
    refused(one, "02:00.0 that is free", "one.vm.deploy", twice, hosts[0])
    nothing = one.allocate("PCI = [ NOTE = x ]", hold=True)
    refused(one, "PCI 0 of machine \\d+ names no device", "one.vm.deploy", nothing, hosts[0])
    ended(one, vm, twice, nothing)


def test_they_are_free_when_it_has_left(one, hosts):
    vm = one.running(hosts[0], GPU)
    one.action("poweroff-hard", vm)
    one.wait(vm, "POWEROFF")
    assert owners(one, hosts[0]) == {"01": vm}  # it still holds all that it has there
    one.action("undeploy", vm)
    one.wait(vm, "UNDEPLOYED")
    assert owners(one, hosts[0]) == {} and given(one, vm) == {"0": None}
    other = one.running(hosts[0], GPU)
    one.ok("one.vm.deploy", vm, hosts[0])
    one.wait(vm, "RUNNING")
    assert owners(one, hosts[0]) == {"01": other, "03": vm}
    one.stop()
    one.start()
    one.wait_host(hosts[0], "MONITORED")
    one.until(lambda: owners(one, hosts[0]) == {"01": other, "03": vm}, "the same devices after a restart")
    ended(one, vm, other)


def test_moves(one, hosts):
    vm = one.running(hosts[0], GPU)
    blocker = one.running(hosts[1], "PCI = [ SHORT_ADDRESS = \"01:00.0\" ]\n")
    refused(one, "Cannot migrate live: the machine has 1 PCI devices of host pci0", "one.vm.migrate", vm, hosts[1], True, False, -1, 0)
    refused(one, "Cannot migrate with the memory saved", "one.vm.migrate", vm, hosts[1], False, False, -1, 0)
    one.ok("one.vm.migrate", vm, hosts[1], False, False, -1, 2)
    one.wait(vm, "RUNNING")
    one.until(lambda: owners(one, hosts[0]) == {}, "the old device to be free")
    assert owners(one, hosts[1]) == {"01": blocker, "03": vm} and given(one, vm) == {"0": "0000:03:00:0"}
    one.action("poweroff-hard", vm)
    one.wait(vm, "POWEROFF")
    one.ok("one.vm.migrate", vm, hosts[0], False, False, -1, 0)
    one.wait(vm, "POWEROFF")
    assert owners(one, hosts[0]) == {"01": vm} and owners(one, hosts[1]) == {"01": blocker}
    more = [one.running(hosts[1], GPU)]
    refused(one, "Host pci1 has no PCI device with VENDOR = 10de that is free", "one.vm.migrate", vm, hosts[1], False, False, -1, 0)
    assert owners(one, hosts[0]) == {"01": vm}
    sound(one)
    ended(one, vm, blocker, *more)


def test_a_move_that_fails_gives_back(one, hosts):
    """While it is between two hosts it has a device of each; then the first again."""
    vm = one.running(hosts[0], "PCI = [ VENDOR = 8086 ]\n")
    blocker = one.running(hosts[1], "PCI = [ SHORT_ADDRESS = \"02:00.0\" ]\n")
    one.control("HOST pci* PCI=4", "CANCEL hold=1", "SHUTDOWN hold=1")
    one.ok("one.vm.migrate", vm, hosts[1], False, False, -1, 2)
    assert owners(one, hosts[0]) == {"02": vm} and owners(one, hosts[1]) == {"02": blocker, "04": vm}
    sound(one)
    one.control("HOST pci* PCI=4", "CANCEL fail=1", "SHUTDOWN fail=1")
    one.wait(vm, "RUNNING")
    one.control("HOST pci* PCI=4")
    assert given(one, vm) == {"0": "0000:02:00:0"} and one.vm(vm).find("TEMPLATE/PCI/PREV_ADDRESS") is None
    assert owners(one, hosts[0]) == {"02": vm} and owners(one, hosts[1]) == {"02": blocker}
    ended(one, vm, blocker)


def test_what_is_given_twice_is_found(one, hosts):
    """Somebody wrote into the database."""
    first, second = one.running(hosts[0], GPU), one.running(hosts[0], GPU)
    one.stop()
    with sqlite3.connect(one.var / "one.db") as base:
        text, = base.execute("SELECT template FROM vm WHERE id = ?", (second,)).fetchone()
        assert '"03"' in text
        base.execute("UPDATE vm SET template = ? WHERE id = ?", (text.replace('"03"', '"01"'), second))
    checked = one.command("--check")
    assert checked.returncode != 0, checked.stdout
    assert f"the PCI device 0000:01:00:0 of host {hosts[0]} is given to machine {first} and to machine {second}" in checked.stdout
    one.start()
    one.wait_host(hosts[0], "MONITORED")
    ended(one, first, second)

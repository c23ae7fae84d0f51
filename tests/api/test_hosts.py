"""Hosts and users: making, changing and removing them."""
import pytest
from api.states import ACTION, ALLOCATE, INTERNAL
from api.test_cli import Shell
from api.test_life import end


def test_host_from_nothing_to_monitored(one):
    identity = one.host("whole", wait=False)
    host = one.wait_host(identity, "MONITORED")
    assert host.findtext("NAME") == "whole" and host.findtext("CLUSTER") == "default"
    share = host.find("HOST_SHARE")
    assert (share.findtext("TOTAL_CPU"), share.findtext("MAX_CPU")) == ("800", "800")
    assert share.findtext("TOTAL_MEM") == share.findtext("MAX_MEM") == "16777216"
    assert host.findtext("TEMPLATE/HYPERVISOR") and host.findtext("MONITORING/CAPACITY/FREE_CPU")
    assert one.ok("one.host.delete", identity) == identity
    one.fails("one.host.info", identity)
    assert str(identity) not in [h.findtext("ID") for h in one.xml("one.hostpool.info")]


def test_nodes_of_a_host(one):
    """What the information driver tells of cores, memory and huge pages, as clients' schemas want it."""
    identity = one.host("nodes", wait=False)
    host = one.wait_host(identity, "MONITORED")
    nodes = host.findall("HOST_SHARE/NUMA_NODES/NODE")
    assert [node.findtext("NODE_ID") for node in nodes] == ["0"]
    cores = nodes[0].findall("CORE")
    assert [core.findtext("CPUS") for core in cores] == [f"{cpu}:-1" for cpu in range(8)]
    assert {core.findtext("FREE") for core in cores} == {"1"} and cores[0].findtext("DEDICATED") == "NO"
    assert nodes[0].findtext("MEMORY/TOTAL") == host.findtext("HOST_SHARE/TOTAL_MEM")
    assert nodes[0].findtext("MEMORY/DISTANCE") == "0" and nodes[0].findtext("HUGEPAGE/SIZE") == "2048"
    free = host.find("MONITORING/NUMA_NODE/MEMORY")
    assert int(free.findtext("FREE")) + int(free.findtext("USED")) == int(nodes[0].findtext("MEMORY/TOTAL"))
    assert host.findtext("TEMPLATE/KVM_MACHINES") == "pc q35" and host.findtext("TEMPLATE/KVM_CPU_FEATURES")
    assert host.find("TEMPLATE/CORE") is None and host.find("TEMPLATE/MEMORY_NODE") is None
    one.ok("one.host.delete", identity)


NODE = """<node>
  <device><name>pci_0000_{bus:02x}_00_0</name><parent>computer</parent><capability type="pci"><class>0x030200</class>
    <domain>0</domain><bus>{bus}</bus><slot>0</slot><function>0</function>
    <product id="0x1db4">Tesla</product><vendor id="0x10de">NVIDIA Corporation</vendor></capability></device>
</node>"""


def test_pci_devices_of_a_host(fresh, tmp_path):
    """By the driver's filter, as clients' schemas want them; VMID is the machine that has the device."""
    node = tmp_path / "node.xml"
    node.write_text(NODE.format(bus=59))
    one = fresh(f'IM_MAD = [ NAME = "test", EXECUTABLE = "one_im", ARGUMENTS = "test -u test://{node}" ]\n', start=False)
    (one.etc / "im_pci.conf").write_text('FILTER = "10de::0302"\n')
    one.start()
    identity = one.ok("one.host.allocate", "gpu", "test", "dummy", 0)
    one.ok("one.datastore.update", 0, "TM_MAD = dummy", 1)
    host = one.wait_host(identity, "MONITORED")
    devices = host.findall("HOST_SHARE/PCI_DEVICES/PCI")
    assert len(devices) == 1
    assert [member.tag for member in devices[0]] == [
        "ADDRESS", "BUS", "CLASS", "CLASS_NAME", "DEVICE", "DEVICE_NAME", "DOMAIN", "FUNCTION", "IFNAME", "NUMA_NODE",
        "SHORT_ADDRESS", "SLOT", "SRIOV", "TYPE", "VENDOR", "VENDOR_NAME", "VMID"]
    assert devices[0].findtext("TYPE") == "10de:1db4:0302" and devices[0].findtext("SHORT_ADDRESS") == "3b:00.0"
    assert devices[0].findtext("VMID") == "-1" and host.find("TEMPLATE/PCI") is None

    def owner():
        return one.xml("one.host.info", identity).findtext("HOST_SHARE/PCI_DEVICES/PCI/VMID")
    elsewhere, vm = (one.allocate(f'PCI = [ DOMAIN = "0x0000", BUS = "{bus}", SLOT = "00", FUNCTION = "0" ]', hold=True)
                     for bus in ("0x3c", "0x3B"))
    for each in elsewhere, vm:
        assert owner() == "-1"
        one.ok("one.vm.deploy", each, identity)
    assert owner() == str(vm)
    page = Shell(tmp_path / "home", one.port, one.session).run("onehost show gpu")
    assert [str(vm), "3b:00.0", "10de:1db4:0302", "3D", "controller", "Tesla", "-", "no"] in map(str.split, page.splitlines()), page
    one.ok("one.vm.recover", vm, 3)
    one.until(lambda: owner() == "-1", "the device to be free again")


def test_pci_filter_that_is_wrong(fresh):
    """The driver says so, and does not start."""
    one = fresh('IM_MAD = [ NAME = "test", EXECUTABLE = "one_im", ARGUMENTS = "test" ]\n', start=False)
    (one.etc / "im_pci.conf").write_text('FILTER = "nvidia"\n')
    one.start()
    one.ok("one.host.allocate", "gpu", "test", "dummy", 0)
    one.until(lambda: 'im_pci.conf cannot be used: FILTER has "nvidia"' in one.log(), "the driver's words")


def test_nodes_on_the_page_of_a_host(one, tmp_path):
    host = one.xml("one.host.info", 0)
    lines = Shell(tmp_path, one.port, one.session).run("onehost show 0").splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("NUMA NODES"))
    title, row = (line.split() for line in lines[at + 1:at + 3])
    assert title == ["NODE", "CORES", "MEMORY", "USED", "FREE", "HUGE_PAGES"]
    assert row[:3] == ["0", str(len(host.findall("HOST_SHARE/NUMA_NODES/NODE/CORE"))), "16G"] and row[5] == "-", row
    assert row[3] != "-" and row[4] != "-", row
    assert "PCI DEVICES" not in lines


@pytest.mark.parametrize("arguments, code, text", [
    (("h1", "dummy", "dummy", 0), ALLOCATE, "Error allocating a new host. NAME is already taken by HOST 0."),
    (("", "dummy", "dummy", 0), None, "NAME"), (("a/b", "dummy", "dummy", 0), None, "NAME"),
    (("n" * 129, "dummy", "dummy", 0), None, "NAME"), (("x", "", "dummy", 0), None, ""),
    (("x", "dummy", "dummy", 4711), None, "cluster"),
])
def test_host_that_is_refused(one, arguments, code, text):
    before = len(one.xml("one.hostpool.info"))
    reply = one.fails("one.host.allocate", *arguments, code=code)
    assert text.lower() in reply[1].lower(), reply
    assert len(one.xml("one.hostpool.info")) == before


@pytest.mark.parametrize("drivers", [("nothing", "dummy"), ("nothing", "nothing")])
def test_host_with_a_driver_that_is_not_configured(one, drivers):
    """Refused, or shown as an error that names the driver: a host may be made before its driver is."""
    reply = one.call("one.host.allocate", f"odd-{drivers[1]}", *drivers, 0)
    if reply[0]:
        host = one.wait_host(reply[1], "ERROR")
        assert "nothing" in host.findtext("TEMPLATE/ERROR")
        one.ok("one.host.delete", reply[1])
    else:
        assert "nothing" in reply[1]


@pytest.mark.parametrize("status, state", [(1, "DISABLED"), (2, "OFFLINE"), (0, "MONITORED")])
def test_status(one, status, state):
    assert one.ok("one.host.status", 1, status) == 1
    one.wait_host(1, state)
    one.ok("one.host.status", 1, 0)
    one.wait_host(1, "MONITORED")


def test_wrong_status(one):
    for status in (-1, 3, 7):
        one.fails("one.host.status", 0, status, code=INTERNAL, text="Wrong status code")


def test_disabled_host_is_still_looked_at(one):
    one.ok("one.host.status", 1, 1)
    host = one.wait_host(1, "DISABLED")
    first = host.findtext("MONITORING/TIMESTAMP")
    one.until(lambda: one.xml("one.host.info", 1).findtext("MONITORING/TIMESTAMP") not in (None, first), "another look")
    one.wait_host(1, "DISABLED")
    one.ok("one.host.status", 1, 0)
    one.wait_host(1, "MONITORED")


def test_host_with_machines_stays(one):
    identity = one.running(0)
    one.fails("one.host.delete", 0, code=ACTION, text="Cannot delete host. Can not remove a host with running VMs")
    end(one, identity)


def test_update_of_a_host(one):
    one.ok("one.host.update", 0, 'OWN = "mine"\nRACK = 3', 1)
    template = one.xml("one.host.info", 0).find("TEMPLATE")
    assert template.findtext("OWN") == "mine" and template.findtext("RACK") == "3"
    one.fails("one.host.update", 0, "A = [", 1, code=INTERNAL)
    one.fails("one.host.update", 0, "A = 1", 2, text="Wrong update type")
    one.until(lambda: one.xml("one.host.info", 0).findtext("TEMPLATE/OWN") == "mine", "it to stay over a look")


def test_reserved_capacity(one):
    host = one.host("reserved")
    one.ok("one.host.update", host, "RESERVED_CPU = 100\nRESERVED_MEM = 1048576", 1)
    share = one.until(lambda: (s := one.xml("one.host.info", host).find("HOST_SHARE")).findtext("MAX_CPU") == "700" and s, "700")
    assert share.findtext("TOTAL_CPU") == "800" and share.findtext("MAX_MEM") == str(16777216 - 1048576)
    one.ok("one.host.delete", host)


def test_rename_of_a_host(one):
    host = one.host("oldname")
    one.fails("one.host.rename", host, "h1", text="h1")
    assert one.ok("one.host.rename", host, "newname") == host
    one.wait_host(host, "MONITORED")
    assert one.xml("one.host.info", host).findtext("NAME") == "newname"
    one.ok("one.host.delete", host)


def test_host_that_does_not_answer_is_an_error_and_comes_back(one):
    one.control("HOST sick down=1")
    host = one.host("sick", wait=False)
    shown = one.wait_host(host, "ERROR")
    assert shown.findtext("TEMPLATE/ERROR"), "the reason is told"
    one.control()
    shown = one.wait_host(host, "MONITORED")
    assert shown.find("TEMPLATE/ERROR") is None
    one.ok("one.host.delete", host)


def test_slow_host_does_not_delay_others(one):
    one.control("MONITOR slow hold=1")
    host = one.host("slow", wait=False)
    quick = one.host("quick")  # it is monitored, while the other is not
    assert one.xml("one.host.info", host).findtext("MONITORING/TIMESTAMP") is None
    one.control()
    for identity in (host, quick):
        one.ok("one.host.delete", identity)


def test_machines_that_oned_does_not_know(one):
    """What an administrator started by hand is shown, and left alone."""
    path = one.domain("h1", "wild-one")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("STATE=RUNNING\nNAME=wild-one\nUUID=00000000-0000-0000-0000-000000000001\nCPU=10\nMEMORY=1024\n")
    one.until(lambda: one.xml("one.host.info", 0).findtext("TEMPLATE/TOTAL_WILDS") == "1", "the wild machine")
    template = one.xml("one.host.info", 0).find("TEMPLATE")
    assert template.findtext("WILDS") == "wild-one" and template.findtext("VM/VM_NAME") == "wild-one"
    assert path.exists()
    path.unlink()
    one.until(lambda: one.xml("one.host.info", 0).find("TEMPLATE/WILDS") is None, "it to be forgotten")


# ---- users ----

@pytest.mark.parametrize("name, password, text", [
    ("oneadmin", "x", "NAME is already taken by USER 0."), ("a:b", "x", "Invalid NAME, char ':' is not allowed"),
    ("a b", "x", "Invalid NAME"), ("", "x", "Invalid NAME, it cannot be empty"), ("n" * 129, "x", "Invalid NAME, max length is 128 chars"),
    ("okname", "", "assword"), ("okname", "a b", "assword"), ("okname", "a\tb", "assword")])
def test_user_that_is_refused(one, name, password, text):
    one.fails("one.user.allocate", name, password, "core", code=INTERNAL, text=text)


def test_user_shapes(one):
    plain = one.xml("one.user.info", one.ok("one.user.allocate", "u1", "pw"))
    assert plain.findtext("GID") == "1" and plain.findtext("AUTH_DRIVER") == "core" and plain.findtext("ENABLED") == "1"
    with_driver = one.xml("one.user.info", one.ok("one.user.allocate", "u2", "pw", ""))
    assert with_driver.findtext("AUTH_DRIVER") == "core"
    both = one.xml("one.user.info", one.ok("one.user.allocate", "u3", "pw", "core", [0, 1]))
    assert both.findtext("GID") == "0" and sorted(e.text for e in both.findall("GROUPS/ID")) == ["0", "1"]
    one.fails("one.user.allocate", "u4", "pw", "core", [4711])
    assert "u4" not in one.ok("one.userpool.info")


def test_first_user_is_two(fresh):
    assert fresh().user("first").uid == 2


def test_update_of_a_user(one):
    user = one.user("changed")
    one.ok("one.user.update", user.uid, "A = 1\nB = 2")
    one.ok("one.user.update", user.uid, "B = 3", 1)
    template = one.xml("one.user.info", user.uid).find("TEMPLATE")
    assert {e.tag: e.text for e in template} == {"A": "1", "B": "3"}


def test_change_of_group(one):
    user = one.user("moved")
    assert one.ok("one.user.chgrp", user.uid, 0) == user.uid
    shown = one.xml("one.user.info", user.uid)
    assert shown.findtext("GID") == "0" and shown.findtext("GNAME") == "oneadmin"
    assert str(user.uid) in [e.text for e in one.xml("one.group.info", 0).findall("USERS/ID")]
    one.fails("one.user.chgrp", user.uid, 4711)


def test_delete_of_users(one):
    user = one.user("removed")
    machine = user.allocate(hold=True)
    one.fails("one.user.delete", user.uid, code=ACTION, text="Cannot delete user")  # what would become of the machine?
    end(one, machine)
    assert one.ok("one.user.delete", user.uid) == user.uid
    one.fails("one.user.info", user.uid)
    one.fails("one.user.delete", 0)
    one.ok("one.user.info", 0)


def test_passwords_that_are_refused(one):
    user = one.user("careful")
    for password in ("", "a b", "a\n"):
        one.fails("one.user.passwd", user.uid, password)
    user.ok("one.user.info", -1)

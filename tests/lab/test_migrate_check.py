"""The pre-flight of a live migration on two real hosts: all well, and each obstacle made real."""
import base64
import re

import pytest
from lab.cloud import wait_for
from lab.driver import Driver, Machine


@pytest.fixture(scope="module")
def driver(lab, guest):
    driver = Driver(lab)
    yield driver
    driver.stop()
    lab.clean()


@pytest.fixture(scope="module")
def machine(lab, driver):
    machine = Machine(lab, "node01", text="<NIC><NIC_ID>0</NIC_ID><BRIDGE>br0</BRIDGE></NIC>")
    machine.put()
    driver.do(machine, "DEPLOY")
    machine.beats()
    return machine


class Report:
    def __init__(self, text):
        self.text = base64.b64decode(text).decode()
        self.checks = {name: (result, said) for name, result, said in re.findall(
            r'^CHECK=\[NAME="([^"]*)", RESULT="([^"]*)", TEXT="((?:[^"\\]|\\.)*)"\]', self.text, re.M)}
        self.values = dict(re.findall(r'^([A-Z_]+)="([^"]*)"$', self.text, re.M))

    def expect(self, name, result, part):
        assert self.checks[name][0] == result and part in self.checks[name][1], self.text


def ask(driver, machine, **options):
    return Report(driver.do(machine, "MIGRATECHECK", **{"to": "node02", **options}))


def picture(lab):
    """All that a check could have changed: domains, files, processes of QEMU."""
    return [(lab.on(host, "virsh", "-q", "list", "--all"), lab.on(host, "virsh", "-q", "pool-list", "--all"),
             sorted(lab.on(host, "find", "/srv/local", "/var/lib/one/datastores", "!", "-name", "console.log").split()),
             lab.pids(host, "qemu-system-x86_64")) for host in lab.hosts]


def test_all_is_well(lab, driver, machine):
    before = picture(lab)
    report = ask(driver, machine)
    assert picture(lab) == before
    assert {result for result, _ in report.checks.values()} == {"ok"}, report.text
    assert len(report.checks) == 15 and report.values["STORAGE"] == "shared"
    assert int(report.values["MEMORY_MB"]) == 96 and 100 < int(report.values["TOTAL_MS"]) < 60000
    assert int(report.values["LINK_RATE_MBS"]) > 0 and int(report.values["DIRTY_RATE_MBS"]) >= 0
    report.expect("link", "ok", "by the network card of the source")
    driver.do(machine, "MIGRATE", to="node02")
    machine.only_on("node02")
    machine.beats(1)
    report = ask(driver, machine, to="node01")  # the other direction has not been measured
    report.expect("link", "ok", "by the network card of the source")
    driver.do(machine, "MIGRATE", to="node01")
    machine.only_on("node01")
    report = ask(driver, machine)
    report.expect("link", "ok", "by an earlier migration between these hosts")


def test_destination_is_not_there(lab, driver, machine):
    ask(driver, machine, to="node09").expect("destination", "no", "node09")
    lab.on("node02", "touch", "/run/hold.libvirtd")
    try:
        lab.kill("node02", "libvirtd")
        report = ask(driver, machine)
        report.expect("destination", "no", "node02")
        report.expect("machine", "ok", "runs on node01")
    finally:
        lab.on("node02", "rm", "-f", "/run/hold.libvirtd")
    wait_for("libvirtd of node02", 20, lambda: "Id" in lab.on("node02", "virsh", "list", check=False))


def test_machine_does_not_run(lab, driver, machine):
    report = ask(driver, Machine(lab, "node01"))
    report.expect("machine", "no", "is not there on node01")
    assert "TOTAL_MS" not in report.values
    lab.on("node01", "virsh", "suspend", machine.name)
    ask(driver, machine).expect("machine", "no", "is paused")
    lab.on("node01", "virsh", "resume", machine.name)


def test_name_is_taken(lab, driver, machine):
    lab.on("node02", "sh", "-c", f"""cat >/tmp/taken.$$.xml <<END
<domain type='qemu'><name>{machine.name}</name><memory unit='MiB'>8</memory><os><type>hvm</type></os></domain>
END
virsh -q create /tmp/taken.$$.xml; rm /tmp/taken.$$.xml""")
    try:
        ask(driver, machine).expect("name", "no", "is another machine")
    finally:
        lab.on("node02", "virsh", "-q", "destroy", machine.name)
    ask(driver, machine).expect("name", "ok", "nothing of that name")


def test_bridge_is_missing(lab, driver, machine):
    lab.on("node02", "ip", "link", "set", "br0", "name", "br1", check=False)
    assert "br1" in lab.on("node02", "ls", "/sys/class/net")
    try:
        ask(driver, machine).expect("networks", "no", "node02 has no bridge br0")
    finally:
        lab.on("node02", "ip", "link", "set", "br1", "name", "br0")
    ask(driver, machine).expect("networks", "ok", "br0")


def test_disk_is_read_only(lab, driver, machine):
    """A yes must move: this was one, and the move failed."""
    lab.on("node02", "mount", "-o", "bind,ro", machine.path, machine.path)
    try:
        ask(driver, machine).expect("disks", "no", "disk.0 cannot be written on node02")
        assert not driver.ask(machine, "MIGRATE", to="node02")[0]
    finally:
        lab.on("node02", "umount", machine.path)
    ask(driver, machine).expect("disks", "ok", "")


def test_hosts_do_not_reach_each_other(lab, driver, machine):
    lab.call("cut", "node01", "node02")
    try:
        ask(driver, machine).expect("link", "warning", "from node01 nobody answers at node02")
    finally:
        lab.call("join", "node01", "node02")
    ask(driver, machine).expect("link", "ok", "MiB/s")


def test_options_do_not_go_together(driver, machine):
    ask(driver, machine, migrate={"TLS": "YES", "TUNNEL": "YES"}).expect("options", "no", "choose one")
    ask(driver, machine, migrate={"BANDWIDTH": "x"}).expect("options", "no", "BANDWIDTH")
    ask(driver, machine, migrate={"BANDWIDTH": 1, "TIME_LIMIT": 5}).expect("duration", "warning", "TIME_LIMIT gives it 5")


# ---- a machine with all kinds of obstacles, on disks that the hosts do not share ----

def make_emulator(lab, host, program):
    lab.on(host, "sh", "-c", f"printf '#!/bin/sh\\nexec /usr/bin/{program} \"$@\"\\n' >/srv/local/qemu-of-node01 && "
           "chmod +x /srv/local/qemu-of-node01")


@pytest.fixture(scope="module")
def awkward(lab, driver, guest):
    """Says SHARED=YES, though each host has a disk of its own there; is as big as nearly all of the memory."""
    free = int(re.search(r"MemAvailable:\s+(\d+)", open("/proc/meminfo").read()).group(1)) // 1024
    total = int(re.search(r"MemTotal:\s+(\d+)", open("/proc/meminfo").read()).group(1)) // 1024
    make_emulator(lab, "node01", "qemu-system-x86_64")
    machine = Machine(lab, "node01", own=True, memory=(free + total) // 2 + 64, text="""
        <RAW><TYPE>kvm</TYPE><DATA>&lt;devices&gt;&lt;emulator&gt;/srv/local/qemu-of-node01&lt;/emulator&gt;
        &lt;filesystem type='mount' accessmode='mapped'&gt;&lt;source dir='/srv/local'/&gt;&lt;target dir='host'/&gt;
        &lt;/filesystem&gt;&lt;/devices&gt;</DATA></RAW>""", disks=["<CACHE>writeback</CACHE>"])
    machine.put()
    machine.outside("node02").mkdir(parents=True)
    driver.do(machine, "DEPLOY")
    yield machine
    driver.do(machine, "CANCEL")


def lie(machine, driver, **options):
    """The check of a machine whose system datastore says SHARED=YES, against the truth."""
    machine.own = False
    try:
        return ask(driver, machine, **options)
    finally:
        machine.own = True


def test_storage_that_is_not_shared(driver, awkward):
    report = lie(awkward, driver)
    report.expect("disks", "no", "disk.0 is not there on node02")
    report.expect("cache", "warning", "vda has cache=writeback")
    awkward.put(host="node02")
    lie(awkward, driver).expect("disks", "no", "node02 has another file")


def test_mirrored_disks(driver, awkward):
    """The copy of the last test is data in the way; then there is only an empty directory."""
    ask(driver, awkward).expect("disks", "no", "KiB of data")
    (awkward.outside("node02") / "disk.0").unlink()
    report = ask(driver, awkward)
    report.expect("disks", "ok", "copied")
    report.expect("space", "ok", "MiB on node02")
    assert report.values["STORAGE"] == "mirrored"


def test_no_space(lab, driver, awkward):
    lab.on("node02", "mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", awkward.path)
    try:
        ask(driver, awkward).expect("space", "no", "node02 has 1 MiB")
    finally:
        lab.on("node02", "umount", awkward.path)


def test_too_little_memory(driver, awkward):
    ask(driver, awkward).expect("memory", "no", "MiB free")


def test_device_that_stays(driver, awkward):
    ask(driver, awkward).expect("devices", "no", "the file system host")


def test_emulator_is_missing(driver, awkward):
    ask(driver, awkward).expect("machine-type", "no", "/srv/local/qemu-of-node01")


def test_machine_type_is_missing(lab, driver, awkward):
    """The destination's QEMU is one that knows another board alone."""
    make_emulator(lab, "node02", "qemu-system-x86_64-microvm")
    ask(driver, awkward).expect("machine-type", "no", "pc-i440fx")

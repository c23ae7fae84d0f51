"""The LXD flavour of both drivers, against a service that speaks LXD's API."""
import copy
import hashlib
import io
import json
import os
import re
import socket
import tarfile

import pytest
from api.driver_process import DriverProcess, checks, commanded, decoded, machine, polled, ran
from api.fake_lxd import FakeLxd
from api.fake_rest import dying, endless, silent, status, wait_for

WEB = ("<CPU>0.5</CPU><VCPU>2</VCPU><MEMORY>256</MEMORY><CONTAINER><IMAGE>debian</IMAGE></CONTAINER>"
       "<NIC><NIC_ID>0</NIC_ID><BRIDGE>br0</BRIDGE><MAC>02:00:c0:a8:00:05</MAC><IP>192.168.0.5</IP><GATEWAY>192.168.0.1</GATEWAY></NIC>"
       "<CONTEXT><SSH_PUBLIC_KEY>ssh-ed25519 AAAA me@here</SSH_PUBLIC_KEY><SET_HOSTNAME>web</SET_HOSTNAME></CONTEXT>")


@pytest.fixture
def lxd(tmp_path):
    daemon = FakeLxd(tmp_path / "h1.sock")
    yield daemon
    daemon.stop()


@pytest.fixture
def vmm(lxd, tmp_path):
    driver = DriverProcess("one_vmm", "lxd", "-u", f"unix:{tmp_path}/%h.sock", directory=tmp_path)
    assert "LACKS=SAVE,RESTORE,MIGRATE,RESET HAS=FREEZE,COLDCHECK,FALLBACK" in driver.ready
    yield driver
    driver.end()


@pytest.fixture
def im(lxd, tmp_path):
    driver = DriverProcess("one_im", "lxd", "-u", f"unix:{tmp_path}/%h.sock", directory=tmp_path)
    yield driver
    driver.end()


def report(im, host="h1"):
    return decoded(im.ok("MONITOR", 3, f"{host} /nowhere 1"))


# ---- life ----

def test_life(vmm, lxd):
    web = machine("h1", template=WEB)
    assert vmm.ok("POLL", 12, web) == "STATE=d"
    assert vmm.ok("DEPLOY", 12, web) == "one-12"
    assert vmm.ok("DEPLOY", 12, web) == "one-12", "again is harmless"
    assert lxd.instances["one-12"]["status"] == "Running"
    assert vmm.ok("POLL", 12, web) == f"STATE=a MEMORY={48 * 1024}"
    for again in range(2):
        vmm.ok("FREEZE", 12, web)
        assert lxd.instances["one-12"]["status"] == "Frozen" and vmm.ok("POLL", 12, web).startswith("STATE=p")
    for again in range(2):
        assert vmm.ok("THAW", 12, web) == "one-12" and vmm.ok("POLL", 12, web).startswith("STATE=a")
    vmm.ok("REBOOT", 12, web)
    vmm.ok("SHUTDOWN", 12, web)
    for action in ("FREEZE", "THAW"):
        vmm.fails(action, 12, web, "one-12 is not there on h1, so it")
    assert vmm.ok("POLL", 12, web) == "STATE=d" and lxd.instances["one-12"]["status"] == "Stopped"
    vmm.ok("SHUTDOWN", 12, web)
    assert len(lxd.told("POST", "/1.0/instances")) == 1
    vmm.ok("DEPLOY", 12, web)
    assert len(lxd.told("POST", "/1.0/instances")) == 1, "one that is off is started, not made anew"
    vmm.ok("CANCEL", 12, web)
    vmm.ok("CANCEL", 12, web)
    vmm.ok("CLEANUP", 12, web)
    vmm.ok("CLEANUP", 12, web)
    assert not lxd.instances


def test_what_lxd_is_told(vmm, lxd):
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB))
    told = lxd.told("POST", "/1.0/instances")[0]
    config = told["config"]
    assert told["name"] == "one-12" and told["description"] == "web" and told["profiles"] == ["default"] and told["type"] == "container"
    assert told["source"] == {"type": "image", "alias": "debian"}
    assert config["limits.memory"] == "256MiB" and config["limits.cpu"] == "2" and config["limits.cpu.allowance"] == "50ms/100ms"
    assert config["user.one.vid"] == "12" and re.fullmatch(r"[0-9a-f-]{36}", config["user.one.uuid"])
    assert config["cloud-init.user-data"] == '#cloud-config\nhostname: "web"\nssh_authorized_keys:\n  - "ssh-ed25519 AAAA me@here"\n'
    assert 'address: "192.168.0.5"' in config["cloud-init.network-config"] and 'gateway: "192.168.0.1"' in config["cloud-init.network-config"]
    assert told["devices"] == {"eth0": {"type": "nic", "nictype": "bridged", "parent": "br0", "name": "eth0", "hwaddr": "02:00:c0:a8:00:05"}}


def test_other_settings(vmm, lxd):
    template = ("<MEMORY>64</MEMORY><CONTAINER><IMAGE>0123456789ab</IMAGE><PROFILES>web, default</PROFILES><PRIVILEGED>yes</PRIVILEGED>"
                "<NESTING>no</NESTING><POOL>fast</POOL><SIZE>900</SIZE></CONTAINER><CONTEXT><USER_DATA>I2Nsb3VkLWNvbmZpZwo=</USER_DATA>"
                "<USERDATA_ENCODING>base64</USERDATA_ENCODING></CONTEXT>")
    vmm.ok("DEPLOY", 12, machine("h1", template=template))
    told = lxd.told("POST", "/1.0/instances")[0]
    assert told["profiles"] == ["web", "default"] and told["source"] == {"type": "image", "fingerprint": "0123456789ab"}
    assert told["config"]["security.privileged"] == "true" and told["config"]["security.nesting"] == "false"
    assert told["config"]["cloud-init.user-data"] == "#cloud-config\n" and "cloud-init.network-config" not in told["config"]
    assert told["devices"]["root"] == {"type": "disk", "path": "/", "pool": "fast", "size": "900MiB"}


@pytest.mark.parametrize("template, text", [
    ("<MEMORY>64</MEMORY>", "names no image"),
    ("<CONTAINER><IMAGE>debian</IMAGE></CONTAINER><NIC><NIC_ID>1</NIC_ID></NIC>", "NIC 1 names no BRIDGE"),
    ("<CONTAINER><IMAGE>windows</IMAGE></CONTAINER>", "Image not found"),
])
def test_what_cannot_be_deployed(vmm, lxd, template, text):
    vmm.fails("DEPLOY", 12, machine("h1", template=template), text)
    assert not lxd.instances


def test_one_that_does_not_start_leaves_nothing(vmm, lxd):
    lxd.spoil("PUT .*/state", status(500, {"type": "error", "error": "Failed to run: forkstart", "error_code": 500}))
    vmm.fails("DEPLOY", 12, machine("h1", template=WEB), "host h1: LXD says: Failed to run: forkstart")
    assert not lxd.instances


def test_another_of_that_name_is_left_alone(vmm, lxd):
    lxd.instances["one-12"] = {"config": {"user.one.uuid": "another"}, "devices": {}, "status": "Running"}
    web = machine("h1", template=WEB)
    for action in ("DEPLOY", "SHUTDOWN", "REBOOT"):
        vmm.fails(action, 12, web, "is another container")
    vmm.ok("CANCEL", 12, web)
    vmm.ok("CLEANUP", 12, web)
    assert vmm.ok("POLL", 12, web) == "STATE=d"
    assert lxd.instances["one-12"]["status"] == "Running"


def test_one_that_does_not_obey(vmm, lxd):
    web = machine("h1", template=WEB)
    vmm.ok("DEPLOY", 12, web)
    lxd.stubborn = True
    vmm.fails("SHUTDOWN", 12, web, "did not end within", "runs")
    assert lxd.instances["one-12"]["status"] == "Running"
    vmm.ok("CANCEL", 12, web)
    assert lxd.instances["one-12"]["status"] == "Stopped"


# ---- information ----

def test_report(im, vmm, lxd):
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB))
    lxd.instances["wild"] = {"config": {"limits.memory": "512MB", "volatile.uuid": "8c1d"}, "devices": {}, "status": "Frozen"}
    lxd.instances["off"] = {"config": {}, "devices": {}, "status": "Stopped"}
    lxd.calls.clear()
    text = report(im)
    told = [call[1] for call in lxd.calls if call[1] != "/1.0/events"]
    assert len(told) == 3, told
    for line in ('HYPERVISOR="lxd"', 'HOSTNAME="lxd1"', 'VERSION="5.0.2"', 'TOTALCPU="800"', 'TOTALMEMORY="16777216"',
                 'FREEMEMORY="12582912"', 'MODELNAME="A CPU"', 'CPUSPEED="2400"', 'SYNC_STATE="yes"'):
        assert line in text.split("\n"), f"{line} is not in {text}"
    machines = {name: line for line in text.split("\n") if line.startswith("VM=[") for name in re.findall('DEPLOY_ID="(.*?)"', line)}
    assert 'ID="12"' in machines["one-12"] and 'STATE="RUNNING"' in machines["one-12"]
    monitor = decoded(re.search('MONITOR="(.*?)"', machines["one-12"]).group(1))
    assert f'MEMORY="{48 * 1024}"' in monitor and 'NETRX="1000"' in monitor and 'NETTX="2000"' in monitor and 'SIZE="300"' in monitor
    assert 'ID="-1"' in machines["wild"] and 'STATE="PAUSED"' in machines["wild"] and 'UUID="8c1d"' in machines["wild"]
    template = decoded(re.search('IMPORT_TEMPLATE="(.*?)"', machines["wild"]).group(1))
    assert 'DEPLOY_ID="wild"' in template and 'MEMORY="488"' in template
    assert 'STATE="POWEROFF"' in machines["off"]


def test_use_of_processors(im, vmm, lxd):
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB))
    report(im)
    later = report(im)
    assert 'USEDCPU="0"' in later and 'CPU="0.0"' in decoded(re.search('MONITOR="(.*?)"', later).group(1))


# ---- what goes wrong ----

GARBAGE = [
    ("dies in its answer", dying, "gave no whole answer"),
    ("no JSON", status(200, b"<html>I am a proxy</html>", "text/html"), "no JSON document"),
    ("an array", status(200, b"[1,2]"), "it is not an object"),
    ("deep", status(200, b"[" * 500), "nested too deeply"),
    ("not UTF-8", status(200, b'{"type":"\xff"}'), "not UTF-8"),
    ("no type", status(200, b'{"metadata":{}}'), "what answers there is not LXD"),
    ("refused", status(403, {"type": "error", "error": "not authorized", "error_code": 403}), "LXD says: not authorized"),
    ("refused without a reason", status(500, {"type": "error"}), "LXD says: no reason"),
    ("too long", endless, "is longer than"),
]


@pytest.mark.parametrize("how, text", [row[1:] for row in GARBAGE], ids=[row[0] for row in GARBAGE])
def test_garbage(vmm, im, lxd, how, text):
    web = machine("h1", template=WEB)
    vmm.ok("DEPLOY", 12, web)
    lxd.spoil("GET /1.0/instances.*", how, times=2)
    vmm.fails("POLL", 12, web, "host h1", text)
    im.fails("MONITOR", 3, "h1 /nowhere 1", "host h1", text)
    assert vmm.ok("POLL", 12, web).startswith("STATE=a"), "and then it goes on"
    assert 'DEPLOY_ID="one-12"' in report(im)


def test_wrong_types_are_not_there(vmm, im, lxd):
    lxd.spoil("GET /1.0/resources", status(200, {"type": "sync", "metadata": {"cpu": [], "memory": {"total": "many"}}}))
    lxd.spoil("GET /1.0/instances", status(200, {"type": "sync", "metadata": [7, None, {"name": 5}, {"name": "odd", "state": "none", "config": []}]}))
    text = report(im)
    assert 'TOTALCPU="0"' in text and 'DEPLOY_ID="odd"' in text and 'STATE="UNKNOWN"' in text
    lxd.spoil("GET /1.0/instances/one-12", status(200, {"type": "sync", "metadata": []}))
    vmm.fails("POLL", 12, machine("h1", template=WEB), "does not tell the status")


def test_no_daemon(vmm, im, lxd):
    lxd.stop()
    vmm.fails("POLL", 12, machine("h1", template=WEB), "host h1: LXD at unix:", "is not reached", "is it running there?")
    im.fails("MONITOR", 3, "h1 /nowhere 1", "is not reached")
    vmm.fails("DEPLOY", 12, machine("h1", template=WEB), "is not reached")
    lxd.start()
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB))


def test_not_trusted(im, lxd):
    lxd.spoil("GET /1.0", status(200, {"type": "sync", "metadata": {"auth": "untrusted"}}))
    im.fails("MONITOR", 3, "h1 /nowhere 1", "LXD does not trust our certificate")


def test_operation_that_fails_or_is_lost(vmm, lxd):
    web = machine("h1", template=WEB)
    for answer, text in (({"type": "sync", "metadata": {"status_code": 400, "err": "no space left"}}, "no space left"),
                         ({"type": "sync", "metadata": {}}, "the operation has no status"),
                         ({"type": "error", "error": "Operation not found", "error_code": 404}, "Operation not found")):
        lxd.spoil("GET /1.0/operations/.*/wait", status(200, answer))
        vmm.fails("DEPLOY", 12, web, text)
        lxd.instances.clear()


def test_request_that_is_given_up(vmm, lxd):
    lxd.spoil("GET /1.0/instances/one-12", silent(60))
    vmm.put(f"REBOOT 12 {machine('h1', template=WEB)}")
    vmm.put(f"POLL 13 {machine('h1', vid=13, template=WEB)}")
    assert vmm.line() == "POLL SUCCESS 13 STATE=d", "one that hangs holds nobody up"
    lxd.ending.set()
    assert "REBOOT FAILURE 12" in vmm.line()


# ---- changes ----

NIC1 = "<NIC><NIC_ID>1</NIC_ID><BRIDGE>br1</BRIDGE>{}</NIC>"


def test_changes(vmm, lxd):
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB))
    mine = lxd.instances["one-12"]
    mine["config"]["volatile.kept"] = "yes"
    mine["devices"]["extra"] = {"type": "proxy"}
    vmm.ok("RESIZE", 12, machine("h1", template="<CPU>2</CPU><MEMORY>512</MEMORY>"))
    assert mine["config"]["limits.memory"] == "512MiB" and mine["config"]["limits.cpu.allowance"] == "200ms/100ms"
    assert "limits.cpu" not in mine["config"] and mine["config"]["volatile.kept"] == "yes"
    assert "cloud-init.user-data" not in mine["config"] and list(mine["devices"]) == ["extra"]
    vmm.ok("ATTACHNIC", 12, machine("h1", template=WEB + NIC1.format("<ATTACH>YES</ATTACH>")))
    assert sorted(mine["devices"]) == ["eth0", "eth1", "extra"] and mine["devices"]["eth1"]["parent"] == "br1"
    vmm.ok("DETACHNIC", 12, machine("h1", template=WEB + NIC1.format("<ATTACH>YES</ATTACH>")))
    assert sorted(mine["devices"]) == ["eth0", "extra"]
    vmm.ok("UPDATECONF", 12, machine("h1", template=WEB))
    assert "cloud-init.user-data" in mine["config"]
    vmm.fails("ATTACHDISK", 12, machine("h1", template=WEB), "get and lose no disks")
    vmm.fails("DETACHNIC", 12, machine("h1", template=WEB), "marks no device")
    vmm.fails("RESIZE", 13, machine("h1", vid=13, template=WEB), "one-13 is not there on h1")


def test_snapshots(vmm, lxd):
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB))
    mine = lxd.instances["one-12"]
    mine["disk"] = "old"
    asked = machine("h1", template=WEB + "<SNAPSHOT><SNAPSHOT_ID>3</SNAPSHOT_ID><ACTIVE>YES</ACTIVE></SNAPSHOT>")
    assert vmm.ok("SNAPSHOTCREATE", 12, asked) == "snap-3"
    assert vmm.ok("SNAPSHOTCREATE", 12, asked) == "snap-3", "again is harmless"
    assert len(lxd.told("POST", ".*/snapshots")) == 1
    mine["disk"] = "new"
    vmm.ok("SNAPSHOTREVERT", 12, asked)
    assert mine["disk"] == "old" and mine["status"] == "Running"
    vmm.ok("SNAPSHOTDELETE", 12, asked)
    vmm.ok("SNAPSHOTDELETE", 12, asked)
    assert mine["snapshots"] == {}
    vmm.fails("SNAPSHOTREVERT", 12, asked, "Snapshot not found")
    assert mine["status"] == "Running", "it goes on when there was nothing to go back to"


def test_environment(vmm, lxd):
    pairs = "<CONTAINER><IMAGE>debian</IMAGE><ENVIRONMENT>{}</ENVIRONMENT></CONTAINER>"
    vmm.ok("DEPLOY", 12, machine("h1", template=pairs.format("A=1 \"B=two words\" C=")))
    config = lxd.instances["one-12"]["config"]
    assert (config["environment.A"], config["environment.B"], config["environment.C"]) == ("1", "two words", "")
    for wrong in ("A", "=1", "A='1"):
        vmm.fails("DEPLOY", 13, machine("h1", vid=13, template=pairs.format(wrong)), "CONTAINER/ENVIRONMENT")


# ---- images ----

def archive(path, files):
    with tarfile.open(path, "w") as made:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            made.addfile(entry, io.BytesIO(text.encode()))


def test_images_of_datastores(vmm, lxd, tmp_path):
    """A disk that is an image as LXD exports it, or the files of a root; what is there is not sent again."""
    disk = "<DISK><DISK_ID>0</DISK_ID><IMAGE_ID>7</IMAGE_ID><SOURCE>{}</SOURCE></DISK>"
    archive(tmp_path / "ds.1", {"metadata.yaml": "architecture: x86_64\n", "rootfs/bin/sh": "#!"})
    archive(tmp_path / "ds.2", {"./bin/sh": "#!", "./etc/metadata.yaml": "no"})
    for vid, name in ((12, "ds.1"), (13, "ds.1"), (14, "ds.2"), (15, "ds.2")):
        vmm.ok("DEPLOY", vid, machine("h1", vid=vid, template=disk.format(tmp_path / name)))
        assert lxd.instances[f"one-{vid}"]["status"] == "Running"
    assert len(lxd.told("POST", "/1.0/images")) == 2 and len(set(lxd.brought)) == 2
    assert lxd.described == "architecture: x86_64\ncreation_date: 1\n"
    assert lxd.brought[0] == hashlib.sha256((tmp_path / "ds.1").read_bytes()).hexdigest()
    os.utime(tmp_path / "ds.1", (1, 1))
    vmm.ok("DEPLOY", 16, machine("h1", vid=16, template=disk.format(tmp_path / "ds.1")))
    assert len(lxd.told("POST", "/1.0/images")) == 2, "the same content is known again by its fingerprint"
    brought = "<CONTAINER><IMAGE>mine</IMAGE><ARCHIVE>{}</ARCHIVE></CONTAINER>".format(tmp_path / "ds.1")
    vmm.ok("DEPLOY", 17, machine("h1", vid=17, template=brought))
    assert lxd.images["mine"] == lxd.brought[0]
    vmm.fails("DEPLOY", 18, machine("h1", vid=18, template=disk.format("/nowhere")), "cannot be read on the front-end")
    vmm.fails("DEPLOY", 18, machine("h1", vid=18, template=disk.format("")), "disk 0 is empty space")


# ---- moves ----

@pytest.fixture
def second(tmp_path):
    daemon = FakeLxd(tmp_path / "h2.sock", "lxd2")
    yield daemon
    daemon.stop()


BEFORE = [("h1", "lxd", 0), ("h2", "lxd", 0)]


def moved(vmm, lxd, second):
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB))
    lxd.instances["one-12"]["disk"] = "precious"
    vmm.ok("SHUTDOWN", 12, machine("h1", template=WEB))
    return machine("h2", template=WEB, history=BEFORE)


def test_move_between_the_daemons(vmm, lxd, second):
    second.peers["10.0.0.1:8443"] = lxd
    lxd.addresses.append("10.0.0.1:8443")
    there = moved(vmm, lxd, second)
    vmm.ok("DEPLOY", 12, there)
    assert not lxd.instances and second.instances["one-12"]["status"] == "Running" and second.instances["one-12"]["disk"] == "precious"
    assert any("moved from h1 to h2" in line for line in vmm.log), vmm.log
    vmm.ok("DEPLOY", 12, there)


def test_move_through_the_driver(vmm, lxd, second):
    """The first address does not work, and there is no other."""
    lxd.addresses.append("10.0.0.9:8443")
    vmm.ok("DEPLOY", 12, moved(vmm, lxd, second))
    assert not lxd.instances and second.instances["one-12"]["disk"] == "precious" and not lxd.backups
    assert any("does not fetch one-12" in line for line in vmm.log), vmm.log


def test_move_under_load(vmm, lxd, second):
    """A host that is late with one answer has not failed: its operation is asked for again."""
    there = moved(vmm, lxd, second)
    second.spoil("GET /1.0/operations/.*/wait", silent(600), times=1)
    vmm.ok("DEPLOY", 12, there)
    assert not lxd.instances and second.instances["one-12"]["disk"] == "precious"


def test_what_a_move_would_find(vmm, lxd, tmp_path):
    second = FakeLxd(tmp_path / "h2.sock", "lxd2")
    web = machine("h1", template=WEB, destination="h2")
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB))
    lxd.instances["one-12"]["devices"] |= {"root": {"type": "disk", "pool": "default", "path": "/"}}
    found, figures = checks(vmm, 12, web)
    assert found["engine"] == ("ok", "lxd 5.0.2 on h1, 5.0.2 on h2") and found["kernel"] == ("ok", "Linux 6.1.0 (x86_64) on both")
    assert found["storage"] == ("ok", "the pool default (dir); its disk and snapshots are sent while it is off")
    assert found["networks"][0] == found["bound"][0] == found["name"][0] == found["criu"][0] == "ok" and "CRIU" in found["criu"][1]
    assert found["way"][0] == "warning" and "neither live nor checkpointed: neither LXD 5.0 nor Incus" in found["way"][1]
    assert int(figures["DOWNTIME_MS"]) == 1500 + (300 << 20) * 1000 // 125000000
    lxd.instances["one-12"]["devices"] |= {"gpu0": {"type": "gpu"}, "data": {"type": "disk", "source": "/srv", "path": "/srv"}}
    second.networks, second.pools, second.version, second.architecture = set(), {"default": "zfs"}, "4.0.9", "aarch64"
    found, figures = checks(vmm, 12, web)
    assert found["networks"] == ("no", "h2 has no network or bridge br0") and found["kernel"] == ("no", "x86_64 on h1, aarch64 on h2")
    assert found["engine"] == ("warning", "lxd 4.0.9 on h2 is older than 5.0.2 on h1")
    assert found["storage"] == ("warning", "the pool default (dir) on h1, the pool default (zfs) on h2")
    assert "the device gpu0 (gpu) is the host's" in found["bound"][1] and "the disk data is /srv of each host" in found["bound"][1]
    assert found["way"][0] == "no"
    second.pools = {}
    assert "h2 has no storage pool default" in checks(vmm, 12, web)[0]["networks"][1]
    # Every pool counts, and once.
    lxd.pools, second.pools = {"default": "dir", "fast": "zfs"}, {"default": "btrfs", "fast": "zfs"}
    disks = {"aaa": {"type": "disk", "pool": "fast", "source": "a", "path": "/a"}, "root": {"type": "disk", "pool": "default", "path": "/"},
             "zzz": {"type": "disk", "pool": "fast", "source": "z", "path": "/z"}}
    lxd.instances["one-12"]["devices"] = disks
    assert checks(vmm, 12, web)[0]["storage"] == (
        "warning", "the pool default (dir), the pool fast (zfs) on h1, the pool default (btrfs), the pool fast (zfs) on h2")
    del second.pools["default"]
    assert "h2 has no storage pool default" in checks(vmm, 12, web)[0]["networks"][1]
    second.stop()


@pytest.mark.parametrize("which, pattern", [("second", "POST /1.0/instances"), ("lxd", "GET .*/export"), ("lxd", "POST .*/backups")])
def test_move_that_fails_leaves_it_where_it_was(vmm, lxd, second, which, pattern):
    there = moved(vmm, lxd, second)
    {"lxd": lxd, "second": second}[which].spoil(pattern, status(500, {"type": "error", "error": "disk is full", "error_code": 500}))
    vmm.fails("DEPLOY", 12, there, "one-12 stays on h1", "disk is full")
    assert lxd.instances["one-12"]["disk"] == "precious" and not second.instances
    vmm.ok("DEPLOY", 12, there)
    assert not lxd.instances and second.instances["one-12"]["disk"] == "precious"


def test_no_new_one_while_the_old_host_is_silent(vmm, lxd, second):
    there = moved(vmm, lxd, second)
    lxd.stop()
    vmm.fails("DEPLOY", 12, there, "one-12 may be on h1, where it was, with its disk")
    vmm.fails("CLEANUP", 12, there, "is not reached")
    assert not second.instances
    vmm.ok("DEPLOY", 12, machine("h2", template=WEB, history=[("h1", "lxd", 14), ("h2", "lxd", 0)]))
    assert second.instances["one-12"]["status"] == "Running", "one that was made anew by order owes the old host nothing"
    vmm.ok("CLEANUP", 12, there)
    assert any("an earlier host of it is not asked" in line for line in vmm.log)


def test_one_that_still_runs_elsewhere(vmm, lxd, second):
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB))
    vmm.fails("DEPLOY", 12, machine("h2", template=WEB, history=BEFORE), "one-12 runs on h1")
    assert not second.instances
    vmm.ok("CLEANUP", 12, machine("h2", template=WEB, history=BEFORE))
    assert not lxd.instances, "wherever it was"


def test_old_contents_are_not_started(vmm, lxd, second):
    """One that is off at its host is started when its mark and the other hosts say that nothing newer is anywhere."""
    first, there = [("h1", "lxd", 0)], BEFORE
    back = [*BEFORE, ("h1", "lxd", 0)]
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB, history=first, lcm=2))
    assert lxd.instances["one-12"]["config"]["user.one.seq"] == "0"
    vmm.ok("SHUTDOWN", 12, machine("h1", template=WEB, history=first))
    old = copy.deepcopy(lxd.instances["one-12"])
    vmm.ok("DEPLOY", 12, machine("h2", template=WEB, history=there))
    assert second.instances["one-12"]["config"]["user.one.seq"] == "1" and not lxd.instances
    vmm.ok("SHUTDOWN", 12, machine("h2", template=WEB, history=there))
    # What was left of it on its first host is older than what the second has.
    lxd.instances["one-12"] = old
    vmm.fails("DEPLOY", 12, machine("h1", template=WEB, history=back), "both h1 and h2 have one-12", "which of them is stale is not known", "lxc info one-12", "lxc delete one-12")
    assert old["status"] == "Stopped" and second.instances["one-12"]["status"] == "Stopped", "nothing was touched"
    second.stop()
    vmm.fails("DEPLOY", 12, machine("h1", template=WEB, history=back), "a newer one may be on h2")
    second.start()
    del lxd.instances["one-12"]
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB, history=back))
    assert lxd.instances["one-12"]["config"]["user.one.seq"] == "2" and not second.instances
    # A part of it that did not come over whole.
    vmm.ok("SHUTDOWN", 12, machine("h1", template=WEB, history=back))
    second.instances["one-12"] = copy.deepcopy(lxd.instances["one-12"])
    vmm.fails("DEPLOY", 12, machine("h2", template=WEB, history=[*back, ("h2", "lxd", 0)]), "both h2 and h1 have one-12")
    del second.instances["one-12"]
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB, history=back))
    # Off and on at one host asks nobody else.
    vmm.ok("SHUTDOWN", 12, machine("h1", template=WEB, history=back))
    second.stop()
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB, history=[*back, ("h1", "lxd", 0)]))
    second.start()
    vmm.ok("SHUTDOWN", 12, machine("h1", template=WEB, history=back))
    # Made anew since: its disk is another's life.
    anew = [*back, ("h1", "lxd", 14), ("h1", "lxd", 0)]
    lxd.instances["one-12"]["config"]["user.one.seq"] = "3"
    vmm.fails("DEPLOY", 12, machine("h1", template=WEB, history=anew, lcm=2), "of before the machine was made anew", "recover --recreate")
    vmm.ok("CLEANUP", 12, machine("h1", template=WEB, history=anew))
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB, history=anew, lcm=2))
    assert lxd.instances["one-12"]["config"]["user.one.seq"] == "4"
    # One without a mark, of an older driver, is started where it is the only one.
    vmm.ok("SHUTDOWN", 12, machine("h1", template=WEB, history=anew))
    del lxd.instances["one-12"]["config"]["user.one.seq"]
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB, history=[*anew, ("h1", "lxd", 0)]))


# ---- what LXD tells by itself ----

def test_events(im, vmm, lxd):
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB))
    report(im)
    wait_for(lambda: lxd.listeners and getattr(lxd, "pongs", None), "the listener")
    assert lxd.pongs == (10, b"are you there")
    lxd.instances["one-12"]["status"] = "Stopped"
    lxd.happens("one-12", "shutdown", parts=2)
    words = im.line().split()
    text = decoded(words[3])
    assert words[:3] == ["STATE_VM", "SUCCESS", "3"] and 'ID="12"' in text and 'STATE="POWEROFF"' in text and 'UUID="' in text
    lxd.happens("one-12", "updated")
    del lxd.instances["one-12"]
    lxd.happens("one-12", "deleted")
    text = decoded(im.line().split()[3])
    assert 'ID="12"' in text and 'STATE="POWEROFF"' in text
    lxd.hang_up()
    assert im.line().startswith("MONITOR_HOST FAILURE 3 host h1: LXD closed the connection")
    report(im)
    wait_for(lambda: lxd.listeners, "the listener again")
    im.ok("STOPMONITOR", 3, "h1")


def test_no_events(im, lxd):
    lxd.spoil("GET /1.0/events", status(403, {"error": "no"}), times=100)
    report(im)
    report(im)


# ---- console ----

def test_console(vmm, lxd):
    web = machine("h1", template=WEB)
    vmm.fails("CONSOLE", 12, web, "one-12 is not there on h1, so it has no console")
    vmm.ok("DEPLOY", 12, web)
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(120)
        line.connect(decoded(vmm.ok("CONSOLE", 12, web)))
        assert line.recv(7, socket.MSG_WAITALL) == b"login: "
        for word in (b"root", b"x" * 300):
            line.sendall(word)
            assert line.recv(len(word) + 2, socket.MSG_WAITALL) == b"<" + word + b">"
        assert len(lxd.controls) == 1
    wait_for(lambda: not lxd.controls, "the end of the console")
    lxd.spoil("POST .*/console", status(200, {"type": "async", "metadata": {}}))
    vmm.fails("CONSOLE", 12, web, "offers no console")


# ---- commands ----

def test_commands(vmm, lxd):
    web = machine("h1", template=WEB)
    vmm.fails("EXEC", 12, commanded("h1", "true"), "so it cannot run commands")
    vmm.ok("DEPLOY", 12, web)
    found = ran(vmm, 12, "h1", "echo out; echo err >&2; exit 3")
    assert found == {"STATUS": "DONE", "RETURN_CODE": "3", "STDOUT": "out\n", "STDERR": "err\n"}
    assert ran(vmm, 12, "h1", "cat; echo 'two  words'", "in 'put'")["STDOUT"] == "in 'put'\ntwo  words\n"
    found = ran(vmm, 12, "h1", "head -c 100000 /dev/zero | tr '\\0' x; cat")
    assert found["STDOUT"] == "x" * 65536 and found["TRUNCATED"] == "YES"
    assert "started anew" in polled(vmm, 12, "h1", "x0000")["ERROR"]
    vmm.ok("EXEC_CANCEL", 12, commanded("h1", "", word="x0000"))


# ---- with oned ----

LXD = """
IM_MAD = [ NAME = "lxd", EXECUTABLE = "one_im", ARGUMENTS = "lxd -u unix:{0}/%h.sock" ]
VM_MAD = [ NAME = "lxd", EXECUTABLE = "one_vmm", ARGUMENTS = "lxd -u unix:{0}/%h.sock", KEEP_MACHINES = "yes", KEEP_SNAPSHOTS = "yes" ]
"""


def test_whole_life_with_oned(fresh, lxd, tmp_path):
    one = fresh(LXD.format(tmp_path))
    host = one.host("h1", "lxd")
    identity = one.allocate('CONTAINER = [ IMAGE = "debian" ]')
    one.ok("one.vm.deploy", identity, host)
    one.wait(identity, "RUNNING")
    name = f"one-{identity}"
    assert lxd.instances[name]["status"] == "Running"
    one.until(lambda: one.vm(identity).findtext("MONITORING/MEMORY") == str(48 * 1024), "its sample")
    one.action("poweroff", identity)
    one.wait(identity, "POWEROFF")
    assert lxd.instances[name]["status"] == "Stopped", "one that is off stays"
    one.action("resume", identity)
    one.wait(identity, "RUNNING")
    one.fails("one.vm.action", "stop", identity, text="has no SAVE")
    one.action("poweroff", identity)
    one.wait(identity, "POWEROFF")
    one.action("terminate", identity)
    one.wait(identity, "DONE")
    assert name not in lxd.instances, "and goes with its machine"


def test_machine_that_ends_while_it_runs(fresh, lxd, tmp_path):
    one = fresh(LXD.format(tmp_path))
    identity = one.running(one.host("h1", "lxd"), 'CONTAINER = [ IMAGE = "debian" ]')
    one.action("terminate", identity)
    one.wait(identity, "DONE")
    assert not lxd.instances
    assert json.dumps(lxd.told("PUT", f"/1.0/instances/one-{identity}/state")[-1]).count('"stop"') == 1


WHY = "stopped, not live: the driver lxd cannot move a machine while it runs; it is ended, moved and started anew"


def test_live_falls_back(fresh, lxd, second, tmp_path):
    """What cannot be moved live is moved by power, and everybody who asks is told; or it stays, where that is wished."""
    one = fresh(LXD.format(tmp_path))
    first, other = one.host("h1", "lxd"), one.host("h2", "lxd")
    identity = one.running(first, 'CONTAINER = [ IMAGE = "debian" ]')
    name = f"one-{identity}"
    only, free = ('LIVE = YES\nMIGRATE = [ LIVE_ONLY = "%s" ]' % word for word in ("YES", "NO"))

    def ability(order):
        found = one.xml("globule.vm.migratecheck", identity, other, order)
        row, = (check for check in found.iter("CHECK") if check.findtext("NAME") == "ability")
        return found.findtext("POSSIBLE"), row.findtext("RESULT"), row.findtext("TEXT"), int(found.findtext("DOWNTIME_MS"))

    possible, result, text, still = ability("LIVE = YES")
    assert (possible, result) == ("YES", "warning") and text.startswith(WHY) and "--live-only forbids" in text and still >= 1500
    assert ability(only)[:2] == ("NO", "no") and "LIVE_ONLY forbids" in ability(only)[2]
    one.fails("globule.vm.migrate", identity, other, only, text="cannot move a machine while it runs; LIVE_ONLY forbids")
    # Of the template or of the host for good, and of an order against it.
    one.ok("one.vm.update", identity, 'MIGRATE = [ LIVE_ONLY = "yes" ]', 1)
    one.fails("one.vm.migrate", identity, other, True, text="LIVE_ONLY forbids")
    assert ability(free)[:2] == ("YES", "warning")
    one.ok("one.vm.update", identity, "A = b", 0)
    one.ok("one.host.update", first, 'MIGRATE = [ LIVE_ONLY = "perhaps" ]', 1)
    one.fails("one.vm.migrate", identity, other, True, text="LIVE_ONLY forbids")
    assert lxd.instances[name]["status"] == "Running" and not one.xml("globule.vm.migrations", identity).findall("MIGRATION")
    one.ok("globule.vm.migrate", identity, other, free)
    one.until(lambda: name in second.instances and one.state(identity) == "RUNNING", "the move")
    assert second.instances[name]["status"] == "Running" and name not in lxd.instances
    record, = one.xml("globule.vm.migrations", identity)
    assert [record.findtext(word) for word in ("KIND", "MODE", "RESULT")] == ["poweroff", "stopped", "success"]
    assert record.findtext("REASON").startswith(WHY)
    log = one.var / "vms" / str(identity) / "vm.log"
    one.until(lambda: WHY in log.read_text(), "the log, which another thread writes")


def test_suspended_means_frozen(fresh, lxd, second, tmp_path):
    one = fresh(LXD.format(tmp_path))
    first, other = one.host("h1", "lxd"), one.host("h2", "lxd")
    identity = one.running(first, 'CONTAINER = [ IMAGE = "debian" ]')
    mine = lxd.instances[f"one-{identity}"]
    one.action("suspend", identity)
    one.wait(identity, "SUSPENDED")
    assert mine["status"] == "Frozen"
    one.fails("one.vm.action", "stop", identity, text="has no SAVE")
    one.fails("one.vm.migrate", identity, other, False, True, text="stands still in the memory of its host")
    one.action("resume", identity)
    one.wait(identity, "RUNNING")
    assert mine["status"] == "Running"
    wait_for(lambda: lxd.listeners, "the listener")
    mine["status"] = "Frozen"
    lxd.happens(f"one-{identity}", "paused")
    one.wait(identity, "SUSPENDED")
    mine["status"] = "Running"
    lxd.happens(f"one-{identity}", "resumed")
    one.wait(identity, "RUNNING")
    one.action("suspend", identity)
    one.wait(identity, "SUSPENDED")
    mine["status"] = "Stopped"
    lxd.happens(f"one-{identity}", "stopped")
    one.wait(identity, "POWEROFF")
    one.action("resume", identity)
    one.wait(identity, "RUNNING")
    one.action("suspend", identity)
    one.wait(identity, "SUSPENDED")
    one.action("terminate", identity)
    one.wait(identity, "DONE")
    assert not lxd.instances

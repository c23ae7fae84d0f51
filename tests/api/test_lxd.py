"""The LXD flavour of both drivers, against a service that speaks LXD's API."""
import json
import re

import pytest
from api.driver_process import DriverProcess, decoded, machine
from api.fake_lxd import FakeLxd
from api.fake_rest import dying, endless, silent, status

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
    assert "LACKS=SAVE,RESTORE,MIGRATE,RESET" in driver.ready
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
    vmm.ok("REBOOT", 12, web)
    vmm.ok("SHUTDOWN", 12, web)
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
    assert len(lxd.calls) == 3, lxd.calls
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

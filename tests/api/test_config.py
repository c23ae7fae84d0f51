"""Configuration: mistakes are told with line, key and value; --check, --backup, --version, SIGHUP, first start."""
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import time
import xmlrpc.client

import pytest
from api.server import PASSWORD
from api.test_life import end


def test_version(fresh):
    one = fresh(start=False)
    ended = one.command("--version")
    assert ended.returncode == 0 and re.search(r"\d+\.\d+", ended.stdout), ended.stdout


@pytest.mark.parametrize("option", ["--nonsense", "-x"])
def test_unknown_option(fresh, option):
    ended = fresh(start=False).command(option)
    assert ended.returncode != 0 and option.lstrip("-") in ended.stdout


@pytest.mark.parametrize("line, words", [
    ("PORT = many", ["PORT", "many"]), ("PORT = 70000", ["PORT", "70000"]), ("PORT = -1", ["PORT", "-1"]),
    ("MANAGER_TIMER = soon", ["MANAGER_TIMER", "soon"]), ('LISTEN_ADDRESS = "nowhere"', ["LISTEN_ADDRESS", "nowhere"]),
    ('LOG = [ SYSTEM = "drum", DEBUG_LEVEL = 3 ]', ["SYSTEM", "drum"]),
    ('LOG = [ SYSTEM = "file", DEBUG_LEVEL = 77 ]', ["DEBUG_LEVEL", "77"]),
])
def test_wrong_value(fresh, line, words):
    one = fresh(start=False)
    text = one.configuration.splitlines()
    key = line.split()[0]
    text = [old for old in text if not old.startswith(key)]
    number = len(text) + 1
    (one.etc / "oned.conf").write_text("\n".join(text + [line]) + "\n")
    ended = one.command("-f")
    assert ended.returncode != 0
    said = ended.stdout + one.log()
    for word in words + [f"line {number}"]:
        assert word in said, said


def test_broken_syntax(fresh):
    one = fresh("LOG = [ SYSTEM = \n", start=False)
    ended = one.command("-f")
    assert ended.returncode != 0 and "line" in ended.stdout + one.log()


def test_missing_file(fresh):
    one = fresh(start=False)
    (one.etc / "oned.conf").unlink()
    ended = one.command("-c", str(one.etc / "oned.conf"))
    assert ended.returncode != 0 and "oned.conf" in ended.stdout + one.log()


def test_unknown_keys_are_one_warning(fresh):
    one = fresh("FIRST_UNKNOWN = 1\nSECOND_UNKNOWN = [ A = 2 ]\n")
    lines = [line for line in one.log().splitlines() if "UNKNOWN" in line]
    assert len(lines) == 1 and "FIRST_UNKNOWN" in lines[0] and "SECOND_UNKNOWN" in lines[0], lines


def test_old_spelling(fresh):
    """The file of 2009: lower-case names, one TM_MAD a flavour, intervals of other names."""
    one = fresh("""HOST_MONITORING_INTERVAL = 1
VM_POLLING_INTERVAL = 1
VM_DIR = "/srv/vms"
VNC_BASE_PORT = 5950
VM_HOOK = [ name = "on_boot", on = "RUNNING", command = "boot.rb" ]
IM_MAD = [ name = "im_old", executable = "one_im", arguments = "dummy" ]
VM_MAD = [ name = "vmm_old", executable = "one_vmm", arguments = "dummy", default = "vmm_xen/vmm_xen.conf", type = "xen" ]
TM_MAD = [ name = "tm_nfs", executable = "one_tm", arguments = "tm_nfs/tm_nfs.conf", default = "tm_nfs/tm_nfs.conf" ]
""")
    reply = one.call("one.host.allocate", "node01", "im_old", "vmm_old", "tm_nfs")
    assert reply[0] is True, reply
    one.wait_host(reply[1], "MONITORED")
    assert one.xml("one.system.config").findtext("VNC_PORTS/START") == "5950"
    assert "hooks (register them with `onehook create`)" in one.log()


def test_shipped_file(fresh):
    """etc/oned.conf as it is, but for the port: it starts without a warning and knows all names."""
    from conftest import ROOT
    one = fresh(start=False)
    text = (ROOT / "etc" / "oned.conf").read_text()
    (one.etc / "oned.conf").write_text(f"{text}\nPORT = {one.port}\n" if not re.search(r"^PORT", text, re.M)
                                       else re.sub(r"^PORT\s*=.*$", f"PORT = {one.port}", text, flags=re.M))
    one.start()
    assert not [line for line in one.log().splitlines() if "[W]" in line or "[E]" in line], one.log()
    config = one.xml("one.system.config")
    names = {kind: {e.findtext("NAME") for e in config.findall(kind)} for kind in ("IM_MAD", "VM_MAD")}
    assert {"kvm", "qemu", "xen", "lxc", "lxc_libvirt", "dummy", "im_xen", "im_kvm"} <= names["IM_MAD"], names
    assert {"kvm", "qemu", "xen", "lxc", "lxc_libvirt", "dummy", "vmm_xen", "vmm_kvm"} <= names["VM_MAD"], names


def test_port_in_use(fresh):
    one = fresh(start=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", one.port))
        taken.listen()
        ended = one.command("-f")
    assert ended.returncode != 0 and str(one.port) in ended.stdout + one.log()


def test_listens_on_loopback_only(fresh):
    """Unless told otherwise."""
    one = fresh(start=False)
    (one.etc / "oned.conf").write_text(one.configuration.replace('LISTEN_ADDRESS = "127.0.0.1"\n', ""))
    one.start()
    listening = [line.split()[1] for line in open("/proc/net/tcp").read().splitlines()[1:]
                 if line.split()[3] == "0A" and line.split()[1].endswith(f":{one.port:04X}")]
    assert listening == [f"0100007F:{one.port:04X}"]


def test_sighup_reloads(fresh):
    one = fresh(hosts=1)
    (one.etc / "oned.conf").write_text(one.configuration.replace("DEBUG_LEVEL = 3", "DEBUG_LEVEL = 2")
                                       .replace("MANAGER_TIMER = 1", "MANAGER_TIMER = 2"))
    os.kill(one.process.pid, signal.SIGHUP)
    one.until(lambda: one.xml("one.system.config").findtext("MANAGER_TIMER") == "2", "the new value")
    (one.etc / "oned.conf").write_text(one.configuration + "MANAGER_TIMER = [\n")
    os.kill(one.process.pid, signal.SIGHUP)
    time.sleep(0.3)
    assert one.ok("one.system.version")  # a broken file is told and changes nothing
    assert one.xml("one.system.config").findtext("MANAGER_TIMER") == "2"


def test_limits_of_calls_change_at_sighup(fresh):
    """What can change does; of the rest the log says that it waits for a start."""
    one = fresh()
    large = "x" * 3000
    one.fails("one.vm.allocate", large, False)  # a mistake of the caller, but it was read
    (one.etc / "oned.conf").write_text(one.configuration + "MESSAGE_SIZE = 2000\nMAX_CONN = 500\nKEEPALIVE_TIMEOUT = 77\n"
                                       "SESSION_EXPIRATION_TIME = 5\n")
    os.kill(one.process.pid, signal.SIGHUP)
    for said in ("KEEPALIVE_TIMEOUT takes effect when oned starts again", "MAX_CONN takes effect when oned starts again",
                 "MESSAGE_SIZE is in force now", "SESSION_EXPIRATION_TIME is in force now"):
        one.until(lambda: said in one.log(), said)
    with pytest.raises(xmlrpc.client.ProtocolError, match="413"):
        one.call("one.vm.allocate", large, False)
    assert one.ok("one.system.version")


def test_intervals_change_at_sighup(fresh):
    """A host that would be asked in an hour is asked at once, and then as often as the file says now."""
    one = fresh(start=False)
    path = one.etc / "oned.conf"
    path.write_text(one.configuration.replace("MONITORING_INTERVAL_HOST = 1", "MONITORING_INTERVAL_HOST = 3600")
                    + "MONITORING_INTERVAL_VM = 3600\n")
    one.start()
    one.host("h1")

    def samples():
        return len(one.xml("one.host.monitoring", 0).findall("MONITORING"))
    first = one.until(samples, "the first look")
    path.write_text(one.configuration)
    os.kill(one.process.pid, signal.SIGHUP)
    one.until(lambda: samples() >= first + 2, "more")
    path.write_text(one.configuration + "MONITORING_HISTORY = 0\n")
    os.kill(one.process.pid, signal.SIGHUP)
    one.until(lambda: samples() == 0, "nothing to be kept any more")


@pytest.mark.parametrize("which", ["TLS_CERT", "TLS_KEY"])
def test_certificate_that_is_none(fresh, which):
    one = fresh('TLS_CERT = "@/cert.pem"\nTLS_KEY = "@/key.pem"\n', start=False)
    (one.etc / "oned.conf").write_text(one.configuration.replace("@", str(one.etc)))
    for name in ("cert", "key"):
        (one.etc / f"{name}.pem").write_text("no\n")
    if which == "TLS_KEY":
        certificate = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=one", "-keyout",
                                      "/dev/null", "-out", str(one.etc / "cert.pem")], capture_output=True)
        assert certificate.returncode == 0, certificate.stderr
    ended = one.command("-f")
    assert ended.returncode != 0 and f"{which} {one.etc}" in ended.stdout, ended.stdout


def test_log_that_is_rotated(fresh):
    one = fresh()
    log = one.var / "oned.log"
    log.rename(one.var / "oned.log.1")
    os.kill(one.process.pid, signal.SIGHUP)
    one.until(log.exists, "a new log")


# ---- first start ----

def test_first_start_makes_a_password(fresh):
    one = fresh(start=False)
    secret = one.directory / ".one" / "one_auth"
    secret.unlink()
    one.start()
    text = secret.read_text().strip()
    assert text.startswith("oneadmin:") and len(text) > len("oneadmin:") + 12
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert str(secret) in one.log() + one.said() and text.split(":")[1] not in one.log()
    one.client(text).ok("one.user.info", 0)
    first = text
    one.restart()
    one.client(first).ok("one.user.info", 0)


def test_secret_that_cannot_be_read(fresh):
    one = fresh(start=False)
    secret = one.directory / ".one" / "one_auth"
    secret.unlink()
    secret.mkdir()
    ended = one.command("-f")
    assert ended.returncode != 0 and str(secret) in ended.stdout and "set ONE_AUTH" in ended.stdout, ended.stdout


@pytest.mark.parametrize("content", ["", "nocolon", ":nouser", "serveradmin:x", "a b:c", "oneadmin:"])
def test_odd_secret(fresh, content):
    one = fresh(start=False)
    (one.directory / ".one" / "one_auth").write_text(content + "\n")
    ended = one.command("-f")
    assert ended.returncode != 0 and "one_auth" in ended.stdout + one.log()


def test_other_name_of_the_administrator(fresh):
    one = fresh(user="boss")
    assert one.xml("one.user.info", 0).findtext("NAME") == "boss"
    assert one.xml("one.group.info", 0).findtext("NAME") == "oneadmin"


def test_password_of_the_administrator_stays_when_the_file_changes(fresh):
    """The file is read on an empty database only."""
    one = fresh()
    (one.directory / ".one" / "one_auth").write_text("oneadmin:other\n")
    one.restart()
    one.client(f"oneadmin:{PASSWORD}").ok("one.user.info", 0)
    one.client("oneadmin:other").fails("one.user.info", 0)


# ---- check and backup ----

def test_check_of_a_sound_database(fresh):
    one = fresh(hosts=1)
    one.running(0)
    running = one.command("--check")
    assert running.returncode == 0, running.stdout  # beside the running server
    one.stop()
    ended = one.command("--check")
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("statement, words", [
    ("UPDATE vm SET state = 77", ["vm", "77"]), ("UPDATE vm SET uid = 4711", ["4711"]),
    ("UPDATE vm_history SET host = 4711", ["4711"]), ("UPDATE vm SET template = 'A = ['", ["machine 0", "syntax error"]),
])
def test_check_finds(fresh, statement, words):
    one = fresh(hosts=1)
    one.running(0)
    one.stop()
    with sqlite3.connect(one.var / "one.db") as database:
        database.execute(statement)
    database.close()
    ended = one.command("--check")
    assert ended.returncode != 0
    for word in words:
        assert word in ended.stdout.lower(), ended.stdout


def test_check_of_a_damaged_file(fresh):
    one = fresh()
    for _ in range(50):
        one.allocate('FILL = "' + "f" * 3000 + '"', hold=True)
    one.stop()
    path = one.var / "one.db"
    content = bytearray(path.read_bytes())
    content[-6000:-5000] = b"\xff" * 1000
    path.write_bytes(content)
    ended = one.command("--check")
    assert ended.returncode != 0 and "one.db" in ended.stdout, ended.stdout
    content[4096:6000] = b"\xff" * 1904
    path.write_bytes(content)
    ended = one.command("-f")
    assert ended.returncode != 0 and "one.db: cannot read" in ended.stdout and "backup" in ended.stdout, ended.stdout


def test_newer_database_is_refused(fresh):
    one = fresh()
    one.stop()
    with sqlite3.connect(one.var / "one.db") as database:
        database.execute("PRAGMA user_version = 4711")
    database.close()
    ended = one.command("-f")
    said = ended.stdout + one.log()
    assert ended.returncode != 0 and "4711" in said and "newer" in said, said


def test_backup_while_it_runs(fresh, tmp_path):
    one = fresh(hosts=1)
    identity = one.running(0, name="in the backup")
    copy = tmp_path / "copy.db"
    ended = one.command("--backup", str(copy))
    assert ended.returncode == 0, ended.stdout
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    again = one.command("--backup", str(copy))
    assert again.returncode != 0 and "copy.db" in again.stdout
    other = fresh(start=False)
    (other.var / "one.db").write_bytes(copy.read_bytes())
    other.start()
    assert other.vm(identity).findtext("NAME") == "in the backup"
    other.client(one.session).ok("one.user.info", 0)
    end(one, identity)


def test_configuration_document(fresh):
    one = fresh('DEFAULT_DEVICE_PREFIX = "vd"\n')
    config = one.xml("one.system.config")
    assert config.findtext("DEFAULT_DEVICE_PREFIX") == "vd" and config.findtext("PORT") == str(one.port)
    assert [e.findtext("NAME") for e in config.findall("IM_MAD")][-1] == "dummy"
    plain = one.user("plain")
    assert plain.xml("one.system.config").tag == "OPENNEBULA_CONFIGURATION"

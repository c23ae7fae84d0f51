"""install.sh, `scons install` and the start script: what the manual of 2009 does, and what it may meet."""
import os
import shutil
import socket
import subprocess
import time

import pytest
from api.server import free_port
from conftest import ROOT, run


def install(directory):
    ended = run([ROOT / "install.sh", "-n", "-d", directory])
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


@pytest.fixture
def location(tmp_path):
    """An installation with a port of its own; stopped at the end whatever happened."""
    home = tmp_path / "one"
    install(home)
    with open(home / "etc/oned.conf", "a") as conf:
        conf.write(f"\nPORT = {free_port()}\n")
    yield home
    one(home, "stop")
    for daemon in ("oned", "mm_sched"):
        assert not running(home, daemon), f"{daemon} outlived `one stop`"


def environment(home):
    names = {name: value for name, value in os.environ.items() if not name.startswith("ONE_")}
    return dict(names, ONE_LOCATION=str(home), HOME=str(home / "var"), PATH=f"{home}/bin:{os.environ['PATH']}")


def one(home, word):
    return run([home / "bin/one", word], env=environment(home), timeout=600)


def running(home, daemon):
    """PIDs whose program is this installation's."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)") == str(home / "bin" / daemon):
                found.append(int(pid))
        except OSError:
            pass
    return found


def test_one_directory_holds_everything(tmp_path):
    said = install(tmp_path / "one")
    for name in ["bin/oned", "bin/mm_sched", "bin/one", "bin/onevm", "bin/onehost", "bin/oneuser", "bin/onetemplate", "lib/mads/one_im",
                 "lib/mads/one_vmm", "lib/mads/one_tm", "lib/mads/one_datastore", "lib/mads/one_market", "etc/oned.conf", "etc/sched.conf", "var", "share"]:
        assert (tmp_path / "one" / name).exists(), name
    assert f"ONE_LOCATION={tmp_path}/one" in said


def test_changed_configuration_is_kept(tmp_path):
    home = tmp_path / "one"
    install(home)
    conf = home / "etc/oned.conf"
    shipped = conf.read_text()
    install(home)
    assert not (home / "etc/oned.conf.new").exists()
    conf.write_text("# mine\n")
    said = install(home)
    assert conf.read_text() == "# mine\n"
    assert (home / "etc/oned.conf.new").read_text() == shipped
    assert "oned.conf was changed" in said
    # A file of an earlier version that nobody touched is brought up to date.
    conf.write_text("# as shipped then\n")
    (home / "share/etc/oned.conf").write_text("# as shipped then\n")
    install(home)
    assert conf.read_text() == shipped


@pytest.mark.parametrize("words, complaint", [
    ([], "where to"), (["-d", "/tmp/x", "-p", "/usr"], "two ways"), (["-d", "/tmp/x", "-u", "nobody-of-that-name"], "no user"),
    (["-p", "usr"], "must begin with /"), (["-n", "-d", "/proc/x"], "cannot make")])
def test_wrong_words_are_explained(words, complaint):
    ended = run([ROOT / "install.sh", *words])
    assert ended.returncode != 0 and complaint in ended.stdout, ended.stdout


def test_staged_installation(tmp_path):
    ended = run(["scons", "-Q", "install", "prefix=/usr", f"DESTDIR={tmp_path}"], timeout=1800)
    assert ended.returncode == 0, ended.stdout[-3000:]
    for name in ["usr/bin/oned", "usr/bin/onevm", "usr/lib/one/mads/one_im", "etc/one/oned.conf",
                 "usr/lib/systemd/system/oned.service", "usr/lib/systemd/system/mm_sched.service", "var/lib/one"]:
        assert (tmp_path / name).exists(), name
    assert os.readlink(tmp_path / "usr/bin/onevm") == "onecli"
    assert "ExecStart=/usr/bin/oned" in (tmp_path / "usr/lib/systemd/system/oned.service").read_text()


def test_start_status_stop(location):
    assert one(location, "status").returncode == 3
    started = one(location, "start")
    assert started.returncode == 0, started.stdout
    assert len(running(location, "oned")) == 1 and len(running(location, "mm_sched")) == 1
    assert one(location, "status").returncode == 0
    again = one(location, "start")
    assert again.returncode == 0 and "runs already" in again.stdout
    assert len(running(location, "oned")) == 1
    restarted = one(location, "restart")
    assert restarted.returncode == 0 and len(running(location, "oned")) == 1, restarted.stdout
    assert one(location, "stop").returncode == 0
    assert not running(location, "oned") and not running(location, "mm_sched")


def test_secrets_are_private(location):
    assert one(location, "start").returncode == 0
    # The copy in the state directory, or the user's own.
    found = [path for path in (location / "var").rglob("one_auth")]
    assert found
    for path in found:
        assert path.stat().st_mode & 0o077 == 0, f"{path} can be read by others"
    for path in (location / "var").glob("*.db*"):
        assert path.stat().st_mode & 0o007 == 0, f"{path} can be read by others"


def test_clients_find_the_server(location):
    assert one(location, "start").returncode == 0
    port = next(line.split("=")[1].strip() for line in reversed((location / "etc/oned.conf").read_text().split("\n"))
                if line.startswith("PORT"))
    for client in ("onevm", "onehost", "oneuser", "onetemplate", "onevdc"):
        ended = run([location / "bin" / client, "list"],
                    env=dict(environment(location), ONE_XMLRPC=f"http://localhost:{port}/RPC2"))
        assert ended.returncode == 0, ended.stdout


def test_killed_daemons_leave_no_obstacle(location):
    assert one(location, "start").returncode == 0
    for daemon in ("oned", "mm_sched"):
        for pid in running(location, daemon):
            os.kill(pid, 9)
    while running(location, "oned") or running(location, "mm_sched"):
        time.sleep(0.05)
    assert (location / "var/oned.pid").exists()
    assert one(location, "start").returncode == 0
    # A number that belongs to another program by now.
    one(location, "stop")
    (location / "var/oned.pid").write_text(f"{os.getpid()}\n")
    started = one(location, "start")
    assert started.returncode == 0, started.stdout
    assert len(running(location, "oned")) == 1


def test_a_taken_port_is_told(location):
    port = free_port()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with open(location / "etc/oned.conf", "a") as conf:
            conf.write(f"\nPORT = {port}\n")
        started = one(location, "start")
    assert started.returncode != 0
    assert str(port) in started.stdout, started.stdout
    assert "oned.log" in started.stdout or "oned.out" in started.stdout


def test_wrong_configuration_is_told(location):
    with open(location / "etc/oned.conf", "a") as conf:
        conf.write('\nPORT = "many"\n')
    started = one(location, "start")
    assert started.returncode != 0 and "many" in started.stdout, started.stdout


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_units_are_well_formed(tmp_path):
    for unit in (ROOT / "share/systemd").glob("*.service"):
        text = unit.read_text().replace("@bindir@", "/bin").replace("/bin/oned", "/bin/true").replace(
            "/bin/mm_sched", "/bin/true").replace("User=oneadmin", "User=root")
        (tmp_path / unit.name).write_text(text)
    ended = subprocess.run(["systemd-analyze", "--man=no", "verify", *tmp_path.glob("*.service")], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr

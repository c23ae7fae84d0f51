"""The serial console: a method opens it, a token connects to it, `onevm console` talks to it."""
import os
import pty
import select
import signal
import socket
import ssl
import stat
import subprocess
import termios
import time

import pytest
from api.server import PATIENCE
from api.states import ACTION, AUTHORIZATION
from api.test_cli import DONE, FAILED, USAGE, Shell

GREETING = b"Simulated console of one-%d on h1\r\n"
UPGRADE = {"Connection": "Upgrade", "Upgrade": "globule-console"}


class Line:
    """A console that was connected to with a token."""

    def __init__(self, server, token, context=None):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
        if context:
            self.socket = context.wrap_socket(self.socket)
        head = f"GET /console/{token} HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: globule-console\r\n\r\n"
        self.socket.sendall(head.encode())
        self.heard = b""
        self.head = self.until(b"\r\n\r\n")

    def until(self, wanted):
        """All up to and with these bytes."""
        while wanted not in self.heard:
            piece = self.socket.recv(4096)
            assert piece, f"it was closed after {self.heard!r}"
            self.heard += piece
        found, _, self.heard = self.heard.partition(wanted)
        return found + wanted

    def rest(self):
        while piece := self.socket.recv(4096):
            self.heard += piece
        return self.heard


@pytest.fixture
def line(one):
    made = []

    def connect(server, token, **options):
        made.append(Line(server, token, **options))
        assert made[-1].head.startswith(b"HTTP/1.1 101 "), made[-1].head
        return made[-1]
    yield connect
    for each in made:
        each.socket.close()


def detached(one, identity):
    """Nobody is attached any more: the next may open it."""
    one.until(lambda: one.call("globule.vm.console", identity)[0], f"the console of {identity} to be free")


# ---- the wire ----

def test_both_ways(one, line):
    identity = one.running()
    console = line(one, one.ok("globule.vm.console", identity))
    assert console.until(b"\n") == GREETING % identity
    console.socket.sendall(b"abc\x00\xff\x1b[A")
    assert console.until(b"[A") == b"abc\x00\xff\x1b[A"
    long = os.urandom(20000).replace(b"\r", b"") + b"the end"  # more than the blocks in which it is carried
    console.socket.sendall(long)
    assert console.until(b"the end") == long
    assert "onsole" not in one.vm(identity).findtext("USER_TEMPLATE/ERROR", ""), "a console changes nothing"


def test_what_follows_the_request_at_once_is_not_lost(one):
    identity = one.running()
    token = one.ok("globule.vm.console", identity)
    with socket.create_connection(("127.0.0.1", one.port), timeout=PATIENCE) as raw:
        raw.sendall(f"GET /console/{token} HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\n"
                    "Upgrade: globule-console\r\n\r\nearly bird".encode())
        heard = b""
        while b"early bird" not in heard:
            piece = raw.recv(4096)
            assert piece, heard
            heard += piece


def test_a_token_is_good_once(one, line):
    identity = one.running()
    token = one.ok("globule.vm.console", identity)
    assert len(token) == 32
    assert one.http(None, {"Connection": "close"}, "GET", f"/console/{token}")[0] == 426  # and is not used up by that
    line(one, token)
    for wrong in (token, "0" * 32, "", "../../etc/passwd", "%00", token.upper()):
        status, _, body = one.http(None, dict(UPGRADE), "GET", f"/console/{wrong}")
        assert status == 403 and b"ask for another" in body, (wrong, status, body)
    assert one.http("x", {"Content-Type": "text/xml"}, "POST", f"/console/{token}")[0] == 404
    assert token not in one.log()


def test_who_may(one):
    identity = one.running()
    stranger = one.user("console-stranger")
    stranger.fails("globule.vm.console", identity, code=AUTHORIZATION)
    one.ok("one.vm.chmod", identity, *[-1] * 6, 1, 0, 0)  # others may use it
    stranger.fails("globule.vm.console", identity, code=AUTHORIZATION)
    one.ok("one.vm.chmod", identity, *[-1] * 6, 1, 1, 0)
    assert stranger.ok("globule.vm.console", identity)


def test_only_while_it_runs(one):
    identity = one.running()
    one.action("poweroff", identity)
    one.wait(identity, "POWEROFF")
    one.fails("globule.vm.console", identity, code=ACTION, text="in state POWEROFF")
    one.fails("globule.vm.console", one.allocate(hold=True), code=ACTION, text="in state HOLD")


def test_one_at_a_time(one, line):
    identity = one.running()
    first = line(one, one.ok("globule.vm.console", identity))
    first.until(b"\n")
    one.fails("globule.vm.console", identity, code=ACTION, text="oneadmin from 127.0.0.1 since ")
    second = line(one, one.ok("globule.vm.console", identity, True))
    assert second.until(b"\n") == GREETING % identity
    assert first.rest() == b""  # it was closed
    second.socket.close()
    detached(one, identity)


def test_sockets_are_private_and_do_not_stay(one, line):
    identity = one.running()
    console = line(one, one.ok("globule.vm.console", identity))
    console.until(b"\n")
    directory = one.var / "consoles"
    assert directory.stat().st_mode & 0o777 == 0o700
    one.until(lambda: not list(directory.glob(f"{identity}-*")), "the socket to be gone")


def test_the_end_of_oned_and_of_the_driver(fresh):
    one = fresh(hosts=1)
    identity = one.running()
    console = Line(one, one.ok("globule.vm.console", identity))
    console.until(b"\n")
    os.kill(one.drivers()["one_vmm"][0], signal.SIGKILL)
    assert console.rest() == b""
    detached(one, identity)
    console = Line(one, one.ok("globule.vm.console", identity, True))
    console.until(b"\n")
    one.stop()
    assert console.rest() == b""
    one.start()
    one.wait(identity, "RUNNING")
    assert Line(one, one.ok("globule.vm.console", identity)).until(b"\n")


def test_a_driver_without_consoles(fresh):
    one = fresh('VM_MAD = [ NAME = "shell", EXECUTABLE = "one_script" ]\n')
    host = one.host("h1", wait=False)
    one.ok("one.host.delete", host)
    host = one.ok("one.host.allocate", "h2", "dummy", "shell", -1)
    one.wait_host(host, "MONITORED")
    identity = one.running(host)
    one.fails("globule.vm.console", identity, code=ACTION, text="The console cannot be opened: ")


def certificate(directory):
    key, pem = directory / "key.pem", directory / "cert.pem"
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                           "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", pem],
                          capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return key, pem


# ---- the command ----

def on_terminal(shell, line):
    """Runs it on a terminal; gives the process, the terminal's two ends, and how the terminal was set before."""
    words = line.split()
    words[0] = str(shell.bin / words[0])
    near, far = pty.openpty()
    before = termios.tcgetattr(far)
    process = subprocess.Popen(words, env=shell.environment, cwd=shell.home, stdin=far, stdout=far, stderr=far,
                               start_new_session=True)
    return process, near, far, before


def read_until(terminal, wanted):
    heard, end = b"", time.monotonic() + PATIENCE
    while wanted not in heard:
        assert time.monotonic() < end, heard
        if select.select([terminal], [], [], 0.2)[0]:
            heard += os.read(terminal, 4096)
    return heard


@pytest.fixture
def person(one, tmp_path):
    return Shell(tmp_path / "home", one.port, one.session)


@pytest.mark.parametrize("way", ["leave", "terminate", "machine ends"])
def test_command_on_a_terminal(one, person, way):
    identity = one.running(name=f"console-{way.split()[0]}")
    process, near, far, before = on_terminal(person, f"onevm console {identity}")
    read_until(near, GREETING % identity)
    assert termios.tcgetattr(far)[3] & (termios.ICANON | termios.ECHO | termios.ISIG) == 0, "raw"
    os.write(near, b"\x03hello\r")  # control-C is the guest's
    assert b"\x03hello\r\n" in read_until(near, b"hello\r\n")
    if way == "leave":
        os.write(near, b"more\x1dnot sent")
        read_until(near, b"Console left; the machine goes on.")
    elif way == "terminate":
        process.send_signal(signal.SIGTERM)
    else:
        one.ok("globule.vm.console", identity, True)
        read_until(near, b"The console was closed")
    assert process.wait(PATIENCE) == (FAILED if way == "machine ends" else DONE)
    assert termios.tcgetattr(far) == before, "the terminal is as it was"
    os.close(near)
    os.close(far)


def test_command_without_terminal(one, person):
    identity = one.running(name="console-piped")
    heard = person.run("onevm console console-piped", text="ping\n")
    assert heard.encode() == (GREETING % identity).replace(b"\r\n", b"\n") + b"ping\n"
    line = Line(one, one.ok("globule.vm.console", identity, True))
    assert "oneadmin from 127.0.0.1 since" in person.error("onevm console console-piped", FAILED)
    assert "ping" in person.run("onevm console console-piped --force", text="ping\n")
    assert line.rest().count(b"ping") == 0
    assert "no console in state HOLD" in person.error(f"onevm console {one.allocate(hold=True)}", FAILED)


def test_command_with_log(one, person):
    """What the guest writes is kept too; with --log-only it is all that happens, without a terminal."""
    identity = one.running(name="console-log")
    log = person.home / "kept.log"
    log.write_bytes(b"before\n")
    person.run(f"onevm console {identity} --log {log}", text="ping\n")
    assert log.read_bytes() == b"before\n" + GREETING % identity + b"ping\n"
    detached(one, identity)

    alone = person.home / "alone.log"
    with subprocess.Popen([str(person.bin / "onevm"), "console", str(identity), "--force", "--log", str(alone), "--log-only"],
                          env=person.environment, cwd=person.home, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        one.until(lambda: alone.exists() and alone.read_bytes() == GREETING % identity, "what the guest said")
        assert stat.S_IMODE(alone.stat().st_mode) == 0o600
        assert process.poll() is None, "the end of standard input does not end it"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == DONE and process.stdout.read() == b""
    detached(one, identity)

    assert "needs --log FILE" in person.error(f"onevm console {identity} --log-only", USAGE)
    assert "cannot be written: Is a directory" in person.error(f"onevm console {identity} --log {person.home}", USAGE)
    if os.path.exists("/dev/full"):
        assert "/dev/full cannot be written any more: No space left" in person.error(
            f"onevm console {identity} --force --log /dev/full", FAILED)


def test_command_through_tls(fresh, tmp_path):
    key, pem = certificate(tmp_path)
    one = fresh(f'TLS_CERT = "{pem}"\nTLS_KEY = "{key}"\n')
    person = Shell(tmp_path / "home", one.port, one.session)
    person.environment |= {"ONE_XMLRPC": f"https://localhost:{one.port}/RPC2", "ONE_DISABLE_SSL_VERIFY": "yes"}
    person.run("onehost create h1 -i dummy -v dummy")
    one.until(lambda: "MONITORED" in person.run("onehost list") or " on" in person.run("onehost list"), "the host")
    (person.home / "ds").write_text("TM_MAD = dummy\n")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def call(method, *arguments):
        import xmlrpc.client
        with xmlrpc.client.ServerProxy(f"https://localhost:{one.port}/RPC2", context=context) as proxy:
            reply = getattr(proxy, method)(one.session, *arguments)
        assert reply[0] is True, reply
        return reply[1]
    call("one.datastore.update", 0, "TM_MAD = dummy", 1)
    identity = call("one.vm.allocate", "CPU = 0.1\nMEMORY = 64\nNAME = safe\n", False)
    call("one.vm.deploy", identity, 0)
    person.run(f"onevm wait {identity}")
    assert "through tls\n" in person.run("onevm console safe", text="through tls\n")
    line = Line(one, call("globule.vm.console", identity, True), context)
    assert line.until(b"\n") == GREETING % identity
    line.socket.sendall(b"typed")
    assert line.until(b"typed") == b"typed"
    one.stop()


def test_screen(one, person):
    identity = one.running(template='GRAPHICS = [ TYPE = vnc, LISTEN = "0.0.0.0", RANDOM_PASSWD = YES ]', name="screen")
    graphics = one.vm(identity).find("TEMPLATE/GRAPHICS")
    said = person.run("onevm vnc screen")
    assert said == f"vnc://h1:{graphics.findtext('PORT')}\n  password: {graphics.findtext('PASSWD')}\n"
    near = one.running(template="GRAPHICS = [ TYPE = SPICE, PORT = 5999 ]")
    assert "spice://127.0.0.1:5999\n" in person.run(f"onevm vnc {near}") and "ssh -L 5999:127.0.0.1:5999 h1" in person.result.stdout
    assert "has no GRAPHICS" in person.error(f"onevm vnc {one.running()}", FAILED)


# ---- the screen ----

def test_password_is_for_those_who_may(one):
    identity = one.running(template="GRAPHICS = [ TYPE = vnc, RANDOM_PASSWD = YES ]")
    password = one.vm(identity).findtext("TEMPLATE/GRAPHICS/PASSWD")
    assert len(password) == 8 and password.isalnum()
    viewer = one.user("screen-viewer")
    one.ok("one.vm.chmod", identity, *[-1] * 6, 1, 0, 0)
    for method, arguments in (("one.vm.info", [identity]), ("one.vmpool.info", [-2, -1, -1, -1]),
                              ("one.vmpool.infoextended", [-2, -1, -1, -1]), ("one.vmpool.infoset", [str(identity), True])):
        text = viewer.ok(method, *arguments)
        assert f"<ID>{identity}</ID>" in text and "<TYPE><![CDATA[vnc]]></TYPE>" in text and "PASSWD><" in text
        assert password not in text and "<PASSWD>" not in text, method
        assert password in one.ok(method, *arguments), method
    one.ok("one.vm.chmod", identity, *[-1] * 6, 1, 1, 0)
    assert viewer.vm(identity).findtext("TEMPLATE/GRAPHICS/PASSWD") == password
    log = (one.var / "vms" / str(identity) / "vm.log").read_text()
    assert password not in log and password not in one.log()
    kept = one.allocate('GRAPHICS = [ TYPE = vnc, PASSWD = "mine", RANDOM_PASSWD = NO ]')
    assert one.vm(kept).findtext("TEMPLATE/GRAPHICS/PASSWD") == "mine"
    plain = one.allocate("GRAPHICS = [ TYPE = vnc, RANDOM_PASSWD = NO ]")
    assert one.vm(plain).find("TEMPLATE/GRAPHICS/PASSWD") is None
    spice = one.allocate("GRAPHICS = [ TYPE = SPICE, RANDOM_PASSWD = YES ]")
    assert len(one.vm(spice).findtext("TEMPLATE/GRAPHICS/PASSWD")) == 59


def test_no_two_machines_share_a_port(fresh):
    one = fresh('VNC_PORTS = [ START = 65530, RESERVED = "65531, 65534:65535" ]\n', hosts=1)
    screen = "GRAPHICS = [ TYPE = vnc ]"

    def port(identity):
        return int(one.vm(identity).findtext("TEMPLATE/GRAPHICS/PORT"))
    made = [one.allocate(screen, hold=True) for _ in range(3)]
    assert [port(identity) for identity in made] == [65530, 65532, 65533]
    assert port(one.allocate(screen, hold=True)) == 65533, "when none is free it is counted from the id"
    one.ok("one.vm.recover", made[1], 3)
    one.wait(made[1], "DONE")
    one.restart()
    assert port(one.allocate(screen, hold=True)) == 65532, "of a machine that is gone"

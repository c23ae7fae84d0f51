"""`onevm evaluate` on simulated hosts: the guest is this computer's loopback, its service a server of Python's own."""
import csv
import http.server
import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time
import xml.etree.ElementTree as ET

import pytest
from api import states
from api.server import BUILD, PATIENCE
from api.test_cli import DONE, FAILED, NO_OBJECT, USAGE, Shell
from conftest import ROOT


class Service(http.server.BaseHTTPRequestHandler):
    """What the guest of share/examples/guest offers; `slowly` seconds pass before each word, `damage` spoils the sum."""
    slowly, damage = 0.15, False

    def do_GET(self):
        url = self.path.split("?", 1)[1]
        self.send_response(200)
        self.end_headers()
        with subprocess.Popen(["sh", ROOT / "share/examples/guest/fetch", url], stdout=subprocess.PIPE) as fetch:
            for line in fetch.stdout:
                time.sleep(self.slowly)
                if self.damage and line.startswith(b"DONE"):
                    line = line[:-5] + b"0000\n"
                self.wfile.write(line)

    def log_message(self, *_):
        pass


@pytest.fixture
def guest():
    """An address of loopback with the service on it; nobody else has that address."""
    address = f"127.{random.randint(2, 250)}.{random.randint(2, 250)}.{random.randint(2, 250)}"

    class Own(Service):
        pass
    with http.server.ThreadingHTTPServer((address, 8010), Own) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        server.service, server.address = Own, address
        yield server
        server.shutdown()


@pytest.fixture
def shell(one, tmp_path):
    return Shell(tmp_path / "home", one.port, one.session)


@pytest.fixture
def machine(one):
    """A machine that runs on h1."""
    identity = one.running(0, "CPU = 0.1\nMEMORY = 64\nMIGRATE = [ POSTCOPY = YES ]\n", name=f"m{time.monotonic_ns()}")
    yield identity
    one.action("terminate-hard", identity)
    one.wait(identity, "DONE")  # the next test counts those that live


def host_of(one, identity):
    return one.vm(identity).findall("HISTORY_RECORDS/HISTORY")[-1].findtext("HOSTNAME")


def rows(path):
    with open(path, newline="") as table:
        return list(csv.DictReader(table))


def living(one):
    return {int(vm.findtext("ID")) for vm in one.xml("one.vmpool.info", -2, -1, -1, -1)}


def page(shell, name="out"):
    text = (shell.home / name / "report.html").read_text()
    strict = text.replace("<!DOCTYPE html>\n", "").replace('<meta charset="utf-8">', "")
    ET.fromstring(re.sub(r'(<meta name="viewport"[^>]*)>', r"\1/>", strict))
    return text


def test_all_four(one, shell, machine, guest):
    before = living(one)
    said = shell.run(f"onevm evaluate {machine} --to h2 --ping --repeat 3 --sizes 64M,0.1g --settle 0 --download 2M "
                     f"--address {guest.address} --pace 50 --output out --yes")
    names = [f"out/{name}" for name in ("report.html", "ping.csv", "moves.csv", "sizes.csv", "download.csv")]
    assert said.split() == names
    assert host_of(one, machine) == "h1" and one.state(machine) == "RUNNING"
    assert living(one) == before
    moves = rows(shell.home / "out/moves.csv")
    assert [row["kind"] for row in moves] == ["again", "again", "again", "download"]  # the last one leads home
    assert [(row["source"], row["destination"]) for row in moves] == [("h1", "h2"), ("h2", "h1")] * 2
    assert [row["first"] for row in moves] == ["yes", "no", "no", "no"]
    assert all(row["result"] == "success" and int(row["elapsed_ms"]) >= 0 for row in moves)
    sizes = rows(shell.home / "out/sizes.csv")
    assert [(row["kind"], row["memory_mib"], row["first"]) for row in sizes] == [
        ("size", "64", "yes"), ("back", "64", "no"), ("size", "103", "yes"), ("back", "103", "no")]
    pings = rows(shell.home / "out/ping.csv")
    assert {row["trace"] for row in pings} == {"slow", "fast"}
    assert all(row["trip_ms"] for row in pings), "loopback loses nothing"
    steps = rows(shell.home / "out/download.csv")
    for kind in ("without", "with"):
        reached = [int(row["bytes"]) for row in steps if row["run"] == kind]
        assert reached[0] == 0 and reached[-1] == 2 << 20 and reached == sorted(reached)
    text = page(shell)
    for piece in ('id="ping"', 'id="sizes"', 'id="repeated"', 'id="download"', 'id="published"', "POSTCOPY=YES",
                  ">intact<", "Published in 2016", "h1: "):
        assert piece in text, piece


def test_one_alone(one, shell, machine, guest):
    """Only what is asked for is done: no pings, no machines."""
    before = one.ok("one.vm.allocate", "CPU = 0.1\nMEMORY = 64\n", True)
    shell.run(f"onevm evaluate {machine} --to h2 --repeat 1 --output out --yes")
    assert sorted(os.listdir(shell.home / "out")) == ["moves.csv", "report.html"]
    moves = rows(shell.home / "out/moves.csv")
    assert [(row["kind"], row["source"]) for row in moves] == [("again", "h1"), ("home", "h2")]
    assert host_of(one, machine) == "h1"
    assert one.ok("one.vm.allocate", "CPU = 0.1\nMEMORY = 64\n", True) == before + 1


def test_damaged_download(shell, machine, guest):
    guest.service.damage = True
    shell.run(f"onevm evaluate {machine} --to h2 --download 1M --address {guest.address} --output out --yes", FAILED)
    assert "DAMAGED" in page(shell)


def test_file_and_url(one, shell, machine, guest):
    (shell.home / "file").write_bytes(random.randbytes(700000))
    shell.run(f"onevm evaluate {machine} --to h2 --download file --address {guest.address} --output out --yes")
    assert int(rows(shell.home / "out/download.csv")[-1]["bytes"]) == 700000
    said = shell.error(f"onevm evaluate {machine} --to h2 --download http://127.0.0.1:1/x --address {guest.address} "
                       "--output url --yes", FAILED)
    assert "the download without a move did not end: after 0 bytes: " in said
    assert host_of(one, machine) == "h1"


def test_no_way_into_the_guest(shell, machine):
    said = shell.error(f"onevm evaluate {machine} --to h2 --download 1M --address 127.9.9.9 --output out --yes", FAILED)
    assert "no service answers on port 8010, and ssh as root does not get in" in said
    said = shell.error(f"onevm evaluate {machine} --to h2 --ping --output out --yes", FAILED)
    assert "--address" in said
    assert "not measured" in page(shell)


def test_failing_move(one, shell, machine):
    """The machine stays where it is, and the report says why."""
    one.control("MIGRATE * fail=1")
    said = shell.error(f"onevm evaluate {machine} --to h2 --repeat 3 --output out --yes", FAILED)
    assert "from h1 to h2 failed" in said
    text = page(shell)
    assert "failed" in text and host_of(one, machine) == "h1" and one.state(machine) == "RUNNING"
    assert len(rows(shell.home / "out/moves.csv")) == 1


def test_size_that_does_not_fit(one, shell, machine):
    before = living(one)
    said = shell.error(f"onevm evaluate {machine} --to h2 --sizes 64M,900g --settle 0 --output out --yes", FAILED)
    assert "921600 MiB could not be measured: " in said
    assert [row["memory_mib"] for row in rows(shell.home / "out/sizes.csv")] == ["64", "64"]
    assert living(one) == before


def start(shell, line):
    words = line.split()
    return subprocess.Popen([shell.bin / words[0], *words[1:]], cwd=shell.home, env=shell.environment, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_interrupted(one, shell, machine):
    """Ctrl-C while a machine of its own settles on the other's host: it is removed, and the report is written."""
    before = living(one)
    with start(shell, f"onevm evaluate {machine} --to h2 --repeat 1 --sizes 64M --settle 600 --output out --yes") as run:
        one.until(lambda: any(states.of_vm(one.vm(identity)) == "RUNNING" for identity in living(one) - before),
                  lambda: "the machine that is made to run")
        run.send_signal(signal.SIGINT)
        said = run.communicate(timeout=PATIENCE)
    assert run.returncode == FAILED, said
    assert living(one) == before and host_of(one, machine) == "h1"
    assert "was interrupted" in page(shell)
    assert len(rows(shell.home / "out/moves.csv")) == 2  # there, and home again


def test_interrupted_download(one, shell, machine, guest):
    guest.service.slowly = 0.3
    with start(shell, f"onevm evaluate {machine} --to h2 --download 3M --address {guest.address} --output out --yes") as run:
        one.until(lambda: host_of(one, machine) == "h2" or run.poll() is not None,
                  lambda: "the download without a move to be over, and the move to begin", 4 * PATIENCE)
        run.send_signal(signal.SIGINT)
        said = run.communicate(timeout=PATIENCE)
    assert run.returncode == FAILED, said
    assert host_of(one, machine) == "h1"
    assert "the download with a move did not end: interrupted" in page(shell)


@pytest.mark.parametrize("options, text", [
    ("", "Add --to HOST"),
    ("--to h1", "runs on h1 already"),
    ("--to h2 --sizes 64M,x", '"x" is no size of memory'),
    ("--to h2 --repeat 0", '--repeat "0" must be a number from 1 to 1000'),
    ("--to h2 --pace 1000", '--pace "1000" must be a number from 2 to 100'),
    ("--to h2 --download nothing", '"nothing" is neither a URL nor a file here nor a size'),
    ("--to h2 --download http://x/a'b", "blanks and quotes"),
    ("--to h2 --repeat 1 --output /proc/none", "/proc/none"),
    ("--to h2 --settle x", '--settle "x" must be a number'),
])
def test_mistakes(one, shell, machine, options, text):
    calls = len(one.vm(machine).findall("HISTORY_RECORDS/HISTORY"))
    assert text in shell.error(f"onevm evaluate {machine} --yes {options}", USAGE)
    assert len(one.vm(machine).findall("HISTORY_RECORDS/HISTORY")) == calls


def test_nobody_to_ask(one, shell, machine):
    said = shell.error(f"onevm evaluate {machine} --to h2 --repeat 4 --sizes 64M,128M", USAGE)
    assert "between h1 and h2 4 times while it runs" in said and "64, 128 MiB of memory" in said
    assert "add --yes" in said
    assert shell.error("onevm evaluate nobody --to h2", NO_OBJECT)
    assert host_of(one, machine) == "h1"


def test_asks(one, shell, machine):
    line = f"onevm evaluate {machine} --to h2 --repeat 1 --output out"
    assert "nothing was done" in shell.on_terminal(line, exit=USAGE, answers=("n",))
    assert not (shell.home / "out").exists()
    assert "out/report.html" in shell.on_terminal(line, answers=("y",))
    assert host_of(one, machine) == "h1"


def test_machine_that_does_not_run(one, shell):
    identity = one.allocate(hold=True)
    said = shell.error(f"onevm evaluate {identity} --to h2 --yes", FAILED)
    assert "is HOLD: only a machine that runs can be moved" in said


def test_own_disk_is_not_shared(one, shell):
    """Machines like it would write to its disk: refused, unless another template is named."""
    identity = one.running(0, 'CPU = 0.1\nMEMORY = 64\nDISK = [ SOURCE = "/srv/a.img", CLONE = "NO" ]\n')
    before = living(one)
    said = shell.error(f"onevm evaluate {identity} --to h2 --sizes 64M --settle 0 --output out --yes", FAILED)
    assert "would write to its own disk 0 (/srv/a.img is not copied for each)" in said
    (shell.home / "other.one").write_text("CPU = 0.1\nMEMORY = 1\n")
    shell.run(f"onevm evaluate {identity} --to h2 --sizes 64M --settle 0 --template other.one --output out --yes", DONE)
    assert len(rows(shell.home / "out/sizes.csv")) == 2
    assert living(one) == before


COLD = """#!/bin/sh
# The simulated driver, which says that it cannot move what runs.
{build}/mads/one_vmm dummy | sed -u 's/^INIT SUCCESS.*TAGGED$/& LACKS=MIGRATE/'
"""
CURL = """#!/bin/sh
# As in a guest that is ended in the middle: the first million bytes, and no more.
[ -n "$ENDS" ] || exec {curl} "$@"
for word; do [ "$before" != -o ] || file=$word; before=$word; done
{curl} -fsS -r 0-999999 -o "${{file:--}}" -- "$word"
exec sleep 3600
"""


def end_guest(fetch):
    os.killpg(fetch.pid, signal.SIGKILL)
    shutil.rmtree(f"/tmp/fetch.{fetch.pid}", ignore_errors=True)


class Ended(Service):
    """A guest that is ended by its move: what runs in it is no more when it is asked again, and it is not up at once."""
    keeps, deaf = True, 2

    def do_GET(self):
        url, keep = self.path.split("?", 1)[1], self.headers["Cookie"].removeprefix("keep=")
        tries = self.asked.setdefault(keep, [])
        tries.append(url)
        last = len(self.asked) == 2  # the download with a move
        if last and len(tries) > 1:
            self.end()
        if last and 1 < len(tries) <= 1 + self.deaf and url != "forget:":
            return  # not a word
        self.send_response(200)
        self.end_headers()
        environment = {**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}", "ENDS": "yes" if last and len(tries) == 1 else ""}
        words = ["sh", ROOT / "share/examples/guest/fetch", url, *([keep] if self.keeps or url == "forget:" else [])]
        with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment, start_new_session=True) as fetch:
            if last and len(tries) == 1:
                self.running.append(fetch)
            for line in fetch.stdout:
                self.wfile.write(line)
                self.wfile.flush()

    def end(self):
        while self.running:
            end_guest(self.running.pop())


@pytest.fixture
def cold(fresh, tmp_path, guest):
    """A cloud whose driver moves by power alone, with a machine that runs on its h1, and a guest that is ended by that."""
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    (tmp_path / "programs").mkdir()
    for name, text in (("cold", COLD.format(build=BUILD)), ("programs/curl", CURL.format(curl=shutil.which("curl")))):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    server = fresh(f'VM_MAD = [ NAME = "cold", EXECUTABLE = "{tmp_path}/cold", KEEP_SNAPSHOTS = "yes" ]\n'
                   'IM_MAD = [ NAME = "cold", EXECUTABLE = "one_im", ARGUMENTS = "dummy" ]\n')
    for name in ("h1", "h2"):
        server.host(name, "cold")
    server.shell = Shell(tmp_path / "home", server.port, server.session)
    server.machine = server.running(0, "CPU = 0.1\nMEMORY = 64\n")

    class Own(Ended):
        asked, running, programs = {}, [], tmp_path / "programs"
    guest.RequestHandlerClass = server.service = Own
    server.line = f"onevm evaluate {server.machine} --to h2 --download 2M --address {guest.address} --output out --yes"
    yield server
    for fetch in Own.running:
        end_guest(fetch)


def kept(server):
    return [keep for keep in server.service.asked if os.path.exists(f"/var/tmp/fetch-{keep}")]


def test_download_goes_on(cold):
    """It breaks off with the guest, and goes on with what the guest has kept when that answers again."""
    said = cold.shell.error(cold.line, FAILED)  # what was measured is no live migration
    assert "the download broke off at byte 1000000" in said and "it went on at byte 999424" in said, said
    row, = rows(cold.shell.home / "out/resumed.csv")
    assert (row["run"], row["broken_bytes"], row["resumed_bytes"]) == ("with", "1000000", "999424")
    assert (row["tries"], row["bytes"], row["content"]) == ("3", str(2 << 20), "intact")
    assert 0 < float(row["broken_s"]) < float(row["resumed_s"]) <= float(row["whole_s"])
    steps = [row for row in rows(cold.shell.home / "out/download.csv") if row["run"] == "with"]
    assert [step["bytes"] for step in steps if step["bytes"] in ("1000000", "999424")] == ["1000000", "999424"]
    text = page(cold.shell)
    assert "broke off at byte 1,000,000, went on at byte 999,424 " in text and "The content is intact." in text
    assert [len(tries) for tries in cold.service.asked.values()] == [1, 4] and not kept(cold)
    assert host_of(cold, cold.machine) == "h1"


def test_download_of_an_older_guest(cold):
    """Its script does not know the word to keep by: all over again."""
    cold.service.keeps = False
    said = cold.shell.error(cold.line, FAILED)
    assert "it went on at byte 0" in said, said
    row, = rows(cold.shell.home / "out/resumed.csv")
    assert (row["resumed_bytes"], row["bytes"], row["content"]) == ("0", str(2 << 20), "intact")
    assert "began anew, since the guest had kept nothing," in page(cold.shell)


def test_download_does_not_go_on(cold):
    """A guest that does not answer again is asked until the user has enough; what had come is forgotten there."""
    cold.service.deaf = 10 ** 6
    with start(cold.shell, cold.line) as run:
        cold.until(lambda: max((len(tries) for tries in cold.service.asked.values()), default=0) > 3 or run.poll() is not None,
                   lambda: "the guest to be asked again and again", 4 * PATIENCE)
        run.send_signal(signal.SIGINT)
        said = run.communicate(timeout=PATIENCE)
    assert run.returncode == FAILED and "the download broke off at byte 1000000" in said[1], said
    row, = rows(cold.shell.home / "out/resumed.csv")
    assert (row["broken_bytes"], row["resumed_bytes"], row["content"]) == ("1000000", "", "not ended")
    assert int(row["tries"]) > 2
    assert "broke off at byte 1,000,000, and did not go on in " in page(cold.shell)
    assert not kept(cold)


def test_download_of_a_guest_that_is_gone(cold):
    """A move that failed left nothing that runs: nobody is asked to go on."""
    cold.control("DEPLOY * fail=1")
    said = cold.shell.error(cold.line, FAILED)
    assert "from h1 to h2 failed" in said and "the download with a move did not end: " in said, said
    assert not (cold.shell.home / "out/resumed.csv").exists()
    assert [len(tries) for tries in cold.service.asked.values()] == [1, 2]  # the last word is to forget
    assert not kept(cold)

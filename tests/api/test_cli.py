"""The command line: what each command calls, what it prints, how it ends. Most of it against a server of
Python's own (cloud.py); the last part against a real oned."""
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest
from api.cloud import NOW, SESSION, Cloud, machine
from api.server import BUILD, PATIENCE
from conftest import ROOT

ONECLI = BUILD / "bin" / "onecli"
PLAIN = ROOT / "build" / "bin" / "onecli"
SHARED = ROOT.parent / "shared" / "spec" / "samples"
PROGRAMS = ["onevm", "onehost", "oneuser", "onetemplate", "onevnet", "onevntemplate", "onesecgroup", "onegroup",
            "oneacl", "onecluster", "onedatastore", "onevdc", "oneimage", "onevmgroup", "oneacct", "oneshowback",
            "onevrouter", "onehook", "onemarket", "onemarketapp", "onezone", "onebackupjob"]
DONE, FAILED, USAGE, UNREACHABLE, TIMEOUT, NO_OBJECT, FORBIDDEN = range(7)


class Shell:
    """Runs programs of the command line as a person of one server."""

    def __init__(self, home, port, session=SESSION):
        self.home, self.bin = Path(home), Path(home) / "bin"
        self.bin.mkdir(parents=True)
        for program in PROGRAMS:
            (self.bin / program).symlink_to(ONECLI)
        (self.home / "auth").write_text(session + "\n")
        self.environment = {
            "HOME": str(self.home), "ONE_AUTH": str(self.home / "auth"), "ONE_XMLRPC": f"http://127.0.0.1:{port}/RPC2",
            "PATH": f"{self.bin}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                self.environment[name] = os.environ[name]

    def run(self, line, exit=DONE, text=None, **environment):
        words = line.split() if isinstance(line, str) else [str(word) for word in line]
        words[0] = str(self.bin / words[0])
        self.result = subprocess.run(words, input=text if text is not None else "", capture_output=True, text=True,
                                     timeout=4 * PATIENCE, cwd=self.home, env=self.environment | environment)
        assert self.result.returncode == exit, f"{line}: {self.result}"
        return self.result.stdout

    def error(self, line, exit, **options):
        self.run(line, exit, **options)
        return self.result.stderr

    def on_terminal(self, line, columns=80, exit=DONE, answers=()):
        """What appears on a terminal of that width; each question is given the next answer."""
        words = line.split()
        words[0] = str(self.bin / words[0])
        child, terminal = pty.fork()
        if child == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            os.chdir(self.home)
            os.execve(words[0], words, self.environment | {"TERM": "xterm"})
        seen = b""
        while True:
            if not select.select([terminal], [], [], PATIENCE)[0]:
                os.kill(child, 9)
                break
            try:
                piece = os.read(terminal, 65536)
            except OSError:
                break
            if not piece:
                break
            seen += piece
            if answers and seen.endswith(b": "):
                os.write(terminal, answers[0].encode() + b"\n")
                answers = answers[1:]
        os.close(terminal)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == exit, seen
        return seen.decode().replace("\r\n", "\n")


@pytest.fixture
def cloud():
    made = Cloud()
    yield made
    made.stop()


@pytest.fixture
def shell(cloud, tmp_path):
    return Shell(tmp_path / "home", cloud.port)


# ---- lists ----

def test_list_of_machines(shell):
    assert shell.run("onevm list") == (
        "  ID USER     GROUP    NAME            STAT  CPU     MEM HOST             TIME\n"
        "   0 ann      users    xen01           runn  0.5    512M node2        1d 01h01\n"
        "   3 ann      users    web             pend  0.5    512M              1d 01h01\n"
        "   4 ann      users    db              poff  0.5    512M node1        1d 01h01\n"
        "   7 bob      users    twin            pend  0.5    512M              1d 01h01\n"
        "   8 ann      users    twin            pend  0.5    512M              1d 01h01\n")


def test_list_of_hosts(shell):
    assert shell.run("onehost list") == (
        "  ID NAME            CLUSTER    TVM      ALLOCATED_CPU      ALLOCATED_MEM STAT\n"
        "   1 node1           default      1     50 / 400 (12%)     512M / 8G (6%) on\n"
        "   2 node2           default      0       0 / 400 (0%)       0K / 8G (0%) err\n")


def test_list_of_users(shell):
    assert shell.run("oneuser list") == (
        "  ID NAME       ENAB GROUP    AUTH           VMS          MEMORY        CPU       PCI\n"
        "   0 oneadmin   yes  oneadmin core             -               -          -         -\n"
        "   2 ann        yes  users    core       2 /  10     1G /      -  1.5 /   -   0 /   -\n"
        "   3 bob        yes  users    core       2 /  10     1G /      -  1.5 /   -   0 /   -\n")


def test_list_options(shell, cloud):
    assert shell.run("onevm list -l ID,NAME,STAT,HOST") == (
        "  ID NAME            STAT HOST\n   0 xen01           runn node2\n   3 web             pend\n"
        "   4 db              poff node1\n   7 twin            pend\n   8 twin            pend\n")
    assert shell.run("onevm list --csv -l ID,NAME,HOST,TIME").splitlines()[:3] == [
        "ID,NAME,HOST,TIME", "0,xen01,node2,  1d 01h01m", '3,web,"",  1d 01h01m']
    assert shell.run("onevm list --csv --no-header -l ID -f STAT=pend --sort -ID") == "8\n7\n3\n"
    assert shell.run("onevm list --csv --no-header -l ID -f NAME~WE,STAT=runn --operator OR") == "0\n3\n"
    assert shell.run("onevm list --csv --no-header -l ID,USER,GROUP -n -f ID=7") == "7,3,1\n"
    assert shell.run("onevm list --no-header -s NAME=3 -l NAME -f ID=0") == "xen\n"
    cloud.vms.append(machine(123456, "late"))
    assert shell.run("onevm list --no-header -l ID,NAME -f ID>9") == "123456 late\n"
    cloud.vms.pop()
    assert "HOST" in shell.run("onevm list --describe")
    cloud.calls.clear()
    shell.run("onevm list m")
    shell.run("onevm list bob")
    shell.run("onevm list --state done")
    shell.run("onevm list --state any")
    flags = [call[1] for call in cloud.calls if call[0] == "one.vmpool.info"]
    assert flags == [(-3, -1, -1, -1), (3, -1, -1, -1), (-2, -1, -1, 6), (-2, -1, -1, -2)]


def test_a_wrong_option_asks_no_server(shell, cloud):
    for line in ("onevm list -l FOO", "onevm list -f FOO=1", "onevm list --sort FOO", "onevm list --size ID"):
        shell.error(line, USAGE)
    assert cloud.calls == []


def test_formats_of_lists(shell):
    names = ["xen01", "web", "db", "twin", "twin"]
    assert [vm["NAME"] for vm in json.loads(shell.run("onevm list -j"))["VM_POOL"]["VM"]] == names
    yaml = pytest.importorskip("yaml")
    assert [vm["NAME"] for vm in yaml.safe_load(shell.run("onevm list -y"))["VM_POOL"]["VM"]] == names
    assert yaml.safe_load(shell.run("onehost show 1 -y")) == json.loads(shell.run("onehost show node1 --json"))
    xml = shell.run("onevm list -x -f STAT=pend")
    assert xml.startswith("<VM_POOL>\n  <VM>\n    <ID>3</ID>") and xml.count("<VM>") == 3


def test_pages(shell):
    page = shell.run("onevm show xen01")
    assert "VIRTUAL MACHINE 0 INFORMATION\nID                  : 0\nNAME                : xen01\n" in page
    for piece in ("STATE               : ACTIVE\nLCM_STATE           : RUNNING\n", "HOST                : node2\n",
                  "MEMORY              : 256M\n", "NETTX               : 1M\n", "OWNER               : um-\n",
                  "/srv/a.img", "02:00:00:00:00:01", 'NOTE="says \\"hello\\""', "0h00m45s"):
        assert piece in page, f"{piece!r} is not in\n{page}"
    assert 'SOURCE="/srv/a.img"' not in page and 'SOURCE="/srv/a.img"' in shell.run("onevm show 0 --all")
    page = shell.run("onehost show 2")
    assert "STATE               : ERROR\nLAST ERROR          : no route\n" in page
    assert "NAME                : ann\n" in shell.run("oneuser show")
    assert "node2" in shell.run("onevm history 0") and "not been on any host" in shell.run("onevm history 3")
    assert all(len(line) <= 80 for line in shell.run("onevm show 0").splitlines())


def test_nodes_of_a_host(shell, cloud, monkeypatch):
    """Huge pages of the sizes that a node has, and how many of them are free as far as that is known."""
    pages = [[(2048, 512, 12), (1048576, 0, 0)], [(2048, 4, None), (1048576, 2, 1)]]
    nodes = "".join(f"<NODE>{''.join(f'<HUGEPAGE><PAGES>{n}</PAGES><SIZE>{size}</SIZE></HUGEPAGE>' for size, n, _ in node)}"
                    f"<MEMORY><TOTAL>4194304</TOTAL></MEMORY><NODE_ID>{number}</NODE_ID></NODE>" for number, node in enumerate(pages))
    free = "".join(f"<NUMA_NODE>{''.join(f'<HUGEPAGE><FREE>{n}</FREE><SIZE>{size}</SIZE></HUGEPAGE>' for size, _, n in node if n is not None)}"
                   f"<MEMORY><FREE>1048576</FREE><USED>3145728</USED></MEMORY><NODE_ID>{number}</NODE_ID></NUMA_NODE>"
                   for number, node in reversed(list(enumerate(pages))))
    text = (f"<HOST><ID>1</ID><NAME>node1</NAME><STATE>2</STATE><HOST_SHARE><NUMA_NODES>{nodes}</NUMA_NODES></HOST_SHARE>"
            f"<VMS/><TEMPLATE/><MONITORING>{free}</MONITORING></HOST>")
    monkeypatch.setattr(cloud, "one_host_info", lambda *_: [True, text, 0], raising=False)
    rows = [line.split(None, 5) for line in shell.run("onehost show 1").splitlines()]
    assert ["0", "0", "4G", "3G", "1G", "2M: 12 of 512 free"] in rows, rows
    assert ["1", "0", "4G", "3G", "1G", "2M: ? of 4 free, 1G: 1 of 2 free"] in rows, rows


def test_samples(shell):
    lines = shell.run("onevm monitoring xen01").splitlines()
    assert lines[0].split() == ["TIME", "CPU", "MEM", "NETRX", "NETTX", "DISKRD", "DISKWR"] and len(lines) == 11
    assert len(shell.run("onevm monitoring xen01 --lines 0").splitlines()) == 21
    assert shell.run("onehost monitoring node1 used_cpu --csv") == (
        f"TIME,USED_CPU\n{NOW - 180},3\n{NOW - 120},2\n{NOW - 60},1\n")


def test_top(shell):
    assert shell.run("onehost top --count 2 -d 1 -l ID,NAME").count("   1 node1\n") == 2


# ---- what is called ----

LINES = [
    ("onevm deploy web node2", [("one.vm.deploy", (3, 2, False, -1, ""))]),
    ("onevm deploy 3 node2 system -e", [("one.vm.deploy", (3, 2, True, 0, ""))]),
    ("onevm migrate xen01 node1", [("one.vm.migrate", (0, 1, False, False, -1, 0))]),
    ("onevm migrate --live xen01 1", [("one.vm.migrate", (0, 1, True, False, -1, 0))]),
    ("onevm migrate --poff xen01 1", [("one.vm.migrate", (0, 1, False, False, -1, 1))]),
    ("onevm migrate --poff-hard xen01 1", [("one.vm.migrate", (0, 1, False, False, -1, 2))]),
    ("onevm livemigrate xen01 node1", [("one.vm.migrate", (0, 1, True, False, -1, 0))]),
    ("onevm migrate --live --max-downtime 50ms --bandwidth 1G --time-limit 5m --postcopy xen01 1 -e",
     [("globule.vm.migrate", (0, 1, 'LIVE=YES\nENFORCE=YES\nTYPE=0\n'
                              'MIGRATE=[MAX_DOWNTIME="50",BANDWIDTH="1024",TIME_LIMIT="300",POSTCOPY="YES"]\n'))]),
    ("onevm livemigrate --tls --auto-converge=no --max-downtime 1s xen01 1 system",
     [("globule.vm.migrate", (0, 1, 'LIVE=YES\nENFORCE=NO\nTYPE=0\nDATASTORE=0\n'
                              'MIGRATE=[MAX_DOWNTIME="1000",AUTO_CONVERGE="NO",TLS="YES"]\n'))]),
    ("onevm hold 3", [("one.vm.action", ("hold", 3))]),
    ("onevm release 3", [("one.vm.action", ("release", 3))]),
    ("onevm suspend 0", [("one.vm.action", ("suspend", 0))]),
    ("onevm stop 0", [("one.vm.action", ("stop", 0))]),
    ("onevm resume db", [("one.vm.action", ("resume", 4))]),
    ("onevm restart db", [("one.vm.action", ("resume", 4))]),
    ("onevm boot db", [("one.vm.action", ("resume", 4))]),
    ("onevm poweroff 0", [("one.vm.action", ("poweroff", 0))]),
    ("onevm poweroff --hard 0", [("one.vm.action", ("poweroff-hard", 0))]),
    ("onevm undeploy --hard 0", [("one.vm.action", ("undeploy-hard", 0))]),
    ("onevm reboot 0", [("one.vm.action", ("reboot", 0))]),
    ("onevm reset 0", [("one.vm.action", ("reboot-hard", 0))]),
    ("onevm shutdown 0", [("one.vm.action", ("terminate", 0))]),
    ("onevm terminate --hard 0", [("one.vm.action", ("terminate-hard", 0))]),
    ("onevm delete 0", [("one.vm.action", ("terminate-hard", 0))]),
    ("onevm cancel 0", [("one.vm.action", ("terminate-hard", 0))]),
    ("onevm finalize 0", [("one.vm.action", ("terminate-hard", 0))]),
    ("onevm resched 0", [("one.vm.action", ("resched", 0))]),
    ("onevm unresched 0", [("one.vm.action", ("unresched", 0))]),
    ("onevm recover 0 --success", [("one.vm.recover", (0, 1))]),
    ("onevm recover 0 --failure", [("one.vm.recover", (0, 0))]),
    ("onevm recover 0 --retry", [("one.vm.recover", (0, 2))]),
    ("onevm recover 0 --delete", [("one.vm.recover", (0, 3))]),
    ("onevm recover 0 --recreate", [("one.vm.recover", (0, 4))]),
    ("onevm recover 0 --delete-db", [("one.vm.recover", (0, 5))]),
    ("onevm resubmit 0", [("one.vm.recover", (0, 4))]),
    ("onevm rename web shop", [("one.vm.rename", (3, "shop"))]),
    ("onevm resize web --cpu 2 --memory 1g -e", [("one.vm.resize", (3, 'CPU="2"\nMEMORY="1024"\n', True))]),
    ("onevm lock 3", [("one.vm.lock", (3, 4, False))]),
    ("onevm lock 3 --use", [("one.vm.lock", (3, 1, False))]),
    ("onevm lock 3 --admin", [("one.vm.lock", (3, 3, False))]),
    ("onevm unlock 3", [("one.vm.unlock", (3,))]),
    ("onevm chmod 3 641", [("one.vm.chmod", (3, 1, 1, 0, 1, 0, 0, 0, 0, 1))]),
    ("onevm chown 3 bob", [("one.vm.chown", (3, 3, -1))]),
    ("onevm chown 3 bob users", [("one.vm.chown", (3, 3, 1))]),
    ("onevm chgrp 3 oneadmin", [("one.vm.chown", (3, -1, 0))]),
    ("onevm disk-detach 3 1", [("one.vm.detach", (3, 1))]),
    ("onevm disk-resize 3 1 2048", [("one.vm.diskresize", (3, 1, "2048"))]),
    ("onevm disk-saveas web 0 kept", [("one.vm.disksaveas", (3, 0, "kept", "", -1))]),
    ("onevm disk-saveas web 0 kept --snapshot 2 --type DATABLOCK", [("one.vm.disksaveas", (3, 0, "kept", "DATABLOCK", 2))]),
    ("onevm disk-snapshot-create web 0 first", [("one.vm.disksnapshotcreate", (3, 0, "first"))]),
    ("onevm disk-snapshot-revert web 0 1", [("one.vm.disksnapshotrevert", (3, 0, 1))]),
    ("onevm disk-snapshot-delete web 0 1", [("one.vm.disksnapshotdelete", (3, 0, 1))]),
    ("onevm disk-snapshot-rename web 0 1 x", [("one.vm.disksnapshotrename", (3, 0, 1, "x"))]),
    ("onevm disk-attach 3 --source /srv/a.img --prefix vd --format qcow2",
     [("one.vm.attach", (3, 'DISK=[DEV_PREFIX="vd", SOURCE="/srv/a.img", FORMAT="qcow2"]'))]),
    ("onevm nic-attach 3 --bridge br0 --model e1000", [("one.vm.attachnic", (3, 'NIC=[BRIDGE="br0", MODEL="e1000"]'))]),
    ("onevm pci-attach 3 --pci_vendor 10de --pci_class 0302", [("one.vm.attachpci", (3, 'PCI=[VENDOR="10de", CLASS="0302"]'))]),
    ("onevm pci-attach 3 --pci_short_address 3b:00.0", [("one.vm.attachpci", (3, 'PCI=[SHORT_ADDRESS="3b:00.0"]'))]),
    ("onevm pci-detach 3 1", [("one.vm.detachpci", (3, 1))]),
    ("onevm nic-detach 3 1", [("one.vm.detachnic", (3, 1))]),
    ("onevm snapshot-revert 3 0", [("one.vm.snapshotrevert", (3, 0))]),
    ("onevm snapshot-delete 3 0", [("one.vm.snapshotdelete", (3, 0))]),
    ("onevm snapshot-create 3", [("one.vm.snapshotcreate", (3, ""))]),
    ("onevm disk-attach 3 --type swap --size 512", [("one.vm.attach", (3, 'DISK=[TYPE="swap", SIZE="512"]'))]),
    ("onevm hold 3,4,web", [("one.vm.action", ("hold", 3)), ("one.vm.action", ("hold", 4))]),
    ("onehost create n5 -i kvm -v kvm", [("one.host.allocate", ("n5", "kvm", "kvm", -1))]),
    ("onehost create n5 --im kvm --vm qemu -c default", [("one.host.allocate", ("n5", "kvm", "qemu", 0))]),
    ("onehost create n5 -t dummy", [("one.host.allocate", ("n5", "dummy", "dummy", -1))]),
    ("onehost add node01 im_xen vmm_xen tm_nfs", [("one.host.allocate", ("node01", "im_xen", "vmm_xen", "tm_nfs"))]),
    ("onehost enable node1", [("one.host.status", (1, 0))]),
    ("onehost disable node1,node2", [("one.host.status", (1, 1)), ("one.host.status", (2, 1))]),
    ("onehost offline node1", [("one.host.status", (1, 2))]),
    ("onehost delete node1", [("one.host.delete", (1,))]),
    ("onehost rename node1 n1", [("one.host.rename", (1, "n1"))]),
    ("onehost forceupdate node1,node2", [("globule.host.forceupdate", (1,)), ("globule.host.forceupdate", (2,))]),
    ("onehost flush node1 --action undeploy", [("one.host.status", (1, 1)), ("one.vm.action", ("undeploy", 0))]),
    ("onehost flush node1 --action delete-recreate", [("one.host.status", (1, 1)), ("one.vm.recover", (0, 4))]),
    ("onehost flush node1", [("one.host.status", (1, 1)), ("one.vm.action", ("resched", 0))]),
    ("oneuser create eve Word.1", [("one.user.allocate", ("eve", "Word.1", ""))]),
    ("oneuser create eve Word.1 --driver ldap --group users,0", [("one.user.allocate", ("eve", "Word.1", "ldap", [1, 0]))]),
    ("oneuser create eve abc --sha1",
     [("one.user.allocate", ("eve", "a9993e364706816aba3e25717850c26c9cd0d89d", ""))]),
    ("oneuser delete bob", [("one.user.delete", (3,))]),
    ("oneuser passwd bob Word.2", [("one.user.passwd", (3, "Word.2"))]),
    ("oneuser chgrp bob oneadmin", [("one.user.chgrp", (3, 0))]),
    ("oneuser addgroup bob 0", [("one.user.addgroup", (3, 0))]),
    ("oneuser delgroup bob 0", [("one.user.delgroup", (3, 0))]),
    ("oneuser chauth bob ldap", [("one.user.chauth", (3, "ldap", ""))]),
    ("oneuser enable bob", [("one.user.enable", (3, True))]),
    ("oneuser disable bob", [("one.user.enable", (3, False))]),
    ("oneuser umask bob 077", [("one.user.update", (3, 'UMASK="077"', 1))]),
    ("oneuser token-delete bob abc", [("one.user.login", ("bob", "abc", 0, -1))]),
    ("oneuser token-delete-all bob", [("one.user.login", ("bob", "", 0, -1))]),
]


@pytest.mark.parametrize("line,calls", LINES, ids=[line for line, _ in LINES])
def test_calls(shell, cloud, line, calls):
    shell.run(line)
    assert cloud.done() == calls


def test_delete_from_any_state(shell, cloud):
    cloud.refuse["one.vm.action"] = (2048, "Could not terminate VM 3, wrong state BOOT.")
    shell.run("onevm delete 3")
    assert cloud.done() == [("one.vm.action", ("terminate-hard", 3)), ("one.vm.recover", (3, 3))]
    cloud.refuse["one.vm.action"] = (512, "User [2] : Not authorized.")
    shell.error("onevm delete 3", FORBIDDEN)
    assert len(cloud.done()) == 3
    shell.error("onevm cancel 3", FORBIDDEN)


def test_ranges_skip_gaps(shell, cloud):
    """0..8 means those that exist; a number that is named must exist."""
    shell.run("onevm hold 0..8")
    assert len(cloud.done()) == 9 and shell.result.stderr == ""
    assert "Error getting virtual machine [5]" in shell.error("onevm hold 3,5,4", NO_OBJECT)
    assert [call[1][1] for call in cloud.done()[9:]] == [3, 5, 4]
    shell.error("onevm hold 20..29", NO_OBJECT)


def test_templates_from_everywhere(shell, cloud, tmp_path):
    file = tmp_path / "t.one"
    file.write_text("NAME = a\nCPU = 1\nMEMORY = 64\n")
    assert shell.run(["onevm", "create", file]) == "ID: 101\n"
    assert shell.run("onevm create", text="MEMORY=1\nCPU=1\n") == "ID: 102\n"
    assert shell.run("onevm submit -", text="MEMORY = 2 # as in 2009\n") == "ID: 103\n"
    assert shell.run("onevm create --name w-%i --cpu 1 --memory 2g --hold -m 2") == "ID: 104\nID: 105\n"
    assert shell.run(["onevm", "create", file, "--name", "b", "--dry"]) == 'CPU="1"\nMEMORY="64"\nNAME="b"\n'
    assert cloud.done() == [
        ("one.vm.allocate", ("NAME = a\nCPU = 1\nMEMORY = 64\n", False)),
        ("one.vm.allocate", ("MEMORY=1\nCPU=1\n", False)), ("one.vm.allocate", ('MEMORY="2"\n', False)),
        ("one.vm.allocate", ('CPU="1"\nMEMORY="2048"\nNAME="w-0"\n', True)),
        ("one.vm.allocate", ('CPU="1"\nMEMORY="2048"\nNAME="w-1"\n', True))]
    assert "cannot be opened" in shell.error("onevm create /nonexistent", USAGE)


def test_update_from_everywhere(shell, cloud, tmp_path):
    (shell.home / "new").write_text("A=1\n")
    shell.run("onevm update web new")
    shell.run("onehost update node1 -a", text="B=2\n")
    assert cloud.done() == [("one.vm.update", (3, "A=1\n", 0)), ("one.host.update", (1, "B=2\n", 1))]
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\necho 'ADDED=\"x\"' >> \"$1\"\n")
    editor.chmod(0o755)
    shell.environment["EDITOR"] = str(editor)
    shell.on_terminal("onevm update web")
    assert cloud.done()[-1] == ("one.vm.update", (3, 'NOTE="says \\"hello\\""\nADDED="x"\n', 0))
    shell.environment["EDITOR"] = "true"
    assert "was not changed" in shell.on_terminal("onevm update web", exit=FAILED)


def test_interactive_recover(shell, cloud):
    page = shell.run("onevm recover xen01 -i", text="3\n")
    assert "RUNNING" in page and cloud.done() == [("one.vm.recover", (0, 2))]
    shell.run("onevm recover xen01 -i", text="6\n")
    shell.run("onevm recover xen01 -i", USAGE, text="x\n")
    assert len(cloud.done()) == 1


def test_ssh(shell):
    (shell.bin / "ssh").write_text('#!/bin/sh\necho "$(basename "$0") $*"\n')
    (shell.bin / "ssh").chmod(0o755)
    assert shell.on_terminal("onevm ssh xen01 ann") == "ssh -l ann -- 10.9.8.7\n"
    words = shell.run(["onevm", "ssh", "xen01", "--ssh-options", "-o ConnectTimeout=5", "--cmd", "uptime"])
    assert words == "ssh -o ConnectTimeout=5 -l root -- 10.9.8.7 uptime\n"
    assert "no network card 7 with an IP" in shell.error("onevm ssh xen01 --nic-id 7", FAILED)


# ---- failures ----

def test_names(shell):
    assert shell.error("onevm show xen1", NO_OBJECT) == "no machine is called 'xen1'; close: xen01 (id 0)\n"
    assert shell.error("onevm hold twin", NO_OBJECT) == (
        "2 machines are called 'twin': 7 (bob, PENDING), 8 (ann, PENDING). Use the id\n")
    assert "no host is called 'node3'; close: node1 (id 1), node2 (id 2)" in shell.error("onevm deploy 3 node3", NO_OBJECT)
    assert "no group is called 'zoo'" in shell.error("oneuser chgrp bob zoo", NO_OBJECT)
    assert "Error getting virtual machine [99]." in shell.error("onevm show 99", NO_OBJECT)


def test_refusals(shell, cloud):
    cloud.refuse["one.vm.action"] = (512, "User [2] : Not authorized to perform MANAGE VM [3].")
    assert "Not authorized" in shell.error("onevm hold 3", FORBIDDEN)
    cloud.refuse["one.vm.action"] = (2048, 'Error performing action "hold": wrong state.')
    assert shell.error("onevm hold 3", FAILED) == '[one.vm.action] Error performing action "hold": wrong state.\n'
    assert "does not offer what `onevm sg-attach` needs" in shell.error("onevm sg-attach 3 0 0", FAILED)


def test_no_server(shell, cloud):
    wrong = shell.error("onevm list --user ann --password nonsense", UNREACHABLE)
    assert "couldn't be authenticated" in wrong and "ONE_AUTH" in wrong
    cloud.stop()
    assert "cannot reach" in shell.error("onevm list", UNREACHABLE)
    assert "no session" in shell.error("onevm list", UNREACHABLE, ONE_AUTH="/nonexistent")
    assert "http://127.0.0.1:1/RPC2" in shell.error("onevm list --endpoint http://127.0.0.1:1/RPC2", UNREACHABLE)


@pytest.mark.parametrize("line", [
    "onevm", "onevm lst", "onevm deploy web", "onevm hold", "onevm list --foo", "onevm recover 3", "onevm hold 9..3",
    "onehost create n1", "onehost add n1 im_xen vmm_xen", "onevm chmod 3 999", "onevm disk-saveas 3 0 kept --snapshot last", "onevm wait 3 sleeping",
    "onevm hold 3 --wait=sleeping", "onevm hold 3 --wait --wait-timeout x", "onevm resize 3", "onevm create -m 0 x",
    "onevm disk-detach 3 x", "onevm nic-attach 3 --network 1 --alias NIC0", "oneuser passwd bob", "onevm list --password x", "onevm resize 3 --memory x"])
def test_usage(shell, line):
    shell.error(line, USAGE)


# ---- waiting ----

BOOTING = [(1, 0, None), (3, 1, "node1"), (3, 2, "node1"), (3, 3, "node1")]


def test_wait_reaches(shell, cloud):
    cloud.course[3] = list(BOOTING)
    lines = shell.error("onevm deploy web node1 --wait", DONE).splitlines()
    assert lines[:3] == ["web (3): PENDING", "web (3): PROLOG on node1", "web (3): BOOT on node1"]
    assert re.fullmatch(r"web \(3\) is RUNNING on node1 after \d+\.\d s", lines[-1])
    cloud.course[101] = list(BOOTING)
    assert shell.run("onevm create --name x --cpu 1 --memory 9 --wait") == "ID: 101\n"
    shell.run("onevm wait 101 runn")
    shell.run("onehost wait node1")


def test_wait_for_failure(shell, cloud):
    cloud.course[3] = BOOTING[:3] + [(3, 36, "node1")]
    next(vm for vm in cloud.vms if vm["ID"] == 3)["USER_TEMPLATE"] = {"ERROR": "no such kernel"}
    text = shell.error("onevm deploy web node1 --wait", FAILED)
    assert "is BOOT_FAILURE on node1 and not RUNNING: no such kernel. `onevm show 3` tells more" in text
    cloud.course[0] = [(3, 4, "node2"), (3, 3, "node2")]
    assert "is RUNNING on node2 and not on the host asked for" in shell.error("onevm migrate --live xen01 node1 --wait", FAILED)
    cloud.course[0] = [(3, 4, "node2"), (3, 3, "node2")]
    shell.error("onevm migrate --live xen01 node1 --wait=running", FAILED)
    cloud.course[0] = [(3, 4, "node1"), (3, 3, "node1")]
    shell.run("onevm migrate --live xen01 node1 --wait=running")
    cloud.course[0] = [(3, 6, "node2"), (3, 3, "node2")]
    assert "and not SUSPENDED" in shell.error("onevm suspend xen01 --wait", FAILED)


def test_wait_too_long(shell):
    text = shell.error("onevm release web --wait --wait-timeout 1", TIMEOUT)
    assert "is still PENDING" in text
    shell.error("onevm wait 3 DONE --wait-timeout 0", TIMEOUT)


def test_wait_for_a_host(shell, cloud):
    """Why the scheduler places nothing is told at once, with a way out; what stays wrong until it is corrected ends the wait."""
    web = next(vm for vm in cloud.vms if vm["ID"] == 3)
    web["USER_TEMPLATE"] = {"SCHED_MESSAGE": "Sun Nov 22 00:31:52 2026: No host: 2 of 2 have too little CPU (needs 100.00)"}
    text = shell.error("onevm release web --wait --wait-timeout 1", TIMEOUT)
    assert "PENDING: No host: 2 of 2" in text and text.count("Ctrl-C ends only the waiting, `onevm delete 3` the machine") == 1
    seen = shell.on_terminal("onevm release web --wait --wait-timeout 1", 50, TIMEOUT)
    assert seen.count("Ctrl-C") == 1 and "(needs 100.00)\nIt starts" in seen
    assert all(len(part) < 50 for part in re.findall(r"\r\x1b\[K(web \(3\): [^\r\n]*  \d s)", seen))
    web["USER_TEMPLATE"] = {"SCHED_MESSAGE": "Sun Nov 22 00:31:52 2026: Error in SCHED_REQUIREMENTS: 'A >= 5', error: ..."}
    text = shell.error("onevm release web --wait", FAILED)
    assert "is PENDING and not RUNNING: Error in SCHED_REQUIREMENTS" in text and "Ctrl-C" not in text


def test_wrong_wait_asks_nothing_of_the_server(shell, cloud):
    shell.error("onevm create --name x --cpu 1 --memory 9 --wait=sleeping", USAGE)
    shell.error("onevm hold 3 --wait --wait-timeout x", USAGE)
    assert cloud.done() == []


def test_comments_behind_values(shell, cloud):
    """As in the examples of the manual, whatever the object is."""
    (shell.home / "lan").write_text("NAME = lan  # ours\nVN_MAD = bridge # of hosts\nAR = [ TYPE = IP4 ]\n")
    for line in ("onevnet create lan", "onevm update 3 lan"):
        cloud.calls.clear()
        shell.run(line)
        text = next(value for value in cloud.done()[-1][1] if isinstance(value, str) and value)
        assert "#" not in text and re.search(r'VN_MAD *= *"?bridge"?', text), text


def test_what_became_of_optimize(shell, cloud):
    moves = "<ACTION><ID>0</ID><VM_ID>3</VM_ID></ACTION>" * 2
    for plan, text in (("", "nothing would get better"), (f"<PLAN>{moves}</PLAN>", "machines to move: 2. `onecluster show 0`")):
        cloud.one_cluster_optimize = lambda identity: [True, identity, 0]
        cloud.one_cluster_info = lambda identity, _=False, plan=plan: [
            True, f"<CLUSTER><ID>0</ID><NAME>default</NAME>{plan}</CLUSTER>", 0]
        assert text in shell.run("onecluster optimize default")


def test_onecli_itself(shell):
    (shell.bin / "onecli").symlink_to(ONECLI)
    assert shell.run("onecli --version").startswith("Globule ")
    assert "onecli --programs" in shell.run("onecli --help")
    assert 'no program "onefoo"' in shell.error("onecli onefoo list", USAGE)


def test_wait_for_many(shell, cloud):
    cloud.course[3] = list(BOOTING)
    cloud.course[8] = list(BOOTING)
    shell.run("onevm release 3,8 --wait")
    assert shell.result.stderr.count("is RUNNING on node1") == 2


def test_wait_on_terminal(shell, cloud):
    cloud.course[3] = list(BOOTING)
    seen = shell.on_terminal("onevm release web --wait")
    assert "\r\x1b[Kweb (3): BOOT" in seen and seen.count("\n") == 1
    assert re.search(r"web \(3\) is RUNNING on node1 after \d+\.\d s\n$", seen)


# ---- terminals ----

def test_terminal_and_pipe(shell, cloud):
    cloud.vms[1]["NAME"] = "a-name-that-is-too-long-for-its-column"
    narrow, wide = shell.on_terminal("onevm list", 80), shell.on_terminal("onevm list", 120)
    plain = re.sub(r"\x1b\[\d*m", "", narrow)
    assert all(len(line) <= 80 for line in plain.splitlines())
    assert "\x1b[32mrunn\x1b[0m" in narrow and "a-name-that-is-too-long-for-its-column" in wide
    assert "\x1b" not in shell.run("onevm list") and "a-name-that-is- " in shell.run("onevm list")
    assert "\x1b" not in shell.on_terminal("onevm list --no-color")


def test_passwords_stay_hidden(shell, cloud):
    """While a call is under way, the password is not in the list of processes."""
    cloud.goes_on.clear()
    words = [str(shell.bin / "oneuser"), "passwd", "3", "Hidden-Word.3"]
    with subprocess.Popen(words, env=shell.environment, stdin=subprocess.DEVNULL) as process:
        until = time.monotonic() + PATIENCE
        while not cloud.done():
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.01)
        line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert b"passwd" in line and b"Hidden" not in line
        cloud.goes_on.set()
        assert process.wait(PATIENCE) == 0
    assert cloud.done() == [("one.user.passwd", (3, "Hidden-Word.3"))]


def test_questions_for_passwords(shell, cloud):
    seen = shell.on_terminal("oneuser passwd bob", answers=["New-Word.1", "New-Word.1"])
    assert seen == "Password of bob: \nOnce more: \n" and cloud.done() == [("one.user.passwd", (3, "New-Word.1"))]
    assert "the two differ" in shell.on_terminal("oneuser passwd bob", exit=USAGE, answers=["One", "Other"])
    assert "xen01" in shell.on_terminal("onevm list --user ann", answers=[SESSION.split(":")[1]])
    assert len(cloud.done()) == 1


def test_login(shell, cloud):
    assert "Logged in as ann" in shell.run("oneuser login ann --user ann --password Word-of-Ann.1 --time 60")
    file = shell.home / ".one" / "one_auth"
    assert file.read_text() == "ann:0123456789abcdef\n" and file.stat().st_mode & 0o777 == 0o600
    assert "--force replaces it" in shell.error("oneuser login --time 60", FAILED)
    shell.run("oneuser login --force --group users --time -1")
    assert cloud.done()[-1] == ("one.user.login", ("ann", "", -1, 1))


# ---- migrations ----

@pytest.mark.parametrize("line, said", [
    ("onevm migrate --max-downtime 50 xen01 1", "only a live migration knows such options: add --live"),
    ("onevm migrate --live --bandwidth fast xen01 1", "--bandwidth fast: it takes a whole number above 0, alone or with m or g"),
    ("onevm migrate --live --time-limit 0 xen01 1", "--time-limit 0: it takes"),
    ("onevm migrate --live --postcopy=perhaps xen01 1", "--postcopy=perhaps: it is yes or no"),
    ("onevm migrate --check --wait xen01 1", "there is nothing to wait for"),
])
def test_wrong_options_of_a_migration(shell, cloud, line, said):
    assert said in shell.error(line, USAGE)
    assert cloud.done() == []


def test_check_of_a_migration(real, one):
    identity = one.running(0, name="checked")
    page = real.run("onevm migrate --check checked h2")
    assert page.splitlines()[0] == f"Machine {identity} from h1 to h2: possible"
    assert f"  ok       name        one-{identity} is free on h2" in page.splitlines()
    assert page.splitlines()[-1] == ("Estimate: 64 ms in all, 0 ms without the machine, 64 MiB of memory, "
                                     "written anew at 0 MiB/s, over a link of 1000 MiB/s, storage shared")
    one.control("HOST h2 TOTALMEMORY=1024")
    assert "  NO       memory      h2 has 1 MiB in all (simulated)" in real.run("onevm migrate --check checked h2", exit=FAILED)
    assert '"POSSIBLE":"NO"' in real.run("onevm migrate --check checked h2 --json", exit=FAILED).replace(" ", "")
    one.control("HOST h2 down=1")
    assert "The hosts could not be asked: h2 does not answer" in real.error("onevm migrate --check checked h2", FAILED)
    one.control()
    assert one.state(identity) == "RUNNING"
    assert "it was never moved" in real.error("onevm migrations checked", 0)
    real.run("onevm migrate --live --postcopy checked h2 --wait")
    real.run("onevm migrate checked h1 --poff-hard --wait")
    lines = real.run("onevm migrations checked").splitlines()
    assert lines[0].split() == "ID KIND FROM TO RESULT START TIME DOWN SENT ROUNDS REASON".split()
    assert lines[1].split()[:5] == ["0", "live", "h1", "h2", "success"] and lines[2].split()[1] == "poweroff-hard"
    csv = real.run("onevm migrations checked --csv -l ID,KIND,DOWN,MEM,MODE,STORAGE")
    assert csv == f"ID,KIND,DOWN,MEM,MODE,STORAGE\n0,live,0,{64 << 20},postcopy,shared\n1,poweroff-hard,-1,-1,-,-\n"
    assert "<MIGRATION_POOL>" in real.run("onevm migrations checked -x")
    assert "Bytes of memory" in real.run("onevm migrations checked --describe")
    real.run("onevm terminate checked --hard --wait")


# ---- what is made from the tables ----

def test_programs_are_known_everywhere():
    known = subprocess.run([ONECLI, "--programs"], capture_output=True, text=True).stdout.split()
    assert known == PROGRAMS
    assert f'clients="{" ".join(PROGRAMS)}"\n' in (ROOT / "install.sh").read_text()


@pytest.mark.parametrize("program", PROGRAMS)
def test_man_page_is_current(shell, program):
    made = subprocess.run([ONECLI, "--man", program], capture_output=True, text=True).stdout
    assert (ROOT / "share" / "man" / f"{program}.1").read_text() == made, (
        f"the tables have changed: build/bin/onecli --man {program} > share/man/{program}.1")


def test_completion_is_current():
    made = subprocess.run([ONECLI, "--completion"], capture_output=True, text=True).stdout
    assert (ROOT / "share" / "completion" / "globule").read_text() == made, (
        "the tables have changed: build/bin/onecli --completion > share/completion/globule")


def test_completion_completes(shell):
    def complete(*words):
        script = (f". '{ROOT}/share/completion/globule'; COMP_WORDS=({' '.join(repr(word) for word in words)}); "
                  f"COMP_CWORD={len(words) - 1}; _globule {words[0]}; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
        result = subprocess.run(["bash", "-uc", script], capture_output=True, text=True, env=shell.environment)
        assert result.stderr == "" and result.returncode == 0, result
        return result.stdout.split()
    assert complete("onevm", "mig") == ["migrate", "migrations"]
    assert "--live" in complete("onevm", "migrate", "--l")
    assert complete("onevm", "migrate", "xe") == ["xen01"]
    assert complete("onevm", "migrate", "xen01", "no") == ["node1", "node2"]
    assert complete("onehost", "add", "") == []


def test_help(shell):
    """Each text that there is, a thousand of them: by the program without sanitizers where both were built."""
    for program in PROGRAMS if PLAIN.exists() else ():
        (shell.bin / program).unlink()
        (shell.bin / program).symlink_to(PLAIN)
    for program in PROGRAMS:
        overview = shell.run(f"{program} help")
        assert overview == shell.run(f"{program} --help")
        assert all(len(line) <= 80 for line in overview.splitlines())
        for command in re.findall(r"^  ([a-z-]+) {2,}[A-Z]", overview, re.M):
            text = shell.run(f"{program} help {command}")
            assert text == shell.run(f"{program} {command} -h")
            assert text.startswith(f"Usage: {program} {command}") and all(len(line) <= 80 for line in text.splitlines())
    assert re.fullmatch(r"Globule \d+\.\d+\.\d+\n", shell.run("onevm --version"))
    assert "onevm has no command" in shell.error("onevm help lst", USAGE)
    as_argument = subprocess.run([ONECLI, "onehost", "help"], capture_output=True, text=True)
    assert as_argument.stdout == shell.run("onehost help")


# ---- a real oned ----

TEMPLATE = """
NAME   = xen09      # as a manual of 2009 has it
CPU    = 1
MEMORY = 156
DISK   = [ source = /srv/domains/xen09/disk.img, clone = no, target = sda2, readonly = no ]
DISK   = [ type = swap, size = 512, target = "sda1" ]
NIC    = [ mac="" ]
"""


@pytest.fixture
def real(one, tmp_path):
    return Shell(tmp_path / "home", one.port, one.session)


def test_a_day_of_2009(real):
    """Add a host by its three drivers, create, deploy by name, migrate cold and live, shut down."""
    (real.home / "xen09.one").write_text(TEMPLATE)
    real.run("onehost add h9 dummy dummy dummy --wait")
    identity = real.run("onevm create xen09.one --hold").removeprefix("ID: ").strip()
    real.run("onevm deploy xen09 h9 --wait")
    assert real.run("onevm list -l NAME,STAT,HOST --no-header -f NAME=xen09").split() == ["xen09", "runn", "h9"]
    real.run("onevm migrate xen09 h1 --wait")
    real.run("onevm livemigrate xen09 h2 --wait")
    assert f"xen09 ({identity}) is RUNNING on h2 after" in real.result.stderr
    real.run("onevm suspend xen09 --wait")
    real.run("onevm resume xen09 --wait")
    real.run("onevm stop xen09 --wait")
    real.run(f"onevm deploy {identity} h9 --wait")
    real.run("onevm reboot xen09")
    history = real.run(f"onevm history {identity}")
    assert [word for word in ("live-migrate", "migrate", "suspend", "stop") if word not in history] == []
    real.run("onevm shutdown xen09 --wait")
    assert "xen09" not in real.run("onevm list") and "xen09" in real.run("onevm list --state done")
    real.run("onehost delete h9")


def test_states_of_a_real_machine(real, one):
    identity = real.run("onevm create --name day --cpu 0.1 --memory 64 --hold").removeprefix("ID: ").strip()
    real.run("onevm deploy day h1 --wait")
    real.run("onevm poweroff day --hard --wait")
    assert real.run("onevm list -l STAT --no-header -f NAME=day").strip() == "poff"
    real.run("onevm migrate day h2 --wait")
    assert "day" in real.run("onevm list -f HOST=h2,STAT=poff")
    real.run("onevm resize day --cpu 0.2 --memory 128")
    real.run("onevm update day -a", text='NOTE="hello"\n')
    real.run("onevm chmod day 604")
    real.run("onevm lock day --manage")
    assert "takes the protection off" in real.error("onevm resume day --user oneadmin --password "
                                                    + one.session.split(":")[1], FORBIDDEN)
    real.run("onevm unlock day")
    real.run("onevm rename day night")
    page = real.run("onevm show night")
    for piece in ("NAME                : night\n", 'NOTE="hello"\n', "OTHER               : u--\n", 'MEMORY="128"\n',
                  "STATE               : POWEROFF\n", "LOCK                : None\n"):
        assert piece in page, page
    real.run("onevm terminate night --wait")
    assert "not available for state" in real.error(f"onevm hold {identity}", FAILED)


def test_failures_of_a_real_machine(real, one):
    real.run("onevm create --name sad --cpu 0.1 --memory 64 --hold")
    one.control("DEPLOY * fail=1")
    assert "is BOOT_FAILURE on h1 and not RUNNING" in real.error("onevm deploy sad h1 --wait", FAILED)
    one.control()
    real.run("onevm recover sad --retry --wait")
    real.run("onevm poweroff sad --wait")
    one.control("DEPLOY * latency=3600")
    real.run("onevm resume sad")
    assert "not available" in real.error("onevm suspend sad", FAILED)
    real.run("onevm delete sad --wait")
    one.control()
    assert real.error("onevm show sad", NO_OBJECT).startswith("no machine is called 'sad'")


def test_users_of_a_real_server(real):
    real.run("oneuser create eve Word-of-Eve.1")
    assert "eve" not in real.run("onevm list --user eve --password Word-of-Eve.1")
    real.run("oneuser passwd eve Other-Word.2")
    real.error("onevm list --user eve --password Word-of-Eve.1", UNREACHABLE)
    assert "NAME                : eve\n" in real.run("oneuser show --user eve --password Other-Word.2")
    assert "Not authorized" in real.error("oneuser delete 0 --user eve --password Other-Word.2", FORBIDDEN)
    real.run("oneuser chgrp eve oneadmin")
    real.run("oneuser delete eve")


def test_no_row_is_a_mistake(real):
    """Every command of the tables that needs only a machine is understood by the server, whatever it answers:
    no fault about number or type of arguments."""
    identity = real.run("onevm create --name probe --cpu 0.1 --memory 64 --hold").removeprefix("ID: ").strip()
    lines = [line for line, _ in LINES if line.startswith("onevm ")]
    for line in lines:
        words = line.split()
        words[next(i for i, word in enumerate(words) if word in ("0", "3", "3,4,web", "web", "xen01", "db"))] = identity
        words = [{"node1": "h1", "node2": "h2", "bob": "oneadmin"}.get(word, word) for word in words]
        result = subprocess.run([real.bin / words[0], *words[1:]], capture_output=True, text=True, env=real.environment,
                                stdin=subprocess.DEVNULL, timeout=PATIENCE)
        faults = re.findall(r"fault (-?\d+)", result.stderr)
        assert faults in ([], ["-506"]), f"{line}: {result.stderr}"
        assert result.returncode in (DONE, FAILED, NO_OBJECT, FORBIDDEN), f"{line}: {result}"
    subprocess.run([real.bin / "onevm", "recover", identity, "--delete"], env=real.environment, capture_output=True)


# ---- answers of a real OpenNebula, where they are at hand ----

@pytest.mark.skipif(not SHARED.is_dir(), reason="no answers of another server beside this checkout")
@pytest.mark.parametrize("line,answer", [
    ("onehost list", "hostpool-info.xml"), ("oneuser list", "userpool-info.xml"),
    ("onevm list -l ID,USER,GROUP,NAME,STAT,MEM,HOST", "vmpool-info_m2_m1_m1_m1.xml")])
def test_lists_as_they_are_known(shell, cloud, line, answer):
    """The same columns at the same places as the tools that scripts were written for."""
    text = (SHARED / answer).read_text()
    program = line.split()[0]
    setattr(cloud, {"onehost": "one_hostpool_info", "oneuser": "one_userpool_info", "onevm": "one_vmpool_info"}[program],
            lambda *_: [True, text, 0])
    known = (SHARED / "cli-output.txt").read_text().split(f"$ {program} list\n")[1].split("\nexit")[0]
    known = [row.rstrip() for row in known.split("\n")]
    mine = shell.run(line).rstrip("\n").split("\n")
    if program == "onevm":    # CPU changed between the two, and so did the time
        known = [(row[:44] + row[49:67]).rstrip() for row in known]
    if program == "onehost":  # another machine had grown meanwhile
        mine, known = [row[:34] for row in mine], [row[:34] for row in known]
    assert mine == known


@pytest.mark.skipif(not SHARED.is_dir(), reason="no answers of another server beside this checkout")
def test_pages_of_another_server(shell, cloud):
    for line, method, answer in [("onevm show 0", "one_vm_info", "vm-info_0.xml"),
                                 ("onevm show 1", "one_vm_info", "vm-info_1.xml"),
                                 ("onehost show 0", "one_host_info", "host-info_0.xml"),
                                 ("oneuser show 2", "one_user_info", "user-info_2.xml"),
                                 ("onevm monitoring 0", "one_vm_monitoring", "vm-monitoring_0.xml"),
                                 ("onehost monitoring 0", "one_host_monitoring", "host-monitoring_0.xml")]:
        text = (SHARED / answer).read_text()
        setattr(cloud, method, lambda *_, text=text: [True, text, 0])
        assert len(shell.run(line).splitlines()) > 2
        json.loads(shell.run(line + " -j"))

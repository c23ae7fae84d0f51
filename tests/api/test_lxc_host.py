"""What the LXC flavour runs on a host, with the programs of the host played."""
import base64
import contextlib
import errno
import os
import shlex
import signal
import socket
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

PARTS = sorted((Path(__file__).resolve().parents[2] / "drivers/common/lxc_host").glob("*.sh"))  # base.sh is the first one
SCRIPT = "\n".join(path.read_text() for path in PARTS)


AS_ROOT = 'chgrp() { [ "$(id -u)" != 0 ] || command chgrp "$@"; }'  # the tests may run as anybody


def hears_all_signals():
    """Below nohup the hang-up is ignored, and no shell can change that."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def host(tmp_path):
    """Calls functions of the script; `played` are programs, as text of a shell."""
    programs = tmp_path / "bin"
    programs.mkdir()

    def call(text, **played):
        for name, program in played.items():
            path = programs / name.replace("_", "-")
            path.write_text(f"#!/bin/sh\n{program}\n")
            path.chmod(0o755)
        program = f"{SCRIPT}\n{AS_ROOT}\nPATH={programs}:$PATH\nbase={tmp_path}/lxc\nlocks={tmp_path}\njobs={tmp_path}/jobs\n{text}\n"
        return subprocess.run(["/bin/sh", "-c", program], cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300,
                              stdin=subprocess.DEVNULL, env=os.environ, preexec_fn=hears_all_signals)
    return call


def archive(tmp_path):
    with tarfile.open(tmp_path / "disk.0", "w") as tar:
        tar.add(PARTS[0], "etc/file")
    return (tmp_path / "disk.0").read_bytes()


MOUNTS = {"mke2fs": "exit 0", "mount": 'touch "$PWD/mounted"', "umount": 'rm "$PWD/mounted"', "mountpoint": 'test -e "$PWD/mounted"', "sync": "exit 0"}


def test_a_persistent_image_stays_what_it_is(host, tmp_path):
    before = archive(tmp_path)
    for call, kind in (('unpack "$PWD/disk.0" 8 p', "is an archive"), ('to_raw "$PWD/disk.0" p', "is qcow2 and persistent")):
        ended = host(call, qemu_img="exit 0", **MOUNTS)
        assert ended.returncode == 1 and kind in ended.stderr and "persistent" in ended.stderr
    assert (tmp_path / "disk.0").read_bytes() == before


def test_disks_say_which_are_persistent(host, tmp_path):
    ended = host('mount_disk() { echo "$*"; }; furnish one-7 /ds "" 8 "0:rootfs:p 2:disk.2"')
    assert ended.stdout.split("\n")[:2] == [f"/ds/disk.0 {tmp_path}/lxc/one-7/rootfs 8 p", f"/ds/disk.2 {tmp_path}/lxc/one-7/disk.2 8 "]


def test_a_start_says_which_disks_are_raw(host, tmp_path):
    """Also one that is repeated, since the first answer may have been lost."""
    (tmp_path / "disk.0").write_bytes(b"QFI\xfb\0\0\0\3")
    (tmp_path / "disk.1").write_bytes(b"no qcow2 at all")
    (tmp_path / "disk.3").mkdir()
    played = 'begin() { :; }; lock() { :; }; clear_of_others() { :; }; state() { echo running; }; '
    ended = host(played + 'deploy one-7 uuid "$PWD" "" 8 "0:rootfs:p 1:disk.1 2:disk.2 3:disk.3"')
    assert (ended.returncode, ended.stdout) == (0, "raw 1\n")


FURNISH = 'mount_disk() { echo mounted; }; unmount_all() { :; }; %s; furnish one-7 /ds "# one.users = 600100001 65536 600200001 %s" 8 "0:rootfs" %s'


@pytest.mark.parametrize("told, shift, checkpoint, mapped", [
    ("auto", ":", "", "600100001 65536 600200001"), ("yes", ":", "", "600100001 65536 600200001"), ("auto", "false", "", None), ("yes", "false", "", "refused"),
    ("auto", ":", '""', None), ("auto", ":", '"700000 65536 800000"', "700000 65536 800000"),
    ("auto", ":", '"700000 65536"', "700000 65536 700000"), ("auto", "false", '"700000 65536"', "refused")])
def test_users_of_a_container(host, tmp_path, told, shift, checkpoint, mapped):
    """With its own where that can be had; from a checkpoint on with those that it had."""
    ended = host(FURNISH % (f'shift_disks() {{ said="(ext3) no"; echo "$*" >>"$PWD/asked"; {shift}; }}', told, checkpoint))
    config = tmp_path / "lxc/one-7/config"
    if mapped == "refused":
        assert ended.returncode == 1 and "(ext3) no" in ended.stderr and "LXC_UNPRIVILEGED" in ended.stderr and not config.exists()
        return
    lines = [line for line in config.read_text().splitlines() if line.startswith("lxc.idmap")]
    first, count, group = (mapped or "0 0 0").split()
    assert lines == ([f"lxc.idmap = u 0 {first} {count}", f"lxc.idmap = g 0 {group} {count}"] if mapped else []), ended.stderr
    assert ("privileged: (ext3) no" in ended.stdout) == (shift == "false")
    assert host("users_of one-7").stdout.strip() == (mapped or "")
    if checkpoint != '""':
        assert (tmp_path / "asked").read_text().startswith(f"one-7 {mapped or '600100001 65536 600200001'}")


def test_nobody_of_the_host_gets_at_disks_of_a_container(host, tmp_path):
    """Their programs with the mode setuid root are the host's root where a container has no users of its own."""
    top = tmp_path / "lxc"
    own = "lxc.idmap = u 0 100000 65536\n"
    tree(top, {"theirs/config": "lxc.uts.name = theirs\n", "theirs-own/config": own, "one-8/config": "# one.uuid = u\n", "not one": ""})
    top.chmod(0o700)
    for path in top.glob("*/"):
        path.chmod(0o755)

    def modes():
        return {path.name: oct(path.stat().st_mode & 0o777) for path in [top, *top.glob("*/")] if path.is_dir()}
    host(FURNISH % ('shift_disks() { :; }', "auto", '""'))
    assert modes() == {"lxc": "0o700", "one-7": "0o700", "one-8": "0o755", "theirs": "0o755", "theirs-own": "0o755"}
    mounted = FURNISH.replace("echo mounted", 'stat -c %%a "$base/one-7"')
    ended = host(mounted % ('shift_disks() { :; }', "auto", ""))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "700\n", "")
    assert modes() == {"lxc": "0o701", "one-7": "0o710", "one-8": "0o750", "theirs": "0o750", "theirs-own": "0o755"}
    assert os.getuid() or (top / "one-7").stat().st_gid == 600200001
    host(FURNISH % ('shift_disks() { :; }', "auto", '""'))
    assert modes()["one-7"] == "0o700" and (os.getuid() or (top / "one-7").stat().st_gid == 0)


@pytest.mark.parametrize("before, added", [
    ("", True), ("root:600000000:200000000\n", False), ("root:100000:65536\nlxd:600100001:65536\n", True), ("root:100000:65536", True), ("root:600100001:65535\n", True)])
def test_numbers_of_users_are_noted(host, tmp_path, before, added):
    (tmp_path / "ids").write_text(before)
    call = 'id_files="$PWD/ids $PWD/groups"; grant_ids 600100001 65536 700000 && grant_ids 600100001 65536 700000'
    assert host(call, newuidmap="exit 0").returncode == 0
    assert (tmp_path / "ids").read_text() == before + "\n" * (before[-1:] not in ("", "\n")) + ("root:600100001:65536\n" if added else "")
    assert (tmp_path / "groups").read_text() == "root:700000:65536\n"


def test_an_archive_is_unpacked_after_an_interrupted_try(host, tmp_path):
    archive(tmp_path)
    (tmp_path / "mounted").touch()
    (tmp_path / "disk.0.part.d").mkdir()
    ended = host('unpack "$PWD/disk.0" 8 "" && echo done', tar='test -e "$PWD/mounted"', **MOUNTS)
    assert ended.stdout == "done\n", ended.stderr
    assert (tmp_path / "disk.0").stat().st_size == 8 << 20
    assert not (tmp_path / "mounted").exists() and not (tmp_path / "disk.0.part.d").exists()


def test_an_interrupted_unpacking_leaves_no_mount(host, tmp_path):
    before = archive(tmp_path)
    ended = host('unpack "$PWD/disk.0" 8 ""; echo not here', tar="kill -HUP $PPID; sleep 0.2", **MOUNTS)
    assert ended.returncode and not ended.stdout
    assert not (tmp_path / "mounted").exists() and not list(tmp_path.glob("disk.0.*"))
    assert (tmp_path / "disk.0").read_bytes() == before


CHECKPOINT = 'begin() { :; }; need_criu() { :; }; state() { if [ -e "$PWD/gone" ]; then echo %s; else echo running; fi; }; checkpoint one-7 u "$PWD/images" node02'
DUMP = 'while [ "$1" != -D ]; do shift; done; touch "$PWD/gone"; %s; exit 1'


@pytest.mark.parametrize("then, written, kept", [("off", 'echo x >"$2/inventory.img"', True), ("off", ":", False), ("running", 'echo x >"$2/inventory.img"', False)])
def test_memory_is_kept_when_its_container_is_gone(host, tmp_path, then, written, kept):
    (tmp_path / "lxc/one-7").mkdir(parents=True)
    (tmp_path / "lxc/one-7/config").touch()
    ended = host(CHECKPOINT % then, lxc_checkpoint=DUMP % written, timeout='shift 3; exec "$@"')
    move = tmp_path / "lxc/one-7/move"
    assert ended.returncode == 1 and ("it goes on running" in ended.stderr) == (then == "running")
    assert (tmp_path / "images").exists() == kept and move.exists() == kept
    if kept:
        assert move.read_text() == f"{tmp_path}/images\nnode02\n" and f"kept in {tmp_path}/images" in ended.stderr


# CRIU, that goes on when the program of LXC is gone, and writes what it writes when the container has ended.
ORPHAN = """cat >"$PWD/criu" <<'END'
#!/bin/sh
sleep 1
[ ! -e "$2.fails" ] || exit 1
touch "$PWD/gone" "$2/inventory.img"
echo x >"$2/stats-dump"
END
"""
BEGUN = ORPHAN + 'chmod +x "$PWD/criu"; "$PWD/criu" dump "%s" >/dev/null 2>&1 &\n'


@pytest.mark.parametrize("fails", [True, False])
def test_criu_that_outlives_lxc_is_waited_for(host, tmp_path, fails):
    (tmp_path / "lxc/one-7").mkdir(parents=True)
    (tmp_path / "lxc/one-7/config").touch()
    if fails:
        (tmp_path / "images.fails").touch()
    ended = host(CHECKPOINT % "off", lxc_checkpoint=BEGUN % "$PWD/images" + "kill -9 $$", mountpoint="exit 1")
    move = tmp_path / "lxc/one-7/move"
    if fails:
        assert ended.returncode == 1 and "it goes on running" in ended.stderr and not move.exists() and not (tmp_path / "images").exists()
    else:
        took, count = map(int, ended.stdout.split())
        assert ended.returncode == 0 and took >= 900 and count > 0, ended.stderr
        assert move.read_text() == f"{tmp_path}/images\nnode02\n"
        assert host("begin() { :; }; given_to one-7").stdout == "node02\n"


@pytest.mark.parametrize("written, told", [("stats-dump", "moving"), ("inventory.img", "off"), (None, "off")])
def test_who_comes_next_learns_what_became_of_it(host, tmp_path, written, told):
    """Whoever had its memory written is gone. Only when CRIU itself has ended the container is that its memory."""
    tree(tmp_path / "lxc/one-7", {"config": "", "move": f"writing {tmp_path}/images\nnode02\n"})
    tree(tmp_path / "groups/freezer/lxc.payload.one-7", {"freezer.state": "FROZEN\n"})
    tree(tmp_path, {"images/dump.log": ""} | ({f"images/{written}": "x"} if written else {}))
    ended = host('groups=$PWD/groups; begin() { :; }; raw_state() { echo STOPPED; }; look one-7 ""')
    assert (ended.returncode, ended.stdout) == (0, told + "\n"), ended.stderr
    assert (tmp_path / "images").exists() == (told == "moving")
    if told == "moving":
        assert (tmp_path / "lxc/one-7/move").read_text() == f"{tmp_path}/images\nnode02\n"
    assert (tmp_path / "groups/freezer/lxc.payload.one-7/freezer.state").read_text() == "THAWED\n"


def test_who_comes_next_waits_for_criu(host, tmp_path):
    tree(tmp_path / "lxc/one-7", {"config": "", "move": f"writing {tmp_path}/images\n"})
    (tmp_path / "images").mkdir()
    began = time.monotonic()
    ended = host(BEGUN % "$PWD/images" + 'begin() { :; }; raw_state() { if [ -e "$PWD/gone" ]; then echo STOPPED; else echo RUNNING; fi; }; look one-7 ""')
    assert (ended.returncode, ended.stdout) == (0, "moving\n"), ended.stderr
    assert time.monotonic() - began > 0.9
    tree(tmp_path / "lxc/one-7", {"move": f"writing {tmp_path}/images\n"})
    with endless(tmp_path, "criu", "dump"):
        ended = host('begin() { :; }; lock one-7 1; echo not here')
    assert ended.returncode == 1 and not ended.stdout and f"still writes the memory of one-7 to {tmp_path}/images" in ended.stderr


@contextlib.contextmanager
def endless(tmp_path, name, *words, before=()):
    """A program of that name that has these words and the directory of a checkpoint, from the moment on that this can be seen."""
    path = tmp_path / "endless" / name
    tree(path.parent, {name: f"#!{sys.executable}\nimport sys\nprint(1, flush=True)\nsys.stdin.read()\n"})
    # What begins it has none of the words.
    tree(path.parent, {"begin": f"#!{sys.executable}\nimport os\nos.execv({str(path)!r}, {[str(path), *words, str(tmp_path / 'images')]!r})\n"})
    for file in path, path.parent / "begin":
        file.chmod(0o755)
    with subprocess.Popen([*before, str(path.parent / "begin")], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == "1\n"
            yield process
        finally:
            process.communicate()


INNER = ["unshare", "--user", "--map-root-user", "--pid", "--fork"]


@pytest.mark.parametrize("name, before, counts", [
    ("criu", [], True), ("lxc-checkpoint", [], True), ("run", ["--argv0", "criu"], True), ("other", [], False), ("criu", INNER, False), ("criu", ["setpriv", "--ruid=65534"], False)],
    ids=["CRIU", "LXC", "CRIU by ld-linux", "other program", "in a container", "of another user"])
def test_words_of_anybody_do_not_count(host, tmp_path, name, before, counts):
    """A guest may call its programs as it likes."""
    words = ["dump"]
    if before[:1] == ["--argv0"]:
        words, before = [*before, "dump"], []
    if before and before is not INNER and os.getuid():
        pytest.skip("only root can be another user")
    if before and subprocess.run([*before, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip(f"{before[0]} is not for this user")
    with endless(tmp_path, name, *words, before=before):
        assert bool(host('workers "$PWD/images" "dump|-s"').stdout) == counts


@pytest.mark.parametrize("state", ["RUNNING", "STOPPED"])
def test_nobody_goes_on_restoring_who_is_not_heard_of(host, tmp_path, state):
    """What leads it is gone: it runs in the end, and then its checkpoint is past; or whoever restores it ends."""
    tree(tmp_path / "lxc/one-7", {"config": "", "move": f"{tmp_path}/images\n", "reading": f"{tmp_path}/images\n{tmp_path}/images\n{tmp_path}/saved\n"})
    tree(tmp_path, {"images/pages": "x", "saved": "x"})
    with endless(tmp_path, "criu", "restore") as process:
        ended = host(f'begin() {{ :; }}; raw_state() {{ echo {state}; }}; lock one-7 1; state one-7 ""')
        # Running, it may be its monitor.
        assert is_there(process.pid) == (state == "RUNNING")
    assert ended.stdout.strip() == {"RUNNING": "running", "STOPPED": "moving"}[state] and not (tmp_path / "lxc/one-7/reading").exists()
    assert (tmp_path / "lxc/one-7/move").exists() == (state == "STOPPED")
    assert [path.exists() for path in (tmp_path / "images", tmp_path / "saved")] == [state == "STOPPED"] * 2


def test_turns_are_not_seconds(host, tmp_path):
    """Where LXC answers slowly, fewer questions are asked; whoever called does not wait longer."""
    tree(tmp_path / "lxc/one-7", {"config": "", "reading": f"{tmp_path}/images\n"})
    with endless(tmp_path, "criu", "restore"):
        ended = host('begin() { :; }; raw_state() { echo x >>"$PWD/asked"; sleep 0.5; echo STOPPED; }; lock one-7 2')
    assert ended.returncode == 0 and len((tmp_path / "asked").read_text().split()) < 12, ended.stderr


def test_one_who_has_a_lock_may_ask_for_it_again(host):
    ended = host('begin() { :; }; lock one-7 5; (lock one-7 5; echo inner); flock -n "$locks/globule-lxc-one-7" true || echo kept')
    assert (ended.returncode, ended.stdout) == (0, "inner\nkept\n"), ended.stderr


def test_resuming_is_one_change(host, tmp_path):
    """What another one restores from is not taken away meanwhile."""
    tree(tmp_path, {"saved": "x", "saved.d/pages": "x"})
    with subprocess.Popen(["flock", str(tmp_path / "globule-lxc-one-7"), "sh", "-c", "echo; read -r word"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        ended = host('begin() { :; }; flock() { command flock -n 9; }; state() { echo off; }; resume one-7 u "$PWD/saved" /ds "" 8 ""')
        other.stdin.close()
    assert ended.returncode == 1 and "another change of one-7" in ended.stderr
    assert (tmp_path / "saved.d/pages").exists()


RESTORE = 'begin() { :; }; need_criu() { :; }; furnish() { :; }; sweep() { echo swept; }; state() { if [ -e "$PWD/runs" ]; then echo running; else echo %s; fi; }; '
READ = 'while [ "$1" != -D ]; do shift; done; cp "$PWD/lxc/one-7/reading" "$PWD/noted"; ls "$2" >"$PWD/read"; touch "$PWD/runs"'


@pytest.mark.parametrize("call", ['restore one-7 u /ds "" 8 "" "$PWD/images" own', 'deploy one-7 u /ds "" 8 ""', "leave one-7 u"])
def test_one_whose_state_is_not_known_is_left_alone(host, tmp_path, call):
    tree(tmp_path, {"images/pages": "x", "lxc/one-7/config": ""})
    ended = host(RESTORE % "UNKNOWN" + call, lxc_checkpoint="exit 1", lxc_start="exit 1")
    assert (ended.returncode, ended.stdout) == (1, "") and "one-7 is UNKNOWN on this host" in ended.stderr


def test_what_lxc_does_not_answer_is_asked_again(host, tmp_path):
    tree(tmp_path, {"lxc/one-7/config": ""})
    ended = host('state one-7 ""', lxc_info='[ -e "$PWD/asked" ] || { touch "$PWD/asked"; exit 1; }; echo RUNNING')
    assert ended.stdout == "running\n"


@pytest.mark.parametrize("call, left", [
    ('restore one-7 u /ds "" 8 "" "$PWD/images" own', {"saved"}), ('restore one-7 u /ds "" 8 "" "$PWD/images" sent', {"saved"}),
    ('restore one-7 u /ds "" 8 "" "$PWD/images" given', {"images", "saved"}), ('resume one-7 u "$PWD/saved" /ds "" 8 ""', {"images"})])
def test_what_has_served_goes(host, tmp_path, call, left):
    """It is noted before, so it goes also when whoever restores it is gone before the end."""
    tree(tmp_path, {"images/pages": "x", "lxc/one-7/config": ""})
    with tarfile.open(tmp_path / "saved", "w") as tar:
        tar.add(tmp_path / "images", ".")
    ended = host(RESTORE % "off" + call, lxc_checkpoint=READ)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "read").read_text() == "pages\n"

    def those():
        return {name for name in ("images", "saved", "saved.d") if (tmp_path / name).exists()}
    assert those() == left and not (tmp_path / "lxc/one-7/reading").exists()
    noted = (tmp_path / "noted").read_text()
    tree(tmp_path, {"images/pages": "x", "saved": "x", "saved.d/pages": "x", "lxc/one-7/reading": noted, "lxc/one-7/move": f"{tmp_path}/images\n"})
    host("begin() { :; }; raw_state() { echo RUNNING; }; lock one-7 5")
    assert those() - {"saved.d"} == left and (tmp_path / "saved.d").exists() == ("restore" in call)


def test_it_goes_on_from_the_memory_with_which_it_stands_still(host, tmp_path):
    """Which is not that of a move when it was being saved."""
    tree(tmp_path, {"saved.d/pages": "x", "lxc/one-7/config": "", "lxc/one-7/move": f"{tmp_path}/saved.d\n\n"})
    ended = host(RESTORE % "moving" + 'restore one-7 u /ds "" 8 "" "$PWD/checkpoint.move" own', lxc_checkpoint=READ)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "read").read_text() == "pages\n" and not (tmp_path / "saved.d").exists() and not (tmp_path / "lxc/one-7/move").exists()


def test_nothing_goes_on_restoring_after_a_failure(host, tmp_path):
    """CRIU outlives the program of LXC that began it, and would go on here while the container goes on where it was."""
    (tmp_path / "images").mkdir()
    ended = host('begin() { :; }; need_criu() { :; }; state() { echo absent; }; furnish() { :; }; mkdir -p "$base/one-7"; '
                 'restore one-7 u /ds "" 8 "" "$PWD/images" sent', lxc_checkpoint='sleep 1000 & echo $! >"$PWD/orphan"; kill -9 $$', lxc_stop="exit 0")
    assert ended.returncode == 1 and "does not go on from its checkpoint" in ended.stderr
    one_ends(int((tmp_path / "orphan").read_text()))


ATTACH = 'while [ "$1" != -- ]; do case $1 in GLOBULE_EXEC=*) export "$1" ;; esac; shift; done; shift; exec "$@"'
PLAYED = 'begin() { :; }; state() { echo running; }; clear_of_others() { :; }; group_of() { group=$PWD/group; }; lost_most=1048576'
PROCESS = 'echo $$ >>"%s/group/cgroup.procs"; '


@pytest.fixture
def command(host, tmp_path):
    """Runs a command as `onevm exec` does, and gives what the host tells of it at the end."""
    (tmp_path / "group").mkdir()
    (tmp_path / "group/cgroup.procs").touch()

    def run(text, known=True):
        word = host(f"{PLAYED}; execute one-7 u {shlex.quote((PROCESS % tmp_path if known else '') + text)} input", lxc_attach=ATTACH).stdout.strip()
        assert word.startswith("one-7:")
        end = time.monotonic() + 60
        while (said := host(f"{PLAYED}; executed {word}").stdout) == "running\n":
            assert time.monotonic() < end, text
            time.sleep(0.05)
        said = dict(line.partition(" ")[::2] for line in said.splitlines())
        for name in ("out", "err"):
            said[name] = base64.b64decode(said[name])
            assert (tmp_path / "jobs" / word / name).stat().st_size <= 65536 + 512
        return said
    yield run
    for pid in (tmp_path / "group/cgroup.procs").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def test_a_command_says_what_it_says(command):
    said = command("cat; echo oh >&2; exit 3")
    assert said == {"code": "3", "out": b"input", "err": b"oh\n"}


@pytest.mark.parametrize("count, more", [(65536, False), (65537, True), (400000, True)])
def test_what_a_command_says_is_kept_up_to_64_kib(command, count, more):
    said = command(f"head -c {count} /dev/zero; echo end >&2; exit 5")
    assert said["code"] == "5" and said["out"] == bytes(65536) and said["err"] == b"end\n"
    assert ("more" in said) == more and "over" not in said


@pytest.mark.parametrize("text", [
    "exec yes", "trap '' PIPE; while :; do echo it goes on; done 2>/dev/null", "exec yes >&2",
    pytest.param("yes & (echo $! >>\"$0\"); yes", id="two at once")])
def test_endless_output_is_ended(command, tmp_path, text):
    said = command(text.replace("$0", f"{tmp_path}/group/cgroup.procs"))
    assert said["code"] == "137" and "more" in said and "over" in said
    assert len(said["err" if ">&2" in text else "out"]) == 65536
    for pid in (tmp_path / "group/cgroup.procs").read_text().split():
        one_ends(int(pid))


def is_there(pid):
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # also ESRCH, when it ends between the opening and the reading
        return False


def one_ends(pid):
    end = time.monotonic() + 30
    while is_there(pid):
        assert time.monotonic() < end, f"{pid} goes on"
        time.sleep(0.05)


def test_what_a_command_leaves_behind_is_not_waited_for(command, tmp_path):
    said = command(f"sleep 1000 & echo $! >>{tmp_path}/group/cgroup.procs; echo here; echo there >&2; exit 4")
    assert said == {"code": "4", "out": b"here\n", "err": b"there\n"}


def goes_on(session):
    """Whether there is anything of it but what has ended."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, its = path.read_text().rpartition(")")[2].split()[:4]
            if its == session and state != "Z":
                return True
    return False


def test_who_has_the_number_of_a_command_that_ended_is_left_alone(command, tmp_path):
    """What the command has left behind says too much when its number is somebody else's already."""
    said = command(f"(until [ -e {tmp_path}/go ]; do sleep 0.05; done; exec head -c 4000000 /dev/zero) & exit 6")
    assert said == {"code": "6", "out": b"", "err": b""}
    place, = (tmp_path / "jobs").iterdir()
    with subprocess.Popen(["sleep", "1000"]) as decoy:
        (place / "attach").write_text(f"{decoy.pid}\n")
        (tmp_path / "go").touch()
        end = time.monotonic() + 60
        while goes_on((place / "pid").read_text().strip()):
            assert time.monotonic() < end, "its reader goes on"
            time.sleep(0.05)
        left_alone = decoy.poll() is None
        decoy.kill()
    assert left_alone and (place / "more").exists()
    assert (place / "code").read_text() == "6\n" and not (place / "over").exists()


def test_a_command_that_cannot_be_found_by_its_word(command):
    """Its output is cut all the same, and its writes fail from then on."""
    said = command("exec yes", known=False)
    assert said["code"] == "137" and "over" in said


def tree(top, files):
    for name, text in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


V2 = {"cpu.stat": "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n", "memory.current": "4096\n", "memory.max": "67108864\n", "cgroup.freeze": "0\n",
      "io.stat": "8:0 rbytes=10 wbytes=20 rios=1 wios=1 dbytes=0 dios=0\n7:1 rbytes=5 wbytes=1\n"}
V1 = {"cpuacct/lxc.payload.one-7/cpuacct.usage": "1500000\n", "memory/lxc.payload.one-7/memory.usage_in_bytes": "4096\n",
      "memory/lxc.payload.one-7/memory.limit_in_bytes": "67108864\n", "freezer/lxc.payload.one-7/freezer.state": "THAWED\n"}
FIGURES = 'groups=$PWD/groups; figures one-7; echo "$cpu $memory $most $frozen $reads $writes"'


@pytest.mark.parametrize("changed, told", [
    ({}, "1500000 4096 67108864 0 15 21"), ({"memory.max": "max\n"}, "1500000 4096 -1 0 15 21"), ({"cgroup.freeze": "1\n"}, "1500000 4096 67108864 1 15 21"),
    ({"io.stat": ""}, "1500000 4096 67108864 0 0 0")])
@pytest.mark.parametrize("name", ["lxc.payload.one-7", "lxc.payload.one-7-3", "lxc.payload.one-7-12"])
def test_figures_of_control_groups_2(host, tmp_path, changed, told, name):
    tree(tmp_path / "groups", {"cgroup.controllers": "cpu memory io\n"})
    tree(tmp_path / "groups" / name, V2 | changed)
    assert host(FIGURES).stdout == told + "\n"


@pytest.mark.parametrize("state, frozen", [("THAWED", 0), ("FROZEN", 1), ("FREEZING", 1)])
def test_figures_of_control_groups_1(host, tmp_path, state, frozen):
    tree(tmp_path / "groups", V1 | {"freezer/lxc.payload.one-7/freezer.state": state + "\n"})
    assert host(FIGURES).stdout == f"1500000 4096 67108864 {frozen} -1 -1\n"


def test_figures_of_no_group(host, tmp_path):
    tree(tmp_path / "groups", {"cgroup.controllers": "cpu memory io\n"})
    assert host(FIGURES).stdout == "-1 -1 -1 0 -1 -1\n"


OLD = V2 | {"cpu.stat": "usage_usec 9\n", "cgroup.freeze": "1\n"}


@pytest.mark.parametrize("old, new", [("lxc.payload.one-7", "lxc.payload.one-7-1"), ("lxc.payload.one-7-1", "lxc.payload.one-7"),
                                      ("lxc.payload.one-7", "lxc.payload.one-7-10"), ("lxc.payload.one-7-2", "lxc.payload.one-7-1")])
@pytest.mark.parametrize("version", [1, 2])
def test_figures_beside_a_group_that_is_left_over(host, tmp_path, old, new, version):
    """What an earlier start left has no processes, and says nothing of this one."""
    top = tmp_path / "groups"
    if version == 2:
        tree(top, {"cgroup.controllers": "cpu memory io\n"})
        tree(top / old, OLD | {"cgroup.events": "populated 0\nfrozen 1\n"})
        tree(top / new, V2 | {"cgroup.events": "populated 1\nfrozen 0\n"})
        assert host(FIGURES).stdout == "1500000 4096 67108864 0 15 21\n"
        return
    for name, text in V1.items():
        part, _, file = name.split("/")
        tree(top / part / old, {file: "7\n", "cgroup.procs": "", "init.scope/cgroup.procs": ""})
        tree(top / part / new, {file: text, "cgroup.procs": "", "init.scope/cgroup.procs": "71\n"})
    assert host(FIGURES).stdout == "1500000 4096 67108864 0 -1 -1\n"


def test_figures_are_not_those_of_another_name(host, tmp_path):
    tree(tmp_path / "groups", {"cgroup.controllers": "cpu memory io\n"})
    tree(tmp_path / "groups/lxc.payload.one-7-1", OLD | {"cgroup.events": "populated 1\nfrozen 1\n"})
    tree(tmp_path / "groups/lxc.payload.one-7", V2 | {"cgroup.events": "populated 0\nfrozen 0\n"})
    tree(tmp_path / "lxc/one-7-1", {"config": ""})
    assert host(FIGURES).stdout == "1500000 4096 67108864 0 15 21\n"


@pytest.mark.parametrize("top, kept", [("", ["deep/lxc.payload.one-7"]), ("memory/", [])])
def test_groups_that_are_left_go(host, tmp_path, top, kept):
    """Also those within; not those of another name, nor of a container in a container (version 2 has them in one tree)."""
    groups = tmp_path / "groups"
    mine = ["lxc.payload.one-7/init.scope", "lxc.payload.one-7-1", "lxc.monitor.one-7-12"]
    others = ["lxc.payload.one-7-2", "lxc.payload.one-70", "lxc.payload.one-7-x", *kept]
    for name in mine + others:
        (groups / top / name).mkdir(parents=True)
    if not top:
        (groups / "cgroup.controllers").touch()
    tree(tmp_path / "lxc/one-7-2", {"config": ""})
    assert host('groups=$PWD/groups; sweep one-7').returncode == 0
    assert sorted(str(path.relative_to(groups / top)) for path in groups.glob(f"{top}**/lxc.*")) == sorted(others)


def test_processes_that_are_left_end(host, tmp_path):
    """Wherever they are in the groups; those of another container with such a name go on."""
    ours, others = (subprocess.Popen(["sleep", "1000"]) for _ in range(2))
    tree(tmp_path / "groups/pids", {"lxc.payload.one-7/cgroup.procs": "", "lxc.payload.one-7/a/cgroup.procs": f"{ours.pid}\n",
                                    "lxc.payload.one-7-2/cgroup.procs": f"{others.pid}\n"})
    tree(tmp_path / "lxc/one-7-2", {"config": ""})
    # The kernel forgets a process that ended, a file does not.
    ended = host('groups=$PWD/groups; sleep() { find "$groups" -path "*one-7/*" -name cgroup.procs -delete; }; drop_groups() { :; }; sweep one-7')
    assert ended.returncode == 0, ended.stderr
    assert ours.wait(60) == -signal.SIGKILL and others.poll() is None
    others.kill()
    others.wait(60)


def test_names_that_are_no_word_are_left_out(host, tmp_path):
    """Each line of a report is words: "a b" would be a container "a", with figures of another place."""
    for name in ("a b", "c\nd", "it's*", "one-7"):
        tree(tmp_path / "lxc" / name, {"config": "# one.uuid = u\n# one.vid = 7\n" if name == "one-7" else "x\n"})
    rest = "POWEROFF -1 -1 -1 -1 -1 -1 -1"
    assert host("containers").stdout.splitlines() == [f"container it's* -1 - {rest}", f"container one-7 7 u {rest}"]


# What it has open, and what of that is of the network.
HOLDER = """
import socket, sys
listens = socket.create_server(("127.0.0.1", 0))
calls = socket.create_connection(listens.getsockname())
asks = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
asks.bind(("::", 0))
nowhere = socket.socket()
harmless = socket.socketpair(), socket.socket(socket.AF_UNIX), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
ports = [one.getsockname()[1] for one in (listens, calls, asks)]
if len(sys.argv) > 1:
    for one in (listens, calls, asks, nowhere):
        one.close()
open("/proc/self/comm", "w").write("holder")
print(*ports, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """A container of one process: (ports, its words)."""
    started = []

    def start(*words):
        held = subprocess.Popen([sys.executable, "-c", HOLDER, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(held)
        ports = held.stdout.readline().split()
        (tmp_path / "group").mkdir()
        (tmp_path / "group/cgroup.procs").write_text(f"{held.pid}\n")
        return ports
    yield start
    for held in started:
        held.communicate()


SOCKETS = 'begin() { :; }; state() { echo running; }; group_of() { group=$PWD/group; }; asked=%s; '
REFUSED = SOCKETS % "-1"  # as a kernel from 6.16 on does it: no socket answers that
REFUSES = """case "$*" in
--version) echo 'Version: 4.1.1' ;;
dump*) while [ "$1" != -D ]; do shift; done
    echo "(00.1) Error (criu/sockets.c:628): sockets: Can't get 1:16 opt: Operation not supported" >"$2/log"; exit 1 ;;
esac"""


def test_sockets_in_the_way_are_named(host, holder):
    listens, calls, asks = holder()
    ended = host(REFUSED + "sockets_in_the_way one-7", criu=REFUSES)
    assert sorted(ended.stdout.splitlines()) == sorted([
        f"TCP port {listens} (listening) is open in holder", f"TCP port {calls} (connected) is open in holder", f"UDP port {asks} is open in holder",
        "a socket of TCP without an address is open in holder"]), ended.stderr
    ended = host(REFUSED + "refuse_sockets one-7 uuid", criu=REFUSES)
    assert ended.returncode == 1 and ended.stderr.startswith("CRIU 4.1.1 cannot write the sockets of one-7 with Linux ")
    assert f"TCP port {listens} (listening) is open in holder" in ended.stderr and "CRIU 4.2 can" in ended.stderr


@pytest.mark.parametrize("asked, criu", [(int(socket.SO_TYPE), REFUSES), ("-1", "exit 0"), ("-1", "exit 1")], ids=["kernel answers", "CRIU writes", "CRIU cannot be tried"])
def test_sockets_that_can_be_written(host, holder, asked, criu):
    holder()
    ended = host(SOCKETS % asked + "sockets_in_the_way one-7; refuse_sockets one-7 uuid", criu=criu)
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr


def test_sockets_of_one_computer_are_not_in_the_way(host, holder):
    holder("without")
    ended = host(REFUSED + "sockets_in_the_way one-7; refuse_sockets one-7 uuid", criu=REFUSES)
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr


def test_sockets_are_asked_for_what_criu_asks(host, holder):
    """By this kernel, whichever it is."""
    holder()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.getsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED)
            refused = False
        except OSError as problem:
            refused = problem.errno == errno.EOPNOTSUPP
    assert bool(host(SOCKETS % "SO_PASSCRED" + "open_sockets one-7").stdout) == refused


def test_many_sockets_are_counted(host):
    many = "for port in $(seq 10 21); do echo UDP port $port is open in x; done"
    ended = host(f"{REFUSED}open_sockets() {{ {many}; }}; sockets_in_the_way one-7", criu=REFUSES)
    assert ended.stdout.splitlines()[5:] == ["UDP port 15 is open in x", "6 more are open"], ended.stderr

"""What the LXC flavour runs on a host, with the programs of the host played."""
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "drivers/common/lxc_host.sh"


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
        program = f"{SCRIPT.read_text()}\nPATH={programs}:$PATH\nbase={tmp_path}/lxc\nlocks={tmp_path}\njobs={tmp_path}/jobs\n{text}\n"
        return subprocess.run(["/bin/sh", "-c", program], cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                              stdin=subprocess.DEVNULL, env=os.environ)
    return call


def archive(tmp_path):
    with tarfile.open(tmp_path / "disk.0", "w") as tar:
        tar.add(SCRIPT, "etc/file")
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


CHECKPOINT = 'begin() { :; }; need_criu() { :; }; state() { if [ -e "$PWD/gone" ]; then echo %s; else echo running; fi; }; checkpoint one-7 u "$PWD/images"'
DUMP = 'while [ "$1" != -D ]; do shift; done; touch "$PWD/gone"; %s; exit 1'


@pytest.mark.parametrize("then, written, kept", [("off", 'echo x >"$2/inventory.img"', True), ("off", ":", False), ("running", 'echo x >"$2/inventory.img"', False)])
def test_memory_is_kept_when_its_container_is_gone(host, tmp_path, then, written, kept):
    (tmp_path / "lxc/one-7").mkdir(parents=True)
    ended = host(CHECKPOINT % then, lxc_checkpoint=DUMP % written, timeout='shift 3; exec "$@"')
    move = tmp_path / "lxc/one-7/move"
    assert ended.returncode == 1 and ("it goes on running" in ended.stderr) == (then == "running")
    assert (tmp_path / "images").exists() == kept and move.exists() == kept
    if kept:
        assert move.read_text() == f"{tmp_path}/images\n" and f"kept in {tmp_path}/images" in ended.stderr

"""The guest's proof can fail: one wrong byte of memory or disk is told. Run here, outside a guest."""
import os
import re
import signal
import subprocess
import time

import pytest
from lab.cloud import ROOT, wait_for

UNIT, DISK_START = 4096, 1 << 20


@pytest.fixture
def program(tmp_path):
    made = tmp_path / "pattern"
    subprocess.run(["gcc", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-o", made,
                    ROOT / "share/examples/guest/pattern.c"], check=True)
    return made


class Running:
    def __init__(self, path, *words):
        self.log = path.with_suffix(".log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([path, *map(str, words)], stdout=log, start_new_session=True)

    def said(self, word):
        return [line for line in self.log.read_text().splitlines() if line.startswith(word)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def biggest_area(pid, size):
    """Where the process has `size` bytes of memory of its own that nothing else is beside."""
    for line in open(f"/proc/{pid}/maps"):
        first, last = (int(number, 16) for number in re.match(r"([0-9a-f]+)-([0-9a-f]+) rw-p", line).groups()) \
            if " rw-p " in line else (0, 0)
        if last - first >= size:
            return first
    raise AssertionError("no such area")


def test_whole_memory_and_disk(program, tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(DISK_START + (1 << 20)))
    with Running(program, 4, 2, 1, disk) as proof:
        wait_for("memory and disk to be checked", 60, lambda: proof.said("PATTERN disk writes=") and any(
            "passes=0" not in line for line in proof.said("PATTERN memory")))
        assert not proof.said("BAD")


def test_wrong_byte_of_memory(program):
    with Running(program, 4, 0) as proof:
        wait_for("memory to be filled", 30, lambda: proof.said("PATTERN memory"))
        start = biggest_area(proof.process.pid, 4 << 20)
        with open(f"/proc/{proof.process.pid}/mem", "r+b", buffering=0) as memory:
            memory.seek(start + (2 << 20))
            byte = memory.read(1)
            memory.seek(start + (2 << 20))
            memory.write(bytes([byte[0] ^ 1]))
        found = wait_for("BAD", 30, lambda: proof.said("BAD memory"))
        assert re.match(r"BAD memory page=\d+ word=\d+ writes=0 has=[0-9a-f]{16} wants=[0-9a-f]{16}$", found[0]), found
        wait_for("the count of it", 30, lambda: "bad=0" not in proof.said("PATTERN memory")[-1])


def test_wrong_byte_of_disk(program, tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(DISK_START + (1 << 20)))
    with Running(program, 1, 0, 1, disk) as proof:
        wait_for("the disk to be filled", 60, lambda: proof.said("PATTERN disk begins"))
        time.sleep(0.1)
        with open(disk, "r+b") as file:
            file.seek(DISK_START + 200 * UNIT + 100)
            file.write(b"X")
        found = wait_for("BAD", 60, lambda: proof.said("BAD disk"))
        assert "block=200 " in found[0], found


def test_two_writers_of_one_disk(program, tmp_path):
    """A machine that runs twice on one disk tells on itself."""
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(DISK_START + (1 << 20)))
    with Running(program, 1, 0, 1, disk) as first:
        wait_for("the disk to be filled", 60, lambda: first.said("PATTERN disk writes="))
        other = program.with_name("other")
        other.write_bytes(program.read_bytes())
        other.chmod(0o755)
        with Running(other, 1, 0, 1, disk):
            wait_for("BAD", 60, lambda: first.said("BAD disk"))

"""Rows about disks: how soon the disk of a machine stands, made of an image that is large."""
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from table import Result

GIB = 10  # of the image, which has holes where nothing was written, as those that are downloaded
WRITTEN_MIB = 256


class Driver:
    """one_tm over its pipes, as oned has it."""

    def __init__(self, build, datastores):
        self.datastores = datastores
        self.process = subprocess.Popen([build / "mads/one_tm", "-d", "qcow2,shared"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                        env={**os.environ, "ONE_DATASTORES": str(datastores)})
        self.ask("INIT")

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        word = line.split()[0]
        while not (answer := self.process.stdout.readline()).startswith(word):
            if not answer:
                raise RuntimeError("the transfer driver ended")
        if not answer.startswith(f"{word} SUCCESS"):
            raise RuntimeError(answer.strip())

    def script(self, machine, text):
        path = self.datastores / f"script.{machine}"
        path.write_text(f"{text} {machine} 0\n")
        self.ask(f"TRANSFER {machine} {path}")

    def stop(self):
        self.process.stdin.write("FINALIZE\n")
        self.process.stdin.close()
        self.process.wait(30)


def image_of(path):
    with open(path, "wb") as image:
        for _ in range(WRITTEN_MIB):
            image.write(bytes(range(256)) * 4096)
        image.truncate(GIB << 30)


def linked_disk(bench):
    """A copy of a raw image by TM_MAD qcow2, beside what `qemu-img create -b` takes by itself; in turns."""
    directory = Path(tempfile.mkdtemp(prefix="bench-disks-"))
    rounds = 5 if bench.quick else 20
    driver = None
    try:
        (directory / "1").mkdir()
        source = directory / "1/0-image"
        image_of(source)
        driver = Driver(bench.build, directory)
        ours, plain = [], []
        for machine in range(rounds):
            start = time.perf_counter()
            driver.script(machine, f"CLONE qcow2 localhost:{source} localhost:{directory}/0/{machine}/disk.0")
            ours.append((time.perf_counter() - start) * 1000)
            start = time.perf_counter()
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", source, directory / f"plain.{machine}"],
                           check=True)
            plain.append((time.perf_counter() - start) * 1000)
            made = directory / f"0/{machine}/disk.0"
            if made.stat().st_size > 1 << 20:
                raise RuntimeError(f"{made} was copied: {made.stat().st_size} bytes")
        yield Result(f"disk of a machine from a raw image of {GIB} GiB, TM_MAD qcow2", statistics.median(ours), "ms",
                     "qemu-img create -b", statistics.median(plain), at_most=3)
    finally:
        if driver:
            driver.stop()
        shutil.rmtree(directory)


# name, function, needs a server of our own
ROWS = [("disk", linked_disk, False)]

#!/usr/bin/python3
"""Reads the heartbeat of the tiny guest (share/examples/guest) from a file of its console.

    heartbeat.py report FILE            beats, boots and breaks; exit code 1 when a beat is missing
    heartbeat.py watch FILE UNTIL       prints the largest time between two beats as they arrive,
                                        until the file UNTIL exists (at most 10 minutes)
"""
import os
import re
import sys
import time


def text_of(path):
    """Its whole lines: the guest may be in the middle of another."""
    try:
        with open(path, "rb") as console:
            said = console.read().replace(b"\r", b"")
            return said[:said.rfind(b"\n") + 1].decode(errors="replace")
    except FileNotFoundError:
        return ""


class Console:
    """What a console says: one list of beats for each boot of the guest. A machine that moved between
    hosts that share no storage has written a file on each: they are given in the order of its moves."""

    def __init__(self, *paths, texts=None):
        self.boots = []
        self.button = 0
        self.disk = []
        for text in texts if texts is not None else map(text_of, paths):
            for line in text.split("\n")[:-1]:
                self.read(line)

    def read(self, line):
        if line.startswith("GUEST-UP "):
            self.boots.append([])
        elif line.startswith("POWER-BUTTON"):
            self.button += 1
        elif line.startswith("DISK "):
            self.disk.append(line)
        elif (found := re.match(r"HB (\d+) ([\d.]+)$", line)) and self.boots:
            self.boots[-1].append(int(found.group(1)))

    @property
    def last(self):
        return self.boots[-1][-1] if self.boots and self.boots[-1] else 0

    def breaks(self):
        """Pairs of neighbours that do not follow each other, in any boot."""
        return [(a, b) for beats in self.boots for a, b in zip([0, *beats], beats) if b != a + 1]


def watch(path, until):
    """Largest time in seconds between the arrivals of two beats, with the number of the later one."""
    largest, number, last, end = 0.0, 0, None, time.monotonic() + 600
    while not os.path.exists(path) and not os.path.exists(until) and time.monotonic() < end:
        time.sleep(0.01)
    if not os.path.exists(path):
        return largest, number
    with open(path, "rb") as console:
        console.seek(0, os.SEEK_END)
        rest = b""
        while time.monotonic() < end:
            new = console.read()
            now = time.monotonic()
            if not new:
                if os.path.exists(until):
                    break
                time.sleep(0.003)
                continue
            *whole, rest = (rest + new).replace(b"\r", b"").split(b"\n")
            for line in whole:
                if line.startswith(b"HB "):
                    if last is not None and now - last > largest:
                        largest, number = now - last, int(line.split()[1])
                    last = now
    return largest, number


def main(words):
    if len(words) == 2 and words[0] == "report":
        console = Console(words[1])
        breaks = console.breaks()
        print(f"beats 1 to {console.last}, {len(console.boots)} boot(s),",
              f"missing or doubled after {breaks}" if breaks else "no beat lost")
        return 1 if breaks or not console.last else 0
    if len(words) == 3 and words[0] == "watch":
        largest, number = watch(words[1], words[2])
        print(f"{largest:.3f} {number}")
        return 0
    print(__doc__.strip(), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A driver program by itself: lines in, lines out, as oned has it."""
import base64
import html
import os
import re
import subprocess
import threading
import time
from queue import Empty, Queue

from api.server import BUILD, PATIENCE, SANITIZED, end_with_the_tests
from conftest import ROOT, sanitizer_environment


def coded(text):
    return base64.b64encode(text.encode()).decode()


def decoded(text):
    return base64.b64decode(text).decode()


class DriverProcess:
    """One driver. `ask` sends a request and gives what came back: (success, text)."""

    def __init__(self, program, *arguments, directory, etc=ROOT / "etc"):
        environment = sanitizer_environment() if SANITIZED else dict(os.environ)
        environment.update(ONE_ETC=str(etc), ONE_VAR=str(directory), HOME=str(directory))
        self.complaints = open(directory / f"{program}.err", "w+")
        self.process = subprocess.Popen(
            [BUILD / "mads" / program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.complaints, text=True, env=environment, preexec_fn=end_with_the_tests)
        self.lines, self.log = Queue(), []
        threading.Thread(target=self.read, daemon=True).start()
        self.put("INIT")
        self.ready = self.line()
        assert self.ready.startswith("INIT"), self.ready

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def put(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def line(self, seconds=PATIENCE):
        """The next line that is no LOG."""
        while True:
            try:
                line = self.lines.get(timeout=seconds)
            except Empty:
                raise AssertionError(f"the driver said nothing for {seconds} s: {self.said()}") from None
            assert line is not None, f"the driver is gone: {self.said()}"
            if not line.startswith("LOG "):
                return line
            self.log.append(line)

    def said(self):
        self.complaints.seek(0)
        return self.complaints.read()[-4000:]

    def ask(self, action, identity, payload):
        self.put(f"{action} {identity} {payload}")
        while True:
            words = self.line().split(" ", 3)
            if words[0] == action and words[2] == str(identity):
                return words[1] == "SUCCESS", words[3] if len(words) > 3 else ""

    def ok(self, action, identity, payload):
        success, text = self.ask(action, identity, payload)
        assert success, f"{action} failed: {text}"
        return text

    def fails(self, action, identity, payload, *parts):
        success, text = self.ask(action, identity, payload)
        assert not success, f"{action} was done: {text}"
        for part in parts:
            assert part in text, f"{part!r} is not in: {text}"
        return text

    def end(self):
        if self.process.stdin:
            self.process.stdin.close()
        code = self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()
        assert code == 0, f"ended with {code}: {self.said()}"
        self.complaints.close()


def machine(host, vid=12, template="", destination="", history=(), deploy_id="", extra="", name="web", directory="", lcm=0, vm=""):
    """The payload of a request about a machine."""
    records = "".join(f"<HISTORY><SEQ>{number}</SEQ><HOSTNAME>{where}</HOSTNAME><VM_MAD>{mad}</VM_MAD><ACTION>{action}</ACTION></HISTORY>"
                      for number, (where, mad, action) in enumerate(history))
    container = "".join(re.findall("<CONTAINER>.*</CONTAINER>", template))
    template = template.replace(container, "")
    return coded(
        f"<VMM_DRIVER_ACTION_DATA><HOST>{host}</HOST><MIGR_HOST>{destination}</MIGR_HOST><DEPLOY_ID>{deploy_id}</DEPLOY_ID>"
        f"<DISK_TARGET_PATH>{directory}</DISK_TARGET_PATH>{extra}<VM><ID>{vid}</ID><NAME>{name}</NAME><STIME>7</STIME><LCM_STATE>{lcm}</LCM_STATE>{vm}"
        f"<TEMPLATE>{template}</TEMPLATE><USER_TEMPLATE>{container}</USER_TEMPLATE><HISTORY_RECORDS>{records}</HISTORY_RECORDS></VM></VMM_DRIVER_ACTION_DATA>")


def checks(driver, vid, payload):
    """What MIGRATECHECK says: {name: (result, text)}, and its figures."""
    text = decoded(driver.ok("MIGRATECHECK", vid, payload))
    vectors = [dict(re.findall('(\\w+)\\s*=\\s*"(.*?)"', vector)) for vector in re.findall(r"CHECK\s*=\s*\[(.*?)\]", text, re.S)]
    return {vector["NAME"]: (vector["RESULT"], vector["TEXT"]) for vector in vectors}, dict(re.findall(r'(?m)^(\w+)\s*=\s*"(.*?)"', text))


# ---- commands in machines ----

def commanded(host, command, stdin="", word="", vid=12):
    pairs = "".join(f"<{name}>{html.escape(text)}</{name}>" for name, text in (("COMMAND", command), ("STDIN", stdin), ("PID", word)) if text)
    return machine(host, vid=vid, template=f"<QEMU_GA_EXEC>{pairs}</QEMU_GA_EXEC>")


def polled(driver, vid, host, word):
    text = decoded(driver.ok("EXECPOLL", vid, commanded(host, "", word=word, vid=vid)))
    found = dict(re.findall('(\\w+)="(.*?)"', text))
    return {name: decoded(value) if name in ("STDOUT", "STDERR", "ERROR") else value for name, value in found.items()}


def ran(driver, vid, host, command, stdin=""):
    """What became of a command."""
    word = driver.ok("EXEC", vid, commanded(host, command, stdin, vid=vid))
    end = time.monotonic() + PATIENCE
    while (found := polled(driver, vid, host, word))["STATUS"] == "EXECUTING":
        assert time.monotonic() < end, command
        time.sleep(0.02)
    return found

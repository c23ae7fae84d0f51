"""XML-RPC libraries of other languages, as they are, against our server: tests/api/foreign has a program for each.

What each library makes of our answers must be what Python's makes of them."""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from api.foreign import npm
from api.server import PATIENCE
from conftest import ROOT
from lxml import etree

FOREIGN = Path(__file__).parent / "foreign"
PROGRAMS = {  # how each is run, and a word that says whether it is there
    "python": [sys.executable, "python.py"],
    "ruby": ["ruby", "ruby.rb"],
    "rpc_xml": ["perl", "rpc_xml.pl"],
    "xmlrpc_lite": ["perl", "xmlrpc_lite.pl"],
    "php": ["php", "php.php"],
    "xmlrpc_c": [sys.executable, "xmlrpc_c.py"],
    "node": ["node", "node.js"],
}
NAME = "Zoë, at the — 東京"
TRUE, FALSE = (True, 1, "1"), (False, 0, "0")  # XMLRPC::Lite gives every scalar as text


def environment(language):
    """Node's library is not in Debian: it comes from npm's registry, where that can be reached."""
    if language != "node":
        return None
    try:
        return os.environ | {"NODE_PATH": str(npm.fetch(ROOT / "build" / "npm"))}
    except OSError as error:
        pytest.skip(f"npm's registry cannot be reached: {error}")


class Library:
    def __init__(self, language, server):
        program, script = PROGRAMS[language]
        assert shutil.which(program), f"{program} is missing: share/packages.txt has what the tests need"
        self.session = server.session
        self.process = subprocess.Popen([program, FOREIGN / script, f"http://127.0.0.1:{server.port}/RPC2"], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(language))

    def call(self, method, *arguments):
        kinds = {bool: "b", int: "i", str: "s"}
        typed = [[kinds[type(value)], value] for value in arguments]
        self.process.stdin.write(json.dumps({"method": method, "arguments": typed}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the program ended with {self.process.wait(PATIENCE)}"
        return json.loads(line)

    def ok(self, method, *arguments):
        answer = self.call(method, self.session, *arguments)["answer"]
        assert answer[0] in TRUE, answer
        return answer[1]

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0
        self.process.stdout.close()


@pytest.fixture(params=PROGRAMS)
def library(request, one):
    library = Library(request.param, one)
    yield library
    library.end()


def test_answer_of_three(library):
    answer = library.call("one.system.version", library.session)["answer"]
    assert len(answer) >= 3 and answer[0] in TRUE and answer[1].count(".") == 2 and int(answer[2]) == 0


def test_life_of_a_machine(library, one):
    """Text of every alphabet and length goes there and comes back."""
    long = "x" * 100000
    text = f'NAME = "{library.process.pid}"\nCPU = 1\nMEMORY = 64\nLONG = "{long}"\nWORDS = "<b> & co"\n'
    number = int(library.ok("one.vm.allocate", text, True))
    assert int(library.ok("one.vm.rename", number, NAME)) == number
    shown = library.ok("one.vm.info", number)
    assert shown == one.ok("one.vm.info", number)
    assert "東京" in shown and long in shown
    assert etree.fromstring(shown.encode()).findtext("USER_TEMPLATE/WORDS") == "<b> & co"
    assert etree.fromstring(shown.encode()).findtext("NAME") == NAME
    assert f"<ID>{number}</ID>" in library.ok("one.vmpool.info", -2, -1, -1, -1)
    assert int(library.ok("one.vm.action", "terminate-hard", number)) == number


def test_refusals(library):
    """Of five parts, the code in the third."""
    for session, arguments, code in ((library.session, (999999,), 0x400), ("nobody:nothing", (0,), 0x100)):
        answer = library.call("one.vm.info", session, *arguments)["answer"]
        assert answer[0] in FALSE and answer[1].startswith("[one.vm.info]") and int(answer[2]) == code


def test_faults(library):
    for method, arguments, code in (("one.no.such", (), -506), ("one.vm.info", (), -501)):
        assert library.call(method, library.session, *arguments)["fault"][0] == code


def test_introspection(library):
    assert "one.vm.allocate" in library.call("system.listMethods")["answer"]
    assert library.call("system.methodHelp", "one.vm.info")["answer"]

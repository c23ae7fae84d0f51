"""Wrong calls, compared with what OpenNebula 7.4 answers to the same calls in the same situation."""
import ast
import re

import pytest
from api.schemas import SHARED
from api.test_methods import BY_NAME

FILE = SHARED / "spec" / "samples" / "failures.tsv"
# Here the original's text is of no use to a reader, and ours says it better.
OWN_WORDS = {"CPU=1 MEMORY [": r"line 1, columns? \d+", "'zz', '1', '1'": r"Rule .* is malformed: \[user\] .*\[resource\]"}
# Here ours begins as the original's, and goes on with what was given.
LONGER = {"('CPU=x\\nMEMORY=1',)": 'It is "x".', "('CPU=1',)": "There is none.", "(0, 44)": "machine 0 has no disk 44"}


def rows():
    """The rows of the file for methods of this step."""
    if not FILE.exists():
        return [pytest.param(None, None, None, None, id="none")]
    found = []
    for line in FILE.read_text().splitlines()[1:]:
        call, arguments, reply = line.split("\t")
        method, _, session = call.partition(" as ")
        if method in BY_NAME:
            arguments = ast.literal_eval(arguments)
            session = ast.literal_eval(session) if session else None
            expected = [True] if reply.startswith("[True") else ast.literal_eval(reply)  # long ones are cut in the file
            found.append(pytest.param(method, arguments, session, expected, id=f"{method}{arguments}{session or ''}"))
    return found


@pytest.fixture(scope="module")
def situation(one):
    """As it was there: vmA runs on h1 with a card in the network vn1 and a disk of an image that all may use, the machine `held` is locked, there is the template
    t1, and bob may use and manage machines."""
    assert one.ok("one.vn.allocate", "NAME = vn1\nVN_MAD = dummy\nBRIDGE = br0\nAR = [ TYPE = IP4, IP = 10.0.0.1, SIZE = 200 ]", -1) == 0
    assert one.ok("one.template.allocate", "NAME = t1\nCPU = 0.1\nMEMORY = 64") == 0
    one.ok("one.datastore.update", 1, "DS_MAD = dummy\nTM_MAD = dummy", 1)
    assert one.ok("one.image.allocate", "NAME = im1\nTYPE = DATABLOCK\nSIZE = 1", 1) == 0
    one.until(lambda: "<STATE>1</STATE>" in one.ok("one.image.info", 0), lambda: "the image to be ready")
    one.ok("one.image.chmod", 0, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    assert one.running(0, "NIC = [ NETWORK_ID = 0 ]\nDISK = [ IMAGE_ID = 0 ]\n", name="vmA") == 0
    assert one.allocate(hold=True, name="held") == 1
    one.ok("one.vm.lock", 1, 4)
    bob = one.user("bob", "bobpw")
    one.ok("one.acl.addrule", f"{0x100000000 | bob.uid:x}", "9400000000", "3", "100000000")
    return one


@pytest.mark.parametrize("method, arguments, session, expected", rows())
def test_same_answer(situation, method, arguments, session, expected):
    if method is None:
        pytest.skip("no file ../shared/spec/samples/failures.tsv beside the checkout")
    client = situation if session is None else situation.client(session)
    reply = client.call(method, *arguments)
    assert reply[0] is expected[0], reply
    if expected[0]:
        return
    assert reply[2:] == expected[2:], reply
    words = next((words for start, words in OWN_WORDS.items() if start in str(arguments)), None)
    if words:
        assert re.search(words, reply[1]), reply
    else:
        more = LONGER.get(str(arguments)) if reply[1] != expected[1] else None
        assert reply[1] == expected[1] or (more and reply[1] in (f"{expected[1]} {more}", f"{expected[1]}: {more}")), reply

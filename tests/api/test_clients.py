"""Clients of every generation, in the very shapes that they send: tests/api/data/clients.txt has the calls."""
import ast
import hashlib
import re
import xmlrpc.client
from pathlib import Path
from types import SimpleNamespace
from xml.sax.saxutils import escape

import pytest
from api.server import Server
from lxml import etree

TABLE = Path(__file__).parent / "data" / "clients.txt"
LINE = re.compile(r"(?:(?P<name>\w+) = )?(?P<method>[\w.]+)\((?P<arguments>.*)\)"
                  r"(?: (?:-> (?P<state>\w+)|: (?P<reads>.+)|(?P<fails>fails)))?")


def clients():
    """The sections of the table: how a client sends, and its calls in order."""
    found = []
    for number, line in enumerate(TABLE.read_text().splitlines(), 1):
        head = re.fullmatch(r'\[(.+)\] (plain|sha1|constant) (i4|int) (?:"(.*)"|-) (\d)', line)
        if head:
            name, session, integer, content_type, length = head.groups()
            found.append(SimpleNamespace(name=name, session=session, integer=integer, type=content_type,
                                         length=int(length), steps=[]))
        elif line and not line.startswith("#"):
            step = LINE.fullmatch(line)
            assert step, f"{TABLE}:{number}: {line}"
            found[-1].steps.append((f"{TABLE.name}:{number}: {line}", step.groupdict()))
    return found


def encoded(value, integer):
    """A value as the libraries of these clients write it; they differ in the word for an integer."""
    if isinstance(value, bool):
        return f"<value><boolean>{int(value)}</boolean></value>"
    if isinstance(value, int):
        return f"<value><{integer}>{value}</{integer}></value>"
    if isinstance(value, list):
        return f"<value><array><data>{''.join(encoded(v, integer) for v in value)}</data></array></value>"
    return f"<value><string>{escape(value)}</string></value>"


def session_of(one, client):
    user, password = one.session.split(":")
    if client.session == "constant":
        return "session" if client.name.startswith("scheduler") else "sessionID"
    return f"{user}:{hashlib.sha1(password.encode()).hexdigest()}" if client.session == "sha1" else one.session


def sent(one, client, method, arguments):
    """The answer to a call that goes over the wire as this client's do."""
    params = "".join(f"<param>{encoded(v, client.integer)}</param>" for v in [session_of(one, client), *arguments])
    body = f'<?xml version="1.0" ?><methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>\n'
    headers = {"User-Agent": client.name, "Accept-Encoding": "identity"}
    if client.type:
        headers["Content-Type"] = client.type
    status, answered, text = one.http(body.encode(), headers)
    assert status == 200 and answered["content-type"].startswith("text/xml"), (status, text)
    assert int(answered["content-length"]) == len(text) and "content-encoding" not in answered
    if client.length < 5:
        assert b"<i8>" not in text, "the libraries of that time do not know i8"
    (reply,), _ = xmlrpc.client.loads(text, use_builtin_types=True)
    assert isinstance(reply, list) and isinstance(reply[0], bool), reply
    return reply


def has(element, wanted):
    path, equals, value = wanted.partition("=")
    found = element.findall(path)
    return any(e.text == value for e in found) if equals else bool(found)


def read(value, words):
    """Whether an answer has what the client looks for in it."""
    where, *wanted = words.split()
    if where == "text":
        lines = dict((k.strip().replace(" ", "_"), v.strip())
                     for k, _, v in (re.sub("[=:]", "=", line, count=1).partition("=") for line in value.splitlines()))
        for word in wanted:
            label, equals, text = word.partition("=")
            assert label in lines and (not equals or lines[label] == text), (word, value)
        return
    root, _, member = where.partition("/")
    document = etree.fromstring(value)
    assert document.tag == root, value
    members = document.findall(member) if member else [document]
    assert members, value
    missing = [[w for w in wanted if not has(m, w)] for m in members]
    assert any(not m for m in missing), f"{where} lacks {min(missing, key=len)}: {value}"


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("clients"), "ALLOW_2009_WITHOUT_PASSWORD = YES\n").start()
    assert [server.host("h1"), server.host("h2")] == [0, 1]
    yield server
    server.clean_up()


@pytest.mark.parametrize("client", clients(), ids=lambda client: client.name)
def test_client(one, client):
    known = {"h1": 0, "h2": 1, "user": 0}
    for line, step in client.steps:
        filled = re.sub(r"\{(\w+)\}", lambda m: str(known[m.group(1)]), step["arguments"])
        arguments = ast.literal_eval(f"[{filled}]")
        reply = sent(one, client, step["method"], arguments)
        if step["fails"]:
            assert reply[0] is False and len(reply) == client.length and isinstance(reply[1], str), (line, reply)
            continue
        assert reply[0] is True, (line, reply)
        if step["name"]:
            assert isinstance(reply[1], int), (line, reply)
            known[step["name"]] = reply[1]
            if step["name"] == "host":
                one.wait_host(reply[1], "MONITORED")
        if step["state"]:
            one.until(lambda: one.state(known["vm"]) == step["state"], f"{step['state']} after {line}")
        if step["reads"]:
            read(reply[1], step["reads"])


@pytest.mark.parametrize("session", ["sessionID", "session"])
@pytest.mark.parametrize("method, arguments", [
    ("one.vm.info", (0,)), ("one.vmpool.info", (-2, -1, -1, -1)), ("one.userpool.info", ()),
    ("one.user.passwd", (0, "mine now"))])
def test_words_of_2009_open_only_the_methods_of_2009(one, session, method, arguments):
    with one.proxy() as proxy:
        reply = getattr(proxy, method)(session, *arguments)
    assert reply[0] is False and reply[2] == 256, reply


@pytest.mark.parametrize("session", ["other", "sessionid", "", "sessionID:", "oneadmin:wrong"])
def test_other_words_open_nothing(one, session):
    with one.proxy() as proxy:
        assert one.client(session).call("one.vmget_info", 0)[0] is False
        assert proxy.one.hostinfo("sessionID", 0)[0] is True


def test_what_2009_makes_is_of_oneadmin(one):
    with one.proxy() as proxy:
        identity = proxy.one.vmallocate("sessionID", "NAME = mine\nCPU = 1\nMEMORY = 64\n")[1]
    vm = one.vm(identity)
    assert vm.findtext("UID") == "0" and vm.findtext("UNAME") == "oneadmin"
    one.ok("one.vm.recover", identity, 3)


@pytest.mark.parametrize("state, word, number", [("POWEROFF", "poweroff", "5"), ("UNDEPLOYED", "undeploy", "4")])
def test_states_that_old_clients_do_not_know(one, state, word, number):
    """Their tables of names end at FAILED; a number above leaves the column empty."""
    identity = one.running(0)
    one.action(word, identity)
    one.wait(identity, state)
    user, password = one.session.split(":")
    old = one.client(f"{user}:{hashlib.sha1(password.encode()).hexdigest()}")
    assert etree.fromstring(old.call("one.vm.info", identity)[1]).findtext("STATE") == number
    with one.proxy() as proxy:
        assert re.search(rf"^STATE +: {number}$", proxy.one.vmget_info("sessionID", identity)[1], re.M)
    one.ok("one.vm.recover", identity, 3)


@pytest.mark.parametrize("origin", ["null", "http://example.org"])
def test_a_page_in_a_browser_cannot_call_without_a_type(one, origin):
    """Programs in Go name no type and may; a browser would send that for any page, and tells whose it is."""
    body = xmlrpc.client.dumps(("sessionID", 0), "one.vmget_info").encode()
    assert one.http(body, {"Origin": origin})[0] == 415
    assert one.http(body, {})[0] == 200

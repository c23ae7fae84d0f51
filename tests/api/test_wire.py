"""What travels: reply tuples, faults, sessions, introspection, HTTP."""
import hashlib
import http.client
import re
import socket
import xmlrpc.client

import pytest
from api.states import AUTHENTICATION, FAULT_PARSE, FAULT_TYPE, FAULT_UNKNOWN_METHOD, NO_EXISTS


def body_of(method, *arguments):
    return xmlrpc.client.dumps(arguments, method).encode()


# ---- tuples ----

def test_success_has_three_elements(one):
    assert one.call("one.system.version")[0] is True
    assert len(one.call("one.system.version")) == 3
    assert one.call("one.system.version")[2] == 0


def test_version_is_of_the_wire_that_clients_know(one):
    assert re.fullmatch(r"7\.\d+\.\d+", one.ok("one.system.version"))


def test_failure_has_five_elements(one):
    reply = one.call("one.vm.info", 4711)
    assert reply == [False, "[one.vm.info] Error getting virtual machine [4711].", NO_EXISTS, 4711, -1]


def test_types_of_the_elements(one):
    status, headers, body = one.http(body_of("one.vm.info", one.session, 4711))
    assert status == 200
    text = re.sub(rb"\s+", b"", body)
    assert b"<value><boolean>0</boolean></value>" in text
    assert re.search(rb"<(i4|int)>1024</\1>", text)
    assert b"<i8>-1</i8>" in text


def test_large_text_is_escaped_once(one):
    identity = one.allocate('NOTE = "a<b & \\"c\\" > d"', hold=True)
    assert one.vm(identity).findtext("USER_TEMPLATE/NOTE") == 'a<b & "c" > d'
    one.action("terminate", identity)


# ---- faults ----

def test_unknown_method(one):
    fault = one.fault("one.vm.nothing", 1, code=FAULT_UNKNOWN_METHOD)
    assert "one.vm.nothing" in fault.faultString


@pytest.mark.parametrize("body", [
    b"", b"nonsense", b"<methodCall>", b"<methodCall></methodCall>", b"<methodCall><methodName/></methodCall>",
    b"<?xml version='1.0'?><methodCall><methodName>one.vm.info</methodName><params><param></param></params></methodCall>",
    b"<?xml version='1.0'?><other/>",
    b"<methodCall><methodName>one.vm.info</methodName><params><param><value><int>x</int></value></param></params></methodCall>",
    b"\xff\xfe<methodCall/>",
])
def test_malformed_call(one, body):
    status, _, answer = one.http(body)
    if status == 200:
        with pytest.raises(xmlrpc.client.Fault) as caught:
            xmlrpc.client.loads(answer)
        assert caught.value.faultCode in (FAULT_PARSE, FAULT_TYPE, FAULT_UNKNOWN_METHOD), caught.value
    else:
        assert status == 400
    assert one.ok("one.system.version")


def test_session_must_be_text(one):
    with one.proxy() as proxy, pytest.raises(xmlrpc.client.Fault) as caught:
        proxy.one.vm.info(5, 5)
    assert caught.value.faultCode == FAULT_TYPE


def test_no_arguments_at_all(one):
    with one.proxy() as proxy, pytest.raises(xmlrpc.client.Fault) as caught:
        proxy.one.vm.info()
    assert caught.value.faultCode == FAULT_TYPE


# ---- sessions ----

@pytest.mark.parametrize("session", [
    "oneadmin:wrong", "nobody:x", "", "oneadmin", "oneadmin:", ":", ":x", "oneadmin:\n", "x" * 100000,
    "oneadmin:" + "y" * 100000, "serveradmin:x", "\u00e9:\u00e9"])
def test_wrong_session(one, session):
    reply = one.client(session).call("one.vm.info", 0)
    assert reply == [False, "[one.vm.info] User couldn't be authenticated, aborting call.", AUTHENTICATION, -1, -1]


def test_plain_password(one):
    user = one.user("plain", "pass:with:colons")
    assert user.xml("one.user.info", -1).findtext("NAME") == "plain"


def test_hashed_session_of_the_first_generations(one):
    user = one.user("hashed", "old secret".replace(" ", "-"))
    digest = hashlib.sha1(b"old-secret").hexdigest()
    assert one.client(f"hashed:{digest}").xml("one.user.info", user.uid).findtext("NAME") == "hashed"
    one.client(f"hashed:{digest[:-1]}0x").fails("one.user.info", user.uid, code=AUTHENTICATION)


def test_user_that_was_made_with_a_hash(one):
    digest = hashlib.sha1(b"secret").hexdigest()
    one.ok("one.user.allocate", "fromhash", digest)
    assert one.client(f"fromhash:{digest}").xml("one.user.info", -1).findtext("NAME") == "fromhash"
    assert one.client("fromhash:secret").xml("one.user.info", -1).findtext("NAME") == "fromhash"


def test_new_password_ends_the_old_one(one):
    user = one.user("changing", "first")
    user.ok("one.user.info", -1)
    assert user.ok("one.user.passwd", user.uid, "second") == user.uid
    user.fails("one.user.info", -1, code=AUTHENTICATION)
    one.client("changing:second").ok("one.user.info", -1)


def test_deleted_user_is_out_at_once(one):
    user = one.user("leaving")
    user.ok("one.user.info", -1)
    one.ok("one.user.delete", user.uid)
    user.fails("one.user.info", -1, code=AUTHENTICATION)


def test_passwords_are_not_stored_nor_logged(one):
    one.user("secretive", "Very-Long-Secret-Word")
    one.fails("one.user.allocate", "secretive", "Another-Secret-Word", "core")
    one.client("secretive:Wrong-Secret-Word").fails("one.user.info", -1)
    for path in [one.var / "oned.log", *one.var.glob("one.db*"), one.directory / "output"]:
        assert b"Secret-Word" not in path.read_bytes(), f"a password is in {path}"
    for path in one.var.glob("one.db*"):
        assert path.stat().st_mode & 0o077 == 0, f"{path} may be read by others"


# ---- introspection ----

def test_list_methods(one):
    with one.proxy() as proxy:
        methods = proxy.system.listMethods()
    assert methods == sorted(set(methods)) or len(set(methods)) == len(methods)
    for method in ("one.vm.info", "one.vmallocate", "one.hostpool.info", "system.multicall", "system.listMethods"):
        assert method in methods


def test_signature_and_help_of_each_method(one):
    known = {"int", "i4", "i8", "boolean", "string", "double", "array", "struct", "nil", "base64", "dateTime.iso8601"}
    with one.proxy() as proxy:
        for method in proxy.system.listMethods():
            signatures = proxy.system.methodSignature(method)
            assert signatures == "undef" or all(set(s) <= known and s for s in signatures), (method, signatures)
            help_text = proxy.system.methodHelp(method)
            assert isinstance(help_text, str) and help_text, method


@pytest.mark.parametrize("name", ["methodSignature", "methodHelp"])
def test_introspection_of_an_unknown_method(one, name):
    with one.proxy() as proxy, pytest.raises(xmlrpc.client.Fault) as caught:
        getattr(proxy.system, name)("one.nothing")
    assert caught.value.faultCode == FAULT_UNKNOWN_METHOD


def test_multicall(one):
    identity = one.allocate(hold=True)
    with one.proxy() as proxy:
        answers = proxy.system.multicall([
            {"methodName": "one.vm.info", "params": [one.session, identity]},
            {"methodName": "one.vm.info", "params": [one.session, 4711]},
            {"methodName": "one.nothing", "params": [one.session]},
            {"methodName": "one.vm.info", "params": [one.session]},
            {"methodName": "one.vm.action", "params": [one.session, "terminate", identity]},
            {"methodName": "one.system.version", "params": ["oneadmin:wrong"]},
        ])
    assert len(answers) == 6
    assert answers[0][0][0] is True and "<VM>" in answers[0][0][1]
    assert answers[1][0][:3] == [False, "[one.vm.info] Error getting virtual machine [4711].", NO_EXISTS]
    assert answers[2]["faultCode"] == FAULT_UNKNOWN_METHOD
    assert answers[3]["faultCode"] == FAULT_TYPE
    assert answers[4][0] == [True, identity, 0]
    assert answers[5][0][2] == AUTHENTICATION
    assert one.state(identity) == "DONE"


def test_multicall_inside_multicall_is_refused(one):
    with one.proxy() as proxy:
        answers = proxy.system.multicall([{"methodName": "system.multicall", "params": [[]]}])
    assert "faultCode" in answers[0]


@pytest.mark.parametrize("calls", [[], [5], [{}], [{"methodName": 5, "params": []}], [{"methodName": "one.system.version"}]])
def test_multicall_of_odd_things(one, calls):
    with one.proxy() as proxy:
        try:
            answers = proxy.system.multicall(calls)
        except xmlrpc.client.Fault:
            return
    assert len(answers) == len(calls)
    assert all("faultCode" in answer for answer in answers)


# ---- HTTP ----

def test_headers(one):
    body = body_of("one.system.version", one.session)
    status, headers, answer = one.http(body)
    assert status == 200
    assert headers["content-type"].split(";")[0] == "text/xml"
    assert int(headers["content-length"]) == len(answer)
    assert "content-encoding" not in headers and "transfer-encoding" not in headers


def test_no_compression_even_when_offered(one):
    _, headers, _ = one.http(body_of("one.system.version", one.session),
                             {"Content-Type": "text/xml", "Accept-Encoding": "gzip, deflate"})
    assert "content-encoding" not in headers


@pytest.mark.parametrize("content_type", ["text/xml", "text/xml; charset=utf-8", "TEXT/XML;charset=UTF-8", "application/xml"])
def test_content_types_of_clients(one, content_type):
    status, _, _ = one.http(body_of("one.system.version", one.session), {"Content-Type": content_type})
    assert status == 200


def test_get_and_other_paths(one):
    assert one.http(None, method="GET")[0] == 405
    assert one.http(body_of("one.system.version", one.session), path="/other")[0] == 404


def test_connection_is_kept(one):
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=10)
    connection.connect()
    first = connection.sock
    for _ in range(50):
        connection.request("POST", "/RPC2", body_of("one.system.version", one.session), {"Content-Type": "text/xml"})
        assert connection.getresponse().read()
    assert connection.sock is first
    connection.close()


def test_connection_close_is_honoured(one):
    body = body_of("one.system.version", one.session)
    with socket.create_connection(("127.0.0.1", one.port), timeout=10) as plain:
        plain.sendall(b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nConnection: close\r\n"
                      b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        answer = b""
        while piece := plain.recv(65536):  # ends because the server closes
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200") and b"connection: close" in answer.lower()


def test_old_http(one):
    body = body_of("one.system.version", one.session)
    with socket.create_connection(("127.0.0.1", one.port), timeout=10) as plain:
        plain.sendall(b"POST /RPC2 HTTP/1.0\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        answer = b""
        while piece := plain.recv(65536):
            answer += piece
    assert b" 200 " in answer.split(b"\r\n")[0] and b"<boolean>1</boolean>" in answer


def test_body_in_pieces_and_in_chunks(one):
    body = body_of("one.system.version", one.session)
    with socket.create_connection(("127.0.0.1", one.port), timeout=10) as plain:
        plain.sendall(b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n")
        for byte in range(0, len(body), 7):
            piece = body[byte:byte + 7]
            plain.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        plain.sendall(b"0\r\n\r\n")
        assert b" 200 " in plain.recv(65536).split(b"\r\n")[0]


def test_pipelined_calls_are_answered_in_order(one):
    one_call = body_of("one.system.version", one.session)
    other = body_of("one.vm.info", one.session, 4711)
    request = b"".join(b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s" % (len(b), b)
                       for b in (one_call, other, one_call))
    with socket.create_connection(("127.0.0.1", one.port), timeout=10) as plain:
        plain.sendall(request)
        answer = b""
        while answer.count(b"</methodResponse>") < 3:
            answer += plain.recv(65536)
    booleans = re.findall(rb"<boolean>(\d)</boolean>", answer)
    assert booleans == [b"1", b"0", b"1"]


def test_log_names_the_call_and_hides_secrets(one):
    one.ok("one.user.allocate", "forthelog", "Hidden-Word-1", "core")
    one.fails("one.user.allocate", "forthelog", "Hidden-Word-1", "core")
    lines = [line for line in one.log().splitlines() if "one.user.allocate" in line][-2:]
    assert re.search(r"\[ReM\].*Req:\d+ UID:0 .*one\.user\.allocate result SUCCESS", lines[0]), lines
    assert "result FAILURE" in lines[1] and "NAME is already taken" in lines[1], lines  # and why
    assert "Hidden-Word-1" not in one.log()


def test_characters_beyond_the_basic_plane(one):
    """As they stand, as references, and in base64, which some clients send for text that is not ASCII."""
    text = 'NAME = "t\U0001F600{}"\nNOTE = "\U0001F680 & \u20ac"'
    with one.proxy() as proxy:
        for number, given in enumerate((text.format(0), xmlrpc.client.Binary(text.format(1).encode()))):
            reply = proxy.one.template.allocate(one.session, given)
            document = one.xml("one.template.info", reply[1])
            assert document.findtext("NAME") == f"t\U0001F600{number}"
            assert document.findtext("TEMPLATE/NOTE") == "\U0001F680 & \u20ac"
            one.ok("one.template.delete", reply[1])
        with pytest.raises(xmlrpc.client.Fault, match="not text in UTF-8"):
            proxy.one.template.allocate(one.session, xmlrpc.client.Binary(b"\xff\x00"))

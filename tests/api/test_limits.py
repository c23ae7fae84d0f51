"""Limits of the HTTP front: what is too much is refused quickly, and nobody else waits for it."""
import http.client
import resource
import socket
import threading
import time
import xmlrpc.client

import pytest
from api.server import PATIENCE, SANITIZED


# Seconds of wall clock that a call may take beside whatever is done to the server. One that waits for what these tests
# do to it would wait for ever, or for TIMEOUT at the least; a computer that is busy takes long without any reason.
PROMPT = 25


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    from api.server import Server
    server = Server(tmp_path_factory.mktemp("limited"), f"TIMEOUT = {4 * PROMPT}\n").start()
    yield server
    server.clean_up()


def version(one):
    start = time.monotonic()
    assert one.ok("one.system.version")
    return time.monotonic() - start


def refused(one, body, **options):
    """What the server says to a body that it must not accept: an HTTP status or a fault, and how long it took."""
    start = time.monotonic()
    try:
        status, _, answer = one.http(body, **options)
    except (ConnectionError, BrokenPipeError, http.client.HTTPException):
        return "closed", time.monotonic() - start
    took = time.monotonic() - start
    if status != 200:
        return status, took
    try:
        return xmlrpc.client.loads(answer)[0][0], took
    except xmlrpc.client.Fault as fault:
        return fault, took


def call_with(value):
    return (b"<?xml version='1.0'?><methodCall><methodName>one.vm.info</methodName><params><param><value>" + value +
            b"</value></param></params></methodCall>")


@pytest.mark.parametrize("doctype", [
    b"<!DOCTYPE methodCall>", b"<!DOCTYPE a [<!ENTITY x 'y'>]>", b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'>",
    b"<!doctype methodCall>"])
def test_doctype(limited, doctype):
    body = b"<?xml version='1.0'?>" + doctype + b"<methodCall><methodName>one.system.version</methodName></methodCall>"
    answer, took = refused(limited, body)
    assert isinstance(answer, xmlrpc.client.Fault) or answer == 400, answer
    assert took < PROMPT


def test_entities_that_grow(limited):
    entities = b"".join(b"<!ENTITY a%d '%s'>" % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 10))
    body = (b"<?xml version='1.0'?><!DOCTYPE m [<!ENTITY a0 'lol'>" + entities + b"]><methodCall><methodName>&a9;</methodName>"
            b"</methodCall>")
    before = limited.resident()
    answer, took = refused(limited, body)
    assert isinstance(answer, xmlrpc.client.Fault) or answer == 400
    assert took < PROMPT and limited.resident() < before + 20


@pytest.mark.parametrize("depth", [1000, 100000])
def test_nested_arrays(limited, depth):
    opened = b"<array><data><value>" * depth
    closed = b"</value></data></array>" * depth
    before = limited.resident()
    answer, took = refused(limited, call_with(opened + b"<int>1</int>" + closed))
    assert isinstance(answer, xmlrpc.client.Fault) and answer.faultCode in (-509, -503), answer
    assert took < PROMPT
    assert limited.resident() < before + (200 if SANITIZED else 40)
    assert version(limited) < PROMPT


def test_nested_elements_of_other_names(limited):
    answer, took = refused(limited, b"<a>" * 200000 + b"</a>" * 200000)
    assert isinstance(answer, xmlrpc.client.Fault) or answer in (400, 413), answer
    assert took < PROMPT


def test_body_of_100_megabytes(limited):
    """Refused by its length, before it is sent or read."""
    before = limited.resident()
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", limited.port), timeout=PATIENCE) as plain:
        plain.sendall(b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 104857600\r\n"
                      b"Expect: 100-continue\r\n\r\n")
        answer = plain.recv(65536)
    assert b" 413 " in answer.split(b"\r\n")[0] or b"faultCode" in answer, answer
    assert time.monotonic() - start < PROMPT and limited.resident() < before + 20


def test_body_of_100_megabytes_that_is_sent_anyway(limited):
    before = limited.resident()
    answer, took = refused(limited, b"x" * 104857600)
    assert answer in (413, "closed") or isinstance(answer, xmlrpc.client.Fault), answer
    assert limited.resident() < before + 40
    assert version(limited) < PROMPT


def test_endless_chunks(limited):
    """A length that is never told: what is too much is refused or thrown away, and never kept."""
    before = limited.resident()
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with socket.create_connection(("127.0.0.1", limited.port), timeout=PATIENCE) as plain:
        try:
            plain.sendall(b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n")
            for number in range(2000):
                plain.sendall(piece)
                if number % 500 == 0:
                    assert limited.resident() < before + 60 and version(limited) < PROMPT
            plain.sendall(b"0\r\n\r\n")
            answer = plain.recv(65536)
            assert not answer or b" 413 " in answer.split(b"\r\n")[0] or b"faultCode" in answer, answer
        except (ConnectionError, BrokenPipeError):
            pass
    assert limited.resident() < before + 60 and version(limited) < PROMPT


def test_huge_header(limited):
    try:
        status, _, _ = limited.http(b"x", {"Content-Type": "text/xml", "X-Large": "y" * 1000000})
        assert status in (400, 413, 431), status
    except (ConnectionError, http.client.HTTPException):
        pass
    assert version(limited) < PROMPT


def test_many_arguments(limited):
    answer, took = refused(limited, b"<methodCall><methodName>one.vm.info</methodName><params>" +
                           b"<param><value><int>1</int></value></param>" * 100000 + b"</params></methodCall>")
    assert isinstance(answer, (xmlrpc.client.Fault, list)) or answer in (400, 413)
    assert took < PROMPT and version(limited) < PROMPT


def test_slow_sender_delays_nobody(limited):
    slow = [socket.create_connection(("127.0.0.1", limited.port)) for _ in range(50)]
    try:
        for connection in slow:
            connection.sendall(b"POST /RPC2 HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: 1000\r\n\r\n<")
        for _ in range(20):
            for connection in slow:
                connection.sendall(b"m")
            assert version(limited) < PROMPT
    finally:
        for connection in slow:
            connection.close()


def test_slow_sender_is_cut_off(fresh):
    """The time to send a request is a limit, however steadily it drips."""
    one = fresh("TIMEOUT = 2\n")
    with socket.create_connection(("127.0.0.1", one.port), timeout=PATIENCE) as plain:
        plain.sendall(b"POST /RPC2 HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: 1000\r\n\r\n")
        start = time.monotonic()
        try:
            while time.monotonic() - start < PATIENCE:
                plain.sendall(b" ")
                time.sleep(0.25)
                plain.setblocking(False)
                try:
                    if plain.recv(1000) == b"":
                        break
                except BlockingIOError:
                    pass
                plain.setblocking(True)
        except (ConnectionError, BrokenPipeError):
            pass
        assert time.monotonic() - start < PATIENCE


def test_slow_reader_delays_nobody(one):
    """A client that asks for much and reads nothing."""
    for _ in range(200):
        one.allocate('FILLING = "' + "f" * 2000 + '"', hold=True)
    body = xmlrpc.client.dumps((one.session, -2, -1, -1, -1), "one.vmpool.infoextended").encode()
    stuck = []
    for _ in range(30):
        connection = socket.create_connection(("127.0.0.1", one.port))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        stuck.append(connection)
    for _ in range(10):
        assert version(one) < PROMPT
    for connection in stuck:
        connection.close()


def test_many_idle_connections(limited):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(2000, (hard if hard > 0 else 4096) - 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, count + 200)), hard))
    idle = []
    try:
        for _ in range(count):
            idle.append(socket.create_connection(("127.0.0.1", limited.port), timeout=PATIENCE))
        assert version(limited) < PROMPT
    finally:
        for connection in idle:
            connection.close()
    assert version(limited) < PROMPT


def test_many_callers_at_once(limited):
    results = []

    def ask():
        client = limited.client(limited.session)
        results.extend(client.call("one.system.version")[0] for _ in range(10))
    threads = [threading.Thread(target=ask) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert results == [True] * 640


def test_connections_that_are_cut_in_the_middle(limited):
    body = xmlrpc.client.dumps((limited.session,), "one.system.version").encode()
    request = b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    for length in range(0, len(request), 7):
        with socket.create_connection(("127.0.0.1", limited.port)) as plain:
            plain.sendall(request[:length])
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, not a farewell
    assert version(limited) < PROMPT


def test_wrong_passwords_are_slowed_and_block_nobody(limited):
    """Failed logins of one name wait; other callers do not."""
    limited.user("victim", "right")
    stop = threading.Event()

    def guess():
        while not stop.is_set():
            limited.client("victim:wrong").call("one.user.info", -1)
    threads = [threading.Thread(target=guess, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            assert version(limited) < PROMPT
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)


def test_memory_stays_flat(limited):
    def many():
        with limited.proxy() as proxy:
            for _ in range(2000):
                proxy.one.vm.info(limited.session, 4711)
    many()
    before = limited.resident()
    many()
    many()
    assert limited.resident() < before + (300 if SANITIZED else 4)  # a sanitizer keeps what is freed for a while


def test_connections_that_are_all_taken(fresh):
    """Who comes then waits for another one to leave; the log says why."""
    one = fresh("MAX_CONN = 4\nHTTP_THREADS = 1\n")
    taken = [socket.create_connection(("127.0.0.1", one.port), PATIENCE) for _ in range(4)]
    one.until(lambda: "All 4 connections are taken" in one.log(), "the warning")
    for connection in taken:
        connection.close()
    assert one.ok("one.system.version")

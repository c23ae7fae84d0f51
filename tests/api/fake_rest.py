"""A container daemon's REST service on a Unix socket that the tests can spoil: slow, dying, talking nonsense."""
import json
import os
import re
import socket
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "test"

    def log_message(self, *words):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            pieces = []
            while size := int(self.rfile.readline().strip() or b"0", 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status, content, kind="application/json"):
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle_any(self):
        daemon = self.server.daemon_of_tests
        parts = urlsplit(self.path)
        self.route, self.query = unquote(parts.path), {k: v[0] for k, v in parse_qs(parts.query).items()}
        self.content = self.body()
        with daemon.lock:
            daemon.calls.append((self.command, self.route, self.content, self.headers.get("Content-Type")))
        spoiled = daemon.spoiled(f"{self.command} {self.route}")
        try:
            if spoiled is None or not spoiled(self):
                self.work(daemon)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def work(self, daemon):
        """Looks for the row that serves the request."""
        for method, pattern, function in daemon.ROUTES:
            match = re.fullmatch(pattern, self.route)
            if match and method == self.command:
                return function(daemon, self, *match.groups())
        return daemon.refuse(self, 404, "not found")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any


class Listener(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def process_request(self, request, client_address):
        self.daemon_of_tests.open.append(request)
        super().process_request(request, client_address)

    def handle_error(self, request, client_address):
        pass


# ---- what can go wrong: each takes the handler, and is TRUE when it answered (or broke off) ----

def status(code, content, kind="application/json"):
    def spoil(handler):
        handler.answer(code, content, kind)
        return True
    return spoil


def dying(handler):
    """In the middle of its answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"type":')
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True
    return True


def silent(seconds):
    def spoil(handler):
        handler.server.daemon_of_tests.ending.wait(seconds)
        return False
    return spoil


def endless(handler):
    """More than anybody wants."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(1 << 30))
    handler.end_headers()
    for _ in range(1 << 14):
        handler.wfile.write(b" " * 65536)
    return True


class FakeDaemon:
    """What all services share: a socket, a list of the calls, and what is to go wrong."""
    ROUTES = []

    def __init__(self, path):
        self.path, self.lock, self.calls, self.faults = str(path), threading.RLock(), [], []
        self.ending, self.listener, self.open = threading.Event(), None, []
        self.start()

    def start(self):
        self.ending.clear()
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = Listener(self.path, Handler)
        self.listener.daemon_of_tests = self
        threading.Thread(target=self.listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        """As if the daemon were ended."""
        if self.listener:
            self.ending.set()
            self.listener.shutdown()
            self.listener.server_close()
            self.listener = None
            for connection in self.open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:  # it had ended by itself
                    pass
            self.open = []
            os.unlink(self.path)

    def spoil(self, pattern, how, times=1):
        """The next calls that match go wrong in that way."""
        with self.lock:
            self.faults.append([re.compile(pattern), how, times])

    def spoiled(self, what):
        with self.lock:
            for fault in self.faults:
                if fault[2] > 0 and fault[0].fullmatch(what):
                    fault[2] -= 1
                    return fault[1]
        return None

    def told(self, method, pattern=".*"):
        """Bodies of the calls of that method and path so far, read as JSON where they are."""
        with self.lock:
            found = [body for m, route, body, kind in self.calls if m == method and re.fullmatch(pattern, route)]
        return [json.loads(body) if body[:1] == b"{" else body for body in found]

    def refuse(self, handler, code, text):
        raise NotImplementedError


def wait_for(what, text, seconds=120):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, f"waited in vain for {text}"
        time.sleep(0.02)


# ---- WebSocket, as far as the drivers use it ----

def websocket_accept(handler):
    """Answers the request for it."""
    handler.send_response(101)
    for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", "unchecked")):
        handler.send_header(name, value)
    handler.end_headers()
    handler.close_connection = True


def websocket_frame(text, kind=1, last=True):
    content = text if isinstance(text, bytes) else text.encode()
    size = bytes([len(content)]) if len(content) < 126 else bytes([126]) + len(content).to_bytes(2, "big")
    return bytes([kind | (0x80 if last else 0)]) + size + content


def websocket_read(handler):
    """(kind, content) of the next frame of the client; None at the end."""
    head = handler.rfile.read(2)
    if len(head) < 2:
        return None
    assert head[1] & 0x80, "clients mask what they send"
    size = head[1] & 0x7F
    if size == 126:
        size = int.from_bytes(handler.rfile.read(2), "big")
    mask, content = handler.rfile.read(4), handler.rfile.read(size)
    return head[0] & 0xF, bytes(byte ^ mask[i % 4] for i, byte in enumerate(content))

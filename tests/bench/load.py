"""Load and references for the benchmarks: wrk, a keep-alive client, the bare server, the disk."""
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import xmlrpc.client
from pathlib import Path

HEAD = "POST /RPC2 HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\n\r\n"


def body(method, *arguments):
    """A call as text, in the compact form of most clients."""
    text = xmlrpc.client.dumps(arguments, method)
    return re.sub(r">\n+<", "><", text).strip()


class Connection:
    """One kept connection that sends prepared calls; the time is the server's, not Python's."""

    def __init__(self, address):
        self.address = address
        self.socket = socket.create_connection(address, timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray(1 << 20)

    def close(self):
        self.socket.close()

    def send(self, text):
        data = text.encode()
        self.socket.sendall(HEAD.format(host=self.address[0], length=len(data)).encode() + data)

    def receive(self):
        """Body of the reply, of which only the length is looked at here."""
        got = b""
        while b"\r\n\r\n" not in got:
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError("the server closed the connection")
            got += more
        head, rest = got.split(b"\r\n\r\n", 1)
        length = int(re.search(rb"content-length: *(\d+)", head, re.I).group(1))
        if len(self.buffer) < length:
            self.buffer = bytearray(length)
        view = memoryview(self.buffer)
        view[:len(rest)] = rest
        have = len(rest)
        while have < length:
            count = self.socket.recv_into(view[have:length])
            if not count:
                raise ConnectionError("the reply is cut off")
            have += count
        self.status = int(head.split(b" ", 2)[1])
        return view[:length]

    def ask(self, text):
        self.send(text)
        return self.receive()

    def call(self, method, *arguments):
        """Value of a call that must succeed."""
        (reply,), _ = xmlrpc.client.loads(bytes(self.ask(body(method, *arguments))))
        if not (isinstance(reply, list) and reply and reply[0] is True):
            raise RuntimeError(f"{method} failed: {reply}")
        return reply[1] if len(reply) > 1 else None


LUA = """
local bodies = {%s}
local requests, at = {}, 0
function init(args)
    wrk.method = "POST"
    wrk.path = "/RPC2"
    wrk.headers["Content-Type"] = "text/xml"
    for i, body in ipairs(bodies) do requests[i] = wrk.format(nil, nil, nil, body) end
end
function request()
    at = at %% #requests + 1
    return requests[at]
end
function done(summary, latency, requests)
    io.write(string.format('RESULT {"requests": %%d, "seconds": %%f, "p50": %%f, "p99": %%f, "errors": %%d}\\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
        summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status
        + summary.errors.timeout))
end
"""


def wrk(address, bodies, connections, seconds):
    """Calls per second and latencies (ms) of one run of wrk."""
    program = shutil.which("wrk")
    if not program:
        raise SystemExit("wrk is not installed: apt-get install wrk")
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA % ", ".join("[==[" + text + "]==]" for text in bodies))
        script.flush()
        output = subprocess.run([program, "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "30s",
                                 "-s", script.name, f"http://{address[0]}:{address[1]}/RPC2"],
                                capture_output=True, text=True, check=False).stdout
    found = re.search(r"RESULT (\{.*\})", output)
    if not found:
        raise RuntimeError(f"wrk said: {output}")
    result = json.loads(found.group(1))
    result["rate"] = result["requests"] / result["seconds"]
    return result


class Bare:
    """The bare libmicrohttpd server with a body of the given size."""

    def __init__(self, build, size):
        self.process = subprocess.Popen([build / "tests" / "bench_bare", "0", str(size)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.address = ("127.0.0.1", int(self.process.stdout.readline().split()[1]))

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def size_of(address, text):
    """Bytes of the body that a call is answered with."""
    connection = Connection(address)
    size = len(connection.ask(text))
    connection.close()
    return size


def median_ms(address, text, rounds):
    """Milliseconds for one call on a kept connection, from the first byte sent to the last received."""
    connection = Connection(address)
    connection.ask(text)
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        connection.ask(text)
        times.append(time.perf_counter() - start)
    connection.close()
    return statistics.median(times) * 1000


def fdatasync_ms(directory, rounds=200):
    """Milliseconds for 4 KiB appended and made durable in the directory."""
    path = Path(directory) / "fdatasync.reference"
    block = os.urandom(4096)
    times = []
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        for _ in range(rounds):
            start = time.perf_counter()
            os.write(handle, block)
            os.fdatasync(handle)
            times.append(time.perf_counter() - start)
    finally:
        os.close(handle)
        path.unlink()
    return statistics.mean(times) * 1000


class Syncs:
    """Counts how often a process makes something durable, by perf; None where perf cannot."""

    EVENTS = "syscalls:sys_enter_fdatasync,syscalls:sys_enter_fsync"

    def __init__(self, pid):
        self.process = None
        if pid and shutil.which("perf"):
            self.process = subprocess.Popen(["perf", "stat", "-x,", "-e", self.EVENTS, "-p", str(pid)],
                                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            time.sleep(0.3)

    def stop(self):
        if not self.process:
            return None
        self.process.send_signal(2)
        counts = [line.split(",")[0] for line in self.process.communicate()[1].splitlines() if "syscalls" in line]
        return sum(map(int, counts)) if counts and all(count.isdigit() for count in counts) else None


def memory_mb(pids, field="Rss"):
    """Memory that processes hold. "Pss" counts what they share, such as libraries, once."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(field + ":"):
                total += int(line.split()[1])
    return total / 1024


def peak_mb(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", text).group(1)) / 1024

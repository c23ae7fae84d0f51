"""mm_sched against a server that is not ours: fixed pools behind Python's own xmlrpc.server.

What it decides is tested by tables in tests/unit; here it is the loop: which calls it makes, when,
and what it does when the server lacks a method, refuses an order, or goes away.
"""
import contextlib
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
import xmlrpc.client
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

import pytest
from api.server import BUILD, PATIENCE, free_port
from conftest import sanitizer_environment

PENDING, ACTIVE = 1, 3


def tags(**members):
    return "".join(f"<{name}>{value}</{name}>" for name, value in members.items())


class Machine:
    def __init__(self, number, cpu=1, memory=64, uid=0, gid=0, template="", user_template=""):
        self.id, self.cpu, self.memory, self.uid, self.gid = number, cpu, memory, uid, gid
        self.template, self.user_template = template, user_template
        self.state, self.lcm_state, self.resched, self.host = PENDING, 0, 0, None
        self.message = ""

    def xml(self, whole):
        history = "" if self.host is None else "<HISTORY>" + tags(OID=self.id, SEQ=0, HID=self.host, DS_ID=0) + "</HISTORY>"
        template = tags(CPU=self.cpu, MEMORY=self.memory) + (self.template if whole else "")
        message = f"<SCHED_MESSAGE><![CDATA[{self.message}]]></SCHED_MESSAGE>" if self.message else ""
        return ("<VM>" + tags(ID=self.id, UID=self.uid, GID=self.gid, STATE=self.state, LCM_STATE=self.lcm_state,
                              RESCHED=self.resched)
                + f"<TEMPLATE>{template}</TEMPLATE><USER_TEMPLATE>{self.user_template}{message}</USER_TEMPLATE>"
                + f"<HISTORY_RECORDS>{history}</HISTORY_RECORDS></VM>")


class Handler(SimpleXMLRPCRequestHandler):
    protocol_version = "HTTP/1.1"
    rpc_paths = ("/RPC2",)
    disable_nagle_algorithm = True

    def handle(self):
        with contextlib.suppress(ConnectionError):
            super().handle()


class FakeOned(socketserver.ThreadingMixIn, SimpleXMLRPCServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, hosts=2, lacks=(), port=None, cpu=800, memory=16 << 20):
        self.port = port or free_port()
        super().__init__(("127.0.0.1", self.port), Handler, logRequests=False)
        self.lacks, self.calls, self.orders, self.times, self.refuse = set(lacks), [], [], [], None
        self.machines, self.host_count, self.cpu, self.memory = {}, hosts, cpu, memory
        self.sequence, self.changed = 0, threading.Condition()
        self.rules = self.users = ""
        self.connections = []
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def process_request(self, request, address):
        self.connections.append(request)
        super().process_request(request, address)

    def handle_error(self, request, address):
        """Connections that the test or the scheduler breaks off are no news."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, address)

    def stop(self):
        self.shutdown()
        self.server_close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _dispatch(self, method, params):
        self.calls.append(method)
        handler = getattr(self, method.replace(".", "_"), None)
        if handler is None or method in self.lacks:
            raise xmlrpc.client.Fault(-506, f"Method '{method}' not defined")
        assert params[0] == "someone:secret"
        with self.changed:
            answer = handler(*params[1:])
        return answer if isinstance(answer, list) else [True, answer, 0]

    def add(self, machine):
        with self.changed:
            self.machines[machine.id] = machine
            self.sequence += 1
            self.changed.notify_all()
        return machine

    def usage(self, host):
        mine = [machine for machine in self.machines.values() if machine.host == host]
        return len(mine), sum(int(m.cpu * 100) for m in mine), sum(m.memory << 10 for m in mine)

    # What the methods answer.

    def globule_sched_wait(self, last, seconds):
        deadline = time.monotonic() + seconds
        while self.sequence == last and (left := deadline - time.monotonic()) > 0:
            self.changed.wait(left)
        return self.sequence

    def one_vmpool_infoextended(self, owner, first, last, state, words):
        assert (owner, first, last, words) == (-2, -1, -1, "")
        return "<VM_POOL>" + "".join(m.xml(True) for m in self.machines.values() if m.state == state) + "</VM_POOL>"

    def one_vmpool_info(self, owner, first, last, state):
        whole = "one.vmpool.infoextended" in self.lacks
        return "<VM_POOL>" + "".join(m.xml(whole) for m in self.machines.values()) + "</VM_POOL>"

    def one_vmpool_infoset(self, ids, extended):
        return "<VM_POOL>" + "".join(self.machines[int(i)].xml(True) for i in ids.split(",")) + "</VM_POOL>"

    def one_vm_info(self, number):
        return self.machines[number].xml(True)

    def one_hostpool_info(self):
        hosts = ""
        for number in range(self.host_count):
            running, cpu, memory = self.usage(number)
            share = tags(MEM_USAGE=memory, CPU_USAGE=cpu, MAX_MEM=self.memory, MAX_CPU=self.cpu, RUNNING_VMS=running)
            hosts += ("<HOST>" + tags(ID=number, NAME=f"h{number}", STATE=2, CLUSTER_ID=0)
                      + f"<HOST_SHARE>{share}</HOST_SHARE><VMS/><TEMPLATE>{tags(ARCH='x86_64')}</TEMPLATE><MONITORING/></HOST>")
        return f"<HOST_POOL>{hosts}</HOST_POOL>"

    def one_clusterpool_info(self):
        return "<CLUSTER_POOL><CLUSTER><ID>0</ID><NAME>default</NAME><TEMPLATE/></CLUSTER></CLUSTER_POOL>"

    def one_datastorepool_info(self):
        return ("<DATASTORE_POOL><DATASTORE>" + tags(ID=0, UID=0, GID=0, NAME="system", TYPE=1, STATE=0, TOTAL_MB=1000,
                                                     FREE_MB=1000)
                + "<PERMISSIONS>" + tags(OWNER_U=1, GROUP_U=1, OTHER_U=0) + "</PERMISSIONS>"
                + "<CLUSTERS><ID>0</ID></CLUSTERS><TEMPLATE><SHARED>YES</SHARED></TEMPLATE></DATASTORE></DATASTORE_POOL>")

    def one_userpool_info(self):
        return f"<USER_POOL>{self.users}</USER_POOL>"

    def one_acl_info(self):
        return f"<ACL_POOL>{self.rules}</ACL_POOL>"

    def one_hostpool_monitoring(self, seconds):
        free = range(self.host_count)
        return "<MONITORING_DATA>" + "".join(
            f"<MONITORING><TIMESTAMP>1</TIMESTAMP><ID>{i}</ID><CAPACITY><FREE_CPU>{i}</FREE_CPU></CAPACITY></MONITORING>"
            for i in free) + "</MONITORING_DATA>"

    def one_vm_deploy(self, number, host, enforce, datastore, extra):
        assert (enforce, extra) == (False, "")
        self.orders.append(("deploy", number, host, datastore))
        self.times.append(time.monotonic())
        if self.refuse:
            return [False, self.refuse, 2048, number, -1]
        machine = self.machines[number]
        machine.state, machine.lcm_state, machine.host = ACTIVE, 3, host
        return number

    def one_vm_migrate(self, number, host, live, enforce, datastore, kind):
        assert (enforce, datastore) == (False, -1)
        self.orders.append(("migrate", number, host, live, kind))
        self.machines[number].host, self.machines[number].resched = host, 0
        return number

    def one_vm_update(self, number, text, append):
        assert append == 1 and text.startswith('SCHED_MESSAGE="') and text.endswith('"')
        self.machines[number].message = text[15:-1].replace('\\"', '"')
        return number


def until(condition, what, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.005)


@pytest.fixture
def scheduler(tmp_path):
    """Starts mm_sched with a configuration; all of them end with the test."""
    started = []
    (tmp_path / "etc").mkdir()
    (tmp_path / "var").mkdir()
    (tmp_path / "auth").write_text("someone:secret\n")
    environment = dict(sanitizer_environment(), ONE_LOCATION=str(tmp_path), ONE_AUTH=str(tmp_path / "auth"))

    def start(port, configuration="", *options):
        if "SCHED_INTERVAL" not in configuration:
            configuration = f"SCHED_INTERVAL = 1\n{configuration}"
        text = f'ONE_XMLRPC = "http://127.0.0.1:{port}/RPC2"\n{configuration}\n'
        (tmp_path / "etc/sched.conf").write_text(text)
        process = subprocess.Popen([BUILD / "bin/mm_sched", *map(str, options)], env=environment,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        process.log = tmp_path / "var/sched.log"
        started.append(process)
        return process
    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            assert process.wait(PATIENCE) == 0, process.stdout.read()
        said = process.stdout.read()
        assert "Sanitizer" not in said and "runtime error" not in said, said


@pytest.fixture
def fake():
    made = []

    def make(**options):
        made.append(FakeOned(**options))
        return made[-1]
    yield make
    for server in made:
        server.stop()


def log_of(process):
    return process.log.read_text() if process.log.exists() else ""


def test_places_what_is_pending(fake, scheduler):
    server = fake(hosts=4)
    for number in range(40):
        server.add(Machine(number, cpu=0.5))
    scheduler(server.port)
    until(lambda: len(server.orders) == 40, "40 machines are placed")
    assert sorted(order[1] for order in server.orders) == list(range(40))
    assert {order[3] for order in server.orders} == {0}, "the one system datastore"
    assert [server.usage(host)[0] for host in range(4)] == [10] * 4, "striping, within one cycle"


def test_is_woken(fake, scheduler):
    server = fake()
    scheduler(server.port, "SCHED_INTERVAL = 3600")
    until(lambda: "globule.sched.wait" in server.calls and "one.vmpool.infoextended" in server.calls, "the first cycle")
    time.sleep(0.2)
    server.add(Machine(7))
    until(lambda: server.orders, "the machine is placed, long before SCHED_INTERVAL")
    calls = len(server.calls)
    time.sleep(0.5)
    assert len(server.calls) - calls <= 8, f"it does not ask again and again: {server.calls[calls:]}"


def test_polls_a_server_that_cannot_wake_it(fake, scheduler):
    server = fake(lacks=["globule.sched.wait"])
    process = scheduler(server.port)
    until(lambda: server.calls.count("one.vmpool.infoextended") >= 2, "a second look")
    server.add(Machine(1))
    until(lambda: server.orders, "the machine is placed")
    assert server.calls.count("globule.sched.wait") == 1, "it is not tried again"
    assert "every SCHED_INTERVAL" in log_of(process)


def test_old_server(fake, scheduler):
    """Before 5.8 the plain pool is whole; before 3.4 there are no datastores."""
    server = fake(lacks=["globule.sched.wait", "one.vmpool.infoextended", "one.datastorepool.info",
                         "one.clusterpool.info"])
    server.add(Machine(1, user_template="<REQUIREMENTS>ARCH = x86_64</REQUIREMENTS>"))
    moving = server.add(Machine(2))
    moving.state, moving.lcm_state, moving.host, moving.resched = ACTIVE, 3, 0, 1
    scheduler(server.port)
    until(lambda: len(server.orders) == 2, "both are done")
    assert ("deploy", 1, 1, -1) in server.orders
    assert ("migrate", 2, 1, False, 0) in server.orders


@pytest.mark.parametrize("lacks", [[], ["one.vmpool.infoset"]], ids=["set", "one-by-one"])
def test_moves_machines(fake, scheduler, lacks):
    server = fake(hosts=3, lacks=lacks)
    machine = server.add(Machine(5))
    machine.state, machine.lcm_state, machine.host, machine.resched = ACTIVE, 3, 1, 1
    other = server.add(Machine(6))
    other.state, other.lcm_state, other.host, other.resched = 8, 0, 2, 1
    scheduler(server.port, "LIVE_RESCHEDS = YES\nCOLD_MIGRATE_MODE = 2")
    until(lambda: len(server.orders) == 2, "both are moved")
    moves = {order[1]: order for order in server.orders}
    assert moves[5][2] != 1 and moves[5][3:] == (True, 2)
    assert moves[6][2] != 2 and moves[6][3:] == (False, 2), "one that is off cannot be moved live"


def test_limits_of_a_cycle(fake, scheduler):
    server = fake(hosts=2)
    for number in range(12):
        server.add(Machine(number, cpu=0.1))
    process = scheduler(server.port, "", "-d", 5, "-h", 2, "-m", 7)
    until(lambda: len(server.orders) == 12, "cycle after cycle until all are placed")
    assert "4 placed" in log_of(process), "2 hosts with 2 each"


def test_says_why_a_machine_waits(fake, scheduler):
    server = fake(hosts=3)
    server.add(Machine(1, memory=17 << 10))
    server.add(Machine(2, user_template="<SCHED_REQUIREMENTS>ARCH = \"arm\"</SCHED_REQUIREMENTS>"))
    server.add(Machine(3, user_template="<SCHED_REQUIREMENTS>ARCH = = arm</SCHED_REQUIREMENTS>"))
    server.add(Machine(4, template="<DISK><TYPE>fs</TYPE><SIZE>2000</SIZE></DISK>"))
    scheduler(server.port)
    machines = server.machines
    until(lambda: all(machine.message for machine in machines.values()), "every machine has a message")
    assert machines[1].message.endswith(": No host: 3 of 3 have too little memory (needs 17408 MiB)")
    assert machines[2].message.endswith(': No host: 3 of 3 do not meet SCHED_REQUIREMENTS: ARCH = "arm"')
    assert "Error in SCHED_REQUIREMENTS: 'ARCH = = arm', error: syntax error" in machines[3].message
    assert "1 of 1 has too little free space (needs 2000 MB)" in machines[4].message
    time.sleep(0.3)
    updates = server.calls.count("one.vm.update")
    time.sleep(2.5)
    assert server.calls.count("one.vm.update") == updates, "a message is written when it changes, not each cycle"
    # What it waits for comes: the message goes.
    server.memory = 32 << 20
    server.add(Machine(9))
    until(lambda: {1, 9} <= {order[1] for order in server.orders}, "the large one is placed")


def test_waiting_machines_are_no_busy_loop(fake, scheduler):
    server = fake()
    server.add(Machine(1, cpu=100))
    scheduler(server.port, "SCHED_INTERVAL = 30")
    until(lambda: server.machines[1].message, "the message")
    time.sleep(0.5)
    calls = len(server.calls)
    time.sleep(1)
    assert len(server.calls) - calls <= 1, server.calls[calls:]


def test_refused_orders_rest(fake, scheduler):
    server = fake()
    server.refuse = "[one.vm.deploy] Host is offline, cannot use it to deploy VM"
    machine = server.add(Machine(1))
    scheduler(server.port)
    until(lambda: len(server.orders) >= 2, "a second try")
    assert "Cannot be deployed on host 0 (h0): [one.vm.deploy] Host is offline" in machine.message
    assert server.times[1] - server.times[0] >= 0.9, "not before SCHED_INTERVAL has passed"
    server.refuse = None
    until(lambda: machine.host is not None, "it is placed in the end")


def test_rights_of_owners(fake, scheduler):
    server = fake(hosts=2)
    server.users = ("<USER><ID>2</ID><GID>1</GID><GROUPS><ID>1</ID></GROUPS></USER><QUOTAS><ID>2</ID></QUOTAS>"
                    "<USER><ID>3</ID><GID>100</GID><GROUPS><ID>100</ID></GROUPS></USER>")
    # Group 1 may manage host 1 and use every datastore.
    server.rules = ("<ACL><ID>0</ID><USER>200000001</USER><RESOURCE>2100000001</RESOURCE><RIGHTS>2</RIGHTS>"
                    "<ZONE>100000000</ZONE></ACL><ACL><ID>1</ID><USER>200000001</USER>"
                    "<RESOURCE>100400000000</RESOURCE><RIGHTS>1</RIGHTS><ZONE>400000000</ZONE></ACL>")
    server.add(Machine(1, uid=2, gid=1))
    other = server.add(Machine(2, uid=3, gid=100))
    scheduler(server.port)
    until(lambda: server.orders and other.message, "one is placed, one told why not")
    assert server.orders == [("deploy", 1, 1, 0)]
    assert "2 of 2 may not be used by its owner" in other.message


def test_monitoring_is_read_when_a_rank_needs_it(fake, scheduler):
    server = fake(hosts=3)
    server.add(Machine(1, user_template="<SCHED_RANK>FREE_CPU</SCHED_RANK>"))
    scheduler(server.port)
    until(lambda: server.orders, "it is placed")
    assert server.orders[0][2] == 2
    assert "one.hostpool.monitoring" in server.calls


def test_oned_goes_and_comes_back(fake, scheduler):
    server = fake()
    process = scheduler(server.port)
    until(lambda: "it wakes the scheduler" in log_of(process), "the first contact")
    server.stop()
    until(lambda: "Trying again" in log_of(process), "the loss is noticed")
    time.sleep(1.5)
    assert log_of(process).count("Trying again") == 1, "and said once"
    second = fake(port=server.port)
    second.add(Machine(3))
    until(lambda: second.orders, "the machine is placed")


def test_another_failure_is_told(fake, scheduler):
    """Of a server that fails in one way and then in another, such as with a wrong password, both are told, and each once."""
    server = fake()
    server.one_vmpool_info = server.one_vmpool_infoextended = lambda *_: [False, "[one.vmpool.info] first reason", 2048]
    process = scheduler(server.port)
    until(lambda: "first reason. Trying again until it works" in log_of(process), "the first reason")
    server.one_vmpool_info = server.one_vmpool_infoextended = lambda *_: [False, "[one.vmpool.info] second reason", 256]
    until(lambda: "second reason" in log_of(process), "the second")
    calls = len(server.calls)
    until(lambda: len(server.calls) > calls + 4, "more tries")
    assert log_of(process).count("first reason") == log_of(process).count("second reason") == 1, log_of(process)


def test_one_at_a_time(fake, scheduler):
    server = fake()
    first = scheduler(server.port)
    until(lambda: server.calls, "the first runs")
    second = scheduler(server.port)
    assert second.wait(PATIENCE) == 1
    assert "another mm_sched runs already" in second.stdout.read()
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    third = scheduler(server.port)
    calls = len(server.calls)
    until(lambda: len(server.calls) > calls, "a killed one leaves no lock")
    assert third.poll() is None


def test_configuration(fake, scheduler):
    server = fake()
    wrong = scheduler(server.port, "MAX_HOST = many")
    assert wrong.wait(PATIENCE) == 2
    assert 'sched.conf, line 3: MAX_HOST = "many" is wrong; allowed: a whole number' in wrong.stdout.read()
    process = scheduler(server.port, "MAX_HOSTS = 3")
    until(lambda: "unknown keys, not used: MAX_HOSTS" in log_of(process), "one warning")
    until(lambda: "answers" in log_of(process), "it runs all the same")
    os.kill(process.pid, signal.SIGHUP)
    until(lambda: "the configuration was read again" in log_of(process), "SIGHUP")

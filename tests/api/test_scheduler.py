"""mm_sched with the real oned and simulated hosts: from pending to RUNNING without a hand."""
import signal
import subprocess
import time

import pytest
from api.server import BUILD, PATIENCE, cpu_seconds

pytestmark = pytest.mark.usefixtures("one")


class Scheduler:
    def __init__(self, server, *options):
        self.server, self.options, self.process = server, options, None

    def start(self):
        environment = dict(self.server.environment(), ONE_XMLRPC=f"http://127.0.0.1:{self.server.port}/RPC2")
        output = open(self.server.directory / "sched.out", "ab")
        self.process = subprocess.Popen([BUILD / "bin/mm_sched", *self.options], env=environment,
                                        stdout=output, stderr=output)
        output.close()
        return self

    def kill(self, number):
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def clean_up(self):
        assert self.kill(signal.SIGTERM) == 0
        said = (self.server.directory / "sched.out").read_text(errors="replace")
        assert "Sanitizer" not in said and "runtime error" not in said, said


@pytest.fixture(scope="module")
def scheduler(one):
    (one.etc / "sched.conf").write_text("LIVE_RESCHEDS = YES\nSCHED_INTERVAL = 60\n")
    started = Scheduler(one).start()
    yield started
    started.clean_up()


def message(one, identity):
    return one.vm(identity).findtext("USER_TEMPLATE/SCHED_MESSAGE")


def host_of(one, identity):
    return int(one.vm(identity).find("HISTORY_RECORDS")[-1].findtext("HID"))


def test_places_at_once(one, scheduler):
    machines = [one.allocate(name=f"quick-{number}") for number in range(8)]
    for identity in machines:
        one.wait(identity, "RUNNING")
    assert sorted(host_of(one, identity) for identity in machines) == [0] * 4 + [1] * 4


def test_requirements_and_rank(one, scheduler):
    identity = one.allocate('SCHED_REQUIREMENTS = "NAME = \\"h2\\""')
    one.wait(identity, "RUNNING")
    assert host_of(one, identity) == 1
    identity = one.allocate('REQUIREMENTS = "ID < 5"\nRANK = "0 - ID"')
    one.wait(identity, "RUNNING")
    assert host_of(one, identity) == 0


def test_tells_why_and_takes_it_back(one, scheduler):
    identity = one.allocate('SCHED_REQUIREMENTS = "RACK = \\"A 12\\""')
    text = one.until(lambda: message(one, identity), "the message")
    assert text.endswith(': No host: 2 of 2 do not meet SCHED_REQUIREMENTS: RACK = "A 12"')
    # What it waits for comes; the next machine that becomes pending wakes the scheduler.
    one.ok("one.host.update", 1, 'RACK = "A 12"', 1)
    one.wait(one.allocate(), "RUNNING")
    one.wait(identity, "RUNNING")
    assert host_of(one, identity) == 1
    assert not message(one, identity), "the reason is gone with the waiting"


def test_freed_capacity_is_used(one, scheduler):
    large = int(one.xml("one.host.info", 0).findtext("HOST_SHARE/MAX_MEM")) // 1024 * 3 // 4
    fillers = [one.allocate(f'CPU = 0.01\nMEMORY = {large}\nSCHED_REQUIREMENTS = "ID = {host}"', name=f"large-{host}")
               for host in (0, 1)]
    for identity in fillers:
        one.wait(identity, "RUNNING")
    waiting = one.allocate(f"CPU = 0.01\nMEMORY = {large}", name="waiting")
    text = one.until(lambda: message(one, waiting), "the message")
    assert f"2 of 2 have too little memory (needs {large} MiB)" in text
    one.action("terminate-hard", fillers[1])
    one.wait(waiting, "RUNNING")
    assert host_of(one, waiting) == 1
    for identity in (fillers[0], waiting):
        one.action("terminate-hard", identity)


def test_devices_of_hosts(one, scheduler):
    """A machine goes where one is free, and waits for it."""
    one.control("HOST gpu PCI=1")
    host = one.host("gpu")
    first, second = one.allocate("PCI = [ VENDOR = \"0x10DE\" ]"), one.allocate("PCI = [ CLASS = 302 ]")
    waiting = one.until(lambda: next((vm for vm in (first, second) if message(one, vm)), None), "the message")
    vm = first + second - waiting
    assert "3 of 3 have no such PCI device free" in message(one, waiting)
    one.wait(vm, "RUNNING")
    assert host_of(one, vm) == host
    one.action("terminate-hard", vm)
    one.wait(waiting, "RUNNING")
    assert host_of(one, waiting) == host
    one.action("terminate-hard", waiting)
    one.wait(waiting, "DONE")
    one.ok("one.host.delete", host)
    one.control()


def test_moves_on_request(one, scheduler):
    identity = one.allocate()
    one.wait(identity, "RUNNING")
    before = host_of(one, identity)
    one.action("resched", identity)
    one.until(lambda: host_of(one, identity) == 1 - before, "the machine to move")
    vm = one.wait(identity, "RUNNING")
    assert vm.findtext("RESCHED") == "0"


def test_only_where_the_owner_may(one, scheduler):
    """Group 1 has its right on hosts by a rule of the first start; without it there is none."""
    guest = one.user("guest-of-sched")
    rules = one.xml("one.acl.info")
    assert any("HOST" in rule.findtext("STRING") for rule in rules), "the first start makes rules for hosts"
    identity = guest.allocate()
    guest_vm = one.wait(identity, "RUNNING")
    assert guest_vm.findtext("UNAME") == "guest-of-sched"


def test_groups_of_machines(one, scheduler):
    """Apart by role, together by group, and told why."""
    group = one.ok("one.vmgroup.allocate", 'NAME = shop\nROLE = [ NAME = front, POLICY = ANTI_AFFINED ]\n'
                   'ROLE = [ NAME = back, HOST_AFFINED = 1 ]\nROLE = [ NAME = db ]\nAFFINED = "back, db"')

    def member(role):
        return one.allocate(f"CPU = 0.01\nVMGROUP = [ VMGROUP_ID = {group}, ROLE = {role} ]")
    fronts = [member("front"), member("front")]
    others = [member("db"), member("back")]
    for identity in fronts + others:
        one.wait(identity, "RUNNING")
    assert sorted(host_of(one, identity) for identity in fronts) == [0, 1]
    assert [host_of(one, identity) for identity in others] == [1, 1]
    waiting = member("front")
    text = one.until(lambda: message(one, waiting), "the message")
    assert f'2 of 2 have another of its role, with POLICY = ANTI_AFFINED (role "front" of VM group {group})' in text
    one.ok("one.vm.vmgroupdel", fronts[0])  # it leaves a place
    one.allocate("CPU = 0.01")  # wakes the scheduler
    one.wait(waiting, "RUNNING")
    assert host_of(one, waiting) == host_of(one, fronts[0])
    for identity in [*fronts, *others, waiting]:
        one.action("terminate-hard", identity)
        one.wait(identity, "DONE")
    one.ok("one.vmgroup.delete", group)


def network(one, name, size=2, more=""):
    return one.ok("one.vn.allocate", f"NAME = {name}\nVN_MAD = fw\nNETWORK_MASK = 255.255.255.0\n{more}\n"
                  f"AR = [ TYPE = IP4, IP = 10.6.{len(name)}.1, SIZE = {size} ]", -1)


def test_networks_are_chosen(one, scheduler):
    red, blue = network(one, "red", more="COLOR = red"), network(one, "blue", more="COLOR = blue")
    both = 'NIC = [ NETWORK_MODE = auto, SCHED_REQUIREMENTS = "COLOR = blue" ]\nNIC = [ NETWORK_MODE = auto ]\n'
    machines = [one.allocate(f'{both}CONTEXT = [ NETWORK = YES ]') for _ in range(2)]
    for number, identity in enumerate(machines):
        vm = one.wait(identity, "RUNNING")
        assert [nic.findtext("NETWORK_ID") for nic in vm.findall("TEMPLATE/NIC")] == [str(blue), str(red)]
        assert vm.findtext("TEMPLATE/CONTEXT/ETH0_IP") == vm.find("TEMPLATE/NIC").findtext("IP") is not None
        assert vm.findtext("TEMPLATE/NIC/TARGET") == f"one-{identity}-0" and vm.find("TEMPLATE/SECURITY_GROUP_RULE") is not None
    waiting = one.allocate(both)  # they have two addresses each
    assert "networks for NIC 0: 1 of 2 does not meet its SCHED_REQUIREMENTS: COLOR = blue, 1 has no free address" in \
        one.until(lambda: message(one, waiting), "the message")
    assert one.vm(waiting).find("TEMPLATE/NIC/IP") is None
    one.fails("one.vm.deploy", waiting, 0, text="NETWORK_MODE = auto and no network is named")
    one.fails("one.vm.deploy", waiting, 0, False, -1, f"NIC=[NIC_ID=0,NETWORK_ID={blue}]\nNIC=[NIC_ID=1,NETWORK_ID={red}]",
              text="all of its addresses are in use")
    one.action("terminate-hard", machines[0])
    one.wait(waiting, "RUNNING")
    for identity in (machines[1], waiting):
        one.action("terminate-hard", identity)
        one.wait(identity, "DONE")
    for net in (red, blue):
        assert one.xml("one.vn.info", net).findtext("USED_LEASES") == "0"


def test_only_networks_that_the_owner_may_use(one, scheduler):
    for rule in one.xml("one.acl.info"):  # of the first start: users may use every network
        if "NET" in rule.findtext("STRING"):
            one.ok("one.acl.delrule", int(rule.findtext("ID")))
    guest, mine = one.user("netless"), network(one, "private", more="COLOR = green")
    identity = guest.allocate('NIC = [ NETWORK_MODE = auto, SCHED_REQUIREMENTS = "COLOR = green" ]')
    assert "may not be used by its owner" in one.until(lambda: message(one, identity), "the message")
    # Nor when the order names it: the owner's right counts, not that of who deploys.
    one.fails("one.vm.deploy", identity, 0, False, -1, f"NIC=[NIC_ID=0,NETWORK_ID={mine}]", text="Not authorized")
    assert one.xml("one.vn.info", mine).findtext("USED_LEASES") == "0"
    one.ok("one.vn.chmod", mine, *[-1] * 6, 1, -1, -1)
    one.allocate()  # wakes the scheduler
    vm = one.wait(identity, "RUNNING")
    assert vm.findtext("TEMPLATE/NIC/NETWORK_ID") == str(mine)


def test_a_chosen_network_counts_in_quotas(one):
    user, net = one.user("metered"), network(one, "metered", more="COLOR = grey")
    one.ok("one.vn.chmod", net, *[-1] * 6, 1, -1, -1)
    identity = user.allocate("NIC = [ NETWORK_MODE = auto ]", hold=True)
    order = [identity, 0, False, -1, f"NIC=[NIC_ID=0,NETWORK_ID={net}]"]
    one.ok("one.user.quota", user.uid, f"NETWORK = [ ID = {net}, LEASES = 0 ]")
    one.fails("one.vm.deploy", *order, text="LEASES")
    assert one.xml("one.vn.info", net).findtext("USED_LEASES") == "0" and one.state(identity) == "HOLD"
    one.ok("one.user.quota", user.uid, f"NETWORK = [ ID = {net}, LEASES = 1 ]")
    one.ok("one.vm.deploy", *order)
    one.wait(identity, "RUNNING")
    quota = one.xml("one.user.info", user.uid).find("NETWORK_QUOTA/NETWORK")
    assert (quota.findtext("ID"), quota.findtext("LEASES_USED")) == (str(net), "1")


def test_killed_in_the_middle(one, scheduler):
    machines = [one.allocate(name=f"middle-{number}", hold=True) for number in range(60)]
    for number, identity in enumerate(machines):
        one.action("release", identity)
        if number % 20 == 10:
            scheduler.kill(signal.SIGKILL)
            scheduler.start()
    for identity in machines:
        one.wait(identity, "RUNNING")
    assert all(len(one.vm(identity).find("HISTORY_RECORDS")) == 1 for identity in machines), "each placed once"


def test_oned_killed_in_the_middle(one, scheduler):
    machines = [one.allocate(name=f"crash-{number}") for number in range(30)]
    one.restart(clean=False)
    for identity in machines:
        one.wait(identity, "RUNNING")
    assert scheduler.process.poll() is None


def test_waits_without_work(one, scheduler):
    """An idle scheduler sleeps: no processor time, however long. What it had to do may last a moment."""
    def sleeps():
        before = cpu_seconds(scheduler.process.pid)
        time.sleep(1.5)
        return cpu_seconds(scheduler.process.pid) - before <= 0.1
    one.until(sleeps, "the scheduler to have nothing to do")

"""How soon a client sees that something broke: one row of ROWS a number, with the value to be reached.
Settings are the shipped ones. tests/bench/lab_failures prints the table, test_faults.py runs them."""
import subprocess
import sys
import time
from pathlib import Path

from lab.cloud import LAB, wait_for
from lab.faults.kit import Armed, Precopy, Situation, Switched

WATCH = Path(__file__).with_name("watch.py")
STATE = "<STATE>{}</STATE><LCM_STATE>{}</LCM_STATE>"


class Watch:
    """A client on the front-end that waits for an answer."""

    def __init__(self, cloud, method, identity, pattern, seconds):
        self.what = f"{pattern} in {method}"
        self.process = subprocess.Popen(
            [LAB, "fe", sys.executable, WATCH, cloud.home / "var/.one/one_auth", method, str(identity), pattern,
             str(seconds)], env=cloud.lab.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = self.process.stdout.readline()
        assert said == "watching\n", said + self.process.communicate()[0]

    def since(self, begun):
        """Seconds from then until the answer."""
        said = self.process.communicate()[0]
        assert self.process.returncode == 0, f"{self.what} was never seen: {said}"
        return max(float(said.split()[0]) - begun, 0)


def machine_is(place, state, lcm, more="", seconds=120):
    machine = place.a_machine()
    return Watch(place.cloud, "one.vm.info", machine.id, STATE.format(state, lcm) + more, seconds)


def host_is(place, host, state, seconds=120):
    identity = place.lab.hosts.index(host)
    return Watch(place.cloud, "one.host.info", identity, f"<STATE>{state}</STATE>", seconds)


def all_well(place):
    place.booted()
    for host in place.lab.hosts:
        place.cloud.wait_host(host, "on", 120)


def guest_dies(place):
    machine = place.a_machine()
    host = machine.lives()
    armed = Armed(place.lab, host, f"kill -9 $(cat /run/libvirt/qemu/{machine.domain}.pid)")
    watch = machine_is(place, 8, 0)
    begun = time.time()
    armed.strike()
    took = watch.since(begun)
    place.drop_machine()
    return took


def libvirtd_dies(place):
    host = place.a_machine().lives()
    armed = Armed(place.lab, host, "touch /run/hold.libvirtd; kill -9 $(pidof libvirtd)")
    watch = host_is(place, host, 3)
    begun = time.time()
    armed.strike()
    try:
        took = watch.since(begun)
    finally:
        place.lab.on(host, "rm", "-f", "/run/hold.libvirtd")
    all_well(place)
    place.a_machine().lives()
    return took


def host_dies(place):
    """Host in ERROR, its machine UNKNOWN with the host's name in the reason."""
    machine = place.a_machine()
    host = machine.lives()
    states = host_is(place, host, 3), machine_is(place, 3, 16, f".*<ERROR>[^<]*(<!.CDATA.)?[^<]*{host}")
    begun = time.time()
    place.lab.call("crash", host)
    try:
        took = max(watch.since(begun) for watch in states)
    finally:
        place.lab.call("start", host)
    all_well(place)
    place.drop_machine()
    return took


def order(place):
    machine = place.a_machine()
    source = machine.lives()
    destination = next(host for host in place.lab.hosts if host != source)
    at = Situation(place.cloud, machine, source, destination)
    return at, lambda: place.cloud.cli("onevm", "migrate", "--live", machine.name, destination)


def oned_dies(place):
    at, migrate = order(place)
    migrate()
    Precopy(at).wait()
    place.lab.kill("fe", "oned")
    wait_for("oned to be gone", 10, lambda: not place.lab.pids("fe", "oned"))
    begun = time.time()
    watch = machine_is(place, 3, 3)
    place.cloud.cli("one", "start")
    took = watch.since(begun)
    at.machine.lives()
    return took


def destination_dies(place):
    """Just after the switch: UNKNOWN, and the reason names the host."""
    at, migrate = order(place)
    moment = Switched(at)
    migrate()
    moment.wait()
    begun = time.time()
    place.lab.call("crash", at.destination)
    moment.end()
    watch = machine_is(place, 3, 16, f".*<ERROR>[^<]*(<!.CDATA.)?[^<]*{at.destination}")
    try:
        took = watch.since(begun)
    finally:
        place.lab.call("start", at.destination)
    all_well(place)
    place.drop_machine()
    return took


def other_host_hangs(place):
    """A host whose packets are lost: how much longer a machine takes to be off on the other one."""
    host = place.a_machine().lives()
    hanging = next(other for other in place.lab.hosts if other != host)
    place.lab.call("cut", "fe", hanging)
    try:
        for _ in range(3):  # whoever asks for it hangs with it
            place.cloud.cli("onehost", "enable", hanging)
        return guest_dies(place)
    finally:
        place.lab.call("join", "fe", hanging)
        all_well(place)


# What, seconds to be reached, how it is measured.
ROWS = [
    ("a guest dies, until a client sees it", 1, guest_dies),
    ("the same while another host hangs", 1, other_host_hangs),
    ("libvirtd dies, until a client sees its host in error", 5, libvirtd_dies),
    ("a host dies, until it is in error and its machine UNKNOWN", 10, host_dies),
    ("oned killed during a live migration, from its start to the true state", 5, oned_dies),
    ("destination killed just after the switch, until UNKNOWN with the reason", 10, destination_dies),
]

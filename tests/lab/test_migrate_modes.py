"""Live migration by the driver alone: each mode and each kind of storage once, on two real hosts."""
import re
import subprocess

import pytest
from lab.cloud import Failed, wait_for
from lab.driver import Driver, Machine


@pytest.fixture(scope="module")
def driver(lab, guest):
    driver = Driver(lab)
    yield driver
    driver.stop()
    lab.clean()


@pytest.fixture(scope="module")
def machine(lab, driver):
    """One for all tests that leave it running, on shared storage, with images that are based on others."""
    machine = Machine(lab, "node01", disks=["<FORMAT>raw</FORMAT>", *["<DRIVER>qcow2</DRIVER>"] * 2])
    machine.put()
    chain(machine, "disk.1", "base")
    chain(machine, "disk.2", f"{machine.path}/base")
    assert driver.do(machine, "DEPLOY") == machine.name
    machine.beats()
    return machine


def image(machine, host, name, *options):
    machine.lab.on(host, "qemu-img", "create", "-q", *options[:-1], f"{machine.path}/{name}", options[-1])


def chain(machine, name, base):
    """An image that is based on another, each with a pattern of its own."""
    on = machine.lab.on
    if not (machine.outside(machine.host) / "base").exists():
        image(machine, machine.host, "base", "-f", "raw", "8M")
        on(machine.host, "qemu-io", "-f", "raw", "-c", "write -P 7 1M 64k", f"{machine.path}/base")
    on(machine.host, "qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, f"{machine.path}/{name}")
    on(machine.host, "qemu-io", "-c", "write -P 5 4M 64k", f"{machine.path}/{name}")


def written(machine, name):
    """Both patterns are read through the whole chain."""
    read = machine.lab.on(machine.host, "qemu-io", "-r", "-U", "-c", "read -P 7 1M 64k", "-c", "read -P 5 4M 64k",
                          f"{machine.path}/{name}")
    return "Pattern verification failed" not in read and read.count("65536/65536") == 2


def other(host):
    return {"node01": "node02", "node02": "node01"}[host]


def move(driver, machine, **migrate):
    """Moves it to the other host; the figures of the result."""
    to = other(machine.host)
    figures = dict(word.split("=") for word in driver.do(machine, "MIGRATE", to=to, migrate=migrate).split())
    machine.only_on(to)
    assert int(figures["total_ms"]) > 0 and 0 < int(figures["downtime_ms"]) <= int(figures["total_ms"])
    assert int(figures["bytes"]) >= int(figures["memory_bytes"]) > 1000000 and int(figures["rounds"]) >= 1
    machine.beats(1)
    return figures


@pytest.mark.parametrize("migrate", [
    {}, {"PEER2PEER": "YES"}, {"TUNNEL": "YES"}, {"COMPRESSED": "YES", "MAX_DOWNTIME": 500},
    {"BANDWIDTH": 60, "AUTO_CONVERGE": "NO"}, {"PEER2PEER": "YES", "POSTCOPY": "YES"}], ids=str)
def test_mode(driver, machine, migrate):
    assert move(driver, machine, **migrate)["storage"] == "shared"


def test_no_program_for_connections(lab, driver, machine):
    """The driver's own ssh carries them, as long as it can; what it cannot, libvirt's ssh does."""
    driver.do(machine, "POLL")
    assert lab.pids("fe", "ssh") == []
    config = lab.dir / "fe/root/.ssh/config"
    plain = config.read_text()
    config.write_text(f"Host {machine.host}\n    ProxyJump {other(machine.host)}\n{plain}")
    try:
        other_driver = Driver(lab)
        assert "STATE=a" in other_driver.do(machine, "POLL")
        assert lab.pids("fe", "ssh")
    finally:
        config.write_text(plain)
        other_driver.stop()


def test_postcopy(driver, machine):
    """Slowly, so that there is time to switch before all of the memory is there."""
    figures = move(driver, machine, POSTCOPY="YES", POSTCOPY_AFTER=1, BANDWIDTH=20)
    assert figures["mode"] == "postcopy"


SWITCHED = {"POSTCOPY": "YES", "POSTCOPY_AFTER": 1, "BANDWIDTH": 8, "POSTCOPY_RESUME": 0}


def tear(lab):
    """Ends the connection that the memory takes, at both ends."""
    for host, peer, end in (("node01", 12, "dport"), ("node02", 11, "sport")):
        lab.on(host, "ss", "-K", "-t", "dst", f"{lab.environment['LAB_NET']}.{peer}", end, "ge", "49152", check=False)


def switch(lab, driver, **more):
    """A machine in the middle of post-copy."""
    machine = Machine(lab, "node01")
    machine.put()
    driver.do(machine, "DEPLOY")
    machine.beats(1)
    driver.send(f"MIGRATE {machine.vid} {machine.document(to='node02', migrate={**SWITCHED, **more})}")
    for host in lab.hosts:
        wait_for("the switch to post-copy", 60, lambda: "post-copy" in lab.on(
            host, "virsh", "-q", "domstate", "--reason", machine.name, check=False))
    return machine


def torn(lab, driver, machine):
    """The answer once the link is torn, at both ends: again and again, since QEMU may not be reading when it happens.
    None: QEMU never says so."""
    for _ in range(4):
        tear(lab)
        try:
            return driver.result("MIGRATE", machine.vid, seconds=20)
        except Failed:
            pass
    return None


def half_moved(lab, driver):
    """A machine whose memory is on both hosts, half here and half there, and the answer that the driver gave. On a busy
    computer libvirt was seen to tell nothing of a torn link for minutes, and a link may be torn too late: then another one."""
    for _ in range(4):
        machine = switch(lab, driver)
        answer = torn(lab, driver, machine)
        if answer and not answer[0]:
            return machine, answer
        for host in lab.hosts:
            lab.on(host, "virsh", "-q", "destroy", machine.name, check=False)
        if not answer:
            driver.result("MIGRATE", machine.vid)
    raise Failed("libvirt does not see that the link is torn")


def test_postcopy_over_a_torn_link(lab, driver, guest):
    """Half of its memory is on each host: both are kept, both say so, and a person is told what may help."""
    machine, answer = half_moved(lab, driver)
    try:
        for _ in range(2):  # an order that is repeated finds the same
            success, text = answer
            assert not success and "half of the memory is on node01 and half on node02" in text, text
            for host in lab.hosts:
                assert driver.do(machine, "POLL", at=host).startswith("STATE=-")
                assert machine.name in lab.domains(host)
            driver.send(f"MIGRATE {machine.vid} {machine.document(to='node02', migrate=SWITCHED)}")
            answer = driver.result("MIGRATE", machine.vid)
    finally:
        for host in lab.hosts:
            lab.on(host, "virsh", "-q", "destroy", machine.name, check=False)


def told_to_go_on(lab, driver):
    """A machine whose link broke in the middle of post-copy and that the driver went on with, and the driver's answer. As
    in half_moved(): another one, when the link was torn too late, or QEMU does not say that it is."""
    def remaining():
        said = lab.on("node01", "virsh", "-q", "domjobinfo", machine.name, "--rawstats", check=False)
        return int((re.search(r"memory_remaining: (\d+)", said) or [0, 0])[1])

    for _ in range(4):
        machine, answer = switch(lab, driver, POSTCOPY_RESUME=60, BANDWIDTH=3), None
        # What the guest always needs has come by then: a processor of software emulation that waits holds all of QEMU up.
        wait_for("a part of the memory to move", 60, lambda: remaining() < 60 << 20)
        for tries in range(40):
            begun = any(f" {machine.vid} node01 reaches node02 again" in line for line in driver.log)
            if not begun and tries < 8:
                tear(lab)
            try:
                answer = driver.result("MIGRATE", machine.vid, seconds=8)
                break
            except Failed:
                if not begun and tries >= 8:
                    break
        if answer and any(f" {machine.vid} node01 reaches node02 again" in line for line in driver.log):
            return machine, answer
        for host in lab.hosts:
            lab.on(host, "virsh", "-q", "destroy", machine.name, check=False)
        if not answer:
            driver.result("MIGRATE", machine.vid)
    raise Failed("libvirt does not see that the link is torn")


def test_postcopy_goes_on(lab, driver, guest):
    """The driver goes on with the memory. QEMU of the destination may still wait for a page with its great lock held, and
    never answer again: then it ends with the truth, and another one has to succeed."""
    for _ in range(3):
        machine, (success, text) = told_to_go_on(lab, driver)
        if success:
            break
        assert "half of the memory is on node01 and half on node02" in text and "was tried in vain" in text, text
        for host in lab.hosts:
            assert machine.name in lab.domains(host)
            lab.on(host, "virsh", "-q", "destroy", machine.name, check=False)
    assert success, text
    figures = dict(word.split("=") for word in text.split())
    assert int(figures["resumes"]) >= 1 and figures["mode"] == "postcopy", text
    machine.only_on("node02")
    machine.beats(1)
    driver.do(machine, "CANCEL")


@pytest.mark.parametrize("peer2peer", ["NO", "YES"])
def test_time_limit(lab, driver, machine, peer2peer):
    """The machine stays where it was, nothing is left at the other host, and it can be moved afterwards."""
    at = machine.host
    success, text = driver.ask(machine, "MIGRATE", to=other(at),
                               migrate={"BANDWIDTH": 2, "TIME_LIMIT": 1, "MAX_DOWNTIME": 77, "PEER2PEER": peer2peer})
    assert not success and "longer than its time limit" in text and f"goes on running on {at}" in text, text
    machine.only_on(at)
    machine.beats()
    assert lab.on(at, "virsh", "-q", "migrate-getmaxdowntime", machine.name).strip() == "300"  # as QEMU has it
    assert move(driver, machine)["mode"] == "precopy"


def test_option_that_makes_no_sense(driver, machine):
    success, text = driver.ask(machine, "MIGRATE", to=other(machine.host), migrate={"BANDWIDTH": "fast"})
    assert not success and "MIGRATE/BANDWIDTH of the command is \"fast\"" in text
    machine.only_on(machine.host)


def test_tls(lab, driver, machine):
    """Without certificates it fails before anything has moved; with them the memory is encrypted."""
    at = machine.host
    success, text = driver.ask(machine, "MIGRATE", to=other(at), migrate={"TLS": "YES"})
    assert not success and "credentials" in text and f"goes on running on {at}" in text, text
    make_certificates(lab)
    move(driver, machine, TLS="YES")


def make_certificates(lab):
    script = """set -e
        cd "$1"
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=lab" -keyout ca-key.pem -out ca-cert.pem
        for host in node01 node02; do
            mkdir -p $host
            openssl req -newkey rsa:2048 -nodes -subj "/CN=$host" -keyout $host/server-key.pem -out $host/request.pem
            printf 'subjectAltName=DNS:%s\\nextendedKeyUsage=serverAuth,clientAuth\\n' $host >$host/extensions
            openssl x509 -req -in $host/request.pem -CA ca-cert.pem -CAkey ca-key.pem -CAcreateserial -days 2 \
                -extfile $host/extensions -out $host/server-cert.pem
            cp $host/server-key.pem $host/client-key.pem
            cp $host/server-cert.pem $host/client-cert.pem
            cp ca-cert.pem $host/
        done"""
    where = lab.dir / "certificates"
    where.mkdir(exist_ok=True)
    made = subprocess.run(["sh", "-c", script, "sh", where], capture_output=True, text=True)
    if made.returncode:
        raise Failed(made.stdout + made.stderr)
    for host in lab.hosts:
        lab.on(host, "sh", "-c", f"""mkdir -p /etc/libvirt/tls && cp {where}/{host}/*.pem /etc/libvirt/tls/ &&
            echo 'migrate_tls_x509_cert_dir = "/etc/libvirt/tls"' >>/etc/libvirt/qemu.conf""")
        lab.kill(host, "libvirtd", "TERM")
        wait_for(f"libvirtd of {host}", 20, lambda: "Id" in lab.on(host, "virsh", "list", check=False))


# ---- the driver dies ----

@pytest.fixture
def killed(lab, machine, request):
    """The driver began to move the machine and was killed; another one asks now."""
    first = Driver(lab)
    first.send(f"MIGRATE {machine.vid} " + machine.document(
        to=other(machine.host), migrate={"BANDWIDTH": 8, "PEER2PEER": request.param}))
    wait_for("the move to begin", 30, lambda: machine.name in lab.domains(other(machine.host)))
    lab.on("fe", "kill", "-9", first.pid())
    first.process.wait(120)
    second = Driver(lab)
    yield second
    second.stop()


@pytest.mark.parametrize("killed", ["NO", "YES"], indirect=True)
def test_driver_killed(lab, machine, killed, request):
    """Led by the driver it is undone, led by the hosts it goes on: either way another driver finds the truth."""
    survives = "YES" in request.node.name
    source, to = machine.host, other(machine.host)

    def settled():
        """As oned asks: both hosts, until one has the machine and the other has not."""
        states = [killed.do(machine, "POLL", at=host).split()[0] for host in lab.hosts]
        return sorted(states) == ["STATE=a", "STATE=d"]

    wait_for("one host to have the machine", 60, settled)
    machine.only_on(to if survives else source)
    machine.beats()
    # The same order again: done already, or done now.
    machine.host = source
    killed.do(machine, "MIGRATE", to=to)
    machine.only_on(to)
    machine.beats()


@pytest.mark.parametrize("killed", ["YES"], indirect=True)
def test_order_repeated_while_the_hosts_are_at_it(machine, killed):
    """MIGRATE again to a new driver waits for the end of what the old one began."""
    to = other(machine.host)
    assert "total_ms=" in killed.do(machine, "MIGRATE", to=to)
    machine.only_on(to)
    machine.beats()
    assert any("being moved away" in line for line in killed.log), killed.log


def test_chains_are_whole(driver, machine):
    """After all these moves."""
    driver.do(machine, "CANCEL")
    assert written(machine, "disk.1") and written(machine, "disk.2")


# ---- snapshots of the whole machine ----

def test_snapshots_move_along(lab, driver):
    """libvirt's list of them is at the destination afterwards, and at the source when nothing was moved."""
    machine = Machine(lab, "node01", disks=["<DRIVER>qcow2</DRIVER>"])
    image(machine, "node01", "disk.0", "-f", "qcow2", "8M")
    driver.do(machine, "DEPLOY")
    machine.beats()
    for name in ("first", "second"):
        lab.on("node01", "virsh", "-q", "snapshot-create-as", machine.name, name)
    listed = lab.on("node01", "virsh", "-q", "snapshot-list", "--tree", machine.name)
    assert "first" in listed and "second" in listed
    success, text = driver.ask(machine, "MIGRATE", to="node02", migrate={"BANDWIDTH": 2, "TIME_LIMIT": 1})
    assert not success and "goes on running on node01" in text, text
    assert lab.on("node01", "virsh", "-q", "snapshot-list", "--tree", machine.name) == listed
    assert move(driver, machine)["storage"] == "shared"
    assert lab.on("node02", "virsh", "-q", "snapshot-list", "--tree", machine.name) == listed
    assert lab.on("node02", "virsh", "-q", "snapshot-current", "--name", machine.name).strip() == "second"
    assert not (machine.kept / "snapshots.xml").exists()
    lab.on("node02", "virsh", "-q", "snapshot-revert", machine.name, "first", "--running")
    wait_for("the guest to beat on from its snapshot", 30,
             lambda: any(after < before for before, after in machine.console().breaks()))
    driver.do(machine, "CANCEL")


# ---- disks that are not shared ----

def test_mirrored_disks(lab, driver):
    """A raw disk, an image on a base, swap, and the context's CD; the destination has what PREMIGRATE leaves there."""
    machine = Machine(lab, "node01", own=True, disks=[
        "<FORMAT>raw</FORMAT>", "<DRIVER>qcow2</DRIVER>", "<TYPE>swap</TYPE>"],
        text="<CONTEXT><DISK_ID>3</DISK_ID><TARGET>hda</TARGET></CONTEXT>")
    machine.put()
    chain(machine, "disk.1", "base")
    image(machine, "node01", "disk.2", "-f", "raw", "32M")
    machine.outside("node02").mkdir(parents=True)
    for host in lab.hosts:
        lab.on(host, "dd", "if=/dev/zero", f"of={machine.path}/disk.3", "bs=1M", "count=1")
    driver.do(machine, "DEPLOY")
    machine.beats()
    success, text = driver.ask(machine, "MIGRATE", to="node02")
    assert not success and "PREMIGRATE" in text and "goes on running on node01" in text, text
    for name, *options in (("disk.0", "-f", "raw", "8M"), ("disk.1", "-f", "qcow2", "8M"), ("disk.2", "-f", "raw", "32M")):
        image(machine, "node02", name, *options)
    figures = move(driver, machine)
    assert figures["storage"] == "mirrored"
    assert int(figures.get("disk_bytes", 8 << 20)) >= 8 << 20
    driver.do(machine, "CANCEL")
    assert written(machine, "disk.1")

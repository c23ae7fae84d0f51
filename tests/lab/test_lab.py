"""The lab itself keeps its promises."""
from lab.cloud import wait_for


def test_hosts_know_each_other(lab):
    for host in lab.hosts:
        assert lab.front("ssh", host, "hostname").strip() == host
        assert lab.on(host, "virsh", "-q", "-c", "qemu:///system", "list").strip() == ""
    assert lab.on("node01", "virsh", "-q", "-c", "qemu+ssh://node02/system", "hostname").strip() == "node02"


def test_host_keys_are_checked(lab):
    """A host that shows another key than the one known is refused: no shortcut is taken."""
    known = lab.dir / "fe/root/.ssh/known_hosts"
    right = known.read_text()
    try:
        known.write_text("\n".join(line.replace("node01,", "nobody,") for line in right.split("\n")))
        assert "Host key verification failed" in lab.front("ssh", "node01", "true", check=False)
    finally:
        known.write_text(right)
    assert lab.front("ssh", "node01", "echo", "fine").strip() == "fine"


def test_a_host_can_crash_and_come_back(lab):
    lab.on("node02", "touch", "/srv/local/mark")
    lab.call("crash", "node02")
    assert "no running host" in lab.on("node02", "true", check=False)
    lab.call("start", "node02")
    assert lab.front("ssh", "node02", "hostname").strip() == "node02"
    lab.front("ssh", "node02", "rm", "/srv/local/mark")  # its disk survived


def test_a_host_keeps_its_address_when_cards_of_machines_come(lab):
    """libvirt's card of a machine has the same address on both hosts while the machine moves."""
    def address(host):
        return lab.on(host, "ip", "-br", "link", "show", "br0").split()[2]

    before = [address(host) for host in lab.hosts]
    assert before[0] != before[1]
    for host in lab.hosts:
        lab.on(host, "ip", "link", "add", "low0", "address", "00:00:00:00:00:01", "type", "veth", "peer", "name", "low1")
        lab.on(host, "ip", "link", "set", "low0", "master", "br0")
    during = [address(host) for host in lab.hosts]
    for host in lab.hosts:
        lab.on(host, "ip", "link", "delete", "low0")
    assert during == before


def test_daemons_are_kept(lab):
    lab.kill("node01", "libvirtd")
    wait_for("libvirtd back on node01", 10, lambda: lab.on(
        "node01", "virsh", "-q", "-c", "qemu:///system", "hostname", check=False).strip() == "node01")

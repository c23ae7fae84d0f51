"""Networks on hosts: what a machine's cards need is made before it starts, filters what its security groups
say, follows it when it moves, and is gone with it."""
import pytest

from lab.cloud import wait_for
from lab.driver import Driver, Machine
from lab.heartbeat import text_of

NET = "10.77.0"


def card(number, last, vni=None, driver="vxlan", groups="", **more):
    """A card with the address NET.last, which the guest takes from its MAC."""
    pairs = {"NIC_ID": number, "VN_MAD": driver, "BRIDGE": f"onebr{vni or 1}", "MAC": f"02:00:0a:4d:00:{last:02x}",
             "IP": f"{NET}.{last}", "SECURITY_GROUPS": groups, **more}
    if vni:
        pairs.update(PHYDEV="br0", VLAN_ID=vni)
    return f"<NIC>{''.join(f'<{key}>{value}</{key}>' for key, value in pairs.items())}</NIC>"


def rule(direction, protocol, group=100, **more):
    pairs = {"RULE_TYPE": direction, "PROTOCOL": protocol, "SECURITY_GROUP_ID": group, **more}
    return f"<SECURITY_GROUP_RULE>{''.join(f'<{key}>{value}</{key}>' for key, value in pairs.items())}</SECURITY_GROUP_RULE>"


OUT = rule("OUTBOUND", "ALL")


@pytest.fixture(scope="module")
def driver(lab, guest):
    running = Driver(lab)
    yield running
    running.stop()


@pytest.fixture
def start(lab, driver):
    machines = []

    def make(host, text):
        machine = Machine(lab, host, text=text)
        machine.put()
        machines.append(machine)
        driver.do(machine, "DEPLOY")
        return machine

    yield make
    for machine in machines:
        driver.ask(machine, "CANCEL")


def state(lab, host):
    """What of networks is on a host: devices, rules, notes."""
    devices = [line.split(":")[1].split("@")[0].strip() for line in lab.on(host, "ip", "-o", "link").splitlines()]
    notes = lab.on(host, "sh", "-c", "ls /run/globule-vnm/made /run/globule-vnm/use /run/globule-vnm/keep 2>/dev/null | grep -v :$ | grep .",
                   check=False).split()
    return sorted(set(devices) - {"lo", "br0", "eth0"}), lab.on(host, "nft", "list", "ruleset").strip(), notes


def nothing_left(lab):
    for host in lab.hosts:
        assert state(lab, host) == ([], "", []), host


def address(lab, host, bridge, last=1):
    lab.on(host, "ip", "address", "replace", f"{NET}.{last}/24", "dev", bridge)


def answers(lab, host, last):
    """The guest answers a ping of its host's own address in that network."""
    return "1 received" in lab.on(host, "ping", "-c1", "-W3", f"{NET}.{last}", check=False)


def serves(lab, host, last):
    """It takes a connection to the port of its web server."""
    return lab.on(host, "timeout", "3", "bash", "-c", f": </dev/tcp/{NET}.{last}/8010 && echo yes", check=False).strip() == "yes"


def up(lab, host, last, how=answers, seconds=90):
    wait_for(f"{NET}.{last} from {host}", seconds, lambda: how(lab, host, last))


def test_two_networks_do_not_see_each_other(lab, driver, start):
    start("node01", card(0, 5, 11))
    start("node02", card(0, 6, 11))
    start("node02", card(0, 7, 12))
    address(lab, "node01", "onebr11")
    up(lab, "node01", 5)
    up(lab, "node01", 6)  # on the other host
    address(lab, "node02", "onebr12", 2)
    up(lab, "node02", 7)  # it is up, but in the other network
    assert not answers(lab, "node01", 7)
    lab.on("node01", "ip", "address", "flush", "dev", "onebr11")


def test_nothing_is_left_of_them(lab):
    nothing_left(lab)


def test_a_group_keeps_out_and_lets_through_and_changes_and_follows(lab, driver, start):
    machine = start("node01", card(0, 8, 21, groups="100") + OUT + rule("INBOUND", "TCP", RANGE="8000:8010,22"))
    address(lab, "node01", "onebr21")
    up(lab, "node01", 8, serves)
    assert not answers(lab, "node01", 8)
    # The group is changed while it runs.
    machine.text = card(0, 8, 21, groups="100") + OUT + rule("INBOUND", "ICMP", IP=f"{NET}.1", SIZE=1)
    driver.do(machine, "UPDATESG")
    up(lab, "node01", 8)
    assert not serves(lab, "node01", 8)
    # It moves, and the rules are there before it is.
    driver.do(machine, "MIGRATE", to="node02")
    assert f"one-{machine.vid}-0-in" in state(lab, "node02")[1]
    assert state(lab, "node01") == ([], "", [])
    machine.host = "node02"
    address(lab, "node02", "onebr21")
    up(lab, "node02", 8)
    assert not serves(lab, "node02", 8)
    address(lab, "node02", "onebr21", 2)
    lab.on("node02", "ip", "address", "del", f"{NET}.1/24", "dev", "onebr21")
    assert not answers(lab, "node02", 8)  # the rule names .1 alone
    driver.do(machine, "CANCEL")
    nothing_left(lab)


def test_a_guest_cannot_take_the_address_of_another(lab, driver, start):
    spoofing = {"FILTER_IP_SPOOFING": "YES", "FILTER_MAC_SPOOFING": "YES"}
    machine = start("node01", card(0, 9, driver="fw", **spoofing))
    address(lab, "node01", "onebr1")
    up(lab, "node01", 9)
    # By the document its address is another now: what the guest says, with the old one, is dropped.
    machine.text = card(0, 9, driver="fw", IP=f"{NET}.10", **spoofing).replace(f"<IP>{NET}.9</IP>", "")
    driver.do(machine, "UPDATESG")
    lab.on("node01", "ip", "neigh", "flush", "dev", "onebr1")
    assert not answers(lab, "node01", 9)
    driver.do(machine, "CANCEL")
    nothing_left(lab)


# Sends what a guest could send: advertisements of two addresses, of a router, of another way. Prints what comes through.
ADVERTISE = r"""
import ipaddress, socket, struct, sys
own, other, mac = ipaddress.ip_address(sys.argv[1]).packed, ipaddress.ip_address(sys.argv[2]).packed, bytes.fromhex(sys.argv[3])
def frame(kind, target):
    body = struct.pack("!BBHI", kind, 0, 0, 0x20000000) + target
    head = struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + own + ipaddress.ip_address("ff02::1").packed
    return bytes.fromhex("333300000001") + mac + b"\x86\xdd" + head + body
heard, said = (socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86DD)) for _ in range(2))
heard.bind(("onebr1", 0))
said.bind(("probe1", 0))
heard.settimeout(30)
for kind, target in ((134, bytes(8)), (137, other + own), (136, other), (136, own)):
    said.send(frame(kind, target))
while True:
    data = heard.recv(2000)
    if data[20] == 58 and data[22:38] == own:
        print(data[54], data[62:78] == own)
        if data[54] == 136 and data[62:78] == own:
            break
"""


def test_a_guest_cannot_take_the_ipv6_address_of_another(lab, driver, start):
    machine = start("node01", card(0, 9, driver="fw", IP6="fd00::9", FILTER_IP_SPOOFING="YES"))
    lab.on("node01", "ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1")
    try:
        lab.on("node01", "ip", "link", "set", "probe0", "master", "onebr1", "up")
        lab.on("node01", "ip", "link", "set", "probe1", "up")

        def through():
            return lab.on("node01", "timeout", "90", "python3", "-c", ADVERTISE, "fd00::9", "fd00::1", "02000a4d0009").splitlines()

        assert through() == ["134 False", "137 False", "136 False", "136 True"]  # nothing is filtered of others
        lab.on("node01", "nft", "add", "element", "bridge", "globule", "from", f'{{ "probe0" : jump one-{machine.vid}-0-out }}')
        assert through() == ["136 True"]
        lab.on("node01", "nft", "delete", "element", "bridge", "globule", "from", '{ "probe0" }')
    finally:
        lab.on("node01", "ip", "link", "delete", "probe0")
    driver.do(machine, "CANCEL")
    nothing_left(lab)


def test_a_failure_says_why_and_leaves_nothing(lab, driver):
    for text, words in ((card(0, 5, 11).replace("br0", "eth9"), "no network card eth9"),
                        (card(0, 5, 11, VXLAN_MODE="evpn"), "VXLAN_MODE"),
                        (card(0, 5, 11).replace("onebr11", "x;reboot"), "can be no device"),
                        (card(0, 5, driver="bridge", PHYDEV="eth0"), "eth0 is in br0 already"),
                        (card(0, 5, driver="fw").replace("onebr1", "lo"), "no Linux bridge")):
        machine = Machine(lab, "node01", text=text)
        machine.put()
        success, said = driver.ask(machine, "DEPLOY")
        assert not success and words in said, said
        assert machine.name not in lab.domains("node01")
        nothing_left(lab)


def test_vlans(lab, driver, start):
    if lab.call("exec", "node01", "ip", "link", "add", "link", "br0", "name", "probe.5", "type", "vlan", "id", "5", check=False):
        pytest.skip("this computer's kernel has no 802.1Q (CONFIG_VLAN_8021Q)")
    lab.on("node01", "ip", "link", "delete", "probe.5")
    start("node01", card(0, 5, 11, driver="802.1Q"))
    start("node02", card(0, 6, 11, driver="802.1Q"))
    start("node02", card(0, 7, 12, driver="802.1Q"))
    address(lab, "node01", "onebr11")
    up(lab, "node01", 6)
    address(lab, "node02", "onebr12", 2)
    up(lab, "node02", 7)
    assert not answers(lab, "node01", 7)


def test_cards_come_and_go_and_a_bridge_is_kept(lab, driver, start):
    machine = start("node01", card(0, 5, driver="bridge", KEEP_EMPTY_BRIDGE="YES"))
    machine.text += card(1, 6, 31, ATTACH="YES")
    driver.do(machine, "ATTACHNIC")
    assert {"onebr1", "onebr31", "br0.31", f"one-{machine.vid}-1"} <= set(state(lab, "node01")[0])
    wait_for("the guest has both cards", 60, lambda: "eth1" in text_of(machine.outside("node01") / "console.log"))
    driver.do(machine, "DETACHNIC")
    assert state(lab, "node01")[0] == [f"one-{machine.vid}-0", "onebr1"]
    driver.do(machine, "CANCEL")
    assert state(lab, "node01")[0] == ["onebr1"]
    lab.on("node01", "ip", "link", "delete", "onebr1")
    lab.on("node01", "rm", "-rf", "/run/globule-vnm")
    nothing_left(lab)

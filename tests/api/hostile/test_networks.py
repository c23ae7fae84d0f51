"""Addresses, ranges and filters of others: not taken, not freed, not changed."""
import threading

import pytest
from api.states import ACTION, AUTHORIZATION, INTERNAL, NO_EXISTS

SMALL = "CPU = 0.1\nMEMORY = 64\n"


def held(one, network):
    return {lease.findtext("IP"): lease.findtext("VM") or "net " + lease.findtext("VNET")
            for lease in one.xml("one.vn.info", network).iter("LEASE")}


def cards(one, machine):
    return [{pair.tag: pair.text for pair in nic} for nic in one.vm(machine).findall("TEMPLATE/NIC")]


@pytest.fixture(scope="module")
def lan(one):
    """A network that everybody may use, with a filter, a limit and a VLAN that are the administrator's."""
    group = one.ok("one.secgroup.allocate", "NAME = guard\nRULE = [ PROTOCOL = TCP, RULE_TYPE = INBOUND, RANGE = 22 ]")
    one.ok("one.secgroup.chmod", group, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    identity = one.ok("one.vn.allocate", f"""NAME = lan\nVN_MAD = 802.1Q\nPHYDEV = eth0\nBRIDGE = br0\nVLAN_ID = 7
        FILTER_MAC_SPOOFING = YES\nINBOUND_AVG_BW = 10\nSECURITY_GROUPS = "{group}"
        AR = [ TYPE = IP4, IP = 10.0.0.1, SIZE = 200 ]\nAR = [ TYPE = IP6_STATIC, IP6 = "fd00::1", PREFIX_LENGTH = 64, SIZE = 10 ]""", -1)
    one.ok("one.vn.chmod", identity, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    return identity


@pytest.fixture(scope="module")
def hidden(one):
    """A network and a security group that nobody else may use."""
    group = one.ok("one.secgroup.allocate", "NAME = hidden")
    network = one.ok("one.vn.allocate", "NAME = hidden\nVN_MAD = dummy\nAR = [ TYPE = IP4, IP = 10.9.0.1, SIZE = 10 ]", -1)
    for rule in one.xml("one.acl.info"):
        if rule.findtext("STRING").startswith("@1 ") and "NET" in rule.findtext("STRING"):
            one.ok("one.acl.delrule", int(rule.findtext("ID")))
    return network, group


def running(one, client, card):
    machine = client.allocate(f"NIC = [ {card} ]")
    one.ok("one.vm.deploy", machine, 0)
    one.wait(machine, "RUNNING")
    return machine


@pytest.fixture(scope="module")
def target(one, victim, lan):
    machine = running(one, victim, f"NETWORK_ID = {lan}, IP = 10.0.0.50")
    return machine, cards(one, machine)[0]


@pytest.fixture(scope="module")
def own(one, mallory, lan):
    return running(one, mallory, f"NETWORK_ID = {lan}, IP = 10.0.0.60")


# -- forged cards --

@pytest.mark.parametrize("nic, code, text", [
    ("NETWORK_ID = {lan}, IP = 10.0.0.50", INTERNAL, "in use"),
    ("NETWORK_ID = {lan}, MAC = {mac}", AUTHORIZATION, "NIC/MAC"),
    ("NETWORK_ID = 99999", INTERNAL, "does not exist"),
    ("NETWORK_ID = -1", INTERNAL, "does not exist"),
    ("NETWORK_ID = 18446744073709551616", INTERNAL, "does not exist"),
    ("NETWORK_ID = {wrapped}", INTERNAL, "does not exist"),
    ("NETWORK_ID = {hidden}", AUTHORIZATION, "USE NET"),
    ("NETWORK = hidden, NETWORK_UNAME = oneadmin", AUTHORIZATION, "USE NET"),
    ("NETWORK_ID = {lan}, SECURITY_GROUPS = {group}", AUTHORIZATION, "USE SECGROUP"),
    ('NETWORK_ID = {lan}, SECURITY_GROUPS = "-1"', INTERNAL, "does not exist"),
])
def test_cards(one, mallory, lan, hidden, target, unchanged, nic, code, text):
    machine = mallory.allocate(hold=True)
    unchanged(lambda: (held(one, lan), held(one, hidden[0])))
    card = "NIC = [ " + nic.format(lan=lan, hidden=hidden[0], group=hidden[1], mac=target[1]["MAC"], wrapped=lan + 2**32) + " ]"
    mallory.fails("one.vm.allocate", SMALL + card, True, code=code, text=text)
    mallory.fails("one.vm.attachnic", machine, card, code=ACTION if code == INTERNAL else code, text=text)


def test_card_without_a_network_frees_nothing(one, mallory, lan, target, unchanged):
    """It says that it has the victim's address; when it goes, that stays."""
    unchanged(lambda: held(one, lan))
    machine = mallory.allocate(f'NIC = [ NETWORK_ID = "", AR_ID = {target[1]["AR_ID"]}, IP = 10.0.0.50 ]', hold=True)
    assert "AR_ID" not in cards(one, machine)[0]
    mallory.action("terminate-hard", machine)
    one.wait(machine, "DONE")


@pytest.mark.parametrize("change", [
    "AR_ID = 1", "SECURITY_GROUPS = {group}", 'SECURITY_GROUPS = ""', "NETWORK_ID = {hidden}", "VLAN_ID = 8", "OUTER_VLAN_ID = 8",
    "IP = 10.0.0.50", "MAC = {mac}", "BRIDGE = br-admin", "CLUSTER_ID = 5", "FILTER_MAC_SPOOFING = NO", "INBOUND_AVG_BW = 999999", "NIC_ID = 7",
])
def test_changed_cards(one, mallory, lan, hidden, target, own, unchanged, change):
    unchanged(lambda: (held(one, lan), cards(one, own)))
    text = "NIC = [ " + change.format(hidden=hidden[0], group=hidden[1], mac=target[1]["MAC"]) + " ]"
    for append in (0, 1):
        mallory.fails("one.vm.updatenic", own, 0, text, append)


def test_replaced_card_keeps_what_is_not_hers(one, mallory, lan, own):
    before = cards(one, own)[0]
    mallory.ok("one.vm.updatenic", own, 0, "NIC = [ NOTE = x ]", 0)
    one.wait(own, "RUNNING")
    after = cards(one, own)[0]
    for name in ("AR_ID", "SECURITY_GROUPS", "FILTER_MAC_SPOOFING", "INBOUND_AVG_BW", "IP", "MAC", "VLAN_ID"):
        assert after[name] == before[name]
    mallory.ok("one.vm.detachnic", own, 0)
    one.wait(own, "RUNNING")
    assert "10.0.0.60" not in held(one, lan)


# -- networks of others --

@pytest.mark.parametrize("method, arguments", [
    ("one.vn.update", ("VLAN_ID = 1", 1)), ("one.vn.delete", ()), ("one.vn.add_ar", ("AR = [ TYPE = ETHER, SIZE = 1 ]",)),
    ("one.vn.rm_ar", (0, True)), ("one.vn.update_ar", ("AR = [ AR_ID = 0, SIZE = 1 ]",)), ("one.vn.free_ar", (0,)),
    ("one.vn.hold", ("LEASES = [ IP = 10.0.0.9 ]",)), ("one.vn.release", ("LEASES = [ IP = 10.0.0.50 ]",)), ("one.vn.recover", (2,)),
    ("one.vn.rename", ("x",)), ("one.vn.chmod", (1,) * 9), ("one.vn.chown", (-1, 1)), ("one.vn.lock", (4, False)), ("one.vn.unlock", ()),
])
def test_not_hers(one, mallory, lan, unchanged, method, arguments):
    unchanged(lambda: one.ok("one.vn.info", lan))
    mallory.fails(method, lan, *arguments, code=AUTHORIZATION)
    mallory.fails(method, 2**31 - 1, *arguments, code=NO_EXISTS)


# -- reservations --

@pytest.mark.parametrize("size", ["0", "-1", "65537", "16777217", "4294967297", "18446744073709551617", "1e3", "", "5 5"])
def test_sizes(one, mallory, lan, unchanged, size):
    unchanged(lambda: held(one, lan))
    mallory.fails("one.vn.reserve", lan, f'NAME = big\nSIZE = "{size}"', code=ACTION, text="Wrong SIZE")


@pytest.fixture(scope="module")
def part(one, mallory, lan):
    return mallory.ok("one.vn.reserve", lan, "NAME = part\nSIZE = 4\nIP = 10.0.0.100")


def test_reservation_stays_what_it_is(one, mallory, lan, hidden, part, unchanged):
    unchanged(lambda: {name: one.xml("one.vn.info", part).findtext(name) for name in ("VLAN_ID", "BRIDGE", "PHYDEV", "AR_POOL/AR/SIZE")})
    unchanged(lambda: held(one, lan))
    for text in ("VLAN_ID = 8", "OUTER_VLAN_ID = 8", "AUTOMATIC_VLAN_ID = YES", "BRIDGE = br-admin", "BRIDGE_TYPE = openvswitch",
                 f"SECURITY_GROUPS = {hidden[1]}"):
        mallory.fails("one.vn.update", part, text, 1, code=AUTHORIZATION)
        mallory.fails("one.vn.update", part, text, 0, code=AUTHORIZATION)
    for text in ("VLAN_ID = 8", "BRIDGE = br-admin", "PHYDEV = eth1", "OUTER_VLAN_ID = 8"):
        mallory.fails("one.vn.update_ar", part, f"AR = [ AR_ID = 0, {text} ]", code=AUTHORIZATION)
    mallory.fails("one.vn.update_ar", part, "AR = [ AR_ID = 0, SIZE = 200 ]", code=ACTION, text="cannot be changed")
    mallory.fails("one.vn.add_ar", part, "AR = [ TYPE = IP4, IP = 10.0.0.50, SIZE = 1 ]")
    mallory.fails("one.vn.reserve", part, "NAME = deeper\nSIZE = 1", code=ACTION)
    mallory.fails("one.vn.reserve", lan, f"NETWORK_ID = {hidden[0]}\nSIZE = 1", code=AUTHORIZATION)
    mallory.fails("one.vn.reserve", lan, "NAME = over\nSIZE = 2\nIP = 10.0.0.50", code=ACTION, text="Not enough")
    mallory.ok("one.vn.update", part, "NOTE = x", 0)


def test_two_want_the_same(one, mallory, victim, lan):
    """Eight at once want the same ten addresses, as reservations and as cards: each is somebody's, once."""
    rows, machines = [], []

    def grab(client, number):
        reply = client.call("one.vn.reserve", lan, f"NAME = race{number}\nSIZE = 10\nIP = 10.0.0.120")
        rows.extend([reply[1]] if reply[0] else [])
        for last in range(120, 130):
            reply = client.call("one.vm.allocate", SMALL + f"NIC = [ NETWORK_ID = {lan}, IP = 10.0.0.{last} ]", True)
            machines.extend([reply[1]] if reply[0] else [])
    threads = [threading.Thread(target=grab, args=((mallory, victim)[n % 2], n)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rows) * 10 + len(machines) == 10
    assert len([ip for ip in held(one, lan) if 120 <= int(ip.rsplit(".")[-1]) < 130]) == 10


def test_range_that_could_not_be_read_again(one, lan, unchanged):
    """Not even an administrator gives a range what oned cannot start with."""
    unchanged(lambda: [one.xml("one.vn.info", lan).findtext(f"AR_POOL/AR[2]/{name}") for name in ("PREFIX_LENGTH", "SIZE", "TYPE")])
    one.call("one.vn.update_ar", lan, 'AR = [ AR_ID = 1, PREFIX_LENGTH = "x", TYPE = "y", IP6 = "z", MAC = "m" ]')
    one.fails("one.vn.update_ar", lan, "AR = [ AR_ID = 1, SIZE = 99999999999 ]")
    one.fails("one.vn.update_ar", lan, "AR = [ AR_ID = 4294967297, SIZE = 3 ]", code=ACTION, text="does not exist")
    one.restart()


def test_addresses_of_others_are_not_ones_own(one, mallory, lan):
    """With each of a card's addresses its guest may speak, so the network alone says them."""
    theirs = 'VROUTER_IP = "10.0.0.1", IP6_GLOBAL = "2001:db8::1", IP6_ULA = "fd00::1", VROUTER_IP6 = "fd00::2"'
    vm = mallory.ok("one.vm.allocate", f"CPU = 0.1\nMEMORY = 64\nNIC = [ NETWORK_ID = {lan}, {theirs} ]", True)
    card = one.vm(vm).find("TEMPLATE/NIC")
    assert [card.findtext(name) for name in ("VROUTER_IP", "IP6_GLOBAL", "IP6_ULA", "VROUTER_IP6")] == [None] * 4
    mallory.fails("one.vm.updatenic", vm, 0, 'NIC = [ VROUTER_IP = "10.0.0.1" ]', 1)
    one.ok("one.vm.recover", vm, 3)

"""Virtual networks: ranges, leases that machines hold, reservations, security groups."""
import random
import threading

import pytest
from api.states import ACTION, ALLOCATE, AUTHORIZATION, INTERNAL, NO_EXISTS

numbers = iter(range(1, 10000))


def network(client, ranges="AR = [ TYPE = IP4, IP = 10.0.0.1, SIZE = 10 ]", more="VN_MAD = dummy\nBRIDGE = br0\n"):
    return client.ok("one.vn.allocate", f"NAME = net{next(numbers)}\n{more}{ranges}", -1)


def info(client, identity):
    return client.xml("one.vn.info", identity)


def leases(client, identity):
    """IP (or MAC) to who holds it."""
    return {lease.findtext("IP") or lease.findtext("MAC"):
            ("VM", int(lease.findtext("VM"))) if lease.find("VM") is not None else ("VNET", int(lease.findtext("VNET")))
            for lease in info(client, identity).iter("LEASE")}


def machine(client, *nics, hold=True, more=""):
    return client.allocate("".join(f"NIC = [ {nic} ]\n" for nic in nics) + more, hold=hold)


def nics(client, vm, kind="NIC"):
    return [{child.tag: child.text for child in nic} for nic in client.vm(vm).findall(f"TEMPLATE/{kind}")]


def gone(client, vm):
    client.ok("one.vm.recover", vm, 3)
    client.wait(vm, "DONE")


@pytest.fixture(autouse=True, scope="module")
def nobody_sees_networks(one):
    """By the rules of the first start the group of users may use every network; here only what is granted counts."""
    for rule in one.xml("one.acl.info"):
        if rule.findtext("STRING").startswith("@1 ") and "NET" in rule.findtext("STRING").split()[1].split("/")[0].split("+"):
            one.ok("one.acl.delrule", int(rule.findtext("ID")))


# -- networks --

def test_life(one):
    identity = network(one, more="VN_MAD = dummy\nDNS = \"10.0.0.53\"\n")
    net = info(one, identity)
    assert net.findtext("STATE") == "1" and net.findtext("VN_MAD") == "dummy"
    assert net.findtext("BRIDGE") == f"onebr{identity}" and net.findtext("TEMPLATE/SECURITY_GROUPS") == "0"
    assert [x.text for x in net.findall("CLUSTERS/ID")] == ["0"]
    ar = net.find("AR_POOL/AR")
    assert (ar.findtext("IP"), ar.findtext("IP_END"), ar.findtext("MAC"), ar.findtext("MAC_END")) == (
        "10.0.0.1", "10.0.0.10", "02:00:0a:00:00:01", "02:00:0a:00:00:0a")
    one.ok("one.vn.update", identity, "DNS = \"10.0.0.54\"", 1)
    assert info(one, identity).findtext("TEMPLATE/DNS") == "10.0.0.54"
    listed = [item for item in one.xml("one.vnpool.info", -2, -1, -1) if item.findtext("ID") == str(identity)]
    assert len(listed) == 1 and listed[0].find(".//LEASES") is None
    assert str(identity) in [x.text for x in one.xml("one.cluster.info", 0).findall("VNETS/ID")]
    one.ok("one.vn.delete", identity)
    one.fails("one.vn.info", identity, code=NO_EXISTS, text=f"Error getting virtual network [{identity}].")
    assert str(identity) not in [x.text for x in one.xml("one.cluster.info", 0).findall("VNETS/ID")]


@pytest.mark.parametrize("template, code, text", [
    ("VN_MAD = dummy", ALLOCATE, "No NAME"),
    ("NAME = x", ALLOCATE, "No VN_MAD"),
    ("NAME = x\nVN_MAD = dummy\nAR = [ TYPE = IP4, SIZE = 5 ]", INTERNAL, "Wrong IP"),
    ("NAME = x\nVN_MAD = dummy\nAR = [ TYPE = IP9, SIZE = 5 ]", INTERNAL, "IP9"),
    ("NAME = x\nVN_MAD = dummy\nAR = [ TYPE = IP4, IP = 10.0.0.1, SIZE = 0 ]", INTERNAL, "SIZE"),
    ("NAME = x\nVN_MAD = dummy\nAR = 7", INTERNAL, "AR must be a vector"),
    ("NAME = x\nVN_MAD = dummy\nAR = [", INTERNAL, "Parse error"),
])
def test_wrong_templates(one, template, code, text):
    before = len(one.xml("one.vnpool.info", -2, -1, -1))
    one.fails("one.vn.allocate", template, -1, code=code, text=text)
    assert len(one.xml("one.vnpool.info", -2, -1, -1)) == before


def test_networks_of_2009(one):
    ranged = one.ok("one.vn.allocate", "NAME = old1\nTYPE = RANGED\nBRIDGE = vbr0\nNETWORK_SIZE = C\nNETWORK_ADDRESS = 192.168.0.0", -1)
    ar = info(one, ranged).find("AR_POOL/AR")
    assert (ar.findtext("IP"), ar.findtext("SIZE")) == ("192.168.0.1", "254")
    fixed = one.ok("one.vn.allocate", 'NAME = old2\nTYPE = FIXED\nBRIDGE = vbr1\nLEASES = [ IP = "130.10.0.1", MAC = "50:20:20:20:20:20" ]\n'
                   'LEASES = [ IP = "130.10.0.9" ]', -1)
    vm = machine(one, f'NETWORK_ID = {fixed}')
    assert nics(one, vm)[0]["IP"] == "130.10.0.1" and nics(one, vm)[0]["MAC"] == "50:20:20:20:20:20"
    gone(one, vm)


def test_vlan_numbers_are_given(one):
    first = network(one, more="VN_MAD = \"802.1Q\"\nPHYDEV = eth0\n")
    second = network(one, more="VN_MAD = \"802.1Q\"\nPHYDEV = eth0\n")
    own = network(one, more="VN_MAD = \"802.1Q\"\nPHYDEV = eth0\nVLAN_ID = 77\n")
    given = [int(info(one, net).findtext("VLAN_ID")) for net in (first, second)]
    assert given[0] != given[1] and min(given) >= 2
    assert info(one, own).findtext("VLAN_ID") == "77" and info(one, own).findtext("VLAN_ID_AUTOMATIC") == "0"
    assert info(one, first).findtext("VLAN_ID_AUTOMATIC") == "1"


# -- leases --

def test_machine_gets_an_address(one):
    net = network(one, more="VN_MAD = dummy\nBRIDGE = br7\nGATEWAY = 10.0.0.254\nNETWORK_MASK = 255.255.255.0\nDNS = 9.9.9.9\n")
    vm = machine(one, f"NETWORK_ID = {net}", f"NETWORK_ID = {net}", more='CONTEXT = [ NETWORK = "YES" ]')
    first, second = nics(one, vm)
    assert (first["IP"], first["MAC"], first["BRIDGE"], first["AR_ID"]) == ("10.0.0.1", "02:00:0a:00:00:01", "br7", "0")
    assert (second["IP"], second["NIC_ID"]) == ("10.0.0.2", "1") and first["SECURITY_GROUPS"] == "0"
    assert first["NETWORK"].startswith("net") and first["VN_MAD"] == "dummy" and first["CLUSTER_ID"] == "0"
    context = {child.tag: child.text for child in one.vm(vm).find("TEMPLATE/CONTEXT")}
    assert (context["ETH0_IP"], context["ETH0_GATEWAY"], context["ETH0_MASK"], context["ETH1_DNS"]) == (
        "10.0.0.1", "10.0.0.254", "255.255.255.0", "9.9.9.9")
    assert leases(one, net) == {"10.0.0.1": ("VM", vm), "10.0.0.2": ("VM", vm)}
    assert [x.text for x in info(one, net).findall("UPDATED_VMS/ID")] == [str(vm)]
    assert "(CLUSTER_ID = 0)" in one.vm(vm).findtext("TEMPLATE/AUTOMATIC_REQUIREMENTS")
    assert one.vm(vm).findtext("TEMPLATE/SECURITY_GROUP_RULE/SECURITY_GROUP_NAME") == "default"
    one.fails("one.vn.delete", net, code=ACTION, text="leases in use")
    gone(one, vm)
    assert leases(one, net) == {}
    one.ok("one.vn.delete", net)


def test_asked_for_address(one):
    net = network(one)
    vm = machine(one, f"NETWORK_ID = {net}, IP = 10.0.0.7")
    assert nics(one, vm)[0]["MAC"] == "02:00:0a:00:00:07"
    template = "CPU = 0.1\nMEMORY = 64\nNIC = [ NETWORK_ID = %d, IP = %s ]"
    one.fails("one.vm.allocate", template % (net, "10.0.0.7"), True, code=INTERNAL, text="10.0.0.7 is in use")
    one.fails("one.vm.allocate", template % (net, "10.0.0.77"), True, code=INTERNAL, text="in none of its ranges")
    one.fails("one.vm.allocate", template % (net, "x"), True, code=INTERNAL, text="in none of its ranges")
    other = machine(one, f'NETWORK_ID = {net}, MAC = "02:00:0a:00:00:03"')
    assert nics(one, other)[0]["IP"] == "10.0.0.3"
    one.fails("one.vm.allocate", template % (4711, "10.0.0.1"), True, code=INTERNAL, text="Virtual network with ID: 4711 does not exist")
    gone(one, vm), gone(one, other)


def test_all_or_nothing(one):
    """The second card gets none: the first gives its address back, and no machine is made."""
    small = network(one, "AR = [ TYPE = IP4, IP = 10.0.0.1, SIZE = 1 ]")
    large = network(one)
    keeper = machine(one, f"NETWORK_ID = {small}")
    before = one.xml("one.vmpool.info", -2, -1, -1, -2)
    one.fails("one.vm.allocate", f"CPU = 0.1\nMEMORY = 64\nNIC = [ NETWORK_ID = {large} ]\nNIC = [ NETWORK_ID = {small} ]", True,
              code=INTERNAL, text="all of its addresses are in use")
    one.fails("one.vm.allocate", f"CPU = 0.1\nMEMORY = 64\nNIC = [ NETWORK_ID = {large}, IP = 10.0.0.4 ]\n"
              f"NIC = [ NETWORK_ID = {large}, IP = 10.0.0.4 ]", True, code=INTERNAL, text="in use")
    assert leases(one, large) == {}
    assert len(one.xml("one.vmpool.info", -2, -1, -1, -2)) == len(before)
    gone(one, keeper)


def test_network_by_name(one):
    user = one.user("net-user")
    net = network(one)
    name = info(one, net).findtext("NAME")
    user.fails("one.vm.allocate", f"CPU = 0.1\nMEMORY = 64\nNIC = [ NETWORK = \"{name}\" ]", True, code=INTERNAL,
               text="does not own a network with name")
    nic = f'NETWORK = "{name}", NETWORK_UNAME = oneadmin'
    user.fails("one.vm.allocate", f"CPU = 0.1\nMEMORY = 64\nNIC = [ {nic} ]", True, code=AUTHORIZATION, text=f"USE NET [{net}]")
    assert leases(one, net) == {}
    one.ok("one.vn.chmod", net, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    vm = machine(user, nic)
    assert leases(one, net) == {"10.0.0.1": ("VM", vm)}
    gone(one, vm)


def test_an_address_that_was_not_given_is_not_given_back(one):
    """What a user writes into a card does not free somebody else's address."""
    net = network(one)
    victim = machine(one, f"NETWORK_ID = {net}")
    thief = one.user("thief")
    vm = machine(thief, f'AR_ID = 0, NETMASK = "x"')
    assert "AR_ID" not in nics(one, vm)[0]
    gone(one, vm)
    assert leases(one, net) == {"10.0.0.1": ("VM", victim)}
    gone(one, victim)


@pytest.mark.parametrize("ar, first, last", [
    ('TYPE = IP6, SIZE = 4, GLOBAL_PREFIX = "2001:db8::", ULA_PREFIX = "fd00::", MAC = "02:00:00:00:00:10"',
     {"IP6_GLOBAL": "2001:db8::ff:fe00:10", "IP6_ULA": "fd00::ff:fe00:10"}, "02:00:00:00:00:13"),
    ('TYPE = IP6_STATIC, SIZE = 4, IP6 = "2001:db8::10", PREFIX_LENGTH = 64, MAC = "02:00:00:00:00:10"',
     {"IP6": "2001:db8::10"}, "02:00:00:00:00:13"),
    ('TYPE = ETHER, SIZE = 4, MAC = "02:00:00:00:00:10"', {"MAC": "02:00:00:00:00:10"}, "02:00:00:00:00:13"),
    ('TYPE = IP4_6, SIZE = 4, IP = 10.1.0.1, GLOBAL_PREFIX = "2001:db8::"',
     {"IP": "10.1.0.1", "IP6_GLOBAL": "2001:db8::aff:fe01:1"}, "02:00:0a:01:00:04"),
])
def test_types(one, ar, first, last):
    net = network(one, f"AR = [ {ar} ]")
    assert info(one, net).findtext("AR_POOL/AR/MAC_END") == last
    vm = machine(one, f"NETWORK_ID = {net}")
    got = nics(one, vm)[0]
    assert {name: got.get(name) for name in first} == first
    gone(one, vm)


def test_alias(one):
    net = network(one)
    vm = machine(one, f"NETWORK_ID = {net}, NAME = public", more=f'NIC_ALIAS = [ NETWORK_ID = {net}, PARENT = public ]\n'
                 'CONTEXT = [ NETWORK = "YES" ]\n')
    alias = nics(one, vm, "NIC_ALIAS")[0]
    assert (alias["IP"], alias["PARENT_ID"], alias["ALIAS_ID"], alias["NIC_ID"]) == ("10.0.0.2", "0", "0", "1")
    assert nics(one, vm)[0]["ALIAS_IDS"] == "1"
    assert one.vm(vm).findtext("TEMPLATE/CONTEXT/ETH0_ALIAS0_IP") == "10.0.0.2"
    gone(one, vm)
    assert leases(one, net) == {}
    one.fails("one.vm.allocate", f"CPU = 0.1\nMEMORY = 64\nNIC_ALIAS = [ NETWORK_ID = {net}, PARENT = none ]", True,
              code=INTERNAL, text='PARENT "none"')
    assert leases(one, net) == {}


def test_no_address_twice_under_load(one):
    """Many callers at once, more machines than addresses."""
    net = network(one, "AR = [ TYPE = IP4, IP = 10.0.0.1, SIZE = 60 ]\nAR = [ TYPE = IP4, IP = 10.2.0.1, SIZE = 20 ]")
    made, refused = [], []

    def work():
        for _ in range(15):
            reply = one.call("one.vm.allocate", f"CPU = 0.1\nMEMORY = 64\nNIC = [ NETWORK_ID = {net} ]", True)
            (made if reply[0] else refused).append(reply[1])
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 80 and len(refused) == 40
    held = leases(one, net)
    assert sorted(vm for _, vm in held.values()) == sorted(made)
    assert info(one, net).findtext("USED_LEASES") == "80"
    for vm in random.sample(made, 80):
        one.ok("one.vm.recover", vm, 3)
    one.server.until(lambda: leases(one, net) == {}, "all addresses to be given back")


# -- ranges --

def test_ranges(one):
    net = network(one)
    one.ok("one.vn.add_ar", net, "AR = [ TYPE = IP4, IP = 10.5.0.1, SIZE = 3, GATEWAY = 10.5.0.254 ]")
    vm = machine(one, f"NETWORK_ID = {net}, AR_ID = 1", more='CONTEXT = [ NETWORK = "YES" ]')
    assert nics(one, vm)[0]["IP"] == "10.5.0.1"
    assert one.vm(vm).findtext("TEMPLATE/CONTEXT/ETH0_GATEWAY") == "10.5.0.254"
    one.fails("one.vn.rm_ar", net, 1, code=ACTION, text="in use")
    one.fails("one.vn.rm_ar", net, 1, True, code=ACTION, text="in use")
    one.ok("one.vn.update_ar", net, "AR = [ AR_ID = 1, SIZE = 9, NOTE = larger, IP = 9.9.9.9 ]")
    second = info(one, net).findall("AR_POOL/AR")[1]
    assert (second.findtext("SIZE"), second.findtext("NOTE"), second.findtext("IP"), second.findtext("IP_END")) == (
        "9", "larger", "10.5.0.1", "10.5.0.9")
    one.fails("one.vn.update_ar", net, "AR = [ AR_ID = 1, SIZE = 0 ]", code=INTERNAL, text="SIZE")
    one.fails("one.vn.update_ar", net, "AR = [ AR_ID = 7, SIZE = 1 ]", code=ACTION, text="Address Range 7 does not exist")
    one.fails("one.vn.add_ar", net, "SIZE = 3", code=ACTION, text="AR")
    gone(one, vm)
    one.ok("one.vn.rm_ar", net, 1)
    one.ok("one.vn.add_ar", net, "AR = [ TYPE = ETHER, SIZE = 3 ]")
    assert [x.text for x in info(one, net).findall("AR_POOL/AR/AR_ID")] == ["0", "2"]


def test_hold(one):
    net = network(one, "AR = [ TYPE = IP4, IP = 10.0.0.1, SIZE = 2 ]")
    one.ok("one.vn.hold", net, "LEASES = [ IP = 10.0.0.1 ]")
    assert leases(one, net) == {"10.0.0.1": ("VM", -1)}
    one.fails("one.vn.hold", net, "LEASES = [ IP = 10.0.0.1 ]", code=ACTION, text="in use")
    one.fails("one.vn.hold", net, "LEASES = [ IP = 10.0.0.9 ]", code=ACTION, text="in none")
    one.fails("one.vn.hold", net, "LEASES = [ X = 1 ]", code=ACTION, text="names no IP")
    one.fails("one.vn.hold", net, "IP = 10.0.0.1", code=ACTION, text="LEASES")
    vm = machine(one, f"NETWORK_ID = {net}")
    assert nics(one, vm)[0]["IP"] == "10.0.0.2"
    one.fails("one.vn.release", net, "LEASES = [ IP = 10.0.0.2 ]", code=ACTION, text="not on hold")
    one.ok("one.vn.release", net, "LEASES = [ IP = 10.0.0.1 ]")
    gone(one, vm)
    assert leases(one, net) == {}


def test_reservation(one):
    net = network(one)
    one.ok("one.vn.chmod", net, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    user = one.user("reserver")
    own = user.ok("one.vn.reserve", net, "SIZE = 3\nNAME = mine")
    part = info(user, own)
    assert part.findtext("PARENT_NETWORK_ID") == str(net) and part.findtext("UNAME") == "reserver"
    assert (part.findtext("AR_POOL/AR/IP"), part.findtext("AR_POOL/AR/SIZE"), part.findtext("AR_POOL/AR/PARENT_NETWORK_AR_ID")) == (
        "10.0.0.1", "3", "0")
    assert leases(one, net) == {f"10.0.0.{n}": ("VNET", own) for n in (1, 2, 3)}
    vm = machine(user, f"NETWORK_ID = {own}")
    assert nics(one, vm)[0]["IP"] == "10.0.0.1"
    user.ok("one.vn.reserve", net, f"SIZE = 2\nNETWORK_ID = {own}\nIP = 10.0.0.5")
    assert len(info(user, own).findall("AR_POOL/AR")) == 2
    user.fails("one.vn.reserve", net, "SIZE = 5\nNAME = large", code=ACTION, text="no 5 in a row")
    user.fails("one.vn.reserve", net, "SIZE = 1\nIP = 10.0.0.6\nNAME = taken", code=ACTION, text="from 10.0.0.6")
    user.fails("one.vn.reserve", net, "SIZE = x\nNAME = odd", code=ACTION, text="Wrong SIZE")
    user.fails("one.vn.reserve", own, "SIZE = 1\nNAME = nested", code=ACTION, text="from a reservation")
    user.fails("one.vn.add_ar", own, "AR = [ TYPE = ETHER, SIZE = 3 ]", code=AUTHORIZATION)
    one.fails("one.vn.add_ar", own, "AR = [ TYPE = ETHER, SIZE = 3 ]", code=ACTION, text="reservation")
    user.fails("one.vn.update_ar", own, "AR = [ AR_ID = 1, SIZE = 9 ]", code=ACTION, text="cannot be changed")
    one.fails("one.vn.delete", net, code=ACTION, text="leases in use")
    user.fails("one.vn.free_ar", own, 0, code=ACTION, text="in use")
    user.ok("one.vn.free_ar", own, 1)
    assert set(leases(one, net)) == {"10.0.0.1", "10.0.0.2", "10.0.0.3"}
    gone(one, vm)
    user.ok("one.vn.delete", own)
    assert leases(one, net) == {}


# -- rights and clusters --

def test_rights(one):
    user = one.user("net-rights")
    net = network(one)
    user.fails("one.vn.allocate", "NAME = n\nVN_MAD = dummy", -1, code=AUTHORIZATION)
    user.fails("one.vn.info", net, code=AUTHORIZATION, text=f"USE NET [{net}]")
    user.fails("one.vn.reserve", net, "SIZE = 1\nNAME = n", code=AUTHORIZATION)
    assert str(net) not in [x.findtext("ID") for x in user.xml("one.vnpool.info", -2, -1, -1)]
    one.ok("one.vn.chmod", net, -1, -1, -1, -1, -1, -1, 1, 1, -1)
    user.fails("one.vn.update", net, "BRIDGE = br9", 1, code=AUTHORIZATION, text="restricted attribute BRIDGE")
    user.ok("one.vn.update", net, "NOTE = x", 0)
    assert info(one, net).findtext("BRIDGE") == "br0"
    user.fails("one.vn.rm_ar", net, 0, code=AUTHORIZATION, text="ADMIN NET")


def test_clusters(one):
    cluster = one.ok("one.cluster.allocate", f"cluster-net{next(numbers)}")
    here, there, both = network(one), network(one), network(one)
    one.ok("one.cluster.addvnet", cluster, there)
    one.ok("one.cluster.delvnet", 0, there)
    one.ok("one.cluster.addvnet", cluster, both)
    one.fails("one.cluster.delvnet", 0, there, code=ACTION, text="not in cluster 0")
    one.fails("one.cluster.delete", cluster, code=ACTION, text="not empty")
    vm = machine(one, f"NETWORK_ID = {there}", f"NETWORK_ID = {both}")
    assert f"(CLUSTER_ID = {cluster})" in one.vm(vm).findtext("TEMPLATE/AUTOMATIC_REQUIREMENTS")
    one.fails("one.vm.allocate", f"CPU = 0.1\nMEMORY = 64\nNIC = [ NETWORK_ID = {here} ]\nNIC = [ NETWORK_ID = {there} ]", True,
              code=INTERNAL, text="Incompatible clusters")
    assert leases(one, here) == {}
    gone(one, vm)


# -- security groups --

def test_security_groups(one):
    group = one.ok("one.secgroup.allocate", 'NAME = web\nRULE = [ PROTOCOL = TCP, RULE_TYPE = INBOUND, RANGE = "80,443" ]')
    net = network(one)
    vm = machine(one, f'NETWORK_ID = {net}, SECURITY_GROUPS = "{group}"')
    assert nics(one, vm)[0]["SECURITY_GROUPS"] == f"0,{group}"
    rules = [(rule.findtext("SECURITY_GROUP_ID"), rule.findtext("RANGE")) for rule in one.vm(vm).findall("TEMPLATE/SECURITY_GROUP_RULE")]
    assert (str(group), "80,443") in rules and len(rules) == 3
    assert [x.text for x in one.xml("one.secgroup.info", group).findall("UPDATED_VMS/ID")] == [str(vm)]
    one.fails("one.secgroup.delete", group, code=ACTION, text="is being used")
    one.ok("one.secgroup.update", group, 'RULE = [ PROTOCOL = TCP, RULE_TYPE = INBOUND, RANGE = "22" ]', 0)
    assert "22" in [rule.findtext("RANGE") for rule in one.vm(vm).findall("TEMPLATE/SECURITY_GROUP_RULE")]
    one.ok("one.secgroup.commit", group, False)
    gone(one, vm)
    assert one.xml("one.secgroup.info", group).find("UPDATED_VMS/ID") is None
    one.ok("one.secgroup.delete", group)
    one.fails("one.secgroup.delete", 0, code=ACTION, text="default security group")


@pytest.mark.parametrize("rule, text", [
    ('PROTOCOL = TCP, RULE_TYPE = INBOUND, RANGE = "90:80"', "90:80"), ("PROTOCOL = TCP, RULE_TYPE = INBOUND, IP = 10.0.0, SIZE = 1", "10.0.0"),
    ("PROTOCOL = TCP, RULE_TYPE = INBOUND, IP = 10.0.0.1, SIZE = 0", "SIZE"), ("PROTOCOL = ICMP, RULE_TYPE = INBOUND, ICMP_TYPE = 256", "256"),
    ("PROTOCOL = XTP, RULE_TYPE = INBOUND", "XTP"), ("PROTOCOL = TCP", "RULE_TYPE"),
    ('PROTOCOL = TCP, RULE_TYPE = INBOUND, RANGE = "80;443"', "80;443"),
    ('PROTOCOL = TCP, RULE_TYPE = INBOUND, RANGE = "70000"', "70000"),
    ('PROTOCOL = TCP, RULE_TYPE = INBOUND, IP = "10.0.0.1"', "SIZE"),
])
def test_wrong_rules(one, rule, text):
    one.fails("one.secgroup.allocate", f"NAME = bad\nRULE = [ {rule} ]", code=ALLOCATE, text=text)


def test_others_groups(one):
    group = one.ok("one.secgroup.allocate", f"NAME = private{next(numbers)}")
    user = one.user("sg-user")
    user.fails("one.vm.allocate", f'CPU = 0.1\nMEMORY = 64\nNIC = [ SECURITY_GROUPS = "{group}" ]', True, code=AUTHORIZATION,
               text=f"USE SECGROUP [{group}]")
    user.fails("one.vm.allocate", 'CPU = 0.1\nMEMORY = 64\nNIC = [ SECURITY_GROUPS = "4711" ]', True, code=INTERNAL,
               text="Security group with ID: 4711 does not exist")


# -- the whole --

def test_they_outlive_a_restart(fresh):
    server = fresh()
    net = network(server, "AR = [ TYPE = IP4, IP = 10.0.0.1, SIZE = 10, NOTE = x ]")
    vm = machine(server, f"NETWORK_ID = {net}")
    server.ok("one.vn.hold", net, "LEASES = [ IP = 10.0.0.9 ]")
    own = server.ok("one.vn.reserve", net, "SIZE = 2\nNAME = part")
    before = [leases(server, net), nics(server, vm), server.ok("one.vn.info", own), server.ok("one.secgroup.info", 0)]
    server.kill()
    server.start()
    assert [leases(server, net), nics(server, vm), server.ok("one.vn.info", own), server.ok("one.secgroup.info", 0)] == before
    assert "in order" in server.command("--check").stdout
    server.ok("one.vm.recover", vm, 3)
    server.ok("one.vn.delete", own)
    assert set(leases(server, net)) == {"10.0.0.9"}


# -- cards that come and go --

@pytest.mark.parametrize("state", ["RUNNING", "POWEROFF"])
def test_attached_card(one, state):
    net = network(one)
    vm = one.running()
    if state == "POWEROFF":
        one.action("poweroff", vm)
        one.wait(vm, "POWEROFF")
    one.ok("one.vm.attachnic", vm, f"NIC = [ NETWORK_ID = {net}, IP = 10.0.0.4 ]")
    one.wait(vm, state)
    card = nics(one, vm)[-1]
    assert (card["IP"], card["BRIDGE"], card["MAC"]) == ("10.0.0.4", "br0", "02:00:0a:00:00:04")
    assert leases(one, net) == {"10.0.0.4": ("VM", vm)}
    assert [x.text for x in one.xml("one.secgroup.info", 0).findall("UPDATED_VMS/ID")].count(str(vm)) == 1
    one.fails("one.vm.attachnic", vm, f"NIC = [ NETWORK_ID = {net}, IP = 10.0.0.4 ]", text="in use")
    one.fails("one.vm.attachnic", vm, "NIC = [ NETWORK_ID = 4711 ]", text="does not exist")
    one.ok("one.vm.detachnic", vm, int(card["NIC_ID"]))
    one.wait(vm, state)
    assert leases(one, net) == {} and nics(one, vm) == []
    assert one.vm(vm).find("TEMPLATE/SECURITY_GROUP_RULE") is None
    gone(one, vm)


def test_card_that_cannot_be_attached(one):
    """The driver refuses: the machine is as it was, and the address is free again."""
    net = network(one)
    vm = one.running()
    one.control("ATTACHNIC * fail=1")
    one.ok("one.vm.attachnic", vm, f"NIC = [ NETWORK_ID = {net} ]")
    one.wait(vm, "RUNNING")
    one.server.until(lambda: leases(one, net) == {}, "the address to be given back")
    assert nics(one, vm) == []
    one.control()
    held = one.allocate(hold=True)
    one.fails("one.vm.attachnic", held, f"NIC = [ NETWORK_ID = {net} ]", text="")
    assert leases(one, net) == {}
    gone(one, vm), gone(one, held)


def lists(client, group):
    found = client.xml("one.secgroup.info", group)
    return {name: [int(x.text) for x in found.findall(f"{name}_VMS/ID")] for name in ("UPDATED", "OUTDATED", "UPDATING", "ERROR")}


def test_hosts_are_told_of_changed_rules(one):
    """The driver of a running machine gets UPDATESG; what it does not take is said, and may be tried again."""
    group = one.ok("one.secgroup.allocate", "NAME = told\nRULE = [ PROTOCOL = ALL, RULE_TYPE = OUTBOUND ]")
    net = network(one, more=f"VN_MAD = fw\nSECURITY_GROUPS = {group}\n")
    running, held = machine(one, f"NETWORK_ID = {net}", hold=True), machine(one, f"NETWORK_ID = {net}", hold=True)
    plain = machine(one, f"NETWORK_ID = {network(one)}, SECURITY_GROUPS = {group}", hold=True)
    assert nics(one, running)[0]["TARGET"] == f"one-{running}-0"
    for vm in (running, plain):
        one.ok("one.vm.deploy", vm, 0)
        one.wait(vm, "RUNNING")
    one.ok("one.secgroup.update", group, "RULE = [ PROTOCOL = TCP, RULE_TYPE = INBOUND ]", 0)
    one.until(lambda: lists(one, group) == {"UPDATED": [running, held, plain], "OUTDATED": [], "UPDATING": [], "ERROR": []}, "the lists of the group")
    log = one.var / "vms" / str(running) / "vm.log"
    one.until(lambda: "security groups are in force" in log.read_text(), "the line of the log")  # written after the answer
    assert "security groups" not in (one.var / "vms" / str(plain) / "vm.log").read_text()  # its driver applies none
    # A host that does not take them.
    one.control("UPDATESG * fail=1")
    one.ok("one.secgroup.update", group, "RULE = [ PROTOCOL = UDP, RULE_TYPE = INBOUND ]", 0)
    one.until(lambda: lists(one, group)["ERROR"] == [running], "the lists of the group")
    assert lists(one, group)["UPDATED"] == [held, plain]
    assert "UPDATESG" in one.vm(running).findtext("USER_TEMPLATE/ERROR")
    one.control()
    one.ok("one.secgroup.commit", group, True)
    one.until(lambda: lists(one, group)["UPDATED"] == [running, held, plain], "the lists of the group")
    # Nobody needs to be told of a machine that is off.
    one.control("UPDATESG * fail=1")
    one.ok("one.secgroup.update", group, "RULE = [ PROTOCOL = ICMP, RULE_TYPE = INBOUND ]", 0)
    one.until(lambda: lists(one, group)["ERROR"] == [running], "the lists of the group")
    one.control()
    one.action("poweroff-hard", running)
    one.wait(running, "POWEROFF")
    assert lists(one, group)["ERROR"] == []
    for vm in (running, held, plain):
        gone(one, vm)


def test_a_restart_forgets_no_change(fresh):
    one = fresh(hosts=1)
    group = one.ok("one.secgroup.allocate", "NAME = later\nRULE = [ PROTOCOL = ALL, RULE_TYPE = OUTBOUND ]")
    fw = f"VN_MAD = fw\nSECURITY_GROUPS = {group}\n"
    vm = machine(one, f"NETWORK_ID = {network(one, more=fw)}", hold=True)
    one.ok("one.vm.deploy", vm, 0)
    one.wait(vm, "RUNNING")
    one.control("UPDATESG * lost=1")
    one.ok("one.secgroup.update", group, "RULE = [ PROTOCOL = TCP, RULE_TYPE = INBOUND ]", 0)
    assert lists(one, group)["UPDATING"] == [vm]
    one.control()
    one.kill()
    one.start()
    one.until(lambda: lists(one, group)["UPDATED"] == [vm], "the lists of the group")
    gone(one, vm)


def test_a_group_that_was_left_waits_for_nobody(one):
    fw = "VN_MAD = fw\n"
    group = one.ok("one.secgroup.allocate", "NAME = left\nRULE = [ PROTOCOL = ALL, RULE_TYPE = OUTBOUND ]")
    vm = machine(one, f"NETWORK_ID = {network(one, more=fw)}", hold=True)
    one.ok("one.vm.deploy", vm, 0)
    one.wait(vm, "RUNNING")
    one.control("UPDATESG * hold=1")
    one.ok("one.vm.attachsg", vm, 0, group)
    assert lists(one, group)["UPDATING"] == [vm]
    one.ok("one.vm.detachsg", vm, 0, group)
    assert lists(one, group) == {"UPDATED": [], "OUTDATED": [], "UPDATING": [], "ERROR": []}
    one.control()
    one.until(lambda: vm in lists(one, 0)["UPDATED"], "the host to be told")
    assert lists(one, group)["UPDATING"] == []
    gone(one, vm)
    one.ok("one.secgroup.delete", group)


def test_the_last_group_goes_while_the_host_is_told(fresh):
    """What the host is being told is older, and no group is left to note that with: it is told once more, also after a kill."""
    one = fresh(hosts=1)
    group = one.ok("one.secgroup.allocate", "NAME = last\nRULE = [ PROTOCOL = ALL, RULE_TYPE = OUTBOUND ]")
    fw = "VN_MAD = fw\n"
    vm = machine(one, f"NETWORK_ID = {network(one, more=fw)}", hold=True)
    one.ok("one.vm.deploy", vm, 0)
    one.wait(vm, "RUNNING")
    log = one.var / "vms" / str(vm) / "vm.log"

    def told():
        return log.read_text().count("security groups are in force")

    def mark():
        return nics(one, vm)[0].get("RULES_OUTDATED")
    one.control("UPDATESG * hold=1")
    one.ok("one.vm.attachsg", vm, 0, group)
    for left in (0, group):
        one.ok("one.vm.detachsg", vm, 0, left)
    assert nics(one, vm)[0].get("SECURITY_GROUPS") in (None, "") and mark() == "YES"
    one.control()
    one.until(lambda: told() == 2, "the host to be told of no groups at all")
    assert mark() is None
    one.ok("one.vm.attachsg", vm, 0, group)
    one.until(lambda: lists(one, group)["UPDATED"] == [vm], "the lists of the group")
    one.control("UPDATESG * lost=1")
    one.ok("one.vm.detachsg", vm, 0, group)
    assert mark() == "TOLD"
    one.control()
    one.kill()
    one.start()
    one.until(lambda: told() == 4, "the host to be told after the kill")
    assert mark() is None
    gone(one, vm)


def test_the_last_group_goes_and_its_host_does_not_take_that(one):
    """No list of a group names such a machine, so no commit reaches it: it is told again by itself."""
    fw = "VN_MAD = fw\n"
    vm = machine(one, f"NETWORK_ID = {network(one, more=fw)}", hold=True)
    one.ok("one.vm.deploy", vm, 0)
    one.wait(vm, "RUNNING")
    log = one.var / "vms" / str(vm) / "vm.log"
    one.control("UPDATESG * fail=1")
    one.ok("one.vm.detachsg", vm, 0, 0)
    one.until(lambda: nics(one, vm)[0].get("RULES_OUTDATED") == "FAILED", "the host to refuse")
    assert "UPDATESG" in one.vm(vm).findtext("USER_TEMPLATE/ERROR") and "are in force" not in log.read_text()
    one.control()
    one.until(lambda: "are in force" in log.read_text(), "the host to be told again")
    assert "RULES_OUTDATED" not in nics(one, vm)[0]
    gone(one, vm)


def test_groups_of_an_alias_are_told_as_those_of_a_card(one):
    fw, dummy = network(one, more="VN_MAD = fw\n"), network(one)
    group = one.ok("one.secgroup.allocate", "NAME = alias\nRULE = [ PROTOCOL = ALL, RULE_TYPE = OUTBOUND ]")
    vm = machine(one, f"NETWORK_ID = {dummy}, NAME = first", hold=True,
                 more=f"NIC_ALIAS = [ NETWORK_ID = {fw}, PARENT = first, SECURITY_GROUPS = {group} ]\n")
    one.ok("one.vm.deploy", vm, 0)
    one.wait(vm, "RUNNING")
    log = one.var / "vms" / str(vm) / "vm.log"

    def told(times):
        one.until(lambda: log.read_text().count("are in force") == times, f"the host to be told {times} times")
    one.ok("one.secgroup.update", group, "RULE = [ PROTOCOL = TCP, RULE_TYPE = INBOUND ]", 0)
    told(1)
    one.ok("one.vm.detachsg", vm, 1, 0)
    told(2)
    one.ok("one.vm.detachsg", vm, 1, group)
    told(3)
    assert "RULES_OUTDATED" not in nics(one, vm, "NIC_ALIAS")[0]
    gone(one, vm)


def test_rules_for_a_network(one):
    net = network(one, "AR = [ TYPE = IP4_6, IP = 10.7.0.1, GLOBAL_PREFIX = \"2001:db8::\", SIZE = 10 ]\nAR = [ TYPE = IP4, IP = 10.8.0.1, SIZE = 20 ]")
    group = one.ok("one.secgroup.allocate", f"NAME = from\nRULE = [ PROTOCOL = TCP, RULE_TYPE = INBOUND, NETWORK_ID = {net} ]")
    vm = machine(one, f'NETWORK_ID = {network(one)}, SECURITY_GROUPS = "{group}"')
    rules = [(rule.findtext("IP"), rule.findtext("SIZE")) for rule in one.vm(vm).findall("TEMPLATE/SECURITY_GROUP_RULE")
             if rule.findtext("SECURITY_GROUP_ID") == str(group)]
    assert rules == [("10.7.0.1", "10"), ("10.8.0.1", "20")]
    gone(one, vm)


@pytest.mark.parametrize("text, words", [
    ("VN_MAD = swich\nBRIDGE = br0", "swich"), ("VN_MAD = bridge\nBRIDGE = \"br0 x\"", "BRIDGE"),
    ("VN_MAD = bridge\nBRIDGE = a_name_that_is_too_long", "BRIDGE"), ("VN_MAD = vxlan", "PHYDEV"),
    ("VN_MAD = 802.1Q\nPHYDEV = \"eth0;\"", "PHYDEV"), ("VN_MAD = 802.1Q\nPHYDEV = eth0\nVLAN_ID = 4095", "4095"),
    ("VN_MAD = vxlan\nPHYDEV = eth0\nVLAN_ID = 16777216", "16777216"), ("VN_MAD = fw\nMTU = 20", "MTU")])
def test_connections_that_no_host_can_make(one, text, words):
    one.fails("one.vn.allocate", f"NAME = bad\n{text}", -1, code=ALLOCATE, text=words)
    net = network(one)
    if "VLAN" in text or "MTU" in text:
        one.fails("one.vn.update", net, text, 1, code=ALLOCATE, text=words)
    one.ok("one.vn.delete", net)


def test_what_hosts_do_is_the_networks_own(one):
    """A card brings no device of its own into a network, nor for itself."""
    user, net = one.user("wirer"), network(one)
    one.ok("one.vn.chmod", net, *[-1] * 6, 1, -1, -1)
    vm = user.allocate(f"NIC = [ NETWORK_ID = {net}, VN_MAD = vxlan, PHYDEV = eth0, TARGET = eth1, KEEP_EMPTY_BRIDGE = YES ]\n"
                       "NIC = [ VN_MAD = vxlan, PHYDEV = eth0, VXLAN_TTL = 9 ]\n", hold=True)
    first, second = nics(user, vm)
    assert (first["VN_MAD"], first["TARGET"]) == ("dummy", f"one-{vm}-0")
    assert not {"PHYDEV", "KEEP_EMPTY_BRIDGE"} & set(first) and not {"VN_MAD", "PHYDEV", "VXLAN_TTL"} & set(second)
    one.ok("one.vm.recover", vm, 3)


def test_groups_of_a_card_come_and_go(one):
    network = one.ok("one.vn.allocate", "NAME = sgnet\nVN_MAD = dummy\nFILTER_IP_SPOOFING = YES\nAR = [ TYPE = IP4, IP = 10.77.0.1, SIZE = 5 ]", -1)
    web = one.ok("one.secgroup.allocate", "NAME = sgweb\nRULE = [ PROTOCOL = TCP, RULE_TYPE = INBOUND, RANGE = 80 ]")
    vm = one.running(template=f"NIC = [ NETWORK_ID = {network} ]")

    def told():
        group = one.xml("one.secgroup.info", web)
        return group.findtext("UPDATED_VMS/ID") == str(vm) and not group.findall("UPDATING_VMS/ID") + group.findall("OUTDATED_VMS/ID")
    assert one.ok("one.vm.attachsg", vm, 0, web) == vm
    one.until(told, "the host to be told")
    document = one.vm(vm)
    assert document.findtext("TEMPLATE/NIC/SECURITY_GROUPS") == f"0,{web}"
    assert f"{web}" in [rule.findtext("SECURITY_GROUP_ID") for rule in document.findall("TEMPLATE/SECURITY_GROUP_RULE")]
    one.fails("one.vm.attachsg", vm, 0, web, code=ACTION, text="already")
    one.fails("one.vm.attachsg", vm, 7, web, code=ACTION, text="NIC_ID 7 does not exist")
    one.fails("one.secgroup.delete", web, code=ACTION)
    one.ok("one.vm.detachsg", vm, 0, 0)
    assert one.vm(vm).findtext("TEMPLATE/NIC/SECURITY_GROUPS") == str(web)
    one.fails("one.vm.detachsg", vm, 0, 0, code=ACTION, text="is not in")
    ann = one.user("sgann")
    one.ok("one.vm.chown", vm, ann.uid, -1)
    ann.fails("one.vm.detachsg", vm, 0, web, code=ACTION, text="not be filtered")
    checked = one.command("--check")
    assert checked.returncode == 0, checked.stdout
    one.ok("one.vm.action", "terminate-hard", vm)
    one.wait(vm, "DONE")
    one.ok("one.secgroup.delete", web)
    one.ok("one.vn.delete", network)

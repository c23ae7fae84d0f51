"""Virtual routers: cards with addresses that several machines share, and what comes and goes with them."""
import re

import pytest
from api.states import ACTION, AUTHORIZATION, INTERNAL, NO_EXISTS

TEMPLATE = "CPU = 0.1\nMEMORY = 64\nVROUTER = YES\nCONTEXT = [ NETWORK = YES ]"


def network(one, name, first, size=20):
    return one.ok("one.vn.allocate", f"NAME = {name}\nVN_MAD = dummy\nAR = [ TYPE = IP4, IP = {first}, SIZE = {size} ]", -1)


def refused(one, code, pattern, method, *arguments):
    reply = one.call(method, *arguments)
    assert reply[0] is False and reply[2] == code and re.search(pattern, reply[1]), reply


def check(one):
    """All counters and leases are right in the database."""
    checked = one.command("--check")
    assert checked.returncode == 0, checked.stdout


def rest(one, machines, state):
    for vm in machines:
        one.wait(vm, state)


def held(one, net, who="VROUTER"):
    """Addresses that routers (or machines) hold: their ids by address."""
    return {lease.findtext("IP"): int(lease.findtext(who)) for lease in one.xml("one.vn.info", net).iter("LEASE") if lease.find(who) is not None}


def vms(one, router):
    return [int(item.text) for item in one.xml("one.vrouter.info", router).findall("VMS/ID")]


def cards(one, vm):
    return {int(nic.findtext("NIC_ID")): {item.tag: item.text for item in nic} for nic in one.xml("one.vm.info", vm).findall("TEMPLATE/NIC")}


@pytest.fixture(scope="module")
def template(one):
    return one.ok("one.template.allocate", f"NAME = vr-template\n{TEMPLATE}")


@pytest.fixture
def nets(one):
    numbers = iter(range(1, 1000))
    known = {item.findtext("NAME") for item in one.xml("one.vnpool.info", -2, -1, -1).findall("VNET")}
    number = next(n for n in numbers if f"in{n}" not in known)
    return network(one, f"in{number}", f"10.{number}.0.1"), network(one, f"out{number}", f"10.{number}.9.1"), number


def test_a_router_and_its_machines(one, template, nets):
    inside, outside, number = nets
    router = one.ok("one.vrouter.allocate", f"""NAME = edge{number}
        NIC = [ NETWORK_ID = {inside}, FLOATING_IP = YES, IP = 10.{number}.0.5, VROUTER_MANAGEMENT = YES ]
        NIC = [ NETWORK = out{number}, FLOATING_IP = YES, FLOATING_ONLY = YES ]
        NIC = [ NETWORK_ID = {outside} ]
        KEEPALIVED_PASSWORD = hidden""")
    assert held(one, inside) == {f"10.{number}.0.5": router}
    assert held(one, outside) == {f"10.{number}.9.1": router}
    for net in (inside, outside):
        assert [item.text for item in one.xml("one.vn.info", net).findall("VROUTERS/ID")] == [str(router)]
    assert one.ok("one.vrouter.instantiate", router, 2, template, "", True, "NOTE = x") == router
    first, second = machines = vms(one, router)
    assert one.xml("one.vm.info", first).findtext("NAME") == f"vr-edge{number}-0"
    seen = set()
    for vm in machines:
        nic = cards(one, vm)
        assert nic[0]["VROUTER_IP"] == f"10.{number}.0.5" and nic[0]["IP"] != f"10.{number}.0.5"
        assert nic[1]["VROUTER_IP"] == f"10.{number}.9.1" and "IP" not in nic[1] and "AR_ID" not in nic[1]
        assert "VROUTER_IP" not in nic[2] and nic[2]["IP"]
        seen |= {nic[0]["IP"], nic[2]["IP"], nic[0]["MAC"], nic[1]["MAC"]}
        document = one.xml("one.vm.info", vm)
        assert document.findtext("TEMPLATE/VROUTER_ID") == str(router)
        assert document.findtext("TEMPLATE/VROUTER_KEEPALIVED_ID") == str(router & 0xff)
        context = document.find("TEMPLATE/CONTEXT")
        assert context.findtext("ETH0_VROUTER_IP") == f"10.{number}.0.5"
        assert context.findtext("ETH0_VROUTER_MANAGEMENT") == "YES"
        assert context.findtext("ETH1_VROUTER_IP") == f"10.{number}.9.1"
        assert context.find("ETH1_IP") is None and context.find("ETH2_VROUTER_IP") is None
        assert context.findtext("VROUTER_KEEPALIVED_PASSWORD") == "hidden"
    assert len(seen) == 8
    refused(one, ACTION, "already has VMs", "one.vrouter.instantiate", router, 1, template, "", True, "")
    refused(one, ACTION, "not supported for virtual router VMs", "one.vm.action", "terminate", first)
    refused(one, ACTION, "not supported for virtual router VMs", "one.vm.attachnic", first, f"NIC = [ NETWORK_ID = {inside} ]")
    refused(one, ACTION, "not supported for virtual router VMs", "one.vm.detachnic", first, 0)
    refused(one, ACTION, "leases in use", "one.vn.delete", inside)
    check(one)
    one.restart()
    assert vms(one, router) == machines and held(one, inside) == {f"10.{number}.0.5": router}
    assert one.ok("one.vrouter.delete", router) == router
    assert {one.state(vm) for vm in machines} == {"DONE"}
    for net in (inside, outside):
        assert held(one, net) == held(one, net, "VM") == {}
        assert one.xml("one.vn.info", net).find("VROUTERS/ID") is None
        one.ok("one.vn.delete", net)
    check(one)


def test_cards_come_and_go_with_the_machines(one, template, nets):
    inside, outside, number = nets
    router = one.ok("one.vrouter.allocate", f"NAME = plug{number}\nNIC = [ NETWORK_ID = {inside}, FLOATING_IP = YES ]")
    refused(one, ACTION, "has a card in it|leases in use", "one.vn.delete", inside)
    one.ok("one.vrouter.instantiate", router, 2, template, "m%i", False, "")
    machines = vms(one, router)
    refused(one, ACTION, "wrong state", "one.vrouter.attachnic", router, f"NIC = [ NETWORK_ID = {outside} ]")
    assert held(one, outside) == {} and len(one.xml("one.vrouter.info", router).findall("TEMPLATE/NIC")) == 1
    for vm in machines:
        one.ok("one.vm.deploy", vm, 0, False, -1, "")
    rest(one, machines, "RUNNING")
    one.ok("one.vrouter.attachnic", router, f"NIC = [ NETWORK_ID = {outside}, FLOATING_IP = YES ]")
    rest(one, machines, "RUNNING")
    for vm in machines:
        assert cards(one, vm)[1]["VROUTER_IP"] == f"10.{number}.9.1" and "ATTACH" not in cards(one, vm)[1]
    assert held(one, outside) == {f"10.{number}.9.1": router}
    one.ok("one.vrouter.detachnic", router, 0)
    rest(one, machines, "RUNNING")
    assert [list(cards(one, vm)) for vm in machines] == [[1], [1]]
    assert held(one, inside) == held(one, inside, "VM") == {}
    refused(one, ACTION, "NIC_ID 0 does not exist", "one.vrouter.detachnic", router, 0)
    one.ok("one.vrouter.update", router, "KEEPALIVED_ID = 7", 0)
    shown = one.xml("one.vrouter.info", router)
    assert shown.findtext("TEMPLATE/KEEPALIVED_ID") == "7" and shown.findtext("TEMPLATE/NIC/NIC_ID") == "1"
    check(one)
    one.ok("one.vrouter.delete", router)
    rest(one, machines, "DONE")
    assert held(one, outside) == held(one, outside, "VM") == {}
    refused(one, NO_EXISTS, "Error getting", "one.vrouter.info", router)
    check(one)


def test_a_deleted_router_keeps_its_addresses_until_its_machines_have_ended(one, template, nets):
    """A guest that runs still has them; nobody else may get them before. It can be asked again."""
    inside, outside, number = nets
    router = one.ok("one.vrouter.allocate", f"NAME = goes{number}\nNIC = [ NETWORK_ID = {inside}, FLOATING_IP = YES ]")
    one.ok("one.vrouter.instantiate", router, 1, template, "g%i", False, "")
    (machine,) = vms(one, router)
    one.ok("one.vm.deploy", machine, 0, False, -1, "")
    rest(one, [machine], "RUNNING")
    shared = held(one, inside)
    one.control("CANCEL * latency=600")
    assert one.ok("one.vrouter.delete", router) == router
    assert held(one, inside) == shared and vms(one, router) == [machine]
    assert one.xml("one.vrouter.info", router).findtext("TEMPLATE/DELETING") == "YES"
    refused(one, ACTION, "is being deleted", "one.vrouter.instantiate", router, 1, template, "", True, "")
    refused(one, ACTION, "is being deleted", "one.vrouter.attachnic", router, f"NIC = [ NETWORK_ID = {outside} ]")
    one.ok("one.vrouter.update", router, "NOTE = still", 0)
    check(one)
    one.kill()
    one.control()
    one.start()
    rest(one, [machine], "DONE")
    refused(one, NO_EXISTS, "Error getting", "one.vrouter.info", router)
    assert held(one, inside) == held(one, inside, "VM") == {}
    check(one)


def test_a_router_that_goes_with_its_last_machine_while_it_is_deleted_again(one, template, nets):
    """The first attempt left it to be deleted; in the second one the machine is DONE at once, and the router goes with it."""
    inside, _, number = nets
    router = one.ok("one.vrouter.allocate", f"NAME = again{number}\nNIC = [ NETWORK_ID = {inside}, FLOATING_IP = YES ]")
    one.ok("one.vrouter.instantiate", router, 1, template, "a%i", False, "")
    (machine,) = vms(one, router)
    one.ok("one.vm.deploy", machine, 0, False, -1, "")
    rest(one, [machine], "RUNNING")
    one.control("CANCEL * fail=1")
    assert one.ok("one.vrouter.delete", router) == router
    rest(one, [machine], "RUNNING")
    one.control()
    assert one.xml("one.vrouter.info", router).findtext("TEMPLATE/DELETING") == "YES"
    one.ok("one.vm.recover", machine, 4)
    rest(one, [machine], "PENDING")
    assert one.ok("one.vrouter.delete", router) == router
    assert one.state(machine) == "DONE"
    refused(one, NO_EXISTS, "Error getting", "one.vrouter.info", router)
    assert held(one, inside) == held(one, inside, "VM") == {}
    check(one)


def test_an_address_is_the_routers_until_the_last_machine_lets_go(one, template, nets):
    """A guest that keeps its card keeps the address, too; it can be tried again, and its end settles it."""
    inside, outside, number = nets
    router = one.ok("one.vrouter.allocate", f"NAME = stays{number}\nNIC = [ NETWORK_ID = {inside}, FLOATING_IP = YES ]")
    one.ok("one.vrouter.attachnic", router, f"NIC = [ NETWORK_ID = {outside}, FLOATING_IP = YES ]")
    one.ok("one.vrouter.instantiate", router, 1, template, "s%i", False, "")
    (machine,) = vms(one, router)
    one.ok("one.vm.deploy", machine, 0, False, -1, "")
    rest(one, [machine], "RUNNING")
    shared = held(one, inside), held(one, outside)
    one.control("DETACHNIC * fail=1")
    for card in (0, 1):
        one.ok("one.vrouter.detachnic", router, card)
        rest(one, [machine], "RUNNING")
    assert list(cards(one, machine)) == [0, 1] and (held(one, inside), held(one, outside)) == shared
    assert [nic.findtext("LEAVING") for nic in one.xml("one.vrouter.info", router).findall("TEMPLATE/NIC")] == ["YES", "YES"]
    check(one)
    one.control()
    one.ok("one.vrouter.detachnic", router, 0)
    rest(one, [machine], "RUNNING")
    assert list(cards(one, machine)) == [1] and held(one, inside) == {} and held(one, outside) == shared[1]
    one.ok("one.vm.recover", machine, 3)
    rest(one, [machine], "DONE")
    assert held(one, outside) == held(one, outside, "VM") == {}
    assert one.xml("one.vrouter.info", router).find("TEMPLATE/NIC") is None
    check(one)


def test_what_is_refused_changes_nothing(one, template, nets):
    inside, outside, number = nets
    plain = one.ok("one.template.allocate", f"NAME = plain{number}\nCPU = 0.1\nMEMORY = 64")
    refused(one, INTERNAL, "must name a network", "one.vrouter.allocate", f"NAME = r{number}\nNIC = [ FLOATING_IP = YES ]")
    refused(one, INTERNAL, "does not exist", "one.vrouter.allocate",
            f"NAME = r{number}\nNIC = [ NETWORK_ID = {inside}, FLOATING_IP = YES ]\nNIC = [ NETWORK_ID = 7777 ]")
    assert held(one, inside) == {}
    router = one.ok("one.vrouter.allocate", f"NAME = r{number}\nNIC = [ NETWORK_ID = {inside}, FLOATING_IP = YES ]")
    refused(one, ACTION, "Only virtual router templates", "one.vrouter.instantiate", router, 1, plain, "", True, "")
    refused(one, ACTION, "cannot be instantiated", "one.template.instantiate", template, "", False, "", False)
    refused(one, ACTION, "from 1 to", "one.vrouter.instantiate", router, 0, template, "", True, "")
    # Twenty addresses: one is the router's, so that there are no twenty machines.
    refused(one, INTERNAL, "addresses are in use", "one.vrouter.instantiate", router, 20, template, "", True, "")
    assert vms(one, router) == [] and held(one, inside, "VM") == {}
    # Only the server says which router a machine belongs to, and with what addresses it speaks.
    vm = one.ok("one.vm.allocate", f"CPU = 0.1\nMEMORY = 64\nVROUTER_ID = {router}\nNIC = [ NETWORK_ID = {inside}, FLOATING_IP = YES, FLOATING_ONLY = YES, VROUTER_IP = 10.1.1.1 ]", True)
    assert vms(one, router) == [] and "VROUTER_IP" not in cards(one, vm)[0] and cards(one, vm)[0]["IP"]
    one.ok("one.vm.action", "terminate", vm)
    one.ok("one.vrouter.delete", router)
    check(one)


def test_addresses_of_a_router_count(one, nets):
    inside, _, number = nets
    ann = one.user(f"ann{number}")
    one.ok("one.acl.addrule", f"{0x100000000 | ann.uid:x}", f"{0x4000000000000 | 0x400000000:x}", "8", "400000000")
    one.ok("one.vn.chmod", inside, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    one.ok("one.user.quota", ann.uid, f"NETWORK = [ ID = {inside}, LEASES = 1 ]")
    text = f"NAME = q{number}\nNIC = [ NETWORK_ID = {inside}, FLOATING_IP = YES ]"
    refused(ann, AUTHORIZATION, "limit of 1", "one.vrouter.allocate", text + f"\nNIC = [ NETWORK_ID = {inside}, FLOATING_IP = YES ]")
    assert held(one, inside) == {}
    router = ann.ok("one.vrouter.allocate", text)
    refused(ann, AUTHORIZATION, "limit of 1", "one.vrouter.attachnic", router, f"NIC = [ NETWORK_ID = {inside}, FLOATING_IP = YES ]")
    assert len(held(one, inside)) == 1
    check(one)
    refused(ann, AUTHORIZATION, "restricted", "one.vrouter.attachnic", router, f"NIC = [ NETWORK_ID = {inside}, MAC = 02:00:00:00:00:09 ]")
    ann.ok("one.vrouter.delete", router)
    ann.ok("one.vrouter.allocate", text)
    check(one)

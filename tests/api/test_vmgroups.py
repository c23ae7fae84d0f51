"""Groups of machines: roles, rules between them, and the machines that have them."""
import re

import pytest
from api.states import ACTION, AUTHORIZATION, INTERNAL

TWO = "ROLE = [ NAME = front, POLICY = ANTI_AFFINED, HOST_AFFINED = \"0,1\" ]\nROLE = [ NAME = back, HOST_ANTI_AFFINED = 1 ]\n"


def group(one, name, text=TWO):
    return one.ok("one.vmgroup.allocate", f"NAME = {name}\n{text}")


def roles(one, identity):
    """Name of each role: what else it says."""
    found = one.xml("one.vmgroup.info", identity).findall("ROLES/ROLE")
    return {role.findtext("NAME"): {child.tag: child.text for child in role if child.tag != "NAME"} for role in found}


def machine(one, text):
    return one.ok("one.vm.allocate", f"CPU = 0.1\nMEMORY = 64\n{text}", True)


def refused(one, code, pattern, method, *arguments):
    reply = one.call(method, *arguments)
    assert reply[0] is False and reply[2] == code and re.search(pattern, reply[1]), reply


def test_roles_come_and_go(one):
    identity = group(one, "roles", TWO + "AFFINED = \"front, back\"\nNOTE = x")
    assert roles(one, identity) == {"front": {"ID": "0", "POLICY": "ANTI_AFFINED", "HOST_AFFINED": "0,1"},
                                    "back": {"ID": "1", "HOST_ANTI_AFFINED": "1"}}
    document = one.xml("one.vmgroup.info", identity)
    assert document.findtext("TEMPLATE/AFFINED") == "front, back" and document.find("TEMPLATE/ROLE") is None
    assert one.ok("one.vmgroup.roleadd", identity, "ROLE = [ NAME = db ]") == identity
    refused(one, ACTION, "has a role \"db\" already", "one.vmgroup.roleadd", identity, "ROLE = [ NAME = db ]")
    one.ok("one.vmgroup.roleupdate", identity, 2, "ROLE = [ POLICY = affined ]")
    assert roles(one, identity)["db"] == {"ID": "2", "POLICY": "AFFINED"}
    one.ok("one.vmgroup.roleupdate", identity, 2, "ROLE = [ NAME = store ]")
    assert roles(one, identity)["store"] == {"ID": "2"}
    refused(one, ACTION, "AFFINED names it", "one.vmgroup.roleupdate", identity, 0, "ROLE = [ NAME = other ]")
    refused(one, ACTION, "AFFINED names it", "one.vmgroup.roledelete", identity, 0)
    refused(one, ACTION, "no role with ID 9", "one.vmgroup.roledelete", identity, 9)
    one.ok("one.vmgroup.roledelete", identity, 2)
    one.ok("one.vmgroup.roleadd", identity, "ROLE = [ NAME = db ]")
    assert roles(one, identity)["db"] == {"ID": "3"}  # an id is given once
    refused(one, INTERNAL, "names role \"nobody\"", "one.vmgroup.update", identity, "ANTI_AFFINED = \"db, nobody\"", 1)
    refused(one, ACTION, "use roleadd", "one.vmgroup.update", identity, "ROLE = [ NAME = z ]", 1)
    one.ok("one.vmgroup.update", identity, "ANTI_AFFINED = \"db, back\"", 0)
    one.xml("one.vmgrouppool.info", -2, -1, -1)
    assert one.ok("one.vmgroup.delete", identity) == identity


@pytest.mark.parametrize("text, pattern", [
    ("ROLE = [ POLICY = NONE ]", "no NAME"),
    ("ROLE = [ NAME = \"a,b\" ]", "comma"),
    ("ROLE = [ NAME = a, POLICY = NEAR ]", "NEAR.*none of NONE, AFFINED, ANTI_AFFINED"),
    ("ROLE = [ NAME = a, HOST_AFFINED = h1 ]", "HOST_AFFINED \"h1\" is no list"),
    ("ROLE = [ NAME = a, HOST_AFFINED = \"1,2\", HOST_ANTI_AFFINED = \"2\" ]", "host 2 is in"),
    ("ROLE = [ NAME = a, COLOUR = red ]", "COLOUR is none of"),
    ("ROLE = [ NAME = a ]\nROLE = [ NAME = a ]", "Two of ROLE"),
    ("ROLE = [ NAME = a ]\nAFFINED = a", "two roles or more"),
    ("ROLE = [ NAME = a ]\nAFFINED = \"a, a\"", "twice"),
    (TWO + "AFFINED = \"front, back\"\nANTI_AFFINED = \"back, front\"", "which AFFINED puts together"),
    (TWO + "ROLE = [ NAME = c ]\nAFFINED = \"front, back\"\nAFFINED = \"back, c\"\nANTI_AFFINED = \"c, front\"", "puts together"),
])
def test_wrong_groups(one, text, pattern):
    reply = one.call("one.vmgroup.allocate", f"NAME = wrong\n{text}")
    assert reply[0] is False and re.search(pattern, reply[1]), reply


def test_machines_take_roles(one):
    identity = group(one, "taken")
    named = machine(one, "VMGROUP = [ VMGROUP_NAME = taken, ROLE = front ]")
    plain = machine(one, "")
    assert one.vm(named).findtext("TEMPLATE/VMGROUP/VMGROUP_ID") == str(identity)
    assert one.ok("one.vm.vmgroupadd", plain, identity, "front") == plain
    assert roles(one, identity)["front"]["VMS"] == f"{named},{plain}"
    refused(one, ACTION, "take it out first", "one.vm.vmgroupadd", plain, identity, "back")
    refused(one, ACTION, "2 machines are in it", "one.vmgroup.delete", identity)
    refused(one, ACTION, f"it has 2 machines, first {named}", "one.vmgroup.roledelete", identity, 0)
    one.ok("one.vm.vmgroupdel", plain)
    refused(one, ACTION, "is in no VM group", "one.vm.vmgroupdel", plain)
    assert one.vm(plain).find("TEMPLATE/VMGROUP") is None
    refused(one, ACTION, "no role \"side\"", "one.vm.vmgroupadd", plain, identity, "side")
    assert roles(one, identity)["front"]["VMS"] == str(named)
    one.ok("one.vm.action", "terminate-hard", named)
    one.wait(named, "DONE")
    assert "VMS" not in roles(one, identity)["front"]
    one.ok("one.vmgroup.delete", identity)


def test_roles_are_in_the_history(one):
    """Of a machine that is on a host: what was done, and by whom."""
    identity, running = group(one, "noted"), machine(one, "")
    one.ok("one.vm.deploy", running, one.host("noting"), False, -1)
    one.wait(running, "RUNNING")
    one.ok("one.vm.vmgroupadd", running, identity, "front")
    one.ok("one.vm.vmgroupdel", running)
    records = one.vm(running).findall("HISTORY_RECORDS/HISTORY")
    assert [(r.findtext("ACTION"), r.findtext("UID"), r.findtext("ETIME") == "0") for r in records] == [
        ("64", "0", False), ("65", "0", False), ("0", "-1", True)]
    assert records[-1].findtext("RSTIME") != "0" and one.state(running) == "RUNNING"
    one.ok("one.vm.action", "terminate-hard", running)
    one.wait(running, "DONE")
    one.ok("one.vmgroup.delete", identity)


@pytest.mark.parametrize("text, pattern", [
    ("VMGROUP = [ VMGROUP_ID = 4711, ROLE = front ]", "VM group with ID: 4711 does not exist"),
    ("VMGROUP = [ VMGROUP_NAME = nothing, ROLE = front ]", "does not own a VM group with name: nothing"),
    ("VMGROUP = [ ROLE = front ]", "needs VMGROUP_ID or VMGROUP_NAME"),
    ("VMGROUP = 3", "at most"),
    ("VMGROUP = [ VMGROUP_NAME = held, ROLE = side ]", "no role \"side\""),
    ("VMGROUP = [ VMGROUP_NAME = held ]", "no role \"\""),
])
def test_wrong_machines(one, text, pattern):
    if "held" in text and "<NAME>held" not in one.ok("one.vmgrouppool.info", -2, -1, -1):
        group(one, "held")
    refused(one, INTERNAL, pattern, "one.vm.allocate", f"CPU = 0.1\nMEMORY = 64\n{text}", True)


def test_use_of_the_group_is_needed(one):
    identity = group(one, "private")
    user = one.user("vmgroup-user")
    client = one.client(user.session)
    text = f"CPU = 0.1\nMEMORY = 64\nVMGROUP = [ VMGROUP_ID = {identity}, ROLE = back ]"
    reply = client.call("one.vm.allocate", text, True)
    assert reply[0] is False and reply[2] == AUTHORIZATION and "USE VMGROUP" in reply[1], reply
    one.ok("one.vmgroup.chmod", identity, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    made = client.ok("one.vm.allocate", text.replace("VMGROUP_ID = %d" % identity, "VMGROUP_NAME = private, VMGROUP_UNAME = oneadmin"), True)
    assert roles(one, identity)["back"]["VMS"] == str(made)


def test_restart(fresh):
    one = fresh()
    identity = group(one, "kept", TWO + "ANTI_AFFINED = \"front, back\"")
    made = machine(one, f"VMGROUP = [ VMGROUP_ID = {identity}, ROLE = back ]")
    one.ok("one.vmgroup.lock", identity, 2)
    before = one.ok("one.vmgroup.info", identity)
    one.restart()
    assert one.ok("one.vmgroup.info", identity) == before
    assert roles(one, identity)["back"]["VMS"] == str(made)
    one.ok("one.vmgroup.unlock", identity)
    one.ok("one.vmgroup.roleadd", identity, "ROLE = [ NAME = late ]")
    assert roles(one, identity)["late"]["ID"] == "2"

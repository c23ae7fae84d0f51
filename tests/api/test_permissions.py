"""Who may do what: oneadmin, the owner, the group, others, and rules."""
import os
import re
import sqlite3
import subprocess

import pytest
from api.states import AUTHORIZATION
from conftest import ROOT

# Method, arguments after the id where it is first, and the right that is needed.
VM_CALLS = [
    ("one.vm.info", (), "USE"), ("one.vm.monitoring", (), "USE"),
    ("one.vm.update", ("A = 1", 1), "MANAGE"), ("one.vm.rename", ("renamed",), "MANAGE"),
    ("one.vm.chmod", (-1,) * 9, "MANAGE"), ("one.vm.lock", (3, False), "MANAGE"), ("one.vm.unlock", (), "MANAGE"),
    ("one.vm.resize", ("CPU = 0.1", False), "MANAGE"), ("one.vm.recover", (9,), "ADMIN"),
    ("one.vm.deploy", (0,), "ADMIN"), ("one.vm.migrate", (0, False), "ADMIN"),
]
WORDS = [("hold", "MANAGE"), ("release", "MANAGE"), ("suspend", "MANAGE"), ("resume", "MANAGE"), ("poweroff", "MANAGE"),
         ("stop", "MANAGE"), ("reboot", "MANAGE"), ("undeploy", "MANAGE"), ("terminate", "MANAGE"),
         ("resched", "ADMIN"), ("unresched", "ADMIN")]
BITS = {"USE": 0, "MANAGE": 1, "ADMIN": 2}
# Place of the bits among the nine, by who asks.
PLACES = {"owner": 0, "group": 3, "other": 6}


@pytest.fixture(scope="module")
def cast(one):
    """A machine of `owner` in group 1; `group` is in that group, `other` in none with it, and `root` in group 0."""
    one.owner, one.group = one.user("owner"), one.user("group")
    one.other = one.user("other", groups=[1])
    one.root = one.user("root", groups=[0])
    one.machine = one.owner.allocate(hold=True)
    # A group apart for `other`: the machine goes to a group that only oneadmin's own can be told from.
    return one


def set_bits(one, who, right):
    """Only this right, and only for them."""
    bits = [0] * 9
    if right:
        bits[PLACES[who] + BITS[right]] = 1
    one.ok("one.vm.chmod", one.machine, *bits)


def denied(reply):
    return reply[0] is False and reply[2] == AUTHORIZATION


def check(one, client, who, allowed, needed, method, arguments):
    set_bits(one, who, allowed)
    one.call("one.vm.unlock", one.machine)
    reply = client.call(method, *arguments)
    # The owner of a machine keeps no right that its bits do not give; ADMIN is not MANAGE.
    assert denied(reply) == (allowed != needed), (method, allowed, needed, reply)
    if denied(reply):
        type_and_id = f"{needed} VM [{one.machine}]"
        assert f"User [{client.uid}] : Not authorized to perform {type_and_id}" in reply[1], reply
        assert len(reply) == 5
    one.call("one.vm.unlock", one.machine)


@pytest.mark.parametrize("allowed", [None, "USE", "MANAGE", "ADMIN"])
@pytest.mark.parametrize("who", ["owner", "group"])
@pytest.mark.parametrize("method, arguments, needed", VM_CALLS)
def test_call(cast, who, allowed, method, arguments, needed):
    if cast.state(cast.machine) != "HOLD":
        cast.machine = cast.owner.allocate(hold=True)
    if method in ("one.vm.deploy", "one.vm.migrate") and allowed == needed:
        # Also needs MANAGE of the host, which @1 has by the default rules.
        set_bits(cast, who, allowed)
        assert not denied(getattr(cast, who).call(method, cast.machine, *arguments))
        if cast.state(cast.machine) not in ("HOLD", "PENDING"):
            cast.wait(cast.machine, "RUNNING")
            cast.ok("one.vm.recover", cast.machine, 3)
            cast.wait(cast.machine, "DONE")
        return
    check(cast, getattr(cast, who), who, allowed, needed, method, (cast.machine, *arguments))


@pytest.mark.parametrize("word, needed", WORDS)
@pytest.mark.parametrize("allowed", [None, "USE", "MANAGE", "ADMIN"])
def test_action(cast, word, needed, allowed):
    if cast.state(cast.machine) not in ("HOLD", "PENDING"):
        cast.machine = cast.owner.allocate(hold=True)
    check(cast, cast.owner, "owner", allowed, needed, "one.vm.action", (word, cast.machine))


def test_other(cast):
    """Somebody outside the group has the last three bits."""
    machine = cast.allocate(hold=True)  # of group 0
    bits = [0] * 9
    cast.ok("one.vm.chmod", machine, *bits)
    assert denied(cast.other.call("one.vm.info", machine))
    bits[6] = 1
    cast.ok("one.vm.chmod", machine, *bits)
    cast.other.ok("one.vm.info", machine)
    assert denied(cast.other.call("one.vm.rename", machine, "x"))
    bits[7] = 1
    cast.ok("one.vm.chmod", machine, *bits)
    cast.other.ok("one.vm.rename", machine, "x")
    assert denied(cast.other.call("one.vm.recover", machine, 9))


def test_administrators_pass(cast):
    cast.ok("one.vm.chmod", cast.machine, *[0] * 9)
    for client in (cast, cast.root):
        assert client.vm(cast.machine) is not None
        client.ok("one.vm.rename", cast.machine, "by admin")
        assert not denied(client.call("one.vm.recover", cast.machine, 9))


def test_owner_may_not_give_away_what_needs_admin(cast):
    """Changing a bit of ADMIN needs ADMIN."""
    machine = cast.owner.allocate(hold=True)
    reply = cast.owner.call("one.vm.chmod", machine, -1, -1, 1, -1, -1, -1, -1, -1, -1)
    assert denied(reply) and f"ADMIN VM [{machine}]" in reply[1], reply
    cast.owner.ok("one.vm.chmod", machine, -1, -1, -1, 1, 1, -1, -1, -1, -1)


def test_owner_may_not_give_it_to_others(cast):
    machine = cast.owner.allocate(hold=True)
    assert denied(cast.owner.call("one.vm.chown", machine, cast.group.uid, -1))
    assert denied(cast.owner.call("one.vm.chown", machine, -1, 0))
    cast.ok("one.vm.chown", machine, cast.group.uid, -1)
    cast.group.ok("one.vm.info", machine)


HOST_CALLS = [("one.host.update", (0, "A = 1", 1), "ADMIN HOST [0]"), ("one.host.rename", (0, "x"), "ADMIN HOST [0]"),
              ("one.host.status", (0, 1), "ADMIN HOST [0]"), ("one.host.delete", (0,), "ADMIN HOST [0]"),
              ("one.host.allocate", ("hx", "dummy", "dummy", -1), "CREATE HOST"),
              ("one.user.allocate", ("nx", "pw", "core"), "CREATE USER"), ("one.user.info", (0,), "USE USER [0]"),
              ("one.user.delete", (0,), "ADMIN USER [0]"), ("one.user.passwd", (0, "pw"), "MANAGE USER [0]"),
              ("one.user.update", (0, "A = 1", 1), "MANAGE USER [0]"), ("one.user.chgrp", (0, 1), "MANAGE USER [0]"),
              ("one.group.info", (0,), "USE GROUP [0]"), ("one.acl.info", (), "MANAGE ACL"),
              ("one.cluster.info", (0,), "USE CLUSTER [0]")]


@pytest.mark.parametrize("method, arguments, needed", HOST_CALLS)
def test_what_a_plain_user_may_not(cast, method, arguments, needed):
    reply = cast.other.fails(method, *arguments, code=AUTHORIZATION)
    assert f"User [{cast.other.uid}] : Not authorized to perform {needed}" in reply[1], reply


@pytest.mark.parametrize("method, arguments", [
    ("one.user.info", (-1,)), ("one.group.info", (-1,)), ("one.group.info", (1,)), ("one.datastore.info", (0,)),
    ("one.zone.info", (0,)), ("one.system.version", ()), ("one.system.config", ()), ("one.userpool.info", ()),
    ("one.hostpool.info", ()), ("one.clusterpool.info", ()), ("one.datastorepool.info", ())])
def test_what_a_plain_user_may(cast, method, arguments):
    cast.other.ok(method, *arguments)


def test_a_user_may_change_the_own_account(cast):
    me = cast.user("selfmade", "one")
    me.ok("one.user.update", me.uid, "LABELS = x", 1)
    me.ok("one.user.passwd", me.uid, "two")
    me.session = "selfmade:two"
    assert me.xml("one.user.info", me.uid).findtext("TEMPLATE/LABELS") == "x"
    assert denied(me.call("one.user.chgrp", me.uid, 0))


def test_restricted_attributes(cast):
    """What reaches into a host is for administrators."""
    for template in ('RAW = [ TYPE = kvm, DATA = "<x/>" ]', 'CONTEXT = [ FILES = "/srv/files/init.sh" ]', 'DISK = [ SOURCE = "/etc/shadow" ]',
                     "PCI = [ VENDOR = 1 ]", 'EMULATOR = "/bin/sh"', 'OS = [ KERNEL = "/etc/shadow" ]'):
        text = f"CPU = 1\nMEMORY = 64\n{template}"
        reply = cast.other.call("one.vm.allocate", text)
        assert reply[0] is False and "restricted attribute" in reply[1], (template, reply)
        if "FILES" not in template:  # what is in CONTEXT_RESTRICTED_DIRS is for nobody
            assert cast.ok("one.vm.allocate", text, True) >= 0


# ---- rules ----

RULES = [
    # who, resource, rights, and whether that lets `other` do USE, MANAGE of a machine of oneadmin in group 0
    ("{uid}", "VM/*", "USE", (True, False)), ("{uid}", "VM/*", "USE+MANAGE", (True, True)),
    ("{uid}", "VM/#{vm}", "MANAGE", (False, True)), ("{uid}", "VM/#4711", "USE+MANAGE", (False, False)),
    ("{uid}", "VM/@0", "USE", (True, False)), ("{uid}", "VM/@1", "USE", (False, False)),
    ("@1", "VM/*", "USE", (True, False)), ("@0", "VM/*", "USE", (False, False)), ("*", "VM/*", "MANAGE", (False, True)),
    ("{uid}", "HOST/*", "USE+MANAGE", (False, False)), ("#4711", "VM/*", "USE", (False, False)),
    ("{uid}", "VM+HOST/*", "USE", (True, False)),
]
TYPE_BITS = {"VM": 0x1000000000, "HOST": 0x2000000000}
RIGHT_BITS = {"USE": 1, "MANAGE": 2, "ADMIN": 4, "CREATE": 8}


def word(text):
    return {"#": 0x100000000, "@": 0x200000000, "*": 0x400000000}[text[0]] | int(text[1:] or 0)


def encode(user, resource, rights):
    types, place = resource.split("/")
    value = word(place)
    for name in types.split("+"):
        value |= TYPE_BITS[name]
    return (f"{word(user):x}", f"{value:x}", f"{sum(RIGHT_BITS[r] for r in rights.split('+')):x}", "400000000")


@pytest.mark.parametrize("who, resource, rights, expected", RULES)
def test_rule(fresh, who, resource, rights, expected):
    """The rule is written into the database, since the calls that make rules come with a later step."""
    one = fresh()
    machine = one.allocate(hold=True)
    other = one.user("other")
    one.stop()
    row = encode(who.format(uid=f"#{other.uid}"), resource.format(vm=machine), rights)
    with sqlite3.connect(one.var / "one.db") as database:
        database.execute("INSERT INTO acl (id, user, resource, rights, zone) VALUES (900, ?, ?, ?, ?)", row)
    database.close()
    one.start()
    rule = [r for r in one.xml("one.acl.info") if r.findtext("ID") == "900"][0]
    assert rule.findtext("STRING") == f"{who.format(uid=f'#{other.uid}')} {resource.format(vm=machine)} {rights} *"
    use, manage = expected
    assert denied(other.call("one.vm.info", machine)) != use
    assert denied(other.call("one.vm.rename", machine, "by rule")) != manage
    assert (f"<ID>{machine}</ID>" in other.ok("one.vmpool.info", -2, -1, -1, -1)) == use


# ---- operations, by user and group ----

def test_operations_of_users_and_groups(fresh):
    one = fresh('VM_USE_OPERATIONS = "rename"\nVM_MANAGE_OPERATIONS = "update"\n')
    group = one.ok("one.group.allocate", "crew")
    boss, hand = one.user("boss", groups=[group]), one.user("hand", groups=[group, 1])
    machine = one.allocate(hold=True)
    one.ok("one.vm.chown", machine, boss.uid, group)
    one.ok("one.vm.chmod", machine, 1, 1, 0, 1, 0, 0, 0, 0, 0)
    hand.ok("one.vm.rename", machine, "by use")  # as oned.conf says
    hand.fails("one.vm.action", "release", machine, code=AUTHORIZATION, text="MANAGE VM")
    one.ok("one.group.update", group, 'VM_ADMIN_OPERATIONS = "rename"\nVM_USE_OPERATIONS = "release, hold"', 1)
    hand.ok("one.vm.action", "release", machine)
    hand.ok("one.vm.action", "hold", machine)
    boss.fails("one.vm.rename", machine, "x", code=AUTHORIZATION, text="ADMIN VM")
    one.ok("one.user.update", boss.uid, 'VM_MANAGE_OPERATIONS = "rename"\nVM_ADMIN_OPERATIONS = "update"', 1)
    boss.ok("one.vm.rename", machine, "by manage")
    boss.fails("one.vm.update", machine, "A = 1", 1, code=AUTHORIZATION, text="ADMIN VM")
    for client, method, identity in ((boss, "one.user.update", boss.uid), (boss, "one.group.update", group)):
        before = one.ok(method.replace("update", "info"), identity)
        client.call(method, identity, 'VM_USE_OPERATIONS = "recover,deploy,update"', 1)
        assert "recover,deploy" not in one.ok(method.replace("update", "info"), identity), before


def test_a_bound_token_of_oneadmin_is_bound(fresh):
    one = fresh()
    group = one.ok("one.group.allocate", "crew")
    one.ok("one.user.addgroup", 0, group)
    bound = one.client(f"oneadmin:{one.ok('one.user.login', 'oneadmin', '', 600, group)}")
    other = one.user("other")
    machine = other.allocate(hold=True)
    assert denied(bound.call("one.vm.info", machine)) and denied(bound.call("one.user.delete", other.uid))
    assert denied(bound.call("one.host.allocate", "h", "dummy", "dummy", -1)) and denied(bound.call("one.acl.info"))
    for words in (("one.user.passwd", 0, "mine"), ("one.user.login", "oneadmin", "", -1)):
        assert bound.call(*words)[0] is False
    assert bound.xml("one.user.info", -1).findtext("ID") == "0" and bound.xml("one.group.info", -1).findtext("ID") == str(group)
    whole = one.client(f"oneadmin:{one.ok('one.user.login', 'oneadmin', '', 600, 0)}")
    whole.ok("one.vm.info", machine)


def test_ports_of_screens(fresh):
    one = fresh('VNC_PORTS = [ START = 6000, RESERVED = "6005, 32768:65535" ]\n')
    user = one.user("user")
    screen = "CPU = 0.1\nMEMORY = 64\nGRAPHICS = [ TYPE = VNC, LISTEN = 127.0.0.1, PORT = {} ]"
    first = user.ok("one.vm.allocate", screen.format(6010), True)
    for port in (22, 2633, 5999, 6005, 6010, 40000, 65536, -1, "x"):
        user.fails("one.vm.allocate", screen.format(port), True, text="GRAPHICS/PORT")
    assert one.ok("one.vm.allocate", screen.format(5999), True) > first  # administrators know what they do
    one.ok("one.vm.recover", first, 3)
    one.wait(first, "DONE")
    user.ok("one.vm.allocate", screen.format(6010), True)


def test_a_port_can_be_left_to_administrators(fresh):
    one = fresh('VM_RESTRICTED_ATTR = "GRAPHICS/PORT"\n')
    screen = "CPU = 0.1\nMEMORY = 64\nGRAPHICS = [ TYPE = VNC, PORT = 6010 ]"
    user = one.user("user")
    user.fails("one.vm.allocate", screen, True, code=AUTHORIZATION, text="restricted attribute GRAPHICS/PORT")
    # A list of one's own takes the place of the shipped one, but walls of containers stay where they are.
    for freed in ("LXC_UNPRIVILEGED = no", "CONTAINER = [ UID_MAP = 0 ]", "CONTAINER = [ GID_MAP = 0 ]", "CONTAINER = [ ID_MAP = 0 ]",
                  "CONTAINER = [ POOL = other ]", "CONTAINER = [ SERVER = other ]"):
        user.fails("one.vm.allocate", f"CPU = 1\nMEMORY = 64\n{freed}\n", True, code=AUTHORIZATION, text="restricted attribute")
    assert one.ok("one.vm.allocate", screen, True) >= 0


# ---- the table of methods ----

ROW = """
#include "server/rpc/method.h"
RpcReply *handler(Request *request);
static const RpcMethod row[] = {{ {row} }};
const RpcMethod *rows(void) {{ return row; }}
"""


@pytest.mark.parametrize("row, compiles", [
    ('METHOD("one.x", "i", "int", VM, MANAGE, handler, "Help.")', True),
    ('METHOD("one.x", "i", "int", VM, , handler, "Help.")', False),
    ('METHOD("one.x", "i", "int", VM, handler, "Help.")', False),
    ('METHOD("one.x", "i", "int", VM, FORGOTTEN, handler, "Help.")', False),
    ('OBJECT("one.x", "i", "int", VM, 1, handler, "Help.")', False),
    ('{"one.x", "i", "int", KIND_VM, handler, "Help.", 0, 0}', False)])
def test_a_row_without_a_right_does_not_compile(tmp_path, row, compiles):
    table = (ROOT / "server/rpc/methods.c").read_text()
    macros = "".join(re.findall(r"^#define (?:METHOD|OBJECT)\(.*?[^\\]\n", table, re.M | re.S))
    source = tmp_path / "row.c"
    source.write_text(macros + ROW.format(row=row))
    flags = subprocess.run(["pkg-config", "--cflags", "glib-2.0", "gio-2.0", "libxml-2.0", "sqlite3"], stdout=subprocess.PIPE, text=True, check=True)
    ended = subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu17", "-Wall", "-Werror", "-Wno-missing-field-initializers", "-fsyntax-only", "-D_GNU_SOURCE",
                            f"-I{ROOT}", *flags.stdout.split(), str(source)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert (ended.returncode == 0) == compiles, ended.stdout

"""Who one is, and what one may give: tokens, groups, administrators, rules, locks."""
import pytest
from api.server import Client
from api.states import AUTHENTICATION, AUTHORIZATION, INTERNAL, LOCKED, NO_EXISTS

SMALL = "CPU = 0.1\nMEMORY = 64\n"


@pytest.fixture(scope="module")
def staff(one):
    return one.ok("one.group.allocate", "staff")


@pytest.fixture(scope="module")
def token(one, mallory, staff):
    """Mallory, acting for the group of users alone; she is in staff too, and has a token for all."""
    one.ok("one.user.addgroup", mallory.uid, staff)
    mallory.all = mallory.ok("one.user.login", "mallory", "", 3600, -1)
    mallory.bound = mallory.ok("one.user.login", "mallory", "", 3600, 1)
    return Client(one, f"mallory:{mallory.bound}")


@pytest.fixture(scope="module")
def boss(one, staff):
    """Administrator of staff, where an administrator of everything is, too."""
    client = one.user("boss", groups=[staff])
    one.ok("one.group.addadmin", staff, client.uid)
    client.root = one.ok("one.user.allocate", "root2", "pw", "core", [staff, 0])
    return client


# -- tokens --

@pytest.mark.parametrize("method, arguments", [
    ("one.user.passwd", ("{me}", "mine")), ("one.user.chauth", ("{me}", "core", "mine")),
    ("one.user.login", ("mallory", "", 3600, -1)), ("one.user.login", ("mallory", "", 3600, "{staff}")),
    ("one.user.login", ("mallory", "", 0)), ("one.user.login", ("oneadmin", "", 3600, -1)),
    ("one.user.chgrp", ("{me}", "{staff}")), ("one.user.addgroup", ("{me}", 0)), ("one.user.chgrp", ("{me}", 0)),
])
def test_bound_token_stays_bound(one, mallory, token, staff, unchanged, method, arguments):
    unchanged(lambda: one.ok("one.user.info", mallory.uid))
    names = {"{me}": mallory.uid, "{staff}": staff}
    token.fails(method, *(names.get(word, word) for word in arguments), code=AUTHORIZATION)


def test_tokens_are_not_shown(one, mallory, victim, token):
    """To one who may look at a user, and to a token that acts for one group, they are not there."""
    rule = one.ok("one.acl.addrule", hex(0x100000000 | victim.uid), hex(0x10000000000 | 0x400000000), "1")
    for client in (token, victim):
        for answer in (client.ok("one.user.info", mallory.uid), client.ok("one.userpool.info")):
            assert "mallory" in answer and mallory.all not in answer and mallory.bound not in answer
    assert mallory.all in mallory.ok("one.user.info", -1)
    one.ok("one.acl.delrule", rule)


def test_group_of_a_bound_token(one, mallory, token, staff):
    shared = one.ok("one.template.allocate", f"NAME = for-staff\n{SMALL}")
    one.ok("one.template.chown", shared, -1, staff)
    one.ok("one.template.chmod", shared, -1, -1, -1, 1, -1, -1, -1, -1, -1)
    assert mallory.ok("one.template.info", shared)
    token.fails("one.template.info", shared, code=AUTHORIZATION)
    token.fails("one.template.instantiate", shared, "", code=AUTHORIZATION)
    own = token.ok("one.template.allocate", f"NAME = bound\n{SMALL}")
    token.fails("one.template.chown", own, -1, staff, code=AUTHORIZATION)


@pytest.mark.parametrize("seconds, group", [(-2, -1), (-2147483648, -1), (60, 0), (60, 2147483647), (60, 99)])
def test_wrong_tokens(mallory, token, seconds, group):
    mallory.fails("one.user.login", "mallory", "", seconds, group)


def test_others_tokens(mallory, victim, unchanged):
    for arguments in (("victim", "", 60, -1), ("oneadmin", "", -1, 0), ("victim", "", 0)):
        mallory.fails("one.user.login", *arguments, code=AUTHORIZATION)
    mallory.fails("one.user.login", "nobody", "", 60, code=NO_EXISTS)


def test_at_most_ten(one):
    many = one.user("many")
    for number in range(10):
        many.ok("one.user.login", "many", f"token-number-{number}", 60)
    many.fails("one.user.login", "many", "", 60, code=INTERNAL, text="Max tokens")


def test_tokens_of_who_is_let_in_no_more(one):
    gone = one.user("gone")
    client = Client(one, "gone:" + gone.ok("one.user.login", "gone", "", 60), "127.3.4.5")
    client.ok("one.user.info", -1)
    one.ok("one.user.enable", gone.uid, False)
    client.fails("one.user.info", -1, code=AUTHENTICATION)
    one.ok("one.user.enable", gone.uid, True)
    client.ok("one.user.info", -1)
    one.ok("one.user.passwd", gone.uid, "another")
    client.fails("one.user.info", -1, code=AUTHENTICATION)


# -- groups and their administrators --

@pytest.mark.parametrize("method, arguments", [
    ("one.user.passwd", ("mine",)), ("one.user.chauth", ("core", "mine")), ("one.user.delete", ()), ("one.user.enable", (False,)),
    ("one.user.update", ("A = 1", 1)), ("one.user.chgrp", (1,)), ("one.user.addgroup", (1,)),
])
def test_administrator_of_a_group_has_no_power_over_one_of_all(one, boss, unchanged, method, arguments):
    unchanged(lambda: one.ok("one.user.info", boss.root))
    boss.fails(method, boss.root, *arguments, code=AUTHORIZATION)
    boss.fails("one.user.login", "root2", "", 60, code=AUTHORIZATION)


@pytest.mark.parametrize("method, arguments", [
    ("one.user.addgroup", ("{me}", 0)), ("one.user.chgrp", ("{me}", 0)), ("one.group.addadmin", (0, "{me}")),
    ("one.group.addadmin", (1, "{me}")), ("one.group.allocate", ("mine",)), ("one.group.delete", ("{staff}",)),
    ("one.user.allocate", ("helper", "pw", "core", [0])), ("one.vdc.allocate", ("NAME = mine",)), ("one.vdc.addgroup", (0, "{staff}")),
    ("one.vdc.addhost", (0, 0, -10)), ("one.acl.addrule", ("100000000", "1000000000000400", "f")), ("one.acl.info", ()), ("one.acl.delrule", (0,)),
])
def test_nobody_makes_himself_more(one, boss, mallory, staff, unchanged, method, arguments):
    for read in ("one.acl.info", "one.grouppool.info", "one.vdcpool.info", "one.userpool.info"):
        unchanged(lambda read=read: one.ok(read))
    for client in (boss, mallory):
        names = {"{me}": client.uid, "{staff}": staff}
        given = [names.get(word, word) if isinstance(word, str) else word for word in arguments]
        client.fails(method, *given, code=AUTHORIZATION)


def test_who_leaves_a_group_leaves_its_administration(one, staff):
    former = one.user("former", groups=[staff])
    one.ok("one.group.addadmin", staff, former.uid)
    other = one.user("colleague", groups=[staff])
    former.ok("one.user.info", other.uid)
    one.ok("one.user.chgrp", former.uid, 1)
    former.fails("one.user.info", other.uid, code=AUTHORIZATION)
    former.fails("one.user.passwd", other.uid, "mine", code=AUTHORIZATION)
    assert str(former.uid) not in [x.text for x in one.xml("one.group.info", staff).findall("ADMINS/ID")]


@pytest.mark.parametrize("rule", [
    ("0", "0", "0"), ("ffffffffffffffff", "ffffffffffffffff", "ffffffffffffffff"), ("-1", "-1", "-1"), ("100000063", "1100000000", "1"),
    ("700000000", "1400000000", "1"), ("400000001", "1400000000", "1"), ("100000002", "8000000400000000", "1"),
    ("100000002", "1400000000", "10"), ("zz", "yy", "xx"), ("100000002", "1400000000", "1", "100000009"), ("", "", ""),
])
def test_malformed_rules(one, unchanged, rule):
    unchanged(lambda: one.ok("one.acl.info"))
    one.fails("one.acl.addrule", *rule, code=INTERNAL)


# -- objects of others --

def test_given_to_others(one, mallory, victim, unchanged):
    """What runs in another's name would be theirs to answer for."""
    machine, template = mallory.allocate(hold=True), mallory.ok("one.template.allocate", f"NAME = gift\n{SMALL}")
    unchanged(lambda: (one.ok("one.vm.info", machine), one.ok("one.template.info", template)))
    for method, identity in (("one.vm.chown", machine), ("one.template.chown", template)):
        for uid, gid in ((0, -1), (victim.uid, -1), (-1, 0), (0, 0)):
            mallory.fails(method, identity, uid, gid, code=AUTHORIZATION)
        for uid, gid in ((99, -1), (-1, 99), (2**31 - 1, -1)):
            mallory.fails(method, identity, uid, gid, code=NO_EXISTS)
    for method in ("one.vm.chmod", "one.template.chmod"):
        mallory.fails(method, machine if "vm" in method else template, -1, -1, 1, *[-1] * 6, code=AUTHORIZATION)


def test_locks_of_others(one, mallory, unchanged):
    machine = mallory.allocate(hold=True)
    one.ok("one.vm.lock", machine, 4, False)
    unchanged(lambda: one.ok("one.vm.info", machine))
    mallory.fails("one.vm.unlock", machine, code=LOCKED)
    for level in (1, 2, 3, 4):
        mallory.fails("one.vm.lock", machine, level, False, code=LOCKED)
    for method, *arguments in (("one.vm.update", machine, "A = 1", 1), ("one.vm.action", "terminate-hard", machine),
                               ("one.vm.rename", machine, "x"), ("one.vm.chown", machine, -1, 1), ("one.vm.attachnic", machine, "NIC = [ ]")):
        mallory.fails(method, *arguments, text="locked")


@pytest.mark.parametrize("level", [-2147483648, -1, 0, 5, 2147483647])
def test_levels_of_locks(mallory, level):
    mallory.fails("one.vm.lock", mallory.allocate(hold=True), level, False)


@pytest.fixture(scope="module")
def named(mallory):
    return (mallory.allocate(hold=True), mallory.ok("one.template.allocate", f"NAME = named\n{SMALL}"),
            mallory.ok("one.secgroup.allocate", "NAME = named"))


@pytest.mark.parametrize("name", ["", "a\tb", "a\nb", "a\x7fb", "../../etc", "a;b", "$(reboot)", "<b>", "x" * 129, "x" * 1000000, "a'b", '"'])
def test_names(one, mallory, named, unchanged, name):
    machine, template, group = named
    unchanged(lambda: [one.ok(*call) for call in (("one.vm.info", machine), ("one.template.info", template), ("one.secgroup.info", group))])
    for method, identity in (("one.vm.rename", machine), ("one.template.rename", template), ("one.secgroup.rename", group),
                             ("one.template.clone", template), ("one.secgroup.clone", group)):
        mallory.fails(method, identity, name)
    if name:
        mallory.fails("one.template.instantiate", template, name, True)


@pytest.mark.parametrize("identity", [-2147483648, -2, 99999, 2147483647])
@pytest.mark.parametrize("method, arguments", [
    ("one.vm.info", ()), ("one.vm.action", ("terminate",)), ("one.template.instantiate", ("", True)), ("one.vn.info", ()),
    ("one.secgroup.info", ()), ("one.user.passwd", ("x",)), ("one.group.info", ()), ("one.vm.detachnic", (0,)),
])
def test_ids(mallory, identity, method, arguments):
    given = (*arguments, identity) if method == "one.vm.action" else (identity, *arguments)
    mallory.fails(method, *given, code=NO_EXISTS)


def test_a_server_that_acts_for_others(fresh):
    """A group's administrator would be oneadmin with that driver."""
    one = fresh('AUTH_MAD = [ EXECUTABLE = "one_auth_mad", AUTHN = "server_cipher" ]\n')
    staff = one.ok("one.group.allocate", "staff")
    boss = one.user("boss", groups=[staff])
    one.ok("one.group.addadmin", staff, boss.uid)
    boss.fails("one.user.chauth", boss.uid, "server_cipher", "0" * 64, code=AUTHORIZATION)
    boss.fails("one.user.allocate", "server", "0" * 64, "server_cipher", [staff], code=AUTHORIZATION)
    one.ok("one.user.allocate", "server", "0" * 64, "server_cipher")

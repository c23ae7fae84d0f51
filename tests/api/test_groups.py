"""Groups and their administrators, virtual data centers, login tokens."""
import time

import pytest
from api.server import Client
from api.states import ACTION, ALLOCATE, AUTHENTICATION, AUTHORIZATION, INTERNAL, NO_EXISTS, RPC_API

numbers = iter(range(1, 10000))


def group(one):
    """A new group whose members may make machines, as `onegroup create` makes it."""
    gid = one.ok("one.group.allocate", f"group{next(numbers)}")
    one.ok("one.acl.addrule", f"{0x200000000 | gid:x}", f"{0x1000000000 | 0x400000000:x}", "8", "400000000")
    return gid


def person(one, *groups):
    return one.user(f"person{next(numbers)}", groups=list(groups) or None)


def name_of(one, user):
    return one.xml("one.user.info", user.uid).findtext("NAME")


def rules(one):
    return {rule.findtext("STRING") for rule in one.xml("one.acl.info")}


# -- membership --

def test_several_groups(one):
    first, second = group(one), group(one)
    user = person(one, first)
    one.ok("one.user.addgroup", user.uid, second)
    info = one.xml("one.user.info", user.uid)
    assert [x.text for x in info.findall("GROUPS/ID")] == [str(first), str(second)] and info.findtext("GID") == str(first)
    assert str(user.uid) in [x.text for x in one.xml("one.group.info", second).findall("USERS/ID")]
    one.fails("one.user.addgroup", user.uid, second, code=ACTION, text="already in group")
    one.fails("one.user.delgroup", user.uid, first, code=ACTION, text="primary")
    one.ok("one.user.delgroup", user.uid, second)
    one.fails("one.user.delgroup", user.uid, second, code=ACTION, text="not part of group")
    one.fails("one.user.addgroup", user.uid, 4711, code=NO_EXISTS)
    user.fails("one.user.addgroup", user.uid, 0, code=AUTHORIZATION)


def test_what_the_second_group_sees(one):
    mine, theirs = group(one), group(one)
    owner, reader = person(one, theirs), person(one, mine)
    vm = owner.allocate(hold=True)
    owner.ok("one.vm.chmod", vm, -1, -1, -1, 1, -1, -1, -1, -1, -1)
    reader.fails("one.vm.info", vm, code=AUTHORIZATION)
    one.ok("one.user.addgroup", reader.uid, theirs)
    reader.vm(vm)
    one.ok("one.user.delgroup", reader.uid, theirs)
    reader.fails("one.vm.info", vm, code=AUTHORIZATION)


def test_group_administrator(one):
    gid = group(one)
    boss, member, stranger = person(one, gid), person(one, gid), person(one)
    vm = member.allocate(hold=True)
    boss.fails("one.vm.rename", vm, "x", code=AUTHORIZATION)
    one.fails("one.group.addadmin", gid, stranger.uid, code=ACTION, text="not part of Group")
    boss.fails("one.group.addadmin", gid, boss.uid, code=AUTHORIZATION)
    one.ok("one.group.addadmin", gid, boss.uid)
    assert [x.text for x in one.xml("one.group.info", gid).findall("ADMINS/ID")] == [str(boss.uid)]
    boss.ok("one.vm.rename", vm, "renamed-by-the-boss")
    boss.ok("one.user.update", member.uid, "NOTE = x", 1)
    boss.fails("one.user.update", stranger.uid, "NOTE = x", 1, code=AUTHORIZATION)
    one.fails("one.group.addadmin", gid, boss.uid, code=ACTION, text="already an administrator")
    one.ok("one.group.deladmin", gid, boss.uid)
    boss.fails("one.vm.rename", vm, "again", code=AUTHORIZATION)
    one.fails("one.group.deladmin", gid, boss.uid, code=ACTION, text="not an administrator")
    # Who leaves the group is its administrator no more.
    other = group(one)
    one.ok("one.user.addgroup", boss.uid, other)
    one.ok("one.group.addadmin", other, boss.uid)
    one.ok("one.user.delgroup", boss.uid, other)
    assert one.xml("one.group.info", other).find("ADMINS/ID") is None
    assert not [rule for rule in rules(one) if rule.startswith(f"#{boss.uid} ")]


def test_group_administrator_makes_users(one):
    gid, other = group(one), group(one)
    boss = person(one, gid)
    boss.fails("one.user.allocate", "made-too-early", "pw", "core", code=AUTHORIZATION)
    one.ok("one.group.addadmin", gid, boss.uid)
    for groups in ([], [[gid]]):
        made = boss.ok("one.user.allocate", f"made-by-the-boss-{len(groups)}", "pw", "core", *groups)
        user = one.xml("one.user.info", made)
        assert user.findtext("GID") == str(gid) and [x.text for x in user.findall("GROUPS/ID")] == [str(gid)]
        boss.ok("one.user.passwd", made, "another")
    for forbidden in ([other], [gid, other], [0], [1]):
        boss.fails("one.user.allocate", "made-elsewhere", "pw", "core", forbidden, code=AUTHORIZATION)
    # An administrator of a group that is not the primary one makes nobody: new users would be in the primary one.
    one.ok("one.user.chgrp", boss.uid, other)
    one.ok("one.user.addgroup", boss.uid, gid)
    boss.fails("one.user.allocate", "made-elsewhere", "pw", "core", code=AUTHORIZATION)


# -- virtual data centers --

def test_new_groups_are_in_the_default_one(one):
    gid = group(one)
    assert str(gid) in [x.text for x in one.xml("one.vdc.info", 0).findall("GROUPS/ID")]
    assert {f"@{gid} HOST/* MANAGE #0", f"@{gid} NET/* USE #0", f"@{gid} DATASTORE/* USE #0"} <= rules(one)
    one.ok("one.vdc.delgroup", 0, gid)
    assert not [rule for rule in rules(one) if rule.startswith(f"@{gid} ") and rule.endswith("#0")]
    one.ok("one.vdc.addgroup", 0, gid)
    one.fails("one.vdc.addgroup", 0, gid, code=ACTION, text="already assigned")
    one.ok("one.group.delete", gid)
    assert str(gid) not in [x.text for x in one.xml("one.vdc.info", 0).findall("GROUPS/ID")]


def test_vdc(one):
    gid = group(one)
    one.ok("one.vdc.delgroup", 0, gid)
    vdc = one.ok("one.vdc.allocate", f"NAME = vdc{next(numbers)}\nNOTE = x")
    one.ok("one.vdc.addgroup", vdc, gid)
    user = person(one, gid)
    assert len(user.xml("one.datastorepool.info")) == 0
    one.ok("one.vdc.adddatastore", vdc, 0, 1)
    assert [x.findtext("ID") for x in user.xml("one.datastorepool.info")] == ["1"]
    one.ok("one.vdc.addhost", vdc, 0, 1)
    assert f"@{gid} HOST/#1 MANAGE #0" in rules(one)
    one.fails("one.vdc.addhost", vdc, 0, 1, code=ACTION, text="already assigned")
    cluster = one.ok("one.cluster.allocate", f"vdc-cluster{next(numbers)}")
    one.ok("one.vdc.addcluster", vdc, 0, cluster)
    assert {f"@{gid} {kind}/%{cluster} {right} #0" for kind, right in (("HOST", "MANAGE"), ("NET", "USE"), ("DATASTORE", "USE"))} <= rules(one)
    one.ok("one.vdc.adddatastore", vdc, 0, -10)
    assert f"@{gid} DATASTORE/* USE #0" in rules(one)
    assert f"@{gid} DATASTORE/#1 USE #0" not in rules(one)
    info = one.xml("one.vdc.info", vdc)
    assert info.findtext("DATASTORES/DATASTORE/DATASTORE_ID") == "-10" and info.findtext("HOSTS/HOST/HOST_ID") == "1"
    one.ok("one.vdc.deldatastore", vdc, 0, -10)
    one.ok("one.vdc.delhost", vdc, 0, 1)
    one.fails("one.vdc.delhost", vdc, 0, 1, code=ACTION, text="not assigned")
    one.fails("one.vdc.addhost", vdc, 7, 1, code=NO_EXISTS, text="Error getting zone [7].")
    one.fails("one.vdc.addhost", vdc, 0, 4711, code=NO_EXISTS, text="Error getting host [4711].")
    one.ok("one.cluster.delete", cluster)
    assert one.xml("one.vdc.info", vdc).find("CLUSTERS/CLUSTER") is None
    one.ok("one.vdc.rename", vdc, f"renamed{next(numbers)}")
    one.ok("one.vdc.update", vdc, "NOTE = y", 1)
    one.ok("one.vdc.addhost", vdc, 0, 0)
    one.ok("one.vdc.delete", vdc)
    assert not [rule for rule in rules(one) if rule.startswith(f"@{gid} ") and rule.endswith("#0")]


def test_two_that_give_the_same(one):
    """What one VDC gives stays when another one, that gave it too, is taken away."""
    gid = group(one)
    one.ok("one.vdc.delgroup", 0, gid)
    both = [one.ok("one.vdc.allocate", f"NAME = same{next(numbers)}") for _ in range(2)]
    for vdc in both:
        one.ok("one.vdc.addgroup", vdc, gid)
        one.ok("one.vdc.addhost", vdc, 0, 0)
    one.ok("one.vdc.delete", both[0])
    assert f"@{gid} HOST/#0 MANAGE #0" in rules(one)
    one.ok("one.vdc.delhost", both[1], 0, 0)
    assert f"@{gid} HOST/#0 MANAGE #0" not in rules(one)


def test_wrong_vdcs(one):
    user = person(one)
    one.fails("one.vdc.allocate", "A = 1", code=ALLOCATE, text="No NAME")
    one.fails("one.vdc.allocate", "NAME = default", code=ALLOCATE, text="already taken by VDC 0")
    one.fails("one.vdc.delete", 0, code=ACTION, text="Default VDC")
    user.fails("one.vdc.allocate", "NAME = x", code=AUTHORIZATION)
    user.fails("one.vdc.addgroup", 0, 1, code=AUTHORIZATION)
    user.fails("one.vdc.addhost", 0, 0, 0, code=AUTHORIZATION)


# -- login tokens --

def with_token(one, user, token):
    return Client(one, f"{name_of(one, user)}:{token}")


def test_token(one):
    user = person(one)
    name = name_of(one, user)
    token = user.ok("one.user.login", name, "", 600, -1)
    assert len(token) >= 32
    info = user.xml("one.user.info", -1)
    assert info.findtext("LOGIN_TOKEN/TOKEN") == token and info.findtext("LOGIN_TOKEN/EGID") == "-1"
    assert abs(int(info.findtext("LOGIN_TOKEN/EXPIRATION_TIME")) - time.time() - 600) < 60
    other = with_token(one, user, token)
    assert other.xml("one.user.info", -1).findtext("ID") == str(user.uid)
    assert len(other.call("one.vm.info", 4711)) == 5  # not an old client, which knows no codes
    user.ok("one.user.login", name, token, 0)
    other.fails("one.user.info", -1, code=AUTHENTICATION)
    user.fails("one.user.login", name, token, 0, code=INTERNAL, text="Could not find")


def test_token_of_ones_own(one):
    user = person(one)
    name = name_of(one, user)
    assert user.ok("one.user.login", name, "my-own-token", -1) == "my-own-token"
    with_token(one, user, "my-own-token").ok("one.user.info", -1)
    user.fails("one.user.login", name, "short", -1, code=INTERNAL, text="at least 8")
    user.fails("one.user.login", name, "", -2, code=RPC_API, text="-2")
    person(one).fails("one.user.login", name, "", -1, code=AUTHORIZATION)
    one.fails("one.user.login", "nobody-here", "", -1, code=NO_EXISTS)
    with_token(one, user, "my-own-toke").fails("one.user.info", -1, code=AUTHENTICATION)
    with_token(one, user, "").fails("one.user.info", -1, code=AUTHENTICATION)


def test_at_most_ten(one):
    user = person(one)
    name = name_of(one, user)
    for _ in range(10):
        user.ok("one.user.login", name, "", -1)
    user.fails("one.user.login", name, "", -1, code=INTERNAL, text="Max tokens limit reached")
    user.ok("one.user.login", name, "", 0)  # ends all of them
    assert user.xml("one.user.info", -1).find("LOGIN_TOKEN") is None
    user.ok("one.user.login", name, "", -1)


def test_expired_token(one):
    user = person(one)
    name = name_of(one, user)
    for seconds in (1, 5, 60):  # on a slow computer the first may have ended before it is used
        client = with_token(one, user, user.ok("one.user.login", name, "", seconds, -1))
        if client.call("one.user.info", -1)[0]:
            break
    else:
        pytest.fail("no token was good")
    one.server.until(lambda: client.call("one.user.info", -1)[0] is False, "the token to expire")
    # The place that it took is free again.
    for _ in range(10):
        user.ok("one.user.login", name, "", -1)


def test_token_bound_to_a_group(one):
    first, second, third = group(one), group(one), group(one)
    user = person(one, first)
    owner = person(one, second)
    one.ok("one.user.addgroup", user.uid, second)
    vm = owner.allocate(hold=True)
    owner.ok("one.vm.chmod", vm, -1, -1, -1, 1, -1, -1, -1, -1, -1)
    name = name_of(one, user)
    user.fails("one.user.login", name, "", -1, third, code=INTERNAL, text="not part of group")
    for gid, sees in ((first, False), (second, True)):
        client = with_token(one, user, user.ok("one.user.login", name, "", -1, gid))
        assert client.call("one.vm.info", vm)[0] is sees
        made = client.allocate(hold=True)
        assert client.vm(made).findtext("GID") == str(gid)
        # It does not make a stronger one.
        client.fails("one.user.login", name, "", -1, -1, code=AUTHORIZATION)
        client.ok("one.user.login", name, "", -1, gid)
    one.ok("one.user.delgroup", user.uid, second)
    client.fails("one.vm.info", vm, code=AUTHENTICATION)


def test_a_token_of_an_administrator_bound_to_users(one):
    one.ok("one.user.addgroup", 0, 1)
    token = one.ok("one.user.login", "oneadmin", "", -1, 1)
    client = Client(one, f"oneadmin:{token}")
    assert client.ok("one.user.info", -1)
    one.ok("one.user.login", "oneadmin", "", 0)
    one.ok("one.user.delgroup", 0, 1)


def test_tokens_end_with_the_password(one):
    user = person(one)
    token = user.ok("one.user.login", name_of(one, user), "", -1)
    one.ok("one.user.passwd", user.uid, "another-one")
    with_token(one, user, token).fails("one.user.info", -1, code=AUTHENTICATION)
    disabled = person(one)
    token = disabled.ok("one.user.login", name_of(one, disabled), "", -1)
    one.ok("one.user.enable", disabled.uid, False)
    with_token(one, disabled, token).fails("one.user.info", -1, code=AUTHENTICATION)


def test_chauth(one):
    user = person(one)
    one.fails("one.user.chauth", user.uid, "ldap", "", code=INTERNAL, text='no authentication driver "ldap"')
    one.fails("one.user.chauth", user.uid, "core", "with blank", code=INTERNAL)
    user.fails("one.user.chauth", user.uid, "core", "x", code=AUTHORIZATION)
    one.ok("one.user.chauth", user.uid, "core", "new-password")
    Client(one, f"{name_of(one, user)}:new-password").ok("one.user.info", -1)
    user.fails("one.user.info", -1, code=AUTHENTICATION)


def test_they_outlive_a_restart(fresh):
    server = fresh(hosts=1)
    gid = server.ok("one.group.allocate", "kept")
    user = server.user("kept", groups=[gid])
    server.ok("one.group.addadmin", gid, user.uid)
    vdc = server.ok("one.vdc.allocate", "NAME = kept")
    server.ok("one.vdc.addgroup", vdc, gid)
    server.ok("one.vdc.addhost", vdc, 0, 0)
    token = user.ok("one.user.login", "kept", "", -1, gid)
    before = [server.ok("one.group.info", gid), server.ok("one.vdc.info", vdc), server.ok("one.acl.info"), server.ok("one.user.info", user.uid)]
    server.kill()
    server.start()
    assert [server.ok("one.group.info", gid), server.ok("one.vdc.info", vdc), server.ok("one.acl.info"),
            server.ok("one.user.info", user.uid)] == before
    Client(server, f"kept:{token}").ok("one.user.info", -1)
    assert "in order" in server.command("--check").stdout

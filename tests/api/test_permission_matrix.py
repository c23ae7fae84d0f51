"""Every method as everybody: tests/api/data/permissions.txt says what each needs, and who is who."""
import ast
import itertools
import re
import threading
import time
import xmlrpc.client
from pathlib import Path

import pytest
from api.server import From, Server
from api.states import AUTHENTICATION, AUTHORIZATION, NO_EXISTS

TABLE = Path(__file__).parent / "data" / "permissions.txt"
KINDS = ("VM HOST NET IMAGE USER TEMPLATE GROUP ACL DATASTORE CLUSTER DOCUMENT ZONE SECGROUP VDC VROUTER MARKETPLACE "
         "MARKETPLACEAPP VMGROUP VNTEMPLATE HOOK BACKUPJOB").split()
BIT = {kind: 0x1000000000 << place for place, kind in enumerate(KINDS)}
RIGHT = {"USE": 1, "MANAGE": 2, "ADMIN": 4, "CREATE": 8}
RANK = {"USE": 1, "MANAGE": 2, "ADMIN": 3}
OWNED = set("VM NET IMAGE TEMPLATE DATASTORE DOCUMENT SECGROUP VROUTER MARKETPLACE MARKETPLACEAPP VMGROUP VNTEMPLATE BACKUPJOB".split())
LOCKABLE = set("VM NET IMAGE TEMPLATE DOCUMENT VROUTER MARKETPLACEAPP VMGROUP VNTEMPLATE HOOK BACKUPJOB".split())
OF_A_GROUP = set("VM NET IMAGE TEMPLATE DOCUMENT SECGROUP VROUTER VMGROUP BACKUPJOB".split())  # its administrators manage
IN_CLUSTERS = set("HOST NET DATASTORE CLUSTER".split())
PLACEHOLDER = {"rule": "ACL", "store": "DATASTORE", "username": "USER", "imagevm": "VM"}
FAMILY = {"NET": "vn", "VM": "vm", "MARKETPLACE": "market", "MARKETPLACEAPP": "marketapp"}
# Placeholders whose family of methods is called otherwise.
FAMILY_OF = {"net": "vn", "store": "datastore", "imagevm": "vm", "marketplace": "market", "marketplaceapp": "marketapp"}


class Line:
    """One line of the table."""

    def __init__(self, text):
        self.method, self.arguments, rights = [part.strip() for part in text.split("|")]
        self.listed, self.special, self.needs = None, None, []
        if rights in ("administrators", "anybody", "no session"):
            self.special = rights
            return
        for need in rights.split(" + "):
            words = need.split()
            if words[0] == "listed":
                self.listed = words[1]
            else:
                assert words[0] in RIGHT and words[1] in KINDS and (words[2:] in ([], ["unlocked"]) or words[2] == "of"), text
                self.needs.append((words[0], words[1], "unlocked" in words, words[3] if "of" in words else None))

    def __str__(self):
        return f"{self.method}({self.arguments})"

    def objects(self):
        return re.findall(r"{(\w+)}", self.arguments)


LINES = [Line(text) for text in TABLE.read_text().splitlines() if text and not text.startswith("#")]


def word(letter, number=0):
    return {"#": 1, "@": 2, "*": 4, "%": 8}[letter] << 32 | number


class Cast:
    """The users, and objects that are made when a call needs them."""

    def __init__(self, one):
        self.one, self.numbers, self.made, self.rules = one, itertools.count(1000), {}, 0
        self.proxy = xmlrpc.client.ServerProxy(f"http://127.0.0.1:{one.port}/RPC2", From("127.0.0.1"))
        # What everybody has by the rules of the first start would hide what is missing.
        for rule in one.xml("one.acl.info").findall("ACL"):
            if rule.findtext("STRING").startswith("* "):
                one.ok("one.acl.delrule", int(rule.findtext("ID")))
        self.group, self.far = (self.group_alone(name) for name in ("group", "far"))
        self.owner, self.member, self.chief, self.removed = (one.user(f"m-{name}", groups=[self.group]) for name in ("owner", "member", "chief", "removed"))
        self.stranger, self.root = one.user("m-stranger", groups=[self.far]), one.user("m-root", groups=[0])
        one.ok("one.group.addadmin", self.group, self.chief.uid)

    def group_alone(self, name):
        """A group that no VDC gives anything."""
        group = self.one.ok("one.group.allocate", f"m-{name}")
        self.one.ok("one.vdc.delgroup", 0, group)
        return group

    def call(self, client, method, *arguments):
        return getattr(self.proxy, method)(client.session, *arguments)

    def ok(self, method, *arguments):
        reply = self.call(self.one, method, *arguments)
        assert reply[0] is True, (method, arguments, reply)
        return reply[1]

    def make(self, what):
        name = f"m{next(self.numbers)}"
        made = {
            "vm": lambda: self.ok("one.vm.allocate", f"NAME = {name}\nCPU = 0.1\nMEMORY = 64\nDISK = [ TYPE = fs, SIZE = 1 ]", True),
            "imagevm": lambda: self.ok("one.vm.allocate", f"NAME = {name}\nCPU = 0.1\nMEMORY = 64\nDISK = [ IMAGE_ID = {self.make('image')} ]", True),
            "host": lambda: self.ok("one.host.allocate", name, "dummy", "dummy", -1),
            "net": lambda: self.ok("one.vn.allocate", f"NAME = {name}\nVN_MAD = dummy\nAR = [ TYPE = IP4, IP = 10.9.0.1, SIZE = 50 ]", -1),
            "image": lambda: self.ok("one.image.allocate", f"NAME = {name}\nSOURCE = there\nSIZE = 1", 1, True),
            "user": lambda: self.ok("one.user.allocate", name, "pw", "core", [self.group]),
            "template": lambda: self.ok("one.template.allocate", f"NAME = {name}\nCPU = 0.1\nMEMORY = 64"),
            "vntemplate": lambda: self.ok("one.vntemplate.allocate", f"NAME = {name}\nVN_MAD = dummy"),
            "group": lambda: self.ok("one.group.allocate", name),
            "rule": lambda: self.ok("one.acl.addrule", f"{word('#', self.owner.uid):x}", f"{BIT['VM'] | word('#', next(self.numbers)):x}", "1", f"{word('*'):x}"),
            "datastore": lambda: self.ok("one.datastore.allocate", f"NAME = {name}\nTYPE = SYSTEM_DS\nTM_MAD = dummy", 0),
            "store": lambda: self.ok("one.datastore.allocate", f"NAME = {name}\nTYPE = IMAGE_DS\nDS_MAD = dummy\nTM_MAD = dummy", 0),
            "cluster": lambda: self.ok("one.cluster.allocate", name),
            "document": lambda: self.ok("one.document.allocate", f"NAME = {name}", 100),
            "zone": lambda: 0,
            "secgroup": lambda: self.ok("one.secgroup.allocate", f"NAME = {name}\nRULE = [ PROTOCOL = TCP, RULE_TYPE = INBOUND ]"),
            "backupjob": lambda: self.ok("one.backupjob.allocate", f"NAME = {name}"),
            "vmgroup": lambda: self.ok("one.vmgroup.allocate", f"NAME = {name}\nROLE = [ NAME = a ]"),
            "hook": lambda: self.ok("one.hook.allocate", f"NAME = {name}\nTYPE = api\nCALL = one.vm.resize\nCOMMAND = x"),
            "vrouter": lambda: self.ok("one.vrouter.allocate", f"NAME = {name}"),
            "vdc": lambda: self.ok("one.vdc.allocate", f"NAME = {name}"),
            "marketplace": lambda: self.ok("one.market.allocate", f"NAME = {name}\nMARKET_MAD = dummy"),
            "marketplaceapp": lambda: self.ok("one.marketapp.allocate", f"NAME = {name}\nTYPE = VMTEMPLATE", self.make("marketplace")),
        }[what]()
        if PLACEHOLDER.get(what, what.upper()) in OWNED:
            family = FAMILY_OF.get(what, what)
            self.ok(f"one.{family}.chown", made, self.owner.uid, self.group)
        if what == "user":
            self.names = {**getattr(self, "names", {}), made: name}
        return made

    def get(self, what):
        what = "user" if what == "username" else what
        if what not in self.made:
            self.made[what] = self.make(what)
        return self.made[what]

    def bits(self, what, place):
        """600, and one for USE of the group or of others."""
        family = FAMILY_OF.get(what, what)
        self.ok(f"one.{family}.chmod", self.get(what), 1, 1, 0, int(place == "group"), 0, 0, int(place == "other"), 0, 0)

    def rule(self, subject, need, objects, cluster):
        right, kind, _, of_default = need
        if right == "CREATE":
            place = word("*")
        elif cluster and kind in IN_CLUSTERS:
            place = word("%", objects[kind] if kind == "CLUSTER" and not of_default else 0)
        else:
            place = word("#", int(of_default or objects[kind])) if kind in objects or of_default else word("*")
        return self.ok("one.acl.addrule", f"{subject:x}", f"{BIT[kind] | place:x}", f"{RIGHT[right]:x}", f"{word('*'):x}")


@pytest.fixture(scope="module")
def cast(tmp_path_factory):
    one = Server(tmp_path_factory.mktemp("matrix"), "MONITORING_INTERVAL_HOST = 3600\nSESSION_EXPIRATION_TIME = 86400\n").start()
    one.host("h0")
    cast = Cast(one)
    yield cast
    cast.proxy("close")()
    one.clean_up()


def refused(reply):
    """Not allowed. Any other failure is the method's own, and comes after that question."""
    return (isinstance(reply, list) and reply[0] is False and
            bool(re.search(r"Not authorized to perform |not authorized to perform action on|is locked\. \[", reply[1])))


class Case:
    """One line as one caller."""

    def __init__(self, cast, line, oneself=None):
        self.cast, self.line, self.oneself = cast, line, oneself
        self.prepare()

    def prepare(self):
        """The objects of the line, made anew where a call before has taken them."""
        self.ids, self.objects = {}, {}
        for what in self.line.objects():
            if what == "n":
                continue
            identity = self.oneself.uid if self.oneself and what in ("user", "username") else self.cast.get(what)
            self.ids[what] = identity
            self.objects[PLACEHOLDER.get(what, what.upper())] = identity

    def arguments(self):
        values = dict(self.ids, n=next(self.cast.numbers))
        if "username" in values:
            values["username"] = self.oneself.session.split(":")[0] if self.oneself else self.cast.names[values["username"]]
        text = re.sub(r"{(\w+)}", lambda found: str(values[found.group(1)]), self.line.arguments)
        return ast.literal_eval(f"({text},)") if text else ()

    def reply(self, client):
        reply = self.cast.call(client, self.line.method, *self.arguments())
        if not refused(reply) and not re.search(r"info|monitoring|migratecheck|migrations", self.line.method):
            # Whatever it was done to may be another now, or gone.
            for what in set(self.ids):
                self.cast.made.pop("user" if what == "username" else what, None)
        return reply

    def expect(self, client, allowed, who):
        reply = self.reply(client)
        assert refused(reply) != allowed, f"{self.line} as {who}: {'was refused' if allowed else 'was let'}: {reply}"
        if not allowed and self.line.needs and len(reply) == 5:
            assert reply[2] == AUTHORIZATION, reply
            assert any(f"{right} {kind}" in reply[1] or f"{kind} is locked" in reply[1] for right, kind, _, _ in self.line.needs), reply
        return reply

    def met(self, rights_of):
        """Whether a caller who has these rights on objects meets the line."""
        return all(right in rights_of(kind, of_default) for right, kind, _, of_default in self.line.needs)


def on_own(kind, of_default):
    return {"USE", "MANAGE"} if not of_default and kind in OWNED else set()


@pytest.mark.parametrize("line", [line for line in LINES if line.needs], ids=str)
def test_rights(cast, line):
    one = cast.one
    main = next((need[1] for need in line.needs), None)
    owned = [what for what in dict.fromkeys(line.objects()) if PLACEHOLDER.get(what, what.upper()) in OWNED]

    def case(place=None, oneself=None):
        made = Case(cast, line, oneself)
        for what in owned if place else ():
            cast.bits(what, place)
        return made

    # Nobody, and those whom the bits let in.
    case("own").expect(cast.stranger, False, "nobody")
    oneself = cast.owner if main == "USER" else None
    owner = case("own", oneself)
    ok = owner.met(lambda kind, zero: {"USE", "MANAGE"} if kind == "USER" and oneself else on_own(kind, zero))
    owner.expect(cast.owner, ok, "owner")
    if owned:
        case("group").expect(cast.member, owner.met(lambda kind, zero: {"USE"} if kind in OWNED and not zero else set()), "group")
        case("other").expect(cast.stranger, owner.met(lambda kind, zero: {"USE"} if kind in OWNED and not zero else set()), "other")

    def of_chief(kind, zero):
        return {"USE", "MANAGE", "ADMIN", "CREATE"} if kind == "USER" else {"USE", "MANAGE"} if kind in OF_A_GROUP and not zero else set()
    chief = case("own")
    chief.expect(cast.chief, chief.met(of_chief), "group admin")

    # Rules: all but one of the rights, and all of them.
    for who, subject, cluster in (("rule, user", word("#", cast.stranger.uid), False), ("rule, group", word("@", cast.far), False),
                                  ("rule, cluster", word("#", cast.stranger.uid), True)):
        if cluster and not any(kind in IN_CLUSTERS and right != "CREATE" for right, kind, _, _ in line.needs):
            continue
        asked = case("own")
        rules = [cast.rule(subject, need, asked.objects, cluster) for need in line.needs]
        try:
            for place, need in enumerate(line.needs):
                cast.ok("one.acl.delrule", rules[place])
                asked.expect(cast.stranger, False, f"{who} without {need[0]} {need[1]}")
                rules[place] = cast.rule(subject, need, asked.objects, cluster)
            asked.expect(cast.stranger, True, who)
        finally:
            for rule in rules:
                reply = cast.call(one, "one.acl.delrule", rule)
                assert reply[0] or reply[2] == NO_EXISTS, reply  # what was deleted took its rules along

    # Locks, level by level, and those who may do all.
    for right, kind, unlocked, of_default in line.needs:
        what = next((w for w in line.objects() if w.upper() == kind), None)
        if kind not in LOCKABLE or right == "CREATE" or not what or of_default:
            continue
        for level in (1, 2, 3):
            asked = case()
            cast.ok(f"one.{FAMILY.get(kind, kind.lower())}.lock", asked.objects[kind], level)
            needed = max(RANK[r] for r, k, _, _ in line.needs if k == kind and r in RANK)
            try:
                asked.expect(one, unlocked or level > needed, f"locked {level}")
            finally:
                cast.call(one, f"one.{FAMILY.get(kind, kind.lower())}.unlock", asked.objects[kind])
    case().expect(one, True, "oneadmin")
    case().expect(cast.root, True, "a member of group 0")


@pytest.mark.parametrize("line", [line for line in LINES if line.listed], ids=str)
def test_lists(cast, line):
    """Pools show what the caller may USE."""
    what = {"NET": "net", "ACL": "rule"}.get(line.listed, line.listed.lower())
    asked = Case(cast, line)
    # Figures, of which a new object has none: test_accounting.py and others look at what they show to whom.
    figures = any(word in line.method for word in ("monitoring", "accounting", "showback"))
    identity = cast.get(what)

    def sees(client):
        reply = asked.cast.call(client, line.method, *asked.arguments())
        assert reply[0] is True, reply
        return f"<ID>{identity}</ID>" in reply[1] or f'<MONITORING><ID>{identity}<' in reply[1] or figures
    if what in ("vm", "net", "image", "template", "document", "secgroup", "vmgroup", "backupjob", "vrouter", "vntemplate", "datastore", "marketplace", "marketplaceapp"):
        cast.bits(what, "own")
        assert sees(cast.owner)
        if not figures:
            assert not sees(cast.stranger) and not sees(cast.member)
        cast.bits(what, "other")
        assert sees(cast.stranger)
        cast.bits(what, "own")
    elif not figures and what != "user":
        assert not sees(cast.stranger)
    rule = cast.rule(word("@", cast.far), ("USE", line.listed, False, False), {line.listed: identity}, False)
    assert sees(cast.stranger)
    cast.ok("one.acl.delrule", rule)
    assert sees(cast.one) and sees(cast.root)


@pytest.mark.parametrize("line", [line for line in LINES if line.special in ("administrators", "anybody")], ids=str)
def test_specials(cast, line):
    asked = Case(cast, line)
    for who in ("stranger", "owner", "chief"):
        asked.expect(getattr(cast, who), line.special == "anybody", who)
    Case(cast, line).expect(cast.root, True, "a member of group 0")
    Case(cast, line).expect(cast.one, True, "oneadmin")


def all_at_once(calls):
    """Calls in threads; attempts with one session at the same time are one attempt."""
    replies = [None] * len(calls)

    def work(place, client, method, arguments):
        replies[place] = client.call(method, *arguments)
    threads = [threading.Thread(target=work, args=(place, *call)) for place, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return replies


@pytest.mark.parametrize("how", ["disabled user", "wrong password", "expired token"])
def test_nobody_gets_in(cast, how):
    one = cast.one
    user = one.user(f"m-{how.replace(' ', '-')}", groups=[cast.group])
    client = one.client(user.session)
    if how == "disabled user":
        client.ok("one.user.info", -1)
        one.ok("one.user.enable", user.uid, False)
    elif how == "wrong password":
        client = one.client(user.session + "x")
    else:
        client = one.client(f"m-expired-token:{user.ok('one.user.login', 'm-expired-token', '', 1)}")
        time.sleep(2.1)
    lines = [line for line in LINES if line.special != "no session"]
    calls = [(client, line.method, Case(cast, line).arguments()) for line in lines]
    for batch in range(0, len(calls), 60):
        for (_, method, _), reply in zip(calls[batch:batch + 60], all_at_once(calls[batch:batch + 60])):
            assert reply[0] is False and reply[2] == AUTHENTICATION and "couldn't be authenticated" in reply[1], (method, reply)


def test_no_session(cast):
    for line in LINES:
        if line.special == "no session" and line.method != "system.multicall":
            getattr(cast.proxy, line.method)(*Case(cast, line).arguments())
    calls = [{"methodName": "one.vm.info", "params": [cast.stranger.session, cast.get("vm")]},
             {"methodName": "one.vm.info", "params": ["m-stranger:wrong", cast.get("vm")]}]
    allowed, unknown = cast.proxy.system.multicall(calls)
    assert refused(allowed[0]) and unknown[0][2] == AUTHENTICATION


def test_every_method_is_in_the_table(cast):
    listed = set(cast.proxy.system.listMethods())
    ours = {line.method for line in LINES}
    assert not listed - ours, f"say in {TABLE.name} what these need: {sorted(listed - ours)}"
    assert not ours - listed, f"{TABLE.name} has lines of methods that are not there: {sorted(ours - listed)}"

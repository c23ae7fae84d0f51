"""Calls that nobody would make: every method with arguments that are random, or right ones that were spoiled.

A seed gives the same calls again. What was acknowledged is remembered, and must be there when all is over.
"""
import datetime
import http.client
import random
import xmlrpc.client
from xml.parsers.expat import ExpatError

# What makes an object, and of which family it is. `allocate` and `clone` make one of their own.
MAKES = {"one.template.instantiate": "vm", "one.vntemplate.instantiate": "vn", "one.vm.disksaveas": "image", "one.vn.reserve": "vn"}
ENDS = {"delete", "dropdb"}
OLD_ENDS = {"one.hostdelete": "host", "one.vndelete": "vn"}
# Of these a session of the test's own would be lost, or a call would only wait.
HANDS_OFF = {"one.user.passwd", "one.user.chauth", "one.user.enable", "one.user.delete", "one.user.chgrp", "one.user.delgroup",
             "one.user.login", "one.user.update", "one.user.rename", "one.user.quota", "one.userquota.update"}
# Public marketplaces, when somebody enables them, are not looked at: the tests fetch nothing from others.
CONFIGURATION = 'MARKET_MAD = [ EXECUTABLE = "one_market", ARGUMENTS = "-m dummy" ]\n'
SKIPPED = {"globule.sched.wait", "globule.vm.console", "system.multicall"}

INTEGERS = [-2**31, -2**31 + 1, -5, -4, -3, -2, -1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 7, 8, 16, 63, 64, 99, 100, 101, 102, 255, 256, 4711, 65535, 65536,
            2**24, 2**31 - 2, 2**31 - 1]
TEXTS = ["", " ", "\n", "0", "1", "-1", "a", "YES", "NO", "terminate", "terminate-hard", "hold", "release", "suspend", "stop", "resume", "poweroff",
         "undeploy", "reboot", "resched", "../../etc/passwd", "/etc/passwd", "%s%n%d", "\u20ac\U0001f600\u0301", "]]>", "<", "&amp;", "'\"\\", "x" * 129,
         "NAME=", "=", "[", "A=[", "A=[B=1", "A=\"", "A=1\nA=2\nA=3", "A=[B=1]\nA=2", "<A>1</A>", "<VM><A>1</VM>", "<A><B><C/></B></A>",
         "NAME = n\nCPU = 1\nMEMORY = 64", "CPU = 0.1\nMEMORY = 32\nDISK = [ IMAGE_ID = 0 ]\nNIC = [ NETWORK_ID = 0 ]", "CPU=-1\nMEMORY=-1",
         "CPU = 1e308\nMEMORY = 99999999999999999999", "NIC=[NETWORK_ID=0]", "NIC=[NETWORK_ID=99999999999]", "DISK=[IMAGE_ID=0]",
         "DISK=[TYPE=fs,SIZE=9223372036854775807]", "DISK=[TYPE=fs,SIZE=-1]", "AR=[TYPE=IP4,IP=10.0.0.1,SIZE=10]", "AR=[AR_ID=0,SIZE=0]",
         "AR=[TYPE=IP6,SIZE=4294967295]", "AR=[TYPE=IP4,IP=255.255.255.255,SIZE=100]", "LEASES=[IP=10.0.0.1]", "SIZE=1", "SIZE=1\nNETWORK_ID=0",
         "RULE=[PROTOCOL=TCP,RULE_TYPE=INBOUND,RANGE=\"1:70000\"]", "ROLE=[NAME=a]", "ROLE=[NAME=a,POLICY=AFFINED]\nROLE=[NAME=b]\nAFFINED=\"a,b\"",
         "VM=[CPU=1,MEMORY=1,VMS=1]", "IMAGE=[ID=0,RVMS=-2]", "DATASTORE=[ID=1,SIZE=99999999999999999999,IMAGES=1]",
         "SCHED_ACTION=[ACTION=hold,TIME=\"+1\"]", "SCHED_ACTION=[ACTION=terminate,TIME=9223372036854775807,REPEAT=3,DAYS=1]",
         "TYPE=api\nCALL=one.vm.info\nCOMMAND=x\nNAME=h", "TYPE=state\nRESOURCE=VM\nON=CUSTOM\nSTATE=ACTIVE\nLCM_STATE=RUNNING\nCOMMAND=x\nNAME=i",
         "NAME=m\nMARKET_MAD=dummy", "NAME=p\nORIGIN_ID=0\nTYPE=IMAGE", "NAME=i\nSIZE=1", "NAME=i\nSIZE=1\nTYPE=DATABLOCK", "NAME=j\nFROM_APP=0",
         "NAME=c\nPATH=/etc/passwd", "NAME=c\nPATH=http://127.0.0.1:1/", "#0", "@1", "*", "%100", "100000000", "1000000000000000", "VM+HOST/* USE *",
         "NAME=d\nTYPE=SYSTEM_DS\nTM_MAD=dummy", "NAME=d\nTYPE=IMAGE_DS\nTM_MAD=dummy\nDS_MAD=dummy", "NAME=v\nVN_MAD=dummy", "CONTEXT=[A=1]",
         "VMGROUP=[VMGROUP_ID=0,ROLE=a]", "PCI=[VENDOR=1]", "GRAPHICS=[TYPE=VNC]", "TOPOLOGY=[SOCKETS=2,CORES=2,THREADS=1]", "USER_INPUTS=[A=\"M|text|b\"]",
         "LIVE=YES", "MIGRATE=[MODE=live,BANDWIDTH=-1]", "10", "99999999999999999999", "0x7fffffff", "1.5", "nan"]
ALPHABET = "aA0 =[]\"',\\\n\t#<>&;:/.-+%$@!()\u00e4\u20ac\U0001f600"


class Crash(AssertionError):
    """The server went away, or answered with something that is no answer."""


class Calls:
    def __init__(self, port, sessions, methods, valid, seed):
        self.port, self.sessions, self.methods, self.valid = port, sessions, methods, valid
        self.random, self.seed, self.number, self.last = random.Random(seed), seed, 0, []
        self.ledger, self.vague, self.outcomes = {}, set(), {"done": 0, "refused": 0, "fault": 0, "http": 0}
        self.connection = None

    # ---- what is sent ----

    def text(self):
        kind = self.random.random()
        if kind < 0.6:
            return self.random.choice(TEXTS)
        if kind < 0.8:
            return self.spoil(self.random.choice(TEXTS))
        if kind < 0.9:
            return "\n".join(self.random.sample(TEXTS, self.random.randint(2, 6)))
        length = self.random.choice([1, 3, 10, 40, 200] + [20000] * (self.random.random() < 0.1))
        return "".join(self.random.choice(ALPHABET) for _ in range(length))

    def spoil(self, text):
        for _ in range(self.random.randint(1, 3)):
            at = self.random.randint(0, len(text))
            how = self.random.randrange(4)
            if how == 0:
                text = text[:at] + self.random.choice(ALPHABET) + text[at:]
            elif how == 1:
                text = text[:at] + text[at + self.random.randint(1, 4):]
            elif how == 2:
                text = text[:at] + text[self.random.randint(0, len(text)):] + text[at:]
            else:
                text = text.replace("1", str(self.random.choice(INTEGERS)))
        return text[:50000]

    def integer(self):
        if self.random.random() < 0.6:
            return self.random.choice([0, 0, 1, 1, 2, 3, self.random.randint(0, 12), self.random.randint(100, 108)])
        return self.random.choice(INTEGERS)

    def anything(self, depth=0):
        kind = self.random.randrange(11 if depth < 3 else 8)
        if kind < 3:
            return self.text()
        if kind < 5:
            return self.integer()
        return [self.random.random() < 0.5, self.random.choice([0.0, -1.5, 1e300]), xmlrpc.client.Binary(self.text().encode()),
                xmlrpc.client.DateTime(datetime.datetime(2020, 1, 1)), None,
                [self.anything(depth + 1) for _ in range(self.random.randint(0, 3))] if depth < 3 else 1][min(kind, 10) - 5]

    def of_type(self, word):
        return {"int": self.integer, "string": self.text, "boolean": lambda: self.random.random() < 0.5,
                "array": lambda: [self.integer() for _ in range(self.random.randint(0, 5))]}.get(word, self.anything)()

    def arguments(self, method):
        if method in self.valid and self.random.random() < 0.35:
            chosen = list(self.random.choice(self.valid[method]))
            for place in range(len(chosen)):
                if self.random.random() < 0.3:
                    old = chosen[place]
                    chosen[place] = (self.spoil(old) if isinstance(old, str) else self.integer() if type(old) is int else self.anything())
        else:
            chosen = [self.of_type(word) for word in self.random.choice(self.methods[method])]
        if self.random.random() < 0.08:
            for _ in range(self.random.randint(1, 3)):
                how = self.random.randrange(3)
                if how == 0 and chosen:
                    chosen.pop(self.random.randrange(len(chosen)))
                elif how == 1:
                    chosen.insert(self.random.randint(0, len(chosen)), self.anything())
                elif chosen:
                    chosen[self.random.randrange(len(chosen))] = self.anything()
        if method in HANDS_OFF and not (chosen and type(chosen[0]) is int and chosen[0] > 3):
            chosen[:1] = [self.random.randint(4, 40)] if method != "one.user.login" else ["nobody"]
        return chosen

    def body(self, method, arguments):
        kind = self.random.random()  # wrong passwords are rare, since they are slowed
        session = self.sessions[0 if kind < 0.85 else 1] if kind < 0.9995 else self.random.choice(self.sessions[2:])
        try:
            body = xmlrpc.client.dumps((session, *arguments) if not method.startswith("system.") else tuple(arguments), method, allow_none=True)
        except (TypeError, OverflowError, ValueError):
            body = xmlrpc.client.dumps((session,), method)
        body = body.encode("utf-8", "replace")
        if self.random.random() < 0.04:  # and not even a call
            at = self.random.randint(0, len(body))
            body = body[:at] + self.random.choice([b"", b"<", b"\x00", b"\xff\xfe", b"</value>", b"<array><data>" * 50, b"&#0;", b"&x;"]) + body[at + self.random.randint(0, 9):]
        return body

    # ---- and what comes back ----

    def send(self, body):
        """An answer as bytes. A connection that the server closed between two calls is opened again, once."""
        for attempt in (1, 2):
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
            try:
                self.connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml"})
                answer = self.connection.getresponse()
                return answer.status, answer.read()
            except (http.client.HTTPException, OSError) as error:
                self.connection.close()
                self.connection = None
                if attempt == 2 or isinstance(error, TimeoutError):
                    raise Crash(f"{error!r} after {self.history()}") from error

    def history(self):
        return f"seed {self.seed}, call {self.number}:\n" + "\n".join(f"{n}: {text}" for n, text in self.last[-5:])

    def outcome(self, status, answer):
        """The value of an answer, or None: a fault, or a refusal of HTTP."""
        if status != 200:
            assert status in (400, 413, 503), f"HTTP {status} {answer[:200]!r}: {self.history()}"
            self.outcomes["http"] += 1
            return None
        try:
            value = xmlrpc.client.loads(answer, use_builtin_types=True)[0][0]
        except xmlrpc.client.Fault:
            self.outcomes["fault"] += 1
            return None
        except (ExpatError, IndexError, ValueError, xmlrpc.client.ResponseError) as error:
            raise Crash(f"{error!r} in {answer[:300]!r}: {self.history()}") from error
        return value

    def step(self):
        method = self.random.choice(sorted(self.methods))
        arguments = self.arguments(method)
        body = self.body(method, arguments)
        self.number += 1
        self.last = self.last[-4:] + [(self.number, repr(body)[:3000])]
        value = self.outcome(*self.send(body))
        if not isinstance(value, list) or not value or not isinstance(value[0], bool):
            return
        self.outcomes["done" if value[0] else "refused"] += 1
        if value[0]:
            self.remember(method, arguments, value[1] if len(value) > 1 else None)

    def remember(self, method, arguments, value):
        if method in OLD_ENDS:
            self.ledger.pop((OLD_ENDS[method], arguments[0]), None)
        words = method.split(".")
        if len(words) != 3 or words[0] != "one":
            return
        family = MAKES.get(method, words[1] if words[2] in ("allocate", "allocatedb", "clone") else None)
        if family and type(value) is int:
            self.ledger[family, value] = self.number
        if words[2] in ENDS or method == "one.vn.recover":
            ident = arguments[0] if arguments else None
            self.ledger.pop((words[1], ident), None)
        if method == "one.template.delete" and True in arguments[1:2]:
            self.vague.add("image")  # with the images of its disks, whichever those are
        if method == "one.market.delete" and arguments[0] < 100:
            self.vague.add("marketapp")  # a public one goes with its apps

    def run(self, count):
        for _ in range(count):
            self.step()
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def missing(self, there):
        """Objects that were acknowledged, and of which there(family, id) is false."""
        return [f"{family} {ident} of call {number}" for (family, ident), number in sorted(self.ledger.items())
                if family not in self.vague and family not in ("acl", "zone") and not there(family, ident)]


def shapes(server):
    """Of each method the types of its arguments, for each of its shapes, as the server tells them."""
    with server.proxy() as proxy:
        names = [name for name in proxy.system.listMethods() if name not in SKIPPED]
        return {name: [[word for word in shape[1:]] for shape in proxy.system.methodSignature(name)] for name in names}


def without_session(methods):
    """The session is sent by itself."""
    return {name: [shape[0 if name.startswith("system.") else 1:] for shape in shapes_of] for name, shapes_of in methods.items()}


def ordeal(server, count, seed, valid):
    """So many calls to an oned with two simulated hosts; what was wrong after it, which is nothing."""
    user = server.user("random")
    group = server.ok("one.group.allocate", "randoms")
    server.ok("one.user.addgroup", user.uid, group)
    calls = Calls(server.port, [server.session, user.session, "random:wrong", "nobody"], without_session(shapes(server)), valid, seed)
    calls.run(count)
    if server.process.poll() is not None:
        raise Crash(f"oned ended with {server.process.returncode}: {calls.history()}\n{server.said()}")
    lost = calls.missing(lambda family, ident: server.call(f"one.{family}.info", ident)[0])
    server.restart(clean=False)
    lost += calls.missing(lambda family, ident: server.call(f"one.{family}.info", ident)[0])
    server.stop()
    checked = server.command("--check")
    if checked.returncode:
        lost.append(checked.stdout)
    return calls, lost

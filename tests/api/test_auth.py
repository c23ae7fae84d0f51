"""Users whom a driver verifies: the protocol, by a driver in shell that answers what the secret says."""
import os
import signal
import threading
import time

import pytest
from api.server import Client
from api.states import ACTION, AUTHENTICATION, AUTHORIZATION, INTERNAL

DRIVER = """
AUTH_MAD = [ EXECUTABLE = "auth_script", AUTHN = "script, other,server_script" ]
AUTH_MAD_CONF = [ NAME = "script", PASSWORD_CHANGE = "YES", DRIVER_MANAGED_GROUPS = "NO", MAX_TOKEN_TIME = 100 ]
AUTH_MAD_CONF = [ NAME = "other", PASSWORD_CHANGE = "NO", DRIVER_MANAGED_GROUPS = "YES",
                  DRIVER_MANAGED_GROUP_ADMIN = "YES", PASSWORD_REQUIRED = "NO", MAX_TOKEN_TIME = 0 ]
DEFAULT_AUTH = "script"
"""


def asked(one, word="AUTHENTICATE"):
    path = one.var / "auth" / "log"
    return [line.strip() for line in path.read_text().splitlines() if line.startswith(word)] if path.exists() else []


def login(one, name, secret):
    return one.client(f"{name}:{secret}")


def get_in(one, name, secret):
    return login(one, name, secret).xml("one.user.info", -1)


def keep_out(one, name, secret, text="User couldn't be authenticated, aborting call."):
    return login(one, name, secret).fails("one.user.info", -1, code=AUTHENTICATION, text=text)


@pytest.fixture(scope="module")
def cast(tmp_path_factory):
    from api.server import Server
    one = Server(tmp_path_factory.mktemp("auth"), DRIVER + 'ACTION_TIMEOUTS = [ AUTHENTICATE = 600 ]\nSESSION_EXPIRATION_TIME = 900\n').start()
    one.host("h1")
    assert one.ok("one.user.allocate", "anna", "key-of-anna", "script") == 2
    assert one.ok("one.user.allocate", "otto", "", "other") == 3
    for name in ("blue", "red"):
        one.ok("one.group.allocate", name)
    yield one
    one.clean_up()


def test_what_the_driver_is_told(cast):
    assert get_in(cast, "anna", "right").findtext("NAME") == "anna"
    assert asked(cast)[-1] == "AUTHENTICATE 2 script anna key-of-anna"
    assert get_in(cast, "otto", "right").findtext("AUTH_DRIVER") == "other"
    assert asked(cast)[-1] == "AUTHENTICATE 3 other otto -"
    assert asked(cast, "START") == ["START --authn script,other,server_script"]


def test_good_answers_are_remembered_and_forgotten_with_the_password(cast):
    get_in(cast, "anna", "info remembered")
    before = len(asked(cast))
    for _ in range(3):
        get_in(cast, "anna", "info remembered")
    assert len(asked(cast)) == before
    cast.ok("one.user.passwd", 2, "key-of-anna-2")
    get_in(cast, "anna", "info remembered")
    assert asked(cast)[-1] == "AUTHENTICATE 2 script anna key-of-anna-2" and len(asked(cast)) == before + 1


def test_an_answer_with_an_end_is_remembered_until_then(cast):
    for seconds in (2, 10, 60):  # on a slow computer the first may be over before it is looked at
        end = int(time.time()) + seconds
        secret = f"info UNTIL={end}"
        if login(cast, "anna", secret).call("one.user.info", -1)[0]:
            break
        assert time.time() >= end
    time.sleep(max(0, end + 1 - time.time()))
    keep_out(cast, "anna", secret)
    keep_out(cast, "anna", "info UNTIL=never")


def test_wrong_secrets_are_kept_out(cast):
    for secret in ("wrong", "", "twice", "info FOR", ":"):
        if secret != "info FOR":
            keep_out(cast, "anna", secret)
    for name in ("nobody-the-driver-knows", "bad name", "\u00e9\u00e9", "x" * 200, "%s%n"):
        keep_out(cast, name, "wrong")


@pytest.mark.parametrize("secret", ["bare", "other", "noise"])
def test_odd_answers_are_survived(cast, secret):
    get_in(cast, "anna", secret)


def test_a_silent_driver_is_not_waited_for_and_nobody_else_waits(fresh):
    cast = fresh(DRIVER + "ACTION_TIMEOUTS = [ AUTHENTICATE = 5 ]\n")
    assert cast.ok("one.user.allocate", "anna", "key-of-anna", "script") == 2
    started = time.monotonic()
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(login(cast, "anna", "silent").call("one.user.info", -1))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        cast.ok("one.user.info", 2)
    get_in(cast, "anna", "info meanwhile")
    assert len(answers) < 3 or time.monotonic() - started > 5
    for thread in threads:
        thread.join()
    for reply in answers:
        assert reply[0] is False and reply[2] == AUTHENTICATION, reply
        assert "The authentication driver script: it did not answer within 5 s" in reply[1], reply
    keep_out(cast, "anna", "wrong")  # trouble of the driver is no failed attempt of the user


def test_a_driver_that_dies_is_started_again(cast):
    starts = len(asked(cast, "START"))
    keep_out(cast, "anna", "die", "The authentication driver script: it ended before it answered; try again")
    cast.until(lambda: len(asked(cast, "START")) > starts, "the driver to be started again")
    cast.until(lambda: login(cast, "anna", "info again").call("one.user.info", -1)[0], "a login")
    for pid in cast.drivers()["auth_script"]:
        os.kill(pid, signal.SIGKILL)
    cast.until(lambda: login(cast, "anna", "info and again").call("one.user.info", -1)[0], "a login")


# ---- users who are introduced ----

def test_a_driver_introduces_users(cast):
    me = get_in(cast, "berta", "info script berta dn-of-berta 101 100 *101")
    assert me.findtext("AUTH_DRIVER") == "script" and me.findtext("GID") == "101"
    assert [g.text for g in me.findall("GROUPS/ID")] == ["100", "101"]
    assert asked(cast)[-1] == "AUTHENTICATE -1 script berta -"
    get_in(cast, "berta", "right")
    assert asked(cast)[-1] == f"AUTHENTICATE {me.findtext('ID')} script berta dn-of-berta"
    assert get_in(cast, "carl", "info script carl -").findtext("GID") == "1"
    # A directory may spell a name in another way: that is no new user.
    assert get_in(cast, "BERTA", "info script berta dn").findtext("ID") == me.findtext("ID")
    assert cast.command("--check").returncode == 0


@pytest.mark.parametrize("info", [
    "-", "script", "script dora", "script oneadmin pw", "core dora pw", "public dora pw", "server_script dora pw", "none dora pw",
    "script do:ra pw", "script dora pw 4711", "script dora pw x", "script dora pw -1", "script dora pw 1 *", "script dora pw 1 99999999999999",
    "script anna2 pw 1 **1", "other anna pw"])
def test_what_no_driver_can_introduce(cast, info):
    before = len(cast.xml("one.userpool.info").findall("USER"))
    name = f"dora{len(asked(cast))}"  # of one name the later attempts would wait
    keep_out(cast, name, "info " + info.replace("dora", name))
    assert len(cast.xml("one.userpool.info").findall("USER")) == before


def test_groups_of_a_driver_that_manages_them(cast):
    me = get_in(cast, "otto", "info other otto pw 100 *101")
    assert [g.text for g in me.findall("GROUPS/ID")] == ["100", "101"] and me.findtext("GID") == "100"
    assert [a.text for a in cast.xml("one.group.info", 101).findall("ADMINS/ID")] == ["3"]
    me = get_in(cast, "otto", "info other otto pw 101 1")
    assert [g.text for g in me.findall("GROUPS/ID")] == ["1", "101"] and me.findtext("GID") == "101"
    assert cast.xml("one.group.info", 101).findall("ADMINS/ID") == []
    for method, gid in (("chgrp", 1), ("addgroup", 100), ("delgroup", 1)):
        cast.fails(f"one.user.{method}", 3, gid, code=ACTION, text="Groups cannot be manually managed for auth driver other")
    keep_out(cast, "otto", "info other otto pw 4711")
    assert [g.text for g in cast.xml("one.user.info", 3).findall("GROUPS/ID")] == ["1", "101"]


# ---- servers that act for users ----

def test_a_server_acts_for_a_user(cast):
    server = cast.ok("one.user.allocate", "gate", "shared", "server_script")
    cast.user("ida", groups=[100, 101])
    assert get_in(cast, "gate", "ida:right").findtext("NAME") == "ida"
    assert asked(cast)[-1] == f"AUTHENTICATE {server} server_script gate shared"
    assert get_in(cast, "gate", "ida:info FOR=ida").findtext("NAME") == "ida"
    keep_out(cast, "gate", "ida:info FOR=oneadmin")
    bound = login(cast, "gate", "ida:101:right")
    assert bound.xml("one.group.info", -1).findtext("ID") == "101"
    bound.fails("one.group.info", 100, code=AUTHORIZATION)
    for secret in ("right", "nobody:right", "ida:7:right", "ida:x:right", ":right", "ida:101:101:right"):
        keep_out(cast, "gate", secret)
    ida = cast.xml("one.userpool.info").xpath("USER[NAME='ida']/ID")[0].text
    cast.ok("one.user.enable", int(ida), False)
    keep_out(cast, "gate", "ida:right")  # what was remembered ended with it
    cast.ok("one.user.enable", int(ida), True)
    assert get_in(cast, "gate", "ida:right").findtext("NAME") == "ida"
    cast.ok("one.user.enable", server, False)
    keep_out(cast, "gate", "ida:right")


# ---- what handlers know of drivers ----

def test_drivers_that_exist(cast):
    cast.fails("one.user.allocate", "erik", "pw", "nonesuch", code=INTERNAL, text='no authentication driver "nonesuch"')
    cast.fails("one.user.chauth", 2, "nonesuch", "", code=INTERNAL, text='no authentication driver "nonesuch"')
    cast.fails("one.user.chauth", 0, "script", "pw", code=ACTION, text="oneadmin stays with the driver core")
    cast.fails("one.user.allocate", "erik", "", "script", code=INTERNAL)
    erik = cast.user("erik", "first")
    erik.ok("one.user.info", -1)
    cast.ok("one.user.chauth", erik.uid, "script", "")
    erik.fails("one.user.info", -1, code=AUTHENTICATION)
    get_in(cast, "erik", "right")
    assert asked(cast)[-1] == f"AUTHENTICATE {erik.uid} script erik -"  # what verified the old password is told to nobody
    cast.fails("one.user.chauth", erik.uid, "core", "", code=INTERNAL)
    cast.ok("one.user.chauth", erik.uid, "core", "second")
    keep_out(cast, "erik", "right")
    get_in(cast, "erik", "second")
    cast.ok("one.user.chauth", erik.uid, "public", "")
    keep_out(cast, "erik", "second")
    cast.ok("one.user.login", "erik", "a-token-for-erik", 1000)
    get_in(cast, "erik", "a-token-for-erik")


def test_tokens_and_passwords_of_drivers(cast):
    anna = login(cast, "anna", "right")
    token = anna.ok("one.user.login", "anna", "", -1)
    document = anna.xml("one.user.info", -1).find("LOGIN_TOKEN")
    assert document.findtext("TOKEN") == token and 0 < int(document.findtext("EXPIRATION_TIME")) <= time.time() + 101
    get_in(cast, "anna", token)
    cast.fails("one.user.login", "otto", "", 10, code=INTERNAL, text="Login tokens are disabled for driver other")
    anna.ok("one.user.passwd", 2, "new-key")
    login(cast, "otto", "right").fails("one.user.passwd", 3, "new", code=AUTHORIZATION, text="Password for driver other cannot be changed")
    cast.ok("one.user.passwd", 3, "new")


def test_no_secret_is_in_the_log(cast):
    get_in(cast, "anna", "info secret-of-anna")
    for text in ("key-of-anna", "new-key", "secret-of-anna"):
        assert text not in cast.log()


# ---- rights ----

def test_a_driver_may_refuse_rights(fresh):
    one = fresh(DRIVER.replace('AUTHN', 'AUTHZ = "yes", AUTHN') + 'ACTION_TIMEOUTS = [ AUTHENTICATE = 6 ]\n')
    user = one.user("user")
    flags = one.var / "auth"
    machine = user.allocate(hold=True)
    assert asked(one, "RIGHTS") == ["RIGHTS VM:-:CREATE:-1:1 1"]
    user.ok("one.vm.rename", machine, "new")
    assert asked(one, "RIGHTS")[-1] == f"RIGHTS VM:{machine}:MANAGE:{user.uid}:1 1"
    template = user.ok("one.template.allocate", "NAME = t\nCPU = 0.1\nMEMORY = 64")
    before, machines = len(asked(one, "RIGHTS")), len(one.xml("one.vmpool.info", -2, -1, -1, -1).findall("VM"))
    user.ok("one.template.instantiate", template, "", True, "NOTE = x")  # two questions, one machine
    assert len(asked(one, "RIGHTS")) == before + 2
    assert len(one.xml("one.vmpool.info", -2, -1, -1, -1).findall("VM")) == machines + 1
    (flags / "refused").write_text("VM:-:CREATE:-1:1\n")
    reply = user.fails("one.template.instantiate", template, "", True, "NOTE = x", code=AUTHORIZATION)
    assert f"User [{user.uid}] : Not authorized: not on a Sunday." in reply[1], reply
    assert len(one.xml("one.vmpool.info", -2, -1, -1, -1).findall("VM")) == machines + 1
    # What is scheduled in the template of a new machine is asked about as what is scheduled later.
    scheduled = "CPU = 0.1\nMEMORY = 64\nSCHED_ACTION = [ ACTION = terminate, TIME = 4000000000 ]"
    (flags / "refused").write_text("VM:-:MANAGE:-1:1\n")
    user.fails("one.vm.allocate", scheduled, True, code=AUTHORIZATION, text="not on a Sunday")
    user.fails("one.template.instantiate", template, "", True, scheduled, code=AUTHORIZATION, text="not on a Sunday")
    assert asked(one, "RIGHTS")[-1] == "RIGHTS VM:-:MANAGE:-1:1 1"
    assert len(one.xml("one.vmpool.info", -2, -1, -1, -1).findall("VM")) == machines + 1
    (flags / "refused").unlink()
    user.ok("one.vm.allocate", scheduled, True)
    assert len(one.xml("one.vmpool.info", -2, -1, -1, -1).findall("VM")) == machines + 2
    before = len(asked(one, "RIGHTS"))
    user.fails("one.vm.recover", machine, 9, code=AUTHORIZATION, text="ADMIN VM")  # what oned refuses is not asked about
    one.allocate(hold=True)  # nor are administrators
    assert len(asked(one, "RIGHTS")) == before
    (flags / "die").touch()
    user.fails("one.vm.rename", machine, "x", code=AUTHORIZATION, text="it ended before it answered")
    one.until(lambda: user.call("one.vm.rename", machine, "again")[0], "the driver to be back")
    (flags / "silent").touch()
    user.fails("one.vm.rename", machine, "x", code=AUTHORIZATION, text="did not answer in time")
    assert one.vm(machine).findtext("NAME") == "again"


def test_a_driver_may_refuse_what_was_scheduled(fresh):
    """It agreed when the action was planned, and is asked again when it is due, as of a call."""
    one = fresh(DRIVER.replace('AUTHN', 'AUTHZ = "yes", AUTHN') + 'ACTION_TIMEOUTS = [ AUTHENTICATE = 10 ]\n', hosts=1)
    user = one.user("user")
    flags = one.var / "auth"
    machine = user.allocate(hold=True)
    question = f"VM:{machine}:MANAGE:{user.uid}:1"

    def schedule(action):
        return user.ok("one.vm.schedadd", machine, f'SCHED_ACTION = [ ACTION = {action}, TIME = "+0" ]')

    def message(action):
        found = [item.findtext("MESSAGE") for item in one.vm(machine).findall("TEMPLATE/SCHED_ACTION") if item.findtext("ID") == str(action)]
        return found[0] if found else None
    before = asked(one, "RIGHTS").count(f"RIGHTS {question} 1")
    schedule("release")
    one.wait(machine, "PENDING")
    assert asked(one, "RIGHTS").count(f"RIGHTS {question} 1") == before + 2  # planned and run
    one.ok("one.vm.deploy", machine, 0)
    one.wait(machine, "RUNNING")
    (flags / "silent").touch()
    # The driver is asked when it is planned, too: an administrator's plan is not, but runs as the owner.
    refused = one.ok("one.vm.schedadd", machine, 'SCHED_ACTION = [ ACTION = poweroff-hard, TIME = "+0" ]')
    one.until(lambda: "did not answer in time" in (message(refused) or ""), "the silent driver to be given up")
    assert one.state(machine) == "RUNNING"
    one.ok("one.vm.scheddelete", machine, refused)
    (flags / "silent").unlink()
    (flags / "refused").write_text(question + "\n")
    refused = one.ok("one.vm.schedadd", machine, 'SCHED_ACTION = [ ACTION = poweroff-hard, TIME = "+0" ]')
    one.until(lambda: "not on a Sunday" in (message(refused) or ""), "the refusal to be noted")
    assert one.state(machine) == "RUNNING" and "not on a Sunday" in (one.var / "vms" / str(machine) / "vm.log").read_text()


def backup_job(one, user, count, more=""):
    """A job of the user's with so many of their machines, which run; which of them are in a list of it."""
    store = one.ok("one.datastore.allocate", 'NAME = b\nTYPE = BACKUP_DS\nDS_MAD = dummy\nTM_MAD = dummy', -1)
    one.ok("one.datastore.chmod", store, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    one.until(lambda: one.xml("one.datastore.info", store).findtext("TOTAL_MB") != "0", "the datastore's figures")
    machines = [one.running(0, 'DISK = [ TYPE = "fs", SIZE = 10 ]\nBACKUP_CONFIG = [ BACKUP_VOLATILE = YES ]\n') for _ in range(count)]
    for vm in machines:
        one.ok("one.vm.chown", vm, user.uid, -1)
        one.ok("one.vm.chmod", vm, 1, 1, 1, -1, -1, -1, -1, -1, -1)
    one.ok("one.acl.addrule", f"{0x100000000 | user.uid:x}", f"{0x100000000000000 | 0x400000000:x}", "8", "400000000")
    job = one.ok("one.backupjob.allocate", f'NAME = j\nBACKUP_VMS = "{",".join(map(str, machines))}"\nDATASTORE_ID = {store}\n{more}')
    one.ok("one.backupjob.chown", job, user.uid, -1)
    (one.var / "auth").mkdir(exist_ok=True)

    def members(name):
        return [int(item.text) for item in one.xml("one.backupjob.info", job).findall(f"{name}/ID")]
    return job, machines, members


def test_a_driver_may_refuse_machines_of_a_backup_job(fresh):
    one = fresh(DRIVER.replace('AUTHN', 'AUTHZ = "yes", AUTHN'), hosts=1)
    user = one.user("user")
    job, machines, members = backup_job(one, user, 2)
    (one.var / "auth" / "refused").write_text(f"VM:{machines[0]}:ADMIN:{user.uid}:1\n")
    one.ok("one.backupjob.backup", job)
    one.until(lambda: members("UPDATED_VMS") == machines[1:], "the machine that may be backed up")
    assert members("ERROR_VMS") == machines[:1] and members("BACKING_UP_VMS") == []
    assert "not on a Sunday" in one.xml("one.backupjob.info", job).findtext("TEMPLATE/ERROR")


def test_machines_of_a_backup_job_take_turns_with_a_driver_that_thinks(fresh):
    """No more are asked about than could be backed up: none waits for the answers of others until its own is overdue."""
    one = fresh(DRIVER.replace('AUTHN', 'AUTHZ = "yes", AUTHN') + "MAX_BACKUPS_HOST = 1\n", hosts=1)
    user = one.user("user")
    job, machines, members = backup_job(one, user, 3, "EXECUTION = PARALLEL")
    held = one.var / "auth" / "held"
    held.write_text("".join(f"VM:{vm}:ADMIN:{user.uid}:1\n" for vm in machines))
    one.ok("one.backupjob.backup", job)

    def questions():
        return [line.split()[1] for line in asked(one, "RIGHTS") if ":ADMIN:" in line]
    one.until(questions, "the driver to be asked")
    user.ok("one.vm.rename", machines[0], "meanwhile")  # it has read what it was asked before this
    assert questions() == [f"VM:{machines[0]}:ADMIN:{user.uid}:1"]
    held.unlink()
    one.until(lambda: sorted(members("UPDATED_VMS")) == machines, "all of them to be backed up")
    assert members("ERROR_VMS") == [] and len(questions()) == len(machines)


# ---- servers of their own ----

def test_unknown_users_without_a_driver_of_that_name(fresh):
    one = fresh(DRIVER.replace('DEFAULT_AUTH = "script"', ""))
    keep_out(one, "nobody", "info script nobody pw")
    assert asked(one) == []
    (one.etc / "oned.conf").write_text(one.configuration + 'DEFAULT_AUTH = "other"\n')
    one.process.send_signal(signal.SIGHUP)
    one.until(lambda: "is in force now" in one.log(), "the configuration to be read again")
    assert get_in(one, "nobody", "info other nobody pw").findtext("AUTH_DRIVER") == "other"


def test_a_driver_that_cannot_be_started(fresh):
    one = fresh('AUTH_MAD = [ EXECUTABLE = "not_there", AUTHN = "script" ]\n')
    one.ok("one.user.allocate", "anna", "pw", "script")
    keep_out(one, "anna", "x", "Look at EXECUTABLE of its entry in oned.conf")
    one.ok("one.user.info", 0)


def test_the_end_does_not_wait_for_a_driver(fresh):
    one = fresh(DRIVER + "ACTION_TIMEOUTS = [ AUTHENTICATE = 3600 ]\n")
    one.ok("one.user.allocate", "anna", "pw", "script")
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(login(one, "anna", "silent").call("one.user.info", -1)))
    waiting.start()
    one.until(lambda: asked(one) or None, "the driver to be asked")
    one.stop()  # the driver would have had an hour
    waiting.join()
    assert "the server is ending" in answers[0][1], answers
    one.start()
    assert isinstance(login(one, "anna", "right"), Client) and get_in(one, "anna", "right").findtext("ID") == "2"

"""Scheduled actions of machines: made, shown, changed, deleted, and run at their time."""
import time

import pytest
from api.states import ACTION, AUTHORIZATION, INTERNAL, NO_EXISTS


def soon(seconds=1):
    return int(time.time()) + seconds


def actions(one, machine):
    """The machine's scheduled actions by id; the list of ids says the same."""
    document = one.vm(machine)
    found = {int(vector.findtext("ID")): {child.tag: child.text or "" for child in vector}
             for vector in document.findall("TEMPLATE/SCHED_ACTION")}
    assert [int(element.text) for element in document.findall("SCHED_ACTIONS/ID")] == sorted(found)
    assert document.find("USER_TEMPLATE/SCHED_ACTION") is None
    return found


def add(one, machine, text):
    return one.ok("one.vm.schedadd", machine, f"SCHED_ACTION = [ {text} ]")


def test_comes_and_goes(one):
    machine = one.allocate(hold=True)
    first = add(one, machine, 'ACTION = "poweroff-hard", TIME = 4000000000')
    second = add(one, machine, 'ACTION = resume, TIME = "+86400", REPEAT = 0, DAYS = "1,3", END_TYPE = 1, END_VALUE = 5, WARNING = 60')
    assert second == first + 1
    start = int(one.vm(machine).findtext("STIME"))
    assert actions(one, machine) == {
        first: {"ID": str(first), "PARENT_ID": str(machine), "TYPE": "VM", "ACTION": "poweroff-hard", "ARGS": "", "TIME": "4000000000",
                "REPEAT": "-1", "DAYS": "", "END_TYPE": "-1", "END_VALUE": "-1", "DONE": "-1", "MESSAGE": "", "WARNING": "0"},
        second: {"ID": str(second), "PARENT_ID": str(machine), "TYPE": "VM", "ACTION": "resume", "ARGS": "", "TIME": str(start + 86400),
                 "REPEAT": "0", "DAYS": "1,3", "END_TYPE": "1", "END_VALUE": "5", "DONE": "-1", "MESSAGE": "", "WARNING": "60"}}
    assert one.ok("one.vm.schedupdate", machine, second, "SCHED_ACTION = [ DAYS = 2, END_TYPE = 0 ]") == second
    changed = actions(one, machine)[second]
    assert (changed["DAYS"], changed["END_TYPE"], changed["END_VALUE"], changed["TIME"]) == ("2", "0", "-1", str(start + 86400))
    assert one.ok("one.vm.scheddelete", machine, first) == machine
    assert list(actions(one, machine)) == [second]
    one.fails("one.vm.scheddelete", machine, first, code=ACTION, text=f"has no scheduled action {first}")
    other = one.allocate(hold=True)
    one.fails("one.vm.schedupdate", other, second, "SCHED_ACTION = [ DAYS = 3 ]", code=ACTION)
    assert add(one, machine, "ACTION = hold, TIME = 4000000000") == second + 1  # an id is given once
    one.ok("one.vm.action", "terminate-hard", machine)
    one.wait(machine, "DONE")
    assert actions(one, machine) == {}
    one.fails("one.vm.schedadd", machine, "SCHED_ACTION = [ ACTION = hold, TIME = 1 ]", code=INTERNAL, text="is done")


@pytest.mark.parametrize("text, why", [
    ("TIME = 4000000000", "needs ACTION"), ("ACTION = poweroff", "needs TIME"), ("ACTION = dance, TIME = 1", '"dance" is not supported'),
    ("ACTION = poweroff, TIME = soon", '"soon" is neither'), ("ACTION = poweroff, TIME = 1, REPEAT = 4, DAYS = 1", 'REPEAT = "4"'),
    ("ACTION = poweroff, TIME = 1, REPEAT = 0", "does not fit REPEAT = 0"), ("ACTION = poweroff, TIME = 1, REPEAT = 0, DAYS = 7", "0 (Sunday) to 6"),
    ("ACTION = poweroff, TIME = 1, REPEAT = 3, DAYS = \"1,2\"", "one number"), ("ACTION = poweroff, TIME = 1, END_TYPE = 1", "needs END_VALUE"),
    ("ACTION = \"snapshot-revert\", TIME = 1, ARGS = x", "takes the number of a snapshot"),
    ("ACTION = \"disk-snapshot-create\", TIME = 1, ARGS = 0", "takes the number of a disk and a name"),
    ("ACTION = \"snapshot-create\", TIME = 1", "takes a name"),
])
def test_what_is_wrong(one, text, why):
    machine = one.allocate(hold=True)
    one.fails("one.vm.schedadd", machine, f"SCHED_ACTION = [ {text} ]", code=INTERNAL, text=why)
    one.fails("one.vm.update", machine, f"SCHED_ACTION = [ {text} ]", 1, code=INTERNAL, text=why)
    one.fails("one.vm.allocate", f"CPU = 0.1\nMEMORY = 64\nSCHED_ACTION = [ {text} ]", True, code=INTERNAL, text=why)
    one.fails("one.vm.schedadd", machine, "A = 1", code=INTERNAL, text="holds no SCHED_ACTION")
    assert actions(one, machine) == {}


def test_runs_at_its_time_and_once(one):
    machine = one.running()
    action = add(one, machine, f'ACTION = "poweroff-hard", TIME = {soon(2)}')
    before = int(actions(one, machine)[action]["TIME"])
    one.wait(machine, "POWEROFF")
    ended = actions(one, machine)[action]
    assert int(ended["DONE"]) >= before and ended["MESSAGE"] == "" and ended["TIME"] == str(before)
    history = one.vm(machine).findall("HISTORY_RECORDS/HISTORY")[-1]
    assert (history.findtext("ACTION"), history.findtext("UID")) == ("20", "0")
    one.ok("one.vm.action", "resume", machine)
    one.wait(machine, "RUNNING")
    other = add(one, machine, 'ACTION = "reboot-hard", TIME = 1')  # long ago: at once
    one.until(lambda: int(actions(one, machine)[other]["DONE"]) > 0, "the second action to run")
    assert one.state(machine) == "RUNNING"  # and the first did not run again


def test_failure_says_why_and_is_tried_again(one):
    machine = one.allocate(hold=True)
    action = add(one, machine, "ACTION = suspend, TIME = 1")
    one.until(lambda: actions(one, machine)[action]["MESSAGE"] or None, "the failure")
    failed = actions(one, machine)[action]
    assert "not available for state HOLD" in failed["MESSAGE"] and failed["DONE"] == "-1"
    log = one.var / "vms" / str(machine) / "vm.log"
    one.until(lambda: "suspend, failed: " in log.read_text(), "the machine's log to tell")
    # What was wrong is set right: an update tries it anew, and the message goes.
    one.ok("one.vm.schedupdate", machine, action, "SCHED_ACTION = [ ACTION = release, TIME = 2 ]")
    one.until(lambda: int(actions(one, machine)[action]["DONE"]) > 0, "the action to run")
    assert actions(one, machine)[action]["MESSAGE"] == "" and one.state(machine) == "PENDING"


def test_repeats(one):
    machine = one.running()
    first = int(time.time()) - 7300
    action = add(one, machine, f'ACTION = "reboot", TIME = {first}, REPEAT = 3, DAYS = 1, END_TYPE = 1, END_VALUE = 2')
    one.until(lambda: int(actions(one, machine)[action]["DONE"]) > 0, "the action to run")
    after = actions(one, machine)[action]
    # Three runs were missed; it ran once, and goes on at the next hour.
    assert after["TIME"] == str(first + 3 * 3600) and after["END_VALUE"] == "1"


def test_arguments(one):
    machine = one.running()
    action = add(one, machine, 'ACTION = "snapshot-create", ARGS = "before, the change", TIME = 1')
    one.until(lambda: int(actions(one, machine)[action]["DONE"]) > 0 or actions(one, machine)[action]["MESSAGE"] or None, "the action to run")
    names = [vector.findtext("NAME") for vector in one.vm(machine).findall("TEMPLATE/SNAPSHOT")]
    assert names == ["before, the change"], actions(one, machine)[action]


def test_templates(one):
    machine = one.allocate('SCHED_ACTION = [ ACTION = hold, TIME = "+100000" ]\nSCHED_ACTION = [ ACTION = hold, TIME = 4000000000 ]\nNOTE = x', hold=True)
    both = actions(one, machine)
    assert sorted(int(action["TIME"]) for action in both.values()) == [int(one.vm(machine).findtext("STIME")) + 100000, 4000000000]
    identity = min(both)
    one.ok("one.vm.update", machine, f"SCHED_ACTION = [ ID = {identity}, ACTION = terminate, TIME = 4000000001 ]\nSCHED_ACTION = [ ACTION = hold, TIME = 4000000002 ]\nOTHER = y", 0)
    now = actions(one, machine)
    assert len(now) == 3 and (now[identity]["ACTION"], now[identity]["TIME"]) == ("terminate", "4000000001")
    document = one.vm(machine)
    assert document.findtext("USER_TEMPLATE/OTHER") == "y" and document.find("USER_TEMPLATE/NOTE") is None
    template = one.ok("one.template.allocate", 'NAME = sched\nCPU = 0.1\nMEMORY = 64\nSCHED_ACTION = [ ACTION = terminate, TIME = "+100000" ]')
    made = one.ok("one.template.instantiate", template, "made", True, "", False)
    assert [action["ACTION"] for action in actions(one, made).values()] == ["terminate"]
    kept = one.xml("one.template.info", template).findtext("TEMPLATE/SCHED_ACTION/TIME")
    assert kept == "+100000"
    one.ok("one.template.delete", template)


def test_too_many(one):
    text = "\n".join("SCHED_ACTION = [ ACTION = hold, TIME = 4000000000 ]" for _ in range(101))
    one.fails("one.vm.allocate", "CPU = 1\nMEMORY = 64\n" + text, True, code=ACTION, text="No more than 100")


def test_rights_are_those_of_the_owner(one):
    ann, bob = one.user("schedann"), one.user("schedbob")
    machine = ann.allocate(hold=True)
    one.ok("one.vm.chmod", machine, -1, -1, -1, -1, -1, -1, 1, 1, -1)  # bob may manage it
    # What needs more than bob has is not done later by ann's rights.
    uid = int(one.vm(machine).findtext("UID"))
    bob.fails("one.vm.schedadd", machine, 'SCHED_ACTION = [ ACTION = backup, ARGS = "1,NO", TIME = 1 ]')
    action = add(bob, machine, "ACTION = release, TIME = 1")
    one.wait(machine, "PENDING")
    assert int(actions(one, machine)[action]["DONE"]) > 0
    # An owner who may not log in any more does nothing.
    for seconds in (2, 10, 60):  # on a slow computer the first may run before she is disabled
        due = soon(seconds)
        other = add(ann, machine, f"ACTION = hold, TIME = {due}")
        one.ok("one.user.enable", uid, False)
        if time.time() < due:
            break
        one.ok("one.user.enable", uid, True)
    one.until(lambda: actions(one, machine)[other]["MESSAGE"] or None, "the refusal")
    assert "authenticated" in actions(one, machine)[other]["MESSAGE"]
    private = one.allocate(hold=True)
    bob.fails("one.vm.schedadd", private, "SCHED_ACTION = [ ACTION = hold, TIME = 1 ]", code=AUTHORIZATION)


def makers(one, name):
    """A new group whose members may make machines, and use nothing else of the cloud."""
    gid = one.ok("one.group.allocate", name)
    one.ok("one.acl.addrule", f"{0x200000000 | gid:x}", f"{0x1000000000 | 0x400000000:x}", "8", "400000000")
    one.ok("one.vdc.delgroup", 0, gid)
    return gid


def test_backups_go_where_the_asker_may_put_them(one):
    ann, bob = one.user("backann"), one.user("backbob", groups=[makers(one, "backcrew")])
    store = one.ok("one.datastore.allocate", 'NAME = "of ann"\nTYPE = BACKUP_DS\nDS_MAD = dummy\nTM_MAD = dummy', -1)
    one.ok("one.datastore.chown", store, ann.uid, -1)
    one.ok("one.datastore.chmod", store, 1, 1, 0, 0, 0, 0, 0, 0, 0)
    machine = ann.allocate(hold=True)
    one.ok("one.vm.chmod", machine, 1, 1, 1, -1, -1, -1, 1, 1, 1)  # both may back it up
    text = f'SCHED_ACTION = [ ACTION = backup, ARGS = "{store},NO", TIME = 4000000000 ]'
    for method, *more in (("one.vm.schedadd",), ("one.vm.update", 1)):
        bob.fails(method, machine, text, *more, code=AUTHORIZATION, text=f"Not authorized to perform USE DATASTORE [{store}]")
    own = bob.allocate(hold=True)
    bob.fails("one.vm.allocate", "CPU = 0.1\nMEMORY = 64\n" + text, True, code=AUTHORIZATION, text="USE DATASTORE")
    kept = add(bob, machine, 'ACTION = backup, ARGS = "-1,NO", TIME = 4000000000')  # no backup was made: there is no last one
    bob.fails("one.vm.schedupdate", machine, kept, f'SCHED_ACTION = [ ARGS = "{store},NO" ]', code=AUTHORIZATION)
    bob.fails("one.vm.schedadd", machine, text.replace(str(store), "4711"), code=NO_EXISTS)
    assert sorted(actions(one, machine)) == [kept] and actions(one, own) == {}
    assert add(ann, machine, text[len("SCHED_ACTION = ["):-1]) == kept + 1
    one.ok("one.vm.recover", machine, 3)
    one.wait(machine, "DONE")
    one.ok("one.datastore.delete", store)


def test_a_bound_token_schedules_no_more_than_it_may(one):
    crew = makers(one, "schedcrew")
    user = one.user("schedbound")
    one.ok("one.user.addgroup", user.uid, crew)
    bound = one.client(f"schedbound:{user.ok('one.user.login', 'schedbound', '', 600, crew)}")
    text = 'CPU = 0.1\nMEMORY = 64\nSCHED_ACTION = [ ACTION = {}, TIME = 4000000000 ]'
    backup = text.format('backup, ARGS = "-1,NO"')
    bound.fails("one.vm.allocate", backup, True, code=AUTHORIZATION, text="A token that acts for one group does not schedule backup")
    made = bound.ok("one.vm.allocate", text.format("hold"), True)
    other = user.ok("one.vm.allocate", backup, True)
    assert [len(actions(one, machine)) for machine in (made, other)] == [1, 1]


def test_missed_while_oned_was_down(fresh):
    one = fresh(hosts=1)
    machine = one.running()
    add(one, machine, f'ACTION = "poweroff-hard", TIME = {soon(2)}')
    later = add(one, machine, "ACTION = resume, TIME = 4000000000")
    one.stop()
    time.sleep(2.5)
    one.start()
    one.wait(machine, "POWEROFF")
    assert actions(one, machine)[later]["TIME"] == "4000000000"
    one.stop()
    done = one.command("--check")
    assert done.returncode == 0, done.stdout

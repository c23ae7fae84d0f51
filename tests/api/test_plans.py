"""Plans of clusters: which machines move, carried out a few at a time, and what stops them."""
import pytest
from api.server import BUILD
from api.states import ACTION

READY, APPLYING, DONE, ERROR, TIMEOUT = "01234"


def plan(one, cluster=0):
    found = one.xml("one.cluster.info", cluster).find("PLAN")
    return None if found is None else (found.findtext("STATE"), [
        {child.tag: child.text for child in action} for action in found.findall("ACTION")])


def hosts(one):
    """Machines on each host."""
    found = {int(host.findtext("ID")): len(host.findall("VMS/ID")) for host in one.xml("one.hostpool.info").findall("HOST")}
    return [found[identity] for identity in sorted(found)]


def drs(one, text):
    one.ok("one.cluster.update", 0, f"ONE_DRS = [ {text} ]", 1)


def ended(one):
    return one.until(lambda: plan(one) if plan(one)[0] not in (READY, APPLYING) else None, "the plan to end")


@pytest.fixture
def cloud(fresh):
    def make(configuration="", count=6, template="CPU = 0.5\nMEMORY = 512"):
        one = fresh(configuration, hosts=3)
        return one, [one.running(0, template) for _ in range(count)]
    return make


def test_balance(cloud):
    one, machines = cloud()
    one.fails("one.cluster.planexecute", 0, code=ACTION, text="has no plan")
    one.fails("one.cluster.plandelete", 0, code=ACTION, text="has no plan")
    assert one.ok("one.cluster.optimize", 0) == 0
    state, actions = plan(one)
    assert state == READY and len(actions) == 4 and {action["STATE"] for action in actions} == {READY}
    assert {action["OPERATION"] for action in actions} == {"live-migrate"} and {action["VM_ID"] for action in actions} <= {str(m) for m in machines}
    assert sorted(action["HOST_ID"] for action in actions) == ["1", "1", "2", "2"] and hosts(one) == [6, 0, 0]
    assert one.ok("one.cluster.planexecute", 0) == 0
    state, actions = ended(one)
    assert state == DONE and {action["STATE"] for action in actions} == {DONE} and hosts(one) == [2, 2, 2]
    one.fails("one.cluster.planexecute", 0, code=ACTION, text="carried out already")
    one.ok("one.cluster.optimize", 0)
    assert plan(one) is None  # nothing would get better
    history = one.vm(int(actions[0]["VM_ID"])).findall("HISTORY_RECORDS/HISTORY")
    assert [record.findtext("HID") for record in history] == ["0", actions[0]["HOST_ID"]]
    assert [(record.findtext("PLAN_ID"), record.findtext("ACTION_ID")) for record in history] == [("0", "0"), ("-1", "-1")]


def test_never_more_than_allowed_at_a_time(cloud):
    one, _ = cloud("MAX_ACTIONS_PER_HOST = 0\nMAX_ACTIONS_PER_CLUSTER = 1")
    one.control("MIGRATE * hold=1")
    one.ok("one.cluster.optimize", 0)
    one.ok("one.cluster.planexecute", 0)
    one.until(lambda: sum(action["STATE"] == APPLYING for action in plan(one)[1]) == 1, "the first to move")
    one.control()
    while (found := plan(one))[0] == APPLYING:
        assert sum(action["STATE"] == APPLYING for action in found[1]) <= 1
    assert found[0] == DONE


def test_pack(cloud):
    one, _ = cloud(count=2)
    for host in (1, 2):
        one.running(host, "CPU = 0.5\nMEMORY = 512")
    drs(one, 'POLICY = "PACK", CPU_WEIGHT = 1, MEMORY_WEIGHT = 0')
    one.ok("one.cluster.optimize", 0)
    assert len(plan(one)[1]) == 2
    one.ok("one.cluster.planexecute", 0)
    assert ended(one)[0] == DONE and hosts(one) == [4, 0, 0]


def test_what_stays(cloud):
    one, machines = cloud(count=2)
    for machine, text in zip(machines, ('SCHED_REQUIREMENTS = "NAME = h1"', 'SCHED_REQUIREMENTS = "UNKNOWN_THING = 4"')):
        one.ok("one.vm.update", machine, text, 1)
    off = one.running(0, "CPU = 0.5\nMEMORY = 512")
    one.ok("one.vm.action", "poweroff-hard", off)
    one.wait(off, "POWEROFF")
    locked = one.running(0, "CPU = 0.5\nMEMORY = 512")
    one.ok("one.vm.lock", locked, 4, False)
    one.ok("one.cluster.optimize", 0)
    assert [(action["VM_ID"], action["OPERATION"]) for action in plan(one)[1]] == [(str(off), "migrate")]
    one.ok("one.vm.update", machines[0], 'SCHED_REQUIREMENTS = "NAME = h1 | NAME = h3"', 1)
    one.ok("one.cluster.optimize", 0)
    assert {action["VM_ID"]: action["HOST_ID"] for action in plan(one)[1]}[str(machines[0])] == "2"
    drs(one, "MIGRATION_THRESHOLD = 1")
    one.ok("one.cluster.optimize", 0)
    assert len(plan(one)[1]) == 1
    one.ok("one.cluster.plandelete", 0)
    assert plan(one) is None
    for text, why in (('POLICY = "CHAOS"', "neither BALANCE nor PACK"), ('CPU_WEIGHT = much', "no number")):
        drs(one, text)
        one.fails("one.cluster.optimize", 0, code=ACTION, text=why)


def test_failure_ends_it(cloud):
    one, _ = cloud()
    one.control("MIGRATE * fail=1")
    one.ok("one.cluster.optimize", 0)
    one.ok("one.cluster.planexecute", 0)
    state, actions = ended(one)
    states = [action["STATE"] for action in actions]
    assert state == ERROR and states.count(ERROR) == 1 and states.count(READY) == 3  # one at a time from h1
    assert hosts(one) == [6, 0, 0]


def test_what_changed_since_is_not_moved(cloud):
    one, _ = cloud()
    one.ok("one.cluster.optimize", 0)
    gone = int(plan(one)[1][0]["VM_ID"])
    one.ok("one.vm.action", "poweroff-hard", gone)
    one.wait(gone, "POWEROFF")
    one.ok("one.cluster.planexecute", 0)
    state, actions = ended(one)
    assert state == ERROR and actions[0]["STATE"] == ERROR and hosts(one)[0] == 6
    assert f"machine {gone} to host" in one.log()


@pytest.mark.parametrize("was, why", [("suspend", "the machine is SUSPENDED"), ("lock", "was locked")])
def test_what_may_not_be_moved_since(cloud, was, why):
    one, machines = cloud()
    one.ok("one.cluster.optimize", 0)
    first = int(plan(one)[1][0]["VM_ID"])
    if was == "suspend":
        one.ok("one.vm.action", "suspend", first)
        one.wait(first, "SUSPENDED")
    else:
        one.ok("one.vm.lock", first, 4, False)
    before = one.state(first)
    one.ok("one.cluster.planexecute", 0)
    state, actions = ended(one)
    assert state == ERROR and actions[0]["STATE"] == ERROR and hosts(one)[0] == 6
    assert one.state(first) == before and len(one.vm(first).findall("HISTORY_RECORDS/HISTORY")) == 1
    assert why in one.log()


def test_goes_on_after_a_crash(cloud):
    one, _ = cloud()
    one.control("MIGRATE * hold=1")
    one.ok("one.cluster.optimize", 0)
    one.ok("one.cluster.planexecute", 0)
    one.fails("one.cluster.optimize", 0, code=ACTION, text="being carried out")
    one.kill()
    one.control()
    one.start()
    state, actions = ended(one)  # what was under way may be lost with the driver; then the rest is not begun
    at = {action["VM_ID"]: one.vm(int(action["VM_ID"])).findall("HISTORY_RECORDS/HISTORY")[-1].findtext("HID") for action in actions}
    for action in actions:
        assert (at[action["VM_ID"]] == action["HOST_ID"]) == (action["STATE"] == DONE), (action, at)
    assert state == (DONE if hosts(one) == [2, 2, 2] else ERROR)


def test_automation(cloud):
    one, _ = cloud("DRS_INTERVAL = 1")
    assert plan(one) is None
    drs(one, 'AUTOMATION = "PARTIAL"')
    assert one.until(lambda: plan(one), "a plan")[0] == READY and hosts(one) == [6, 0, 0]
    drs(one, 'AUTOMATION = "FULL"')
    one.until(lambda: hosts(one) == [2, 2, 2] or None, "the machines to be moved")


def test_no_plan_ends_what_runs(fresh, tmp_path):
    """A container that could go there by power alone stays: that was not what the plan was for."""
    (tmp_path / "containers").write_text(f"#!/bin/sh\n{BUILD}/mads/one_vmm dummy | sed -u 's/^INIT SUCCESS.*TAGGED$/& HAS=FALLBACK/'\n")
    (tmp_path / "containers").chmod(0o755)
    one = fresh(f'VM_MAD = [ NAME = "containers", EXECUTABLE = "{tmp_path}/containers" ]\n'
                'IM_MAD = [ NAME = "containers", EXECUTABLE = "one_im", ARGUMENTS = "dummy" ]\n')
    first, second = one.host("c1", "containers"), one.host("c2", "containers")
    machines = [one.running(first, "CPU = 0.5\nMEMORY = 512") for _ in range(2)]
    one.ok("one.host.update", second, 'VMM_LACKS = "MIGRATE"\nVMM_LACKS_WHY = "no CRIU"', 1)
    one.ok("one.cluster.optimize", 0)
    assert [action["OPERATION"] for action in plan(one)[1]] == ["live-migrate"]
    one.ok("one.cluster.planexecute", 0)
    assert ended(one)[0] == ERROR and hosts(one) == [2, 0]
    assert "host c2 cannot take what runs: no CRIU; LIVE_ONLY forbids to end it" in one.log()
    one.ok("one.vm.migrate", machines[0], second, True)
    one.until(lambda: hosts(one) == [1, 1] and one.state(machines[0]) == "RUNNING", "what a person may ask for")

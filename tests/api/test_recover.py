"""Drivers that fail or never answer, and the six ways to recover."""
import pytest
from api.states import ACTION
from api.test_life import bring, end, records, usage


def failed(one, line, state, make):
    """A machine that got stuck because the drivers did what `line` says."""
    one.control(line)
    identity = make()
    one.wait(identity, state)
    one.control()
    return identity


def deploy(one, host=0):
    identity = one.allocate()
    one.ok("one.vm.deploy", identity, host)
    return identity


@pytest.fixture(scope="module")
def stuck(one):
    """Makes a machine that is stuck in a state, by name."""
    def boot_failure():
        return failed(one, "DEPLOY * fail=1", "BOOT_FAILURE", lambda: deploy(one))

    def prolog_failure():
        return failed(one, "TRANSFER * fail=1", "PROLOG_FAILURE", lambda: deploy(one))
    return {"BOOT_FAILURE": boot_failure, "PROLOG_FAILURE": prolog_failure}


def test_deploy_fails(one, stuck):
    before = usage(one, 0)
    identity = stuck["BOOT_FAILURE"]()
    vm = one.vm(identity)
    assert vm.findtext("USER_TEMPLATE/ERROR"), "why it failed is told"
    assert [h for h, d in one.domains() if d == f"one-{identity}"] == []
    one.ok("one.vm.recover", identity, 2)
    vm = one.wait(identity, "RUNNING")
    assert vm.find("USER_TEMPLATE/ERROR") is None
    end(one, identity)
    assert usage(one, 0) == before


def test_transfer_fails(one, stuck):
    before = usage(one, 0)
    identity = stuck["PROLOG_FAILURE"]()
    one.ok("one.vm.recover", identity, 2)
    one.wait(identity, "RUNNING")
    end(one, identity)
    assert usage(one, 0) == before


@pytest.mark.parametrize("state", ["BOOT_FAILURE", "PROLOG_FAILURE"])
@pytest.mark.parametrize("operation", [3, 4, 5])
def test_forced_recovery(one, stuck, state, operation):
    before = usage(one, 0)
    identity = stuck[state]()
    assert one.ok("one.vm.recover", identity, operation) == identity
    one.wait(identity, "PENDING" if operation == 4 else "DONE")
    assert usage(one, 0) == before
    end(one, identity)


@pytest.mark.parametrize("word", ["terminate", "terminate-hard"])
@pytest.mark.parametrize("state", ["BOOT_FAILURE", "PROLOG_FAILURE"])
def test_terminate_of_what_failed(one, stuck, state, word):
    before = usage(one, 0)
    identity = stuck[state]()
    one.action(word, identity)
    one.wait(identity, "DONE")
    assert usage(one, 0) == before


def test_success_by_hand(one, stuck):
    """The administrator says that it runs: the next look decides, and here nothing runs."""
    identity = stuck["BOOT_FAILURE"]()
    one.ok("one.vm.recover", identity, 1)
    one.wait(identity, "RUNNING", "UNKNOWN", "POWEROFF")
    end(one, identity)


@pytest.mark.parametrize("word, line", [("suspend", "SAVE * fail=1"), ("stop", "SAVE * fail=1"), ("poweroff", "SHUTDOWN * fail=1"),
                                        ("poweroff-hard", "CANCEL * fail=1"), ("undeploy", "SHUTDOWN * fail=1"),
                                        ("terminate", "SHUTDOWN * fail=1"), ("terminate-hard", "CANCEL * fail=1")])
def test_action_that_fails_leaves_it_running(one, word, line):
    before = usage(one, 0)
    identity = one.running(0)
    one.control(line)
    one.action(word, identity)
    one.wait(identity, "RUNNING")
    one.control()
    vm = one.vm(identity)
    assert len(records(vm)) == 1 and records(vm)[0].findtext("ETIME") == "0"
    assert [h for h, d in one.domains() if d == f"one-{identity}"] == ["h1"]
    end(one, identity)
    assert usage(one, 0) == before


def test_resume_that_fails(one):
    identity = bring(one, "SUSPENDED")
    one.control("RESTORE * fail=1")
    one.action("resume", identity)
    one.wait(identity, "SUSPENDED")
    one.control()
    one.action("resume", identity)
    one.wait(identity, "RUNNING")
    end(one, identity)


def test_start_that_fails(one):
    identity = bring(one, "POWEROFF")
    one.control("DEPLOY * fail=1")
    one.action("resume", identity)
    one.wait(identity, "POWEROFF")
    one.control()
    end(one, identity)


def test_live_migration_that_fails(one):
    before = usage(one, 0), usage(one, 1)
    identity = one.running(0)
    one.control("MIGRATE * fail=1")
    one.ok("one.vm.migrate", identity, 1, True)
    one.until(lambda: one.state(identity) == "RUNNING" and one.vm(identity), "it to be back")
    one.control()
    vm = one.vm(identity)
    assert records(vm)[-1].findtext("HOSTNAME") == "h1"
    assert [h for h, d in one.domains() if d == f"one-{identity}"] == ["h1"]
    assert usage(one, 1) == before[1]
    end(one, identity)
    assert (usage(one, 0), usage(one, 1)) == before


def test_cold_migration_that_cannot_save(one):
    before = usage(one, 0), usage(one, 1)
    identity = one.running(0)
    one.control("SAVE * fail=1")
    one.ok("one.vm.migrate", identity, 1, False)
    one.until(lambda: one.state(identity) == "RUNNING" and records(one.vm(identity))[-1].findtext("HOSTNAME") == "h1",
              "it to be on h1")
    one.control()
    assert usage(one, 1) == before[1]
    end(one, identity)
    assert (usage(one, 0), usage(one, 1)) == before


def test_cold_migration_that_cannot_start(one):
    before = usage(one, 0), usage(one, 1)
    identity = one.running(0)
    one.control("RESTORE * fail=1")
    one.ok("one.vm.migrate", identity, 1, False)
    one.wait(identity, "BOOT_MIGRATE_FAILURE")
    one.control()
    one.ok("one.vm.recover", identity, 2)
    vm = one.wait(identity, "RUNNING")
    assert records(vm)[-1].findtext("HOSTNAME") == "h2"
    end(one, identity)
    assert (usage(one, 0), usage(one, 1)) == before


def test_cold_migration_whose_files_stay(one):
    identity = one.running(0)
    one.control("TRANSFER * fail=1")
    one.ok("one.vm.migrate", identity, 1, False)
    one.wait(identity, "PROLOG_MIGRATE_FAILURE")
    one.control()
    one.ok("one.vm.recover", identity, 2)
    one.wait(identity, "RUNNING")
    end(one, identity)


@pytest.mark.parametrize("word, line, state", [
    ("terminate", "TRANSFER * fail=1", "EPILOG_FAILURE"), ("stop", "TRANSFER * fail=1", "EPILOG_STOP_FAILURE"),
    ("undeploy", "TRANSFER * fail=1", "EPILOG_UNDEPLOY_FAILURE")])
def test_epilog_that_fails(one, word, line, state):
    before = usage(one, 0)
    identity = one.running(0)
    one.control(line)
    one.action(word, identity)
    one.wait(identity, state)
    one.control()
    one.ok("one.vm.recover", identity, 2)
    one.wait(identity, {"terminate": "DONE", "stop": "STOPPED", "undeploy": "UNDEPLOYED"}[word])
    assert usage(one, 0) == before
    end(one, identity)


# ---- recover in the wrong place ----

@pytest.mark.parametrize("operation", [-1, 6, 9, 2**31 - 1])
def test_wrong_operation(one, operation):
    identity = one.allocate(hold=True)
    one.fails("one.vm.recover", identity, operation, code=ACTION, text="Wrong recovery operation code")
    end(one, identity)


@pytest.mark.parametrize("state", ["PENDING", "HOLD", "POWEROFF", "SUSPENDED", "STOPPED", "UNDEPLOYED", "DONE"])
@pytest.mark.parametrize("operation", [0, 1, 2])
def test_nothing_to_recover(one, state, operation):
    identity = bring(one, state)
    one.fails("one.vm.recover", identity, operation, code=ACTION, text=f"wrong state {state}")
    assert one.state(identity) == state
    end(one, identity)


@pytest.mark.parametrize("state", ["PENDING", "HOLD", "RUNNING", "POWEROFF", "SUSPENDED", "STOPPED", "UNDEPLOYED"])
@pytest.mark.parametrize("operation", [3, 5])
def test_delete_from(one, state, operation):
    before = usage(one, 0)
    identity = bring(one, state)
    one.ok("one.vm.recover", identity, operation)
    one.wait(identity, "DONE")
    assert usage(one, 0) == before
    if operation == 3:
        assert ("h1", f"one-{identity}") not in one.domains()
    else:
        one.domain("h1", f"one-{identity}").unlink(missing_ok=True)


@pytest.mark.parametrize("state, allowed", [("HOLD", True), ("RUNNING", True), ("POWEROFF", True), ("SUSPENDED", True),
                                            ("PENDING", False), ("STOPPED", False), ("UNDEPLOYED", False), ("DONE", False)])
def test_recreate_from(one, state, allowed):
    before = usage(one, 0)
    identity = bring(one, state)
    if allowed:
        one.ok("one.vm.recover", identity, 4)
        one.wait(identity, "PENDING")
        assert usage(one, 0) == before
    else:
        one.fails("one.vm.recover", identity, 4, code=ACTION)
        assert one.state(identity) == state
    end(one, identity)


# ---- answers that never come ----

SOON = "ACTION_TIMEOUTS = [ " + ", ".join(f"{step} = 1" for step in (
    "DEPLOY", "SHUTDOWN", "CANCEL", "SAVE", "RESTORE", "MIGRATE", "POLL", "PROLOG", "EPILOG")) + " ]\n"


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A server that soon asks what became of an action."""
    from api.server import Server
    server = Server(tmp_path_factory.mktemp("hasty"), SOON).start()
    server.host("h1"), server.host("h2")
    yield server
    server.clean_up()


@pytest.mark.parametrize("action, start, word, expected", [
    ("DEPLOY", "PENDING", "deploy", "RUNNING"), ("SAVE", "RUNNING", "suspend", "SUSPENDED"),
    ("RESTORE", "SUSPENDED", "resume", "RUNNING"), ("SHUTDOWN", "RUNNING", "poweroff", "POWEROFF"),
    ("CANCEL", "RUNNING", "poweroff-hard", "POWEROFF"), ("DEPLOY", "POWEROFF", "resume", "RUNNING"),
    ("SHUTDOWN", "RUNNING", "terminate", "DONE"), ("CANCEL", "RUNNING", "terminate-hard", "DONE"),
    ("MIGRATE", "RUNNING", "live", "RUNNING"), ("TRANSFER", "PENDING", "deploy", "RUNNING"),
    ("TRANSFER", "RUNNING", "terminate", "DONE")])
def test_lost_answer(hasty, action, start, word, expected):
    """It was done and nobody said so: the host is asked, and what it says counts."""
    before = usage(hasty, 0), usage(hasty, 1)
    identity = bring(hasty, start)
    hasty.control(f"{action} * lost=1")
    if word == "deploy":
        hasty.ok("one.vm.deploy", identity, 0)
    elif word == "live":
        hasty.ok("one.vm.migrate", identity, 1, True)
    else:
        hasty.action(word, identity)
    if action == "TRANSFER":  # transfers are sent again: they may be done twice
        hasty.until(lambda: "sent again" in (hasty.var / "vms" / str(identity) / "vm.log").read_text(), "a second try")
        hasty.control()
    vm = hasty.wait(identity, expected)
    hasty.control()
    if word == "live":
        vm = hasty.until(lambda: records(v := hasty.vm(identity))[-1].findtext("HOSTNAME") == "h2" and
                         v.findtext("LCM_STATE") == "3" and v, "it to be on h2")
    where = [h for h, d in hasty.domains() if d == f"one-{identity}"]
    assert where == ({"live": ["h2"]}.get(word, ["h1"]) if expected == "RUNNING" else []), where
    end(hasty, identity)
    assert (usage(hasty, 0), usage(hasty, 1)) == before


def test_hung_and_not_done_is_done_again(hasty):
    """The driver hangs in the start of a machine: it is told to stop, the host is asked, and the start is sent again."""
    identity = hasty.allocate()
    hasty.control("DEPLOY * latency=3600")
    hasty.ok("one.vm.deploy", identity, 0)
    hasty.until(lambda: hasty.state(identity) == "BOOT", "the start")
    hasty.control()
    hasty.wait(identity, "RUNNING")
    end(hasty, identity)


def test_lost_answer_of_a_live_migration(one):
    before = usage(one, 0), usage(one, 1)
    identity = one.running(0)
    one.control("MIGRATE * lost=1")
    one.ok("one.vm.migrate", identity, 1, True)
    one.until(lambda: one.domain("h2", f"one-{identity}").exists(), "the simulated machine to move")
    one.ok("one.vm.recover", identity, 1)
    one.control()
    vm = one.wait(identity, "RUNNING")
    assert records(vm)[-1].findtext("HOSTNAME") == "h2"
    end(one, identity)
    assert (usage(one, 0), usage(one, 1)) == before


def test_failure_by_hand_of_a_slow_save(one):
    identity = one.running(0)
    one.control("SAVE * latency=3600")
    one.action("suspend", identity)
    assert one.state(identity) == "SAVE_SUSPEND"
    one.ok("one.vm.recover", identity, 0)
    one.wait(identity, "RUNNING")
    one.control()
    end(one, identity)


def test_other_actions_wait_while_one_is_under_way(one):
    identity = one.running(0)
    one.control("SAVE * hold=1")
    one.action("suspend", identity)
    one.fails("one.vm.action", "poweroff", identity, code=ACTION, text="This action is not available for state SAVE_SUSPEND")
    one.fails("one.vm.migrate", identity, 1, True, code=ACTION, text="SAVE_SUSPEND")
    one.control()
    one.wait(identity, "SUSPENDED")
    end(one, identity)


def test_hard_end_of_a_slow_shutdown(one):
    identity = one.running(0)
    one.control("SHUTDOWN * latency=3600")
    one.action("terminate", identity)
    assert one.state(identity) == "SHUTDOWN"
    one.action("terminate-hard", identity)
    one.wait(identity, "DONE")
    one.control()


def test_slow_host_does_not_delay_another(one):
    slow = one.running(0)
    one.control("* h1 hold=1")
    one.action("suspend", slow)
    quick = one.running(1)
    end(one, quick)
    one.ok("one.vm.recover", slow, 0)
    one.control()
    one.wait(slow, "RUNNING")
    end(one, slow)

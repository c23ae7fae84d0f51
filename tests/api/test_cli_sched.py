"""onevm's scheduled actions, oneacct and oneshowback, against a real oned."""
import calendar
import time

import pytest
from api.test_accounting import no_end_of_a_month
from api.test_cli import FAILED, NO_OBJECT, USAGE, Shell
from api.test_cli_family import made, row


@pytest.fixture(scope="module")
def real(one, tmp_path_factory):
    return Shell(tmp_path_factory.mktemp("sched") / "home", one.port, one.session)


def scheduled(one, machine):
    return {child.tag: child.text or "" for child in one.vm(machine).findall("TEMPLATE/SCHED_ACTION")[-1]}


def test_schedule(one, real):
    machine = int(made(real.run("onevm create --name later --cpu 0.01 --memory 16 --hold")))
    assert real.run("onevm release later --schedule 4000000000") == f"VM {machine}: scheduled, ID: 0\n"
    assert scheduled(one, machine)["ACTION"] == "release" and one.state(machine) == "HOLD"
    real.run("onevm terminate --hard later --schedule 2035-01-31T18:00 --monthly 1,15 --end 5")
    found = scheduled(one, machine)
    expected = str(calendar.timegm((2035, 1, 31, 18, 0, 0)))
    assert [found[name] for name in ("ACTION", "TIME", "REPEAT", "DAYS", "END_TYPE", "END_VALUE")] == ["terminate-hard", expected, "1", "1,15", "1", "5"]
    real.run("onevm disk-snapshot-create later 0 evening --schedule +3600 --hourly 12 --end 2036-01-01")
    found = scheduled(one, machine)
    assert [found[name] for name in ("ACTION", "ARGS", "REPEAT", "DAYS", "END_TYPE")] == ["disk-snapshot-create", "0,evening", "3", "12", "2"]
    assert int(found["TIME"]) == int(one.vm(machine).findtext("STIME")) + 3600
    page = real.run("onevm show later")
    assert "SCHEDULED ACTIONS" in page and "terminate-hard" in page and "monthly 1,15" in page and "SCHED_ACTION=" not in page
    for line, why in (("release later --schedule soon", "is no time"), ("release later --weekly 1", "from when on?"),
                      ("release later --schedule now --weekly 1 --hourly 2", "one way only"), ("release later --schedule now --end 3", "--end needs"),
                      ("release later --schedule now --weekly 1 --end soon", "neither a number"), ("release later --schedule now --wait", "nothing to wait for")):
        assert why in real.error("onevm " + line, USAGE)
    assert "days of a week" in real.error("onevm release later --schedule now --weekly 9", FAILED)
    added = made(real.run("onevm sched-add later", text="SCHED_ACTION = [ ACTION = hold, TIME = 4000000000 ]\n"))
    real.run(f"onevm sched-update later {added}", text="SCHED_ACTION = [ ACTION = release ]\n")
    assert scheduled(one, machine)["ACTION"] == "release"
    real.run(f"onevm sched-delete later {added}")
    assert "has no scheduled action" in real.error(f"onevm delete-chart later {added}", FAILED)
    real.run("onevm terminate --hard later")


def test_backups(one, real):
    """What is backed up, where to, and whether a new series begins, goes on record with the time."""
    machine = int(made(real.run("onevm create --name kept --cpu 0.01 --memory 16 --hold")))
    store = made(real.run("onedatastore create", text="NAME = vault\nDS_MAD = dummy\nTM_MAD = dummy\nTYPE = BACKUP_DS\n"))
    said = real.run("onevm backup kept -d vault --reset --schedule 4000000000 --weekly 1,5 --end 3")
    assert said.startswith(f"VM {machine}: scheduled, ID: ")
    found = scheduled(one, machine)
    assert [found[name] for name in ("ACTION", "ARGS", "TIME", "REPEAT", "DAYS", "END_TYPE", "END_VALUE")] == [
        "backup", f"{store},1", "4000000000", "0", "1,5", "1", "3"]
    real.run("onevm backup kept --schedule now+2h")
    assert scheduled(one, machine)["ARGS"] == "-1,0"
    assert "no datastore is called 'valt'; close: vault" in real.error("onevm backup kept -d valt --schedule now+2h", NO_OBJECT)
    assert "from when on?" in real.error("onevm backup kept --weekly 1", USAGE)
    job = made(real.run("onebackupjob create --name nightly --vms kept -d vault --keep 2 --mode INCREMENT --schedule 4000000000 --hourly 12").split("\n")[0] + "\n")
    text = one.xml("one.backupjob.info", int(job))
    assert [text.findtext("TEMPLATE/" + name) for name in ("BACKUP_VMS", "DATASTORE_ID", "KEEP_LAST", "MODE", "SCHED_ACTION/REPEAT")] == [
        str(machine), store, "2", "INCREMENT", "3"]
    real.run("onebackupjob backup nightly --schedule 4000000001")
    page = real.run("onebackupjob show nightly")
    assert "SCHEDULED ACTIONS" in page and "hourly 12" in page and f"OUTDATED: {machine}" in page
    assert "from when on?" in real.error("onebackupjob create --name other --vms kept --weekly 1", USAGE)
    assert "no machine is called 'gone'" in real.error("onebackupjob create --name other --vms gone", NO_OBJECT)
    # A time that is none, and days that the server refuses: no job stays behind.
    for times, exit, why in (("foo", USAGE, "is no time"), ("now --weekly 1 --end soon", USAGE, "neither a number"),
                             ("4000000000 --weekly 9", FAILED, "days of a week")):
        said = real.error(f"onebackupjob create --name other --vms kept -d vault --schedule {times}", exit)
        assert why in said and real.result.stdout == "" and row(real, "onebackupjob", "other", "ID") == ""
    real.run("onebackupjob delete nightly")
    real.run("onevm terminate --hard kept")


def test_chart(one, real):
    """Steps one after the other, counted from now; a wrong one schedules none."""
    machine = int(made(real.run("onevm create --name dated --cpu 0.01 --memory 16 --hold")))
    assert '"stop+x" is no step' in real.error("onevm create-chart dated suspend+1d stop+x", USAGE)
    assert "bogus" in real.error("onevm create-chart dated terminate+1d bogus+1d", FAILED) and real.result.stdout == ""
    assert one.vm(machine).findall("TEMPLATE/SCHED_ACTION") == []
    real.run("onevm create-chart dated")
    real.run("onevm create-chart dated stop+2h terminate-hard+30m")
    found = [(at.findtext("ACTION"), int(at.findtext("TIME")) - int(one.vm(machine).findtext("STIME")))
             for at in one.vm(machine).findall("TEMPLATE/SCHED_ACTION")]
    assert [word for word, _ in found] == ["suspend", "terminate", "stop", "terminate-hard"]
    assert found[1][1] - found[0][1] == 14 * 86400 and found[3][1] - found[2][1] == 1800
    real.run("onevm terminate --hard dated")


def test_accounts(one, real):
    now = no_end_of_a_month()
    machine = one.running(name="counted", template="CPU = 0.5\nMEMORY = 128\nCPU_COST = 3600")
    assert row(real, "oneacct", "counted", "VID,HOSTNAME,ACTION,MEMORY,CPU,END_TIME") == f"{machine},h1,none,128M,0.5,-"
    assert real.run("oneacct").split()[:3] == ["USER", "VID", "HOSTNAME"]
    assert f'"OID":"{machine}"' in real.run("oneacct --json").replace(" ", "").replace("\n", "")
    assert "counted" not in real.run("oneacct --end 2000-01-01 -l NAME") and "counted" in real.run("oneacct --start now -l NAME -u oneadmin")
    assert "is no time" in real.error("oneacct --start soon", USAGE)
    assert "HOSTNAME" in real.run("oneacct --describe")
    time.sleep(1.1)
    assert "counted" not in real.run("oneshowback list")
    real.run("oneshowback calculate")
    cost = real.run("oneshowback list --csv --no-header -l VM_ID,MONTH,YEAR,COST -f VM_NAME=counted").strip().split(",")
    assert cost[:3] == [str(machine), str(now.tm_mon), str(now.tm_year)] and float(cost[3]) >= 0.5
    assert "counted" not in real.run(f"oneshowback list --end 1/{now.tm_year - 1}")
    assert "is no month" in real.error("oneshowback calculate --start October", USAGE)

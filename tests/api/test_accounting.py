"""Accounting and show-back: records of stays on hosts, and what they cost."""
import calendar
import time

import pytest
from api.states import AUTHORIZATION, RPC_API


def records(client, filter=-2, start=-1, end=-1):
    return client.xml("one.vmpool.accounting", filter, start, end).findall("HISTORY")


def of(found, machine):
    return [record for record in found if record.findtext("OID") == str(machine)]


def test_records_of_living_and_ended(one):
    living, ended = one.running(name="living"), one.running(name="ended")
    one.ok("one.vm.migrate", living, 1, True, False, -1, 0)
    one.until(lambda: one.state(living) == "RUNNING" and one.vm(living).find("HISTORY_RECORDS/HISTORY[2]") is not None, "the move")
    one.ok("one.vm.action", "terminate-hard", ended)
    one.wait(ended, "DONE")
    never = one.allocate(hold=True)
    found = records(one)
    assert [record.findtext("SEQ") for record in of(found, living)] == ["0", "1"]
    assert [record.findtext("VM/STATE") for record in of(found, ended)] == ["6"] and not of(found, never)
    same = one.vm(living).findall("HISTORY_RECORDS/HISTORY")[0]
    for element in same:
        assert of(found, living)[0].findtext(element.tag) == element.text or element.text is None
    assert of(found, living)[1].find("VM/HISTORY_RECORDS/HISTORY") is None
    assert [int(record.findtext("OID")) for record in found] == sorted(int(record.findtext("OID")) for record in found)
    one.restart()
    assert [record.findtext("VM/STATE") for record in of(records(one), ended)] == ["6"]


def test_times_bound_it(one):
    machine = one.running()
    start = int(of(records(one), machine)[0].findtext("STIME"))
    assert of(records(one, -2, start, -1), machine) and of(records(one, -2, start + 100000, -1), machine)  # it still runs
    assert of(records(one, -2, -1, start + 1), machine) and not of(records(one, -2, -1, start), machine)
    one.ok("one.vm.action", "terminate-hard", machine)
    one.wait(machine, "DONE")
    end = int(of(records(one), machine)[-1].findtext("ETIME"))
    assert not of(records(one, -2, end, -1), machine) and of(records(one, -2, end - 1, -1), machine)


def test_filters_and_secrets(one):
    ann = one.user("accann")
    machine = ann.allocate("GRAPHICS = [ TYPE = vnc, PASSWD = Hidden1 ]")
    one.ok("one.vm.deploy", machine, 0)
    one.wait(machine, "RUNNING")
    assert of(records(ann), machine) and of(records(ann, -3), machine) and of(records(one, ann.uid), machine)
    assert not of(records(one, -3), machine) and not records(one.user("accbob"))
    assert "Hidden1" not in one.ok("one.vmpool.accounting", -2, -1, -1)
    one.fails("one.vmpool.accounting", -5, -1, -1, code=RPC_API)


# -- show-back --

def costs(client, *bounds):
    found = client.xml("one.vmpool.showback", -2, *(bounds or (-1, -1, -1, -1)))
    return {(int(row.findtext("VMID")), int(row.findtext("YEAR")), int(row.findtext("MONTH"))): row for row in found.findall("SHOWBACK")}


def number(row, name):
    return float(row.findtext(name))


def no_end_of_a_month(seconds=120):
    """Now, and a while from now, it is the same month for the server: its clock is UTC's."""
    now = time.gmtime()
    months = 12 * now.tm_year + now.tm_mon  # from January of the year 0 to the next one
    left = calendar.timegm((months // 12, months % 12 + 1, 1, 0, 0, 0)) - time.time()
    if left < seconds:
        time.sleep(left + 1)
    return time.gmtime()


def test_showback(fresh):
    now = no_end_of_a_month()
    one = fresh("DEFAULT_COST = [ CPU_COST = 2, MEMORY_COST = 0.5, DISK_COST = 0 ]", hosts=1)
    default = one.running(template="CPU = 0.5\nMEMORY = 128")
    own = one.running(template="CPU = 1\nMEMORY = 64\nCPU_COST = 10\nMEMORY_COST = 0\nDISK_COST = 0.25\nDISK = [ TYPE = fs, SIZE = 100, FORMAT = raw ]")
    never = one.allocate(hold=True)
    assert costs(one) == {}
    time.sleep(1.1)
    assert one.ok("one.vmpool.calculateshowback", -1, -1, -1, -1) == " "
    found = costs(one)
    assert {key[0] for key in found} == {default, own} and never not in {key[0] for key in found}
    row = found[default, now.tm_year, now.tm_mon]
    hours = number(row, "HOURS")
    assert 0 < number(row, "RHOURS") <= hours < 1
    assert number(row, "CPU_COST") == pytest.approx(2 * 0.5 * hours, abs=2e-6)
    assert number(row, "MEMORY_COST") == pytest.approx(0.5 * 128 * hours, abs=5e-5)
    assert number(row, "TOTAL_COST") == pytest.approx(number(row, "CPU_COST") + number(row, "MEMORY_COST"), abs=2e-6)
    row = found[own, now.tm_year, now.tm_mon]
    assert number(row, "CPU_COST") == pytest.approx(10 * number(row, "HOURS"), abs=1e-5) and number(row, "MEMORY_COST") == 0
    assert number(row, "DISK_COST") == pytest.approx(25 * number(row, "HOURS"), abs=2e-5)
    # Kept as it was calculated, also when oned starts anew, until it is calculated again.
    time.sleep(1.1)
    one.restart()
    assert costs(one)[own, now.tm_year, now.tm_mon].findtext("HOURS") == row.findtext("HOURS")
    one.ok("one.vmpool.calculateshowback", now.tm_mon, now.tm_year, now.tm_mon, now.tm_year)
    assert number(costs(one)[own, now.tm_year, now.tm_mon], "HOURS") > number(row, "HOURS")
    assert costs(one, now.tm_mon, now.tm_year + 1, -1, -1) == {} and costs(one, -1, -1, 12, 1999) == {}
    ann = one.user("ann")
    assert costs(ann) == {}
    ann.fails("one.vmpool.calculateshowback", -1, -1, -1, -1, code=AUTHORIZATION)
    for wrong in ((13, 2026, -1, -1), (-1, 2026, -1, -1), (-1, -1, 0, 2026), (1, 0, -1, -1)):
        one.fails("one.vmpool.calculateshowback", *wrong, code=RPC_API, text="does not exist")
        one.fails("one.vmpool.showback", -2, *wrong, code=RPC_API, text="does not exist")
    one.fails("one.vmpool.calculateshowback", 5, 2026, 4, 2026, code=RPC_API, text="the earlier one first")
    # OpenNebula's library for Java sends a filter before the months: those behind it count.
    assert one.ok("one.vmpool.calculateshowback", -2, -1, -1, -1, -1) == " "
    assert one.ok("one.vmpool.calculateshowback", -2, now.tm_mon, now.tm_year, now.tm_mon, now.tm_year) == " "
    for caller, months, code, text in ((one, (5, 2026, 4, 2026), RPC_API, "the earlier one first"),
                                       (one, (13, 2026, -1, -1), RPC_API, "Month 13 of year 2026 does not exist"),
                                       (ann, (-1, -1, -1, -1), AUTHORIZATION, "")):
        reply = caller.call("one.vmpool.calculateshowback", -2, *months)
        assert reply[0] is False and text in reply[1] and reply[2] == code, reply

"""Zones: addresses of installations, this one's servers, and what is refused while it is disabled."""
import re
import time

from api.states import ACTION, ALLOCATE, AUTHORIZATION


def refused(one, code, pattern, method, *arguments):
    reply = one.call(method, *arguments)
    assert reply[0] is False and reply[2] == code and re.search(pattern, reply[1]), reply


def test_zones_come_and_go(one):
    zone = one.ok("one.zone.allocate", "NAME = south\nENDPOINT = http://south:2633/RPC2\nNOTE = x")
    assert zone >= 100
    shown = one.xml("one.zone.info", zone)
    assert shown.findtext("TEMPLATE/ENDPOINT") == "http://south:2633/RPC2" and shown.find("SERVER_POOL/SERVER") is None
    refused(one, ALLOCATE, "No NAME", "one.zone.allocate", "ENDPOINT = http://a/RPC2")
    refused(one, ALLOCATE, "no address of a server", "one.zone.allocate", "NAME = a")
    for wrong in ("ftp://a/RPC2", "http://", "http://a b/RPC2"):
        refused(one, ALLOCATE, "no address of a server", "one.zone.update", zone, f'ENDPOINT = "{wrong}"', 1)
    one.ok("one.zone.update", zone, "NOTE = y", 0)
    assert one.xml("one.zone.info", zone).findtext("TEMPLATE/ENDPOINT") == "http://south:2633/RPC2"
    one.ok("one.zone.rename", zone, "far")
    vdc = one.ok("one.vdc.allocate", "NAME = zoned")
    refused(one, ACTION, "another installation", "one.vdc.addhost", vdc, zone, -10)
    refused(one, ACTION, "through the target zone", "one.zone.addserver", zone, "SERVER = [ NAME = a, ENDPOINT = http://a/RPC2 ]")
    one.restart()
    assert one.xml("one.zone.info", zone).findtext("NAME") == "far"
    assert one.ok("one.zone.delete", zone) == zone
    refused(one, ACTION, "own", "one.zone.delete", 0)


def test_servers_of_this_zone(one):
    for number, name in enumerate("ab"):
        one.ok("one.zone.addserver", 0, f"SERVER = [ NAME = {name}, ENDPOINT = http://{name}:2633/RPC2 ]")
    servers = one.xml("one.zone.info", 0).findall("SERVER_POOL/SERVER")
    assert [(s.findtext("ID"), s.findtext("NAME"), s.findtext("ENDPOINT")) for s in servers] == [
        ("0", "a", "http://a:2633/RPC2"), ("1", "b", "http://b:2633/RPC2")]
    one.ok("one.zone.delserver", 0, 0)
    one.restart()
    assert [s.findtext("ID") for s in one.xml("one.zone.info", 0).findall("SERVER_POOL/SERVER")] == ["1"]
    refused(one, ACTION, "no server 0", "one.zone.delserver", 0, 0)
    one.ok("one.zone.resetserver", 0, 1)
    one.ok("one.zone.delserver", 0, 1)
    one.ok("one.zone.addserver", 0, "SERVER = [ NAME = c, ENDPOINT = http://c:2633/RPC2 ]")
    assert one.xml("one.zone.info", 0).findtext("SERVER_POOL/SERVER/ID") == "2"  # an id is given once
    one.ok("one.zone.delserver", 0, 2)


def test_a_lone_server_follows_nobody(one):
    assert one.xml("one.zone.raftstatus").findtext("STATE") == "0"
    refused(one, ACTION, "not a follower", "one.zone.replicate", 0, 0, 0, 0, 0, 0, 0, 0, "DROP TABLE vm")
    refused(one, ACTION, "no slave", "one.zone.fedreplicate", 0, 0, "DROP TABLE vm")
    refused(one, ACTION, "SOLO", "one.zone.voterequest", 9, 1, 5, 9)
    ann = one.user("zann")
    refused(ann, AUTHORIZATION, "", "one.zone.replicate", 0, 0, 0, 0, 0, 0, 0, 0, "x")


def test_what_a_zone_tells_of_itself(one):
    zone = one.ok("one.zone.allocate", "NAME = told\nENDPOINT = http://told/RPC2")
    body = "<ZONE><ID>0</ID><TEMPLATE><ENDPOINT>http://new/RPC2</ENDPOINT></TEMPLATE><SERVER_POOL><SERVER><ID>7</ID><NAME>s</NAME><ENDPOINT>http://s/RPC2</ENDPOINT></SERVER></SERVER_POOL></ZONE>"
    one.ok("one.zone.updatedb", zone, body)
    shown = one.xml("one.zone.info", zone)
    assert shown.findtext("TEMPLATE/ENDPOINT") == "http://new/RPC2" and shown.findtext("SERVER_POOL/SERVER/NAME") == "s"
    refused(one, ACTION, "<VM>, not <ZONE>", "one.zone.updatedb", zone, "<VM><TEMPLATE><ENDPOINT>http://a/RPC2</ENDPOINT></TEMPLATE></VM>")
    assert one.call("one.zone.updatedb", zone, "<ZONE>")[0] is False
    one.ok("one.zone.delete", zone)


def test_a_disabled_zone_only_answers_questions(one):
    vm = one.allocate(hold=True)
    one.ok("one.zone.enable", 0, False)
    try:
        assert one.xml("one.zone.info", 0).findtext("STATE") == "1"
        one.xml("one.vm.info", vm)
        one.ok("one.system.version")
        for method, *arguments in (("one.vm.allocate", "CPU = 1\nMEMORY = 64"), ("one.vm.action", "terminate", vm),
                                   ("one.user.passwd", 0, "x"), ("one.zone.delete", 0)):
            refused(one, ACTION, "Zone 0 is disabled", method, *arguments)
    finally:
        one.ok("one.zone.enable", 0, True)
    one.ok("one.vm.action", "terminate", vm)


def test_scheduled_actions_wait_for_a_disabled_zone(one):
    vm = one.allocate(hold=True)
    due = 0

    def shown():
        vector = one.vm(vm).findall("TEMPLATE/SCHED_ACTION")[-1]
        assert vector.findtext("ID") == str(action)
        return vector.findtext("DONE"), vector.findtext("MESSAGE") or ""
    for seconds in (2, 10, 60):  # on a slow computer the first may run before the zone is disabled
        due = int(time.time()) + seconds
        action = one.ok("one.vm.schedadd", vm, f"SCHED_ACTION = [ ACTION = release, TIME = {due} ]")
        one.ok("one.zone.enable", 0, False)
        if time.time() < due:
            break
        one.ok("one.zone.enable", 0, True)
    try:
        time.sleep(max(0, due + 2 - time.time()))
        assert shown() == ("-1", "") and one.state(vm) == "HOLD"
    finally:
        one.ok("one.zone.enable", 0, True)
    one.until(lambda: shown()[0] != "-1", "the action to run")
    assert one.state(vm) != "HOLD" and shown()[1] == ""
    one.ok("one.vm.action", "terminate-hard", vm)


def test_rules_of_vlans_of_a_group(one):
    group = one.ok("one.group.allocate", "vlans")
    one.ok("one.group.vlan", group, "RULE = [ ID = \"10:20\", SCOPE = zone, VNTEMPLATE = 0 ]\nRULE = [ ID = 5, SCOPE = cluster, VNTEMPLATE = 1 ]")
    one.restart()
    rules = one.xml("one.group.info", group).findall("VLAN_RULES/RULE")
    assert [[rule.findtext(name) for name in ("ID", "SCOPE", "VNTEMPLATE")] for rule in rules] == [["10:20", "zone", "0"], ["5", "cluster", "1"]]
    refused(one, ACTION, "no SCOPE", "one.group.vlan", group, "RULE = [ ID = 1, VNTEMPLATE = 0 ]")
    refused(one, ACTION, "nothing else", "one.group.vlan", group, "A = 1")
    one.ok("one.group.vlan", group, "")
    assert one.xml("one.group.info", group).find("VLAN_RULES/RULE") is None
    one.xml("one.grouppool.info")

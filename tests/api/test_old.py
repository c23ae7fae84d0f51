"""The calls of 1.2 to 4.14: other names, other shapes, other words."""
import hashlib
import xmlrpc.client

import pytest
from api.test_life import end
from lxml import etree


def call(one, method, *arguments, session="sessionID"):
    with one.proxy() as proxy:
        return getattr(proxy, method)(session, *arguments)


# ---- 1.2: no dots, no real session ----
# Its clients send the constants "sessionID" and "session" and no password. That is no authentication; here such a call
# is refused like any other with a wrong session, and works with a real one.

@pytest.mark.parametrize("session", ["sessionID", "session"])
def test_no_session_is_no_session(one, session):
    reply = call(one, "one.vmget_info", 0, session=session)
    assert reply[0] is False and isinstance(reply[1], str)


def test_the_manual_of_2009(one):
    real = one.session
    host = call(one, "one.hostallocate", "node01", "dummy", "dummy", "dummy", True, session=real)
    assert host[0] is True and isinstance(host[1], int)
    one.wait_host(host[1], "MONITORED")
    vm = call(one, "one.vmallocate", "NAME = xen01\nCPU = 1\nMEMORY = 156\n", session=real)
    assert vm[0] is True
    assert call(one, "one.vmdeploy", vm[1], host[1], session=real)[0] is True
    one.wait(vm[1], "RUNNING")
    info = call(one, "one.vmget_info", vm[1], session=real)
    assert info[0] is True
    for label in ("VID", "UID", "STATE", "LCM STATE", "DEPLOY ID", "MEMORY", "CPU", "LAST POLL", "START TIME", "STOP TIME",
                  "NET TX", "NET RX"):
        assert f"{label:<18}: " in info[1], (label, info[1])
    assert "Template" in info[1] and not info[1].lstrip().startswith("<")
    text = call(one, "one.hostinfo", host[1], session=real)
    assert text[0] is True and "HOSTNAME" in text[1] and "node01" in text[1]
    assert call(one, "one.vmmigrate", vm[1], 0, False, session=real)[0] is True
    one.until(lambda: one.state(vm[1]) == "RUNNING", "it to arrive")
    assert call(one, "one.vmmigrate", vm[1], host[1], True, session=real)[0] is True
    one.until(lambda: one.state(vm[1]) == "RUNNING", "it to be back")
    for word, state in (("suspend", "SUSPENDED"), ("resume", "RUNNING"), ("stop", "STOPPED"), ("resume", "PENDING")):
        assert call(one, "one.vmaction", word, vm[1], session=real)[0] is True
        one.wait(vm[1], state)
    assert call(one, "one.vmdeploy", vm[1], host[1], session=real)[0] is True
    one.wait(vm[1], "RUNNING")
    assert call(one, "one.vmaction", "shutdown", vm[1], session=real)[0] is True
    one.wait(vm[1], "DONE")
    assert call(one, "one.hostenable", host[1], False, session=real)[0] is True
    one.wait_host(host[1], "DISABLED")
    assert call(one, "one.hostdelete", host[1], session=real)[0] is True


@pytest.mark.parametrize("method, arguments", [
    ("one.vmdeploy", (4711, 0)), ("one.vmaction", ("hold", 4711)), ("one.vmmigrate", (4711, 0, True)),
    ("one.vmget_info", (4711,)), ("one.hostinfo", (4711,)), ("one.hostdelete", (4711,)), ("one.hostenable", (4711, True)),
    ("one.vmallocate", ("CPU = [",)), ("one.vmaction", ("nonsense", 4711))])
def test_failures_of_1_2(one, method, arguments):
    reply = call(one, method, *arguments, session=one.session)
    assert reply[0] is False and 1 <= len(reply) <= 3, reply
    assert len(reply) == 1 or isinstance(reply[1], str)


@pytest.mark.parametrize("word", ["cancel", "finalize", "shutdown"])
def test_words_of_1_2(one, word):
    identity = one.running(0)
    assert call(one, "one.vmaction", word, identity, session=one.session)[0] is True
    one.wait(identity, "DONE")


# ---- 1.4 to 4.14: shapes ----

@pytest.mark.parametrize("arguments", [
    ("a0", "dummy", "dummy", "dummy"), ("a1", "dummy", "dummy", "dummy", "dummy"), ("a2", "dummy", "dummy", "dummy", 0),
    ("a3", "dummy", "dummy", 0), ("a4", "dummy", "dummy", -1)])
def test_shapes_of_host_allocate(one, arguments):
    reply = one.call("one.host.allocate", *arguments)
    assert reply[0] is True, reply
    host = one.xml("one.host.info", reply[1])
    assert host.findtext("IM_MAD") == host.findtext("VM_MAD") == "dummy" and host.findtext("CLUSTER_ID") == "0"
    one.ok("one.host.delete", reply[1])


def old_session(one):
    user, secret = one.session.split(":")
    return f"{user}:{hashlib.sha1(secret.encode()).hexdigest()}"


def test_replies_for_old_sessions_have_no_code(one):
    """1.4 to 2.2 know two elements; what a new client would get besides, theirs may not read."""
    client = one.client(old_session(one))
    assert client.call("one.host.allocate", "h1", "dummy", "dummy", "dummy") == [
        False, "[one.host.allocate] Error allocating a new host. NAME is already taken by HOST 0."]
    assert len(client.call("one.hostpool.info")) == 2


def test_machines_of_1_4(one):
    client = one.client(old_session(one))
    identity = one.running(0)
    reply = client.call("one.vmpool.info", -2)
    assert reply[0] is True
    root = etree.fromstring(reply[1])
    assert root.tag == "VM_POOL"
    vm = [v for v in root.findall("VM") if v.findtext("ID") == str(identity)][0]
    for name in ("UID", "NAME", "LAST_POLL", "STATE", "LCM_STATE", "STIME", "ETIME", "DEPLOY_ID", "MEMORY", "CPU", "NET_TX",
                 "NET_RX"):
        assert vm.find(name) is not None, name
    assert vm.findtext("HISTORY/HOSTNAME") == "h1"
    assert client.call("one.vm.info", identity)[0] is True
    end(one, identity)


def test_filter_of_1_4(one):
    """Minus one meant mine, below that all."""
    user = one.user("oldman", "pw")
    mine = user.allocate(hold=True)
    others = one.allocate(hold=True)

    def listed(client, *arguments):
        reply = client.call("one.vmpool.info", *arguments)
        assert reply[0] is True, reply
        return {int(v.findtext("ID")) for v in etree.fromstring(reply[1]).findall("VM")}
    assert mine in listed(user, -1) and others not in listed(user, -1)
    assert {mine, others} <= listed(one, -2)
    assert mine not in listed(one, -1)
    assert listed(one, user.uid) == {mine}
    # 2.x: filter, extended, state; its scheduler asks so for what is pending
    pending = one.allocate()
    assert pending in listed(one, -2, True, 1) and mine not in listed(one, -2, True, 1)
    for identity in (mine, others, pending):
        end(one, identity)


@pytest.mark.parametrize("word, start, state", [
    ("shutdown", "RUNNING", "DONE"), ("shutdown-hard", "RUNNING", "DONE"), ("delete", "RUNNING", "DONE"),
    ("cancel", "RUNNING", "DONE"), ("finalize", "HOLD", "DONE"), ("restart", "POWEROFF", "RUNNING"),
    ("boot", "POWEROFF", "RUNNING"), ("reset", "RUNNING", "RUNNING"), ("resubmit", "RUNNING", "PENDING"),
    ("delete-recreate", "RUNNING", "PENDING")])
def test_old_words(one, word, start, state):
    from api.test_life import bring
    identity = bring(one, start)
    reply = one.call("one.vm.action", word, identity)
    assert reply[0] is True, reply
    one.wait(identity, state)
    end(one, identity)


def test_deploy_and_migrate_in_short(one):
    identity = one.allocate()
    one.ok("one.vm.deploy", identity, 0)
    one.wait(identity, "RUNNING")
    one.ok("one.vm.migrate", identity, 1, True)
    one.until(lambda: one.state(identity) == "RUNNING", "it to arrive")
    end(one, identity)


def test_update_without_a_flag_replaces(one):
    identity = one.allocate("A = 1", hold=True)
    one.ok("one.vm.update", identity, "B = 2")
    assert [e.tag for e in one.vm(identity).find("USER_TEMPLATE")] == ["B"]
    end(one, identity)


def test_user_of_1_4(one):
    digest = hashlib.sha1(b"pass").hexdigest()
    reply = one.call("one.user.allocate", "ancient", digest)
    assert reply[0] is True
    assert one.client(f"ancient:{digest}").call("one.userpool.info")[0] is True
    changed = hashlib.sha1(b"word").hexdigest()
    assert one.call("one.user.passwd", reply[1], changed)[0] is True
    assert one.client(f"ancient:{digest}").call("one.user.info", reply[1])[0] is False
    assert one.client(f"ancient:{changed}").call("one.user.info", reply[1])[0] is True
    assert one.client("ancient:word").call("one.user.info", reply[1])[0] is True


def test_networks_of_1_2(one):
    def ask(method, argument):
        return call(one, method, argument, session=one.session)
    ranged = ask("one.vnallocate", "NAME = n1\nTYPE = RANGED\nBRIDGE = vbr0\nNETWORK_SIZE = 10\nNETWORK_ADDRESS = 192.168.7.0\n")
    fixed = ask("one.vnallocate", "NAME = n2\nTYPE = FIXED\nBRIDGE = vbr1\nLEASES = [IP=130.10.0.1,MAC=50:20:20:20:20:20]\n")
    assert ranged[0] is True and fixed[0] is True
    machine = one.allocate(f"NIC = [ NETWORK = n1, NETWORK_ID = {ranged[1]} ]", hold=True)
    told = ask("one.vninfo", ranged[1])
    assert told[0] is True
    for piece in (f"NID               : {ranged[1]}\n", "Network Name      : n1\n", "Type              : Ranged\n",
                  "Bridge            : vbr0\n", "....: Leases :....\nIP = 192.168.7.1    MAC = 02:00:c0:a8:07:01 ", f" VID = {machine}\n"):
        assert piece in told[1], told
    assert "Type              : Fixed\n" in ask("one.vninfo", fixed[1])[1]
    assert ask("one.vndelete", ranged[1])[0] is False  # a machine has an address of it
    assert ask("one.vndelete", fixed[1]) == [True]
    assert ask("one.vninfo", fixed[1]) == [False, f"Error getting Virtual Network with NID = {fixed[1]}"]
    assert ask("one.vnallocate", "NAME = n1\nTYPE = RANGED\n")[1].startswith("Error allocating VN with template: ")
    one.action("terminate-hard", machine)


# ---- 2.x to 5.4: what only those call ----

def test_clusters_of_2_x_name_the_host_first(one):
    cluster = one.ok("one.cluster.allocate", "of-2-x")
    assert one.call("one.cluster.add", 1, cluster)[0] is True
    assert one.xml("one.host.info", 1).findtext("CLUSTER_ID") == str(cluster)
    assert one.call("one.cluster.remove", 1)[0] is True
    assert one.xml("one.host.info", 1).findtext("CLUSTER_ID") == "0"
    assert one.user("of-nobody").call("one.cluster.add", 1, cluster)[0] is False
    one.ok("one.cluster.delete", cluster)


def test_images_of_2_x(one):
    image = one.call("one.image.allocate", "NAME = of-2-x\nSOURCE = there\nSIZE = 1")[1]
    assert one.xml("one.image.info", image).findtext("DATASTORE_ID") == "1"
    assert one.call("one.image.update", image, "DESCRIPTION", "a \"b\"")[0] is True
    assert one.xml("one.image.info", image).findtext("TEMPLATE/DESCRIPTION") == 'a "b"'
    assert one.call("one.image.rmattr", image, "DESCRIPTION")[0] is True
    assert one.xml("one.image.info", image).find("TEMPLATE/DESCRIPTION") is None
    assert one.call("one.image.rmattr", image, "DESCRIPTION")[0] is False
    for name in ("", "a b", "A=1\nB", "PATH"):
        assert one.call("one.image.update", image, name, "b")[0] is False, name
    other = one.user("of-images")
    assert one.call("one.image.publish", image, True)[0] is True and other.call("one.image.info", image)[0] is True
    assert one.call("one.image.publish", image, False)[0] is True and other.call("one.image.info", image)[0] is False
    assert other.call("one.image.publish", image, True)[0] is False
    for filter_flag, seen in ((-2, True), (-9, True), (-1, True), (other.uid, False)):
        reply = one.call("one.imagepool.info", filter_flag)
        assert reply[0] is True and (f"<ID>{image}</ID>" in reply[1]) == seen, (filter_flag, reply)
    one.ok("one.image.delete", image)


def test_addresses_of_2_2(one):
    network = one.ok("one.vn.allocate", "NAME = of-2-2\nTYPE = FIXED\nBRIDGE = vbr1\nLEASES = [ IP = 10.7.0.1 ]")
    assert one.call("one.vn.addleases", network, "LEASES = [ IP = 10.7.0.9, MAC = 02:00:00:00:00:09 ]")[0] is True
    machine = one.allocate(f"NIC = [ NETWORK_ID = {network}, IP = 10.7.0.9 ]", hold=True)
    for text, why in (("LEASES = [ IP = 10.7.0.9 ]", "in use"), ("LEASES = [ IP = 10.7.0.8 ]", "has no address"), ("A = 1", "is needed")):
        reply = one.call("one.vn.rmleases", network, text)
        assert reply[0] is False and why in reply[1], reply
    one.action("terminate-hard", machine)
    one.wait(machine, "DONE")
    assert one.call("one.vn.rmleases", network, "LEASES = [ IP = 10.7.0.9 ]")[0] is True
    assert one.call("one.vn.publish", network, True)[0] is True
    assert one.xml("one.vn.info", network).findtext("PERMISSIONS/OTHER_U") == "1"
    assert f"<ID>{network}</ID>" in one.call("one.vnpool.info", -1)[1]
    one.ok("one.vn.delete", network)


def test_documents_are_locked_with_a_word(one):
    document = one.ok("one.document.allocate", "NAME = of-5-4", 100)
    assert one.call("one.document.lock", document, "oneflow")[0] is True
    assert one.xml("one.document.info", document).findtext("LOCK/LOCKED") == "2"
    assert one.call("one.document.unlock", document, "oneflow")[0] is True
    assert one.xml("one.document.info", document).find("LOCK") is None


def test_disks_saved_as_3_x_does(one):
    machine = one.running(template="DISK = [ TYPE = fs, SIZE = 1 ]")
    for arguments in ((0, 5), (7, "of-3-x"), (7, "of-3-x", "OS"), (7, "of-3-x", "OS", True)):
        reply = one.call("one.vm.savedisk", machine, *arguments)
        assert reply[0] is False and "savedisk" in reply[1], reply
    one.action("terminate-hard", machine)

"""Quotas of users and groups: what is counted, what is refused, and that both hold whatever happens."""
import sqlite3
import threading
from xml.etree import ElementTree

import pytest
from api.test_images import STORE, Images
from api.states import ACTION, AUTHORIZATION, INTERNAL, NO_EXISTS

numbers = iter(range(1, 10000))
DISK = 'DISK = [ TYPE = "fs", SIZE = "100" ]'


@pytest.fixture
def team(one):
    """A group with two users; its members may make machines."""
    gid = one.ok("one.group.allocate", f"team{next(numbers)}")
    one.ok("one.acl.addrule", f"{0x200000000 | gid:x}", f"{0x1000000000 | 0x400000000:x}", "8", "400000000")
    users = [one.user(f"member{next(numbers)}", groups=[gid]) for _ in range(2)]
    users[0].gid = users[1].gid = gid
    return users


def entry(document, kind, ref=None, clusters=None):
    """Limits and counters of one entry, as a dictionary of numbers; empty when there is none."""
    for found in document.findall(f"{kind}_QUOTA/{kind}"):
        if ref is not None and found.findtext("ID") != str(ref):
            continue
        if found.findtext("CLUSTER_IDS") != clusters:
            continue
        return {child.tag: float(child.text) for child in found if child.tag not in ("ID", "CLUSTER_IDS")}
    return {}


def used(one, user, kind="VM", ref=None, clusters=None):
    """What is used, without what is not. Their schemas have no place for metrics of the configuration."""
    found = entry(ElementTree.fromstring(one.ok("one.user.info", user.uid)), kind, ref, clusters)
    return {name[:-5]: value for name, value in found.items() if name.endswith("_USED") and value}


def used_of_group(one, gid, kind="VM", ref=None):
    found = entry(one.xml("one.group.info", gid), kind, ref)
    return {name[:-5]: value for name, value in found.items() if name.endswith("_USED") and value}


def limit(one, user, text):
    assert one.ok("one.user.quota", user.uid, text) == user.uid


def refused(client, method, *arguments, metric, of="VM", limit_=None, who="user"):
    """A refusal that says all: whose limit, which, how much is used."""
    reply = client.fails(method, *arguments, code=AUTHORIZATION, text=f" reached for {metric} quota in {of}")
    assert f"{who} [" in reply[1] and "Used: " in reply[1] and "asked for: " in reply[1], reply
    assert limit_ is None or f"limit of {limit_} " in reply[1], reply
    return reply


# -- what is counted --

def test_counted(one, team):
    user = team[0]
    assert used(one, user) == {}
    vm = one.allocate(f"CPU = 0.5\nMEMORY = 256\n{DISK}\nPCI = [ VENDOR = \"10de\" ]\n", hold=True)
    assert used(one, user) == {}
    one.ok("one.vm.chown", vm, user.uid, user.gid)
    assert used(one, user) == {"VMS": 1, "CPU": 0.5, "MEMORY": 256, "SYSTEM_DISK_SIZE": 100, "PCI_DEV": 1,
                               "RUNNING_VMS": 1, "RUNNING_CPU": 0.5, "RUNNING_MEMORY": 256, "RUNNING_PCI_DEV": 1}
    assert used_of_group(one, user.gid) == used(one, user)
    pool = one.xml("one.userpool.info")
    assert [entry(quotas, "VM")["VMS_USED"] for quotas in pool.findall("QUOTAS") if quotas.findtext("ID") == str(user.uid)] == [1]
    assert used(one, team[1]) == {}
    user.action("terminate", vm)
    user.wait(vm, "DONE")
    assert used(one, user) == {} and used_of_group(one, user.gid) == {}
    one.xml("one.userpool.info")
    one.xml("one.grouppool.info")
    assert one.xml("one.user.info", user.uid).find("VM_QUOTA/VM") is None, "nothing used and no limit is nothing to show"


def test_running_follows_the_state(one, team):
    user = team[0]
    vm = user.allocate("CPU = 1\nMEMORY = 128\n")
    one.ok("one.vm.deploy", vm, 0)
    user.wait(vm, "RUNNING")
    assert used(one, user)["RUNNING_MEMORY"] == 128
    user.action("poweroff", vm)
    user.wait(vm, "POWEROFF")
    assert used(one, user) == {"VMS": 1, "CPU": 1, "MEMORY": 128}
    limit(one, user, "VM = [ RUNNING_MEMORY = 127 ]")
    refused(user, "one.vm.action", "resume", vm, metric="RUNNING_MEMORY", limit_=127)
    assert user.state(vm) == "POWEROFF"
    limit(one, user, "VM = [ RUNNING_MEMORY = 128 ]")
    user.action("resume", vm)
    user.wait(vm, "RUNNING")
    user.action("undeploy", vm)
    user.wait(vm, "UNDEPLOYED")
    limit(one, user, "VM = [ RUNNING_VMS = 0 ]")
    refused(one, "one.vm.deploy", vm, 0, metric="RUNNING_VMS", limit_=0)
    user.action("terminate", vm)
    user.wait(vm, "DONE")
    assert used(one, user) == {}


def test_administrators_are_free(one):
    one.fails("one.user.quota", 0, "VM = [ VMS = 1 ]", code=ACTION, text="oneadmin")
    one.fails("one.group.quota", 0, "VM = [ VMS = 1 ]", code=ACTION, text="oneadmin")
    one.allocate(hold=True)
    assert one.xml("one.user.info", 0).find("VM_QUOTA/VM") is None
    assert one.xml("one.group.info", 0).find("VM_QUOTA/VM") is None


# -- limits --

def test_limit_of_a_user(one, team):
    user = team[0]
    limit(one, user, "VM = [ VMS = 2, MEMORY = 200 ]")
    first = user.allocate(hold=True)
    template = "CPU = 0.1\nMEMORY = 137\n"
    reply = refused(user, "one.vm.allocate", template, False, metric="MEMORY", limit_=200)
    assert reply[1].endswith("Used: 64, asked for: 137.")
    second = user.allocate(hold=True)
    refused(user, "one.vm.allocate", "CPU = 0.1\nMEMORY = 1\n", False, metric="VMS", limit_=2)
    assert used(one, user)["VMS"] == 2 and used(one, user)["MEMORY"] == 128
    for vm in (first, second):
        user.action("terminate", vm)


def test_limit_of_a_group(one, team):
    first, second = team
    one.ok("one.group.quota", first.gid, "VM = [ VMS = 1 ]")
    vm = first.allocate(hold=True)
    refused(second, "one.vm.allocate", "CPU = 1\nMEMORY = 64\n", False, metric="VMS", who="group")
    first.action("terminate", vm)
    second.action("terminate", second.allocate(hold=True))


def test_limit_forms(one, team):
    user = team[0]
    limit(one, user, "<T><VM><VMS>3</VMS><CPU>1.5</CPU></VM></T>")
    found = entry(one.xml("one.user.info", user.uid), "VM")
    assert (found["VMS"], found["CPU"], found["MEMORY"]) == (3, 1.5, -1)
    limit(one, user, "VM = [ CPU = -2, CPU_USED = 77 ]")
    found = entry(one.xml("one.user.info", user.uid), "VM")
    assert (found["VMS"], found["CPU"], found["CPU_USED"]) == (3, -2, 0), "what is not named stays"
    limit(one, user, "VM = [ VMS = -1, CPU = -1 ]")
    assert entry(one.xml("one.user.info", user.uid), "VM") == {}


@pytest.mark.parametrize("text,says", [
    ("VM = [ VMS = -3 ]", "Negative limits"), ("VM = [ VMS = many ]", "\"many\""), ("VM = [ VMS = nan ]", "nan"),
    ("VM = [ VMS = 1e300 ]", "1e300"), ("VM = [ VMS = \"\" ]", "must be a number"), ("VM = 3", "VM = [...]"),
    ("HOST = [ VMS = 1 ]", "HOST"), ("VM = [ SEATS = 1 ]", "SEATS"), ("DATASTORE = [ SIZE = 1 ]", "ID"),
    ("NETWORK = [ ID = 4711, LEASES = 1 ]", "4711, which does not exist"), ("IMAGE = [ ID = -1, RVMS = 1 ]", "\"-1\""),
    ("DATASTORE = [ ID = 1, VMS = 1 ]", "IMAGES, SIZE"), ("VM = [ CLUSTER_IDS = \"4711\", VMS = 1 ]", "4711"),
    ("VM = [ CLUSTER_IDS = \"all\", VMS = 1 ]", "all"), ("VM = [ VMS = 1 ]\nVM = [ CPU = x ]", "\"x\""), ("VM = [", "Parse error")])
def test_wrong_limits(one, team, text, says):
    one.fails("one.user.quota", team[0].uid, text, code=INTERNAL, text=says)
    assert entry(one.xml("one.user.info", team[0].uid), "VM") == {}, "all or nothing"


def test_who_may_set_limits(one, team):
    user, other = team
    user.fails("one.user.quota", user.uid, "VM = [ VMS = 99 ]", code=AUTHORIZATION)
    user.fails("one.group.quota", user.gid, "VM = [ VMS = 99 ]", code=AUTHORIZATION)
    user.fails("one.userquota.update", "VM = [ VMS = 99 ]", code=AUTHORIZATION)
    user.fails("one.groupquota.update", "VM = [ VMS = 99 ]", code=AUTHORIZATION)
    user.xml("one.userquota.info")
    user.xml("one.groupquota.info")
    one.fails("one.user.quota", 4711, "VM = [ VMS = 1 ]", code=NO_EXISTS)
    one.ok("one.group.addadmin", user.gid, user.uid)
    user.ok("one.user.quota", other.uid, "VM = [ VMS = 1 ]")
    user.fails("one.group.quota", user.gid, "VM = [ VMS = 99 ]", code=AUTHORIZATION)


def test_defaults(one, team):
    user, free = team
    try:
        answer = one.xml("one.userquota.update", "VM = [ VMS = 1 ]")
        assert entry(answer, "VM")["VMS"] == 1
        assert entry(one.xml("one.userquota.info"), "VM")["VMS"] == 1
        assert entry(one.xml("one.user.info", user.uid).find("DEFAULT_USER_QUOTAS"), "VM")["VMS"] == 1
        assert entry(one.xml("one.userpool.info").find("DEFAULT_USER_QUOTAS"), "VM")["VMS"] == 1
        limit(one, free, "VM = [ VMS = -2 ]")
        vms = [free.allocate(hold=True), free.allocate(hold=True), user.allocate(hold=True)]
        refused(user, "one.vm.allocate", "CPU = 1\nMEMORY = 64\n", False, metric="VMS", limit_=1)
        one.fails("one.userquota.update", "VM = [ CLUSTER_IDS = 0, VMS = 1 ]", code=INTERNAL, text="CLUSTER_IDS")
    finally:
        assert entry(one.xml("one.userquota.update", "VM = [ VMS = -1 ]"), "VM") == {}
    vms.append(user.allocate(hold=True))
    for vm in vms:
        one.action("terminate", vm)


# -- clusters --

def test_per_cluster(one, team):
    user = team[0]
    cluster = one.ok("one.cluster.allocate", f"cluster{next(numbers)}")
    other = one.ok("one.cluster.allocate", f"cluster{next(numbers)}")
    host = one.host(f"quota{next(numbers)}")
    one.ok("one.cluster.addhost", cluster, host)
    one.ok("one.cluster.adddatastore", cluster, 0)
    first, second = (user.allocate("CPU = 1\nMEMORY = 64\n") for _ in range(2))
    limit(one, user, f'VM = [ CLUSTER_IDS = "{other},{cluster}", VMS = 1 ]')
    both = f"{cluster},{other}"
    assert used(one, user)["VMS"] == 2 and used(one, user, clusters=both) == {}
    one.ok("one.vm.deploy", first, host)
    user.wait(first, "RUNNING")
    assert used(one, user, clusters=both)["VMS"] == 1
    reply = refused(one, "one.vm.deploy", second, host, metric="VMS", limit_=1)
    assert f"CLUSTER_IDS: {both}" in reply[1]
    one.fails("one.user.quota", user.uid, f"VM = [ CLUSTER_IDS = {cluster}, VMS = 1 ]", code=INTERNAL, text="already")
    one.ok("one.vm.deploy", second, 0)
    user.wait(second, "RUNNING")
    refused(one, "one.vm.migrate", second, host, False, False, -1, 0, metric="VMS")
    limit(one, user, f'VM = [ CLUSTER_IDS = "{both}", VMS = -1 ]')
    user.action("poweroff", first)
    user.wait(first, "POWEROFF")
    assert used(one, user, clusters=both)["VMS"] == 1, "a machine keeps its place"
    for vm in (first, second):
        user.action("terminate", vm)
        user.wait(vm, "DONE")
    assert used(one, user, clusters=both) == {}


# -- changes of machines --

def test_changes(one, team):
    user = team[0]
    vm = user.allocate(f"CPU = 1\nMEMORY = 64\n{DISK}\n")
    one.ok("one.vm.deploy", vm, 0)
    user.wait(vm, "RUNNING")
    limit(one, user, "VM = [ SYSTEM_DISK_SIZE = 150, CPU = 2, MEMORY = 64 ]")
    refused(user, "one.vm.attach", vm, 'DISK = [ TYPE = "fs", SIZE = "51" ]', metric="SYSTEM_DISK_SIZE")
    assert len(user.vm(vm).findall("TEMPLATE/DISK")) == 1 and user.state(vm) == "RUNNING"
    user.ok("one.vm.attach", vm, 'DISK = [ TYPE = "fs", SIZE = "50" ]')
    assert used(one, user)["SYSTEM_DISK_SIZE"] == 150
    user.wait(vm, "RUNNING")
    refused(user, "one.vm.diskresize", vm, 0, "101", metric="SYSTEM_DISK_SIZE")
    user.ok("one.vm.detach", vm, 1)
    user.wait(vm, "RUNNING")
    assert used(one, user)["SYSTEM_DISK_SIZE"] == 100
    user.action("poweroff", vm)
    user.wait(vm, "POWEROFF")
    refused(user, "one.vm.disksnapshotcreate", vm, 0, "s", metric="SYSTEM_DISK_SIZE")
    assert user.vm(vm).find("SNAPSHOTS") is None
    limit(one, user, "VM = [ SYSTEM_DISK_SIZE = 200 ]")
    user.ok("one.vm.disksnapshotcreate", vm, 0, "s")
    user.wait(vm, "POWEROFF")
    assert used(one, user)["SYSTEM_DISK_SIZE"] == 200
    user.ok("one.vm.disksnapshotdelete", vm, 0, 0)
    user.wait(vm, "POWEROFF")
    assert used(one, user)["SYSTEM_DISK_SIZE"] == 100
    refused(user, "one.vm.resize", vm, "CPU = 2.5", False, metric="CPU")
    refused(user, "one.vm.resize", vm, "CPU = 1.5\nMEMORY = 65", False, metric="MEMORY")
    assert user.vm(vm).findtext("TEMPLATE/CPU") == "1"
    user.ok("one.vm.resize", vm, "CPU = 2\nMEMORY = 32", False)
    assert used(one, user) == {"VMS": 1, "CPU": 2, "MEMORY": 32, "SYSTEM_DISK_SIZE": 100}
    user.action("terminate", vm)
    user.wait(vm, "DONE")
    assert used(one, user) == {}


def test_a_failure_charges_nothing(one, team):
    user = team[0]
    vm = user.allocate(f"CPU = 1\nMEMORY = 64\n{DISK}\n")
    one.ok("one.vm.deploy", vm, 0)
    user.wait(vm, "RUNNING")
    before = used(one, user)
    user.fails("one.vm.allocate", "CPU = 1\nMEMORY = 64\nNIC = [ NETWORK_ID = 4711 ]", False)
    user.fails("one.vm.allocate", "CPU = 1", False)
    one.control("ATTACHDISK * fail=1")
    user.ok("one.vm.attach", vm, DISK)
    user.wait(vm, "RUNNING")
    assert used(one, user) == before
    user.action("terminate", vm)
    user.wait(vm, "DONE")


# -- owners --

def test_a_new_owner_takes_the_charge(one, team):
    first, second = team
    vm = first.allocate(hold=True)
    limit(one, second, "VM = [ VMS = 0 ]")
    refused(one, "one.vm.chown", vm, second.uid, -1, metric="VMS", limit_=0)
    assert one.vm(vm).findtext("UID") == str(first.uid)
    limit(one, second, "VM = [ VMS = 1 ]")
    one.ok("one.vm.chown", vm, second.uid, -1)
    assert used(one, first) == {} and used(one, second)["VMS"] == 1
    other = one.ok("one.group.allocate", f"other{next(numbers)}")
    one.ok("one.group.quota", other, "VM = [ MEMORY = 1 ]")
    refused(one, "one.vm.chown", vm, -1, other, metric="MEMORY", who="group")
    one.ok("one.group.quota", other, "VM = [ MEMORY = 64 ]")
    one.ok("one.vm.chown", vm, -1, other)
    assert used_of_group(one, other)["VMS"] == 1 and used_of_group(one, first.gid) == {}
    one.ok("one.vm.chown", vm, 0, 0)
    assert used(one, second) == {} and used_of_group(one, other) == {}
    one.action("terminate", vm)


# -- networks --

def test_leases(one, team):
    user = team[0]
    network = one.ok("one.vn.allocate", f"NAME = q{next(numbers)}\nVN_MAD = dummy\n"
                     "AR = [ TYPE = IP4, IP = 10.0.0.1, SIZE = 20 ]", -1)
    one.ok("one.vn.chmod", network, *[-1] * 6, 1, -1, -1)
    limit(one, user, f"NETWORK = [ ID = {network}, LEASES = 3 ]")
    nic = f"NIC = [ NETWORK_ID = {network} ]\n"
    vm = user.allocate(nic * 2, hold=True)
    assert used(one, user, "NETWORK", network) == {"LEASES": 2}
    reply = refused(user, "one.vm.allocate", "CPU = 1\nMEMORY = 64\n" + nic * 2, True, metric="LEASES", of="NETWORK")
    assert f"with ID: {network}" in reply[1]
    assert one.xml("one.vn.info", network).findtext("USED_LEASES") == "2", "refused addresses go back"
    refused(user, "one.vn.reserve", network, f"SIZE = 2\nNAME = r{next(numbers)}", metric="LEASES", of="NETWORK")
    own = user.ok("one.vn.reserve", network, f"SIZE = 1\nNAME = r{next(numbers)}")
    assert used(one, user, "NETWORK", network) == {"LEASES": 3}
    refused(user, "one.vn.reserve", network, f"SIZE = 1\nNETWORK_ID = {own}", metric="LEASES", of="NETWORK")
    user.ok("one.vn.delete", own)
    assert used(one, user, "NETWORK", network) == {"LEASES": 2}
    one.ok("one.vm.deploy", vm, 0)
    user.wait(vm, "RUNNING")
    limit(one, user, f"NETWORK = [ ID = {network}, LEASES = 2 ]")
    refused(user, "one.vm.attachnic", vm, nic, metric="LEASES", of="NETWORK")
    assert len(user.vm(vm).findall("TEMPLATE/NIC")) == 2
    assert one.xml("one.vn.info", network).findtext("USED_LEASES") == "2"
    user.ok("one.vm.detachnic", vm, 1)
    user.wait(vm, "RUNNING")
    assert used(one, user, "NETWORK", network) == {"LEASES": 1}
    user.action("terminate", vm)
    user.wait(vm, "DONE")
    assert used(one, user, "NETWORK", network) == {}


# -- images --

def test_images(fresh):
    one = fresh(STORE)
    store = Images(one)
    user = one.user("ann")
    one.ok("one.datastore.chmod", store.images, *[-1] * 6, 1, -1, -1)
    limit(one, user, f"DATASTORE = [ ID = {store.images}, IMAGES = 2, SIZE = 25 ]")
    first = store.allocate("first", "SIZE=10", client=user)
    assert used(one, user, "DATASTORE", store.images) == {"IMAGES": 1, "SIZE": 10}
    assert used_of_group(one, 1, "DATASTORE", store.images) == {"IMAGES": 1, "SIZE": 10}
    reply = refused(user, "one.image.allocate", "NAME=big\nTYPE=DATABLOCK\nSIZE=16", store.images, metric="SIZE", of="DATASTORE")
    assert f"with ID: {store.images}." in reply[1]
    copy = user.ok("one.image.clone", first, "copy")
    store.wait(copy, "READY")
    refused(user, "one.image.clone", first, "more", metric="IMAGES", of="DATASTORE", limit_=2)
    refused(user, "one.image.allocate", "NAME=more\nTYPE=DATABLOCK\nSIZE=1", store.images, metric="IMAGES", of="DATASTORE")
    assert store.listed() == [first, copy], "what is refused is not made"
    other = one.user("bob")
    limit(one, other, f"DATASTORE = [ ID = {store.images}, SIZE = 9 ]")
    refused(one, "one.image.chown", copy, other.uid, -1, metric="SIZE", of="DATASTORE")
    limit(one, other, f"DATASTORE = [ ID = {store.images}, SIZE = 10 ]")
    one.ok("one.image.chown", copy, other.uid, -1)
    assert used(one, other, "DATASTORE", store.images) == used(one, user, "DATASTORE", store.images)
    store.delete(copy)
    store.delete(first)
    assert used(one, other, "DATASTORE", store.images) == used(one, user, "DATASTORE", store.images) == {}
    store.tell("fail", "MKFS", "no space")
    broken = user.ok("one.image.allocate", "NAME=broken\nTYPE=DATABLOCK\nSIZE=5", store.images)
    store.wait(broken, "ERROR")
    assert used(one, user, "DATASTORE", store.images) == {"IMAGES": 1, "SIZE": 5}, "it is there until it is deleted"
    store.delete(broken)
    one.stop()
    assert "in order" in one.command("--check").stdout


def test_machines_by_image(fresh):
    one = fresh(STORE, hosts=1)
    store = Images(one)
    user = one.user("ann")
    one.ok("one.datastore.chmod", store.images, *[-1] * 6, 1, -1, -1)
    image = store.allocate("base", "SIZE=10", client=user)
    limit(one, user, f"IMAGE = [ ID = {image}, RVMS = 1 ]")
    disk = f"DISK = [ IMAGE_ID = {image} ]\n"
    vm = user.allocate(disk, hold=True)
    assert used(one, user, "IMAGE", image) == {"RVMS": 1} and used(one, user)["SYSTEM_DISK_SIZE"] == 10
    refused(user, "one.vm.allocate", "CPU = 1\nMEMORY = 64\n" + disk, True, metric="RVMS", of="IMAGE", limit_=1)
    other = user.allocate()
    one.ok("one.vm.deploy", other, 0)
    user.wait(other, "RUNNING")
    refused(user, "one.vm.attach", other, disk, metric="RVMS", of="IMAGE")
    assert store.info(image).findtext("RUNNING_VMS") == "1", "refused uses go back"
    one.stop()
    with sqlite3.connect(one.var / "one.db") as database:
        database.execute("UPDATE image SET users = ''")
    database.close()
    checked = one.command("--check")
    assert checked.returncode == 1 and f"image {image} " in checked.stdout, checked.stdout
    assert ", 0 left\n" in one.command("--check", "--repair").stdout
    one.start()
    assert store.info(image).findtext("RUNNING_VMS") == "1" and store.state(image) == "USED"
    user.action("terminate", vm)
    user.wait(vm, "DONE")
    assert used(one, user, "IMAGE", image) == {} and store.state(image) == "READY"


# -- races, restarts --

def test_a_race_never_passes_the_limit(one, team):
    limit(one, team[0], "VM = [ VMS = 5 ]")
    one.ok("one.group.quota", team[0].gid, "VM = [ VMS = 7 ]")
    made, refusals = [], []

    def make(user):
        for _ in range(4):
            reply = user.call("one.vm.allocate", "CPU = 0.1\nMEMORY = 16\n", True)
            (made if reply[0] else refusals).append(reply[1])
    callers = [threading.Thread(target=make, args=(team[number % 2],)) for number in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(made) == 7 and len(refusals) == 25
    assert all("limit of " in text for text in refusals)
    assert used(one, team[0]).get("VMS", 0) <= 5 and used_of_group(one, team[0].gid)["VMS"] == 7
    for vm in made:
        one.action("terminate", vm)


def test_a_restart_keeps_all(fresh):
    one = fresh('QUOTA_VM_ATTRIBUTE = "GOLD_QOS"\n', hosts=1)
    user = one.user("ann")
    one.ok("one.userquota.update", "VM = [ MEMORY = 4096 ]")
    limit(one, user, "VM = [ VMS = 2, CPU = 0.75, GOLD_QOS = 1 ]\nDATASTORE = [ ID = 1, SIZE = 77 ]")
    user.fails("one.vm.allocate", "CPU = 0.5\nMEMORY = 64\nGOLD_QOS = 1\n", code=AUTHORIZATION, text="restricted attribute GOLD_QOS")
    vm = one.allocate("CPU = 0.5\nMEMORY = 64\nGOLD_QOS = 1\n", hold=True)
    one.ok("one.vm.chown", vm, user.uid, 1)
    assert used(one, user)["GOLD_QOS"] == used(one, user)["RUNNING_GOLD_QOS"] == 1
    more = one.allocate("GOLD_QOS = 1\n", hold=True)
    refused(one, "one.vm.chown", more, user.uid, 1, metric="GOLD_QOS")
    before = one.ok("one.user.info", user.uid)
    one.kill()
    one.start()
    assert one.ok("one.user.info", user.uid) == before
    refused(user, "one.vm.allocate", "CPU = 0.26\nMEMORY = 64\n", False, metric="CPU", limit_="0.75")
    user.action("terminate", vm)
    user.wait(vm, "DONE")
    assert used(one, user) == {}


# -- proved from outside --

def test_check_and_repair(fresh):
    one = fresh(hosts=1)
    user = one.user("ann")
    network = one.ok("one.vn.allocate", "NAME = net\nVN_MAD = dummy\nAR = [ TYPE = IP4, IP = 10.0.0.1, SIZE = 20 ]", -1)
    vm = user.allocate(f"NIC = [ NETWORK_ID = {network} ]\n", hold=True)
    assert "in order" in one.command("--check").stdout, "a copy is checked while it runs"
    running = one.command("--check", "--repair")
    assert running.returncode == 1 and "another oned runs" in running.stdout
    one.stop()
    with sqlite3.connect(one.var / "one.db") as database:
        database.execute("UPDATE quota SET used = 'VMS=5 MEMORY=64'")
        database.execute("INSERT INTO lease VALUES (?, 0, 7, 1, ?)", (network, vm))
        database.execute("UPDATE host SET cluster = 4711")
    database.close()
    checked = one.command("--check")
    assert checked.returncode == 1 and "NOT in order" in checked.stdout
    for text in (f"quota of user {user.uid}: VMS_USED of VM is stored as 5, but the objects take 1\n", "quota of group 1: ",
                 f"address 7 is held by machine {vm}, which does not use it\n", "cluster 4711, which does not exist\n"):
        assert text in checked.stdout, checked.stdout
    assert one.command("--check").stdout == checked.stdout, "to look changes nothing"
    repaired = one.command("--check", "--repair")
    assert repaired.returncode == 0 and ", 0 left\n" in repaired.stdout, repaired.stdout
    assert one.command("--check").returncode == 0
    assert "needs --check" in one.command("--repair").stdout
    one.start()
    assert used(one, user)["VMS"] == 1


def test_a_start_sets_counters_right(fresh):
    one = fresh()
    user = one.user("ann")
    user.allocate(hold=True)
    one.stop()
    with sqlite3.connect(one.var / "one.db") as database:
        database.execute("UPDATE quota SET used = ''")
    database.close()
    one.start()
    assert used(one, user)["VMS"] == 1
    assert "VMS_USED of VM is stored as 0, but the objects take 1; it is set right now" in one.log()
    assert "in order" in one.command("--check").stdout

"""Lists: who sees what, pages, states, and every document against the schemas."""
import pytest
from api.states import INTERNAL, RPC_API

ALL, MINE, GROUPS, PRIMARY = -2, -3, -1, -4


def ids(root):
    return [int(vm.findtext("ID")) for vm in root.findall("VM")]


@pytest.fixture(scope="module")
def full(one):
    """Machines of three users: 0..9 of oneadmin on hold, 10, 11 of ann, 12, 13 of ben, 14 is done."""
    for number in range(10):
        one.allocate(hold=True, name=f"vm{number}", template='LABELS = "a"\nSCHED_RANK = "FREE_CPU"')
    one.ann, one.ben, one.cat = one.user("ann"), one.user("ben"), one.user("cat")
    for client in (one.ann, one.ann, one.ben, one.ben):
        client.allocate(hold=True)
    one.ok("one.vm.chmod", 10, -1, -1, -1, 1, -1, -1, -1, -1, -1)  # ann's first: for her group
    one.ok("one.vm.chmod", 13, -1, -1, -1, -1, -1, -1, 1, -1, -1)  # ben's second: for all
    one.allocate(hold=True)
    one.action("terminate", 14)
    return one


def listed(client, *arguments, method="one.vmpool.info"):
    return ids(client.xml(method, *arguments))


def test_everything_newest_first(full):
    assert listed(full, ALL, -1, -1, -1) == list(range(13, -1, -1))


@pytest.mark.parametrize("filter_flag, who, expected", [
    (ALL, "self", range(13, -1, -1)),
    (MINE, "self", range(9, -1, -1)),
    (0, "self", range(9, -1, -1)),
    (2, "self", [11, 10]),
    (ALL, "ann", [13, 11, 10]),
    (MINE, "ann", [11, 10]),
    (GROUPS, "ann", [13, 11, 10]),
    (PRIMARY, "ann", [13, 11, 10]),
    (ALL, "cat", [13, 10]),
    (MINE, "cat", []),
    (3, "cat", [13]),
    (0, "cat", []),
])
def test_filter(full, filter_flag, who, expected):
    client = full if who == "self" else getattr(full, who)
    found = listed(client, filter_flag, -1, -1, -1)
    if filter_flag == PRIMARY and who == "ann":
        assert set(found) >= {11, 10} and set(found) <= {13, 11, 10}
    else:
        assert found == list(expected)


def test_wrong_filter(full):
    for flag in (-5, -9, -2**31):
        full.fails("one.vmpool.info", flag, -1, -1, -1, code=RPC_API, text="Incorrect filter_flag")


@pytest.mark.parametrize("start, end, expected", [
    (-1, -1, range(13, -1, -1)),
    (5, 7, [7, 6, 5]),
    (12, -1, [13, 12]),
    (20, 30, []),
    (5, 4, []),
    (0, 0, [0]),
    (0, -5, range(13, 8, -1)),
    (5, -5, range(8, 3, -1)),
    (10, -5, range(3, -1, -1)),
    (14, -5, []),
    (100, -5, []),
    (0, -2, [13, 12]),
])
def test_pages(full, start, end, expected):
    assert listed(full, ALL, start, end, -1) == list(expected)


def test_pages_of_a_client_end(full):
    """The loop of the command line: pages of five until one is short."""
    found, offset = [], 0
    while True:
        page = listed(full, ALL, offset, -5, -1)
        found += page
        if len(page) < 5:
            break
        offset += 5
        assert offset < 100
    assert found == list(range(13, -1, -1))


@pytest.mark.parametrize("state, expected", [(-2, range(14, -1, -1)), (-1, range(13, -1, -1)), (2, range(13, -1, -1)),
                                             (6, [14]), (1, []), (3, []), (0, []), (11, [])])
def test_state_filter(full, state, expected):
    assert listed(full, ALL, -1, -1, state) == list(expected)


@pytest.mark.parametrize("state", [-3, 12, 99])
def test_wrong_state_filter(full, state):
    full.fails("one.vmpool.info", ALL, -1, -1, state, code=RPC_API, text=f"Incorrect state filter {state}")


def test_key_and_value_filter(full):
    """Empty is no filter; what is not supported is said, not ignored."""
    assert listed(full, ALL, -1, -1, -1, "") == list(range(13, -1, -1))
    reply = full.call("one.vmpool.info", ALL, -1, -1, -1, "NAME=vm3")
    if reply[0]:
        assert "<NAME>vm3</NAME>" in reply[1] and "<NAME>vm4</NAME>" not in reply[1]
    else:
        assert reply[1].startswith("[one.vmpool.info] ")


def test_extended_has_the_whole_machines(full):
    root = full.xml("one.vmpool.infoextended", ALL, -1, -1, -1, schema="vm_pool_extended")
    assert ids(root) == list(range(13, -1, -1))
    for vm in root:
        whole = full.vm(vm.findtext("ID") and int(vm.findtext("ID")))
        assert [child.tag for child in vm] == [child.tag for child in whole]


def test_short_has_what_lists_need(full):
    vm = full.xml("one.vmpool.info", ALL, 3, 3, -1).find("VM")
    assert vm.findtext("NAME") == "vm3" and vm.findtext("UNAME") == "oneadmin"
    assert vm.findtext("TEMPLATE/CPU") == "0.1" and vm.findtext("TEMPLATE/MEMORY") == "64"
    assert vm.findtext("USER_TEMPLATE/LABELS") == "a" and vm.findtext("USER_TEMPLATE/SCHED_RANK") == "FREE_CPU"
    assert vm.find("PERMISSIONS") is None


def test_set(full):
    assert sorted(listed(full, "3,1,2", False, method="one.vmpool.infoset")) == [1, 2, 3]
    root = full.xml("one.vmpool.infoset", "3,999,14", True, schema="vm_pool_extended")
    assert sorted(ids(root)) in ([3], [3, 14])
    assert listed(full, "", False, method="one.vmpool.infoset") == []
    assert sorted(listed(full.cat, "10,11,13", False, method="one.vmpool.infoset")) == [10, 13]


@pytest.mark.parametrize("text", ["x", "1,x", "1;2", "99999999999999999999", "-5"])
def test_set_of_odd_things(full, text):
    reply = full.call("one.vmpool.infoset", text, False)
    assert reply[0] is False or "<VM_POOL" in reply[1]


@pytest.mark.parametrize("method, root, minimum", [
    ("one.hostpool.info", "HOST_POOL", 2), ("one.userpool.info", "USER_POOL", 3), ("one.grouppool.info", "GROUP_POOL", 5),
    ("one.clusterpool.info", "CLUSTER_POOL", 1), ("one.datastorepool.info", "DATASTORE_POOL", 3), ("one.acl.info", "ACL_POOL", 3),
    ("one.zonepool.info", "ZONE_POOL", 1), ("one.vdcpool.info", "VDC_POOL", 1), ("one.system.config", "OPENNEBULA_CONFIGURATION", 3)])
def test_other_lists(full, method, root, minimum):
    document = full.xml(method)
    assert document.tag == root and len(document) >= minimum


@pytest.mark.parametrize("method, identity", [
    ("one.host.info", 0), ("one.user.info", 0), ("one.user.info", 2), ("one.user.info", -1), ("one.group.info", 0),
    ("one.group.info", 1), ("one.group.info", -1), ("one.cluster.info", 0), ("one.datastore.info", 0),
    ("one.datastore.info", 1), ("one.datastore.info", 2), ("one.zone.info", 0)])
def test_other_objects(full, method, identity):
    document = full.xml(method, identity, False)
    assert int(document.findtext("ID")) == max(identity, 0)


def test_bootstrap_objects(one):
    """What clients expect to find on a new server."""
    users = [u.findtext("NAME") for u in one.xml("one.userpool.info").findall("USER")]
    assert {"oneadmin", "serveradmin"} <= set(users)
    groups = {g.findtext("ID"): g.findtext("NAME") for g in one.xml("one.grouppool.info").findall("GROUP")}
    assert groups["0"] == "oneadmin" and groups["1"] == "users"
    assert {d.findtext("ID"): (d.findtext("NAME"), d.findtext("TYPE")) for d in one.xml("one.datastorepool.info")} == {
        "0": ("system", "1"), "1": ("default", "0"), "2": ("files", "2")}
    assert one.xml("one.cluster.info", 0).findtext("NAME") == "default"
    assert one.xml("one.zone.info", 0).findtext("NAME") == "OpenNebula"
    assert one.xml("one.vdcpool.info").findtext("VDC/NAME") == "default"
    rules = [r.findtext("STRING") for r in one.xml("one.acl.info")]
    assert "* ZONE/* USE *" in rules and "* MARKETPLACE+MARKETPLACEAPP/* USE *" in rules
    assert "@1 VM+IMAGE+TEMPLATE+DOCUMENT+SECGROUP+VMGROUP+BACKUPJOB/* CREATE *" in rules
    assert "@1 HOST/* MANAGE #0" in rules and "@1 DATASTORE/* USE #0" in rules


def test_other_users_see_little(full):
    """Lists without a filter hold what the caller may use."""
    assert len(full.cat.xml("one.hostpool.info")) == 0
    users = full.cat.xml("one.userpool.info")
    assert [u.findtext("NAME") for u in users.findall("USER")] == ["cat"]
    config = full.cat.ok("one.system.config")
    assert "Some-Secret" not in config
    assert [z.findtext("ID") for z in full.cat.xml("one.zonepool.info")] == ["0"]


def test_cluster_and_datastores_know_each_other(one):
    cluster = one.xml("one.cluster.info", 0)
    assert sorted(e.text for e in cluster.findall("HOSTS/ID")) == ["0", "1"]
    assert sorted(e.text for e in cluster.findall("DATASTORES/ID")) == ["0", "1", "2"]


# -- the search string --

def found(client, text, state=-1, full=False):
    document = client.xml("one.vmpool.infoextended" if full else "one.vmpool.info", -2, -1, -1, state, text)
    return [int(vm.findtext("ID")) for vm in document.findall("VM")]


def test_search(one):
    first = one.allocate('CITY = "Rome & <Paris>"\nNIC = [ BRIDGE = br7 ]\nNIC = [ BRIDGE = br8 ]', hold=True, name="searched1")
    second = one.allocate("CITY = Rome", hold=True, name="searched2")
    assert found(one, "VM.NAME=searched") == [second, first] == found(one, "NAME=searched", full=True)
    assert found(one, "VM.NAME=searched1") == [first] and found(one, "VM.NAME=searched&VM.USER_TEMPLATE.CITY=Rome") == [second, first]
    assert found(one, "VM.USER_TEMPLATE.CITY=<Paris>") == [first] == found(one, "<Paris>")
    assert found(one, "VM.USER_TEMPLATE.CITY=<Paris>") == [first] == found(one, "<Paris") and found(one, "VM.USER_TEMPLATE.CITY=<Rome>") == []
    assert found(one, "VM.TEMPLATE.NIC[*].BRIDGE=br8") == [first] == found(one, "VM.TEMPLATE.NIC[1].BRIDGE=br8&searched")
    assert found(one, "VM.TEMPLATE.CITY=Rome") == [] == found(one, "VM.USER_TEMPLATE=Rome&searched") and found(one, "searched&nowhere") == []
    assert found(one, "VM.NAME=searched", state=1) == []
    page = one.xml("one.vmpool.info", -2, 1, -1, -1, "VM.NAME=searched").findall("VM")
    assert all(int(vm.findtext("ID")) >= 1 for vm in page)
    for wrong in ("=x", "VM.NAME=", "a&&b", "&".join("x" * 33)):
        one.fails("one.vmpool.info", -2, -1, -1, -1, wrong, code=INTERNAL, text="is no list")


def test_search_finds_no_secrets(one):
    secret = one.allocate('GRAPHICS = [ TYPE = vnc, PASSWD = "Xyzzy7" ]', hold=True)
    reader = one.user("searcher")
    one.ok("one.vm.chmod", secret, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    assert found(reader, "Xyzzy7") == [] == found(one, "VM.TEMPLATE.GRAPHICS.PASSWD=Xyz") and found(reader, "VM.TEMPLATE.GRAPHICS.TYPE=vnc") == [secret]


def test_order_of_lists_is_a_persons_own(one):
    ann = one.user("ordered")
    mine = [ann.allocate(hold=True) for _ in range(3)]
    listed = lambda: [int(vm.findtext("ID")) for vm in ann.xml("one.vmpool.info", -3, -1, -1, -1).findall("VM")]
    assert listed() == mine[::-1]
    one.ok("one.user.update", ann.uid, 'API_LIST_ORDER = "ASC"', 1)
    assert listed() == mine
    one.ok("one.user.update", ann.uid, "OTHER = 1", 0)
    one.ok("one.group.update", 1, 'API_LIST_ORDER = "ASC"', 1)
    assert listed() == mine
    one.ok("one.group.update", 1, 'API_LIST_ORDER = "DESC"', 1)
    assert listed() == mine[::-1]

"""The command line of 1.2 reads lists and names from one.db itself: what it asks there, in its own words."""
import sqlite3

import pytest
from api.server import Server

# The columns of each table, which that client takes by their places.
TABLES = {
    "vm_pool": "oid uid last_poll template_id state lcm_state stime etime deploy_id memory cpu net_tx net_rx",
    "history": "vid seq host_name vm_dir hid vm_mad tm_mad stime etime pstime petime rstime retime estime eetime reason",
    "vm_attributes": "id name type value", "host_attributes": "id name type value", "vn_template": "id name type value",
    "host_pool": "oid host_name state im_mad vm_mad tm_mad last_mon_time managed",
    "host_shares": "hid endpoint disk_usage mem_usage cpu_usage max_disk max_mem max_cpu running_vms",
    "network_pool": "oid uid name type bridge", "leases": "oid ip mac_prefix mac_suffix vid used",
}


class Database:
    def __init__(self, one):
        self.file = f"file:{one.var}/one.db?mode=ro"

    def select(self, table, where=""):
        """As its select_table_with_names() does it."""
        database = sqlite3.connect(self.file, uri=True)
        try:
            rows = database.execute(f"select * from {table} {'where ' + where if where else ''} ").fetchall()
            described = [column[0] for column in database.execute(f"select * from {table} limit 0").description]
        finally:
            database.close()
        assert described == TABLES[table].split()
        return [dict(zip(described, row)) for row in rows]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    one = Server(tmp_path_factory.mktemp("old")).start()
    assert [one.host("h1"), one.host("h2")] == [0, 1]
    yield one
    one.clean_up()


def test_machines(cloud):
    database = Database(cloud)
    text = 'CPU = 0.5\nMEMORY = 128\nDISK = [ TYPE = fs, SIZE = 1, TARGET = vda ]\nNOTE = "back\\\\slash \\"q\\"\nMEMORY=7"\nVCPU = 2'
    running = cloud.running(host=1, template=text, name="web")
    held = cloud.allocate(hold=True, name="held")
    gone = cloud.allocate(hold=True, name="gone")
    cloud.action("terminate-hard", gone)
    cloud.wait(gone, "DONE")
    listed = {row["oid"]: row for row in database.select("vm_pool", "state <> 6")}
    assert set(listed) == {str(running), str(held)}
    vm = listed[str(running)]
    assert (vm["state"], vm["lcm_state"], vm["memory"], vm["cpu"], vm["etime"]) == (3, 3, 128 * 1024, 50, "0")
    assert vm["deploy_id"] and vm["stime"] > 0 and listed[str(held)]["state"] == 2
    # NAME, as `onevm list` shows it, and the rest of the template.
    template = {row["name"]: row for row in database.select("vm_attributes", f"id={vm['template_id']}")}
    assert (template["NAME"]["value"], template["NAME"]["type"]) == ("web", "0")
    assert template["MEMORY"]["value"] == "128" and template["VCPU"]["value"] == "2"
    assert template["DISK"]["type"] == "1" and "TYPE=fs" in template["DISK"]["value"].split(",")
    # A name becomes an id, in the words of get_vm_from_name(), where "NAME" is the column itself.
    found = [row["id"] for row in database.select("vm_attributes", 'name="NAME" AND value="web"')]
    assert [row["oid"] for i in found for row in database.select("vm_pool", f"template_id={i} AND state<>6")] == [str(running)]
    records = database.select("history", f"vid={running}")
    assert (records[-1]["host_name"], records[-1]["hid"], records[-1]["etime"]) == ("h2", 1, "0")


@pytest.mark.parametrize("word, back, wanted", [("poweroff", "resume", 5), ("undeploy", "resume", 4), ("suspend", "resume", 5)])
def test_states_that_came_later(cloud, word, back, wanted):
    """Powered off is suspended, undeployed is stopped."""
    machine = cloud.running(name=f"m-{word}")
    cloud.action(word, machine)
    cloud.wait(machine, {"poweroff": "POWEROFF", "undeploy": "UNDEPLOYED", "suspend": "SUSPENDED"}[word])
    assert Database(cloud).select("vm_pool", f"oid={machine}")[0]["state"] == wanted
    cloud.action("terminate-hard", machine)
    cloud.wait(machine, "DONE")


def test_every_state_has_a_name_there(cloud):
    """Its lists of names end with FAILED and CANCEL, and a number beyond them ends the client."""
    database = sqlite3.connect(":memory:")
    database.executescript("CREATE TABLE vm(id, uid, last_poll, state, lcm_state, stime, etime, deploy_id, template);")
    source = sqlite3.connect(Database(cloud).file, uri=True)
    database.execute(source.execute("select sql from sqlite_master where name = 'vm_pool'").fetchone()[0])
    source.close()
    database.executemany("INSERT INTO vm VALUES (?, 0, 0, ?, ?, 0, 0, '', 'CPU=\"1\"\nMEMORY=\"1\"\n')",
                         [(100 * state + lcm, state, lcm) for state in range(12) for lcm in range(73)])
    assert database.execute("select count(*) from vm_pool where state not between 0 and 7 or lcm_state not between 0 and 12").fetchone() == (0,)


def test_hosts(cloud):
    database = Database(cloud)
    cloud.running(host=0, template="CPU = 1\nMEMORY = 64", name="there")
    cloud.until(lambda: cloud.xml("one.host.info", 0).findtext("STATE") == "2", "the host to be monitored")
    host = database.select("host_pool", 'host_name="h1"')[0]
    assert (host["oid"], host["state"], host["im_mad"], host["managed"]) == ("0", 2, "dummy", 1)
    share = database.select("host_shares", "hid=0")[0]
    assert (share["running_vms"], share["cpu_usage"], share["mem_usage"], share["max_cpu"]) == (1, 100, 64 * 1024, 800)
    told = {row["name"]: row["value"] for row in database.select("host_attributes", "id=0")}
    assert (told["TOTALCPU"], told["USEDCPU"]) == ("800", "100")
    assert int(told["FREEMEMORY"]) == int(told["TOTALMEMORY"]) - 64 * 1024
    cloud.ok("one.host.status", 1, 2)
    assert database.select("host_pool", "oid=1")[0]["state"] == 4
    cloud.ok("one.host.status", 1, 0)


def test_networks(cloud):
    database = Database(cloud)
    network = cloud.ok("one.vn.allocate", "NAME = lan\nVN_MAD = bridge\nBRIDGE = br7\nAR = [ TYPE = IP4, IP = 10.1.2.3, SIZE = 9 ]")
    single = cloud.ok("one.vn.allocate", "NAME = few\nVN_MAD = bridge\nBRIDGE = br8\nAR = [ TYPE = IP4, IP = 10.9.2.3, SIZE = 1 ]")
    rows = {row["oid"]: row for row in database.select("network_pool")}
    assert [(rows[i]["name"], rows[i]["type"], rows[i]["bridge"]) for i in (str(network), str(single))] == [("lan", "0", "br7"), ("few", "1", "br8")]
    machine = cloud.allocate(f"NIC = [ NETWORK_ID = {network} ]", hold=True)
    assert database.select("leases", f"oid={network}") == [
        {"oid": network, "ip": 0x0a010203, "mac_prefix": 0x200, "mac_suffix": 0x0a010203, "vid": machine, "used": 1}]
    assert {"id": str(network), "name": "BRIDGE", "type": "0", "value": "br7"} in database.select("vn_template", f"id={network}")


def test_nothing_can_be_written_there(cloud):
    database = sqlite3.connect(f"{cloud.var}/one.db")
    for table in TABLES:
        with pytest.raises(sqlite3.OperationalError, match="cannot modify .* because it is a view"):
            database.execute(f"delete from {table}")
    database.close()

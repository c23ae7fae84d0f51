"""The schemas of share/schema: they accept what OpenNebula answers, and refuse what is wrong."""
import copy

import pytest
from api.schemas import OWN, SHARED, THEIRS, errors_of_own, own_schema
from lxml import etree

SAMPLES = SHARED / "spec" / "samples"
# Sample of a running OpenNebula, and the schema of its root.
PAIRS = [
    ("vm-info_0", "vm"), ("vm-info_1", "vm"), ("vmpool-info_m2_m1_m1_m1", "vm_pool"),
    ("vmpool-infoextended_m2_m1_m1_m1", "vm_pool_extended"), ("vm-monitoring_0", "monitoring_data"),
    ("vmpool-monitoring_m2", "monitoring_data"), ("host-info_0", "host"), ("hostpool-info", "host_pool"),
    ("host-monitoring_0", "monitoring_data"), ("user-info_0", "user"), ("user-info_2", "user"),
    ("userpool-info", "user_pool"), ("group-info_0", "group"), ("group-info_1", "group"),
    ("grouppool-info", "group_pool"), ("cluster-info_0", "cluster"), ("clusterpool-info", "cluster_pool"),
    ("image-info_0", "image"), ("imagepool-info_m2_m1_m1", "image_pool"),
    ("datastore-info_1", "datastore"), ("datastorepool-info", "datastore_pool"), ("acl-info", "acl_pool"),
    ("zone-info_0", "zone"), ("zonepool-info", "zone_pool"), ("zone-raftstatus", "raft"), ("vdc-info_0", "vdc"), ("vdcpool-info", "vdc_pool"),
    ("system-config", "opennebula_configuration"),
    ("template-info_0", "vmtemplate"), ("templatepool-info_m2_m1_m1", "vmtemplate_pool"),
    ("vn-info_0", "vnet"), ("vnpool-info_m2_m1_m1", "vnet_pool"), ("secgroup-info_0", "security_group"),
    ("secgrouppool-info_m2_m1_m1", "security_group_pool"),
    ("userquota-info", "default_user_quotas"), ("groupquota-info", "default_group_quotas"),
    ("vntemplatepool-info_m2_m1_m1", "vntemplate_pool"), ("documentpool-info_m2_m1_m1_100", "document_pool"),
    ("vmgrouppool-info_m2_m1_m1", "vm_group_pool"), ("backupjobpool-info_m2_m1_m1", "backupjob_pool"),
    ("hook-info_0", "hook"), ("hookpool-info_m2_m1_m1", "hook_pool"), ("hooklog-info_m1_m1_m1_m1", "hooklog"),
    ("marketpool-info", "marketplace_pool"), ("marketapppool-info_m2_m1_m1", "marketplaceapp_pool"),
    ("vmpool-accounting_m2_m1_m1", "history_records"), ("vmpool-showback_m2_m1_m1_m1_m1", "showback_records"),
    ("vrouterpool-info_m2_m1_m1", "vrouter_pool"),
]


def sample(name):
    if not SAMPLES.exists():
        pytest.skip("no folder ../shared/spec/samples beside the checkout")
    return etree.parse(str(SAMPLES / f"{name}.xml"), etree.XMLParser(remove_blank_text=True)).getroot()


@pytest.mark.parametrize("name", sorted({schema for _, schema in PAIRS}))
def test_schema_is_one(name):
    assert own_schema(name) is not None


def test_no_schema_is_without_a_sample():
    parts = {"common", "samples", "quotas"}
    parts |= {"vntemplate", "document", "vm_group", "vrouter", "marketplace", "marketplaceapp", "backupjob"}  # the samples have empty pools of these
    parts |= {"migration_pool", "migration_check"}  # of our own; test_migrations.py checks each answer against them
    assert {path.stem for path in OWN.glob("*.rng")} - parts == {schema for _, schema in PAIRS}


@pytest.mark.parametrize("name, schema", PAIRS)
def test_sample(name, schema):
    assert errors_of_own(sample(name), schema) == []


@pytest.mark.parametrize("name, schema", [pair for pair in PAIRS if pair[1] != "opennebula_configuration"])
def test_unknown_element_is_refused(name, schema):
    root = sample(name)
    etree.SubElement(root, "NOT_KNOWN")
    assert errors_of_own(root, schema)


@pytest.mark.parametrize("name, schema", [
    ("vm-info_0", "vm"), ("host-info_0", "host"), ("user-info_0", "user"), ("group-info_0", "group"),
    ("cluster-info_0", "cluster"), ("datastore-info_1", "datastore"), ("zone-info_0", "zone"), ("vdc-info_0", "vdc"),
    ("image-info_0", "image")])
def test_each_child_is_needed(name, schema):
    """Every child of an object must be there, but for those that say otherwise."""
    optional = {"LOCK", "SNAPSHOTS", "LOGIN_TOKEN", "PLAN", "DATASTORE_QUOTA", "NETWORK_QUOTA", "VM_QUOTA", "IMAGE_QUOTA"}
    root = sample(name)
    for child in root:
        if child.tag in optional:
            continue
        without = copy.deepcopy(root)
        without.remove(without.find(child.tag))
        assert errors_of_own(without, schema), f"{root.tag} without {child.tag} was accepted"


@pytest.mark.parametrize("schema, text", [
    ("vm", "<VM/>"),
    ("vm_pool", "<VM_POOL><VM/></VM_POOL>"),
    ("host_pool", "<HOST_POOL>text</HOST_POOL>"),
    ("acl_pool", "<ACL_POOL><ACL><ID>0</ID><USER>0x1</USER><RESOURCE>1</RESOURCE><RIGHTS>1</RIGHTS><ZONE>1</ZONE>"
                 "<STRING>* VM/* USE *</STRING></ACL></ACL_POOL>"),
    ("acl_pool", "<ACL_POOL><ACL><ID>0</ID><USER>1</USER><RESOURCE>1</RESOURCE><RIGHTS>1</RIGHTS><ZONE>1</ZONE>"
                 "<STRING>everybody may all</STRING></ACL></ACL_POOL>"),
    ("monitoring_data", "<MONITORING_DATA><MONITORING><CPU>many</CPU><ID>1</ID><TIMESTAMP>1</TIMESTAMP></MONITORING>"
                        "</MONITORING_DATA>"),
    ("cluster", "<CLUSTER><ID>x</ID><NAME>a</NAME><HOSTS/><DATASTORES/><VNETS/><TEMPLATE/></CLUSTER>"),
    ("cluster", "<CLUSTER><NAME>a</NAME><ID>1</ID><HOSTS/><DATASTORES/><VNETS/><TEMPLATE/></CLUSTER>"),
    ("zone_pool", "<ZONE_POOL><ZONE><ID>0</ID><NAME>a</NAME><STATE>0</STATE><TEMPLATE/><SERVER_POOL/></ZONE></ZONE_POOL>"),
])
def test_refused(schema, text):
    assert errors_of_own(etree.fromstring(text), schema)


@pytest.mark.parametrize("schema, text", [
    ("vm_pool", "<VM_POOL/>"), ("host_pool", "<HOST_POOL></HOST_POOL>"), ("monitoring_data", "<MONITORING_DATA/>"),
    ("opennebula_configuration", "<OPENNEBULA_CONFIGURATION><PORT>2633</PORT></OPENNEBULA_CONFIGURATION>"),
])
def test_accepted(schema, text):
    assert errors_of_own(etree.fromstring(text), schema) == []


def test_their_schemas_are_found():
    """Says once, by name, that the second kind of schema is not used here."""
    if not THEIRS.exists():
        pytest.skip("no folder ../shared/xsd beside the checkout: answers are checked against share/schema alone")
    assert (THEIRS / "vm.xsd").exists()

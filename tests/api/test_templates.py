"""Templates of machines, and what is kept like them: templates of networks, documents."""
import pytest
from api.states import ALLOCATE, AUTHORIZATION, INTERNAL, NO_EXISTS

SMALL = "CPU = 0.1\nMEMORY = 64\n"
FAMILIES = [("template", "virtual machine template", ()), ("vntemplate", "virtual network template", ()),
            ("document", "document", (7,))]


def template_of(document):
    return {child.tag: child.text for child in document.find("TEMPLATE")}


def allowed(client, word):
    """What the rules of the first start give to users: machines, templates and documents, no networks."""
    return word != "virtual network template"


@pytest.mark.parametrize("family, words, more", FAMILIES)
def test_life(one, family, words, more):
    identity = one.ok(f"one.{family}.allocate", "NAME = first\nA = 1\nB = [ C = 2, D = \"x<y\" ]", *more)
    document = one.xml(f"one.{family}.info", identity)
    assert document.findtext("NAME") == "first" and document.findtext("TEMPLATE/A") == "1"
    assert document.findtext("TEMPLATE/B/D") == "x<y" and document.find("TEMPLATE/NAME") is None
    assert document.findtext("UNAME") == "oneadmin"
    one.ok(f"one.{family}.update", identity, "A = 3", 1)
    assert template_of(one.xml(f"one.{family}.info", identity)).keys() == {"A", "B"}
    one.ok(f"one.{family}.update", identity, "E = 4", 0)
    assert template_of(one.xml(f"one.{family}.info", identity)) == {"E": "4"}
    one.ok(f"one.{family}.rename", identity, "second")
    copy = one.ok(f"one.{family}.clone", identity, "third")
    listed = one.xml(f"one.{family}pool.info", -2, -1, -1, *more)
    assert {"second", "third"} <= {item.findtext("NAME") for item in listed}
    one.ok(f"one.{family}.delete", identity)
    one.ok(f"one.{family}.delete", copy)
    one.fails(f"one.{family}.info", identity, code=NO_EXISTS, text=f"Error getting {words} [{identity}].")


@pytest.mark.parametrize("family, words, more", FAMILIES)
def test_names(one, family, words, more):
    one.fails(f"one.{family}.allocate", "A = 1", *more, code=ALLOCATE, text="No NAME in template")
    one.fails(f"one.{family}.allocate", 'NAME = "a\tb"', *more, code=ALLOCATE, text=words)
    one.fails(f"one.{family}.allocate", "NAME = ", *more, code=ALLOCATE, text="No NAME in template")
    one.fails(f"one.{family}.allocate", "NAME = [", *more, code=INTERNAL, text="Parse error")
    identity = one.ok(f"one.{family}.allocate", "NAME = taken", *more)
    reply = one.fails(f"one.{family}.allocate", "NAME = taken", *more, code=ALLOCATE)
    assert f"NAME is already taken by {family.upper()} {identity}." in reply[1]
    one.fails(f"one.{family}.clone", identity, "taken", code=ALLOCATE)
    one.fails(f"one.{family}.clone", identity, "", code=ALLOCATE)
    if allowed(one, words):
        other = one.user(f"namesake-{family}")
        assert other.ok(f"one.{family}.allocate", "NAME = taken", *more) > identity


def test_documents_by_type(one):
    first = one.ok("one.document.allocate", "NAME = typed", 100)
    second = one.ok("one.document.allocate", "NAME = typed", 101)
    for kind, identity in ((100, first), (101, second)):
        ids = [item.findtext("ID") for item in one.xml("one.documentpool.info", -2, -1, -1, kind)]
        assert str(identity) in ids and str(first + second - identity) not in ids
    assert one.xml("one.document.info", second).findtext("TYPE") == "101"


def test_instantiate(one):
    identity = one.ok("one.template.allocate", f'NAME = web\n{SMALL}NOTE = "a note"\nCONTEXT = [ A = "1" ]')
    vm = one.vm(one.ok("one.template.instantiate", identity, "", True))
    assert vm.findtext("NAME") == f"web-{vm.findtext('ID')}"
    assert vm.findtext("TEMPLATE/TEMPLATE_ID") == str(identity)
    assert vm.findtext("USER_TEMPLATE/NOTE") == "a note" and vm.findtext("TEMPLATE/CONTEXT/A") == "1"
    named = one.vm(one.ok("one.template.instantiate", identity, "mine", True, 'MEMORY = 128\nEXTRA = "yes"', False))
    assert named.findtext("NAME") == "mine" and named.findtext("TEMPLATE/MEMORY") == "128"
    assert named.findtext("USER_TEMPLATE/EXTRA") == "yes" and named.findtext("TEMPLATE/CPU") == "0.1"
    # The template is as it was.
    assert one.xml("one.template.info", identity).findtext("TEMPLATE/MEMORY") == "64"
    one.fails("one.template.instantiate", identity, "bad", True, "MEMORY = -1", False, code=INTERNAL, text="MEMORY")
    one.fails("one.template.instantiate", identity, "bad", True, "MEMORY = [", False, code=INTERNAL, text="Parse error")
    one.fails("one.template.instantiate", identity, "a\tb", True)


def test_instantiated_machine_runs(one):
    identity = one.ok("one.template.allocate", f"NAME = runs\n{SMALL}")
    vm = one.ok("one.template.instantiate", identity, "runs")
    one.ok("one.vm.deploy", vm, 0)
    one.wait(vm, "RUNNING")
    one.ok("one.template.delete", identity)
    assert one.state(vm) == "RUNNING"
    one.ok("one.vm.recover", vm, 3)


def test_persistent_copy(one):
    identity = one.ok("one.template.allocate", f"NAME = base\n{SMALL}")
    before = len(one.xml("one.templatepool.info", -2, -1, -1))
    vm = one.vm(one.ok("one.template.instantiate", identity, "kept", True, "", True))
    own = vm.findtext("TEMPLATE/TEMPLATE_ID")
    assert own != str(identity)
    assert one.xml("one.template.info", int(own)).findtext("NAME") == "kept"
    # A machine that cannot be made leaves no copy behind.
    one.fails("one.template.instantiate", identity, "never", True, "MEMORY = -1", True, code=INTERNAL)
    assert len(one.xml("one.templatepool.info", -2, -1, -1)) == before + 1


def test_rights(one):
    owner, other = one.user("template-owner"), one.user("template-other")
    identity = owner.ok("one.template.allocate", f"NAME = private\n{SMALL}")
    other.fails("one.template.info", identity, code=AUTHORIZATION, text=f"USE TEMPLATE [{identity}]")
    other.fails("one.template.instantiate", identity, "", code=AUTHORIZATION)
    other.fails("one.template.clone", identity, "stolen", code=AUTHORIZATION)
    owner.ok("one.template.chmod", identity, -1, -1, -1, 1, -1, -1, -1, -1, -1)
    vm = other.vm(other.ok("one.template.instantiate", identity, "", True))
    assert vm.findtext("UNAME") == "template-other"
    other.fails("one.template.update", identity, "A = 1", 1, code=AUTHORIZATION, text="MANAGE TEMPLATE")
    other.fails("one.template.delete", identity, code=AUTHORIZATION)
    owner.fails("one.vntemplate.allocate", "NAME = net", code=AUTHORIZATION, text="CREATE VNTEMPLATE")


def test_restricted_attributes(one):
    """An administrator may hand out what users may not write; users cannot get at it by a detour."""
    user = one.user("restricted-user")
    raw = 'RAW = [ TYPE = "kvm", DATA = "<x/>" ]\n'
    user.fails("one.template.allocate", f"NAME = evil\n{SMALL}{raw}", code=AUTHORIZATION, text="RAW/DATA")
    given = one.ok("one.template.allocate", f"NAME = given\n{SMALL}{raw}")
    one.ok("one.template.chmod", given, -1, -1, -1, -1, -1, -1, 1, 1, -1)
    vm = user.vm(user.ok("one.template.instantiate", given, "", True))
    assert vm.findtext("TEMPLATE/RAW/DATA") == "<x/>"
    for extra in ('RAW = [ TYPE = "kvm", DATA = "<y/>" ]', 'OS = [ KERNEL = "/etc/shadow" ]',
                  'DISK = [ SOURCE = "/etc/shadow", TYPE = "file" ]'):
        user.fails("one.template.instantiate", given, "", True, extra, False, code=AUTHORIZATION, text="restricted")
        user.fails("one.template.update", given, extra, 1, code=AUTHORIZATION, text="restricted")
        user.fails("one.template.update", given, extra, 0, code=AUTHORIZATION, text="restricted")
    user.fails("one.template.clone", given, "mine", code=AUTHORIZATION, text="restricted")
    # Whoever may manage the administrator's template may not throw away what was set there.
    user.ok("one.template.update", given, SMALL, 0)
    assert one.xml("one.template.info", given).findtext("TEMPLATE/RAW/DATA") == "<x/>"


def test_locks(one):
    user = one.user("lock-user")
    identity = user.ok("one.template.allocate", f"NAME = locked\n{SMALL}")
    user.ok("one.template.lock", identity, 2, False)
    user.fails("one.template.update", identity, "A = 1", 1, text="locked")
    user.fails("one.template.delete", identity, text="locked")
    user.ok("one.template.instantiate", identity, "", True)
    user.ok("one.template.lock", identity, 1, False)
    user.fails("one.template.instantiate", identity, "", True, text="locked")
    user.ok("one.template.unlock", identity)
    user.ok("one.template.delete", identity)


def test_they_outlive_a_restart(fresh):
    server = fresh()
    for family, _, more in FAMILIES:
        server.ok(f"one.{family}.allocate", 'NAME = kept\nA = "line\nbreak"', *more)
        server.ok(f"one.{family}.chmod", 0, 1, 1, 1, 1, 0, 0, 0, 0, 0)
        server.ok(f"one.{family}.lock", 0, 3, False)
    before = [server.ok(f"one.{family}.info", 0) for family, *_ in FAMILIES]
    server.kill()
    server.start()
    assert [server.ok(f"one.{family}.info", 0) for family, *_ in FAMILIES] == before
    assert server.ok("one.template.allocate", "NAME = next") == 1
    assert "in order" in server.command("--check").stdout


NETWORK = "VN_MAD = dummy\nBRIDGE = br7\nDNS = 10.7.0.1\nAR = [ TYPE = IP4, IP = 10.7.{number}.1, SIZE = 20 ]\n"


def test_extended_info(one):
    """What a machine would get from its networks, with no address taken; only for who may use them."""
    net = one.ok("one.vn.allocate", "NAME = shown\n" + NETWORK.format(number=1))
    identity = one.ok("one.template.allocate", f"NAME = shows\n{SMALL}NIC = [ NETWORK = shown, MODEL = virtio ]\n"
                      "NIC = [ NETWORK = missing ]\nNIC_ALIAS = [ NETWORK_ID = 0, PARENT = NIC0 ]")
    plain = one.xml("one.template.info", identity)
    assert [child.tag for child in plain.find("TEMPLATE/NIC")] == ["MODEL", "NETWORK"]
    shown, missing = one.xml("one.template.info", identity, True, False).findall("TEMPLATE/NIC")
    assert {child.tag: child.text for child in shown}.items() >= {
        "NETWORK_ID": str(net), "NETWORK": "shown", "BRIDGE": "br7", "VN_MAD": "dummy", "SECURITY_GROUPS": "0",
        "MODEL": "virtio"}.items()
    assert shown.find("IP") is None and shown.find("MAC") is None
    assert [child.tag for child in missing] == ["NETWORK"]  # instantiate says what is wrong
    assert one.xml("one.vn.info", net).findtext("USED_LEASES") == "0"
    assert one.ok("one.template.info", identity) == one.ok("one.template.info", identity, False)
    other = one.user("shown-other")
    one.ok("one.template.chmod", identity, *[-1] * 6, 1, -1, -1)
    by_id = one.ok("one.template.allocate", f"NAME = by-id\n{SMALL}NIC = [ NETWORK_ID = {net} ]")
    one.ok("one.template.chmod", by_id, *[-1] * 6, 1, -1, -1)
    other.ok("one.template.info", by_id)
    other.ok("one.template.info", by_id, True)  # their group has the networks of the first cluster
    netless = one.ok("one.group.allocate", "netless")
    one.ok("one.vdc.delgroup", 0, netless)
    one.ok("one.user.chgrp", other.uid, netless)
    other.fails("one.template.info", by_id, True, code=AUTHORIZATION, text=f"USE NET [{net}]")


def test_extended_info_of_disks(one):
    image = one.ok("one.image.allocate", "NAME = shown\nTYPE = DATABLOCK\nSIZE = 1", 1)
    identity = one.ok("one.template.allocate", f"NAME = disks\n{SMALL}DISK = [ IMAGE = shown, DEV_PREFIX = vd ]\n"
                      "DISK = [ TYPE = swap, SIZE = 7 ]\nDISK = [ IMAGE_ID = 4711 ]")
    assert [disk.find("DISK_ID") for disk in one.xml("one.template.info", identity).findall("TEMPLATE/DISK")] == [None] * 3
    shown, swap, missing = one.xml("one.template.info", identity, True).findall("TEMPLATE/DISK")
    assert {child.tag: child.text for child in shown}.items() >= {
        "IMAGE_ID": str(image), "IMAGE": "shown", "DISK_ID": "0", "DATASTORE_ID": "1", "SIZE": "1",
        "DEV_PREFIX": "vd"}.items()
    assert swap.findtext("SIZE") == "7" and swap.findtext("DISK_ID") == "1"
    assert {child.tag for child in missing} == {"IMAGE_ID", "DISK_ID"}
    assert one.xml("one.image.info", image).findtext("RUNNING_VMS") == "0"
    other = one.user("disks-other")
    one.ok("one.template.chmod", identity, *[-1] * 6, 1, -1, -1)
    other.ok("one.template.info", identity, True)  # to them IMAGE = shown is nobody's
    by_id = one.ok("one.template.allocate", f"NAME = disk-by-id\n{SMALL}DISK = [ IMAGE_ID = {image} ]")
    one.ok("one.template.chmod", by_id, *[-1] * 6, 1, -1, -1)
    other.fails("one.template.info", by_id, True, code=AUTHORIZATION, text=f"USE IMAGE [{image}]")


def test_networks_from_templates(one):
    source = one.ok("one.vntemplate.allocate", "NAME = lans\nCLUSTER_IDS = 0\n" + NETWORK.format(number=2))
    net = one.ok("one.vntemplate.instantiate", source, "lan1", "DNS = 10.7.0.2\nNOTE = mine")
    document = one.xml("one.vn.info", net)
    assert document.findtext("NAME") == "lan1" and document.findtext("TEMPLATE_ID") == str(source)
    assert document.findtext("TEMPLATE/DNS") == "10.7.0.2" and document.findtext("TEMPLATE/NOTE") == "mine"
    assert document.findtext("AR_POOL/AR/IP") == "10.7.2.1" and document.findtext("CLUSTERS/ID") == "0"
    assert document.find("TEMPLATE/CLUSTER_IDS") is None
    assert one.xml("one.vntemplate.info", source).findtext("TEMPLATE/DNS") == "10.7.0.1"
    one.fails("one.vntemplate.instantiate", source, "lan1", "", code=ALLOCATE, text=f"already taken by NET {net}")
    one.fails("one.vntemplate.instantiate", source, "lan2", "CLUSTER_IDS = 77", code=NO_EXISTS)
    one.fails("one.vntemplate.instantiate", source, "lan2", "DNS = [", code=INTERNAL, text="Parse error")
    assert one.xml("one.vn.info", one.ok("one.vntemplate.instantiate", source, "")).findtext("NAME") == "lans"


def test_networks_for_users(one):
    """A user who may make networks gets what an administrator's template says, and adds nothing restricted."""
    user = one.user("lan-user")
    source = one.ok("one.vntemplate.allocate", "NAME = theirs\nCLUSTER_IDS = 0\n" + NETWORK.format(number=3))
    user.fails("one.vntemplate.instantiate", source, "mine", "", code=AUTHORIZATION, text=f"USE VNTEMPLATE [{source}]")
    one.ok("one.vntemplate.chmod", source, *[-1] * 6, 1, -1, -1)
    user.fails("one.vntemplate.instantiate", source, "mine", "", code=AUTHORIZATION, text="CREATE NET")
    rule = one.ok("one.acl.addrule", f"{0x100000000 + user.uid:x}", f"{0x4000000000 + 0x400000000:x}", "8")
    try:
        for extra in ("BRIDGE = br0", "VN_MAD = ebtables", "PHYDEV = eth0", "CLUSTER_IDS = 0"):
            user.fails("one.vntemplate.instantiate", source, "mine", extra, code=AUTHORIZATION, text="restricted")
        net = user.ok("one.vntemplate.instantiate", source, "mine", "NOTE = x")
        assert user.xml("one.vn.info", net).findtext("UNAME") == "lan-user"
        user.ok("one.vn.delete", net)
    finally:
        one.ok("one.acl.delrule", rule)


def test_networks_remember_their_template(fresh):
    server = fresh()
    source = server.ok("one.vntemplate.allocate", "NAME = lans\n" + NETWORK.format(number=4))
    net = server.ok("one.vntemplate.instantiate", source, "lan")
    before = server.ok("one.vn.info", net)
    server.kill()
    server.start()
    assert server.ok("one.vn.info", net) == before and f"<TEMPLATE_ID>{source}</TEMPLATE_ID>" in before


XML = "<TEMPLATE><NAME>{name}</NAME><CPU>0.1</CPU><MEMORY>64</MEMORY>{more}</TEMPLATE>"
VECTOR = "<CONTEXT><A><![CDATA[x<y]]></A></CONTEXT>"
RULE = "<RULE><PROTOCOL>TCP</PROTOCOL><RULE_TYPE>inbound</RULE_TYPE></RULE>"


@pytest.mark.parametrize("method, more", [
    ("one.vm.allocate", ()), ("one.template.allocate", ()), ("one.vntemplate.allocate", ()),
    ("one.document.allocate", (7,)), ("one.vn.allocate", (-1,)), ("one.secgroup.allocate", ())])
def test_xml_is_a_template_too(one, method, more):
    name = "xml-" + method.split(".")[1]
    vector, path, value = (RULE, "RULE/PROTOCOL", "TCP") if "secgroup" in method else (VECTOR, "CONTEXT/A", "x<y")
    if "secgroup" in method:  # which has rules, and nothing of a machine
        text = f"<TEMPLATE><NAME>{name}</NAME>{vector}</TEMPLATE>"
    else:
        text = XML.format(name=name, more=vector + "<VN_MAD>dummy</VN_MAD>")
    identity = one.ok(method, text, *more)
    family = method.rsplit(".", 1)[0]
    document = one.xml(f"{family}.info", identity)
    assert document.findtext("NAME") == name and document.findtext(f"TEMPLATE/{path}") == value
    one.ok(f"{family}.update", identity, "<TEMPLATE><DESCRIPTION>by &lt;xml&gt;</DESCRIPTION></TEMPLATE>", 1)
    where = "USER_TEMPLATE" if family == "one.vm" else "TEMPLATE"
    assert one.xml(f"{family}.info", identity).findtext(f"{where}/DESCRIPTION") == "by <xml>"


def test_xml_as_extra_template(one):
    identity = one.ok("one.template.allocate", XML.format(name="xml-base", more=VECTOR))
    vm = one.vm(one.ok("one.template.instantiate", identity, "", True, "<TEMPLATE><MEMORY>96</MEMORY></TEMPLATE>"))
    assert vm.findtext("TEMPLATE/MEMORY") == "96" and vm.findtext("TEMPLATE/CONTEXT/A") == "x<y"
    one.fails("one.template.instantiate", identity, "", True, "<TEMPLATE><MEMORY>96</TEMPLATE>", code=INTERNAL,
              text="Parse error")

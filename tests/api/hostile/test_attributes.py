"""Attributes that only administrators give: no form, and no detour, gets one past the server."""
import pytest
from api.states import AUTHORIZATION

SMALL = "CPU = 0.1\nMEMORY = 64\n"
FORBIDDEN = [
    ('DISK = [ SOURCE = "/etc/shadow", TYPE = "file" ]', "DISK/SOURCE"),
    ('disk = [ Source = "/etc/shadow", TYPE = "file" ]', "DISK/SOURCE"),
    ("<TEMPLATE><DISK><SOURCE>/etc/shadow</SOURCE></DISK></TEMPLATE>", "DISK/SOURCE"),
    ("<TEMPLATE><disk><source>/etc/shadow</source></disk></TEMPLATE>", "DISK/SOURCE"),
    ('DISK = [ SIZE = 1 ]\nDISK = [ SOURCE = "/etc/shadow" ]', "DISK/SOURCE"),
    ('OS = [ KERNEL = "/etc/shadow" ]', "OS/KERNEL"),
    ('OS = [ INITRD = "/etc/shadow" ]', "OS/INITRD"),
    ('CONTEXT = [ FILES = "/var/lib/one/.one/one_auth" ]', "CONTEXT/FILES"),
    ('RAW = [ TYPE = kvm, DATA = "<devices/>" ]', "RAW/DATA"),
    ('EMULATOR = "/bin/sh"', "EMULATOR"),
    ('NIC = [ MAC = "02:00:00:00:00:01" ]', "NIC/MAC"),
    ('NIC = [ BRIDGE = "br-admin" ]', "NIC/BRIDGE"),
    ('NIC = [ SCRIPT = "/bin/sh" ]', "NIC/SCRIPT"),
    ('NIC = [ FILTER_MAC_SPOOFING = NO ]', "NIC/FILTER_MAC_SPOOFING"),
    ('PCI = [ ADDRESS = "0000:00:01.0" ]', "PCI"),
    ('DEPLOY_ID = "one-0"', "DEPLOY_ID"),
    ('IMPORT_VM_ID = "one-0"', "IMPORT_VM_ID"),
]


@pytest.fixture(scope="module")
def given(one, mallory):
    """An administrator's template that everybody may use and manage."""
    identity = one.ok("one.template.allocate", f'NAME = given\n{SMALL}RAW = [ TYPE = kvm, DATA = "<x/>" ]')
    one.ok("one.template.chmod", identity, -1, -1, -1, -1, -1, -1, 1, 1, -1)
    return identity


@pytest.fixture(scope="module")
def machine(mallory, given):
    return mallory.ok("one.template.instantiate", given, "hers", True)


@pytest.mark.parametrize("text, path", FORBIDDEN)
def test_by_every_door(one, mallory, given, machine, unchanged, text, path):
    unchanged(lambda: one.ok("one.vm.info", machine))
    unchanged(lambda: one.ok("one.templatepool.info", -2, -1, -1))
    unchanged(lambda: len(one.xml("one.vmpool.info", -2, -1, -1, -2)))
    whole = text if text.startswith("<") else SMALL + text
    named = whole.replace("<TEMPLATE>", "<TEMPLATE><NAME>x</NAME>") if text.startswith("<") else "NAME = x\n" + whole
    for method, *arguments in (("one.vm.allocate", whole, True), ("one.template.allocate", named),
                               ("one.template.instantiate", given, "", True, text, False),
                               ("one.template.instantiate", given, "", True, text, True),
                               ("one.template.update", given, text, 0), ("one.template.update", given, text, 1),
                               ("one.vm.update", machine, text, 0), ("one.vm.update", machine, text, 1),
                               ("one.vm.updateconf", machine, text, 0), ("one.vm.updateconf", machine, text, 1)):
        mallory.fails(method, *arguments, code=AUTHORIZATION, text=f"restricted attribute {path}")
    door = {"DISK": "one.vm.attach", "NIC": "one.vm.attachnic"}.get(path.split("/")[0])
    if door:
        mallory.fails(door, machine, text, code=AUTHORIZATION, text=path)


def test_list_of_the_configuration_cannot_open_what_is_always_closed(fresh):
    """One line of VM_RESTRICTED_ATTR replaces the defaults; somebody else's domain is not taken over even so."""
    mallory = fresh('VM_RESTRICTED_ATTR = "NIC/MAC"\n').user("mallory")
    walls = [(f'CONTAINER = [ {name} = "x" ]', f"CONTAINER/{name}") for name in ("PRIVILEGED", "VOLUMES", "NETWORK", "ARCHIVE")]
    for text, path in FORBIDDEN[:7] + FORBIDDEN[-2:] + walls:
        if path != "CONTEXT/FILES" and not text.startswith("<"):
            mallory.fails("one.vm.allocate", SMALL + text, True, code=AUTHORIZATION, text=path)


def test_clone_and_copy(one, mallory, given):
    """A copy would be hers to change."""
    mallory.fails("one.template.clone", given, "mine", code=AUTHORIZATION, text="RAW/DATA")
    mallory.fails("one.template.instantiate", given, "mine", True, "", True, code=AUTHORIZATION, text="RAW/DATA")


def test_what_an_administrator_gave_stays(one, mallory, given, machine):
    mallory.ok("one.template.update", given, SMALL, 0)
    assert one.xml("one.template.info", given).findtext("TEMPLATE/RAW/DATA") == "<x/>"
    for text, append in (("", 0), ("RAW = [ TYPE = xen ]", 0), ("RAW = [ TYPE = xen ]", 1)):
        mallory.ok("one.vm.updateconf", machine, text, append)
        raw = one.vm(machine).find("TEMPLATE/RAW")
        assert (raw.findtext("DATA"), raw.findtext("TYPE")) == ("<x/>", "kvm")


@pytest.mark.parametrize("text", ["VM_ADMIN_OPERATIONS = terminate", "<T><vm_use_operations>x</vm_use_operations></T>"])
def test_operations_of_a_user(mallory, text):
    for append in (0, 1):
        mallory.fails("one.user.update", mallory.uid, text, append, code=AUTHORIZATION, text="OPERATIONS")


def test_paths_of_context(one):
    """Even of an administrator oned's own secrets are not put on a disk."""
    for path in ("/etc/shadow", "/srv/a /etc/shadow", '"]\nCONTEXT = [ FILES = "/etc/shadow', "/tmp/../etc/shadow", "//etc//shadow", "etc/shadow", "/etc"):
        one.fails("one.vm.allocate", SMALL + f'CONTEXT = [ FILES = "{path}" ]', True, text="CONTEXT/FILES")

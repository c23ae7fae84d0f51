"""Answers are checked against our own schemas, and against OpenNebula's where they lie beside the checkout."""
from functools import lru_cache

from conftest import ROOT
from lxml import etree

OWN = ROOT / "share" / "schema"
SHARED = ROOT.parent / "shared"
THEIRS = SHARED / "xsd"
NAMESPACE = "http://opennebula.org/XMLSchema"

# What vnet.xsd knows of a range of addresses.
RANGE = {"AR_ID", "ALLOCATED", "GLOBAL_PREFIX", "IP", "MAC", "NEXT_INDEX", "PARENT_NETWORK_AR_ID", "SHARED", "SIZE", "TYPE",
         "ULA_PREFIX", "VN_MAD", "VLAN_ID", "MAC_END", "IP_END", "IP6_ULA", "IP6_ULA_END", "IP6_GLOBAL", "IP6_GLOBAL_END",
         "IP6", "IP6_END", "USED_LEASES", "LEASES"}
# What hook.xsd knows of the template of a hook.
IN_HOOK = {"ARGUMENTS", "ARGUMENTS_STDIN", "CALL", "COMMAND", "LCM_STATE", "REMOTE", "RESOURCE", "STATE"}

# Files of theirs that are not called after the root of their documents.
NAMES = {"raft": "raftstatus", "history_records": "acct", "showback_records": "showback"}


@lru_cache(maxsize=None)
def own_schema(name):
    return etree.RelaxNG(etree.parse(str(OWN / f"{name}.rng")))


@lru_cache(maxsize=None)
def their_schema(name):
    path = THEIRS / f"{NAMES.get(name, name)}.xsd"
    return etree.XMLSchema(etree.parse(str(path))) if path.exists() else None


def name_of(root):
    """The schema for a document: its root, except that long pools share it with the short ones."""
    if root.tag == "VM_POOL" and root.find("VM/PERMISSIONS") is not None:
        return "vm_pool_extended"
    return root.tag.lower()


def for_their_schema(root):
    """A copy with their namespace, and with the one element that they demand and do not give themselves: a machine
    gets TM_MAD_SYSTEM with its first deploy, and their schema wants it before."""
    copy = etree.fromstring(etree.tostring(root))
    for vm in copy.iter("VM"):
        template = vm.find("TEMPLATE")
        if vm.find("PERMISSIONS") is not None and template.find("TM_MAD_SYSTEM") is None and vm.find(".//HISTORY") is None:
            place = sum(1 for child in template if child.tag < "TM_MAD_SYSTEM" and child.tag != "SCHED_ACTION")  # which are last
            template.insert(place, etree.Element("TM_MAD_SYSTEM"))
    # Attributes that a user gave to a range of addresses: theirs names some and has no place for others.
    for place in copy.iter("AR"):
        for child in list(place):
            if child.tag not in RANGE:
                place.remove(child)
    for hook in copy.iter("HOOK"):
        for child in list(hook.find("TEMPLATE")):
            if child.tag not in IN_HOOK:
                hook.find("TEMPLATE").remove(child)
    for zone in copy.iter("ZONE"):
        for child in zone.findall("TEMPLATE/*"):
            if child.tag != "ENDPOINT":
                zone.find("TEMPLATE").remove(child)
    for rule in copy.iter("RULE"):  # of security groups, of which it knows two members
        for child in list(rule) if rule.getparent().tag != "VLAN_RULES" else []:
            if child.tag not in ("PROTOCOL", "RULE_TYPE"):
                rule.remove(child)
    for plan in copy.iter("PLAN"):  # of which it has one action only
        for action in plan.findall("ACTION")[1:]:
            plan.remove(action)
    for element in copy.iter():
        element.tag = f"{{{NAMESPACE}}}{element.tag}"
    return etree.fromstring(etree.tostring(copy))


def errors_of_own(root, name=None):
    schema = own_schema(name or name_of(root))
    return [] if schema.validate(root) else [f"line {e.line}: {e.message}" for e in schema.error_log]


def errors_of_theirs(root, name=None):
    name = name or name_of(root)
    of_hosts = name == "monitoring_data" and root.find("MONITORING/CAPACITY") is not None
    if name == "opennebula_configuration" or of_hosts:
        return []  # keys of our own; and their schema of samples knows machines only
    schema = their_schema(name)
    if schema is None or schema.validate(for_their_schema(root)):
        return []
    return [e.message.replace(f"{{{NAMESPACE}}}", "") for e in schema.error_log]


def checked(text, name=None):
    """The document, after both kinds of schema have agreed to it."""
    assert isinstance(text, str), f"not a document: {text!r}"
    root = etree.fromstring(text.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    errors = errors_of_own(root, name)
    assert not errors, f"share/schema refuses {root.tag}: {errors}\n{text[:6000]}"
    errors = errors_of_theirs(root, name)
    assert not errors, f"OpenNebula's schema refuses {root.tag}: {errors}\n{text[:6000]}"
    return root

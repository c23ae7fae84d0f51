"""Answers are checked against our own schemas, and against OpenNebula's where they lie beside the checkout."""
from functools import lru_cache

from conftest import ROOT
from lxml import etree

OWN = ROOT / "share" / "schema"
SHARED = ROOT.parent / "shared"
THEIRS = SHARED / "xsd"
NAMESPACE = "http://opennebula.org/XMLSchema"

# What OpenNebula 7.4 itself answers against its own schemas; there the two cannot both be had.
KNOWN = (
    "}ENDPOINT_GRPC': This element is not expected",  # a zone has one more end point
    "Element '{http://opennebula.org/XMLSchema}VMID': This element is not expected. "
    "Expected is one of ( {http://opennebula.org/XMLSchema}TEMPLATE_ID",  # TM_MAD_SYSTEM comes with the first deploy
)
# Roots of which more kinds exist than the schema there knows, or whose keys are our own.
NOT_THEIRS = {"MONITORING_DATA of hosts", "OPENNEBULA_CONFIGURATION"}


@lru_cache(maxsize=None)
def own_schema(name):
    return etree.RelaxNG(etree.parse(str(OWN / f"{name}.rng")))


@lru_cache(maxsize=None)
def their_schema(name):
    path = THEIRS / f"{name}.xsd"
    return etree.XMLSchema(etree.parse(str(path))) if path.exists() else None


def name_of(root):
    """The schema for a document: its root, except that long pools share it with the short ones."""
    if root.tag == "VM_POOL" and root.find("VM/PERMISSIONS") is not None:
        return "vm_pool_extended"
    return root.tag.lower()


def with_namespace(root):
    copy = etree.fromstring(etree.tostring(root))
    for element in copy.iter():
        element.tag = f"{{{NAMESPACE}}}{element.tag}"
    return etree.fromstring(etree.tostring(copy))


def errors_of_own(root, name=None):
    schema = own_schema(name or name_of(root))
    return [] if schema.validate(root) else [f"line {e.line}: {e.message}" for e in schema.error_log]


def errors_of_theirs(root, name=None):
    name = name or name_of(root)
    if name == "opennebula_configuration" or (name == "monitoring_data" and root.find("MONITORING/CAPACITY") is not None):
        return []
    schema = their_schema(name)
    if schema is None or schema.validate(with_namespace(root)):
        return []
    return [e.message for e in schema.error_log if not any(known in e.message for known in KNOWN)]


def checked(text, name=None):
    """The document, after both kinds of schema have agreed to it."""
    assert isinstance(text, str), f"not a document: {text!r}"
    root = etree.fromstring(text.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    errors = errors_of_own(root, name)
    assert not errors, f"share/schema refuses {root.tag}: {errors}\n{text[:3000]}"
    errors = errors_of_theirs(root, name)
    assert not errors, f"OpenNebula's schema refuses {root.tag}: {errors}\n{text[:3000]}"
    return root

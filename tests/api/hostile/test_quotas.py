"""More than a quota allows, by every way that could lead around it: none does, and nothing is left of the attempt."""
import threading

import pytest
from api.states import ACTION, AUTHORIZATION, INTERNAL

SMALL = "CPU = 0.1\nMEMORY = 64\n"
numbers = iter(range(1, 1000))


def used(one, user, metric="VMS"):
    text = one.xml("one.user.info", user.uid).findtext(f"VM_QUOTA/VM/{metric}_USED")
    return float(text or 0)


@pytest.fixture
def eve(one):
    """A user of the group users with room for two machines and 128 MiB."""
    user = one.user(f"eve{next(numbers)}")
    one.ok("one.user.quota", user.uid, "VM = [ VMS = 2, MEMORY = 128, SYSTEM_DISK_SIZE = 50 ]")
    yield user
    for vm in user.xml("one.vmpool.info", -3, -1, -1, -1).findall("VM"):
        one.ok("one.vm.recover", int(vm.findtext("ID")), 3)


@pytest.mark.parametrize("template", [
    "CPU = 0.1\nMEMORY = 129\n", "CPU = 0.1\nMEMORY = 2147483647\n",
    SMALL + 'DISK = [ TYPE = fs, SIZE = 51 ]', SMALL + 'DISK = [ TYPE = fs, SIZE = 26 ]\n' * 2,
    SMALL + 'DISK = [ TYPE = fs, SIZE = 9223372036854775807 ]', SMALL + 'DISK = [ TYPE = fs, SIZE = 4611686018427387904 ]\n' * 4,
    SMALL + 'DISK = [ TYPE = swap, SIZE = 51 ]', SMALL + 'DISK = [ TYPE = fs, SIZE = 51, CLONE = NO ]',
    SMALL + 'DISK = [ TYPE = fs, SIZE = 51, PERSISTENT = YES ]'])
def test_large_machines(one, eve, template):
    eve.fails("one.vm.allocate", template, False, code=AUTHORIZATION, text="limit of")
    eve.fails("one.vm.allocate", template, True, code=AUTHORIZATION, text="limit of")
    stored = eve.ok("one.template.allocate", f"NAME = big{next(numbers)}\n{template}")
    eve.fails("one.template.instantiate", stored, "", False, "", code=AUTHORIZATION, text="limit of")
    small = eve.ok("one.template.allocate", f"NAME = small{next(numbers)}\n{SMALL}")
    eve.fails("one.template.instantiate", small, "", False, template, code=AUTHORIZATION, text="limit of")
    assert used(one, eve) == 0


@pytest.mark.parametrize("template", ["CPU = 0.1\nMEMORY = -64\n", "CPU = -1\nMEMORY = 64\n", "CPU = nan\nMEMORY = 64\n",
                                      SMALL + "DISK = [ TYPE = fs, SIZE = -100 ]"])
def test_negative_amounts_give_no_room(one, eve, template):
    eve.fails("one.vm.allocate", template, False, code=INTERNAL)
    assert used(one, eve) == 0 and used(one, eve, "MEMORY") == 0


def test_a_negative_disk_size_gives_no_room(one, eve):
    """A size that the server does not look at (the disk has a SOURCE) counts for nothing, never below it."""
    vm = one.allocate('DISK = [ SOURCE = "/a", SIZE = "-1000" ]\n', hold=True)
    one.ok("one.vm.chown", vm, eve.uid, 1)
    assert used(one, eve, "SYSTEM_DISK_SIZE") == 0
    eve.fails("one.vm.allocate", SMALL + 'DISK = [ TYPE = fs, SIZE = 51 ]', False, code=AUTHORIZATION)


def test_own_limits(one, eve):
    for method, target in (("one.user.quota", eve.uid), ("one.group.quota", 1), ("one.user.quota", 0)):
        eve.fails(method, target, "VM = [ VMS = -2 ]", code=AUTHORIZATION)
    eve.fails("one.userquota.update", "VM = [ VMS = -2 ]", code=AUTHORIZATION)
    eve.ok("one.user.update", eve.uid, "VM_QUOTA = [ VMS = 99 ]\nVMS = 99\nVM = [ VMS = 99 ]", 1)
    eve.allocate(hold=True), eve.allocate(hold=True)
    eve.fails("one.vm.allocate", SMALL, True, code=AUTHORIZATION, text="VMS quota")


def test_giving_away(one, eve):
    """Nobody makes room by giving a machine to somebody who did not ask, or takes one beyond the own limit."""
    other = one.user(f"friend{next(numbers)}")
    vms = [eve.allocate(hold=True) for _ in range(2)]
    eve.fails("one.vm.chown", vms[0], other.uid, -1, code=AUTHORIZATION)
    eve.fails("one.vm.chown", vms[0], 0, -1, code=AUTHORIZATION)
    theirs = other.allocate(hold=True)
    one.fails("one.vm.chown", theirs, eve.uid, -1, code=AUTHORIZATION, text="limit of 2 ")
    assert used(one, eve) == 2 and used(one, other) == 1
    one.ok("one.vm.recover", theirs, 3)


def test_growing_in_pieces(one, eve):
    """Orders that come at once, each of which would fit alone."""
    vm = eve.allocate('DISK = [ TYPE = fs, SIZE = 10 ]\n')
    one.ok("one.vm.deploy", vm, 0)
    eve.wait(vm, "RUNNING")
    eve.action("poweroff", vm)
    eve.wait(vm, "POWEROFF")
    done = []

    def grow(text):
        reply = eve.call("one.vm.resize", vm, text, False)
        done.append(reply[0])
        assert reply[0] or reply[2] in (AUTHORIZATION, ACTION), reply
    sizes = [f"MEMORY = {size}" for size in (96, 127, 128, 129, 200, 4096, 1 << 30, 2147483647)]
    threads = [threading.Thread(target=grow, args=(size,)) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert used(one, eve, "MEMORY") <= 128 and any(done)
    for method, arguments in (("one.vm.attach", ('DISK = [ TYPE = fs, SIZE = 41 ]',)), ("one.vm.diskresize", (0, "51")),
                              ("one.vm.attach", ('DISK = [ TYPE = fs, SIZE = 41 ]\n',))):
        eve.fails(method, vm, *arguments, code=AUTHORIZATION, text="SYSTEM_DISK_SIZE")
    assert used(one, eve, "SYSTEM_DISK_SIZE") == 10


def test_counting_attributes_of_the_own(fresh):
    one = fresh('QUOTA_VM_ATTRIBUTE = "LICENSE"\n', hosts=1)
    eve = one.user("eve")
    one.ok("one.user.quota", eve.uid, "VM = [ LICENSE = 1 ]")
    vm = one.allocate("LICENSE = 1\n", hold=True)
    one.ok("one.vm.chown", vm, eve.uid, 1)
    for word in ("LICENSE = 0", "license = 0", "LICENSE = [ A = 1 ]"):
        eve.fails("one.vm.update", vm, word, 1, code=AUTHORIZATION)
        eve.fails("one.vm.update", vm, word, 0, code=AUTHORIZATION)
        eve.fails("one.vm.allocate", SMALL + word, False, code=AUTHORIZATION)
    eve.ok("one.vm.update", vm, "NOTE = mine", 0)
    assert one.vm(vm).findtext("USER_TEMPLATE/LICENSE") == "1", "what the administrator gave stays"
    second = one.allocate("LICENSE = 1\n", hold=True)
    one.fails("one.vm.chown", second, eve.uid, 1, code=AUTHORIZATION, text="LICENSE quota")


@pytest.mark.parametrize("text", [
    "VM = [ CLUSTER_IDS = \"" + "0," * 50000 + "0\", VMS = 1 ]", "VM = [ VMS = " + "9" * 5000 + " ]",
    "VM = [ VMS = 1 ]\n" * 15000, "DATASTORE = [ ID = 1, SIZE = 1, " + ", ".join(f"A{n} = 1" for n in range(5000)) + " ]",
    "VM = [ VMS_USED = 0, MEMORY_USED = -5 ]", "NETWORK = [ ID = \"0\x01\", LEASES = 1 ]"])
def test_strange_limits(one, eve, text):
    """Refused or done, but soon, and no counter moves."""
    eve.allocate(hold=True)
    try:
        one.call("one.user.quota", eve.uid, text)
    except Exception as refused:
        assert "not allowed" in str(refused) or "invalid" in str(refused) or "token" in str(refused), refused
    assert used(one, eve) == 1 and used(one, eve, "MEMORY") == 64

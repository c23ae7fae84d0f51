"""A server of Python's own that answers as oned would, from a few dictionaries, and remembers what it was
asked: for tests of the command line, which need states and refusals at will."""
import threading
import time
import xmlrpc.client
from socketserver import ThreadingMixIn
from xml.sax.saxutils import escape
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

SESSION = "ann:Word-of-Ann.1"
NOW = int(time.time())


class Listener(ThreadingMixIn, SimpleXMLRPCServer):
    daemon_threads = True
    allow_reuse_address = True


class Handler(SimpleXMLRPCRequestHandler):
    rpc_paths = ("/RPC2",)
    protocol_version = "HTTP/1.1"


def element(name, content):
    """XML of nested dictionaries; a list is a repeated element."""
    if isinstance(content, dict):
        inner = "".join(element(key, value) for key, value in content.items())
    elif isinstance(content, list):
        return "".join(element(name, item) for item in content)
    else:
        inner = escape(str(content))
    return f"<{name}>{inner}</{name}>" if inner else f"<{name}/>"


def rights(word="640"):
    bits = {}
    for who, digit in zip(("OWNER", "GROUP", "OTHER"), word):
        bits |= {f"{who}_{letter}": int(digit) >> shift & 1 for letter, shift in zip("UMA", (2, 1, 0))}
    return bits


def machine(identity, name, state=1, lcm=0, host=None, owner="ann", **more):
    history = [{"OID": identity, "SEQ": 0, "HOSTNAME": host, "HID": int(host[-1]), "CID": 0, "STIME": NOW - 3600,
                "ETIME": 0, "VM_MAD": "kvm", "TM_MAD": "shared", "DS_ID": 0, "PSTIME": NOW - 3600,
                "PETIME": NOW - 3555, "RSTIME": NOW - 3555, "RETIME": 0, "ESTIME": 0, "EETIME": 0, "ACTION": 0,
                "UID": 2, "GID": 1, "REQUEST_ID": 77}] if host else []
    vm = {"ID": identity, "UID": 2 if owner == "ann" else 3, "GID": 1, "UNAME": owner, "GNAME": "users", "NAME": name,
          "PERMISSIONS": rights(), "LAST_POLL": 0, "STATE": state, "LCM_STATE": lcm, "RESCHED": 0,
          "STIME": int(time.time()) - 90061 - 20, "ETIME": 0, "DEPLOY_ID": f"one-{identity}" if host else "",
          "MONITORING": {"CPU": "12.5", "MEMORY": 262144, "NETRX": 2048, "NETTX": 1048576} if lcm == 3 else {},
          "TEMPLATE": {"CPU": "0.5", "MEMORY": 512, "VMID": identity,
                       "DISK": [{"DISK_ID": 0, "SOURCE": "/srv/a.img", "TARGET": "vda", "SIZE": 2048, "TYPE": "FILE",
                                 "SAVE": "NO"}],
                       "NIC": [{"NIC_ID": 0, "BRIDGE": "br0", "MAC": "02:00:00:00:00:01", "IP": "10.9.8.7"}]},
          "USER_TEMPLATE": {"NOTE": 'says "hello"'}, "HISTORY_RECORDS": {"HISTORY": history} if history else {}}
    vm.update(more)
    return vm


def host(identity, name, state=2, cpu=0, memory=0, running=0, **template):
    return {"ID": identity, "NAME": name, "STATE": state, "PREV_STATE": state, "IM_MAD": "kvm", "VM_MAD": "kvm",
            "CLUSTER_ID": 0, "CLUSTER": "default",
            "HOST_SHARE": {"MEM_USAGE": memory, "CPU_USAGE": cpu, "TOTAL_MEM": 8388608, "TOTAL_CPU": 400,
                           "MAX_MEM": 8388608, "MAX_CPU": 400, "RUNNING_VMS": running},
            "VMS": {"ID": list(range(running))}, "TEMPLATE": {"HYPERVISOR": "kvm", **template},
            "MONITORING": {"TIMESTAMP": NOW, "ID": identity, "CAPACITY": {
                "FREE_CPU": 390, "FREE_MEMORY": 8000000, "USED_CPU": 10, "USED_MEMORY": 388608}}}


def user(identity, name, group="users"):
    return {"ID": identity, "GID": 0 if group == "oneadmin" else 1, "GROUPS": {"ID": [0 if identity < 2 else 1]},
            "GNAME": group, "NAME": name, "PASSWORD": "kept", "AUTH_DRIVER": "core", "ENABLED": 1, "TEMPLATE": {}}


class Cloud:
    """`calls` holds (method, arguments) without the session; `refuse[method] = (code, text)` makes it fail;
    `course[id] = [(state, lcm, host), ...]` are the states that one machine shows, look by look."""

    def __init__(self):
        self.vms = [machine(0, "xen01", 3, 3, "node2"), machine(3, "web"), machine(4, "db", 8, 0, "node1"),
                    machine(7, "twin", owner="bob"), machine(8, "twin")]
        self.hosts = [host(1, "node1", cpu=50, memory=524288, running=1), host(2, "node2", state=3, ERROR="no route")]
        self.users = [user(0, "oneadmin", "oneadmin"), user(2, "ann"), user(3, "bob")]
        self.calls, self.refuse, self.course = [], {}, {}
        self.goes_on = threading.Event()  # cleared: calls are taken, and not answered until it is set
        self.goes_on.set()
        self.next = 100
        self.server = Listener(("127.0.0.1", 0), Handler, logRequests=False, allow_none=True)
        self.server.register_instance(self)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def done(self, *names):
        """Calls that change something, without those that only look."""
        looks = ("info", "version", "monitoring")
        return [call for call in self.calls if not call[0].endswith(looks) or call[0] in names]

    def _dispatch(self, method, parameters):
        session, *arguments = parameters
        self.calls.append((method, tuple(arguments)))
        self.goes_on.wait(600)
        if session != SESSION:
            return [False, f"[{method}] User couldn't be authenticated, aborting call.", 256, -1]
        if method in self.refuse:
            code, text = self.refuse[method]
            return [False, f"[{method}] {text}", code, -1]
        answer = getattr(self, method.replace(".", "_"), None)
        if answer is not None:
            return answer(*arguments)
        if method in CHANGES:
            return self.change(method, *arguments)
        raise xmlrpc.client.Fault(-506, f"Method '{method}' not defined")

    def change(self, method, *arguments):
        kind = method.split(".")[1]
        pool = {"vm": self.vms, "host": self.hosts, "user": self.users}[kind]
        identity = arguments[1] if method == "one.vm.action" else arguments[0]
        if not any(row["ID"] == identity for row in pool):
            what = {"vm": "virtual machine"}.get(kind, kind)
            return [False, f"[{method}] Error getting {what} [{identity}].", 1024, identity]
        return [True, identity, 0]

    # -- what is read --

    def one_vmpool_info(self, flag=-2, start=-1, end=-1, state=-1, _filter=""):
        rows = [vm for vm in self.vms if state in (-1, -2) or vm["STATE"] == state]
        rows = [vm for vm in rows if flag < 0 or vm["UID"] == flag]
        return [True, element("VM_POOL", {"VM": rows}), 0]

    def one_vm_info(self, identity, _decrypt=False):
        for vm in self.vms:
            if vm["ID"] == identity:
                if self.course.get(identity):
                    state, lcm, where = self.course[identity].pop(0)
                    vm.update(machine(identity, vm["NAME"], state, lcm, where, USER_TEMPLATE=vm["USER_TEMPLATE"]))
                return [True, element("VM", vm), 0]
        return [False, f"[one.vm.info] Error getting virtual machine [{identity}].", 1024, identity]

    def one_vm_monitoring(self, identity):
        rows = [{"ID": identity, "TIMESTAMP": NOW - 60 * n, "CPU": n, "MEMORY": 1024 * n} for n in range(20, 0, -1)]
        return [True, element("MONITORING_DATA", {"MONITORING": rows}), 0]

    def one_host_monitoring(self, identity):
        rows = [{"TIMESTAMP": NOW - 60 * n, "ID": identity, "CAPACITY": {"USED_CPU": n, "FREE_CPU": 400 - n}}
                for n in (3, 2, 1)]
        return [True, element("MONITORING_DATA", {"MONITORING": rows}), 0]

    def one_hostpool_info(self):
        return [True, element("HOST_POOL", {"HOST": self.hosts}), 0]

    def one_host_info(self, identity, _decrypt=False):
        return self.one_of("HOST", self.hosts, identity)

    def one_userpool_info(self):
        rows = "".join(element("USER", row) + element("QUOTAS", {"ID": row["ID"], "VM_QUOTA": {"VM": {
            "VMS_USED": 2, "VMS": 10, "MEMORY_USED": 1024, "MEMORY": -2, "CPU_USED": 1.5, "CPU": -1}}})
            for row in self.users)
        return [True, f"<USER_POOL>{rows}</USER_POOL>", 0]

    def one_user_info(self, identity, _decrypt=False):
        return self.one_of("USER", self.users, 2 if identity == -1 else identity)

    def one_of(self, kind, rows, identity):
        for row in rows:
            if row["ID"] == identity:
                return [True, element(kind, row), 0]
        return [False, f"[one.{kind.lower()}.info] Error getting {kind.lower()} [{identity}].", 1024, identity]

    def one_grouppool_info(self):
        return [True, element("GROUP_POOL", {"GROUP": [{"ID": 0, "NAME": "oneadmin"}, {"ID": 1, "NAME": "users"}]}), 0]

    def one_clusterpool_info(self):
        return [True, element("CLUSTER_POOL", {"CLUSTER": [{"ID": 0, "NAME": "default"}]}), 0]

    def one_datastorepool_info(self):
        return [True, element("DATASTORE_POOL", {"DATASTORE": [{"ID": 0, "NAME": "system"}]}), 0]

    # -- what makes something --

    def one_vm_allocate(self, text, hold=False):
        self.next += 1
        self.vms.append(machine(self.next, f"one-{self.next}", 2 if hold else 1))
        return [True, self.next, 0]

    def one_host_allocate(self, *_):
        self.hosts.append(host(9, "new"))
        return [True, 9, 0]

    def one_vn_allocate(self, *_):
        return [True, 7, 0]

    def one_user_allocate(self, *_):
        return [True, 12, 0]

    def one_user_login(self, name, token, seconds, group):
        return [True, token or "0123456789abcdef", 0]


CHANGES = set("""
one.vm.deploy globule.host.forceupdate one.vm.action one.vm.migrate globule.vm.migrate one.vm.recover one.vm.rename one.vm.update one.vm.updateconf one.vm.resize
one.vm.lock one.vm.unlock one.vm.chmod one.vm.chown one.host.status one.host.delete one.host.rename one.host.update
one.user.delete one.user.passwd one.user.update one.user.chgrp one.user.addgroup one.user.delgroup one.user.chauth
one.user.enable one.vm.detach one.vm.snapshotcreate one.vm.attach
one.vm.attachpci one.vm.detachpci one.vm.attachnic one.vm.detachnic one.vm.disksaveas one.vm.diskresize one.vm.snapshotrevert one.vm.snapshotdelete
one.vm.disksnapshotcreate one.vm.disksnapshotrevert one.vm.disksnapshotdelete one.vm.disksnapshotrename
""".split())

"""LXD's /1.0 as far as the drivers use it, in the memory of the tests."""
import copy
import hashlib
import io
import itertools
import json
import re
import subprocess
import tarfile
import threading

from api.fake_rest import FakeDaemon, websocket_accept, websocket_frame, websocket_read

CODES = {"Running": 103, "Stopped": 102, "Frozen": 110, "Error": 112}


class FakeLxd(FakeDaemon):
    def __init__(self, path, name="lxd1"):
        self.name, self.instances, self.operations, self.numbers = name, {}, {}, itertools.count(1)
        self.files = {}
        self.images, self.brought = {"debian": "f" * 64}, []
        self.networks, self.pools, self.version, self.architecture = {"br0"}, {"default": "dir"}, "5.0.2", "x86_64"
        self.stubborn = False  # containers that do not end when they are asked
        self.controls, self.listeners, self.addresses, self.peers, self.backups = [], [], [], {}, {}
        super().__init__(path)

    # -- answers --

    def refuse(self, handler, code, text):
        handler.answer(code, {"type": "error", "error": text, "error_code": code, "metadata": None})

    def sync(self, handler, metadata):
        handler.answer(200, {"type": "sync", "status": "Success", "status_code": 200, "metadata": metadata})

    def later(self, handler, work, metadata=None):
        """An operation, done in a thread; `work` raises ValueError to fail."""
        identity = f"00000000-0000-4000-8000-{next(self.numbers):012d}"
        operation = {"id": identity, "status_code": 103, "status": "Running", "err": "", "metadata": metadata,
                      "done": threading.Event()}
        self.operations[identity] = operation

        def run():
            try:
                with self.lock:
                    work()
                operation.update(status_code=200, status="Success")
            except ValueError as problem:
                operation.update(status_code=400, status="Failure", err=str(problem))
            operation["done"].set()
        threading.Thread(target=run, daemon=True).start()
        handler.answer(202, {"type": "async", "status": "Operation created", "status_code": 100,
                             "operation": f"/1.0/operations/{identity}", "metadata": self.shown(operation)})

    @staticmethod
    def shown(operation):
        return {key: value for key, value in operation.items() if key != "done"}

    # -- calls --

    def server(self, handler):
        self.sync(handler, {"auth": "trusted", "api_version": "1.0", "environment": {
            "server": "lxd", "server_name": self.name, "server_version": self.version, "kernel_architecture": self.architecture, "kernel_version": "6.1.0", "addresses": self.addresses, "certificate": "PEM of " + self.name}})

    def resources(self, handler):
        self.sync(handler, {"cpu": {"architecture": "x86_64", "total": 8, "sockets": [{"name": "A CPU", "frequency": 2400, "cores": []}]},
                            "memory": {"total": 16 << 30, "used": 4 << 30}})

    def list(self, handler):
        with self.lock:
            whole = handler.query["recursion"] == "2"
            shown = [dict(self.document(name), **({"state": self.state_of(name)} if whole else {})) for name in self.instances]
        self.sync(handler, shown)

    def document(self, name):
        instance = copy.deepcopy(self.instances[name])
        instance.update(name=name, status_code=CODES[instance["status"]], expanded_config=instance["config"], expanded_devices=instance["devices"])
        return instance

    def state_of(self, name):
        running = self.instances[name]["status"] in ("Running", "Frozen")
        return {"status": self.instances[name]["status"], "pid": 4242 if running else 0,
                "cpu": {"usage": 5_000_000_000 if running else 0}, "memory": {"usage": 48 << 20 if running else 0},
                "disk": {"root": {"usage": 300 << 20}},
                "network": {"lo": {"type": "loopback", "counters": {"bytes_received": 7, "bytes_sent": 7}},
                            "eth0": {"type": "broadcast", "counters": {"bytes_received": 1000, "bytes_sent": 2000}}} if running else None}

    def fetch(self, name, wanted):
        """From another daemon, as the two do it among themselves."""
        source = wanted["source"]
        other = self.peers.get(source["operation"].split("/")[2])
        if not other or source["certificate"] != "PEM of " + other.name or source["secrets"] != {"control": "c", "fs": "f"}:
            raise ValueError("Failed to get the migration's source")
        self.instances[name] = {**copy.deepcopy(other.instances[name]), "config": wanted["config"], "devices": wanted["devices"]}

    def create(self, handler):
        if handler.headers["Content-Type"] == "application/octet-stream":
            brought = json.loads(handler.content)
            self.later(handler, lambda: self.instances.update({brought["name"]: brought["instance"]}))
            return
        wanted = json.loads(handler.content)
        name = wanted["name"]

        def work():
            source = wanted["source"]
            if source["type"] == "migration":
                self.fetch(name, wanted)
                return
            if name in self.instances:
                raise ValueError(f'Instance "{name}" already exists')
            if source["type"] == "image" and source.get("alias", "debian") not in self.images:
                raise ValueError("Failed getting image: Image not found")
            self.instances[name] = {"config": dict(wanted.get("config") or {}), "devices": wanted.get("devices") or {}, "status": "Stopped",
                                    "type": "container", "description": wanted.get("description", ""), "profiles": wanted.get("profiles")}
        self.later(handler, work)

    def bring_image(self, handler):
        """One archive, or a form with a description and a root; the fingerprint is of all of them."""
        content = handler.content
        if handler.headers["Content-Type"].startswith("multipart/form-data"):
            boundary = b"--" + handler.headers["Content-Type"].split("boundary=")[1].encode()
            parts = [part.split(b"\r\n\r\n", 1) for part in content.split(boundary)[1:-1]]
            assert [re.search(rb' name="(.*?)"', head).group(1) for head, rest in parts] == [b"metadata", b"rootfs"]
            content = b"".join(rest[:-2] for head, rest in parts)
            with tarfile.open(fileobj=io.BytesIO(parts[0][1][:-2])) as described:
                self.described = described.extractfile("metadata.yaml").read().decode()
        elif "metadata.yaml" not in tarfile.open(fileobj=io.BytesIO(content)).getnames():
            self.refuse(handler, 400, "Metadata tarball is missing")
            return
        fingerprint = hashlib.sha256(content).hexdigest()

        def work():
            if fingerprint in self.brought:
                raise ValueError("Image with same fingerprint already exists")
            self.brought.append(fingerprint)
        self.later(handler, work)

    def show_image(self, handler, fingerprint):
        if fingerprint in self.brought:
            self.sync(handler, {"fingerprint": fingerprint})
        else:
            self.refuse(handler, 404, "Image not found")

    def show_alias(self, handler, alias):
        if alias in self.images:
            self.sync(handler, {"name": alias, "target": self.images[alias]})
        else:
            self.refuse(handler, 404, "Image alias not found")

    def name_image(self, handler):
        wanted = json.loads(handler.content)
        if wanted["target"] not in self.brought:
            self.refuse(handler, 404, "Image not found")
            return
        self.images[wanted["name"]] = wanted["target"]
        self.sync(handler, {})

    def known(self, handler, name):
        if name not in self.instances:
            self.refuse(handler, 404, "Instance not found")
            return False
        return True

    def show(self, handler, name):
        if self.known(handler, name):
            self.sync(handler, self.document(name))

    def show_state(self, handler, name):
        if self.known(handler, name):
            self.sync(handler, self.state_of(name))

    def put(self, handler, name):
        if not self.known(handler, name):
            return
        change = json.loads(handler.content)

        def work():
            instance = self.instances[name]
            if "restore" in change:
                if change["restore"] not in instance.get("snapshots", {}):
                    raise ValueError("Snapshot not found")
                instance["disk"] = instance["snapshots"][change["restore"]]
            else:
                instance.update({key: change[key] for key in ("config", "devices", "profiles", "description") if key in change})
        self.later(handler, work)

    def post(self, handler, name):
        """A migration that another daemon shall fetch."""
        if self.known(handler, name):
            assert json.loads(handler.content) == {"name": name, "migration": True, "live": False}
            self.later(handler, lambda: None, {"control": "c", "fs": "f"})

    def snapshot(self, handler, name):
        wanted = json.loads(handler.content)
        if self.known(handler, name):
            self.later(handler, lambda: self.instances[name].setdefault("snapshots", {}).update({wanted["name"]: self.instances[name].get("disk")}))

    def show_snapshot(self, handler, name, snapshot):
        if snapshot in self.instances.get(name, {}).get("snapshots", {}):
            self.sync(handler, {"name": snapshot})
        else:
            self.refuse(handler, 404, "Snapshot not found")

    def remove_snapshot(self, handler, name, snapshot):
        if snapshot in self.instances.get(name, {}).get("snapshots", {}):
            self.later(handler, lambda: self.instances[name]["snapshots"].pop(snapshot))
        else:
            self.refuse(handler, 404, "Snapshot not found")

    def back_up(self, handler, name):
        if self.known(handler, name):
            wanted = json.loads(handler.content)["name"]
            self.later(handler, lambda: self.backups.update({(name, wanted): {"name": name, "instance": self.instances[name]}}))

    def export(self, handler, name, backup):
        handler.answer(200, self.backups[name, backup], "application/octet-stream")

    def remove_backup(self, handler, name, backup):
        if self.backups.pop((name, backup), None):
            self.later(handler, lambda: None)
        else:
            self.refuse(handler, 404, "Backup not found")

    # -- what comes by WebSocket --

    def events(self, handler):
        websocket_accept(handler)
        self.listeners.append(handler)
        handler.wfile.write(websocket_frame("are you there", 9))
        while frame := websocket_read(handler):
            self.pongs = frame
            if frame[0] == 8:
                break

    def happens(self, name, action, parts=1):
        """Something that every listener hears."""
        event = json.dumps({"type": "lifecycle", "metadata": {"action": f"instance-{action}", "source": f"/1.0/instances/{name}"}})
        cut = len(event) // parts
        frames = [websocket_frame(event[:cut] if parts > 1 else event, 1, parts == 1)]
        if parts > 1:
            frames.append(websocket_frame(event[cut:], 0, True))
        for listener in self.listeners:
            listener.wfile.write(b"".join(frames))

    def hang_up(self):
        for listener in self.listeners:
            listener.connection.shutdown(2)
        self.listeners = []

    def console(self, handler, name):
        if self.known(handler, name):
            self.later(handler, lambda: None, {"fds": {"0": "secret 0", "control": "secret 1"}})

    def console_bytes(self, handler, identity):
        """LXD 5.0 crashes when a container ends whose console has no second connection, for control."""
        if handler.query.get("secret") == "secret 1":
            self.controls.append(handler)  # first: who is answered may ask for the other at once
            websocket_accept(handler)
            while websocket_read(handler):
                pass
            self.controls.remove(handler)
            return
        if handler.query.get("secret") != "secret 0" or not self.controls:
            self.refuse(handler, 403, "wrong secret")
            return
        websocket_accept(handler)
        handler.wfile.write(websocket_frame(b"login: ", 2))
        while (frame := websocket_read(handler)) and frame[0] == 2:
            handler.wfile.write(websocket_frame(b"<" + frame[1] + b">", 2))

    def change_state(self, handler, name):
        if not self.known(handler, name):
            return
        wanted = json.loads(handler.content)

        def work():
            instance, action = self.instances[name], wanted["action"]
            if action == "stop" and self.stubborn and not wanted["force"]:
                raise ValueError("Failed shutting down instance, status is \"Running\": context deadline exceeded")
            if action in ("stop", "freeze", "restart") and instance["status"] == "Stopped":
                raise ValueError("The instance is already stopped")
            if action == "start" and instance["status"] == "Running":
                raise ValueError("The instance is already running")
            if action == "start" and instance["config"].get("user.broken"):
                raise ValueError("Failed to run: forkstart: exit status 1")
            instance["status"] = {"stop": "Stopped", "freeze": "Frozen"}.get(action, "Running")
        self.later(handler, work)

    def remove(self, handler, name):
        if not self.known(handler, name):
            return

        def work():
            if self.instances[name]["status"] != "Stopped":
                raise ValueError("The instance is currently running, stop it first or pass --force")
            del self.instances[name]
        self.later(handler, work)

    def execute(self, handler, name):
        """Runs it here; the files are known by their paths at the end."""
        if not self.known(handler, name):
            return
        wanted = json.loads(handler.content)
        assert wanted["record-output"] and not wanted["interactive"] and not wanted["wait-for-websocket"]
        metadata, files = {}, [f"/1.0/instances/{name}/logs/exec_{next(self.numbers)}.std{kind}" for kind in ("out", "err")]

        def work():
            ran = subprocess.run(wanted["command"], capture_output=True, start_new_session=True)
            metadata.update({"return": ran.returncode if ran.returncode >= 0 else 128 - ran.returncode, "output": {"1": files[0], "2": files[1]}})
            self.files.update(zip(files, (ran.stdout, ran.stderr)))
        self.later(handler, work, metadata)

    def show_file(self, handler, path):
        if path in self.files:
            handler.answer(200, self.files[path], "application/octet-stream")
        else:
            self.refuse(handler, 404, "not found")

    def remove_file(self, handler, path):
        self.files.pop(path, None)
        self.sync(handler, {})

    def wait(self, handler, identity):
        operation = self.operations.get(identity)
        if not operation:
            self.refuse(handler, 404, "Operation not found")
            return
        operation["done"].wait(float(handler.query.get("timeout", "30")))
        self.sync(handler, self.shown(operation))

    def show_pool(self, handler, name):
        self.sync(handler, {"name": name, "driver": self.pools[name]}) if name in self.pools else self.refuse(handler, 404, "Storage pool not found")

    def show_network(self, handler, name):
        self.sync(handler, {"name": name}) if name in self.networks else self.refuse(handler, 404, "Network not found")

    ROUTES = [
        ("GET", "/1.0/storage-pools/([^/]+)", show_pool),
        ("GET", "/1.0/networks/([^/]+)", show_network),
        ("GET", "/1.0", server),
        ("GET", "/1.0/resources", resources),
        ("POST", "/1.0/images", bring_image),
        ("GET", "/1.0/images/([0-9a-f]+)", show_image),
        ("GET", "/1.0/images/aliases/([^/]+)", show_alias),
        ("POST", "/1.0/images/aliases", name_image),
        ("GET", "/1.0/instances", list),
        ("POST", "/1.0/instances", create),
        ("GET", "/1.0/instances/([^/]+)", show),
        ("PUT", "/1.0/instances/([^/]+)", put),
        ("POST", "/1.0/instances/([^/]+)", post),
        ("POST", "/1.0/instances/([^/]+)/snapshots", snapshot),
        ("GET", "/1.0/instances/([^/]+)/snapshots/([^/]+)", show_snapshot),
        ("DELETE", "/1.0/instances/([^/]+)/snapshots/([^/]+)", remove_snapshot),
        ("POST", "/1.0/instances/([^/]+)/backups", back_up),
        ("GET", "/1.0/instances/([^/]+)/backups/([^/]+)/export", export),
        ("DELETE", "/1.0/instances/([^/]+)/backups/([^/]+)", remove_backup),
        ("GET", "/1.0/events", events),
        ("POST", "/1.0/instances/([^/]+)/console", console),
        ("GET", "/1.0/operations/([^/]+)/websocket", console_bytes),
        ("DELETE", "/1.0/instances/([^/]+)", remove),
        ("GET", "/1.0/instances/([^/]+)/state", show_state),
        ("PUT", "/1.0/instances/([^/]+)/state", change_state),
        ("GET", "/1.0/operations/([^/]+)/wait", wait),
        ("POST", "/1.0/instances/([^/]+)/exec", execute),
        ("GET", "(/1.0/instances/[^/]+/logs/.*)", show_file),
        ("DELETE", "(/1.0/instances/[^/]+/logs/.*)", remove_file),
    ]

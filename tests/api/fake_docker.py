"""The Engine API as far as the drivers use it, in the memory of the tests."""
import io
import json
import struct
import subprocess
import tarfile
import threading
import time

from api.fake_rest import FakeDaemon


class FakeDocker(FakeDaemon):
    def __init__(self, path, name="docker1"):
        self.name, self.containers, self.images, self.listeners = name, {}, {"nginx:1.25"}, []
        self.registry = {"web:latest": "web", "web:2": "web:2"}
        self.commands, self.codes = [], {}
        self.networks, self.experimental = {"bridge", "lan"}, False
        self.podman, self.runtime, self.starts, self.unready = False, {"name": "runc", "version": "runc version 1.1.5"}, 0, 0
        self.stubborn, self.short_lived, self.said = False, False, b"sh: nothing: not found\r\n"
        super().__init__(path)

    def refuse(self, handler, code, text):
        handler.answer(code, {"message": text})

    def info(self, handler):
        handler.answer(200, {"Name": self.name, "NCPU": 4, "MemTotal": 8 << 30, "ServerVersion": "20.10.24", "Architecture": "x86_64",
                             "CgroupVersion": "2", "Driver": "overlay2", "KernelVersion": "6.1.0", "ExperimentalBuild": self.experimental,
                             **({"BuildahVersion": "1.28.2"} if self.podman else {})})

    def network(self, handler, name):
        handler.answer(200, {"Name": name}) if name in self.networks else self.refuse(handler, 404, f"network {name} not found")

    def list(self, handler):
        handler.answer(200, [{"Id": "id of " + name, "Names": ["/" + name], "State": container["status"], "Labels": container["labels"]}
                             for name, container in self.containers.items()])

    def stats(self, handler, name):
        assert handler.query == {"stream": "false", "one-shot": "true"}
        handler.answer(200, {"cpu_stats": {"cpu_usage": {"total_usage": 3_000_000_000}}, "memory_stats": {"usage": 20 << 20},
                             "networks": {"eth0": {"rx_bytes": 11, "tx_bytes": 22}, "eth1": {"rx_bytes": 1, "tx_bytes": 2}},
                             "blkio_stats": {"io_service_bytes_recursive": [{"op": "Read", "value": 5}, {"op": "Write", "value": 6}]}})

    def image(self, handler, name):
        if name in self.images:
            handler.answer(200, {"Id": "sha256:1"})
        else:
            self.refuse(handler, 404, f"No such image: {name}")

    def pull(self, handler):
        if handler.query.get("fromSrc") == "-":
            tarfile.open(fileobj=io.BytesIO(handler.content)).close()
            self.images.add(handler.query["repo"])
            handler.answer(200, b'{"status":"sha256:2"}\n')
            return
        wanted = handler.query["fromImage"] + (":" + handler.query["tag"] if "tag" in handler.query else "")
        if wanted in self.registry:
            self.images.add(self.registry[wanted])
            handler.answer(200, b'{"status":"Pulling"}\n{"status":"Done"}\n')
        else:
            handler.answer(200, b'{"status":"Pulling"}\n{"errorDetail":{},"error":"manifest unknown"}\n')

    def load(self, handler):
        with tarfile.open(fileobj=io.BytesIO(handler.content)) as saved:
            for image in json.load(saved.extractfile("manifest.json")):
                self.images |= {*(image["RepoTags"] or []), "sha256:" + image["Config"].removesuffix(".json").removeprefix("blobs/sha256/")}
        handler.answer(200, b'{"stream":"Loaded image"}\n')

    def create(self, handler):
        name, wanted = handler.query["name"], json.loads(handler.content)
        if name in self.containers:
            self.refuse(handler, 409, "Conflict. The container name is already in use")
        elif wanted["Image"] not in self.images:
            self.refuse(handler, 404, "No such image: " + wanted["Image"])
        else:
            self.containers[name] = {"status": "created", "labels": wanted["Labels"], "wanted": wanted, "code": 0}
            handler.answer(201, {"Id": "id of " + name, "Warnings": []})

    def known(self, handler, name):
        if name not in self.containers:
            self.refuse(handler, 404, "No such container: " + name)
        return name in self.containers

    def show(self, handler, name):
        if self.known(handler, name):
            container = self.containers[name]
            handler.answer(200, {"Id": "id of " + name, "Name": "/" + name, "State": {"Status": container["status"], "ExitCode": container["code"],
                                                                                          "OOMKilled": container.get("oom", False),
                                                                                          "StartedAt": f"2026-01-01T00:00:00.{container.get('started', 0)}Z"},
                                 "Config": {"Labels": container["labels"], "StopSignal": "SIGQUIT", "Image": container.get("wanted", {}).get("Image", "")},
                                 "HostConfig": container.get("limits") or container.get("wanted", {}).get("HostConfig", {})})

    def done(self, handler):
        handler.answer(204, b"")

    def begin(self, handler, name):
        if self.known(handler, name):
            container, wanted = self.containers[name], handler.query.get("checkpoint")
            if wanted and not self.experimental:
                self.refuse(handler, 400, "checkpoint is only supported in experimental mode")
                return
            if wanted and wanted not in container.get("checkpoints", {}):
                self.refuse(handler, 404, f"checkpoint {wanted} does not exist")
                return
            if wanted and self.unready:
                self.unready -= 1
                self.refuse(handler, 500, "failed to upload checkpoint to containerd: content sha256:1: already exists")
                return
            container["memory"] = container["checkpoints"][wanted] if wanted else "new"
            self.started(container)
            self.done(handler)

    def started(self, container):
        self.starts += 1
        container.update(status="exited" if self.short_lived else "running", code=127 if self.short_lived else 0, started=self.starts, kept=None)

    # -- checkpoints: Docker has them by names, Podman one in the container --

    def offers_saving(self, handler):
        """Of the calls that Docker has with "experimental" only; what it keeps stays when that is off."""
        if not self.experimental:
            self.refuse(handler, 501, "This experimental feature is disabled by default. Start the Docker daemon in experimental mode in order to enable it.")
        return self.experimental

    def save(self, handler, name):
        if not self.offers_saving(handler) or not self.known(handler, name):
            return
        container, wanted = self.containers[name], json.loads(handler.content)
        assert wanted["Exit"] is True
        kept = container.setdefault("checkpoints", {})
        if container["status"] not in ("running", "paused") or wanted["CheckpointID"] in kept:
            self.refuse(handler, 500, "cannot checkpoint container " + name)
            return
        kept[wanted["CheckpointID"]] = container.get("memory")
        container.update(status="exited", code=137)
        handler.answer(201, b"")

    def list_saved(self, handler, name):
        if self.offers_saving(handler) and self.known(handler, name):
            handler.answer(200, [{"Name": checkpoint} for checkpoint in self.containers[name].get("checkpoints", {})])

    def drop_saved(self, handler, name, checkpoint):
        if self.offers_saving(handler):
            self.containers[name]["checkpoints"].pop(checkpoint)
            self.done(handler)

    def podman_info(self, handler):
        handler.answer(200, {"host": {"ociRuntime": self.runtime}}) if self.podman else self.refuse(handler, 404, "page not found")

    def podman_show(self, handler, name):
        if self.known(handler, name):
            handler.answer(200, {"State": {"Checkpointed": self.containers[name].get("kept") is not None}})

    def podman_save(self, handler, name):
        assert self.podman and handler.query.get("keep") == "true"
        container = self.containers[name]
        if container["status"] != "running":
            self.refuse(handler, 500, f"\"{container['status']}\" is not running, cannot checkpoint: container state improper")
            return
        container.update(status="exited", kept=container.get("memory"))
        handler.answer(200, {"Id": "id of " + name})

    def podman_restore(self, handler, name):
        container = self.containers[name]
        assert container["kept"] is not None
        container["memory"] = container["kept"]
        self.started(container)
        handler.answer(200, {"Id": "id of " + name})

    def logs(self, handler, name):
        handler.answer(200, self.said, "application/octet-stream")

    def kill(self, handler, name):
        if not self.known(handler, name):
            return
        container, signal = self.containers[name], handler.query.get("signal", "SIGKILL")
        if container["status"] not in ("running", "paused"):
            self.refuse(handler, 409, "Cannot kill container: it is not running")
            return
        if signal == "SIGKILL" or (signal == "SIGQUIT" and not self.stubborn):
            def end():
                time.sleep(0.05)
                container.update(status="exited", code=137)
            threading.Thread(target=end, daemon=True).start() if signal != "SIGKILL" else container.update(status="exited", code=137)
        self.done(handler)

    def restart(self, handler, name):
        if self.known(handler, name):
            self.done(handler)

    def pause(self, handler, name):
        self.containers[name]["status"] = "paused"
        self.done(handler)

    def unpause(self, handler, name):
        self.containers[name]["status"] = "running"
        self.done(handler)

    def update(self, handler, name):
        if self.known(handler, name):
            self.containers[name]["limits"] = json.loads(handler.content)
            handler.answer(200, {"Warnings": None})

    def remove(self, handler, name):
        if self.known(handler, name):
            assert handler.query == {"force": "true", "v": "true"}
            del self.containers[name]
            self.done(handler)

    def events(self, handler):
        assert json.loads(handler.query["filters"]) == {"type": ["container"]}
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        self.listeners.append(handler)
        handler.close_connection = True
        handler.rfile.read(1)

    def happens(self, name, action, parts=1):
        container = self.containers.get(name, {"labels": {}})
        event = json.dumps({"Type": "container", "Action": action, "Actor": {"ID": "id of " + name, "Attributes": {**container["labels"], "name": name}}}) + "\n"
        cut = len(event) // parts
        for piece in [event] if parts == 1 else [event[:cut], event[cut:]]:
            for listener in self.listeners:
                listener.wfile.write(f"{len(piece):x}\r\n{piece}\r\n".encode())

    def hang_up(self):
        for listener in self.listeners:
            listener.connection.shutdown(2)
        self.listeners = []

    def attach(self, handler, name):
        if not self.known(handler, name):
            return
        handler.send_response(101)
        handler.send_header("Connection", "Upgrade")
        handler.send_header("Upgrade", "tcp")
        handler.end_headers()
        handler.wfile.write(b"# ")
        handler.close_connection = True
        while block := handler.connection.recv(4096):
            handler.wfile.write(b"<" + block + b">")

    def prepare_command(self, handler, name):
        if self.known(handler, name):
            self.commands.append(json.loads(handler.content)["Cmd"])
            handler.answer(201, {"Id": f"command{len(self.commands) - 1}"})

    def run_command(self, handler, number):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/vnd.docker.raw-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        ran = subprocess.Popen(self.commands[int(number)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

        def tell(stream, kind):
            while block := stream.read1(3000):
                with self.lock:
                    handler.wfile.write(struct.pack(">BxxxI", kind, len(block)) + block)
                    handler.wfile.flush()
        errors = threading.Thread(target=tell, args=(ran.stderr, 2))
        errors.start()
        tell(ran.stdout, 1)
        errors.join()
        code = ran.wait()
        self.codes[number] = code if code >= 0 else 128 - code
        handler.close_connection = True

    def show_command(self, handler, number):
        handler.answer(200, {"ExitCode": self.codes[number], "Running": False})

    ROUTES = [
        ("POST", "/containers/([^/]+)/checkpoints", save),
        ("GET", "/containers/([^/]+)/checkpoints", list_saved),
        ("DELETE", "/containers/([^/]+)/checkpoints/([^/]+)", drop_saved),
        ("GET", "/v4.0.0/libpod/info", podman_info),
        ("GET", "/v4.0.0/libpod/containers/([^/]+)/json", podman_show),
        ("POST", "/v4.0.0/libpod/containers/([^/]+)/checkpoint", podman_save),
        ("POST", "/v4.0.0/libpod/containers/([^/]+)/restore", podman_restore),
        ("GET", "/networks/([^/]+)", network),
        ("POST", "/containers/([^/]+)/exec", prepare_command),
        ("POST", "/exec/command([0-9]+)/start", run_command),
        ("GET", "/exec/command([0-9]+)/json", show_command),
        ("GET", "/info", info),
        ("GET", "/containers/json", list),
        ("GET", "/containers/([^/]+)/stats", stats),
        ("GET", "/images/(.+)/json", image),
        ("POST", "/images/create", pull),
        ("POST", "/images/load", load),
        ("POST", "/containers/create", create),
        ("GET", "/containers/([^/]+)/json", show),
        ("POST", "/containers/([^/]+)/start", begin),
        ("GET", "/containers/([^/]+)/logs", logs),
        ("POST", "/containers/([^/]+)/kill", kill),
        ("POST", "/containers/([^/]+)/restart", restart),
        ("POST", "/containers/([^/]+)/pause", pause),
        ("POST", "/containers/([^/]+)/unpause", unpause),
        ("POST", "/containers/([^/]+)/update", update),
        ("DELETE", "/containers/([^/]+)", remove),
        ("GET", "/events", events),
        ("POST", "/containers/([^/]+)/attach", attach),
    ]

# SPDX-License-Identifier: GPL-2.0-or-later
"""What DockerLab (see dockerlab.py) stands on: processes by pidfd, waiting, the Engine API."""
import http.client
import json
import os
import select
import signal
import socket
import time
from pathlib import Path

IMAGE = "traefik:2.11"


class LabError(RuntimeError):
    """The lab cannot be built, or something in it failed; the message says what."""


class LabUnavailable(LabError):
    """This machine cannot run the lab at all (not root, a program missing, dockerd refuses)."""


class Process:
    """A process that the holder started, held by pidfd so that a reused pid is never signalled."""

    def __init__(self, pid, log=None):
        self.pid, self.log = pid, log
        try:
            self.fd = os.pidfd_open(pid)
        except ProcessLookupError:
            self.fd = None

    def died(self, seconds=0.0):
        """Wait up to `seconds` for its end; true once it has ended."""
        if self.fd is None:
            return True
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        if not poll.poll(seconds * 1000):
            return False
        os.close(self.fd)
        self.fd = None
        return True

    def kill(self, sig=signal.SIGKILL, seconds=15):
        if self.fd is None:
            return
        try:
            signal.pidfd_send_signal(self.fd, sig)
        except ProcessLookupError:
            pass
        if not self.died(seconds):
            raise LabError(f"pid {self.pid} did not end within {seconds} s of signal {sig}")


def wait_until(condition, what, process=None, seconds=20):
    """Return the first true value of condition(); fail at the deadline or when `process` ends."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if process is not None and process.died(0.02):
            raise LabError(f"{what}: the process ended\n{process.log() if process.log else ''}")
        if process is None:
            select.select([], [], [], 0.02)
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not within {seconds} s\n"
                           f"{process.log() if process and process.log else ''}")


def listening_ports(pid):
    """TCP ports in LISTEN state in the network namespace of `pid`."""
    ports = set()
    for name in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]
        except OSError:
            continue
        ports |= {int(f[1].rsplit(":", 1)[1], 16) for f in map(str.split, lines) if f[3] == "0A"}
    return ports


class _UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("docker", timeout=60)
        self.unix_path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.unix_path)


class Docker:
    """The few calls of the Engine API that the labs need, over its unix socket."""

    def __init__(self, sock):
        self.sock = sock

    def call(self, method, path, body=None, raw=None, ok=(200, 201, 204, 304)):
        connection = _UnixHTTP(self.sock)
        data = raw if raw is not None else json.dumps(body) if body is not None else None
        kind = "application/x-tar" if raw is not None else "application/json"
        try:
            connection.request(method, path, data, {"Content-Type": kind})
            reply = connection.getresponse()
            text = reply.read().decode()
        finally:
            connection.close()
        if reply.status not in ok:
            raise LabError(f"docker: {method} {path}: {reply.status} {text.strip()}")
        return text

    def ping(self):
        try:
            return self.call("GET", "/_ping") == "OK"
        except (OSError, http.client.HTTPException):
            return False

    def import_image(self, tar, image):
        repo, tag = image.split(":")
        text = self.call("POST", f"/images/create?fromSrc=-&repo={repo}&tag={tag}", raw=tar)
        if '"error"' in text:
            raise LabError(f"docker import: {text}")

    def network(self, name, subnet):
        self.call("POST", "/networks/create", {
            "Name": name, "CheckDuplicate": True, "IPAM": {"Config": [{"Subnet": subnet}]}})

    def join(self, network, name):
        self.call("POST", f"/networks/{network}/connect", {"Container": name})

    def run(self, name, network, publish=(), labels=None, conf="traefik"):
        """Start a container of IMAGE; publish holds (host address, host port, port) triples."""
        bindings = {}
        for address, host_port, port in publish:
            bindings.setdefault(f"{port}/tcp", []).append(
                {"HostIp": address, "HostPort": str(host_port)})
        body = {"Image": IMAGE, "Hostname": name, "Labels": labels or {},
                "Cmd": ["/usr/local/bin/traefik", "-c", f"/etc/{conf}.conf"],
                "ExposedPorts": {port: {} for port in bindings},
                "HostConfig": {"NetworkMode": network, "PortBindings": bindings}}
        self.call("POST", f"/containers/create?name={name}", body)
        self.call("POST", f"/containers/{name}/start")
        info = self.inspect(name)
        pid = info["State"]["Pid"]
        wait_until(lambda: listening_ports(pid) >= {8080}, f"container {name} listens")
        return info

    def inspect(self, name):
        return json.loads(self.call("GET", f"/containers/{name}/json"))

    def stop(self, name):
        self.call("POST", f"/containers/{name}/stop?t=5")

    def start(self, name):
        self.call("POST", f"/containers/{name}/start")

    def remove_all(self):
        for row in json.loads(self.call("GET", "/containers/json?all=1")):
            self.call("DELETE", f"/containers/{row['Id']}?force=1")
        self.call("POST", "/networks/prune")

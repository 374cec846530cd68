# SPDX-License-Identifier: GPL-2.0-or-later
"""A host of its own with a real Docker Engine, for the demo and the Docker tests.

`DockerLab` is a context manager. It builds two network namespaces joined by a veth pair,

    client  203.0.113.2, 2001:db8::2   ──   edge  203.0.113.10, 2001:db8::10

and a mount namespace with a private /run and /var/lib, where dockerd, containerd and edgepath
find everything under its usual path (/run/docker.sock, /var/lib/docker, /run/netns, …).
All of it hangs on one process, the holder: it adopts every orphan (PR_SET_CHILD_SUBREAPER), and
when its stdin closes, however the lab's user ended, it kills what it started and removes the
cgroups; with the last process the mounts and the network namespaces go too.
"""
import glob
import hashlib
import ipaddress
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

from dockerlab_engine import (IMAGE, Docker, LabError, LabUnavailable, Process,  # noqa: F401
                              wait_until)
from dockerlab_holder import pod_cgroup
from dockerlab_image import SYSTEM_PATH, build_image, make_certificate, server_conf

EDGE4, EDGE6 = "203.0.113.10", "2001:db8::10"
CLIENT4, CLIENT6 = "203.0.113.2", "2001:db8::2"
CLIENT_OF = {EDGE4: CLIENT4, EDGE6: CLIENT6}
PORTS = (80, 443, 8080)
NEEDED = ("dockerd", "containerd", "runc", "nginx", "openssl", "curl", "ip", "nsenter", "unshare",
          "mount", "ldd", "iptables", "iptables-legacy")

# by: what the answering server calls itself; saw: the client address that it saw; error: curl's
# reason when nobody answered.
Answer = namedtuple("Answer", "by saw status error")
Pod = namedtuple("Pod", "namespace name container id netns pids")


class DockerLab:
    """See the top of this file. `legacy` makes dockerd and the hostPort rules use
    iptables-legacy instead of the system's iptables (iptables-nft on Debian)."""

    def __init__(self, legacy=False):
        self.legacy = legacy
        prefix = f"ept-{os.getpid()}-"
        self.edge, self.client = prefix + "edge", prefix + "client"
        self.holder = self.dockerd = None
        self.pods = []
        self.pod_count = 0

    # -- life ---------------------------------------------------------------

    def __enter__(self):
        if os.geteuid() != 0:
            raise LabUnavailable("root is needed (namespaces and dockerd)")
        missing = [p for p in NEEDED if not shutil.which(p, path=SYSTEM_PATH)]
        if missing:
            raise LabUnavailable("not installed: " + ", ".join(missing))
        env = {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", "HOME": "/root"}
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "unchanged", sys.executable,
             str(Path(__file__).with_name("dockerlab_holder.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
            env=env)
        try:
            if self._reply() != {"ready": True}:
                raise LabUnavailable("mount namespace: not ready")
            self.root = Path(f"/proc/{self.holder.pid}/root")
            self.scratch = self.root / "run/ept"
            self._network()
            self.docker = Docker(f"{self.root}/run/docker.sock")
            if self.legacy:
                self._legacy_path()
            self.start_dockerd()
            self.docker.import_image(build_image(self.scratch, PORTS), IMAGE)
            make_certificate("squaremcp.com", self.scratch / "nginx")
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, *_):
        holder, self.holder = self.holder, None
        if holder is None:
            return
        holder.stdin.close()
        holder.stdout.close()
        try:
            holder.wait(60)
        except subprocess.TimeoutExpired:
            raise LabError(f"the lab's holder (pid {holder.pid}) does not end") from None

    def _reply(self):
        line = self.holder.stdout.readline()
        if not line:
            raise LabUnavailable(f"the lab's holder ended (status {self.holder.wait()})")
        reply = json.loads(line)
        if "error" in reply:
            raise LabError(reply["error"])
        return reply

    def spawn(self, argv, netns, name, cgroup=None):
        """Start a daemon in the lab, its output in the log NAME; it lives until the lab ends."""
        log = self.scratch / f"{name}.log"
        self.holder.stdin.write(json.dumps({
            "argv": ["nsenter", f"--net=/run/netns/{netns}", *argv], "cgroup": cgroup,
            "log": f"/run/ept/{name}.log"}) + "\n")
        self.holder.stdin.flush()
        return Process(self._reply()["pid"],
                       lambda: "".join(log.open(errors="replace").readlines()[-15:]))

    def run(self, argv, netns=None, check=True, timeout=60):
        """Run a command in the lab's mount namespace, and in a network namespace of it."""
        enter = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", f"--root={self.root}"]
        if netns:
            enter.append(f"--net={self.root}/run/netns/{netns}")
        done = subprocess.run([*enter, "--", *map(str, argv)], text=True, capture_output=True,
                              timeout=timeout, stdin=subprocess.DEVNULL)
        if check and done.returncode:
            raise LabError(f"{' '.join(map(str, argv))}: status {done.returncode}\n{done.stderr}")
        return done

    def ip(self, *args, netns=None):
        return self.run(["ip", *args], netns)

    def _network(self):
        for name in (self.edge, self.client):
            self.ip("netns", "add", name)
            self.ip("link", "set", "lo", "up", netns=name)
        self.ip("link", "add", "eth0", "netns", self.edge, "type", "veth",
                "peer", "name", "eth0", "netns", self.client)
        for name, a4, a6, via4, via6 in ((self.edge, EDGE4, EDGE6, CLIENT4, CLIENT6),
                                         (self.client, CLIENT4, CLIENT6, EDGE4, EDGE6)):
            self.ip("addr", "add", f"{a4}/24", "dev", "eth0", netns=name)
            self.ip("addr", "add", f"{a6}/64", "dev", "eth0", "nodad", netns=name)
            self.ip("link", "set", "eth0", "up", netns=name)
            self.ip("route", "add", "default", "via", via4, netns=name)
            self.ip("-6", "route", "add", "default", "via", via6, netns=name)

    def _legacy_path(self):
        folder = self.scratch / "bin"
        folder.mkdir()
        for tool in ("iptables", "ip6tables", "iptables-save", "ip6tables-save"):
            legacy = tool.replace("tables", "tables-legacy")
            (folder / tool).symlink_to(shutil.which(legacy, path=SYSTEM_PATH))

    def iptables(self, *args, family=4, netns=None):
        tool = ("iptables" if family == 4 else "ip6tables") + ("-legacy" if self.legacy else "")
        return self.run([tool, "-w", *args], netns or self.edge)

    # -- Docker -------------------------------------------------------------

    def start_dockerd(self, *options):
        path = ("/run/ept/bin:" if self.legacy else "") + SYSTEM_PATH
        self.dockerd = self.spawn(
            ["env", f"PATH={path}", "dockerd", "--config-file", "/run/ept/daemon.json",
             "--data-root", "/var/lib/docker", "--exec-root", "/run/docker",
             "--pidfile", "/run/docker.pid", "-H", "unix:///run/docker.sock",
             "--exec-opt", "native.cgroupdriver=cgroupfs", *options], self.edge, "dockerd")
        try:
            wait_until(self.docker.ping, "dockerd answers", self.dockerd, 40)
        except LabError as error:
            raise LabUnavailable(f"dockerd does not run here: {error}") from None

    def crash_dockerd(self):
        """kill -9: containerd and the docker-proxies die with it, containers and rules stay."""
        proxies = [Process(pid) for pid in self.proxies()]
        self.dockerd.kill()
        for proxy in proxies:
            if not proxy.died(10):
                raise LabError(f"docker-proxy {proxy.pid} outlived dockerd")
        (self.root / "run/docker.pid").unlink(missing_ok=True)
        (self.root / "run/docker.sock").unlink(missing_ok=True)

    def proxies(self):
        """The lab's docker-proxy processes: pid → argv."""
        found = {}
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                pid = int(path.split("/")[2])
                argv = Path(path).read_bytes().split(b"\0")
                if os.path.basename(argv[0]) == b"docker-proxy" and self._is_ours(pid):
                    found[pid] = [a.decode() for a in argv if a]
            except OSError:
                continue
        return found

    def _is_ours(self, pid):
        return (os.readlink(f"/proc/{pid}/ns/mnt")
                == os.readlink(f"/proc/{self.holder.pid}/ns/mnt"))

    def kill_proxies(self):
        """End the docker-proxies as an OOM kill would: the host's ports are free, the rules stay."""
        for pid in self.proxies():
            Process(pid).kill()

    def traefik(self, publish=None, subnet="172.18.0.0/16"):
        """The outage's container on its network; it publishes the three edge ports."""
        self.docker.network("hermes-net", subnet)
        return self.docker.run(
            "traefik", "hermes-net", publish or [("", port, port) for port in PORTS],
            {"com.docker.compose.project": "edge", "com.docker.compose.service": "traefik"})

    # -- pods ---------------------------------------------------------------

    def pod(self, netns=None, namespace="ingress", name="nginx-7d9", ports=PORTS, ipv6=True):
        """Start nginx as a containerd pod's container would run: cgroup, OCI files, namespace."""
        self.pod_count += 1
        ident = hashlib.sha256(f"{namespace}/{name}/{self.pod_count}".encode()).hexdigest()
        sandbox = hashlib.sha256(f"sandbox {ident}".encode()).hexdigest()
        uid = f"{ident[:8]}-{ident[8:12]}-4{ident[13:16]}-8{ident[17:20]}-{ident[20:32]}"
        labels = {"io.kubernetes.cri.sandbox-id": sandbox, "io.kubernetes.cri.sandbox-name": name,
                  "io.kubernetes.cri.sandbox-namespace": namespace,
                  "io.kubernetes.cri.sandbox-uid": uid}
        self._oci(sandbox, {**labels, "io.kubernetes.cri.container-type": "sandbox"})
        self._oci(ident, {**labels, "io.kubernetes.cri.container-type": "container",
                          "io.kubernetes.cri.container-name": "controller",
                          "io.kubernetes.cri.image-name": "docker.io/library/nginx:1.22"})
        where = self.scratch / f"pod{self.pod_count}"
        where.mkdir()
        inside = f"/run/ept/{where.name}"
        listen = [(f"0.0.0.0:{port}", "") for port in ports]
        if ipv6:
            listen += [(f"[::]:{port}", " ipv6only=on") for port in ports]
        (where / "conf").write_text(server_conf(
            f"{namespace}/{name}", 200, f"nginx in pod {namespace}/{name}", "/run/ept/nginx",
            inside, listen, "worker_processes 1;"))
        netns = netns or self.edge
        master = self.spawn(["nginx", "-c", f"{inside}/conf"], netns, where.name,
                            pod_cgroup(uid, ident))
        children = Path(f"/proc/{master.pid}/task/{master.pid}/children")
        workers = wait_until(lambda: (where / "pid").exists() and children.read_text().split(),
                             f"nginx of pod {namespace}/{name}", master)
        pod = Pod(namespace, name, "controller", ident, netns,
                  [master.pid, *map(int, workers)])
        self.pods.append((pod, master))
        return pod

    def _oci(self, ident, annotations):
        folder = self.root / "run/containerd/io.containerd.runtime.v2.task/k8s.io" / ident
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(
            {"ociVersion": "1.0.2", "process": {"args": ["nginx"]}, "annotations": annotations}))

    def hostport_pod(self, ports=PORTS, address="10.42.0.7", **options):
        """A pod in a namespace of its own behind hostPort rules as the CNI plugin portmap 1.1
        writes them (chain names included): appended to PREROUTING, so behind Docker's."""
        netns = f"{self.edge[:-4]}cni{self.pod_count}"
        veth = f"veth{self.pod_count}"
        self.ip("netns", "add", netns)
        self.ip("link", "set", "lo", "up", netns=netns)
        bridge = "cni0"
        if self.run(["ip", "link", "show", bridge], self.edge, check=False).returncode:
            self.ip("link", "add", bridge, "type", "bridge", netns=self.edge)
            self.ip("addr", "add", "10.42.0.1/24", "dev", bridge, netns=self.edge)
            self.ip("link", "set", bridge, "up", netns=self.edge)
            for flag in ("-i", "-o"):
                self.iptables("-A", "FORWARD", flag, bridge, "-j", "ACCEPT")
        self.ip("link", "add", veth, "netns", self.edge, "type", "veth",
                "peer", "name", "eth0", "netns", netns)
        self.ip("link", "set", veth, "master", bridge, "up", netns=self.edge)
        self.ip("addr", "add", f"{address}/24", "dev", "eth0", netns=netns)
        self.ip("link", "set", "eth0", "up", netns=netns)
        self.ip("route", "add", "default", "via", "10.42.0.1", netns=netns)
        pod = self.pod(netns=netns, ports=ports, ipv6=False, **options)
        self._portmap(pod.id, ports, address)
        return pod

    def _portmap(self, ident, ports, address):
        nat = ("-t", "nat")
        comment = ("-m", "comment", "--comment")
        if "CNI-HOSTPORT-DNAT" not in self.iptables("-S", "-t", "nat").stdout:
            for chain in ("DNAT", "SETMARK", "MASQ"):
                self.iptables(*nat, "-N", f"CNI-HOSTPORT-{chain}")
            self.iptables(*nat, "-A", "CNI-HOSTPORT-SETMARK", *comment,
                          "CNI portfwd masquerade mark", "-j", "MARK", "--set-xmark",
                          "0x2000/0x2000")
            self.iptables(*nat, "-A", "CNI-HOSTPORT-MASQ", "-m", "mark", "--mark",
                          "0x2000/0x2000", "-j", "MASQUERADE")
            for hook in ("PREROUTING", "OUTPUT"):
                self.iptables(*nat, "-A", hook, "-m", "addrtype", "--dst-type", "LOCAL",
                              "-j", "CNI-HOSTPORT-DNAT")
            self.iptables(*nat, "-I", "POSTROUTING", *comment,
                          "CNI portfwd requiring masquerade", "-j", "CNI-HOSTPORT-MASQ")
        chain = ("CNI-DN-" + hashlib.sha512(f"cbr0{ident}".encode()).hexdigest())[:28]
        self.iptables(*nat, "-N", chain)
        self.iptables(*nat, "-A", "CNI-HOSTPORT-DNAT", "-p", "tcp", *comment,
                      f'dnat name: "cbr0" id: "{ident}"', "-m", "multiport",
                      "--destination-ports", ",".join(map(str, ports)), "-j", chain)
        for port in ports:
            match = ("-p", "tcp", "--dport", str(port))
            for source in ("10.42.0.0/24", "127.0.0.1"):
                self.iptables(*nat, "-A", chain, *match, "-s", source,
                              "-j", "CNI-HOSTPORT-SETMARK")
            self.iptables(*nat, "-A", chain, *match, "-j", "DNAT",
                          "--to-destination", f"{address}:{port}")

    def reset(self):
        """Back to an idle Docker Engine without containers, pods or hostPort rules."""
        for pod, master in self.pods:
            master.kill(signal.SIGTERM)
            if pod.netns != self.edge:
                self.ip("netns", "del", pod.netns)
        if self.dockerd.died():
            self.start_dockerd()
        self.docker.remove_all()
        if any(pod.netns != self.edge for pod, _ in self.pods):
            self._remove_portmap()
        shutil.rmtree(self.root / "run/containerd/io.containerd.runtime.v2.task/k8s.io",
                      ignore_errors=True)
        for pod_files in self.scratch.glob("pod*"):
            shutil.rmtree(pod_files) if pod_files.is_dir() else pod_files.unlink()
        self.pods = []

    def _remove_portmap(self):
        self.ip("link", "del", "cni0", netns=self.edge)
        tool = "iptables-legacy" if self.legacy else "iptables"
        self.run(["sh", "-c", f"{tool}-save | grep -vE 'CNI-|cni0' | {tool}-restore"], self.edge)

    # -- asking -------------------------------------------------------------

    def curl(self, address, port, netns=None):
        """What a client gets from address:port, by curl in a namespace (the client's)."""
        host = f"[{address}]" if ":" in address else address
        done = self.run(["curl", "-skv", "--noproxy", "*", "-m", "6", "-o", "/dev/null",
                         "-D", "-", f"http{'s' * (port == 443)}://{host}:{port}/"],
                        netns or self.client, check=False)
        by = re.search(r"(?im)^x-answered-by: *(\S+)", done.stdout)
        status = re.search(r"(?m)^HTTP/\S+ (\d+)", done.stdout)
        failed = re.search(r"(?m)^\* .*failed: (.+?)\s*$", done.stderr)
        error = failed.group(1) if failed else f"curl status {done.returncode}"
        saw = re.search(r"(?im)^x-saw-client: *(?:::ffff:)?(\S+)", done.stdout)
        return Answer(by and by.group(1), saw and saw.group(1), status and int(status.group(1)),
                      None if by else error)

    def edgepath(self, *args, binary=None, timeout=60):
        """Run edgepath as the lab's operator would, on its host namespace."""
        binary = binary or edgepath_binary()
        command, rest = args[0], args[1:]
        return self.run([binary, command, "--netns", self.edge, *rest], check=False,
                        timeout=timeout)

    def popen_edgepath(self, *args):
        """edgepath as a process of its own, its standard output a pipe."""
        enter = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", f"--root={self.root}"]
        return subprocess.Popen([*enter, "--", edgepath_binary(), args[0], "--netns", self.edge,
                                 *args[1:]], text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def edgepath_json(self, *args):
        done = self.edgepath(*args, "--json")
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise LabError(f"edgepath {' '.join(args)} --json: status {done.returncode}, no JSON\n"
                           f"{done.stdout[-2000:]}{done.stderr}") from None


def answered(answer):
    """curl's answer in the words of `predicted`."""
    if answer.by:
        return f"{'pod' if '/' in answer.by else 'container'} {answer.by}"
    for verdict, words in (("refused", "refused"), ("unreachable", "No route to host"),
                           ("unreachable", "unreachable"), ("dropped", "status 28")):
        if words in answer.error:
            return verdict
    return answer.error


def holding_for(outcomes, client):
    """The outcomes that hold for packets from the address `client`."""
    address = ipaddress.ip_address(client)
    return [outcome for outcome in outcomes
            if any(address in ipaddress.ip_network(prefix) for prefix in outcome["saddr"])]


def predicted(outcomes, client):
    """Who gets what `client` sends according to edgepath's outcomes: container X, pod NS/NAME, a
    process's comm, or the verdict where nobody does; several joined by "or"."""
    names = []
    for outcome in holding_for(outcomes, client):
        receiver = outcome.get("receiver") or {}
        container, pod = receiver.get("container"), receiver.get("pod")
        if outcome["verdict"] != "delivered":
            name = "refused" if outcome["verdict"] == "rejected" else outcome["verdict"]
        elif pod:
            name = f"pod {pod['namespace']}/{pod['name']}"
        else:
            name = f"container {container['name']}" if container else receiver.get("comm")
        if name not in names:
            names.append(name)
    return " or ".join(map(str, names)) or "nothing"


def edgepath_binary():
    default = Path(__file__).resolve().parents[2] / "build/edgepath"
    return os.environ.get("EDGEPATH") or str(default)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces with rules, listeners and a client, and edgepath's answer held against them.

    with Lab() as lab:
        edge = edge_topology(lab)
        web = lab.listen("host", "0.0.0.0", 443, name="nginx")
        lab.nft("host", "table ip nat { ... }")
        real = lab.connect("cl", edge.host4, 443, sport=40000)
        said = lab.path("host", edge.host4, 443, src=edge.client4, sport=40000)
        assert disagreement(said.outcomes[0], real) is None

Every namespace is called ept-<pid>-<lab>-<short name>; all methods take the short name. One worker
process per namespace lives inside it, makes the connections and is the parent of the listeners.
Whatever way the main process ends, SIGKILL included, workers and listeners end with it, and a
reaper process removes the namespaces, mounts and directories that carry the prefix.
"""

import contextlib
import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from agreement import agree, disagreement  # noqa: F401 (for those who import netlab)
from nsworker import die_with_parent, fork_child, is_v6, worker

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EDGEPATH = os.environ.get("EDGEPATH", os.path.join(ROOT, "build", "edgepath"))
PREFIX = f"ept-{os.getpid()}-"

# How long a connection may stay without an answer before it counts as dropped. Everything else
# answers within a few milliseconds; a dead neighbour within 3 * RETRANS_MS.
TIMEOUT = 0.2
RETRANS_MS = 40


class LabError(Exception):
    """The lab itself failed: a command, a worker or an address that cannot be bound."""


@dataclass(frozen=True)
class Listener:
    ns: str
    addr: str
    port: int
    name: str
    pid: int


@dataclass(frozen=True)
class Result:
    """What connect() met. kind: delivered, refused (ECONNREFUSED: a RST or an ICMP port
    unreachable), rejected (EACCES, EPERM), unreachable (EHOSTUNREACH, ENETUNREACH), timeout, or
    silent (connected, but nobody said a name)."""

    kind: str
    name: str = None
    pid: int = None
    addr: str = None
    port: int = None
    peer: str = None
    peer_port: int = None
    errno: int = 0
    icmp: tuple = None  # (type, code) when an ICMP message brought the error, not a RST

    @property
    def who(self):
        return (self.name, self.pid)

    def __str__(self):
        if self.kind == "delivered":
            return f"delivered to {self.name} (pid {self.pid}) on {self.addr}:{self.port}"
        return self.kind + (
            f" ({errno.errorcode.get(self.errno)}"
            + (f", ICMP {self.icmp[0]}/{self.icmp[1]}" if self.icmp else "") + ")"
            if self.errno else "")


@dataclass
class Run:
    """One run of edgepath."""

    argv: list
    code: int
    stdout: str
    stderr: str
    json: object = None

    @property
    def outcomes(self):
        return (self.json or {}).get("outcomes", [])

    @property
    def findings(self):
        return (self.json or {}).get("findings", [])


# ---------------------------------------------------------------- cleaning up


def _mounts_below(prefix):
    with open("/proc/self/mountinfo") as table:
        points = [row.split()[4] for row in table]
    return sorted((p for p in points if prefix in p and not p.startswith("/run/netns/")),
                  key=len, reverse=True)


def _remove_leftovers(prefix):
    for point in _mounts_below("/" + prefix):
        subprocess.run(["umount", "-l", point], stderr=subprocess.DEVNULL)
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir("/run/netns"):
            if name.startswith(prefix):
                subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)
    for name in os.listdir(tempfile.gettempdir()):
        if name.startswith(prefix):
            shutil.rmtree(os.path.join(tempfile.gettempdir(), name), ignore_errors=True)


def _reaper(pipe_fd, prefix):
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while os.read(pipe_fd, 1):
        pass
    _remove_leftovers(prefix)


_reaper_pipe = None


def _start_reaper():
    """The write end is never written to; it closes when this process ends, however it ends."""
    global _reaper_pipe
    if _reaper_pipe is not None:
        return
    read_end, _reaper_pipe = os.pipe()
    # Two forks: the reaper is no child of ours that someone could wait for.
    middle = os.fork()
    if middle == 0:
        fork_child(read_end, _reaper, PREFIX)
        os._exit(0)
    os.waitpid(middle, 0)
    os.close(read_end)


# ---------------------------------------------------------------- the lab


class _Namespace:
    def __init__(self, name):
        self.name, self.path = name, "/run/netns/" + name
        ours, theirs = socket.socketpair()
        self.pid = fork_child(theirs.fileno(), worker, self.path)
        theirs.close()
        self.conn = Connection(ours.detach())
        self._reply("start")

    def _reply(self, what):
        try:
            good, value = self.conn.recv()
        except (EOFError, ConnectionResetError):
            raise LabError(f"{self.name}: worker is gone ({what})") from None
        if not good:
            raise LabError(f"{self.name}: {value}")
        return value

    def call(self, command, *args):
        self.conn.send((command, args))
        return self._reply(command)

    def close(self):
        self.conn.close()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


class Lab:
    """A set of namespaces; remove with close(), or use it as a context manager."""

    _count = 0

    def __init__(self):
        _start_reaper()
        Lab._count += 1
        self.prefix = f"{PREFIX}{Lab._count}-"
        self.spaces, self.listeners = {}, []
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        try:
            self._stack.close()
        finally:
            for space in self.spaces.values():
                space.close()
            self.spaces, self.listeners = {}, []
            _remove_leftovers(self.prefix)

    def defer(self, function, *args):
        """Calls function(*args) when the lab closes, last one first."""
        self._stack.callback(function, *args)

    def tempdir(self):
        """A directory that goes, with every mount below it, when the lab or the process does."""
        return tempfile.mkdtemp(prefix=self.prefix)

    # -- namespaces, links, settings

    def ns(self, *shorts):
        """Creates namespaces, lo up. The kernel's defaults that a machine's own settings would
        leak into (forwarding, rp_filter, error rate limits) are set explicitly."""
        _run(["ip", "-batch", "-"], "".join(f"netns add {self.prefix + s}\n" for s in shorts))
        for short in shorts:
            name = self.prefix + short
            self.spaces[short] = space = _Namespace(name)
            for key, value in _NS_SYSCTLS:
                with contextlib.suppress(LabError):
                    space.call("sysctl", key, value)
            space.call("lo_up")
        return self.prefix + shorts[0]

    def name(self, short):
        return self.spaces[short].name

    def inode(self, short):
        return os.stat(self.spaces[short].path).st_ino

    def ip(self, short, *lines):
        """Runs lines of `ip` in one batch."""
        _run(["ip", "-n", self.name(short), "-batch", "-"], "\n".join(lines) + "\n")

    def veth(self, ns_a, if_a, addrs_a, ns_b, if_b, addrs_b):
        """A cable between two namespaces; both ends up, with their addresses (prefix length
        included)."""
        self.ip(ns_a, f"link add {if_a} type veth peer name {if_b} netns {self.name(ns_b)}",
                *_address_lines(if_a, addrs_a))
        self.ip(ns_b, *_address_lines(if_b, addrs_b), f"link show dev {if_b}")
        self._fast_neighbours((ns_a, if_a), (ns_b, if_b))
        self.settle(ns_a, if_a)

    def bridge(self, ns, name, addrs, ports=()):
        self.ip(ns, f"link add {name} type bridge", *_address_lines(name, addrs),
                *(f"link set {port} master {name}" for port in ports))
        self._fast_neighbours((ns, name))

    def settle(self, ns, *devices):
        """Asks for the state of links, which makes the kernel act on it now, in 6.15 and later
        (rtnl_getlink() calls linkwatch_sync_dev()), and not up to 1 s from now."""
        self.ip(ns, *(f"link show dev {device}" for device in devices))

    def _fast_neighbours(self, *links):
        """A dead neighbour is found out in 3 * RETRANS_MS, not in 3 s. (The default setting of a
        namespace has no effect on its links: the first namespace's counts.)"""
        for ns, device in links:
            for family in ("ipv4", "ipv6"):
                self.sysctl(ns, f"net/{family}/neigh/{device}/retrans_time_ms", RETRANS_MS)

    def wait_reachable(self, ns, *addrs, deadline=10):
        """Waits until a connection from the namespace meets an answer (of any kind) at every
        address: a new link's IPv6 side is deaf until its state change has been worked off. The
        neighbours are known afterwards."""
        end = time.monotonic() + deadline
        while True:
            cases = [dict(dst=addr, port=1) for addr in addrs]
            results = self.connect_many(ns, cases, 0.06)
            addrs = [a for a, r in zip(addrs, results) if r.kind in ("timeout", "unreachable")]
            if not addrs:
                return
            if time.monotonic() > end:
                raise LabError(f"{ns} cannot reach {', '.join(addrs)}")

    def sysctl(self, ns, key, value):
        self.spaces[ns].call("sysctl", key, value)

    def read(self, ns, path):
        """The text of a file as seen in the namespace, /proc/net included."""
        return self.spaces[ns].call("read", path)

    # -- commands

    def argv(self, ns, argv):
        return ["nsenter", "--net=" + self.spaces[ns].path, "--", *argv]

    def run(self, ns, argv, text=None, check=True):
        """Runs a command in a namespace; returns its standard output."""
        return _run(self.argv(ns, argv), text, check)

    def spawn(self, ns, argv, **popen):
        """Starts a command in a namespace; it ends with the lab, or with this process."""
        child = subprocess.Popen(self.argv(ns, argv), preexec_fn=die_with_parent,
                                 **popen)

        def stop():
            if child.poll() is None:
                child.kill()
            child.wait()
        self.defer(stop)
        return child

    def nft(self, ns, text):
        """Loads nft text (a transaction), or runs `nft WORDS` for a list."""
        if isinstance(text, (list, tuple)):
            return self.run(ns, ["nft", *text])
        return self.run(ns, ["nft", "-f", "-"], text)

    def _xtables(self, tool, ns, rules):
        if isinstance(rules, (list, tuple)):
            return self.run(ns, [tool, "-w", "10", *rules])
        wait = [] if "nft" in tool else ["-w", "10"]
        return self.run(ns, [tool + "-restore", *wait, "--noflush"], rules)

    def iptables_nft(self, ns, rules):
        """rules: iptables-save text (added to what is there), or one command's words."""
        return self._xtables("iptables-nft", ns, rules)

    def ip6tables_nft(self, ns, rules):
        return self._xtables("ip6tables-nft", ns, rules)

    def iptables_legacy(self, ns, rules):
        return self._xtables("iptables-legacy", ns, rules)

    def ip6tables_legacy(self, ns, rules):
        return self._xtables("ip6tables-legacy", ns, rules)

    def flush(self, ns, legacy=True):
        """Removes every nft rule, the rules of the legacy tables that exist, and conntrack."""
        self.run(ns, ["nft", "flush", "ruleset"])
        for family in ("ip", "ip6") if legacy else ():
            tool = family + "tables-legacy"
            for table in self.read(ns, f"/proc/net/{family}_tables_names").split():
                self._xtables(tool, ns, ["-t", table, "-F"])
                self._xtables(tool, ns, ["-t", table, "-X"])
                for chain in _LEGACY_CHAINS[table]:
                    self._xtables(tool, ns, ["-t", table, "-P", chain, "ACCEPT"])
        self.flush_conntrack(ns)

    def flush_conntrack(self, ns):
        self.run(ns, ["conntrack", "-F"], check=False)

    def rules(self, ns):
        """Everything about the rules of a namespace that a reader must leave as it was."""
        state = {"nft": self.run(ns, ["nft", "-a", "list", "ruleset"])}
        for family in ("ip", "ip6"):
            state[family + "_names"] = self.read(ns, f"/proc/net/{family}_tables_names")
            # Without comments, and without the policies' counters, which any packet raises.
            state[family + "_legacy"] = re.sub(r"^#.*\n| \[\d+:\d+\]$", "", self.run(
                ns, [family + "tables-legacy-save"]), flags=re.M)
        return state

    # -- listeners and connections

    def listen(self, ns, addr, port, name="listener", v6only=False, reuseport=False, dev=None,
               transparent=False, freebind=False, comm=None, uid=None):
        """A process that listens on addr:port (port may be a list), with a comm of its own
        (default: name), and answers "name pid". Returns its Listener; it listens on return."""
        ports = port if isinstance(port, (list, tuple)) else [port]
        specs = [{"addr": addr, "port": p, "v6only": v6only, "reuseport": reuseport, "dev": dev,
                  "transparent": transparent, "freebind": freebind} for p in ports]
        pid = self.spaces[ns].call("listen", specs, name, comm, uid)
        listener = Listener(ns, addr, ports[0], name, pid)
        self.listeners.append(listener)
        return listener

    def stop(self, listener):
        self.spaces[listener.ns].call("kill", listener.pid)
        self.listeners.remove(listener)

    def stop_all(self):
        for listener in list(self.listeners):
            self.stop(listener)

    def connect(self, ns, dst, port, src=None, sport=None, timeout=TIMEOUT, **more):
        """One TCP connection. more: uid (of the socket), dev (SO_BINDTODEVICE), mark."""
        case = dict(dst=dst, port=port, src=src, sport=sport, **more)
        return self.connect_many(ns, [case], timeout)[0]

    def connect_many(self, ns, cases, timeout=TIMEOUT):
        """Connects all cases (dicts of connect()'s arguments) at once, so that any number of
        drops costs one timeout. Give each a source port of its own."""
        results = [Result(**r) for r in self.spaces[ns].call("connect", cases, timeout)]
        for case, result in zip(cases, results):
            if result.kind == "error":
                raise LabError(f"connect {case}: {os.strerror(result.errno)}")
        return results

    # -- edgepath

    def path(self, ns, dst, port, src=None, sport=None, iif="eth0", *more):
        """`edgepath path --json` for one packet that arrives in the namespace."""
        args = ["path", "--netns", self.name(ns), "--dst", dst, "--dport", str(port)]
        for option, value in (("--src", src), ("--sport", sport), ("--iif", iif)):
            if value is not None:
                args += [option, str(value)]
        return edgepath(*args, *more, "--json")

    def check(self, ns, *more):
        return edgepath("check", "--netns", self.name(ns), *more, "--json")


_NS_SYSCTLS = [
    ("net.ipv4.ip_forward", 1), ("net.ipv4.conf.all.forwarding", 1),
    ("net.ipv4.conf.all.rp_filter", 0), ("net.ipv4.conf.default.rp_filter", 0),
    ("net.ipv4.conf.all.route_localnet", 0), ("net.ipv4.conf.default.route_localnet", 0),
    ("net.ipv4.conf.all.send_redirects", 0), ("net.ipv4.conf.default.send_redirects", 0),
    ("net.ipv4.icmp_ratelimit", 0), ("net.ipv4.icmp_msgs_per_sec", 100000),
    ("net.ipv4.icmp_msgs_burst", 100000), ("net.ipv4.tcp_syncookies", 1),
    ("net.ipv6.conf.all.forwarding", 1), ("net.ipv6.conf.default.forwarding", 1),
    ("net.ipv6.conf.all.accept_dad", 0), ("net.ipv6.conf.default.accept_dad", 0),
    ("net.ipv6.conf.default.accept_ra", 0), ("net.ipv6.conf.default.router_solicitations", 0),
    ("net.ipv6.bindv6only", 0), ("net.ipv6.icmp.ratelimit", 0),
    ("net.netfilter.nf_conntrack_tcp_be_liberal", 0),
]

_LEGACY_CHAINS = {
    "filter": ["INPUT", "FORWARD", "OUTPUT"],
    "nat": ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
    "mangle": ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
    "raw": ["PREROUTING", "OUTPUT"],
    "security": ["INPUT", "FORWARD", "OUTPUT"],
}


def _address_lines(device, addrs):
    lines = [f"addr add {a} dev {device}" + (" nodad" if is_v6(a) else "") for a in addrs]
    return lines + [f"link set {device} up"]


def _run(argv, text=None, check=True):
    done = subprocess.run(argv, input=text, text=True, capture_output=True)
    if check and done.returncode:
        raise LabError(f"{' '.join(argv)}: exit {done.returncode}: {done.stderr.strip()}\n"
                       f"{text or ''}")
    return done.stdout


def have_edgepath():
    return os.access(EDGEPATH, os.X_OK)


def edgepath(*args, timeout=30, prefix=(), env=None):
    """Runs edgepath. prefix: words before it (setpriv ...). Broken JSON leaves .json None."""
    argv = [*prefix, EDGEPATH, *map(str, args)]
    done = subprocess.run(argv, text=True, capture_output=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, env=env)
    run = Run(argv, done.returncode, done.stdout, done.stderr)
    if "--json" in args:
        with contextlib.suppress(ValueError):
            run.json = json.loads(done.stdout)
    return run


# ---------------------------------------------------------------- the usual topology


@dataclass
class Edge:
    """cl -- host -- br0 -- c1, c2. Addresses by family: 4 and 6."""

    host4: str = "198.51.100.1"
    host6: str = "2001:db8:1::1"
    client4: str = "198.51.100.2"
    client6: str = "2001:db8:1::2"
    bridge4: str = "172.18.0.1"
    bridge6: str = "fd00:18::1"
    containers: tuple = ()
    more_sources: dict = field(default_factory=lambda: {
        4: ("192.0.2.10", "192.0.2.99", "10.9.8.7"),
        6: ("2001:db8:2::10", "2001:db8:2::99", "2001:db8:9::7")})

    def host(self, family):
        return self.host6 if family == 6 else self.host4

    def client(self, family):
        return self.client6 if family == 6 else self.client4

    def container(self, number, family):
        """Address of container cN."""
        return f"fd00:18::{number + 1}" if family == 6 else f"172.18.0.{number + 1}"

    def dead(self, family):
        """An address of the bridge's network that nobody owns."""
        return "fd00:18::99" if family == 6 else "172.18.0.99"


def edge_topology(lab, containers=2):
    """Client `cl` (eth0) -- `host` (eth0; default route by the client) -- bridge br0 with
    containers c1, c2, … (eth0; default route by the bridge). IPv4 and IPv6, forwarding on. The
    client owns a few more source addresses, to which the host routes."""
    edge = Edge(containers=tuple(f"c{n}" for n in range(1, containers + 1)))
    ports = {short: f"ve-{short}" for short in edge.containers}
    lab.ns("cl", "host", *edge.containers)
    # Few calls of ip, each for one namespace: hundreds of tests wait for this.
    lab.ip("host", f"link add eth0 type veth peer name eth0 netns {lab.name('cl')}",
           "link add br0 type bridge",
           *(f"link add {port} type veth peer name eth0 netns {lab.name(short)}"
             for short, port in ports.items()),
           *_address_lines("eth0", [edge.host4 + "/24", edge.host6 + "/64"]),
           *_address_lines("br0", [edge.bridge4 + "/16", edge.bridge6 + "/64"]),
           *(f"link set {port} master br0 up" for port in ports.values()))
    lab.ip("cl", *_address_lines("eth0", [edge.client4 + "/24", edge.client6 + "/64"]),
           *_address_lines("lo", [a for addrs in edge.more_sources.values() for a in addrs]),
           "link show dev eth0")
    for number, short in enumerate(edge.containers, 1):
        lab.ip(short, *_address_lines("eth0", [edge.container(number, 4) + "/16",
                                               edge.container(number, 6) + "/64"]),
               "link show dev eth0", f"route add default via {edge.bridge4}",
               f"route add default via {edge.bridge6}")
    lab.ip("host", *(f"link show dev {device}" for device in ("eth0", *ports.values(), "br0")),
           f"route add default via {edge.client4}", f"route add default via {edge.client6}")
    lab._fast_neighbours(("cl", "eth0"), ("host", "eth0"), ("host", "br0"),
                         *((short, "eth0") for short in edge.containers))
    lab.wait_reachable("cl", edge.host4, edge.host6)
    lab.wait_reachable("host", *(edge.container(n, f) for n in range(1, containers + 1)
                                 for f in (4, 6)))
    for number in range(1, containers + 1):
        lab.wait_reachable(f"c{number}", edge.bridge4, edge.bridge6)
    return edge


if __name__ == "__main__":
    sys.exit("netlab is a library: see tests/lab and tests/oracle")

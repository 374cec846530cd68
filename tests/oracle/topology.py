# SPDX-License-Identifier: GPL-2.0-or-later
"""The fixed topology of the oracle: built once per worker, then only rules change."""

import contextlib
import ctypes
import json
import os
import re
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

import netlab
import universe

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_NETLINK_NETFILTER = 12
_ETH_P_ALL = 3

# What the client's packets carry. A TCP stack that refuses answers with what it got; a rule that
# rejects by a TCP reset answers with zero: so the two can be told apart on the wire.
TOS = 0x10

# One restore that empties every legacy table of a namespace.
_LEGACY_EMPTY = "".join(
    f"*{table}\n" + "".join(f":{chain} ACCEPT [0:0]\n" for chain in chains) + "COMMIT\n"
    for table, chains in (("raw", ("PREROUTING", "OUTPUT")),
                          ("mangle", ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")),
                          ("nat", ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")),
                          ("filter", ("INPUT", "FORWARD", "OUTPUT"))))

# Random policy rules lie between those of build().
FIRST_PREF, LAST_PREF = 149, 300

CONTAINERS = ("c1", "c2", "c3")
SENDERS = ("cl", "host", "remote") + CONTAINERS


class LoadError(Exception):
    """A ruleset that the kernel or its tool refused."""


class Topology:
    def __init__(self):
        self.lab = netlab.Lab()
        self.fam = {4: universe.Family(4), 6: universe.Family(6)}
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.dirty = set()
        self.changed = {}
        self.routed = None
        self.names = {}

    def build(self):
        lab, v4, v6 = self.lab, self.fam[4], self.fam[6]
        lab.ns("cl", "host", "remote", *CONTAINERS)
        for short in ("cl", "remote", *CONTAINERS):
            lab.sysctl(short, "net.ipv4.conf.all.forwarding", 0)
            lab.sysctl(short, "net.ipv6.conf.all.forwarding", 0)
        lab.veth("cl", "eth0", [f"{v4.clients[0]}/24", f"{v4.clients[1]}/24",
                                f"{v6.clients[0]}/64", f"{v6.clients[1]}/64"],
                 "host", "eth0", [f"{v4.host[0]}/24", f"{v4.host[1]}/24", f"{v4.host[2]}/32",
                                  f"{v6.host[0]}/64", f"{v6.host[1]}/64", f"{v6.host[2]}/128"])
        lab.ip("cl", *(f"addr add {a}/32 dev lo" for a in v4.clients[2:] + v4.elsewhere),
               *(f"addr add {a}/128 dev lo nodad" for a in v6.clients[2:]),
               f"route add default via {v4.host[0]}", f"route add default via {v6.host[0]}")
        lab.ip("host", f"route add default via {v4.clients[0]}",
               f"route add default via {v6.clients[0]}")
        lab.veth("host", "eth1", ["192.168.77.1/24", "2001:db8:77::1/64"],
                 "remote", "eth0", [f"{v4.remote}/24", f"{v6.remote}/64"])
        lab.ip("remote", "route add default via 192.168.77.1",
               "route add default via 2001:db8:77::1")
        lab.bridge("host", "br0", [f"{v4.bridge}/16", f"{v6.bridge}/64"])
        for short in CONTAINERS:
            addrs = [f"{v4.containers[short]}/16", f"{v6.containers[short]}/64"]
            if short == "c1":
                addrs += [f"{v4.second}/16", f"{v6.second}/64"]
            lab.veth("host", f"ve-{short}", [], short, "eth0", addrs)
            lab.ip("host", f"link set ve-{short} master br0")
            lab.ip(short, f"route add default via {v4.bridge}",
                   f"route add default via {v6.bridge}")
        for number, f in self.fam.items():
            marks = (universe.MARK_LOCAL, universe.MARK_UNREACHABLE, universe.MARK_REMOTE)
            lines = [f"rule add pref {100 + n} fwmark {m}/{m} lookup {100 + n}"
                     for n, m in enumerate(marks)]
            lines += ["route add local default dev lo table 100",
                      "route add unreachable default table 101",
                      f"route add default via {f.remote} dev eth1 table 102"]
            lab.run("host", ["ip", f"-{number}", "-batch", "-"], "\n".join(lines) + "\n")
        for ns, name, addr, port, special in universe.listeners(v4, v6):
            got = lab.listen(ns, addr, port, name=name, reuseport=True, v6only=special == "v6only",
                             dev=special if special.startswith("eth") else None,
                             transparent=special == "transparent")
            self.names[got.pid] = name
        self.taps = {ns: self.socket_in(ns, socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK,
                                        socket.htons(_ETH_P_ALL)) for ns in SENDERS}
        self.ct = {ns: self.socket_in(ns, socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
                   for ns in ("host",) + CONTAINERS}
        self.warm()

    def warm(self):
        """Neighbour entries: the first packets of the first case shall not wait for them."""
        for f in self.fam.values():
            self.lab.wait_reachable("cl", *f.host, f.bridge, *f.inside, f.remote)
        cases = [dict(dst=dst, port=80, src=f.clients[0], sport=2000 + n)
                 for f in self.fam.values() for n, dst in enumerate(f.inside + [f.remote])]
        self.lab.connect_many("cl", cases)
        for short in CONTAINERS + ("remote",):
            cases = [dict(dst=dst, port=80) for f in self.fam.values() for dst in f.inside + f.host]
            self.lab.connect_many(short, cases)
        self.flush_conntrack()

    def enter(self, fd):
        if _libc.setns(fd, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    def socket_in(self, short, family, kind, proto):
        with open(self.lab.spaces[short].path) as netns:
            self.enter(netns.fileno())
        try:
            return socket.socket(family, kind, proto)
        finally:
            self.enter(self.home)

    # ---- rules ----

    def tool(self, netns, argv, text):
        done = subprocess.run(self.lab.argv(netns, argv), input=text, text=True,
                              capture_output=True)
        if done.returncode:
            raise LoadError(f"{' '.join(argv)}: {done.stderr.strip()}")

    def clear(self):
        """Leaves no rule behind; only the kinds that were loaded are looked at."""
        for key, value in sorted(self.changed.items()):
            self.lab.sysctl("host", key, value)
        self.changed.clear()
        self.unroute()
        for netns, kind, tool in sorted(self.dirty):
            if kind == "nft":
                self.tool(netns, ["nft", "flush", "ruleset"], None)
            elif kind == "legacy":
                self.tool(netns, [f"{tool}-legacy-restore", "-w", "10"], _LEGACY_EMPTY)
        for netns in sorted({n for n, kind, _ in self.dirty if kind == "ipset"}):
            self.tool(netns, ["ipset", "destroy"], None)
        self.dirty.clear()

    def route(self, routing):
        """Policy rules and routes of a case; what `ip` refuses is taken out."""
        six = f"-{routing.fam.number}"
        self.routed = routing
        for kind in (routing.routes, routing.rules):
            for line in list(kind):
                done = subprocess.run(self.lab.argv("host", ["ip", six, *line.split()]),
                                      capture_output=True, text=True)
                if done.returncode:
                    kind.remove(line)
        guard = [line for line in routing.lines() if line not in routing.routes + routing.rules]
        self.lab.run("host", ["ip", six, "-batch", "-"], "\n".join(guard) + "\n")

    def unroute(self):
        routing, self.routed = self.routed, None
        if routing is None:
            return
        six = f"-{routing.fam.number}"
        table = json.loads(self.lab.run("host", ["ip", "-j", six, "rule", "show"]))
        prefs = [row["priority"] for row in table if FIRST_PREF <= row["priority"] <= LAST_PREF]
        lines = [f"rule del pref {pref}" for pref in prefs]
        self.lab.run("host", ["ip", six, "-batch", "-"], "\n".join(lines) + "\n")
        for line in routing.undo():
            self.lab.run("host", ["ip", six, *line.split()], check=False)

    def load(self, rulesets, sysctls=(), routing=None):
        """Loads them in place of what was there. Rules that the tool refuses are taken out of the
        rulesets; returns how many."""
        self.clear()
        if routing is not None:
            self.route(routing)
        for key, value, default in sysctls:
            self.changed[key] = default
            self.lab.sysctl("host", key, value)
        try:
            return sum(self.load_one(rs) for rs in rulesets)
        except LoadError:
            self.clear()
            raise

    def load_one(self, rs):
        tool, refused = rs.fam.ipt, 0
        if rs.ipsets:
            self.dirty.add((rs.netns, "ipset", ""))
            self.tool(rs.netns, ["ipset", "restore"], "\n".join(rs.ipsets) + "\n")
        if rs.backend == "legacy":
            self.dirty.add((rs.netns, "legacy", tool))
            argv = [f"{tool}-legacy-restore", "-w", "10"]
        else:
            self.dirty.add((rs.netns, "nft", ""))
            argv = ["nft", "-f", "-"] if rs.backend == "nft" else [f"{tool}-nft-restore"]
        while True:
            try:
                self.tool(rs.netns, argv, rs.render())
                self.write(rs)
                return refused
            except LoadError as error:
                found = {int(n) for n in re.findall(r"(?:/dev/stdin:|line:? )(\d+)", str(error))}
                gone = rs.drop_lines(found)
                refused += gone
                if not gone or refused > 8:
                    raise

    def write(self, rs):
        """Into files that the rules made; those of rules that are gone are not there."""
        lines = [f"[ ! -e {path} ] || echo {line} >{path}" for path, line in rs.writes]
        if lines:
            self.tool(rs.netns, ["sh", "-c", "\n".join(lines)], None)

    def flush_conntrack(self):
        """IPCTNL_MSG_CT_DELETE without a tuple deletes every entry of the namespace."""
        message = struct.pack("=LHHLLBBH", 20, (1 << 8) | 2, 5, 1, 0, 0, 0, 0)
        for sock in self.ct.values():
            sock.send(message)
            sock.recv(4096)

    # ---- probes ----

    def send(self, probes, timeout):
        """Starts the connections; answers() collects them. In between there is time for other work."""
        origin = probes[0].get("origin")
        self.sender = {None: "cl", "lan": "remote"}.get(origin, origin)
        self.drain(self.sender)
        cases = [dict(dst=p["dst"], port=p["dport"], src=p["src"] if p.get("bind", True) else None,
                      sport=p["sport"], tos=TOS) for p in probes]
        self.lab.spaces[self.sender].conn.send(("connect", (cases, timeout)))

    def answers(self, probes):
        results = [netlab.Result(**r) for r in self.lab.spaces[self.sender]._reply("connect")]
        seen = self.drain(self.sender)
        return [(real, seen.get(p["sport"])) for p, real in zip(probes, results)]

    def drain(self, ns):
        """What came back to the sender: source port -> 'rst-stack', 'rst-rule' or 'icmp TYPE CODE'."""
        seen = {}
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, where = self.taps[ns].recvfrom(2048)
                if where[2] == socket.PACKET_HOST:
                    found = _negative(packet, where[1])
                    if found:
                        seen.setdefault(*found)
        return seen

    def close(self):
        self.lab.close()


def _negative(packet, protocol):
    """(our source port, what it means) of a TCP reset or an ICMP unreachable message, else None."""
    if protocol == 0x0800 and len(packet) >= 40:
        start, tos = (packet[0] & 15) * 4, packet[1]
        proto, icmp, inner = packet[9], 1, 20
    elif protocol == 0x86dd and len(packet) >= 60:
        start, tos = 40, ((packet[0] & 15) << 4) | (packet[1] >> 4)
        proto, icmp, inner = packet[6], 58, 40
    else:
        return None
    if proto == 6 and len(packet) >= start + 14 and packet[start + 13] & 4:
        return struct.unpack_from("!H", packet,
                                  start + 2)[0], "rst-stack" if tos & 0xfc else "rst-rule"
    if proto == icmp and packet[start] in ((3,) if icmp == 1 else (1, 2, 3, 4)) and \
            len(packet) >= start + 8 + inner + 4:
        if icmp == 1:
            inner = (packet[start + 8] & 15) * 4
        return struct.unpack_from("!H", packet, start + 8 + inner)[0], \
            f"icmp {packet[start]} {packet[start + 1]}"
    return None

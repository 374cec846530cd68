# SPDX-License-Identifier: GPL-2.0-or-later
"""One case: a ruleset and the probes that go through it, all from one seed."""

import copy
import random
import re

from gen_nft import NftGen
from gen_xt import XtGen
from routing import Routing
from topology import CONTAINERS
from universe import PORTS

BACKENDS = ("nft", "iptables-nft", "legacy", "mixed")
PROBES = 8


class Case:
    """A seed and a backend make the same case everywhere."""

    def __init__(self, families, backend, seed):
        self.seed = seed
        self.backend = backend
        rng = random.Random(f"{backend} {seed}")
        self.fam = families[rng.choice([4, 4, 4, 6, 6])]
        self.origin = rng.choices(("external", "host", "lan") + CONTAINERS,
                                  (70, 14, 4, 6, 3, 3))[0]
        self.sysctls = self._sysctls(rng)
        self.probes = {"external": self._probes, "host": self._host_probes, "lan": self._lan_probes
                       }.get(self.origin, self._container_probes)(rng)
        self.routing = Routing(rng, self.fam, self.probes, self.origin) if rng.random() < 0.3 else None
        self.rulesets = self._rulesets(rng)

    def _probes(self, rng):
        f, out, sports = self.fam, [], set()
        while len(out) < PROBES:
            dst = rng.choice(f.host * 4 + f.inside + [f.bridge, f.remote] + [f.unowned] * (rng.random() < 0.15))
            sport = rng.choice([rng.randrange(1024, 65536), rng.randrange(32768, 61000)])
            if sport in sports:
                continue
            sports.add(sport)
            clients = f.clients
            if any("rp_filter" in key and value == 1 for key, value, _ in self.sysctls):
                clients = clients + f.elsewhere * 2
            out.append({"dst": dst, "dport": rng.choice(PORTS[:4] * 3 + PORTS),
                        "src": rng.choice(clients), "sport": sport})
        return out

    def _sysctls(self, rng):
        """[(key, value, default)] in the host's namespace."""
        out = []
        if rng.random() < 0.15:
            out.append(("net.ipv4.conf.eth0.rp_filter", rng.choice([1, 1, 2]), 0))
        if rng.random() < 0.1:
            out.append((f"net.ipv4.conf.{rng.choice(['eth0', 'all'])}.route_localnet", 1, 0))
        if self.origin in CONTAINERS and rng.random() < 0.3:
            out += [(f"net.bridge.bridge-nf-call-{tool}", 0, 1) for tool in ("iptables", "ip6tables")]
        if rng.random() < 0.02:
            out.append(("net.ipv6.conf.all.forwarding" if self.fam.v6 else "net.ipv4.ip_forward", 0, 1))
        return out

    def _host_probes(self, rng):
        """Connections that processes of the host make; most leave the source address to the kernel."""
        f, out = self.fam, []
        for sport in rng.sample(range(32768, 61000), PROBES):
            dst = rng.choice(f.host * 3 + [f.loopback] * 4 + f.inside + [f.bridge] * 2 + [f.remote])
            local = dst in f.host + [f.bridge]
            out.append({"dst": dst, "dport": rng.choice(PORTS[:4] * 3 + PORTS), "sport": sport,
                        "src": dst if local or dst == f.loopback else f.bridge,
                        "bind": local and rng.random() < 0.3, "origin": "host"})
        return out

    def _lan_probes(self, rng):
        """By the remote host, which is the only one in the network of eth1."""
        f = self.fam
        return [{"dst": rng.choice(f.host + [f.router] * 4 + f.inside + [f.bridge]), "src": f.remote,
                 "dport": rng.choice(PORTS[:4] * 3 + PORTS), "sport": sport, "origin": "lan"}
                for sport in rng.sample(range(32768, 61000), PROBES)]

    def _container_probes(self, rng):
        """By a process of a container; hairpins to itself included."""
        f, out = self.fam, []
        own = f.own(self.origin)
        for sport in rng.sample(range(32768, 61000), PROBES):
            dst = rng.choice(f.host * 4 + [f.bridge] * 3 + own + f.inside + [f.remote, f.loopback])
            src = dst if dst in own + [f.loopback] else own[0]
            out.append({"dst": dst, "dport": rng.choice(PORTS[:4] * 3 + PORTS), "sport": sport,
                        "src": src, "bind": dst not in own + [f.loopback] and rng.random() < 0.3,
                        "origin": self.origin})
        return out

    def _rulesets(self, rng):
        made = []
        kinds = [self.backend]
        if self.backend == "mixed":
            kinds = rng.choice([["nft", "iptables-nft"], ["nft", "legacy"], ["iptables-nft", "legacy"],
                                ["nft", "iptables-nft", "legacy"]])
        tproxy = rng.random() < 0.03 and self.origin == "external" and not self.routing
        for kind in kinds:
            made.append(self._one(rng, kind, "host", tproxy and kind == kinds[0], len(kinds) > 1))
        if rng.random() < 0.15:
            made.append(self._one(rng, rng.choice(kinds), rng.choice(CONTAINERS), False, True))
        if self.origin in CONTAINERS and rng.random() < 0.35:
            made.append(self._of_sender(rng, rng.choice(kinds)))
        return [rs for rs in made if rs.tables]

    def _of_sender(self, rng, kind):
        """Rules for what the sending container sends, in its own namespace."""
        fam = copy.copy(self.fam)
        fam.host = fam.own(self.origin) * 3
        gen = (NftGen if kind == "nft" else XtGen)(rng, fam, self.probes, "host")
        rs = gen.generate(small=True, origin="host") if kind == "nft" else \
            gen.generate(kind, small=True, origin="host")
        rs.netns = self.origin
        return rs

    def _one(self, rng, kind, netns, tproxy, small):
        probes, origin = self.probes, self.origin if self.origin == "host" else "external"
        if netns != "host":
            f = self.fam
            probes = [dict(p, dst=rng.choice(f.own(netns))) for p in probes]
        if kind == "nft":
            return NftGen(rng, self.fam, probes, netns).generate(
                tproxy=tproxy, small=small, origin=origin)
        return XtGen(rng, self.fam, probes, netns).generate(
            kind, tproxy=tproxy, small=small, origin=origin)

    def tags(self, rulesets=None):
        """The features whose effect cannot be told from packet and rules alone, "chance" (several
        outcomes are right)."""
        rulesets = self.rulesets if rulesets is None else rulesets
        found = set().union(*(rs.tags() for rs in rulesets))
        if re.search(r"numgen random|--mode random", "".join(rs.render() for rs in rulesets)):
            found.add("chance")
        if self.routing:
            found |= self.routing.tags()
        return found

    def text(self, rulesets=None):
        out = [f"# in host: sysctl {key}={value}" for key, value, _ in self.sysctls]
        six = "-6 " * self.fam.v6
        out += [f"# in host: ip {six}{line}" for line in (self.routing.lines() if self.routing else ())]
        for rs in self.rulesets if rulesets is None else rulesets:
            tool = {"nft": "nft -f -", "iptables-nft": f"{rs.fam.ipt}-nft-restore",
                    "legacy": f"{rs.fam.ipt}-legacy-restore"}[rs.backend]
            out += [f"# in {rs.netns}: {tool}"] + [f"# ipset {line}" for line in rs.ipsets]
            out += [f"# echo {line} >{path}" for path, line in rs.writes
                    if path.rpartition("/")[2] in rs.render()]
            out.append(rs.render().rstrip())
        return "\n".join(out)

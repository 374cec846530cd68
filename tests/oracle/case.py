# SPDX-License-Identifier: GPL-2.0-or-later
"""One case: a ruleset and the probes that go through it, all from one seed."""

import random
import re

from gen_nft import NftGen
from gen_xt import XtGen
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
        self.origin = "host" if rng.random() < 0.15 else "external"
        self.sysctls = self._sysctls(rng)
        self.probes = self._host_probes(rng) if self.origin == "host" else self._probes(rng)
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

    def _rulesets(self, rng):
        made = []
        kinds = [self.backend]
        if self.backend == "mixed":
            kinds = rng.choice([["nft", "iptables-nft"], ["nft", "legacy"], ["iptables-nft", "legacy"],
                                ["nft", "iptables-nft", "legacy"]])
        tproxy = rng.random() < 0.03 and self.origin == "external"
        for kind in kinds:
            made.append(self._one(rng, kind, "host", tproxy and kind == kinds[0], len(kinds) > 1))
        if rng.random() < 0.15:
            made.append(self._one(rng, rng.choice(kinds), rng.choice(CONTAINERS), False, True))
        return [rs for rs in made if rs.tables]

    def _one(self, rng, kind, netns, tproxy, small):
        probes = self.probes
        if netns != "host":
            f = self.fam
            probes = [dict(p, dst=rng.choice(f.own(netns))) for p in probes]
        if kind == "nft":
            return NftGen(rng, self.fam, probes, netns).generate(
                tproxy=tproxy, small=small, origin=self.origin)
        return XtGen(rng, self.fam, probes, netns).generate(
            kind, tproxy=tproxy, small=small, origin=self.origin)

    def tags(self, rulesets=None):
        """The features whose effect cannot be told from packet and rules alone, "chance" (several
        outcomes are right)."""
        rulesets = self.rulesets if rulesets is None else rulesets
        found = set().union(*(rs.tags() for rs in rulesets))
        if re.search(r"numgen random|--mode random", "".join(rs.render() for rs in rulesets)):
            found.add("chance")
        return found

    def text(self, rulesets=None):
        out = [f"# in host: sysctl {key}={value}" for key, value, _ in self.sysctls]
        for rs in self.rulesets if rulesets is None else rulesets:
            tool = {"nft": "nft -f -", "iptables-nft": f"{rs.fam.ipt}-nft-restore",
                    "legacy": f"{rs.fam.ipt}-legacy-restore"}[rs.backend]
            out += [f"# in {rs.netns}: {tool}"] + [f"# ipset {line}" for line in rs.ipsets]
            out += [f"# echo {line} >{path}" for path, line in rs.writes
                    if path.rpartition("/")[2] in rs.render()]
            out.append(rs.render().rstrip())
        return "\n".join(out)

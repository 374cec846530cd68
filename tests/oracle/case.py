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
        self.probes = self._probes(rng)
        self.rulesets = self._rulesets(rng)

    def _probes(self, rng):
        f, out, sports = self.fam, [], set()
        while len(out) < PROBES:
            dst = rng.choice(f.host * 4 + f.inside + [f.bridge, f.remote] + [f.unowned] * (rng.random() < 0.15))
            sport = rng.choice([rng.randrange(1024, 65536), rng.randrange(32768, 61000)])
            if sport in sports:
                continue
            sports.add(sport)
            out.append({"dst": dst, "dport": rng.choice(PORTS[:4] * 3 + PORTS),
                        "src": rng.choice(f.clients), "sport": sport})
        return out

    def _rulesets(self, rng):
        made = []
        kinds = [self.backend]
        if self.backend == "mixed":
            kinds = rng.choice([["nft", "iptables-nft"], ["nft", "legacy"], ["iptables-nft", "legacy"],
                                ["nft", "iptables-nft", "legacy"]])
        tproxy = rng.random() < 0.03
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
            return NftGen(rng, self.fam, probes, netns).generate(tproxy=tproxy, small=small)
        return XtGen(rng, self.fam, probes, netns).generate(kind, tproxy=tproxy, small=small)

    def tags(self, rulesets=None):
        """The features whose effect cannot be told from packet and rules alone, "chance" (several
        outcomes are right) and "order" (the kernel does not say who comes first)."""
        rulesets = self.rulesets if rulesets is None else rulesets
        found = set().union(*(rs.tags() for rs in rulesets))
        if len({rs.backend for rs in rulesets if rs.netns == "host"}) > 1:
            found.add("order")
        if re.search(r"numgen random|--mode random", "".join(rs.render() for rs in rulesets)):
            found.add("chance")
        return found

    def text(self, rulesets=None):
        out = []
        for rs in self.rulesets if rulesets is None else rulesets:
            tool = {"nft": "nft -f -", "iptables-nft": f"{rs.fam.ipt}-nft-restore",
                    "legacy": f"{rs.fam.ipt}-legacy-restore"}[rs.backend]
            out += [f"# in {rs.netns}: {tool}"] + [f"# ipset {line}" for line in rs.ipsets]
            out.append(rs.render().rstrip())
        return "\n".join(out)

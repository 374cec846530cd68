# SPDX-License-Identifier: GPL-2.0-or-later
"""One rule of a case taken away for real, after edgepath was asked to answer without it."""

import copy
import json
import random
import subprocess


def removable(rulesets):
    """Is there a rule that a test may take away? The guards at the head of a chain are none."""
    return any(not rule.fixed for rs in rulesets if rs.netns == "host" for table in rs.tables
               for chain in table.chains for rule in chain.rules)


class Removal:
    """A rule of the host's namespace: how `--without` calls it, and how it is deleted."""

    def __init__(self, rulesets, seed):
        places = [(i, t, c, n) for i, rs in enumerate(rulesets) if rs.netns == "host"
                  for t, table in enumerate(rs.tables) for c, chain in enumerate(table.chains)
                  for n, rule in enumerate(chain.rules) if not rule.fixed]
        i, t, c, n = random.Random(f"removal {seed}").choice(places)
        self.ruleset, self.position = rulesets[i], n + 1
        self.table, self.chain = rulesets[i].tables[t], rulesets[i].tables[t].chains[c]
        self.family = self.table.family if self.ruleset.backend == "nft" else \
            ("ip6" if self.ruleset.fam.v6 else "ip")
        self.rest = copy.deepcopy(rulesets)
        del self.rest[i].tables[t].chains[c].rules[n]

    @property
    def backend(self):
        return {"legacy": "iptables-legacy"}.get(self.ruleset.backend, self.ruleset.backend)

    def options(self):
        kind = "legacy" if self.ruleset.backend == "legacy" else "nft"
        return ["--without", f"rule:{kind}-{self.family}/{self.table.name}/{self.chain.name}/#{self.position}"]

    def handle(self, topo):
        done = subprocess.run(topo.lab.argv("host", ["nft", "-j", "-a", "list", "chain", self.family,
                                                     self.table.name, self.chain.name]),
                              text=True, capture_output=True, check=True)
        rules = [o["rule"] for o in json.loads(done.stdout)["nftables"] if "rule" in o]
        return rules[self.position - 1]["handle"]

    def carry_out(self, topo):
        if self.ruleset.backend == "nft":
            argv = ["nft", "delete", "rule", self.family, self.table.name, self.chain.name, "handle",
                    str(self.handle(topo))]
        else:
            kind = "legacy" if self.ruleset.backend == "legacy" else "nft"
            argv = [f"{self.ruleset.fam.ipt}-{kind}", "-w", "10", "-t", self.table.name, "-D",
                    self.chain.name, str(self.position)]
        topo.tool("host", argv, None)

    def text(self):
        return f"without {self.options()[1]}: {self.chain.rules[self.position - 1].text()}"

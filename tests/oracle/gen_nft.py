# SPDX-License-Identifier: GPL-2.0-or-later
"""Random native nftables rulesets."""

import re

import gen_l2
from nft_match import NftMatches
from ruleset import Chain, Rule, Ruleset, Table
from universe import MARK_LOCAL, MARK_REMOTE, MARK_UNREACHABLE, TPROXY_PORT

# In chains of type nat: makes the kernel track connections, without which no nat chain ever runs.
TRACKED = "ct direction reply accept"
GUARD = ["meta l4proto != tcp accept", "tcp flags & (fin|syn|rst|ack) != syn accept"]


class NftGen(NftMatches):
    """Rules, chains and whole rulesets."""

    def finish(self, table, rule):
        """What nft itself insists on before it takes the rule."""
        text = rule.text()
        if "meta l4proto { tcp, udp }" in text and re.search(r"\btcp |th ", text):
            rule.matches = [m.replace("{ tcp, udp }", "tcp") for m in rule.matches]
            text = rule.text()
        if re.search(r"nat .*(to \S+:\d+$|to :)|redirect to|nat .* [.] ", rule.verb) and \
                not re.search(r"\btcp (?!reset)|meta l4proto (tcp|6)", " ".join(rule.matches)):
            rule.matches.insert(0, "meta l4proto tcp")
        if table.family == "inet" and not rule.verb.startswith(("dnat", "snat", "redir", "masq")) and \
                not re.search(r"\bip6? |icmp|nfproto|protocol|l3proto", text) and self.maybe(0.02):
            rule.matches.append("ip daddr 198.51.100.1" if self.fam.v6
                                else "ip6 daddr 2001:db8:1::1")
        return rule

    # ---- statements ----

    def statement(self, hook):
        """One that does not end the rule."""
        r = self.rng
        if self.maybe(self.bytes_share):
            return self.bytes_statement(hook)
        v = r.choice([0, 1, 2, 3, 4, 5, 8, 0xa, 0xf])
        if self.maybe(0.06):
            v |= r.choice([MARK_UNREACHABLE, MARK_REMOTE])
        return r.choice(["counter", "counter", 'log prefix "ept "', f"meta mark set 0x{v:x}",
                         f"meta mark set 0x{v:x}", f"meta mark set meta mark | 0x{v:x}",
                         f"meta mark set meta mark ^ 0x{v:x}",
                         f"meta mark set meta mark & 0x{v & 0xf:x}",
                         f"meta mark set meta mark & 0xfffffff3 | 0x{v & 0xc:x}",
                         f"ct mark set 0x{v:x}", "ct mark set meta mark", "meta mark set ct mark",
                         "meta mark set ct mark & 0x7",
                         "meta mark set tcp dport map { 80 : 0x1, 443 : 0x2, 8000-9000 : 0x3 }",
                         "meta nftrace set 1", "meta priority set 1:2", "meta pkttype set host"
                         if hook == "prerouting" else "counter packets 1 bytes 2",
                         "meta mark set numgen random mod 2" if self.odd and self.maybe(0.3)
                         else "counter"])

    def inner_verdict(self, jumps):
        r = self.rng
        if jumps and self.maybe(0.55):
            return f"{r.choice(['jump', 'jump', 'goto'])} {r.choice(jumps)}"
        return r.choice(["accept", "accept", "accept", "drop", "return", "return", "continue",
                         "continue"])

    def vmap(self, table, hook, jumps):
        r = self.rng
        v = lambda: self.inner_verdict(jumps)
        kind = r.choice(["dport", "dport", "daddr", "concat", "concat", "state", "iif", "mark",
                         "random"])
        if kind in ("dport", "daddr"):
            pairs = ", ".join(f"{e} : {v()}" for e in self.elements(kind, True))
            word = self.word(kind, None)
            if self.maybe(0.4):
                name = self.fresh("v")
                table.objects[name] = (f"map {name} {{ type {self.type(kind)} : verdict; flags interval; "
                                       f"elements = {{ {pairs} }}; }}")
                return f"{word} vmap @{name}"
            return f"{word} vmap {{ {pairs} }}"
        if kind == "concat":
            fields = self.concat_fields()
            els = sorted({self.from_one_probe(fields) for _ in range(r.randint(1, 3))})
            word = " . ".join(self.word(f, None) for f in fields)
            name = self.fresh("v")
            pairs = ", ".join(f"{e} : {v()}" for e in els)
            table.objects[name] = (f"map {name} {{ type {' . '.join(self.type(f) for f in fields)} : verdict; "
                                   f"elements = {{ {pairs} }}; }}")
            return f"{word} vmap @{name}"
        if kind == "state":
            return f"ct state vmap {{ established : accept, related : accept, new : {v()}, untracked : {v()} }}"
        if kind == "iif":
            return f'iifname vmap {{ "eth0" : {v()}, "br0" : {v()} }}'
        if kind == "mark":
            return f"meta mark vmap {{ 0 : {v()}, 1 : {v()}, 2-5 : {v()} }}"
        return f"numgen random mod 3 vmap {{ 0 : {v()}, 1 : {v()}, 2 : {v()} }}" if self.odd else \
            f"meta l4proto vmap {{ tcp : {v()}, udp : drop }}"

    def reject(self, table):
        r = self.rng
        return "reject" + r.choice(["", " with tcp reset", f" with {r.choice(self.fam.rejects)}",
                                    f" with {r.choice(self.fam.rejects)}",
                                    " with icmpx admin-prohibited" if table.family == "inet"
                                    else " with tcp reset"])

    def dnat(self, table):
        """A destination translation: (matches to go with it, verb, tags)."""
        r, f = self.rng, self.fam
        ip = f" {f.nft}" if table.family == "inet" else ""
        targets = f.targets
        if self.netns != "host":
            # Answers from elsewhere would not come back through the container.
            targets = f.own(self.netns)
        to = lambda: r.choice(targets) if self.maybe(0.97) else f.loopback
        port = lambda: r.choice([80, 80, 80, 443, 8080, 9000, 8443, 5000])
        at = lambda: r.choice([s for s in f.served if s[0] in targets]) if self.maybe(0.75) else (
            to(), port())
        pair = lambda: " . ".join(str(x) for x in at())
        kind = r.choice(["addr", "addr", "at", "at", "at", "at", "redirect", "redirect",
                         "redirectport", "map", "mapat", "namedat", "port", "random", "jhash",
                         "prefix", "range", "redirectmap", "daddrmap"])
        if self.netns != "host" and kind in ("range", "prefix"):
            kind = "at"
        if kind == "addr":
            return [], f"dnat{ip} to {to()}", ()
        if kind == "at":
            return [], f"dnat{ip} to {f.at(*at())}", ()
        if kind == "port":
            return ["meta l4proto tcp"], f"dnat to :{port()}", ()
        if kind == "redirect":
            return [], "redirect", ()
        if kind == "redirectport":
            return ["meta l4proto tcp"], f"redirect to :{port()}", ()
        if kind == "redirectmap":
            return [], f"redirect to :tcp dport map {{ 80 : {port()}, 443 : {port()}, 8080 : {port()} }}", ()
        if kind == "map":
            return [], f"dnat{ip} to tcp dport map {{ 80 : {to()}, 443 : {to()}, 8000-31080 : {to()} }}", ()
        if kind == "daddrmap":
            return [], f"dnat{ip} to {f.nft} daddr map {{ {f.host[0]} : {to()}, {f.host[2]} : {to()} }}", ()
        if kind == "mapat":
            return [], (f"dnat {f.nft} to tcp dport map {{ 80 : {pair()}, 443 : {pair()}, "
                        f"9000 : {pair()} }}"), ()
        if kind == "namedat":
            name = self.fresh("m")
            a = self.type("daddr")
            p = self.probe()
            table.objects[name] = (f"map {name} {{ type {a} . inet_service : {a} . inet_service; elements = {{ "
                                   f"{p['dst']} . {p['dport']} : {pair()} }}; }}")
            return [], f"dnat {f.nft} to {f.nft} daddr . tcp dport map @{name}", ()
        if kind == "random" and self.odd:
            return [], f"dnat{ip} to numgen random mod 2 map {{ 0 : {to()}, 1 : {to()} }}", ()
        if kind == "jhash" and self.odd:
            return [], (f"dnat{ip} to jhash {f.nft} saddr . tcp sport mod 2 seed 0x{r.randrange(1, 1 << 31):x} "
                        f"map {{ 0 : {to()}, 1 : {to()} }}"), ("jhash",)
        if kind == "range" and self.odd:
            return [], f"dnat{ip} to {f.containers['c1']}-{f.containers['c3']}", ("nat-range",)
        if kind == "prefix":
            whole, part = (120, "fd00:18::/120") if f.v6 else (24, "172.18.0.0/24")
            return [], f"dnat {f.nft} prefix to {f.nft} daddr map {{ {f.net(f.host[0], whole)} : {part} }}", ()
        return [], f"dnat{ip} to {f.at(*at())}", ()

    def snat(self, table, hook):
        r, f = self.rng, self.fam
        ip = f" {f.nft}" if table.family == "inet" else ""
        return "masquerade" if hook == "postrouting" and self.maybe(0.5) else f"snat{ip} to {self.snat_to}"

    # ---- rules and chains ----

    def rule(self, table, hook, kind, jumps):
        r = self.rng
        x = r.random()
        least = 0 if self.maybe(0.2) else 1
        if hook == "any":
            verb = f"{r.choice(['jump', 'goto'])} {r.choice(jumps)}" if jumps and x < 0.4 else \
                r.choice(["return", "accept", "drop" if self.maybe(0.5) else "accept", self.statement(hook), self.statement(hook),
                          self.vmap(table, hook, jumps)])
        elif jumps and x < 0.28:
            verb = f"{r.choice(['jump', 'jump', 'jump', 'goto'])} {r.choice(jumps)}"
        elif kind == "nat" and x < 0.8:
            if hook in ("prerouting", "output"):
                extra, verb, found = self.dnat(table)
                out, tags = self.matches(table, hook, least)
                return self.finish(table, Rule(extra + out, verb, tags | set(found)))
            verb = self.snat(table, hook)
        elif x < 0.36:
            verb = self.vmap(table, hook, jumps)
        elif kind == "filter" and hook in ("input", "forward", "output") and x < 0.46:
            verb = self.reject(table)
        elif x < 0.51:
            verb = "drop"
        elif x < 0.66:
            verb = "accept"
        elif x < 0.70:
            verb = "return"
        elif hook in ("prerouting", "output") and kind == "filter" and x < 0.73:
            verb = "notrack"
        else:
            verb = self.statement(hook)
            if self.maybe(0.2):
                verb += f" {self.inner_verdict(jumps)}"
        found = ()
        if self.odd and self.maybe(0.01):
            name = self.fresh("d")
            table.objects[name] = f"set {name} {{ type {self.type('saddr')}; size 999; flags dynamic,timeout; timeout 1m; }}"
            verb, found = f"{r.choice(['add', 'update'])} @{name} {{ {self.word('saddr', None)} }} {verb}", ("dynset",)
        out, tags = self.matches(table, hook, 1 if verb in ("drop",) or "reject" in verb else least)
        if (verb == "drop" or "reject" in verb) and self.maybe(0.8):
            out.insert(0, self.narrow_match())
        if self.maybe(0.15):
            out.append("counter")
        return self.finish(table, Rule(out, verb, tags | set(found)))

    def user_chains(self, table, stem, hook, kind, extra=()):
        """Chains that only chains of this hook and kind call, nested up to three deep."""
        callable_ = list(extra)
        for level in (3, 2, 1):
            made = []
            for k in range(self.rng.choice([0, 1, 1, 2])):
                chain = Chain(f"{stem}_{level}{'ab'[k]}")
                for _ in range(self.rng.randint(1, 4)):
                    chain.rules.append(self.rule(table, hook, kind, callable_))
                table.chains.append(chain)
                made.append(chain.name)
            callable_ += made
        return callable_

    def priority(self, hook, kind):
        r = self.rng
        while True:
            if kind == "nat":
                p = r.choice([-100, -150, -99, 0, 50, r.randint(-190, 300)]) if hook in ("prerouting", "output") else \
                    r.choice([100, 101, 0, r.randint(-190, 300)])
            else:
                p = r.choice([-300, -150, 0, 0, 10, -1, r.randint(-400, 400)])
            if p not in self.used.setdefault(hook, set()):
                self.used[hook].add(p)
                return p

    def base(self, table, hook, kind, jumps):
        policy = "drop" if kind == "filter" and self.maybe(0.07) else "accept"
        chain = Chain(f"b_{hook[:4]}_{kind[0]}{self.fresh('')}",
                      f"type {kind} hook {hook} priority {self.priority(hook, kind)}; policy {policy};")
        chain.rules = [Rule([], g, fixed=True) for g in GUARD]
        if kind == "nat":
            chain.rules.insert(0, Rule([], TRACKED, fixed=True))
        if self.tproxy and hook == "prerouting":
            chain.rules.insert(1, Rule([GUARD[1].replace(" accept", "")],
                                       f"socket transparent 1 meta mark set 0x{MARK_LOCAL:x} accept", fixed=True))
        for _ in range(self.rng.randint(1, 6)):
            chain.rules.append(self.rule(table, hook, kind, jumps))
        if jumps and self.maybe(0.6):
            out, tags = self.matches(table, hook, 1)
            chain.rules.insert(self.rng.randint(sum(x.fixed for x in chain.rules), len(chain.rules)),
                               self.finish(table, Rule(out[:1], f"jump {jumps[-1]}", tags)))
        if policy == "drop" and self.maybe(0.7):
            out, tags = self.matches(table, hook, 1)
            chain.rules.append(Rule(out[:1], "accept", tags))
        table.chains.append(chain)
        return chain

    def ingress(self):
        """A chain on the device itself, before everything else."""
        table = Table("netdev", "early")
        chain = Chain("in",
                      f'type filter hook ingress device "eth0" priority {self.rng.randint(-9, 9)};')
        chain.rules = [Rule([], g, fixed=True) for g in GUARD]
        for _ in range(self.rng.randint(1, 2)):
            match = [self.narrow_match() for _ in range(self.rng.randint(1, 2))]
            chain.rules.append(Rule(match, self.rng.choice(["drop", "drop", "accept", "counter"]),
                                    ("ingress",)))
        table.chains.append(chain)
        return table

    def generate(self, odd=True, tproxy=False, small=False, origin="external"):
        """odd: chance and state may occur."""
        r = self.rng
        self.odd = odd and self.maybe(0.5)
        # A loopback address cannot be answered by way of an address that is not the host's.
        self.snat_to = self.fam.host[0] if origin == "host" else self.fam.snat
        self.tproxy = tproxy
        rs = Ruleset(self.netns, "nft", self.fam)
        hooks = [("prerouting", "filter", 0.45), ("prerouting", "nat", 0.85),
                 ("input", "filter", 0.55), ("input", "nat", 0.08), ("forward", "filter", 0.6),
                 ("postrouting", "filter", 0.2), ("postrouting", "nat", 0.35)]
        if self.netns != "host":
            hooks = [("prerouting", "filter", 0.3), ("prerouting", "nat", 0.6),
                     ("input", "filter", 0.6)]
        if origin == "host" and self.netns == "host":
            hooks = [("output", "filter", 0.5), ("output", "nat", 0.8), ("output", "route", 0.2),
                     ("prerouting", "filter", 0.2), ("prerouting", "nat", 0.4),
                     ("input", "filter", 0.5), ("postrouting", "filter", 0.2),
                     ("postrouting", "nat", 0.3)]
        for k in range(1 if small else r.choice([1, 1, 2, 3])):
            table = Table(r.choice([self.fam.nft, "inet"]), f"t{k}")
            shared = self.user_chains(table, "sh", "any", "any") if self.maybe(0.4) else []
            for hook, kind, chance in hooks:
                if self.maybe(chance if k == 0 else chance * 0.5):
                    jumps = self.user_chains(table, f"u_{hook[:4]}_{kind[0]}", hook, kind, shared)
                    self.base(table, hook, kind, jumps)
            if tproxy and k == 0:
                chain = self.base(table, "prerouting", "filter", [])
                word = f" {self.fam.nft}" if table.family == "inet" else ""
                chain.rules.insert(3, Rule([f"tcp dport {self.value('dport')}"],
                                           f"tproxy{word} to :{TPROXY_PORT} meta mark set 0x{MARK_LOCAL:x} accept",
                                           ("tproxy",)))
            if origin != "host" and self.maybe(0.1):
                self.base(table, "output", "filter", [])
            if table.chains:
                rs.tables.append(table)
        if self.netns == "host" and self.maybe(0.02):
            rs.tables.append(self.ingress())
        if self.netns == "host" and self.maybe(0.12):
            rs.tables.append(gen_l2.bridge(self))
        if self.netns == "host" and self.maybe(0.12):
            rs.tables.append(gen_l2.egress(self))
        return rs

# SPDX-License-Identifier: GPL-2.0-or-later
"""Random policy rules and routes of the host, as lines of `ip`."""

TABLES = (300, 301, 70000)
FIRST, LAST = 200, 230  # preferences of random rules
GUARD = 150  # before them: what goes to clients is routed as ever, so that answers get back


class Routing:
    """guarded: answers get back whatever the rules say; else only what arrives can be judged."""

    def __init__(self, rng, fam, probes, origin):
        self.rng, self.fam, self.probes, self.origin = rng, fam, probes, origin
        self.found = set()
        self.guarded = rng.random() < 0.7
        self.rules, self.routes = [], []
        for table in rng.sample(TABLES, rng.randint(1, 3)):
            self._table(table)
        prefs = sorted(rng.sample(range(FIRST, LAST), rng.randint(1, 6)))
        for pref in prefs:
            self.rules.append(f"rule add pref {pref} {self._rule(pref, prefs)}")

    # ---- routes ----

    def _dst(self):
        f, r = self.fam, self.rng
        some = r.choice(f.dsts + [p["dst"] for p in self.probes])
        return r.choice(["default", "default", f.net(some, f.bits), f.net(some, r.choice(f.prefixes))])

    def _way(self):
        f, r = self.fam, self.rng
        return r.choice([f"via {f.remote} dev eth1"] * 3 + [f"via {f.clients[0]} dev eth0"] * 2 +
                        ["dev br0", "dev br0", f"via {f.containers['c1']} dev br0"])

    def _route(self):
        f, r = self.fam, self.rng
        kind = r.random()
        if kind < 0.25:
            return f"{r.choice(['blackhole', 'unreachable', 'prohibit', 'throw', 'throw'])} {self._dst()}"
        if kind < 0.35:
            self.guarded = False  # IPv4 answers from no address that only such a route makes its own
            return f"local {self._dst()} dev lo"
        if kind < 0.5:
            self.found.add("chance")
            hops = r.sample([f"via {f.remote} dev eth1", f"via {f.clients[0]} dev eth0",
                             f"via {f.containers['c2']} dev br0"], r.randint(2, 3))
            return f"{self._dst()} " + " ".join(f"nexthop {h} weight {r.randint(1, 5)}" for h in hops)
        text = f"{self._dst()} {self._way()}"
        if f.v6 and r.random() < 0.2:
            text = f"{self._dst()} from {self._src()} {self._way()}"
        if not f.v6 and r.random() < 0.08:
            text += " tos 0x10"
        return text

    def _table(self, table):
        r, seen = self.rng, set()
        for metric in range(r.randint(1, 4)):
            text = self._route()
            number = r.choice([10, 20 + metric, 30 + metric])
            dst = next(w for w in text.split() if "/" in w or w == "default" or "." in w or ":" in w)
            if (dst, number) not in seen:
                seen.add((dst, number))
                self.routes.append(f"route add {text} table {table} metric {number}")

    # ---- rules ----

    def _src(self):
        f, r = self.fam, self.rng
        some = r.choice([p["src"] for p in self.probes] + f.clients + f.inside + f.host)
        return f.net(some, r.choice([f.bits] + f.prefixes))

    def _to(self):
        f, r = self.fam, self.rng
        return f.net(r.choice([p["dst"] for p in self.probes] + f.dsts), r.choice([f.bits] + f.prefixes))

    def _port(self, key):
        r = self.rng
        port = r.choice(self.probes)[key]
        return r.choice([f"{port}", f"{max(1, port - r.randint(0, 5000))}-{min(65535, port + r.randint(0, 5000))}"])

    def _match(self):
        r = self.rng
        kind = r.choice(["from", "from", "to", "fwmark", "fwmark", "iif", "sport", "dport", "proto",
                         "tos", "oif", "uid"])
        if kind == "uid" and r.random() < 0.3:
            return "uidrange 0-0" if r.random() < 0.5 else "uidrange 5-4294967294"
        return {"from": lambda: f"from {self._src()}", "to": lambda: f"to {self._to()}",
                "fwmark": lambda: r.choice(["fwmark 0/0x3", "fwmark 1/1", "fwmark 2/0x2", "fwmark 4/0xc",
                                            "fwmark 0x3"]),
                "iif": lambda: f"iif {r.choice(['eth0', 'eth0', 'lo', 'br0', 'eth1'])}",
                "oif": lambda: f"oif {r.choice(['eth0', 'lo'])}",
                "sport": lambda: f"ipproto tcp sport {self._port('sport')}",
                "dport": lambda: f"dport {self._port('dport')}",
                "proto": lambda: f"ipproto {r.choice(['tcp', 'tcp', 'udp'])}",
                "tos": lambda: "tos 0x10", "uid": lambda: f"from {self._src()}"}[kind]()

    def _rule(self, pref, prefs):
        r = self.rng
        words = {}
        for _ in range(r.choice([0, 1, 1, 1, 2])):
            text = self._match()
            words[text.split()[-2]] = text
        head = ("not " if words and r.random() < 0.15 else "") + " ".join(words.values())
        if not words:
            head = "from all"
        kind = r.random()
        if kind < 0.12:
            return f"{head} {r.choice(['blackhole', 'unreachable', 'prohibit'])}"
        if kind < 0.2 and pref != prefs[-1]:
            return f"{head} goto {r.choice([p for p in prefs if p > pref] + [LAST + 9])}"
        if kind < 0.25:
            return f"{head} nop"
        text = f"{head} lookup {r.choice(TABLES + (254,))}"
        if r.random() < 0.2:
            text += f" suppress_prefixlength {r.choice([0, 0, 8, 16, 24])}"
        return text

    # ---- both ----

    def lines(self):
        out = []
        if self.guarded:
            nets = sorted({self.fam.net(a, self.fam.bits) for a in
                           self.fam.clients + self.fam.elsewhere + [self.fam.snat] +
                           [p["src"] for p in self.probes]})
            out += [f"rule add pref {GUARD} to {net} lookup 254" for net in nets]
            # … and what the host itself got for its own addresses
            out += [f"rule add pref {GUARD - 1} iif lo to {net} lookup 255" for net in nets]
        return out + self.routes + self.rules

    def undo(self):
        return [f"route flush table {t}" for t in TABLES]

    def tags(self):
        return set(self.found)

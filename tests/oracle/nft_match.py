# SPDX-License-Identifier: GPL-2.0-or-later
"""Random nft matches and sets, mostly true for one of the probes."""

import ipaddress

from gen_bytes import NftBytes
from remember import nft_state

from universe import PORTS


class NftMatches(NftBytes):
    """fam: Family; probes: what rules should hit; netns: the host or a container's name."""

    def __init__(self, rng, fam, probes, netns="host"):
        self.rng = rng
        self.fam = fam
        self.probes = probes
        self.netns = netns
        self.counter = 0
        self.bytes_share = 0.06
        self.used = {}  # hook -> priorities that are taken

    # ---- values ----

    def maybe(self, p):
        return self.rng.random() < p

    def probe(self):
        return self.rng.choice(self.probes)

    def value(self, field):
        """A value that the field often has, seen anywhere on the way."""
        p = self.probe()
        if field == "saddr":
            return p["src"]
        if field == "daddr":
            return p["dst"] if self.maybe(0.6) else self.rng.choice(self.fam.targets)
        if field == "sport":
            return p["sport"]
        return p["dport"] if self.maybe(0.65) else self.rng.choice(PORTS)

    def other(self, field):
        r = self.rng
        if field == "saddr":
            return r.choice(self.fam.clients)
        if field == "daddr":
            return r.choice(self.fam.dsts)
        if field == "sport":
            return r.randrange(1024, 65536)
        return r.choice(PORTS)

    def fresh(self, stem):
        self.counter += 1
        return f"{stem}{self.counter}"

    def interval(self, field, value):
        """An interval holding value, as (low, high) numbers."""
        if field in ("saddr", "daddr"):
            lo, hi = self.fam.span(self.rng, value)
            return self.fam.num(lo), self.fam.num(hi)
        return (max(0, value - self.rng.choice([0, 1, 20, 700])),
                min(65535, value + self.rng.choice([0, 1, 30, 900])))

    def spell(self, field, n):
        return self.fam.text(n) if field in ("saddr", "daddr") else str(n)

    def elements(self, field, intervals):
        """Texts of disjoint elements, among them (probably) the field's value."""
        taken, out = [], []
        for k in range(self.rng.randint(1, 5)):
            v = self.value(field) if k == 0 or self.maybe(0.3) else self.other(field)
            if intervals and self.maybe(0.5):
                lo, hi = self.interval(field, v)
                if field in ("saddr", "daddr") and self.maybe(0.5):
                    net = ipaddress.ip_network(self.fam.net(v, self.rng.choice(self.fam.prefixes)))
                    lo, hi = int(net[0]), int(net[-1])
                    text = str(net)
                else:
                    text = f"{self.spell(field, lo)}-{self.spell(field, hi)}" if lo < hi else \
                        self.spell(field, lo)
            else:
                lo = hi = v if isinstance(v, int) else self.fam.num(v)
                text = self.spell(field, lo)
            if all(hi < a or lo > b for a, b in taken):
                taken.append((lo, hi))
                out.append(text)
        return out

    def word(self, field, table):
        if field in ("saddr", "daddr"):
            return f"{self.fam.nft} {field}"
        return self.rng.choice(["tcp", "tcp", "tcp",
                                "th"]) + f" {field}" if table else f"tcp {field}"

    def type(self, field):
        return f"{'ipv6' if self.fam.v6 else 'ipv4'}_addr" if field in ("saddr", "daddr") else \
            "inet_service"

    # ---- matches ----

    def field_match(self, table, field):
        r, addr = self.rng, field in ("saddr", "daddr")
        v = self.value(field)
        word = self.word(field, table)
        kind = r.choice(["eq", "eq", "neq", "set", "set", "nset", "range", "nrange", "named",
                         "named", "mask", "less", "prefix", "prefix", "concat", "concat", "raw"])
        if kind == "eq":
            return f"{word} {v}"
        if kind == "neq":
            return f"{word} != {self.other(field)}"
        if kind in ("set", "nset"):
            return f"{word} {'!= ' if kind == 'nset' else ''}{{ {', '.join(self.elements(field, True))} }}"
        if kind in ("range", "nrange"):
            lo, hi = self.interval(field, v if kind == "range" else self.other(field))
            if lo == hi:
                return f"{word} {self.spell(field, lo)}"
            return f"{word} {'!= ' if kind == 'nrange' else ''}{self.spell(field, lo)}-{self.spell(field, hi)}"
        if kind == "named":
            return f"{word} {'!= ' if self.maybe(0.25) else ''}@{self.named_set(table, [field])}"
        if kind == "mask":
            return self.mask_match(word, field, v)
        if kind == "less":
            return f"{word} {r.choice(['<', '>', '<=', '>='])} {v if self.maybe(0.5) else self.other(field)}"
        if kind == "prefix" and addr:
            return f"{word} {'!= ' if self.maybe(0.2) else ''}{self.fam.net(v, r.choice(self.fam.prefixes))}"
        if kind == "raw" and not addr:
            return f"@th,{16 if field == 'dport' else 0},16 {v}"
        if kind == "concat":
            return self.concat_match(table)
        return f"{word} {v}"

    def narrow_match(self):
        """One that only some packets meet: else a drop leaves nothing to the rules behind it."""
        field = self.rng.choice(["dport", "dport", "saddr", "daddr"])
        return f"{self.word(field, None)} {self.value(field)}"

    def mask_match(self, word, field, v):
        r, op = self.rng, "!=" if self.maybe(0.3) else "=="
        if field in ("saddr", "daddr"):
            mask = r.choice(self.fam.masks)
            return f"{word} & {mask} {op} {self.fam.masked(v if op == '==' else self.other(field), mask)}"
        mask = r.choice([0xff, 0xff00, 0xf, 0x1, 0xfff0, 0x8001])
        return f"{word} & {mask} {op} {(v if op == '==' else self.other(field)) & mask}"

    def concat_fields(self):
        return self.rng.choice([["daddr", "dport"], ["saddr", "dport"], ["saddr", "daddr", "dport"],
                                ["saddr", "daddr"], ["daddr", "sport"], ["dport", "saddr"]])

    def concat_element(self, fields, intervals, hit):
        parts = []
        for f in fields:
            v = self.value(f) if hit else self.other(f)
            if intervals and self.maybe(0.6):
                lo, hi = self.interval(f, v)
                if f in ("saddr", "daddr") and self.maybe(0.6):
                    parts.append(self.fam.net(v, self.rng.choice(self.fam.prefixes)))
                elif lo < hi:
                    parts.append(f"{self.spell(f, lo)}-{self.spell(f, hi)}")
                else:
                    parts.append(self.spell(f, lo))
            else:
                parts.append(str(v))
        return " . ".join(parts)

    def from_one_probe(self, fields):
        p = self.probe()
        return " . ".join(str({"saddr": p["src"], "daddr": p["dst"], "sport": p["sport"],
                               "dport": p["dport"]}[f]) for f in fields)

    def concat_match(self, table):
        fields = self.concat_fields()
        word = " . ".join(self.word(f, None) for f in fields)
        if self.maybe(0.5):
            return f"{word} {'!= ' if self.maybe(0.2) else ''}@{self.named_set(table, fields)}"
        els = {self.from_one_probe(fields)} | {self.concat_element(fields, False, self.maybe(0.5))
                                              for _ in range(self.rng.randint(0, 3))}
        return f"{word} {{ {', '.join(sorted(els))} }}"

    def named_set(self, table, fields):
        name = self.fresh("s")
        intervals = self.maybe(0.5)
        if len(fields) == 1:
            els = self.elements(fields[0], intervals)
        else:
            # Overlapping concatenated ranges are refused, so: one of them, or plain values.
            els = [self.concat_element(fields, True, True)] if intervals else \
                sorted({self.from_one_probe(fields)} | {self.concat_element(fields, False, self.maybe(0.5))
                                                       for _ in range(self.rng.randint(0, 3))})
        kind = " . ".join(self.type(f) for f in fields)
        flags = "flags interval; " if intervals else ""
        extra = "auto-merge; " if intervals and len(fields) == 1 and self.maybe(0.3) else ""
        counter = "counter; " if self.maybe(0.1) and not intervals else ""
        table.objects[name] = f"set {name} {{ type {kind}; {flags}{extra}{counter}elements = {{ {', '.join(els)} }}; }}"
        if self.maybe(0.05):
            table.objects[name] = f"set {name} {{ type {kind}; {flags}}}"
        return name

    def meta_match(self, table, hook):
        r = self.rng
        into = "eth0"
        out = {"host": "br0"}.get(self.netns, "eth0")
        rows = [f'iifname "{into}"', 'iifname "eth*"', 'iifname != "br*"', 'iifname != "lo"',
                'iifname { "eth0", "lo" }', 'iifname "br0"', 'iif "eth0"', "meta l4proto tcp",
                "meta l4proto { tcp, udp }", "meta l4proto 6", "meta iiftype ether",
                "meta pkttype host", "meta pkttype { unicast, multicast }", 'iif != "lo"',
                f"meta protocol {'ip6' if self.fam.v6 else 'ip'}",
                "ip6 nexthdr tcp" if self.fam.v6 else "ip protocol tcp",
                "ip6 version 6" if self.fam.v6 else "ip version 4",
                'iifname . tcp dport { "eth0" . %d, "br0" . 80 }' % self.value("dport"),
                "meta l4proto != udp"]
        if table.family == "inet":
            rows += [f"meta nfproto {'ipv6' if self.fam.v6 else 'ipv4'}"] * 2
        if hook == "output":
            rows += ['oifname "lo"', 'oifname "br0"', 'oifname != "lo"', 'oif "lo"', 'oifname "eth*"',
                     'oifname { "lo", "br0" }', 'oifname "lo"']
        if hook in ("prerouting", "input"):
            rows += ['iifname "lo"', 'iif "lo"']
        if hook in ("forward", "postrouting"):
            rows += [f'oifname "{out}"'] * 3 + ['oifname "br*"', 'oifname != "eth1"',
                                                f'oif "{out}"',
                                                'oifname . iifname { "br0" . "eth0" }',
                                                'oifname != "eth0"', 'oifname "eth1"']
        return r.choice(rows)

    def mark_match(self):
        r = self.rng
        m, v = r.choice([0xf, 0x3, 0x8, 0xff]), r.randrange(16)
        return r.choice([f"meta mark 0x{v:x}", f"meta mark != 0x{v:x}", "meta mark 0",
                         f"meta mark & 0x{m:x} == 0x{v & m:x}",
                         f"meta mark & 0x{m:x} != 0x{v & m:x}",
                         f"meta mark {{ 0, 0x1, 0x{v + 2:x} }}", f"meta mark 0-0x{v + 1:x}",
                         f"ct mark 0x{v:x}", "ct mark 0", f"ct mark & 0x{m:x} == 0x{v & m:x}",
                         f"ct mark != {{ 0x{v + 1:x}, 0x20 }}", f"meta mark < 0x{v + 1:x}"])

    def ct_match(self):
        r, f = self.rng, self.fam.nft
        p = self.probe()
        return r.choice(["ct state new", "ct state new", "ct state { new, untracked }",
                         "ct state != established", "ct state established,related", "ct state invalid",
                         "ct state untracked", "ct state != { established, related }",
                         "ct direction original", "ct direction original", "ct status dnat",
                         "ct status & dnat == 0", "ct status & (dnat|snat) != 0", "ct status confirmed",
                         "ct status != snat", f"ct original {f} daddr {p['dst']}",
                         f"ct original {f} saddr {self.fam.net(p['src'], 20 if not self.fam.v6 else 64)}",
                         f"meta l4proto tcp ct original proto-dst {p['dport']}",
                         f"meta l4proto tcp ct original proto-dst != {self.other('dport')}",
                         f"ct l3proto {'ipv6' if self.fam.v6 else 'ipv4'}", "ct protocol tcp", "ct zone 0"])

    def fib_match(self, hook):
        rows = ["fib daddr type local", "fib daddr type local", "fib daddr type != local",
                "fib daddr type { local, broadcast }", "fib saddr type unicast",
                "fib saddr type != local", "fib daddr type unicast"]
        if hook in ("prerouting", "input", "forward"):
            dev = "br0" if self.netns == "host" else "eth0"
            rows += ["fib daddr . iif type local", "fib saddr . iif oif exists",
                     'fib saddr oif "eth0"', f'fib daddr oifname "{dev}"', f'fib daddr oif "{dev}"',
                     "fib saddr . iif oif != 0"]
        return self.rng.choice(rows)

    def flags_match(self):
        return self.rng.choice(["tcp flags syn", "tcp flags == syn", "tcp flags & (syn|ack) == syn",
                                "tcp flags & (fin|rst) == 0", "tcp flags { syn, syn|ack }",
                                "tcp flags != ack", "tcp flags & ack == 0", "tcp flags & syn != 0",
                                "tcp flags & (fin|syn|rst|ack|urg|psh) == syn"])

    def odd_match(self, table, hook):
        """Matches on what nobody can know beforehand, and choices by chance: (text, tags)."""
        r = self.rng
        if self.maybe(0.6):
            return nft_state(self, table)
        return r.choice([("numgen random mod 4 < 2", ()), ("numgen random mod 100 >= 30", ()),
                         ("numgen random mod 3 offset 1 != 2", ()), ("numgen random mod 8 { 0, 3, 5-7 }", ()),
                         (f"jhash {self.fam.nft} saddr mod 4 seed 0x{r.randrange(1, 1 << 31):x} < 2", ("jhash",)),
                         ("symhash mod 4 < 2", ("symhash",)), ("ct expiration > 1s", ("exotic",))])

    def matches(self, table, hook, least=0):
        r, out, tags = self.rng, [], set()
        for _ in range(max(least, r.choice([0, 1, 1, 1, 2, 2, 3]))):
            x = r.random()
            if self.maybe(self.bytes_share):
                out.append(self.bytes_match(hook))
            elif x < 0.3:
                out.append(self.field_match(table, "dport"))
            elif x < 0.44:
                out.append(self.field_match(table, "daddr"))
            elif x < 0.56:
                out.append(self.field_match(table, "saddr"))
            elif x < 0.60:
                out.append(self.field_match(table, "sport"))
            elif x < 0.72:
                out.append(self.meta_match(table, hook))
            elif x < 0.79:
                out.append(self.mark_match())
            elif x < 0.87:
                out.append(self.ct_match())
            elif x < 0.93:
                out.append(self.fib_match(hook))
            elif x < 0.97:
                out.append(self.flags_match())
            elif x < 0.98 or not self.odd:
                out.append("numgen random mod 2 0" if self.odd else self.flags_match())
            else:
                text, found = self.odd_match(table, hook)
                out.append(text)
                tags |= set(found)
        return out, tags

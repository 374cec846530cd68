# SPDX-License-Identifier: GPL-2.0-or-later
"""Random iptables rulesets, for iptables-nft-restore and iptables-legacy-restore alike."""

from gen_bytes import XtBytes
from remember import xt_state
from ruleset import Chain, Rule, Ruleset, Table
from universe import (MARK_LOCAL, MARK_REMOTE, MARK_UNREACHABLE, PORTS, TPROXY_PORT)

GUARD = ["! -p tcp -j ACCEPT", "-p tcp -m tcp ! --syn -j ACCEPT"]
# In the nat table: makes the kernel track connections, without which no nat chain ever runs.
TRACKED = "-m conntrack --ctdir REPLY -j ACCEPT"
BUILTIN = {"raw": ["PREROUTING", "OUTPUT"],
           "mangle": ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
           "nat": ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
           "filter": ["INPUT", "FORWARD", "OUTPUT"]}
NEEDS_TCP = ("--dport", "--sport", "--tcp-flags", "--syn", "-m multiport", "--to-ports",
             "tcp-reset")


class XtGen(XtBytes):
    """fam: Family; probes: what rules should hit; netns: the host or a container's name."""

    def __init__(self, rng, fam, probes, netns="host"):
        self.rng = rng
        self.fam = fam
        self.probes = probes
        self.netns = netns
        self.ipsets = []
        self.writes = []
        self.bytes_share = 0.06
        self.prefix = f"o{rng.randrange(1 << 16):x}"

    def maybe(self, p):
        return self.rng.random() < p

    def probe(self):
        return self.rng.choice(self.probes)

    def port(self):
        return self.probe()["dport"] if self.maybe(0.65) else self.rng.choice(PORTS)

    def daddr(self):
        return self.probe()["dst"] if self.maybe(0.6) else self.rng.choice(self.fam.targets)

    def saddr(self):
        return self.probe()["src"] if self.maybe(0.8) else self.rng.choice(self.fam.clients)

    def neg(self, p=0.2):
        return "! " if self.maybe(p) else ""

    # ---- matches ----

    def addr_match(self, flag, addr):
        r, f = self.rng, self.fam
        x = r.random()
        if x < 0.35:
            return f"{self.neg()}{flag} {addr}"
        if x < 0.7:
            return f"{self.neg()}{flag} {f.net(addr, r.choice(f.prefixes))}"
        if x < 0.85:
            mask = r.choice(f.masks)
            return f"{self.neg()}{flag} {f.masked(addr, mask)}/{mask}"
        lo, hi = f.span(r, addr)
        return f"-m iprange {self.neg()}--{'src' if flag == '-s' else 'dst'}-range {lo}-{hi}"

    def port_match(self):
        r, p = self.rng, self.port()
        lo, hi = max(0, p - r.choice([0, 3, 400])), min(65535, p + r.choice([1, 20, 900]))
        other = r.choice(PORTS)
        return r.choice([f"-p tcp -m tcp --dport {p}"] * 6 + [
            f"-p tcp -m tcp ! --dport {other}", f"-p tcp -m tcp --dport {lo}:{hi}", f"-p tcp -m tcp ! --dport {lo}:{hi}",
            f"-p tcp -m tcp --dport {p}:", f"-p tcp -m tcp --dport :{p}",
            f"-p tcp -m multiport --dports {p},{other}", f"-p tcp -m multiport --dports {other},{lo}:{hi}",
            f"-p tcp -m multiport ! --dports {other}", f"-p tcp -m multiport --ports {p},53",
            f"-p tcp -m multiport --dports 22,25,{p},53,110:120"])

    def sport_match(self):
        s = self.probe()["sport"]
        lo, hi = max(1, s - self.rng.choice([0, 900, 9000])), min(65535, s + self.rng.choice([1, 700, 20000]))
        return self.rng.choice([f"-p tcp -m tcp --sport {lo}:{hi}",
                                f"-p tcp -m tcp ! --sport {lo}:{hi}", f"-p tcp -m tcp --sport {s}",
                                "-p tcp -m tcp --sport 1024:65535",
                                f"-p tcp -m multiport --sports {lo}:{hi},22",
                                f"-p tcp -m multiport ! --sports {s}"])

    def iface_match(self, chain):
        rows = ["-i eth0", "-i eth+", "! -i br0", "! -i br+", "-i br0", "! -i lo", "-i eth0"]
        if chain in ("POSTROUTING", "OUTPUT"):
            rows = []
        if chain in ("PREROUTING", "INPUT"):
            rows += ["-i lo", "! -i lo"]
        if chain == "OUTPUT":
            rows += ["-o lo", "! -o lo", "-o br0", "-o lo", "! -o eth+"]
        if chain in ("FORWARD", "POSTROUTING"):
            rows += ["-o br0", "-o br0", "-o br+", "! -o eth1", "! -o eth0", "-o eth1"]
        return self.rng.choice(rows)

    def mark_match(self):
        r = self.rng
        m, v = r.choice([0xf, 0x3, 0x8, 0xff]), r.randrange(16)
        return r.choice([f"-m mark {self.neg()}--mark 0x{v:x}",
                         f"-m mark {self.neg()}--mark 0x{v & m:x}/0x{m:x}", "-m mark --mark 0",
                         f"-m connmark {self.neg()}--mark 0x{v & m:x}/0x{m:x}",
                         "-m connmark --mark 0"])

    def ct_match(self):
        r, p = self.rng, self.probe()
        return r.choice(["-m conntrack --ctstate NEW", "-m conntrack --ctstate NEW,UNTRACKED",
                         "-m conntrack --ctstate RELATED,ESTABLISHED", "-m conntrack ! --ctstate INVALID",
                         "-m conntrack --ctstate INVALID", "-m conntrack --ctstate UNTRACKED",
                         "-m conntrack --ctstate DNAT", "-m conntrack ! --ctstate DNAT",
                         "-m conntrack --ctstate NEW,DNAT", "-m conntrack --ctstate SNAT",
                         "-m state --state NEW", "-m state --state NEW,ESTABLISHED", "-m state ! --state NEW",
                         f"-m conntrack --ctorigdst {self.fam.net(p['dst'], 24 if not self.fam.v6 else 112)}",
                         f"-m conntrack {self.neg()}--ctorigdstport {p['dport']}",
                         f"-m conntrack --ctorigsrc {p['src']}",
                         f"-m conntrack --ctorigdstport {p['dport']}:{p['dport'] + 10}",
                         f"-m conntrack --ctreplsrc {self.daddr()}",
                         "-m conntrack --ctdir ORIGINAL", "-m conntrack --ctstate NEW --ctdir ORIGINAL",
                         "-m conntrack --ctproto 6", "-m conntrack --ctstatus NONE",
                         "-m conntrack --ctstatus CONFIRMED", "-m conntrack --ctstate DNAT --ctorigdst " + p["dst"]])

    def type_match(self, chain):
        rows = ["-m addrtype --dst-type LOCAL", "-m addrtype --dst-type LOCAL",
                "-m addrtype ! --dst-type LOCAL", "-m addrtype --src-type UNICAST",
                "-m addrtype --dst-type UNICAST", "-m addrtype ! --src-type LOCAL",
                "-m addrtype ! --src-type LOCAL --dst-type LOCAL",
                "-m addrtype --dst-type UNICAST,LOCAL"]
        if chain in ("PREROUTING", "INPUT"):
            rows.append("-m addrtype --dst-type LOCAL --limit-iface-in")
        return self.rng.choice(rows)

    def flags_match(self):
        return self.rng.choice(["-p tcp -m tcp --syn", "-p tcp -m tcp --tcp-flags SYN,ACK SYN",
                                "-p tcp -m tcp --tcp-flags ALL SYN",
                                "-p tcp -m tcp ! --tcp-flags SYN,RST SYN,RST",
                                "-p tcp -m tcp --tcp-flags RST NONE",
                                "-p tcp -m tcp --tcp-flags FIN,SYN FIN,SYN",
                                '-m comment --comment "ns/svc:http cluster IP"',
                                "-m comment --comment x", "-p tcp"])

    def odd_match(self, chain):
        """Chance, and what nobody can know beforehand: (text, tags)."""
        r, p = self.rng, self.probe()
        if self.maybe(0.5):
            return xt_state(self, chain)
        prob = f"-m statistic --mode random {self.neg()}--probability {r.choice(['0.5', '0.33333333349', '0.2', '0.9'])}"
        rows = [(prob, ()), (prob, ()), (prob, ())]
        if chain in ("PREROUTING", "INPUT", "FORWARD"):
            rows.append(("-m mac ! --mac-source 02:11:22:33:44:55", ()))
        if chain == "PREROUTING" and self.table_name in ("raw", "mangle"):
            rows.append(("-m rpfilter --loose", ("exotic",)))
        if chain == "FORWARD":
            rows.append(("-m physdev ! --physdev-is-bridged", ("exotic",)))
        rows += [self.set_match(p)] * 2
        return r.choice(rows)

    def set_match(self, p):
        f = "family inet6" if self.fam.v6 else "family inet"
        name = f"{self.prefix}{len(self.ipsets)}"
        kind, entry, dirs = self.rng.choice([
            ("hash:ip", p["src"], "src"), ("hash:net", self.fam.net(p["dst"], 24), "dst"),
            ("hash:ip,port", f"{p['dst']},tcp:{p['dport']}", "dst,dst"),
            ("hash:net,port", f"{self.fam.net(p['src'], 28)},tcp:{p['dport']}", "src,dst"),
            ("bitmap:port", str(p["dport"]), "dst")])
        spec = "range 0-65535" if kind == "bitmap:port" else f
        self.ipsets += [f"create {name} {kind} {spec}", f"add {name} {entry}"]
        return f"-p tcp -m set {self.neg()}--match-set {name} {dirs}", ("ipset",)

    def matches(self, chain, least=1):
        r, out, tags = self.rng, [], set()
        for _ in range(max(least, r.choice([0, 1, 1, 1, 2, 2, 3]))):
            x = r.random()
            if self.maybe(self.bytes_share):
                out.append(self.bytes_match(chain))
            elif x < 0.35:
                out.append(self.port_match())
            elif x < 0.48:
                out.append(self.addr_match("-d", self.daddr()))
            elif x < 0.60:
                out.append(self.addr_match("-s", self.saddr()))
            elif x < 0.63:
                out.append(self.sport_match())
            elif x < 0.70:
                out.append(self.iface_match(chain))
            elif x < 0.78:
                out.append(self.mark_match())
            elif x < 0.85:
                out.append(self.ct_match())
            elif x < 0.92:
                out.append(self.type_match(chain))
            elif x < 0.96 or not self.odd:
                out.append(self.flags_match())
            else:
                text, found = self.odd_match(chain)
                out.append(text)
                tags |= set(found)
        return self.unique(out), tags

    def unique(self, parts):
        """The tools take an option once: later doubles go."""
        seen, out = set(), []
        for part in parts:
            words = {w for w in part.split() if w.startswith("-") and w not in ("-m", "-p")}
            words |= {f"-m {m}" for k, m in zip(part.split(), part.split()[1:]) if k == "-m"
                      and m != "tcp"}
            if not words & seen:
                seen |= words
                out.append(part)
        return out

    # ---- targets ----

    def mark_target(self):
        r = self.rng
        v = r.choice([0, 1, 2, 3, 4, 5, 8, 0xa, 0xf])
        if self.maybe(0.06):
            v |= r.choice([MARK_UNREACHABLE, MARK_REMOTE])
        m = r.choice([0xf, 0x3, 0xffffffff, 0xc]) | v
        return r.choice([f"MARK --set-mark 0x{v:x}", f"MARK --set-xmark 0x{v:x}/0x{m:x}",
                         f"MARK --or-mark 0x{v:x}", f"MARK --and-mark 0x{r.randrange(16):x}",
                         f"MARK --xor-mark 0x{v:x}", f"MARK --set-mark 0x{v & m:x}/0x{m:x}"])

    def statement(self, table, chain):
        r = self.rng
        if self.maybe(self.bytes_share):
            return self.bytes_target(table, chain)
        rows = ['LOG --log-prefix "ept "', f"CONNMARK --set-mark 0x{r.randrange(8):x}",
                "CONNMARK --save-mark", f"CONNMARK --set-xmark 0x{r.randrange(8):x}/0x7", ""]
        if table == "mangle":
            rows += [self.mark_target(), "CONNMARK --restore-mark",
                     "CONNMARK --restore-mark --nfmask 0x7 --ctmask 0x7",
                     "CONNMARK --save-mark --nfmask 0xf --ctmask 0xf", "DSCP --set-dscp 0x0a"
                     if self.maybe(0.2) else self.mark_target()]
        if table in ("raw", "mangle", "filter", "nat"):
            rows += [self.mark_target(), self.mark_target()]
        return r.choice(rows)

    def dnat(self):
        """(matches to go with it, target, tags)"""
        r, f = self.rng, self.fam
        # Answers from elsewhere would not come back through a container.
        targets = f.targets if self.netns == "host" else f.own(self.netns)
        to = r.choice(targets) if self.maybe(0.97) else f.loopback
        port = r.choice([80, 80, 80, 443, 8080, 9000, 8443, 5000])
        if self.maybe(0.75):
            to, port = r.choice([s for s in f.served if s[0] in targets])
        kind = r.choice(["at"] * 6 + ["addr"] * 3 + ["redirect", "redirectport", "redirectport",
                                                     "netmap", "range", "portrange", "port",
                                                     "random"])
        if self.netns != "host" and kind in ("netmap", "range"):
            kind = "at"
        if kind == "addr":
            return [], f"DNAT --to-destination {to}", ()
        if kind == "redirect":
            return [], "REDIRECT", ()
        if kind == "redirectport":
            return ["-p tcp"], f"REDIRECT --to-ports {port}", ()
        if kind == "netmap":
            return [], f"NETMAP --to {'fd00:18::/120' if f.v6 else '172.18.0.0/24'}", ()
        if kind == "range" and self.odd:
            return [], f"DNAT --to-destination {f.containers['c1']}-{f.containers['c3']}", ("nat-range",)
        if kind == "portrange" and self.odd:
            return ["-p tcp"], f"DNAT --to-destination {f.at(to, '8080-8090')}", ("nat-range",)
        if kind == "port":
            return ["-p tcp"], f"DNAT --to-destination :{port}", ()
        if kind == "random":
            return ["-p tcp"], f"DNAT --to-destination {f.at(to, port)} --{r.choice(['random', 'persistent'])}", ()
        return ["-p tcp"], f"DNAT --to-destination {f.at(to, port)}", ()

    def rule(self, table, chain, jumps):
        r, f = self.rng, self.fam
        x = r.random()
        least, extra, tags = (0 if self.maybe(0.2) else 1), [], set()
        if jumps and x < 0.33:
            target = f"{r.choice(['-j', '-j', '-j', '-g'])} {r.choice(jumps)}"
        elif table == "nat" and x < 0.82:
            if chain in ("PREROUTING", "OUTPUT"):
                extra, target, found = self.dnat()
                target, tags = f"-j {target}", set(found)
            elif chain == "POSTROUTING":
                target = r.choice(["-j MASQUERADE", f"-j SNAT --to-source {self.snat_to}"])
            else:
                target = r.choice([f"-j SNAT --to-source {self.snat_to}", "-j ACCEPT", "-j RETURN"])
        elif table == "filter" and x < 0.43:
            kind = r.choice(f.ipt_rejects + ["tcp-reset"] * 3)
            extra = ["-p tcp"] if kind == "tcp-reset" else []
            target = "-j REJECT" if self.maybe(0.3) and not extra else f"-j REJECT --reject-with {kind}"
            least = 1
        elif table == "raw" and x < 0.42:
            target = "-j CT --notrack"
        elif table != "nat" and x < 0.50:
            target, least = "-j DROP", 1
        elif x < 0.66:
            target = "-j ACCEPT"
        elif x < 0.71:
            target = "-j RETURN"
        else:
            statement = self.statement(table, chain)
            target = f"-j {statement}" if statement else ""
        parts, found = self.matches(chain, least)
        if ("DROP" in target or "REJECT" in target) and self.maybe(0.8):
            parts.insert(0, r.choice([f"-p tcp -m tcp --dport {self.port()}", f"-s {self.saddr()}",
                                      f"-d {self.daddr()}"]))
        parts = self.unique(parts)
        if any(w in f"{' '.join(parts + extra)} {target}"
               for w in NEEDS_TCP) or "-p tcp" in " ".join(parts + extra):
            parts = [p.replace("-p tcp", "").strip() for p in parts]
            parts = ["-p tcp"] + [p for p in parts if p]
        return Rule(parts, target, tags | found)

    def generate(self, backend, odd=True, tproxy=False, small=False, origin="external"):
        r = self.rng
        self.origin = origin
        # A loopback address cannot be answered by way of an address that is not the host's.
        self.snat_to = self.fam.host[0] if origin == "host" else self.fam.snat
        self.odd = odd and self.maybe(0.5)
        rs = Ruleset(self.netns, backend, self.fam)
        chances = {"raw": 0.3, "mangle": 0.5, "nat": 0.85, "filter": 0.85}
        if tproxy:
            chances["mangle"] = 1
        for name in ("raw", "mangle", "nat", "filter"):
            if self.maybe(chances[name] * (0.6 if small else 1)):
                rs.tables.append(self.table(name, tproxy))
        if not rs.tables:
            rs.tables.append(self.table("filter", False))
        rs.ipsets = self.ipsets
        rs.writes = self.writes
        return rs

    def table(self, name, tproxy):
        r = self.rng
        self.table_name = name
        table = Table(self.fam.ipt, name)
        relevant = [c for c in BUILTIN[name]
                    if c not in (("FORWARD",) if self.origin == "host" else ("OUTPUT",))]
        if self.netns != "host":
            relevant = [c for c in relevant if c in ("PREROUTING", "INPUT")]
        for chain in BUILTIN[name]:
            made = Chain(chain, "ACCEPT")
            made.fixed = True
            table.chains.append(made)
            if chain not in relevant or not self.maybe(0.8):
                continue
            made.rules = [Rule([], g, fixed=True) for g in GUARD + [TRACKED] * (name == "nat")]
            if tproxy and name == "mangle" and chain == "PREROUTING":
                made.rules.insert(1, Rule([], "-p tcp -m tcp ! --syn -m socket --transparent -j MARK --set-xmark "
                                          f"0x{MARK_LOCAL:x}/0x{MARK_LOCAL:x}", fixed=True))
            jumps = self.user_chains(table, name, chain)
            made.rules += [self.rule(name, chain, jumps) for _ in range(r.randint(1, 6))]
            if jumps and self.maybe(0.6):
                parts, tags = self.matches(chain, 1)
                made.rules.insert(r.randint(sum(x.fixed for x in made.rules), len(made.rules)),
                                  Rule(parts[:1], f"-j {jumps[-1]}", tags))
            if tproxy and name == "mangle" and chain == "PREROUTING":
                made.rules.insert(3, Rule(["-p tcp -m tcp", f"--dport {self.port()}"],
                                          f"-j TPROXY --on-port {TPROXY_PORT} "
                                          f"--tproxy-mark 0x{MARK_LOCAL:x}/0x{MARK_LOCAL:x}",
                                          ("tproxy",)))
            if name in ("filter", "mangle", "raw") and self.maybe(0.12 if name == "filter" else 0.02):
                made.head = "DROP"
                parts, tags = self.matches(chain, 1)
                made.rules.append(Rule(parts[:1], "-j ACCEPT", tags))
        return table

    def user_chains(self, table, name, chain):
        """Chains that only this chain calls, nested up to three deep."""
        callable_ = []
        for level in (3, 2, 1):
            made = []
            for k in range(self.rng.choice([0, 1, 1, 2])):
                new = Chain(f"{chain[:4]}-{level}{'ab'[k]}")
                new.rules = [self.rule(name, chain, callable_) for _ in range(self.rng.randint(1, 4))]
                table.chains.append(new)
                made.append(new.name)
            callable_ += made
        return callable_

# SPDX-License-Identifier: GPL-2.0-or-later
"""Random chains of the link layer: of the bridge between host and containers, and of devices."""

from ruleset import Chain, Rule, Table


def guard(fam):
    """What is no SYN may pass: neighbour discovery, answers, and the rest of connections."""
    return [f"ether type != {fam.nft} accept", "meta l4proto != tcp accept",
            "tcp flags & (fin|syn|rst|ack) != syn accept"]


def _match(gen):
    r, fam = gen.rng, gen.fam
    port = f"ve-{r.choice(['c1', 'c2', 'c3'])}"
    mark = r.choice([0, 1, 2, 3])
    return r.choice([gen.narrow_match()] * 4 + [
        f"oifname {r.choice(['', '!= '])}\"{port}\"", "oifname \"ve-*\"", f"iifname != \"{port}\"",
        f"meta mark {r.choice(['', '!= '])}{mark}", f"meta mark & 0x{r.choice([1, 2, 3]):x} == {mark & 1}",
        f"ether type {fam.nft}", "ether type arp", "meta pkttype host", "meta pkttype other",
        f"meta protocol {fam.nft}", "meta l4proto tcp", "vlan id 7",
        "ether daddr ff:ff:ff:ff:ff:ff", "ether saddr != 00:00:00:00:00:01",
        f"{fam.nft} daddr . tcp dport {{ {r.choice(fam.targets)} . {gen.value('dport')} }}",
        f"tcp dport {{ {gen.value('dport')}, {gen.value('dport') % 60000 + 1} }}"])


def _verb(gen, jumps):
    r = gen.rng
    return r.choice(["drop", "drop", "accept", "counter", "return", f"meta mark set 0x{r.choice([1, 2, 3]):x}",
                     "meta mark set meta mark | 0x2", f"tcp dport vmap {{ {gen.value('dport')} : drop }}"]
                    + [f"{r.choice(['jump', 'goto'])} {j}" for j in jumps])


def _chain(gen, table, name, how, jumps):
    chain = Chain(name, how)
    if how:
        chain.rules = [Rule([], g, fixed=True) for g in guard(gen.fam)]
    for _ in range(gen.rng.randint(1, 4)):
        verb = _verb(gen, jumps)
        least = 1 if "mark" in verb or verb == "counter" else 2
        matches = [_match(gen) for _ in range(gen.rng.randint(1, 2))]
        if verb in ("drop",) and least == 2:
            matches.append(gen.narrow_match())
        chain.rules.append(Rule(matches, verb))
    table.chains.append(chain)
    return name


def bridge(gen):
    """Chains of the bridge family; a packet of the host leaves by output and postrouting."""
    r = gen.rng
    table = Table("bridge", "wire")
    hooks = r.sample(["output", "postrouting", "output", "prerouting", "input", "forward"],
                     r.randint(1, 3))
    jumps = [_chain(gen, table, "u1", None, [])] if gen.maybe(0.5) else []
    for n, hook in enumerate(dict.fromkeys(hooks)):
        priority = r.choice([-300, -200, 0, 100, 300, r.randint(-400, 400)])
        _chain(gen, table, f"b{n}", f"type filter hook {hook} priority {priority}; policy accept;",
               jumps)
    return table


def egress(gen):
    """A chain where packets leave a device."""
    r = gen.rng
    table = Table("netdev", "late")
    jumps = [_chain(gen, table, "u1", None, [])] if gen.maybe(0.4) else []
    for n, device in enumerate(r.sample(["br0", "ve-c1", "ve-c2", "ve-c3", "eth1"], r.randint(1, 2))):
        _chain(gen, table, f"e{n}", f'type filter hook egress device "{device}" priority '
               f"{r.randint(-9, 9)}; policy accept;", jumps)
    return table

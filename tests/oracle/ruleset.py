# SPDX-License-Identifier: GPL-2.0-or-later
"""A ruleset as data that can be rendered, and made smaller piece by piece."""

import copy
import re


class Rule:
    """match, match, …, verb. The guard lines at the head of a chain are fixed: they are never shrunk."""

    def __init__(self, matches=(), verb="", tags=(), fixed=False):
        self.matches = list(matches)
        self.verb = verb
        self.tags = set(tags)
        self.fixed = fixed

    def text(self):
        return " ".join([m for m in self.matches if m] + ([self.verb] if self.verb else []))


class Chain:
    def __init__(self, name, head=""):
        self.name = name
        self.head = head  # nft: the type line; iptables: the policy
        self.rules = []
        self.fixed = False


    def drops(self):
        """Its policy is to drop: then even rules that only let answers through matter."""
        return self.head == "DROP" or "policy drop" in (self.head or "")


class Table:
    def __init__(self, family, name):
        self.family = family
        self.name = name
        self.objects = {}  # name -> text of a set or map
        self.chains = []

    def tags(self):
        return set().union(*(r.tags for c in self.chains for r in c.rules))


class Ruleset:
    """What one tool loads into one namespace: backend is nft, iptables-nft or legacy."""

    def __init__(self, netns, backend, fam):
        self.netns = netns
        self.backend = backend
        self.fam = fam
        self.tables = []
        self.ipsets = []  # lines for "ipset restore"
        self.writes = []  # (file, line) of /proc, once the rules are loaded

    def tags(self):
        return set().union(*(t.tags() for t in self.tables))

    def lines(self):
        """(text, chain, rule) for every line of the text; chain and rule only where it is a rule's."""
        return list(self._nft() if self.backend == "nft" else self._restore())

    def render(self):
        return "\n".join(line for line, _, _ in self.lines()) + "\n"

    def drop_lines(self, numbers):
        """Removes the rules on these lines, counted from 1; returns how many there were."""
        lines, gone = self.lines(), 0
        for number in numbers:
            _, chain, rule = lines[number - 1] if 0 < number <= len(lines) else (None, None, None)
            if rule is not None and rule in chain.rules:
                chain.rules.remove(rule)
                gone += 1
        return gone

    def _nft(self):
        for t in self.tables:
            yield f"table {t.family} {t.name} {{", None, None
            for text in t.objects.values():
                yield f"\t{text}", None, None
            for c in t.chains:
                yield f"\tchain {c.name} {{", None, None
                if c.head:
                    yield f"\t\t{c.head}", None, None
                for r in c.rules:
                    yield f"\t\t{r.text()}", c, r
                yield "\t}", None, None
            yield "}", None, None

    def _restore(self):
        for t in self.tables:
            yield f"*{t.name}", None, None
            for c in t.chains:
                yield f":{c.name} {c.head or '-'} [0:0]", None, None
            for c in t.chains:
                for r in c.rules:
                    yield f"-A {c.name} {r.text()}", c, r
            yield "COMMIT", None, None


def _places(rulesets):
    for i, rs in enumerate(rulesets):
        for t, table in enumerate(rs.tables):
            for c, chain in enumerate(table.chains):
                yield i, t, c, chain


def smaller(rulesets):
    """Yields edits that each take one piece away from such a list, the larger pieces first."""
    for i, rs in enumerate(rulesets):
        if len(rulesets) > 1:
            yield lambda s, i=i: s.pop(i)
        for t in range(len(rs.tables)):
            if len(rs.tables) > 1:
                yield lambda s, i=i, t=t: s[i].tables.pop(t)
    for i, t, c, chain in _places(rulesets):
        if sum(not r.fixed for r in chain.rules) > 1:
            def fixed_only(s, i=i, t=t, c=c):
                chain = s[i].tables[t].chains[c]
                chain.rules = [r for r in chain.rules if r.fixed]
            yield fixed_only
        if not chain.fixed:
            yield lambda s, i=i, t=t, c=c: s[i].tables[t].chains.pop(c)
    for i, t, c, chain in _places(rulesets):
        if chain.rules and all(r.fixed for r in chain.rules) and not chain.drops():
            yield lambda s, i=i, t=t, c=c: s[i].tables[t].chains[c].rules.clear()
        for r in range(len(chain.rules) - 1, -1, -1):
            if chain.rules[r].fixed:
                continue
            yield lambda s, i=i, t=t, c=c, r=r: s[i].tables[t].chains[c].rules.pop(r)
    for i, rs in enumerate(rulesets):
        if rs.ipsets and "match-set" not in rs.render():
            yield lambda s, i=i: s[i].ipsets.clear()
        for t, table in enumerate(rs.tables):
            for name in table.objects:
                yield lambda s, i=i, t=t, name=name: s[i].tables[t].objects.pop(name)
    for i, t, c, chain in _places(rulesets):
        for r, rule in enumerate(chain.rules):
            if rule.fixed:
                continue
            for m in range(len(rule.matches) if rule.verb or len(rule.matches) > 1 else 0):
                yield lambda s, i=i, t=t, c=c, r=r, m=m: s[i].tables[t].chains[c].rules[r].matches.pop(m)


def _without_rules(rulesets, gone):
    """A copy without the rules at these places (ruleset, table, chain, rule)."""
    copied = copy.deepcopy(rulesets)
    for i, t, c, r in sorted(gone, reverse=True):
        copied[i].tables[t].chains[c].rules.pop(r)
    return copied


def _tidy(rulesets):
    """A copy without chains, sets, tables and rulesets that nothing refers to any more."""
    copied = copy.deepcopy(rulesets)
    for rs in copied:
        for _ in range(4):  # chains that called each other
            text = rs.render()
            for table in rs.tables:
                table.chains = [c for c in table.chains if c.fixed or c.head and any(
                    not r.fixed for r in c.rules) or c.drops() or not c.head and
                    re.search(rf"(jump|goto|-j|-g) {c.name}\b", text)]
                table.objects = {n: o for n, o in table.objects.items() if f"@{n}" in text.replace(o, "")}
        for table in rs.tables:
            for c in table.chains:
                if all(r.fixed for r in c.rules) and not c.drops():
                    c.rules.clear()
        rs.tables = [t for t in rs.tables if any(c.rules or c.drops() for c in t.chains)] or \
            rs.tables[:1]
        if "match-set" not in rs.render():
            rs.ipsets = []
    return copied


def shrink(rulesets, still_wrong, tries):
    """The smallest list found for which still_wrong(list) holds, within so many tries. Edits that
    make a ruleset unloadable are none of ours: still_wrong says False then."""
    left = tries

    def keep(candidate):
        nonlocal rulesets, left
        left -= 1
        if left < 0 or not still_wrong(candidate):
            return False
        rulesets = candidate
        return True

    size = None
    while left > 0 and size != 0:
        places = [(i, t, c, r) for i, t, c, chain in _places(rulesets)
                  for r in range(len(chain.rules)) if not chain.rules[r].fixed]
        size = min(size or len(places), len(places) // 2)
        for start in range(len(places) - size, -1, -size) if size else ():
            keep(_without_rules(rulesets, places[start:start + size]))
        size //= 2
        keep(_tidy(rulesets))
    skip = 0
    while left > 0:
        edits = list(smaller(rulesets))
        if skip >= len(edits):
            break
        candidate = copy.deepcopy(rulesets)
        edits[skip](candidate)
        if not keep(candidate):
            skip += 1
    return rulesets

# SPDX-License-Identifier: GPL-2.0-or-later
"""Texts of all rules of a namespace: as edgepath writes them, and as each tool lists its own."""

import os
import re

from netlab import ROOT, LabError

SNAPSHOT = os.path.join(os.environ.get("BUILD") or os.path.join(ROOT, "build"), "tests", "snapshot")
FAMILIES = {"0": "", "1": "inet", "2": "ip", "3": "arp", "5": "netdev", "7": "bridge", "10": "ip6"}


def ours(lab, ns):
    """{backend: {(family, table, chain): [(handle, text), …]}}; a handle is a number as a string."""
    found = {}
    for line in lab.run(ns, [SNAPSHOT, "--rules", lab.name(ns)]).splitlines():
        backend, family, table, chain, handle, text = line.split("\t", 5)
        found.setdefault(backend, {}).setdefault((FAMILIES[family], table, chain), []) \
            .append((handle, text))
    return found


def nft_listed(lab, ns):
    """{(family, table, chain): [(handle, text), …]} of `nft list ruleset`, iptables' tables
    included; counters, which are no part of what a rule does, are left out."""
    found, table, chain, pending = {}, None, None, ""
    # edgepath writes `meta hour` and `meta time` in UTC, wherever its reader is.
    for line in lab.run(ns, ["env", "TZ=UTC", "nft", "-a", "-s", "list", "ruleset"]).splitlines():
        head = re.match(r"(\t?)(table|chain|set|map|counter|quota|limit|flowtable|ct \w+|synproxy|"
                        r"secmark) .*\{ # handle \d+$", line) or \
            re.match(r"(\t)(flowtable) .*\{", line)
        if head and head[2] == "table":
            table = tuple(line.split()[1:3])
        elif head:
            chain = line.split()[1] if head[2] == "chain" else None
        elif chain and line.startswith("\t\t"):
            pending += line[2:] if not pending else " " + line.strip()
            rule = re.fullmatch(r"(.*) # handle (\d+)", pending)
            if rule:
                found.setdefault((*table, chain), []).append((rule[2], tidy(rule[1])))
            if rule or pending.startswith(("type ", "policy ", "comment ")):
                pending = ""
        else:
            chain = chain if line == "" else None
    return found


def tidy(text):
    """Without `counter` and `last`, which edgepath does not show."""
    words = re.split(r'("(?:[^"\\]|\\.)*")', text)
    for n in range(0, len(words), 2):
        words[n] = re.sub(r"(^| )counter(?! name)(?= |$)( packets \d+ bytes \d+)?", "", words[n])
        words[n] = re.sub(r"(^| )last(?= |$)( used (never|\S+))?", "", words[n])
        words[n] = re.sub(r" {2,}", " ", words[n])
    return "".join(words).strip()


def saved(lab, ns, tool):
    """{(table, chain): [text, …]} of an iptables-save tool; legacy ones are asked only for tables
    that exist, so that nothing is made by looking."""
    text = lab.run(ns, [tool])
    found, table = {}, None
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("-A "):
            _, chain, *rest = line.split(" ", 2)
            found.setdefault((table, chain), []).append(rest[0] if rest else "")
    return found


def replaced(lab, ns, key, handle, text):
    """How nft lists the rule once it was given `text` instead; None if nft does not take it."""
    try:
        lab.run(ns, ["env", "TZ=UTC", "nft", "-f", "-"],
                f"replace rule {key[0]} {key[1]} {key[2]} handle {handle} {text}\n")
    except LabError:
        return None
    return dict(nft_listed(lab, ns)[key]).get(handle)

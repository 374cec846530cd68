# SPDX-License-Identifier: GPL-2.0-or-later
"""The text of a rule is that of its own tool: iptables-save, iptables-legacy-save, nft list.

Every ruleset of the corpus beside the checkout, and rules with every option and expression that
these tools can write (rules/*.rules), are loaded into a namespace; there every rule's text by
edgepath is held against the tool's own listing. nft has several spellings for some things: a rule
that is spelt differently is replaced by edgepath's text, and nft's listing has to stay as it was.
"""

import os
import re
import re

import pytest

import ruletext
from netlab import LabError
from test_corpus import FILES

HERE = os.path.dirname(os.path.abspath(__file__))

# What differs and has to: (backend, part of the tool's text, reason). What ruletext.tidy() leaves
# out, counters and `last`, is in no text of edgepath's: they do nothing to a packet.
DIFFERENT = [
    ("nft", "xt match", "nft cannot read what it lists of iptables' extensions"),
    ("nft", "meter ", "a set that is written to; the kernel does not tell that it was called so"),
    ("nft", ", ... }", "edgepath shows the first 32 elements of a set"),
]

needs_helper = pytest.mark.skipif(not os.path.exists(ruletext.SNAPSHOT),
                                  reason=f"{ruletext.SNAPSHOT} is not built: make tests")


def _excused(backend, text):
    return any(b == backend and part in text for b, part, _ in DIFFERENT)


def _differences(lab):
    """(number of rules compared, list of differences)."""
    ours, count, wrong = ruletext.ours(lab, "host"), 0, []
    listed = ruletext.nft_listed(lab, "host") if ours.get("nft") else {}
    for key, rules in ours.get("nft", {}).items():
        theirs = dict(listed.get(key, []))
        for handle, text in rules:
            count += 1
            want = theirs.get(handle)
            if want != text and not _excused("nft", f"{want} {text}") and \
                    ruletext.replaced(lab, "host", key, handle, text) != want:
                wrong.append(f"{' '.join(key)} handle {handle}\n  edgepath: {text}\n"
                             f"  nft list: {want}")
    for backend, kind in (("iptables-nft", "nft"), ("iptables-legacy", "legacy")):
        for family, tool in (("ip", "iptables"), ("ip6", "ip6tables")):
            mine = {key[1:]: [text for _, text in rules]
                    for key, rules in ours.get(backend, {}).items() if key[0] == family}
            theirs = ruletext.saved(lab, "host", f"{tool}-{kind}-save") if mine else {}
            for key in sorted(set(mine) | set(theirs)):
                count += len(theirs.get(key, []))
                if len(mine.get(key, [])) != len(theirs.get(key, [])):
                    wrong.append(f"{tool}-{kind} {key}: {len(mine.get(key, []))} rules, "
                                 f"{len(theirs.get(key, []))} saved")
                wrong += [f"{tool}-{kind} {' '.join(key)}\n  edgepath: {a}\n  save:     {b}"
                          for a, b in zip(mine.get(key, []), theirs.get(key, []))
                          if a != b and not _excused(backend, b)]
    return count, wrong


def _check(lab, least=1):
    count, wrong = _differences(lab)
    assert not wrong, f"{len(wrong)} of {count}:\n" + "\n".join(wrong)
    assert count >= least


@needs_helper
@pytest.mark.skipif(not FILES, reason="the corpus is not beside this checkout")
@pytest.mark.parametrize("path,backend", [
    pytest.param(f, b, id=f"{os.path.basename(f)}-{b}") for f in FILES
    for b in (["nft"] if f.endswith(".nft") else ["iptables_nft", "iptables_legacy"])])
def test_corpus_texts(lab, path, backend):
    with open(path) as source:
        text = source.read()
    if "-v6" in path:
        backend = backend.replace("iptables", "ip6tables")
    lab.ns("host")
    try:
        getattr(lab, backend)("host", text)
    except LabError as err:
        pytest.skip("does not load here: " + str(err).splitlines()[0][-120:])
    _check(lab)


def _sections(name):
    """[(words of the [section], [line, …]), …] of a file of rules."""
    found = []
    with open(os.path.join(HERE, "rules", name)) as source:
        for line in source.read().splitlines():
            if line.startswith("["):
                found.append((line.replace("[", "").replace("]", "").split(), []))
            elif line and not line.startswith("#"):
                found[-1][1].append(line)
    return found


def _load(load, lines):
    """Loads as many lines as possible at once; returns those that are refused."""
    if not lines:
        return []
    try:
        load(lines)
        return []
    except LabError:
        if len(lines) == 1:
            return lines
        half = len(lines) // 2
        return _load(load, lines[:half]) + _load(load, lines[half:])


def _enough_loaded(refused, total):
    """A kernel may lack an extension; a list that mostly does not load tests nothing."""
    print("not taken here:", *refused, sep="\n  ")
    assert len(refused) <= total * 0.1, "\n".join(refused)


@needs_helper
@pytest.mark.parametrize("backend", ["nft", "legacy"])
@pytest.mark.parametrize("family", ["4", "6"])
def test_iptables_options(lab, backend, family):
    lab.ns("host")
    version = "6" if family == "6" else ""
    inet = ["family", "inet6"] if version else []
    lab.run("host", ["ipset", "create", "lab", "hash:ip,port", *inet, "counters", "skbinfo",
                     "timeout", "0"])
    lab.run("host", ["ipset", "create", "labnet", "hash:net", *inet, "counters"])
    lab.run("host", ["nfacct", "add", "lab"], check=False)
    refused, total, started = [], 0, set()
    for (table, version_of, chain), lines in _sections("xt.rules"):
        if version_of != family:
            continue
        total += len(lines)
        rules = {}
        for line in lines:
            rule, _, place = line.partition(" @")
            where, to = place.split() if place else (table, chain)
            rules.setdefault(where, []).append(f"-A {to} {rule}")
        for where, mine in rules.items():
            def load(some, where=where):
                chain = "" if where in started else ":labchain - [0:0]\n"
                getattr(lab, f"ip{version}tables_{backend}")(
                    "host", f"*{where}\n{chain}" + "\n".join(some) + "\nCOMMIT\n")
                started.add(where)
            refused += _load(load, mine)
    _enough_loaded(refused, total)
    _check(lab, total - len(refused))



@needs_helper
def test_nft_expressions(lab):
    lab.ns("host")
    lab.ip("host", "link add eth0 type veth peer name eth1")
    with open(os.path.join(HERE, "rules", "nft.objects")) as source:
        objects = source.read()
    refused, total, tables = [], 0, set()
    for number, ((family, *hook), lines) in enumerate(_sections("nft.rules")):
        if family not in tables:
            tables.add(family)
            lab.nft("host", re.sub(r"\btable FAMILY\b", f"table {family}", objects))
        chain = f"add chain {family} lab c{number}"
        lab.nft("host", chain + (" { type " + " ".join(hook) + "; }\n" if hook else "\n"))
        total += len(lines)
        refused += _load(lambda some: lab.nft("host", "".join(
            f"add rule {family} lab c{number} {line}\n" for line in some)), lines)
    _enough_loaded(refused, total)
    _check(lab, total - len(refused))

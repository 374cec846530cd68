# SPDX-License-Identifier: GPL-2.0-or-later
"""Real rulesets (the corpus beside the checkout): the kernel alone says what is right.

Every file is loaded as it is, into a host that has what the rules speak of: the devices, the
service addresses, and a container that owns every DNAT target. Every port that the file names is
then asked for at every address that it names; and every port that it translates from sources inside
and outside of the prefixes that it names, from others, and from a container. For each of these
destinations there is also one query that leaves the source open: its outcomes have to be disjoint,
and the one that claims a source must be what the kernel did with it. edgepath must agree, or say
unknown with a reason.
"""

import glob
import ipaddress
import os
import random
import re

import pytest

from netlab import ROOT, Lab, LabError, disagreement, edge_topology, have_edgepath

CORPUS = os.path.join(ROOT, "..", "shared", "corpus")
FILES = sorted(f for ending in ("rules", "nft")
               for f in glob.glob(os.path.join(CORPUS, "*." + ending)))
MOST_PROBES = 40
MOST_SOURCES = 9
MOST_TRANSLATED = 6
COMMON_PORTS = [22, 80, 443, 8080]

# name of the device to the outside, of the bridge to the containers
DEVICES = {"docker": ("eth0", "bridge1"), "openwrt": ("pppoe-wan", "br-lan"),
           "diekmann-8": ("eth1", "br0")}

_ADDR = {4: r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])(?!/(?:\d|1\d|2\d|30)\b)",
         6: r"(?<![\w:])(?:[0-9a-f]{1,4}:)+:?(?:[0-9a-f]{1,4}:)*[0-9a-f]{1,4}(?![\w:])"
            r"(?!/(?:\d|\d\d|10\d)\b)"}


def _addresses(text, family):
    found = []
    for word in re.findall(_ADDR[family], text):
        try:
            addr = ipaddress.ip_address(word)
        except ValueError:
            continue
        if addr.version == family and not (addr.is_loopback or addr.is_multicast
                                           or addr.is_unspecified or addr.is_link_local
                                           or int(addr) >> 24 == 255):
            found.append(str(addr))
    return list(dict.fromkeys(found))


def _targets(text, family):
    """Addresses that rules translate to."""
    out = []
    for line in text.splitlines():
        match = re.search(r"(?:--to-destination|\bdnat\b(?: ip6?)?(?: to)?)\s+(.*)", line)
        if match:
            out += _addresses(re.sub(r"\](:\d+)?|\[", " ", match[1]) if family == 6
                              else re.sub(r":\d+", " ", match[1]), family)
    return list(dict.fromkeys(out))


def _ports(text):
    found = re.findall(r"(?:--dports?|--to-ports?|--on-port|\bdport)\s+\{?\s*([\d,: -]+)", text)
    found += re.findall(r"\btcp \. (\d+)", text)
    numbers = [int(n) for group in found for n in re.findall(r"\d+", group)]
    return list(dict.fromkeys(n for n in COMMON_PORTS + numbers if 0 < n < 65536))


def _dnat_ports(text):
    """Ports that rules translate, as far as the same line says which."""
    found = []
    for line in text.splitlines():
        if re.search(r"-j (DNAT|REDIRECT|TPROXY)\b|\b(dnat|redirect|tproxy)\b", line):
            found += re.findall(r"(?:--dports?|\bdport)\s+\{?\s*([\d,: -]+)", line)
    numbers = [int(n) for group in found for n in re.findall(r"\d+", group)]
    return list(dict.fromkeys(n for n in numbers if 0 < n < 65536))


_NET = {4: r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}/\d{1,2}(?![\w.])",
        6: r"(?<![\w:])[0-9a-f:]+/\d{1,3}(?!\w)"}


def _sources(text, family, taken, seed):
    """Addresses inside and outside of the prefixes that the file names, and any others; none of
    them is in a network of the lab's own."""
    rng = random.Random(seed)
    found = []
    for word in re.findall(_NET[family], text):
        try:
            net = ipaddress.ip_network(word, strict=False)
        except ValueError:
            continue
        if net.version == family and 0 < net.prefixlen < net.max_prefixlen:
            last = int(net.broadcast_address)
            found += [int(net.network_address) + 1 + rng.randrange(max(1, net.num_addresses - 2)),
                      last - 1, last + 1 + rng.randrange(250)]
    unicast = [ipaddress.ip_network(n) for n in
               (["1.0.0.0/8", "100.0.0.0/8", "172.0.0.0/8", "192.0.0.0/8", "210.0.0.0/7"]
                if family == 4 else ["2001:db8:f000::/36", "2a00::/16", "fd00::/9"])]
    found = _spread(list(dict.fromkeys(found)), MOST_SOURCES - 3)
    found += [int(net.network_address) + rng.randrange(net.num_addresses)
              for net in rng.sample(unicast, 3)]
    kind = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
    own = [ipaddress.ip_network(n) for n in taken]
    return [str(a) for a in map(kind, found)
            if not any(a in net for net in own) and not (a.is_loopback or a.is_multicast
            or a.is_unspecified or a.is_link_local or int(a) >> 24 in (0, 255))]


def _claims(outcome, src, sport):
    """Whether an outcome of an open query holds for this source."""
    if not any(ipaddress.ip_address(src) in ipaddress.ip_network(p)
               for p in outcome.get("saddr") or ()):
        return False
    bounds = [str(part).partition("-") for part in outcome.get("sport") or ()]
    return any(int(lo) <= sport <= int(hi or lo) for lo, _, hi in bounds)


def _problem(outcome, real):
    if outcome["verdict"] == "unknown" and outcome.get("reason"):
        return None
    return disagreement(dict(outcome, final={}) if real.name == "envoy" else outcome, real,
                        forwarded=("timeout", "unreachable", "refused"))


def _against(what, answer, outcomes, real):
    """One sentence if none of the outcomes is what the kernel did."""
    if answer.json is None:
        return f"{what}: exit {answer.code}, no JSON: {answer.stderr.strip()[-300:]}"
    problems = [_problem(o, real) for o in outcomes]
    return None if None in problems else f"{what}: {'; '.join(problems) or 'no outcome'}"


def _family(path, text):
    return 6 if "-v6" in path or re.search(r"table ip6 ", text) and "table ip " not in text else 4


def _spread(items, most):
    return [items[n * len(items) // most] for n in range(most)] if len(items) > most else items


def _rename(lab, edge, path):
    outside, bridge = next((names for key, names in DEVICES.items()
                            if os.path.basename(path).startswith(key)), ("eth0", "br0"))
    # The names change, the addresses stay; taking a link down removes its routes.
    if bridge != "br0":
        lab.ip("host", "link set br0 down", f"link set br0 name {bridge}",
               f"link set {bridge} up", f"addr replace {edge.bridge6}/64 dev {bridge} nodad")
    if outside != "eth0":
        lab.ip("host", "link set eth0 down", f"link set eth0 name {outside}",
               f"link set {outside} up", f"addr replace {edge.host6}/64 dev {outside} nodad",
               f"route replace default via {edge.client4}",
               f"route replace default via {edge.client6}")
    lab.settle("host", outside, bridge)
    lab.wait_reachable("cl", edge.host4, edge.host6)
    for container in ("c1", "c2"):
        lab.wait_reachable(container, edge.bridge4, edge.bridge6)
    return outside


def _from_everywhere(lab, edge, path, text, family, visited, targets, outside):
    """Every port that is translated, and one that nobody names: from many sources, and from a
    container."""
    length, nodad = (32, "") if family == 4 else (128, " nodad")
    taken = [f"{t}/{length}" for t in targets + visited] + [
        str(ipaddress.ip_network(a, strict=False)) for a in
        ([f"{edge.host4}/24", f"{edge.bridge4}/16"] if family == 4 else
         [f"{edge.host6}/64", f"{edge.bridge6}/64"])]
    sources = _sources(text, family, taken, os.path.basename(path))
    for src in sources:
        lab.ip("cl", f"addr replace {src}/{length} dev lo{nodad}")
    ports = _spread(_dnat_ports(text), MOST_TRANSLATED) + [4999]
    pairs = _spread([(dst, port) for port in ports for dst in visited], MOST_TRANSLATED * 2)
    cases = [dict(dst=dst, port=port, src=src, sport=42001 + n) for n, (dst, port, src) in enumerate(
        (dst, port, src) for dst, port in pairs for src in [edge.client(family), *sources])]
    said = [lab.path("host", c["dst"], c["port"], c["src"], c["sport"], outside) for c in cases]
    opened = {(dst, port): lab.path("host", dst, port, None, None, outside) for dst, port in pairs}
    inner = [dict(dst=dst, port=port, src=edge.container(2, family), sport=52001 + n)
             for n, (dst, port) in enumerate(pairs) if dst not in targets]
    bridge = next((b for key, (_, b) in DEVICES.items()
                   if os.path.basename(path).startswith(key)), "br0")
    inner_said = [lab.path("host", c["dst"], c["port"], c["src"], c["sport"], bridge)
                  for c in inner]
    wrong = []
    for case, answer, real in zip(cases, said, lab.connect_many("cl", cases)):
        what = f"{case['src']}:{case['sport']} to {case['dst']}:{case['port']}"
        whole = opened[case["dst"], case["port"]]
        wrong += [_against(what, answer, answer.outcomes, real),
                  _against(what + ", source open", whole, [
                      o for o in whole.outcomes if _claims(o, case["src"], case["sport"])], real)]
    for case, answer, real in zip(inner, inner_said, lab.connect_many("c2", inner)):
        # Another container on the same bridge answers past the host, so nobody translates it back:
        # what is delivered there may look like silence. The verdict is that of the SYN.
        hairpin = real.kind == "timeout" and any(
            step.get("to") for o in answer.outcomes for step in o.get("steps") or ())
        wrong.append(None if hairpin else _against(
            f"container to {case['dst']}:{case['port']}", answer, answer.outcomes, real))
    return wrong


@pytest.mark.skipif(not FILES, reason="the corpus is not beside this checkout")
@pytest.mark.parametrize("path,backend", [
    pytest.param(f, b, id=f"{os.path.basename(f)}-{b}") for f in FILES
    for b in (["nft"] if f.endswith(".nft") else ["iptables-nft", "iptables-legacy"])])
def test_corpus(lab, path, backend):
    with open(path) as source:
        text = source.read()
    family = _family(path, text)
    length = 128 if family == 6 else 32
    nodad = " nodad" if family == 6 else ""
    edge = edge_topology(lab)
    outside = _rename(lab, edge, path)

    targets = _targets(text, family)
    visited = [edge.host(family)] + [a for a in _addresses(text, family) if a not in targets
                                     and a not in (edge.host(family), edge.client(family))][:8]
    for target in targets:
        lab.ip("c1", f"addr add {target}/{length} dev lo{nodad}")
        lab.ip("host", f"route add {target}/{length} via {edge.container(1, family)}")
    for addr in visited[1:]:
        lab.ip("cl", f"route add {addr}/{length} via {edge.host(family)}")
    six = ["-6"] if family == 6 else []
    for words in ("rule add fwmark 1337 lookup 133", "route add local default dev lo table 133"):
        lab.run("host", ["ip", *six, *words.split()])
    ports = _spread(_ports(text), 24)
    everywhere = "::" if family == 6 else "0.0.0.0"
    lab.listen("host", everywhere, [p for p in ports if p not in (15001, 15006)], name="web",
               v6only=True)
    lab.listen("host", everywhere, [15001, 15006], name="envoy", v6only=True, transparent=True)
    lab.listen("c1", everywhere, sorted(set(ports) | {80, 81, 82, 83, 84, 1234, 3456, 8443}),
               name="c1", v6only=True)
    try:
        if backend == "nft":
            lab.nft("host", text)
        else:
            getattr(lab, f"ip{'6' if six else ''}tables_{backend.split('-')[1]}")("host", text)
    except LabError as err:
        pytest.skip("does not load here: " + str(err).splitlines()[0][-120:])

    src, cases = edge.client(family), []
    for dst in visited:
        cases += [(dst, port) for port in ports]
    cases = [(dst, port, 40001 + n) for n, (dst, port) in enumerate(_spread(cases, MOST_PROBES))]
    answers = [lab.path("host", dst, port, src, sport, outside) if have_edgepath() else None
               for dst, port, sport in cases]
    reals = lab.connect_many("cl", [dict(dst=dst, port=port, src=src, sport=sport)
                                    for dst, port, sport in cases])
    wrong = [_against(f"{dst}:{port} (sport {sport})", answer, answer.outcomes, real)
             for (dst, port, sport), answer, real in zip(cases, answers, reals) if answer]
    if have_edgepath():
        lab.flush_conntrack("host")
        wrong += _from_everywhere(lab, edge, path, text, family, visited, targets, outside)
    wrong = [w for w in wrong if w]
    assert not wrong, "\n".join(wrong)
    if not have_edgepath():
        pytest.skip("edgepath is not built; the kernel: "
                    + ", ".join(sorted({r.kind for r in reals})))


COVERAGE = os.path.join(os.environ.get("BUILD") or os.path.join(ROOT, "build"), "tests", "coverage")


@pytest.mark.skipif(not FILES, reason="the corpus is not beside this checkout")
@pytest.mark.skipif(not os.path.exists(COVERAGE), reason=f"{COVERAGE} is not built: make tests")
def test_expressions_are_decided():
    """Each rule alone, walked from every source at the hooks that reach it: which kinds of
    expressions, matches and targets leave an answer open."""
    counts, reasons = {}, []
    for path in FILES:
        with open(path) as source:
            text = source.read()
        six = "6" if _family(path, text) == 6 else ""
        for load in (["nft"] if path.endswith(".nft") else
                     [f"ip{six}tables_nft", f"ip{six}tables_legacy"]):
            with Lab() as lab:
                edge_topology(lab, containers=1)
                try:
                    getattr(lab, load)("host", text)
                except LabError:
                    continue
                for line in lab.run("host", [COVERAGE, lab.name("host")]).splitlines():
                    kind, *rest = line.split("\t")
                    if kind == "unknown":
                        reasons.append(" | ".join(rest))
                        continue
                    total = counts.setdefault(rest[0], [0, 0])
                    total[0] += int(rest[1])
                    total[1] += int(rest[2])
    table = [f"{kind:<24} {total:>6} decided {total - unknown:>6} unknown {unknown:>4}"
             for kind, (total, unknown) in sorted(counts.items())]
    every, unknown = (sum(c[n] for c in counts.values()) for n in (0, 1))
    table.append(f"{'all':<24} {every:>6} decided {every - unknown:>6} unknown {unknown:>4}")
    print("", *table, *sorted(set(reasons)), sep="\n")
    assert every > 5000
    assert unknown <= every * 0.01, "\n".join(reasons)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Real rulesets (the corpus beside the checkout): the kernel alone says what is right.

Every file is loaded as it is, into a host that has what the rules speak of: the devices, the
service addresses, and a container that owns every DNAT target. Every port that the file names is
then asked for at every address that it names. edgepath must agree, or say unknown with a reason.
"""

import glob
import ipaddress
import os
import re

import pytest

from netlab import ROOT, LabError, disagreement, edge_topology, have_edgepath

CORPUS = os.path.join(ROOT, "..", "shared", "corpus")
FILES = sorted(f for ending in ("rules", "nft")
               for f in glob.glob(os.path.join(CORPUS, "*." + ending)))
MOST_PROBES = 40
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
    lab.wait_reachable("c1", edge.bridge4, edge.bridge6)
    return outside


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
    wrong = []
    for (dst, port, sport), answer, real in zip(cases, answers, reals):
        if answer is None:
            continue
        if answer.json is None:
            wrong.append(f"{dst}:{port}: exit {answer.code}, no JSON: {answer.stderr.strip()}")
            continue
        problems = [None if o["verdict"] == "unknown" and o.get("reason") else
                    disagreement(dict(o, final={}) if real.name == "envoy" else o, real,
                                 forwarded=("timeout", "unreachable", "refused"))
                    for o in answer.outcomes]
        if None not in problems:
            wrong.append(f"{dst}:{port} (sport {sport}): {'; '.join(problems) or 'no outcome'}")
    assert not wrong, "\n".join(wrong)
    if not have_edgepath():
        pytest.skip("edgepath is not built; the kernel: "
                    + ", ".join(sorted({r.kind for r in reals})))

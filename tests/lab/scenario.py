# SPDX-License-Identifier: GPL-2.0-or-later
"""A scenario: listeners and rules on the usual topology, and packets with what becomes of each.

Every scenario runs once per backend that it has rules for, and per family. A packet's expectation
is held against the kernel (connect()), and edgepath's answer against both. Texts are templates,
so that one text serves both families: see World.words.
"""

import ipaddress
from dataclasses import dataclass, field
from string import Template
from typing import Callable, Union

import pytest

from netlab import Lab, agree, disagreement, edge_topology, have_edgepath

KERNEL = {"refused": {"refused"}, "rejected": {"refused", "rejected", "unreachable"},
          "dropped": {"timeout"}, "unreachable": {"timeout", "unreachable"},
          "forwarded": {"timeout", "unreachable"}}


@dataclass(frozen=True)
class Listen:
    """A process called `name`; addr None is the wildcard of the family under test."""

    name: str
    port: int = 443
    ns: str = "host"
    addr: str = None
    options: dict = field(default_factory=dict)


def listen(name, port=443, ns="host", addr=None, **options):
    return Listen(name, port, ns, addr, options)


@dataclass(frozen=True)
class Probe:
    """One packet, and who gets it: the name of a listener, a verdict, or a tuple of names when
    chance decides (or when a SO_REUSEPORT group listens: group=True)."""

    expect: Union[str, tuple]
    port: int = 443
    dst: str = "$host"
    src: str = "$client"
    sport: int = None
    sender: str = "cl"
    iif: str = "eth0"
    kernel: tuple = ()  # kinds of connect()'s result, where the verdict alone is too coarse
    says: tuple = ()  # verdicts that edgepath may give, where more than one is right
    loose: bool = False  # edgepath may say unknown here, with a reason
    loose_when_open: bool = False  # the same, but only where source and port are left open
    group: bool = False  # a SO_REUSEPORT group: one outcome, or one per member
    final: bool = True  # compare the address and port that the listener saw
    uid: int = None
    families: tuple = (4, 6)

    @property
    def host_origin(self):
        return self.sender == "host"


def probe(expect, port=443, **more):
    return Probe(expect, port, **more)


@dataclass(frozen=True)
class Scenario:
    name: str
    probes: tuple
    listen: tuple = ()
    xt: Union[str, dict, None] = None  # iptables-save text, or one per namespace
    nft: Union[str, dict, None] = None
    setup: Callable = None
    families: tuple = (4, 6)
    open_query: bool = True  # also ask with source and port left open


def _words(edge, family):
    """What $word stands for in the templates."""
    six = family == 6
    words = {
        "host": edge.host(family), "client": edge.client(family),
        "host2": "2001:db8:1::11" if six else "198.51.100.11",
        "vip": "2001:db8:5::7" if six else "203.0.113.7",
        "vipnet": "2001:db8:5::/112" if six else "203.0.113.0/24",
        "vip2": "2001:db8:5::2" if six else "203.0.113.2",
        "c1": edge.container(1, family), "c2": edge.container(2, family),
        "dead": edge.dead(family), "br": edge.bridge6 if six else edge.bridge4,
        "brnet": "fd00:18::/64" if six else "172.18.0.0/16",
        "brnet24": "fd00:18::/112" if six else "172.18.0.0/24",
        "src1": edge.more_sources[family][0], "src2": edge.more_sources[family][1],
        "src3": edge.more_sources[family][2],
        "srcnet": "2001:db8:2::/64" if six else "192.0.2.0/24",
        "lo": "::1" if six else "127.0.0.1",
    }
    # The same with brackets, for address:port.
    words.update({word.capitalize(): f"[{addr}]" if six else addr
                  for word, addr in list(words.items())})
    words.update({
        "ip": "ip6" if six else "ip", "len": "128" if six else "32",
        "addr": "ipv6_addr" if six else "ipv4_addr", "icmp": "icmpv6" if six else "icmp",
        "nfproto": "ipv6" if six else "ipv4",
        "portunreach": "icmp6-port-unreachable" if six else "icmp-port-unreachable",
        "adminprohibited": "icmp6-adm-prohibited" if six else "icmp-admin-prohibited",
    })
    pair = f"{words['c1']}-{words['c2']}"
    words["Range"] = f"[{pair}]" if six else pair  # as iptables writes it
    return words


class World:
    """One run of a scenario: the topology of a lab as one family sees it."""

    def __init__(self, lab, family, edge=None):
        self.lab, self.family = lab, family
        self.edge = edge or edge_topology(lab)
        self.words, self.listeners = _words(self.edge, family), {}

    def text(self, template):
        return Template(template).safe_substitute(self.words)

    def listen(self, spec):
        addr = self.text(spec.addr) if spec.addr else ("::" if self.family == 6 else "0.0.0.0")
        self.listeners[spec.name] = self.lab.listen(
            spec.ns, addr, spec.port, name=spec.name, **spec.options)

    def load(self, backend, rules):
        texts = rules if isinstance(rules, dict) else {"host": rules}
        for ns, text in texts.items():
            text = self.text(text)
            if backend == "nft":
                self.lab.nft(ns, text)
            else:
                six = "6" if self.family == 6 else ""
                getattr(self.lab, f"ip{six}tables_{backend.split('-')[1]}")(ns, text)

    def ip(self, ns, *lines):
        six = "-6 " if self.family == 6 else ""
        for line in lines:
            self.lab.run(ns, ["ip", *(six + self.text(line)).split()])

    def sysctl(self, ns, key, value):
        self.lab.sysctl(ns, key.replace("ipv*", f"ipv{self.family}"), value)


def _wrong_for_kernel(world, asked, real):
    """None, or how the kernel differs from what the scenario says about it."""
    expect = asked.expect
    if asked.kernel:
        right = real.kind in asked.kernel
    elif isinstance(expect, tuple):
        right = real.name in expect
    elif expect in world.listeners:
        right = real.name == expect and real.pid == world.listeners[expect].pid
    else:
        right = real.kind in KERNEL[expect]
    return None if right else f"the scenario expects {expect}, the kernel: {real}"


def _expected_verdicts(world, asked):
    if asked.says:
        return asked.says
    if isinstance(asked.expect, tuple) or asked.expect in world.listeners:
        return ("delivered",)
    return (asked.expect,)


def _compare(world, asked, outcome, real, loose):
    """None when one outcome fits one result."""
    if loose and outcome["verdict"] == "unknown":
        return None if outcome.get("reason") else "unknown without a reason"
    if outcome["verdict"] not in _expected_verdicts(world, asked):
        return (f"edgepath says {outcome['verdict']} ({outcome.get('reason')}), expected "
                f"{' or '.join(_expected_verdicts(world, asked))}; the kernel: {real}")
    if asked.kernel and "delivered" not in (outcome["verdict"], real.kind):
        return None
    if "delivered" in asked.says and real.kind == "timeout":
        return None  # delivered, as far as the SYN goes
    if not asked.final:
        outcome = dict(outcome, final={})
    group = [world.listeners[n].pid for n in asked.expect] if asked.group else ()
    return disagreement(outcome, real, group, forwarded=("timeout", "unreachable"))


def _by_chance(asked):
    return isinstance(asked.expect, tuple) and not asked.group


def _wrong_for_edgepath(world, asked, run, reals):
    if run.json is None:
        return f"exit {run.code}, no JSON: {run.stderr.strip() or run.stdout[:200]!r}"
    for other in run.json["routing"]["disagreements"]:
        return f"the kernel routes otherwise: {other}"
    outcomes = run.outcomes
    if isinstance(asked.expect, tuple) or asked.loose:
        total = sum(o.get("probability", 0) for o in outcomes)
        if not asked.loose and abs(total - 1) > 1e-6:
            return f"probabilities sum up to {total}"
        names = {(o.get("receiver") or {}).get("pid") for o in outcomes
                 if o["verdict"] == "delivered"}
        pids = {world.listeners[n].pid for n in asked.expect} if _by_chance(asked) else set()
        if pids and not asked.loose and names != pids:
            return f"receivers {sorted(map(str, names))}, expected pids {sorted(pids)}: " + \
                   ", ".join(f"{o['verdict']} ({o.get('reason')})" for o in outcomes)
        for real in reals:
            wrong = [_compare(world, asked, o, real, asked.loose) for o in outcomes]
            if None not in wrong:
                return "; ".join(map(str, wrong)) or "no outcome"
        return None
    if len(outcomes) != 1:
        return agree(run, reals[0])
    wrong = _compare(world, asked, outcomes[0], reals[0], asked.loose)
    if wrong is None and run.code != 0:
        wrong = f"exit {run.code} though every outcome was decided: {run.stderr.strip()}"
    return wrong


def _holds_for(outcome, src, sport):
    addr = ipaddress.ip_address(src)
    return any(addr in ipaddress.ip_network(net) for net in outcome["saddr"]) and any(
        int(low) <= sport <= int(high or low)
        for low, _, high in (str(r).partition("-") for r in outcome["sport"]))


def _wrong_for_open_query(world, asked, run, src, sport, reals):
    """The query without source and port: its outcomes must cover this packet and fit."""
    if run.json is None:
        return f"open query: exit {run.code}, no JSON: {run.stderr.strip()}"
    for other in run.json["routing"]["disagreements"]:
        return f"open query: the kernel routes otherwise: {other}"
    fitting = [o for o in run.outcomes if _holds_for(o, src, sport)]
    if not fitting:
        return f"open query: no outcome covers {src} port {sport}"
    loose = asked.loose or asked.loose_when_open
    if len(fitting) > 1 and not isinstance(asked.expect, tuple) and not loose:
        return f"open query: {len(fitting)} outcomes cover {src} port {sport}: " + ", ".join(
            f"{o['verdict']} ({o.get('reason')})" for o in fitting)
    for real in reals:
        wrong = [_compare(world, asked, o, real, loose) for o in fitting]
        if None not in wrong:
            return "open query: " + "; ".join(map(str, wrong))
    return None


CHANCE_TRIES = 40
QUICK, PATIENT = 0.15, 1.5  # s without an answer, after which a packet counts as dropped


def _connections(world, probes):
    """Per probe, the source, the port, and the cases to connect (many where chance decides)."""
    plan = []
    for number, asked in enumerate(probes):
        # A process on the host itself talks to a local address from that address.
        src = world.text("$host" if asked.host_origin and asked.src == "$client" else asked.src)
        sport = asked.sport or 40001 + number * 100
        tries = CHANCE_TRIES if isinstance(asked.expect, tuple) else 1
        cases = [dict(dst=world.text(asked.dst), port=asked.port, src=src, sport=sport + n,
                      uid=asked.uid) for n in range(tries)]
        plan.append((asked, src, sport, cases))
    return plan


def _ask(world, asked, src, sport):
    if asked.host_origin:
        return world.lab.path("host", world.text(asked.dst), asked.port, src, sport, None,
                              "--origin", "host")
    return world.lab.path("host", world.text(asked.dst), asked.port, src, sport, asked.iif)


def run_scenario(scenario, backend, family):
    with Lab() as lab:
        world = World(lab, family)
        if scenario.setup:
            scenario.setup(world)
        for spec in scenario.listen:
            world.listen(spec)
        if backend != "norules":
            world.load(backend, scenario.nft if backend == "nft" else scenario.xt)
        plan = _connections(world, [p for p in scenario.probes if family in p.families])

        # edgepath first: it must not need what the connections leave behind.
        asked_all = have_edgepath()
        answers = [_ask(world, asked, src, sport) if asked_all else None
                   for asked, src, sport, _ in plan]
        opened = {}
        for asked, _, _, _ in plan:
            key = (asked.dst, asked.port, asked.iif)
            if asked_all and scenario.open_query and not asked.host_origin and key not in opened:
                opened[key] = _ask(world, asked, None, None)

        wrong = []
        reals = [None] * len(plan)
        for sender in {asked.sender for asked, *_ in plan}:
            mine = [n for n, (asked, *_) in enumerate(plan) if asked.sender == sender]
            results = iter(lab.connect_many(sender, [c for n in mine for c in plan[n][3]], QUICK))
            for n in mine:
                reals[n] = [next(results) for _ in plan[n][3]]
                if any(r.kind == "timeout" and _wrong_for_kernel(world, plan[n][0], r)
                       for r in reals[n]):  # nothing expected it: the machine may be busy
                    reals[n] = lab.connect_many(sender, plan[n][3], PATIENT)
        for (asked, src, sport, _), answer, real in zip(plan, answers, reals):
            what = f"{src}:{sport} -> {world.text(asked.dst)}:{asked.port} from {asked.sender}"
            for problem in {_wrong_for_kernel(world, asked, r) for r in real} - {None}:
                wrong.append(f"{what}: {problem}")
            names = {r.name for r in real}
            if _by_chance(asked) and not asked.loose and names != set(asked.expect):
                wrong.append(f"{what}: chance chose only {names}")
            if answer is None:
                continue
            # A hash is no chance: the other connections have other ports, and other answers.
            problem = _wrong_for_edgepath(world, asked, answer, real[:1] if asked.loose else real)
            if problem:
                wrong.append(f"{what}: {problem}")
            run = opened.get((asked.dst, asked.port, asked.iif))
            if run is not None and not asked.host_origin:
                problem = _wrong_for_open_query(world, asked, run, src, sport, real)
                if problem:
                    wrong.append(f"{what}: {problem}")
        if wrong:
            rules = scenario.nft if backend == "nft" else scenario.xt
            pytest.fail("\n".join(wrong) + f"\nrules ({backend}):\n" + (
                world.text(str(rules)).replace("\\n", "\n") if backend != "norules" else "none"),
                pytrace=False)
        if not asked_all:
            pytest.skip("edgepath is not built; the kernel does what the scenario says")


def every(scenarios):
    """Decorator: one test per scenario, backend and family."""
    params = []
    for s in scenarios:
        backends = ([] if s.nft is None else ["nft"]) + \
            ([] if s.xt is None else ["iptables-nft", "iptables-legacy"]) or ["norules"]
        params += [pytest.param(s, b, f, id=f"{s.name}-{b}-v{f}")
                   for b in backends for f in s.families]
    return pytest.mark.parametrize("scenario,backend,family", params)

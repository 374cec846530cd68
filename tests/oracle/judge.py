# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds what edgepath says against what the kernel did."""

import ipaddress
import re

import syn
from topology import TOS

# verdict of edgepath -> what the wire may have shown
_ALLOWED = {
    "delivered": {"delivered"},
    "refused": {"rst-stack"},
    "rejected": {"rst-rule", "icmp"},
    "dropped": {"timeout"},
    "unreachable": {"timeout", "icmp"},
    "forwarded": {"timeout", "icmp"},
}


# Features that may leave an answer open, and how the reason must name what it depends on. The other
# tags only say that several outcomes can be right, or nothing ("jhash", "ipset": both can be known).
_EXCUSES = {
    "symhash": r"hash",
    "tproxy": r"TPROXY|tproxy",
    "exotic": r"ct key|expiration|conntrack",
}

# Features whose state the kernel keeps to itself, and the words of the states that outcomes may have.
_STATES = {
    "limit": r"limit", "quota": r"-m quota", "cpu": r"CPU",
}

# Where the source is open, some conditions on it cannot be written as prefixes.
_OPEN_LIMITS = r"bound on splits|scattered mask|open source"


class Observed:
    """What one probe met: kind is delivered, rst-stack, rst-rule, icmp, timeout or silent."""

    def __init__(self, real, negative):
        self.real = real
        self.negative = negative
        if real.kind == "delivered":
            self.kind = "delivered"
        elif negative:
            self.kind = negative.split()[0]
        else:
            self.kind = {"refused": "rst-stack", "unreachable": "icmp",
                         "rejected": "icmp"}.get(real.kind, real.kind)

    def brief(self):
        if self.kind == "delivered":
            return {"h": "host listener", "c": "container", "r": "remote",
                    "t": "tproxy"}[self.real.name[0]]
        return self.kind

    def __str__(self):
        if self.kind == "delivered":
            r = self.real
            return f"delivered to {r.name} (pid {r.pid}) on {r.addr}:{r.port}, as from {r.peer}:{r.peer_port}"
        return self.negative or self.kind


class Judgement:
    """wrong: one sentence or None; unknown: the reasons of unknown outcomes."""

    def __init__(self, wrong=None, unknown=()):
        self.wrong = wrong
        self.unknown = list(unknown)


def say(outcome):
    final, who = outcome.get("final") or {}, outcome.get("receiver") or {}
    text = f"{outcome.get('verdict')}"
    if outcome.get("verdict") == "delivered":
        text += f" to {who.get('comm') or who.get('name')} (pid {who.get('pid')}) on " \
                f"{final.get('addr')}:{final.get('port')}"
    if outcome.get("reason"):
        text += f" ({outcome['reason']})"
    if outcome.get("probability") not in (None, 1, 1.0):
        text += f" p={outcome['probability']:.3g}"
    return text


def fits(outcome, seen, inodes):
    """Whether a definite outcome is what was observed."""
    verdict = outcome.get("verdict")
    final = outcome.get("final") or {}
    if verdict == "forwarded" and seen.kind == "delivered":
        return seen.real.name.startswith("r") and final.get("addr") in (None, seen.real.addr)
    if verdict == "forwarded" and seen.kind == "rst-stack":
        return True
    if seen.kind not in _ALLOWED.get(verdict, ()):
        return False
    if verdict != "delivered":
        return True
    real = seen.real
    return (outcome.get("receiver") or {}).get("pid") == real.pid and \
        final.get("addr") == real.addr and final.get("port") == real.port and \
        final.get("netns") in (None, inodes.get(real.pid))


def _covers(outcome, probe):
    src = ipaddress.ip_address(probe["src"])
    if not any(src in ipaddress.ip_network(p) for p in outcome.get("saddr") or ()):
        return False
    for part in outcome.get("sport") or ():
        lo, _, hi = str(part).partition("-")
        if int(lo) <= probe["sport"] <= int(hi or lo):
            return True
    return False


def _bypassed(probe, outcome):
    """A container's connection that was translated on the host: the answer of another container goes
    to it directly over the bridge, past the translation; and one from itself never leaves it."""
    return probe.get("origin") not in (None, "host", "lan") and \
        any(s.get("to") for s in outcome.get("steps") or ())


def judge(run, probe, seen, tags, inodes, opened=False, deaf=False):
    """run: netlab.Run of edgepath; seen: Observed; tags: what the rules hold that nobody can know;
    inodes: pid -> netns; opened: the query left source address and port open; deaf: routing may keep
    answers from the sender."""
    if run.code < 0 or run.code not in (0, 3):
        return Judgement(f"exit {run.code}: {run.stderr.strip()[-1500:]}")
    if run.json is None:
        return Judgement(f"no JSON: {run.stderr.strip()[-300:] or run.stdout[:200]!r}")
    for other in (run.json.get("routing") or {}).get("disagreements") or ():
        return Judgement(f"route-disagreement: {other}")
    outcomes = run.outcomes
    unknown = [o.get("reason") for o in outcomes if o.get("verdict") == "unknown"]
    if (run.code == 3) != bool(unknown):
        return Judgement(f"exit {run.code} with {len(unknown)} unknown outcomes")
    if opened:
        outcomes = [o for o in outcomes if _covers(o, probe)]
        unknown = [o.get("reason") for o in outcomes if o.get("verdict") == "unknown"]
        if not outcomes:
            return Judgement("no outcome holds for this source")
    if not outcomes:
        return Judgement("no outcome at all")
    outcomes = [o for o in outcomes if syn.possible(o, probe.get("origin", "external"), ":" in probe["dst"], TOS)]
    unknown = [o.get("reason") for o in outcomes if o.get("verdict") == "unknown"]
    if not outcomes:
        return Judgement("no outcome holds for the SYN of this kernel")
    reasons = [r or "" for r in unknown]
    if any(not r for r in reasons):
        return Judgement("unknown without a reason")
    told = {s for o in outcomes for s in o.get("state") or () if not syn.about_syn(s)}
    states = "|".join(_STATES[t] for t in tags if t in _STATES)
    needless = [s for s in told if not states or not re.search(states, s)]
    if needless:
        return Judgement("needless state: " + "; ".join(sorted(needless)))
    several = any(o.get("state") for o in outcomes) or tags & (_EXCUSES.keys() | {"chance", "nat-range", "jhash"})
    if len(outcomes) > 1 and not several and not unknown:
        return Judgement(f"{len(outcomes)} outcomes, though nothing is left to chance: "
                         + "; ".join(say(o) for o in outcomes))
    definite = [o for o in outcomes if o.get("verdict") != "unknown" and (o.get("probability") or 0) > 0]
    matched = any(fits(o, seen, inodes) for o in definite)
    if unknown:
        words = "|".join([_EXCUSES[t] for t in tags if t in _EXCUSES] + [_OPEN_LIMITS] * opened)
        if not words or not all(re.search(words, r) for r in reasons):
            return Judgement("needless unknown: " + "; ".join(sorted(set(reasons))), reasons)
        return Judgement(None, reasons)
    if not matched and probe.get("origin") == "host" and seen.kind in ("timeout", "silent") and \
            (ipaddress.ip_address(probe["dst"]).is_loopback or
             any((o.get("receiver") or {}).get("comm") == "h8443dev" for o in definite)) and \
            any(s.get("to") for o in definite for s in o.get("steps") or ()):
        # It may well arrive, translated; but answers do not come back to a loopback address by
        # another device (IPv4: without route_localnet; IPv6: ever), nor from a listener that is
        # bound to a device by another than that.
        return Judgement()
    if not matched and seen.kind in ("timeout", "silent") and \
            any(o.get("verdict") in ("delivered", "refused", "rejected") for o in definite) and \
            (deaf or any(_bypassed(probe, o) for o in definite)):
        return Judgement()
    if not matched and seen.kind in ("timeout", "silent") and \
            any((o.get("final") or {}).get("addr") == probe["src"] for o in definite):
        # Translated back to the sender itself: it gets the SYN and answers itself, past whoever
        # would translate the answer back.
        return Judgement()
    if not matched and "tproxy" in tags and seen.kind in ("timeout", "silent") and \
            any(o.get("verdict") == "rejected" or (o.get("receiver") or {}).get("comm") == "tproxy"
                for o in definite):
        # What answers for a foreign address may not get its answer out, and the connection's later
        # packets are lost where rules send only its first to the proxy.
        return Judgement()
    if not matched:
        return Judgement("says " + "; or ".join(say(o) for o in outcomes))
    return Judgement()

# SPDX-License-Identifier: GPL-2.0-or-later
"""The SYN that this kernel's own connect() sends, and whether words of an outcome's `state` are true of it."""

import re

# By the name that edgepath gives a field: its value, or a pair for IPv4 and IPv6.
_FIELDS = {
    "packet length": (60, 80), "tcp doff": 10, "ip6 payload length": 40, "ip tos": None, "ip6 traffic class": None,
    "ip ttl": 64, "ip6 hoplimit": 64, "tcp ecn flags": 0, "tcp window scale": None,
    "uid of the sending socket": 0, "gid of the sending socket": 0,
    "net_cls class of the sending socket": 0, "mark of the sending socket": 0,
}
_OPTIONS = {"timestamps": True, "nop": True, "end of list": False, "sack": False,
            "md5 signature": False, "mptcp": False, "fast open": False}


def _in_set(value, text):
    for part in text.split(", "):
        lo, _, hi = part.partition("-")
        if not re.fullmatch(r"(0x)?[0-9a-f]+", lo):
            return None
        if int(lo, 0) <= value <= int(hi or lo, 0):
            return True
    return None if "…" in text else False


def holds(words, origin="external", v6=False, tos=0):
    """True, False, or None if the words are about something that this does not know."""
    option = re.fullmatch(r"the SYN has (no )?TCP option (.+)", words)
    if option:
        there = _OPTIONS.get(option[2], False)
        return there != bool(option[1])
    if words == "osf name unknown":
        return True
    spelt = re.fullmatch(r'the packet\'s open fields (do not )?spell "(.+)"', words)
    if spelt:  # of four bytes and more it would be a wonder
        return bool(spelt[1]) if len(re.sub(r"\|..\|", "x", spelt[2])) >= 4 else None
    mss = re.fullmatch(r"tcp mss (!= )?([\d, -]+)", words)
    if mss and origin == "external":
        inside = _in_set(1440 if v6 else 1460, mss[2])
        return inside != bool(mss[1])
    m = re.fullmatch(r"(.+?)(?: after (\d+) hops)? (!= )?([\d, x a-f-]+…?)", words)
    value = _FIELDS.get(m[1]) if m else None
    if m and m[1] in ("ip tos", "ip6 traffic class"):
        value = tos
    if value is None:
        return None
    inside = _in_set((value[v6] if isinstance(value, tuple) else value) - int(m[2] or 0), m[4])
    return None if inside is None else inside != bool(m[3])


# What is another in every SYN, or not the lab's to say.
_OPEN = r"tcp (sequence|window|checksum|timestamp)|ip (id|checksum)|ip6 class and flowlabel|ether |" \
        r"rt mtu|.*the packet's open fields|osf|.*byte \d+ of|.*mss"


def about_syn(words):
    """Whether words of a state are about the client's packet, not about what the host remembers."""
    return holds(words) is not None or re.match(_OPEN, words) is not None or \
        words.startswith(tuple(_FIELDS))


def possible(outcome, origin="external", v6=False, tos=0):
    """Whether the outcome may be this kernel's, by its state."""
    return all(holds(w, origin, v6, tos) is not False for w in outcome.get("state") or ())

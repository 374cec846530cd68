# SPDX-License-Identifier: GPL-2.0-or-later
"""What edgepath said of a packet against what connect() met."""

# verdict of edgepath -> what connect() may have met
_VERDICTS = {
    "delivered": {"delivered"},
    "refused": {"refused"},
    "rejected": {"refused", "rejected", "unreachable"},
    "dropped": {"timeout"},
    "unreachable": {"timeout", "unreachable"},
}


def disagreement(outcome, real, group=(), forwarded=()):
    """None when an outcome of edgepath agrees with what connect() met, else one sentence.
    group: pids of a SO_REUSEPORT group, any of which may have answered; forwarded: the kinds
    that a packet which left the host may meet."""
    verdict = outcome.get("verdict")
    allowed = set(forwarded) if verdict == "forwarded" else _VERDICTS.get(verdict, set())
    said = verdict + (f" ({outcome['reason']})" if outcome.get("reason") else "")
    if real.kind not in allowed:
        return f"edgepath says {said}, the kernel: {real}"
    if verdict == "refused" and real.icmp:
        return f"edgepath says refused (nobody listens), the kernel: {real}"
    if verdict != "delivered":
        return None
    receiver = outcome.get("receiver") or {}
    pid = receiver.get("pid")
    if pid != real.pid and not (pid in group and real.pid in group):
        return f"edgepath says delivered to pid {pid} ({receiver.get('comm')}), the kernel: {real}"
    final = outcome.get("final") or {}
    if final.get("port") not in (None, real.port) or final.get("addr") not in (None, real.addr):
        return f"edgepath says delivered to {final.get('addr')}:{final.get('port')}, " \
               f"the kernel: {real}"
    return None


def agree(run, real, group=(), forwarded=()):
    """The same for a whole run of a query that leaves nothing open: exactly one outcome, exit 0."""
    if run.json is None:
        return f"exit {run.code}, no JSON: {run.stderr.strip() or run.stdout[:200]!r}"
    for other in (run.json.get("routing") or {}).get("disagreements") or ():
        return f"the kernel routes otherwise: {other}"
    if len(run.outcomes) != 1:
        return f"{len(run.outcomes)} outcomes where one was asked for: " + ", ".join(
            f"{o.get('verdict')} p={o.get('probability')}" for o in run.outcomes)
    wrong = disagreement(run.outcomes[0], real, group, forwarded)
    if wrong is None and run.code != 0:
        wrong = f"exit {run.code} though every outcome was decided: {run.stderr.strip()}"
    return wrong

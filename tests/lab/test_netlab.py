# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab itself: however its process ends, nothing stays."""

import os
import signal
import subprocess
import sys
import time

import pytest

from netlab import ROOT, LabError

CHILD = """
import os, subprocess, sys, time
sys.path.insert(0, os.path.join(sys.argv[1], "tests", "lib"))
from netlab import Lab
lab = Lab()
lab.ns("a")
web = lab.listen("a", "::", 443, name="web")
cat = lab.spawn("a", ["cat"], stdin=subprocess.PIPE)
place = lab.tempdir()
subprocess.run(["mount", "-t", "tmpfs", "x", place], check=True)
print(lab.name("a"), place, web.pid, cat.pid, lab.spaces["a"].pid, flush=True)
if sys.argv[2] == "exit":
    raise SystemExit(3)
time.sleep(60)
"""


def _runs(pid):
    """A zombie, which waits for init to notice, runs no more."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _leftovers(name, place, pids):
    with open("/proc/self/mounts") as mounts:
        mounted = place in mounts.read()
    return [what for what, there in (
        (name, os.path.exists("/run/netns/" + name)), (place, os.path.exists(place)),
        ("mount", mounted), *((f"pid {p}", _runs(p)) for p in pids)) if there]


@pytest.mark.parametrize("way", ["exit", "SIGTERM", "SIGINT", "SIGKILL"])
def test_nothing_stays(way):
    child = subprocess.Popen([sys.executable, "-c", CHILD, ROOT, way], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    with child:
        name, place, *pids = child.stdout.readline().split()
        if way != "exit":
            assert len(_leftovers(name, place, pids)) == 6
            child.send_signal(getattr(signal, way))
        child.wait(timeout=10)
    deadline = time.monotonic() + 10
    while (left := _leftovers(name, place, pids)) and time.monotonic() < deadline:
        os.sched_yield()
    assert not left


def test_errors_are_told(lab):
    lab.ns("a")
    with pytest.raises(LabError, match="EADDRNOTAVAIL|Cannot assign"):
        lab.listen("a", "192.0.2.1", 80)
    with pytest.raises(LabError, match="syntax error"):
        lab.nft("a", "nonsense")
    with pytest.raises(LabError, match="assign"):
        lab.connect("a", "127.0.0.1", 80, src="192.0.2.1")


def test_connection_meets_what_it_should(lab, edge):
    web = lab.listen("host", "::", 80, name="web")
    lab.nft("host", """table inet t { chain c { type filter hook input priority 0;
        tcp dport 81 drop; tcp dport 82 reject; tcp dport 83 reject with tcp reset; }; }""")
    for dst in (edge.host4, edge.host6):
        met = lab.connect_many("cl", [dict(dst=dst, port=p) for p in (80, 81, 82, 83, 84)])
        assert [m.kind for m in met] == ["delivered", "timeout", "refused", "refused", "refused"]
        assert [bool(m.icmp) for m in met] == [False, False, True, False, False]
        assert (met[0].who, met[0].addr, met[0].port) == (("web", web.pid), dst, 80)
    lab.stop(web)
    assert lab.connect("cl", edge.host4, 80).kind == "refused"

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Time and memory of edgepath as ratios to the tools that an operator would run instead.

    tests/bench/bench.py [--runs N] [--services N,N…]

Each comparison runs both sides in turn in the same namespace, and prints the median of the pairs'
ratios with the smallest and the largest. Then services of kube-proxy, some eight rules each, are
added up: 4,000, 40,000 and 200,000 rules in nft maps, iptables-nft and legacy tables. What a walk
does not visit must not cost much: its ratio to the listing has to fall, and the targets say how far.
Legacy tables are the exception, since the kernel only hands out whole ones. Exit 1 if a target is
missed.
"""

import argparse
import os
import statistics
import subprocess
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [_HERE, os.path.join(os.path.dirname(_HERE), "lib")]

import netlab
from kubeproxy import EXTERNAL, nat_rules, nft_rules

MAX_RSS_MB = 16


class Sample:
    def __init__(self, line):
        wall, cpu, peak, codes = line.split()
        self.wall, self.cpu, self.peak = float(wall), float(cpu), int(peak)
        self.codes = [int(c) for c in codes.split(",")]


def measure(lab, ns, *commands):
    words = []
    for argv in commands:
        words += [";"] * bool(words) + argv
    out = lab.run(ns, ["/usr/bin/python3", "-I", "-S", os.path.join(_HERE, "measure.py"), *words])
    return Sample(out)


class Table:
    def __init__(self):
        self.missed = 0
        print(f"{'what':<44} {'edgepath':>10} {'other':>10} {'ratio':>7} {'min':>6} {'max':>6}  target")

    def row(self, what, ours, theirs, target):
        """ours, theirs: Samples of the same runs, in pairs."""
        ratios = [a.wall / b.wall for a, b in zip(ours, theirs)]
        ratio = statistics.median(ratios)
        self.line(what, f"{statistics.median(a.wall for a in ours) * 1e3:.1f} ms",
                  f"{statistics.median(b.wall for b in theirs) * 1e3:.1f} ms", f"{ratio:.3f}",
                  f"{min(ratios):.3f}", f"{max(ratios):.3f}", f"<= {target}", ratio <= target)

    def memory(self, what, ours, theirs, ratio=None):
        """ratio: of the other side's memory that is allowed; else MAX_RSS_MB."""
        mine, other = max(a.peak for a in ours) / 1024, max(b.peak for b in theirs) / 1024
        most = max(MAX_RSS_MB, other * ratio) if ratio else MAX_RSS_MB
        self.line(what, f"{mine:.1f} MB", f"{other:.1f} MB", f"{mine / other:.3f}", "", "",
                  f"< {most:.0f} MB", mine < most)

    def line(self, what, ours, theirs, ratio, low, high, target, met):
        self.missed += not met
        print(f"{what:<44} {ours:>10} {theirs:>10} {ratio:>7} {low:>6} {high:>6}  {target}"
              f"  {'met' if met else 'MISSED'}", flush=True)


def pairs(lab, ns, runs, ours, theirs):
    mine, other = [], []
    measure(lab, ns, *ours), measure(lab, ns, *theirs)
    for _ in range(runs):
        mine.append(measure(lab, ns, *ours))
        other.append(measure(lab, ns, *theirs))
    for sample in mine:
        if not set(sample.codes) <= {0, 1, 2, 3}:
            raise netlab.LabError(f"{' '.join(ours[0])}: exit {sample.codes}")
    for sample in other:
        if any(sample.codes):
            raise netlab.LabError(f"the other side failed: exit {sample.codes}")
    return mine, other


def topology(lab):
    lab.ns("cl", "host", "c1")
    lab.veth("cl", "eth0", ["198.51.100.100/24", "2001:db8:1::100/64"],
             "host", "eth0", ["198.51.100.1/24", f"{EXTERNAL}/32", "2001:db8:1::1/64"])
    lab.ip("host", "route add default via 198.51.100.100", "route add default via 2001:db8:1::100")
    lab.bridge("host", "br0", ["172.18.0.1/16"])
    lab.veth("host", "ve-c1", [], "c1", "eth0", ["172.18.0.2/16"])
    lab.ip("host", "link set ve-c1 master br0")
    lab.ip("c1", "route add default via 172.18.0.1")
    for port in (80, 443, 8080):
        lab.listen("host", "::", port, name=f"web{port}")
    lab.listen("c1", "0.0.0.0", 80, name="c1web")


def bare(lab, table, runs):
    ours = [[netlab.EDGEPATH, "check"]]
    theirs = [["iptables-save"], ["ss", "-ltnp"], ["nft", "list", "ruleset"]]
    mine, other = pairs(lab, "host", runs, ours, theirs)
    table.row("check : iptables-save + ss + nft, no rules", mine, other, 1.0)
    table.memory("  memory", mine, other)


# backend: loader, text, listing, targets for time and memory per number of services. In iptables mode
# a chain of one rule per service is visited, so there the time of a walk grows with them.
BACKENDS = {
    "nft maps": (["nft", "-f", "-"], nft_rules, ["nft", "list", "ruleset"],
                 {500: (0.7, 1), 5000: (0.2, 0.3), 25000: (0.1, 0.2)}),
    "iptables-nft": (["iptables-nft-restore"], nat_rules, ["iptables-nft-save", "-t", "nat"],
                     {500: (1.0, 1), 5000: (0.35, 0.4), 25000: (0.35, 0.3)}),
    "legacy": (["iptables-legacy-restore"], nat_rules, ["iptables-legacy-save", "-t", "nat"],
               {500: (4.0, 2), 5000: (2.0, 1), 25000: (2.0, 1)}),
}
PORTS = (("a service", "443"), ("no service", "8080"), ("a node port", "31443"))


def growth(table, runs, services):
    for backend, (loader, make, listing, targets) in BACKENDS.items():
        for number in services:
            text, rules = make(number)
            time, memory = targets.get(number, (4.0, 4))
            with netlab.Lab() as lab:
                topology(lab)
                lab.run("host", loader, text)
                print(f"{rules} rules of {number} services in {backend}")
                for what, port in PORTS:
                    argv = [netlab.EDGEPATH, "path", "--iif", "eth0", "--dst", EXTERNAL,
                            "--dport", port]
                    mine, other = pairs(lab, "host", runs, [argv], [listing])
                    table.row(f"path {port}, {what} : {' '.join(listing)}", mine, other, time)
                    table.memory("  memory", mine, other, memory)


def main():
    parser = argparse.ArgumentParser(description="edgepath's time and memory, as ratios")
    parser.add_argument("--runs", type=int, default=9, help="pairs per comparison without rules, at least 7")
    parser.add_argument("--services", default="500,5000,25000",
                        help="numbers of services, some eight rules each")
    options = parser.parse_args()
    if os.geteuid():
        print("bench: needs root")
        return 77
    if not netlab.have_edgepath():
        print(f"bench: no {netlab.EDGEPATH}: build it first", file=sys.stderr)
        return 1
    runs = max(7, options.runs)
    floor = subprocess.run(["/usr/bin/python3", "-I", "-S", os.path.join(_HERE, "measure.py"),
                            "true"], text=True, capture_output=True, check=True)
    print(f"medians of {runs} pairs; the smallest memory that can be shown is "
          f"{Sample(floor.stdout).peak / 1024:.1f} MB")
    table = Table()
    with netlab.Lab() as lab:
        topology(lab)
        bare(lab, table, runs)
    # The large ones take minutes to load and to list; their ratios are far from the targets.
    growth(table, min(runs, 7) if len(options.services) < 6 else 3,
           [int(n) for n in options.services.split(",")])
    print("all targets met" if not table.missed else f"{table.missed} targets missed")
    return 1 if table.missed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Random rulesets against the kernel: edgepath's answer must be what real connections meet.

    tests/oracle/oracle.py [--cases N] [--seed S] [--backend nft|iptables-nft|legacy|mixed|all]
    tests/oracle/oracle.py --backend B --case-seed X [--keep]
    tests/oracle/oracle.py --removal …

Every case is a ruleset of one backend in a namespace of a fixed topology, and probes through it:
TCP connections by a client, whose fate is observed on the wire and at the listeners. edgepath, asked
about the same packets, must agree with every one. "unknown" is an answer only where rules depend on
what no reader can see (limits, packet contents), and it is counted by reason.

With --removal edgepath answers as if one random rule of the case were gone; then that rule is deleted
for real, and the kernel must do what was foretold.

The environment variable EDGEPATH names the program, default build/edgepath. The last line is
"N passed, N failed, N skipped", in cases.
"""

import argparse
import collections
import contextlib
import json
import os
import random
import re
import resource
import selectors
import shutil
import subprocess
import sys
import tempfile
import time

_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [_HERE, os.path.join(os.path.dirname(_HERE), "lib")]

import netlab
from case import BACKENDS, Case
from judge import Judgement, Observed, judge
from removal import Removal, removable
from ruleset import shrink
from topology import LoadError, Topology

TIMEOUT = 0.25
ANSWER_TIMEOUT = 20
MEMORY_LIMIT = 512 << 20
SHRINK_TRIES = 250
SHRINK_CASES = 6  # per worker


class Worker:
    """Builds the topology once and runs cases in it."""

    def __init__(self, kernel_only=False, removal=False):
        self.kernel_only = kernel_only
        self.removal = removal
        self.shrinks = SHRINK_CASES
        self.topo = Topology()
        self.topo.build()
        self.inodes = {l.pid: self.topo.lab.inode(l.ns) for l in self.topo.lab.listeners}

    def close(self):
        self.topo.close()

    def case(self, backend, seed, do_shrink=True):
        case = Case(self.topo.fam, backend, seed)
        while self.removal and not removable(case.rulesets):
            seed += 1 << 40
            case = Case(self.topo.fam, backend, seed)
        report = {"backend": backend, "seed": seed, "status": "pass", "seen": {}, "unknown": {},
                  "probes": 0, "refused": 0, "detail": ""}
        try:
            report["refused"] = self.topo.load(case.rulesets, case.sysctls, case.routing)
        except LoadError as error:
            report.update(status="skip", detail=f"the rules do not load: {error}"[:600])
            return report
        if self.removal:
            return self.foretell(case, report)
        for probe, seen, verdict in self.run(case, case.probes):
            report["probes"] += 1
            count(report["seen"], seen.brief())
            for reason in verdict.unknown:
                count(report["unknown"], generic(reason))
            if verdict.wrong and report["status"] == "pass":
                verdict = self.again(case, probe) or verdict
                if verdict.wrong:
                    report.update(status="fail", detail=self.explain(case, probe, do_shrink))
                    self.topo.load(case.rulesets, case.sysctls, case.routing)
        return report

    @staticmethod
    def deaf(case):
        """Whether the case's routes may keep answers from who asked."""
        return case.routing is not None and not case.routing.guarded

    def foretell(self, case, report):
        """Asks without a rule, deletes the rule, and lets the kernel judge."""
        removal = Removal(case.rulesets, case.seed)
        asked = [self.ask(p, k == 0, removal.options()) for k, p in enumerate(case.probes)]
        removal.carry_out(self.topo)
        tags = case.tags(removal.rest)
        deaf = self.deaf(case)
        for (probe, seen), (run, opened) in zip(self.observe(case.probes), asked):
            verdict = judge(run, probe, seen, tags, self.inodes, opened, deaf)
            if verdict.wrong:
                seen = self.observe([probe], 1.0)[0][1]
                verdict = judge(run, probe, seen, tags, self.inodes, opened, deaf)
            report["probes"] += 1
            count(report["seen"], seen.brief())
            for reason in verdict.unknown:
                count(report["unknown"], generic(reason))
            if verdict.wrong and report["status"] == "pass" and seen.kind != "silent":
                report.update(status="fail", detail=(
                    f"--removal --backend {case.backend} --case-seed {case.seed}\n"
                    f"probe:    {probe['src']}:{probe['sport']} -> {probe['dst']}:{probe['dport']}\n"
                    f"kernel:   {seen}\nedgepath: {verdict.wrong}\n{removal.text()}\n{case.text()}"))
        return report

    def observe(self, probes, timeout=TIMEOUT):
        """[(probe, Observed)]"""
        self.topo.flush_conntrack()
        self.topo.send(probes, timeout)
        return [(p, Observed(*pair)) for p, pair in zip(probes, self.topo.answers(probes))]

    def run(self, case, probes, tags=None, timeout=TIMEOUT, opened=None):
        """[(probe, Observed, Judgement)] of the rules that are loaded."""
        tags = case.tags() if tags is None else tags
        self.topo.send(probes, timeout)
        answers = []
        if not self.kernel_only:
            answers = [self.ask(p, p.get("open", k == 0) if opened is None else opened)
                       for k, p in enumerate(probes)]
        observed = [Observed(*pair) for pair in self.topo.answers(probes)]
        self.topo.flush_conntrack()
        if self.kernel_only:
            return [(p, seen, Judgement()) for p, seen in zip(probes, observed)]
        deaf = self.deaf(case)
        return [(p, seen, judge(run, p, seen, tags, self.inodes, opened, deaf))
                for p, seen, (run, opened) in zip(probes, observed, answers)]

    def ask(self, probe, opened, more=()):
        """(netlab.Run, opened): the first probe of a case is asked about with its source open."""
        probe["open"] = opened
        argv = [netlab.EDGEPATH, "path", "--netns", self.topo.lab.name("host"), "--json",
                "--dst", probe["dst"], "--dport", str(probe["dport"])]
        origin = probe.get("origin")
        if origin not in (None, "lan"):
            probe["open"] = opened = False
            if origin != "host":
                origin = f"netns:{self.topo.lab.name(origin)}"
            argv += ["--origin", origin, "--sport", str(probe["sport"])]
            argv += ["--src", probe["src"]] * probe["bind"]
        else:
            argv += ["--origin", "lan"] if origin == "lan" else ["--iif", "eth0"]
            if not opened:
                argv += ["--src", probe["src"], "--sport", str(probe["sport"])]
        argv += more
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        try:
            out, err = child.communicate(timeout=ANSWER_TIMEOUT)
        except subprocess.TimeoutExpired:
            hung = f"no answer within {ANSWER_TIMEOUT} s\n{where(child.pid)}"
            child.kill()
            child.communicate()
            return netlab.Run(argv, -9, "", hung), opened
        run = netlab.Run(argv, child.returncode, out, err)
        with contextlib.suppress(ValueError):
            run.json = json.loads(out)
        return run, opened

    def again(self, case, probe):
        """The same once more, with more patience: None if it agrees now."""
        self.topo.flush_conntrack()
        _, seen, verdict = self.run(case, [probe], timeout=1.0)[0]
        if verdict.wrong and seen.kind == "silent":
            verdict.wrong = None
        return verdict

    def explain(self, case, probe, do_shrink):
        """The text of a failure, with the smallest ruleset that still shows it."""
        def wrong(rulesets):
            try:
                if self.topo.load(rulesets, case.sysctls, case.routing):
                    return False
            except LoadError:
                return False
            return bool(self.run(case, [probe], case.tags(rulesets))[0][2].wrong)

        rulesets = case.rulesets
        if do_shrink and self.shrinks > 0:
            self.shrinks -= 1
            rulesets = shrink(rulesets, wrong, SHRINK_TRIES)
        self.topo.load(rulesets, case.sysctls, case.routing)
        _, seen, verdict = self.run(case, [probe], case.tags(rulesets), timeout=0.6)[0]
        opened = " (asked with the source left open)" if probe.get("open") else ""
        return (f"--backend {case.backend} --case-seed {case.seed}\n"
                f"probe:    {probe['src']}:{probe['sport']} -> {probe['dst']}:{probe['dport']}{opened}\n"
                f"kernel:   {seen}\nedgepath: {verdict.wrong or 'agrees with the shrunk rules'}\n"
                f"{case.text(rulesets)}")


def where(pid):
    """What a process that does not answer is doing."""
    text = ""
    for name in ("syscall", "wchan", "stack"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/{name}") as source:
            text += f"{name}: {source.read().strip()}\n"
    with contextlib.suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            text += f"fd {fd}: {os.readlink(f'/proc/{pid}/fd/{fd}')}\n"
    return text


def count(counts, key, by=1):
    counts[key] = counts.get(key, 0) + by


def generic(reason):
    """A reason without the numbers and names of the case."""
    reason = re.sub(r'"[^"]*"', '"…"', reason or "(none)")
    return re.sub(r"0x[0-9a-f]+|\d[\d.:/a-f-]*", "N", reason)[:100]


def work(options):
    """A worker process: cases come in as lines "BACKEND SEED", reports go out as JSON lines."""
    limit_memory()
    worker = Worker(options.kernel_only, options.removal)
    try:
        for line in sys.stdin:
            backend, seed = line.split()
            print(json.dumps(worker.case(backend, int(seed), not options.no_shrink)), flush=True)
    finally:
        worker.close()


def limit_memory():
    """A run that would eat the machine's memory shall fail by itself. Sanitizers reserve terabytes."""
    if netlab.have_edgepath():
        with open(netlab.EDGEPATH, "rb") as program:
            if b"__asan_init" in program.read():
                return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))


class Totals:
    def __init__(self):
        self.status = collections.Counter()
        self.rows = {}

    def add(self, report):
        self.status[report["status"]] += 1
        row = self.rows.setdefault(report["backend"], {
            "pass": 0, "fail": 0, "skip": 0, "probes": 0, "refused": 0, "seen": {}, "unknown": {}})
        row[report["status"]] += 1
        row["probes"] += report["probes"]
        row["refused"] += report["refused"]
        for name in ("seen", "unknown"):
            for key, number in report[name].items():
                count(row[name], key, number)

    def show(self):
        for backend, row in sorted(self.rows.items()):
            unknown = sum(row["unknown"].values())
            print(f"{backend}: {row['pass']} of {row['pass'] + row['fail']} cases agree, {row['probes']} probes"
                  f" ({listing(row['seen'])}), {unknown} unknown"
                  + (f", {row['refused']} rules refused by the tool" if row["refused"] else ""))
            for reason, number in sorted(row["unknown"].items(), key=lambda kv: -kv[1])[:12]:
                print(f"    unknown {number}: {reason}")
        s = self.status
        print(f"{s['pass']} passed, {s['fail']} failed, {s['skip']} skipped", flush=True)


def listing(counts):
    return ", ".join(f"{n} {key}" for key, n in sorted(counts.items(), key=lambda kv: -kv[1]))


def tell(report):
    if report["status"] != "pass":
        word = {"fail": "FAIL", "skip": "SKIP"}[report["status"]]
        print(f"{word} {report['backend']} case {report['seed']}\n{report['detail']}\n", flush=True)


def cases_of(options, seed):
    backends = BACKENDS if options.backend == "all" else (options.backend,)
    for number in range(options.cases):
        yield backends[number % len(backends)], random.Random(f"{seed} {number}").getrandbits(40)


def many(options, program):
    seed = options.seed if options.seed is not None else random.SystemRandom().getrandbits(32)
    print(f"seed {seed}", flush=True)
    todo = list(cases_of(options, seed))
    jobs = max(1, min(options.jobs, len(todo)))
    command = [sys.executable, os.path.abspath(__file__), "--worker"]
    command += ["--kernel-only"] * options.kernel_only + ["--no-shrink"] * options.no_shrink
    command += ["--removal"] * options.removal
    workers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                env=dict(os.environ, EDGEPATH=program)) for _ in range(jobs)]
    totals, done, started = Totals(), 0, time.monotonic()
    waiting = {}
    ready = selectors.DefaultSelector()

    def feed(child):
        if todo:
            waiting[child] = todo.pop(0)
            child.stdin.write("%s %d\n" % waiting[child])
            child.stdin.flush()
        else:
            waiting.pop(child, None)
            child.stdin.close()
            ready.unregister(child.stdout)

    for child in workers:
        ready.register(child.stdout, selectors.EVENT_READ, child)
        feed(child)
    while ready.get_map():
        for key, _ in ready.select():
            child, line = key.data, key.fileobj.readline()
            if not line:
                backend, number = waiting.pop(child)
                report = {"backend": backend, "seed": number, "status": "fail", "seen": {},
                          "unknown": {}, "probes": 0, "refused": 0,
                          "detail": f"the worker ended, exit {child.wait()}"}
                ready.unregister(child.stdout)
            else:
                report = json.loads(line)
                feed(child)
            done += 1
            tell(report)
            totals.add(report)
    for child in workers:
        child.wait()
    for backend, number in todo:
        totals.add({"backend": backend, "seed": number, "status": "fail", "seen": {}, "unknown": {},
                    "probes": 0, "refused": 0})
    print(f"{done} cases in {time.monotonic() - started:.0f} s, seed {seed}")
    totals.show()
    return 1 if totals.status["fail"] or not totals.status["pass"] else 0


def one(options):
    worker = Worker(options.kernel_only, options.removal)
    try:
        backend = options.backend if options.backend != "all" else None
        if backend is None:
            sys.exit("oracle.py: --case-seed needs --backend")
        case = Case(worker.topo.fam, backend, options.case_seed)
        worker.topo.load(case.rulesets, case.sysctls, case.routing)
        print(case.text())
        for probe, seen, verdict in worker.run(case, case.probes):
            print(f"{probe['src']}:{probe['sport']} -> {probe['dst']}:{probe['dport']}  kernel: {seen}"
                  f"  {verdict.wrong or ('unknown: ' + '; '.join(verdict.unknown) if verdict.unknown else 'agrees')}")
        totals = Totals()
        report = worker.case(backend, options.case_seed, not options.no_shrink)
        tell(report)
        totals.add(report)
        if options.keep:
            print(f"netns {worker.topo.lab.name('host')} (and -cl, -c1, -c2, -c3, -remote) stay until Enter")
            sys.stdin.readline()
        totals.show()
        return 1 if report["status"] == "fail" else 0
    finally:
        worker.close()


def main():
    parser = argparse.ArgumentParser(description="random rulesets, edgepath against the kernel")
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, help="default: a random one, printed")
    parser.add_argument("--backend", choices=BACKENDS + ("all",), default="all")
    parser.add_argument("--case-seed", type=int, help="one case only, as a failure names it")
    parser.add_argument("--keep", action="store_true",
                        help="leave that case's namespaces until Enter")
    parser.add_argument("--jobs", type=int, default=(os.cpu_count() or 1) + 1)
    parser.add_argument("--no-shrink", action="store_true",
                        help="print failing rulesets as they are")
    parser.add_argument("--kernel-only", action="store_true",
                        help="only try the generator on the kernel")
    parser.add_argument("--removal", action="store_true",
                        help="one rule of each case is deleted after edgepath was asked without it")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if os.geteuid():
        print("oracle: needs root")
        return 77
    if not options.kernel_only and not netlab.have_edgepath():
        print(f"oracle: no {netlab.EDGEPATH}: build it first", file=sys.stderr)
        return 1
    if options.worker:
        return work(options)
    if options.case_seed is not None:
        return one(options)
    if options.kernel_only:
        return many(options, netlab.EDGEPATH)
    with tempfile.TemporaryDirectory(prefix="ept-oracle-") as kept:
        # A build during the run must not change what is being tried.
        return many(options, shutil.copy(netlab.EDGEPATH, kept))


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs commands one after another and prints their wall time, CPU time and largest peak memory.

    measure.py COMMAND... [';' COMMAND...]...

One line to stdout: seconds of wall time, seconds of CPU time, KiB of the largest ru_maxrss, exit
codes. The commands' own output is discarded. A process of its own that imports next to nothing,
since a child's ru_maxrss never falls below what its parent had resident when it forked.
"""

import os
import sys
import time


def main(words):
    commands = [[]]
    for word in words:
        if word == ";":
            commands.append([])
        else:
            commands[-1].append(word)
    null = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1, 2)]
    cpu, peak, codes = 0.0, 0, []
    started = time.perf_counter()
    for argv in commands:
        pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=null)
        _, status, usage = os.wait4(pid, 0)
        codes.append(str(os.waitstatus_to_exitcode(status)))
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss)
    wall = time.perf_counter() - started
    print(f"{wall:.6f} {cpu:.6f} {peak} {','.join(codes)}")


main(sys.argv[1:])

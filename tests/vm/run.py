#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs tests of this checkout under another kernel, in a virtual machine of their own.

    tests/vm/run.py [--kernel bullseye|bookworm|trixie] [--timeout S] [--results DIR]
                    [--command 'SHELL COMMAND'] [PYTEST ARGUMENT...]

Without arguments it runs tests/vm/test_*.py. Output and exit code are those of what ran; 77 if the
machine cannot be had, with the reason on the last line. Paths are relative to the checkout.
--command runs something else, say tests/oracle/oracle.py. Files that are left in /job/results there
are put into the directory --results: junit.xml of pytest.

The machine is qemu's, emulated (a /dev/kvm that is there may still not work): Debian's kernel of
that release, and a root file system of the packages that are installed here. It has no network.
See kernels.py and rootfs.py.
"""

import argparse
import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from kernels import SUITES, Unavailable, kernel, libraries  # noqa: E402
from rootfs import root_image  # noqa: E402

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.path.join(TOP, os.environ.get("BUILD") or "build"))
SKIP = 77
CHECKOUT = ("tests", "tools", "docs")
RESULTS_SIZE = 64 << 20
QEMU = "qemu-system-x86_64"


def job(path, command, env):
    """The checkout's tests, the program and the command, as one archive."""
    script = os.path.join(os.path.dirname(path), "command")
    with open(script, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\ncd /job/src || exit 1\n")
        for name, value in env.items():
            f.write(f"export {name}={shlex.quote(value)}\n")
        f.write(command + "\n")
    os.chmod(script, 0o755)
    with tarfile.open(path, "w") as tar:
        tar.add(script, "command")
        for name in CHECKOUT:
            tar.add(os.path.join(TOP, name), "src/" + name,
                    filter=lambda i: None if i.name.endswith("/corpus") else i)
        for name in ("edgepath", "tests/snapshot"):
            if os.path.exists(os.path.join(BUILD, name)):
                tar.add(os.path.join(BUILD, name), "src/build/" + name)
        for path in libraries(os.path.join(BUILD, "edgepath")):
            tar.add(os.path.realpath(path), "lib/" + os.path.basename(path))


def arguments(where, root, disks, console, processors):
    argv = [QEMU, "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(processors), "-m",
            "1024", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-nic", "none",
            "-serial", "file:" + console, "-kernel", os.path.join(where, "vmlinuz"),
            "-initrd", os.path.join(where, "initrd"), "-append",
            "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on"]
    for path, options in ((root, "snapshot=on"),
                          (os.path.join(where, "modules.tar"), "readonly=on"),
                          (disks["job"], "readonly=on"), (disks["results"], "cache=unsafe")):
        argv += ["-drive", f"file={path},format=raw,if=virtio,{options}"]
    return argv


def boot(argv, timeout, directory):
    """Until it powers itself off. None, or why it did not."""
    if not shutil.which(QEMU):
        raise Unavailable(f"{QEMU} is not installed")
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, cwd=directory,
                             stderr=subprocess.PIPE, env={**os.environ, "TMPDIR": directory})
    try:
        _, said = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        return f"the machine was ended after {timeout} s"
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    if child.returncode:
        return f"{QEMU}: exit {child.returncode}: {said.decode(errors='replace').strip()}"
    return None


def results(path):
    """{name: bytes} of what the machine left."""
    found = {}
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                if member.isfile():
                    found[os.path.basename(member.name)] = tar.extractfile(member).read()
    except tarfile.TarError:
        pass
    return found


def run(suite, command, timeout, env, processors):
    """(exit code, output, {name: bytes} of the files it left) of a shell command in the machine."""
    below = os.path.join(BUILD, "vm")
    os.makedirs(below, exist_ok=True)
    with open(os.path.join(below, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        where, root = kernel(suite, below), root_image(below)
    with tempfile.TemporaryDirectory(prefix="edgepath-vm.") as directory:
        disks = {name: os.path.join(directory, name) for name in ("job", "results")}
        console = os.path.join(directory, "console")
        job(disks["job"], command, env)
        with open(disks["results"], "wb") as f:
            f.truncate(RESULTS_SIZE)
        argv = arguments(where, root, disks, console, processors)
        trouble = boot(argv, timeout, directory)
        found = results(disks["results"])
        output = found.get("output", b"").decode(errors="replace")
        if "code" in found:
            return int(found["code"]), output, found
        with open(console, encoding="utf-8", errors="replace") as f:
            output += f.read()
        return 1, f"{output}\n{trouble or 'the machine ended without a result'}\n", {}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--kernel", default="bookworm", choices=SUITES)
    parser.add_argument("--timeout", type=int, default=600)
    parser.add_argument("--processors", type=int, default=min(os.cpu_count() or 1, 2))
    parser.add_argument("--results")
    parser.add_argument("--command")
    options, tests = parser.parse_known_args()
    # Ended by a signal, it still takes the machine down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    command = options.command or shlex.join([
        "/usr/bin/python3", "-m", "pytest", "-p", "no:cacheprovider", "-ra", "--junitxml",
        "/job/results/junit.xml", *(tests or ["tests/vm"])])
    env = {"EDGEPATH": "/job/src/build/edgepath", "LD_LIBRARY_PATH": "/job/lib",
           "EDGEPATH_VM": options.kernel}
    env.update((name, os.environ[name]) for name in ("LAB_SHARD",) if name in os.environ)
    start = time.monotonic()
    try:
        code, output, files = run(options.kernel, command, options.timeout, env,
                                  options.processors)
    except Unavailable as e:
        print(e)
        return SKIP
    sys.stdout.write(output)
    print(f"({options.kernel}: {time.monotonic() - start:.0f} s)")
    for name, data in files.items() if options.results else ():
        os.makedirs(options.results, exist_ok=True)
        with open(os.path.join(options.results, name), "wb") as f:
            f.write(data)
    return code


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: GPL-2.0-or-later
"""The root file system of the test machine: the files of packages that are installed here.

An ext4 image below build/vm, made again when one of the packages changes. The machine writes to a
copy that it forgets, so any number of machines may run from it.
"""

import hashlib
import os
import re
import shutil
import subprocess

from kernels import Unavailable

# With all that they depend on.
PACKAGES = ("dash", "bash", "coreutils", "util-linux", "mount", "grep", "sed", "tar", "findutils", "procps",
            "kmod", "python3", "python3-pytest", "python3-jsonschema", "iproute2", "nftables",
            "iptables", "ipset", "ipvsadm", "conntrack", "libc-bin")
BUSYBOX = ("busybox-static", "busybox")
LEFT_OUT = re.compile(r"/usr/(share/(doc|man|locale|info|lintian|i18n|perl|bug)|include|games)/")

INIT = """#!/bin/sh
# The first process of the test machine. Disks: vda the root, vdb modules, vdc the job (both tar),
# vdd takes the results (tar).
export PATH=/usr/sbin:/usr/bin HOME=/root LC_ALL=C.UTF-8 TMPDIR=/tmp
finish() { sync; busybox poweroff -f; }
trap finish EXIT
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mkdir -p /dev/pts /dev/shm /run/lock /job
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
mount --make-rshared /
tar -xf /dev/vdb -C /
tar -xf /dev/vdc -C /job
ip link set lo up
cd /job
mkdir -p /job/results
./command >/job/results/output 2>&1
echo $? >/job/results/code
tar -cf /dev/vdd -C /job/results .
"""

ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
    "group": "root:x:0:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost vm\n::1 localhost\n",
    "hostname": "vm\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "machine-id": "0123456789abcdef0123456789abcdef\n",
}


def _installed():
    """{name: (version, what it depends on, each a list of alternatives)}. A name that is only
    provided depends on the provider and has no version."""
    text = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}\t${Package}\t${Version}\t"
         "${Pre-Depends}, ${Depends}\t${Provides}\n"],
        capture_output=True, text=True, check=True).stdout
    packages = {}
    for line in text.splitlines():
        state, name, version, depends, provides = line.split("\t")
        if state[:2] != "ii":
            continue
        packages[name] = (version, [[re.split(r"[ (:]", word.strip())[0] for word in group.split("|")]
                                    for group in depends.split(",") if group.strip()])
        for word in filter(None, map(str.strip, provides.split(","))):
            packages.setdefault(re.split(r"[ (]", word)[0], ("", [[name]]))
    return packages


def _closure(packages):
    busybox = next((name for name in BUSYBOX if name in packages), BUSYBOX[0])
    todo, found = [*PACKAGES, busybox], set()
    missing = [name for name in todo if name not in packages]
    if missing:
        raise Unavailable(f"not installed: {' '.join(missing)}; tools/deps test")
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        for group in packages[name][1]:
            todo += [one for one in group if one in packages][:1]
    return sorted(name for name in found if packages[name][0])


def _copy(path, tree):
    real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    target = tree + real
    if os.path.lexists(target):
        return
    if os.path.isdir(real) and not os.path.islink(real):
        os.makedirs(target, exist_ok=True)
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(real):
        os.symlink(os.readlink(real), target)
    elif os.path.isfile(real):
        shutil.copy2(real, target)


def _populate(names, tree):
    for merged in ("bin", "sbin", "lib", "lib64"):
        os.makedirs(os.path.join(tree, "usr", merged))
        os.symlink("usr/" + merged, os.path.join(tree, merged))
    for name in ("proc", "sys", "dev", "run", "tmp", "root", "etc", "var/tmp", "job"):
        os.makedirs(os.path.join(tree, name))
    files = subprocess.run(["dpkg-query", "-L", *names], capture_output=True, text=True,
                           check=True).stdout.split("\n")
    python = set()
    for path in files:
        if not path.startswith("/") or path == "/." or LEFT_OUT.match(path + "/"):
            continue
        _copy(path, tree)
        if path.endswith(".py"):
            python.add(os.path.dirname(path) + "/__pycache__")
    # Compiled at installation, by no package's list; without them each start takes seconds.
    for directory in python:
        if os.path.isdir(directory):
            shutil.copytree(directory, tree + os.path.realpath(directory), dirs_exist_ok=True)
    shutil.copytree("/etc/alternatives", tree + "/etc/alternatives", symlinks=True,
                    dirs_exist_ok=True)
    for name in os.listdir("/etc/alternatives"):
        for where in ("/usr/sbin/", "/usr/bin/"):
            if os.path.islink(where + name):
                _copy(where + name, tree)
    for name, text in ETC.items():
        with open(os.path.join(tree, "etc", name), "w", encoding="utf-8") as f:
            f.write(text)
    with open(tree + "/vm-init", "w", encoding="utf-8") as f:
        f.write(INIT)
    os.chmod(tree + "/vm-init", 0o755)
    subprocess.run(["ldconfig", "-r", tree], check=True)


def root_image(below):
    """The path of the image."""
    for tool in ("mke2fs", "dpkg-query"):
        if not shutil.which(tool):
            raise Unavailable(f"{tool} is not installed")
    packages = _installed()
    names = _closure(packages)
    digest = hashlib.sha256()
    with open(__file__, "rb") as f:
        digest.update(f.read())
    for name in names:
        digest.update(f"{name} {packages[name][0]}\n".encode())
    path = os.path.join(below, f"root-{digest.hexdigest()[:16]}.img")
    if os.path.exists(path):
        return path
    tree, new = os.path.join(below, "root"), path + ".new"
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(tree)
    for old in os.listdir(below):
        if old.startswith("root-"):
            os.unlink(os.path.join(below, old))
    _populate(names, tree)
    if os.path.exists(new):
        os.unlink(new)
    done = subprocess.run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", tree, new, "1G"],
                          capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"mke2fs: {done.stderr.strip()}")
    shutil.rmtree(tree)
    os.rename(new, path)
    return path

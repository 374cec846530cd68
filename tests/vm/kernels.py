# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernels, downloaded and unpacked below build/vm, never installed.

A kernel is a directory with vmlinuz, initrd and modules.tar. What was downloaded once is not asked
for again; whatever stands in the way of a download is an Unavailable with the reason.
"""

import glob
import io
import lzma
import os
import re
import shutil
import subprocess
import tarfile

ARCHIVE = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PACKAGE = "linux-image-cloud-amd64"
# By Debian's release: 5.10, 6.1, 6.12.
SUITES = ("bullseye", "bookworm", "trixie")

# What goes into the machine, below lib/modules/VERSION/kernel.
MODULES = ("net", "lib", "crypto", "arch", "drivers/net", "drivers/block/loop.", "fs/overlayfs")
LEFT_OUT = ("drivers/net/ethernet", "drivers/net/wireless", "drivers/net/phy", "net/bluetooth",
            "net/mac80211", "net/sunrpc")
DISK_DRIVERS = ("virtio_pci", "virtio_blk")


class Unavailable(Exception):
    """This machine cannot have it, and why."""


def _run(argv, **more):
    try:
        done = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, **more)
    except OSError as e:
        raise Unavailable(f"{argv[0]}: {e.strerror}") from e
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        errors = [line for line in lines if line.startswith("E:")] or lines or ["failed"]
        raise Unavailable(f"{argv[0]} {argv[-1]}: {errors[-1]}")
    return done.stdout


def _mirror():
    """The Debian archive that this machine uses."""
    for path in ["/etc/apt/sources.list", *glob.glob("/etc/apt/sources.list.d/*")]:
        try:
            with open(path, encoding="utf-8", errors="replace") as f:
                text = f.read()
        except OSError:
            continue
        found = re.search(r"^(?:URIs:|deb\s+(?:\[[^]]*\])?)\s*(https?://\S+/debian)/?(?:\s|$)", text,
                          re.M)
        if found:
            return found.group(1)
    return ARCHIVE


def _download(suite, where):
    """The .deb of the suite's kernel. apt checks its signature; its lists are kept here, and those
    of the machine are not touched."""
    apt = os.path.join(where, "apt")
    for name in ("lists/partial", "cache/archives/partial"):
        os.makedirs(os.path.join(apt, name), exist_ok=True)
    signed = f"[signed-by={KEYRING}] " if os.path.exists(KEYRING) else ""
    with open(os.path.join(apt, "sources.list"), "w", encoding="utf-8") as f:
        f.write(f"deb {signed}{_mirror()} {suite} main\n")
    options = [word for option in (
        f"Dir::Etc::SourceList={apt}/sources.list", "Dir::Etc::SourceParts=/dev/null",
        f"Dir::State::Lists={apt}/lists", f"Dir::Cache={apt}/cache", "APT::Sandbox::User=root",
        "APT::Architecture=amd64", "APT::Architectures::=amd64", "Acquire::Languages=none",
        "Acquire::Retries=2", "Acquire::http::Timeout=20", "APT::Update::Error-Mode=any",
    ) for word in ("-o", option)]
    _run(["apt-get", "-q", *options, "update"], timeout=180)
    depends = _run(["apt-cache", *options, "depends", PACKAGE]).decode()
    image = re.search(r"Depends: (linux-image-\S+)", depends)
    if not image:
        raise Unavailable(f"{suite} has no {PACKAGE}")
    _run(["apt-get", "-q", *options, "download", image.group(1)], cwd=where, timeout=300)
    shutil.rmtree(apt)
    return glob.glob(os.path.join(where, "linux-image-*.deb"))[0]


def _without_suffix(path):
    """Modules are compressed in newer releases; busybox and speed want them plain."""
    for path in glob.glob(path + "/**/*.ko.xz", recursive=True):
        with lzma.open(path) as packed, open(path.removesuffix(".xz"), "wb") as plain:
            shutil.copyfileobj(packed, plain)
        os.unlink(path)


def _wanted(name):
    return name.startswith(MODULES) and not name.startswith(LEFT_OUT)


def _unpack(deb, where):
    tree = os.path.join(where, "tree")
    _run(["dpkg-deb", "-x", deb, tree])
    modules = (glob.glob(tree + "/lib/modules/*") + glob.glob(tree + "/usr/lib/modules/*"))[0]
    version = os.path.basename(modules)
    kernel = os.path.join(modules, "kernel")
    for path in glob.glob(kernel + "/**/*.ko*", recursive=True):
        name = os.path.relpath(path, kernel)
        if not _wanted(name) and not name.startswith("drivers/virtio/") \
                and not name.startswith("drivers/block/virtio_blk."):
            os.unlink(path)
    _without_suffix(kernel)
    plain = os.path.join(tree, "lib/modules", version)
    if plain != modules:
        os.makedirs(os.path.dirname(plain), exist_ok=True)
        os.rename(modules, plain)
    _run(["depmod", "-b", tree, version])
    os.rename(glob.glob(tree + "/boot/vmlinuz-*")[0], os.path.join(where, "vmlinuz"))
    with tarfile.open(os.path.join(where, "modules.tar"), "w") as tar:
        tar.add(plain, os.path.join("usr/lib/modules", version))
    with open(os.path.join(where, "initrd"), "wb") as f:
        f.write(_initrd(plain))
    with open(os.path.join(where, "version"), "w", encoding="utf-8") as f:
        f.write(version + "\n")
    shutil.rmtree(tree)
    os.unlink(deb)


# ---------------------------------------------------------------- the first file system

_INIT = """#!/bin/busybox sh
export PATH=/bin
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do insmod "/modules/$module"; done
mount -t ext4 /dev/vda /new && exec switch_root /new /vm-init
echo "vm: no root file system"
poweroff -f
"""
_TOOLS = ("sh", "mount", "insmod", "cat", "switch_root", "poweroff", "echo")


def _drivers(modules):
    """Paths of DISK_DRIVERS and of what they need, in the order of loading."""
    needs = {}
    with open(os.path.join(modules, "modules.dep"), encoding="utf-8") as f:
        for line in f:
            path, _, rest = line.partition(":")
            needs[path] = rest.split()
    order = []
    for path, rest in needs.items():
        if os.path.basename(path).split(".")[0] in DISK_DRIVERS:
            # depmod tells them last first.
            order += [p for p in [*reversed(rest), path] if p not in order]
    return [os.path.join(modules, path) for path in order]


def libraries(program):
    """Paths of the libraries that it is linked with."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True)
    return re.findall(r"(/\S+) \(0x", done.stdout)


class _Cpio:
    """An archive in the kernel's "newc" format (Documentation/driver-api/early-userspace)."""

    def __init__(self):
        self.out = io.BytesIO()
        self.number = 0
        self.made = set()

    def _entry(self, name, mode, data=b""):
        self.number += 1
        raw = name.encode() + b"\0"
        fields = (self.number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0)
        self.out.write(b"070701" + b"".join(b"%08X" % f for f in fields) + raw)
        self._pad()
        self.out.write(data)
        self._pad()

    def _pad(self):
        self.out.write(bytes(-self.out.tell() % 4))

    def directory(self, name):
        if name and name not in self.made:
            self.directory(os.path.dirname(name))
            self.made.add(name)
            self._entry(name, 0o40755)

    def file(self, name, data):
        self.directory(os.path.dirname(name))
        self._entry(name, 0o100755, data)

    def link(self, name, target):
        self._entry(name, 0o120777, target.encode())

    def bytes(self):
        self._entry("TRAILER!!!", 0)
        return self.out.getvalue()


def _initrd(modules):
    busybox = shutil.which("busybox")
    if not busybox:
        raise Unavailable("busybox is not installed")
    cpio = _Cpio()
    for name in ("dev", "new", "bin"):
        cpio.directory(name)
    for path, name in [(busybox, "bin/busybox")] + [(p, p[1:]) for p in libraries(busybox)]:
        with open(path, "rb") as f:
            cpio.file(name, f.read())
    for tool in _TOOLS:
        cpio.link("bin/" + tool, "busybox")
    drivers = _drivers(modules)
    for path in drivers:
        with open(path, "rb") as f:
            cpio.file("modules/" + os.path.basename(path), f.read())
    cpio.file("modules/order", "\n".join(map(os.path.basename, drivers)).encode() + b"\n")
    cpio.file("init", _INIT.encode())
    return cpio.bytes()


def kernel(suite, below):
    """The directory of a suite's kernel, downloaded at the first time."""
    if suite not in SUITES:
        raise Unavailable(f"there is no kernel '{suite}', only {', '.join(SUITES)}")
    if os.uname().machine != "x86_64":
        raise Unavailable("the kernels are for x86_64")
    where = os.path.join(below, suite)
    if not os.path.exists(os.path.join(where, "version")):
        shutil.rmtree(where, ignore_errors=True)
        os.makedirs(where)
        try:
            _unpack(_download(suite, where), where)
        except (OSError, IndexError, subprocess.TimeoutExpired) as e:
            raise Unavailable(f"{suite}'s kernel: {e}") from e
    return where

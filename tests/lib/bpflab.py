# SPDX-License-Identifier: GPL-2.0-or-later
"""BPF programs in a lab: tests/lib/programs.bpf.c compiled, loaded, and attached by links that end with
this process. bpf(2) is called as it is, uapi linux/bpf.h."""

import contextlib
import ctypes
import os
import shutil
import struct
import subprocess
import tempfile
import threading

_libc = ctypes.CDLL(None, use_errno=True)
_SYS_BPF = {"x86_64": 321, "aarch64": 280, "riscv64": 280}.get(os.uname().machine)
_MAP_UPDATE, _PROG_LOAD, _OBJ_GET, _LINK_CREATE, _PROG_ATTACH = 2, 5, 7, 28, 8
_INFO_BY_FD = 15
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs.bpf.c")
ATTACH = {"cgroup-ingress": 0, "cgroup-egress": 1, "cgroup-connect4": 10, "sk_lookup": 36,
          "xdp": 37, "netfilter": 45, "tcx-ingress": 46, "tcx-egress": 47}
_object = None


class Missing(Exception):
    """What these tests need is not there; the reason to skip."""


def _bpf(cmd, attr):
    attr = ctypes.create_string_buffer(attr.ljust(152, b"\0"), 152)
    ret = _libc.syscall(_SYS_BPF, cmd, attr, 152)
    if ret < 0:
        err = ctypes.get_errno()
        raise OSError(err, os.strerror(err))
    return ret, attr.raw


def compiled():
    global _object
    if _object is None:
        if _SYS_BPF is None:
            raise Missing("the number of bpf(2) on this machine is not known")
        for tool in ("clang", "bpftool"):
            if not shutil.which(tool):
                raise Missing(f"{tool} is not installed")
        out = tempfile.NamedTemporaryFile(suffix=".o")
        subprocess.run(["clang", "-g", "-O2", "-target", "bpf",
                        f"-I/usr/include/{os.uname().machine}-linux-gnu", "-c", SOURCE, "-o",
                        out.name], check=True)
        _object = out
    return _object.name


class Programs:
    """All programs, pinned in a bpffs of the lab's own; descriptors by name."""

    def __init__(self, lab):
        self.lab, self.dir, self.links = lab, lab.tempdir(), []
        path = compiled()
        subprocess.run(["mount", "-t", "bpf", "bpf", self.dir], check=True)
        done = subprocess.run(["bpftool", "prog", "loadall", path, self.dir + "/p", "pinmaps",
                               self.dir + "/m"], capture_output=True, text=True)
        if done.returncode:
            raise Missing("programs do not load here: " + done.stderr.strip()[-200:])
        lab.defer(self.close)

    def close(self):
        for link in self.links:
            with contextlib.suppress(OSError):
                os.close(link)
        self.links = []

    def pin(self, name):
        return f"{self.dir}/p/{name}"

    def fd(self, name, what="p"):
        path = ctypes.create_string_buffer(f"{self.dir}/{what}/{name}".encode())
        fd, _ = _bpf(_OBJ_GET, struct.pack("=QII", ctypes.addressof(path), 0, 0))
        self.links.append(fd)
        return fd

    def id(self, prog_fd):
        info = ctypes.create_string_buffer(232)
        _bpf(_INFO_BY_FD, struct.pack("=IIQ", prog_fd, 232, ctypes.addressof(info)))
        return struct.unpack_from("=I", info.raw, 4)[0]

    def link(self, kind, prog_fd, target, flags=0, rest=b""):
        fd, _ = _bpf(_LINK_CREATE, struct.pack("=IIII", prog_fd, target, ATTACH[kind], flags) +
                     rest)
        self.links.append(fd)
        return fd

    def unlink(self, link):
        self.links.remove(link)
        os.close(link)

    def inside(self, ns, function):
        """function() in a network namespace."""
        result = []

        def run():
            try:
                with open(self.lab.spaces[ns].path) as netns:
                    if _libc.setns(netns.fileno(), 0x40000000):
                        raise OSError(ctypes.get_errno(), "setns")
                result.append((function(), None))
            except OSError as err:
                result.append((None, err))
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        value, err = result[0]
        if err:
            raise err
        return value

    def netfilter(self, verdict, pf, hook, priority=0):
        """A program `return verdict` at a netfilter hook of the namespace it is called in."""
        insns = struct.pack("=BBhi", 0xb7, 0, 0, verdict) + struct.pack("=BBhi", 0x95, 0, 0, 0)
        code, gpl = ctypes.create_string_buffer(insns), ctypes.create_string_buffer(b"GPL")
        prog, _ = _bpf(_PROG_LOAD, struct.pack(
            "=IIQQIIQII16sII", 32, 2, ctypes.addressof(code), ctypes.addressof(gpl), 0, 0, 0, 0, 0,
            b"nf_verdict", 0, ATTACH["netfilter"]))
        self.links.append(prog)
        return prog, self.link("netfilter", prog, 0, 0,
                               struct.pack("=IIiI", pf, hook, priority, 0))

    def choose(self, socket_fd):
        """The socket that lookup_steer assigns."""
        key, value = ctypes.create_string_buffer(4), ctypes.create_string_buffer(
            struct.pack("=Q", socket_fd))
        _bpf(_MAP_UPDATE, struct.pack("=IIQQQ", self.fd("chosen", "m"), 0, ctypes.addressof(key),
                                      ctypes.addressof(value), 0))


class Cgroup:
    """A control group of the lab's own below the mount of version 2; processes in it go back to the root
    at the end."""

    def __init__(self, lab, name="lab", parent=None):
        self.root = parent.root if parent else cgroup_mount()
        self.path = os.path.join(parent.path if parent else self.root, lab.prefix + name)
        os.mkdir(self.path)
        self.name = self.path[len(self.root):]
        self.fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        lab.defer(self.close)

    def add(self, pid):
        with open(self.path + "/cgroup.procs", "w") as procs:
            procs.write(str(pid))

    def close(self):
        with open(self.path + "/cgroup.procs") as procs:
            pids = procs.read().split()
        for pid in pids:
            with contextlib.suppress(OSError), open(self.root + "/cgroup.procs", "w") as procs:
                procs.write(pid)
        os.close(self.fd)
        os.rmdir(self.path)


def cgroup_mount():
    with open("/proc/self/mountinfo") as table:
        for row in table:
            words = row.split()
            if words[words.index("-") + 1] == "cgroup2" and words[3] == "/":
                return words[4]
    raise Missing("no cgroup version 2 is mounted")

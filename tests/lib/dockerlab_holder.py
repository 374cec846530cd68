# SPDX-License-Identifier: GPL-2.0-or-later
"""The process that owns one DockerLab (see dockerlab.py), and the cgroups of its pods.

Run as `unshare --mount --propagation unchanged python3 dockerlab_holder.py`. It reads one JSON
request a line on stdin (argv, cgroup, log), answers with the pid, and cleans up at end of file.
"""
import ctypes
import glob
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path


def cgroup_roots():
    """(v1 mount points, v2 mount point or None) of this mount namespace."""
    v1, v2 = [], None
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, _ = line.split(" ", 3)
        if kind == "cgroup":
            v1.append(where)
        elif kind == "cgroup2":
            v2 = where
    return v1, v2


def pod_cgroup(uid, ident):
    """The path below a cgroup root where kubelet puts a BestEffort pod's container: with the
    cgroupfs driver on v1, with the systemd driver where there is only v2."""
    if cgroup_roots()[0]:
        return f"kubepods/besteffort/pod{uid}/{ident}"
    unit = uid.replace("-", "_")
    return (f"kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{unit}.slice/"
            f"cri-containerd-{ident}.scope")


def _enter_cgroup(relative):
    v1, v2 = cgroup_roots()
    entered = 0
    for root in v1 or [v2]:
        path = Path(root) / relative
        try:
            path.mkdir(parents=True, exist_ok=True)
            (path / "cgroup.procs").write_text("0")
            entered += 1
        except OSError:
            continue  # a v1 cpuset without CPUs assigned, or a hierarchy mounted read-only
    if not entered:
        raise OSError(f"no cgroup hierarchy takes {relative}")


def _cgroups_of(pid):
    """Folders of docker's and the pods' cgroups that hold `pid`."""
    v1, v2 = cgroup_roots()
    found = set()
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        path = line.split(":", 2)[2].lstrip("/")
        if path.startswith(("docker/", "kubepods")):
            found |= {os.path.join(root, path) for root in [*v1, v2] if root}
    return found


def _top_cgroups():
    """The folders right below a cgroup root that Docker's and pods' cgroups live in."""
    v1, v2 = cgroup_roots()
    return {path for root in [*v1, v2] if root
            for path in glob.glob(f"{root}/docker") + glob.glob(f"{root}/kubepods*")}


def _cgroups_of_containers():
    """Where the lab's containers have their cgroups, whether anything runs in them or not: one that
    ended while dockerd was dead has no process to be found by."""
    v1, v2 = cgroup_roots()
    idents = [os.path.basename(path) for path in glob.glob("/var/lib/docker/containers/*")]
    return {f"{root}/docker/{ident}" for root in [*v1, v2] if root for ident in idents}


def _remove_cgroups(folders, tops):
    """Remove `folders` and the parents that they leave empty, and `tops` if empty: an
    empty one is nobody's, runc and kubelet make it anew."""
    parents = set(map(Path, tops))
    for folder in folders:
        parts = Path(folder).parts
        top = next(i for i, p in enumerate(parts) if p.startswith(("docker", "kubepods")))
        parents |= {Path(*parts[:n]) for n in range(top + 1, len(parts) + 1)}
    for folder in sorted(parents, key=lambda p: -len(p.parts)):
        try:
            folder.rmdir()
        except OSError:
            continue  # gone already, absent in this hierarchy, or in use by others


class Holder:
    """Owns every process of one lab."""

    def __init__(self):
        self.cgroups = set()
        self.prepared = False

    def prepare(self):
        pr_set_child_subreaper = 36
        if ctypes.CDLL(None, use_errno=True).prctl(pr_set_child_subreaper, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")
        self.detach()
        for folder in ("/run", "/var/lib"):
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "ept", folder], check=True)
        if os.path.realpath("/var/run") != "/run":
            subprocess.run(["mount", "--bind", "/run", "/var/run"], check=True)
        if not any(cgroup_roots()):
            subprocess.run(["mount", "-t", "cgroup2", "ept", "/sys/fs/cgroup"], check=True)
        self.prepared = True
        for folder in ("/run/netns", "/run/ept", "/run/lock", "/var/lib/docker"):
            os.mkdir(folder)
        signal.signal(signal.SIGCHLD, lambda *_: self.reap(os.WNOHANG))
        Path("/run/ept/daemon.json").write_text("{}\n")

    def detach(self):
        """Cut the new mount namespace off from the old one, and see that / is a mount point:
        in a chroot it may be none, and then neither this nor runc could set its propagation.
        nsenter with a mount namespace starts at that namespace's own root."""
        subprocess.run(["nsenter", "--mount=/proc/self/ns/mnt", "mount", "--make-rprivate", "/"],
                       check=True)
        mount_points = [line.split()[4] for line in
                        Path("/proc/self/mountinfo").read_text().splitlines()]
        if "/" not in mount_points:
            subprocess.run(["mount", "--rbind", "/", "/mnt"], check=True)
            os.chroot("/mnt")
            os.chdir("/")

    def reap(self, flags):
        """Reap ended children; false when none is left (flags 0: wait for one)."""
        try:
            while os.waitpid(-1, flags)[0]:
                pass
        except ChildProcessError:
            return False
        return True

    def spawn(self, request):
        pid = os.fork()
        if pid:
            return pid
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            null = os.open("/dev/null", os.O_RDONLY)
            for source, target in ((null, 0), (log, 1), (log, 2)):
                os.dup2(source, target)
            os.setsid()
            if request["cgroup"]:
                _enter_cgroup(request["cgroup"])
            os.execvp(request["argv"][0], request["argv"])
        except BaseException as error:
            os.write(2, f"{request['argv'][0]}: {error}\n".encode())
        os._exit(127)

    def descendants(self):
        parent = {}
        for stat in glob.glob("/proc/[0-9]*/stat"):
            try:
                fields = Path(stat).read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            parent[int(stat.split("/")[2])] = int(fields[1])
        found, new = set(), {os.getpid()}
        while new:
            new = {pid for pid, up in parent.items() if up in new} - found
            found |= new
        return found

    def clean(self):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        deadline = time.monotonic() + 45
        while time.monotonic() < deadline:
            pids = self.descendants()
            for pid in pids:
                self.cgroups |= _cgroups_of(pid)
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            if not self.reap(os.WNOHANG):
                break
            select.select([], [], [], 0.02)
        if self.prepared:  # before that, /var/lib/docker would be the machine's own
            _remove_cgroups(self.cgroups | _cgroups_of_containers(), _top_cgroups())

    def serve(self):
        print(json.dumps({"ready": True}), flush=True)
        for line in sys.stdin:
            request = json.loads(line)
            if request["cgroup"]:
                v1, v2 = cgroup_roots()
                self.cgroups |= {os.path.join(r, request["cgroup"]) for r in v1 or [v2]}
            print(json.dumps({"pid": self.spawn(request)}), flush=True)


def main():
    holder = Holder()
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sig, lambda *_: sys.exit(1))
    try:
        holder.prepare()
        holder.serve()
    except BrokenPipeError:
        pass
    except (OSError, subprocess.CalledProcessError) as error:
        print(json.dumps({"error": str(error)}), flush=True)
    finally:
        holder.clean()


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: GPL-2.0-or-later
"""The part of netlab that runs inside a namespace: it connects, and is the listeners' parent."""

import contextlib
import ctypes
import errno
import fcntl
import os
import select
import signal
import socket
import struct
import time
from multiprocessing.connection import Connection

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_IP_FREEBIND, _IP_TRANSPARENT, _IP_BIND_ADDRESS_NO_PORT = 15, 19, 24
_IPV6_TRANSPARENT, _IPV6_FREEBIND = 75, 78
_IP_RECVERR, _IPV6_RECVERR = 11, 25
_ORIGIN_ICMP = (2, 3)  # SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6


def prctl(option, value):
    if isinstance(value, str):
        value = ctypes.c_char_p(value.encode()[:15])
    _libc.prctl(option, value, 0, 0, 0)


def die_with_parent():
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def is_v6(addr):
    return ":" in addr


def _option(sock, v6, v4_option, v6_option):
    if v6:
        sock.setsockopt(socket.IPPROTO_IPV6, v6_option, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, v4_option, 1)


def _listening_socket(spec):
    v6 = is_v6(spec["addr"])
    sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if v6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(bool(spec.get("v6only"))))
    if spec.get("reuseport"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if spec.get("dev"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, spec["dev"].encode())
    if spec.get("transparent"):
        _option(sock, v6, _IP_TRANSPARENT, _IPV6_TRANSPARENT)
    if spec.get("freebind"):
        _option(sock, v6, _IP_FREEBIND, _IPV6_FREEBIND)
    sock.bind((spec["addr"], spec["port"]))
    sock.listen(128)
    return sock


def _plain(addr):
    addr = addr.split("%")[0]
    return addr[7:] if addr.startswith("::ffff:") and "." in addr else addr


def _serve(socks, name):
    poll = select.poll()
    by_fd = {s.fileno(): s for s in socks}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            with contextlib.suppress(OSError):
                conn, peer = by_fd[fd].accept()
                with conn:
                    here = conn.getsockname()
                    line = f"{name} {os.getpid()} {_plain(here[0])} {here[1]} " \
                           f"{_plain(peer[0])} {peer[1]}\n"
                    conn.sendall(line.encode())


def _do_listen(state, specs, name, comm, uid):
    socks = []
    try:
        socks = [_listening_socket(spec) for spec in specs]
        pid = os.fork()
    except OSError:
        for sock in socks:
            sock.close()
        raise
    if pid == 0:
        try:
            state["conn"].close()
            die_with_parent()
            if uid is not None:
                os.setresuid(uid, uid, uid)
            prctl(_PR_SET_NAME, comm or name)
            _serve(socks, name)
        finally:
            os._exit(1)
    for sock in socks:
        sock.close()
    # The new name is there before anybody looks for the process.
    deadline = time.monotonic() + 5
    want = (comm or name).encode()[:15]
    while time.monotonic() < deadline:
        with open(f"/proc/{pid}/comm", "rb") as comm_file:
            if comm_file.read().rstrip(b"\n") == want:
                break
        os.sched_yield()
    return pid


def _do_kill(state, pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


class _Attempt:
    """One connect() that is under way."""

    def __init__(self, index, case):
        self.index, self.case, self.data, self.connected = index, case, b"", False
        self.sock = None

    def start(self):
        case, v6 = self.case, is_v6(self.case["dst"])
        uid = case.get("uid")
        if uid is not None:
            os.seteuid(uid)
        try:
            self.sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET,
                                      socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        finally:
            if uid is not None:
                os.seteuid(0)
        sock = self.sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Closing resets the connection: no TIME_WAIT keeps the source port.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        # An ICMP error that comes back while connect() still holds the socket's lock is otherwise
        # dropped, and met again only with the next SYN, 1 s later.
        _option(sock, v6, _IP_RECVERR, _IPV6_RECVERR)
        if case.get("dev"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, case["dev"].encode())
        if case.get("mark"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, case["mark"])
        if case.get("tos"):
            sock.setsockopt(socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP,
                            socket.IPV6_TCLASS if v6 else socket.IP_TOS, case["tos"])
        if case.get("src") or case.get("sport"):
            if not case.get("sport"):
                sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((case.get("src") or ("::" if v6 else "0.0.0.0"), case.get("sport") or 0))
        return sock.connect_ex((case["dst"], case["port"]))

    def event(self):
        """Returns a result once there is one."""
        if not self.connected:
            err = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            reported = _icmp_error(self.sock)
            if reported:
                return dict(_failed(err or reported[0]), icmp=reported[1:])
            if err:
                return _failed(err)
            try:
                self.sock.getpeername()
            except OSError:
                return None
            self.connected = True
        try:
            more = self.sock.recv(4096)
        except BlockingIOError:
            return None
        except OSError as err:
            return _failed(err.errno) if not self.data else _parse(self.data)
        self.data += more
        return None if more and not self.data.endswith(b"\n") else _parse(self.data)


def _icmp_error(sock):
    """(errno, ICMP type, code) from the socket's error queue (struct sock_extended_err)."""
    try:
        _, control, _, _ = sock.recvmsg(256, 256, socket.MSG_ERRQUEUE)
    except OSError:
        return None
    for _, _, data in control:
        err, origin, icmp_type, code = struct.unpack_from("=IBBB", data)
        if origin in _ORIGIN_ICMP:
            return err, icmp_type, code
    return None


def _parse(line):
    words = line.decode(errors="replace").split()
    if len(words) != 6:
        return {"kind": "silent"}
    return {"kind": "delivered", "name": words[0], "pid": int(words[1]), "addr": words[2],
            "port": int(words[3]), "peer": words[4], "peer_port": int(words[5])}


_KINDS = {errno.ECONNREFUSED: "refused", errno.ECONNRESET: "refused", errno.EACCES: "rejected",
          errno.EPERM: "rejected", errno.EHOSTUNREACH: "unreachable",
          errno.ENETUNREACH: "unreachable", errno.EINVAL: "unreachable",
          errno.ETIMEDOUT: "timeout"}


def _failed(err):
    return {"kind": _KINDS.get(err, "error"), "errno": err}


def _do_connect(state, cases, timeout):
    results, pending = [None] * len(cases), {}
    poll = select.epoll()
    for index, case in enumerate(cases):
        attempt = _Attempt(index, case)
        err = attempt.start()
        if err not in (0, errno.EINPROGRESS):
            results[index] = _failed(err)
            attempt.sock.close()
            continue
        pending[attempt.sock.fileno()] = attempt
        poll.register(attempt.sock, select.EPOLLIN | select.EPOLLOUT | select.EPOLLERR |
                      select.EPOLLHUP)
    deadline = time.monotonic() + timeout
    while pending and (left := deadline - time.monotonic()) > 0:
        for fd, _ in poll.poll(left):
            attempt = pending[fd]
            result = attempt.event()
            if result is not None:
                results[attempt.index] = result
                poll.unregister(fd)
                attempt.sock.close()
                del pending[fd]
            elif attempt.connected:
                poll.modify(fd, select.EPOLLIN | select.EPOLLERR | select.EPOLLHUP)
    for attempt in pending.values():
        results[attempt.index] = {"kind": "silent" if attempt.connected else "timeout"}
        attempt.sock.close()
    poll.close()
    return results


def _do_sysctl(state, key, value):
    with open("/proc/sys/" + key.replace(".", "/") if "/" not in key else "/proc/sys/" + key,
              "w") as knob:
        knob.write(str(value))


def _do_lo_up(state):
    """SIOCSIFFLAGS on lo (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x40))


def _do_read(state, path):
    with open(path) as source:
        return source.read()


_COMMANDS = {"listen": _do_listen, "kill": _do_kill, "connect": _do_connect,
             "sysctl": _do_sysctl, "lo_up": _do_lo_up, "read": _do_read}


def worker(pipe_fd, netns_path):
    """Obeys one lab inside one namespace until the lab's end of the pipe is closed."""
    die_with_parent()
    conn = Connection(pipe_fd)
    with open(netns_path) as netns:
        if _libc.setns(netns.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    state = {"conn": conn}
    conn.send((True, None))
    while True:
        try:
            name, args = conn.recv()
        except EOFError:
            return
        try:
            conn.send((True, _COMMANDS[name](state, *args)))
        except Exception as err:  # the lab decides what it means
            conn.send((False, f"{name}: {err!r}"))


def fork_child(keep_fd, function, *args):
    """Forks a child that holds no descriptor but standard error and keep_fd."""
    pid = os.fork()
    if pid:
        return pid
    try:
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
            signal.signal(sig, signal.SIG_DFL)
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        kept = os.dup2(keep_fd, 3) if keep_fd != 3 else 3
        os.closerange(4, 65536)
        function(kept, *args)
        os._exit(0)
    except BaseException as err:
        with contextlib.suppress(OSError):
            os.write(2, f"netlab: {err!r}\n".encode())
    finally:
        os._exit(1)

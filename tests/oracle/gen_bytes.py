# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules on the packet's bytes, on sockets and routes, and what else looks at it: for nft and xtables."""

import ipaddress


# Rules that write the TOS leave some bit of DSCP set: by that a reset of the stack is told from a rule's.


class NftBytes:
    """Mixed into NftMatches."""

    def header_match(self):
        r, v6, p = self.rng, self.fam.v6, self.probe()
        size = 80 if v6 else 60
        ttl = "ip6 hoplimit" if v6 else "ip ttl"
        rows = [f"meta length {size}", f"meta length != {size}", "meta length < 200",
                f"meta length > {size - 1}", "meta length { 52, 60, 72, 80 }",
                f"{ttl} > 10", f"{ttl} 64", f"{ttl} < 64", f"{ttl} {{ 60-63, 1 }}", f"{ttl} != 63",
                f"{self.fam.nft} dscp cs0", f"{self.fam.nft} dscp 4", f"{self.fam.nft} dscp != 10", f"{self.fam.nft} dscp {{ 8, 46 }}",
                "tcp doff 10", "tcp doff > 5", "tcp doff != 8", "tcp window > 0", "tcp ackseq 0",
                "tcp urgptr 0", "tcp sequence > 5", "tcp checksum != 1", "tcp flags & ecn == 0",
                "tcp flags == syn", "tcp flags cwr", "@th,104,8 2", "@th,96,4 10", "@th,0,32 0",
                f"@th,16,16 {p['dport']}", "@th,160,16 0x204", "@ih,0,8 0", "@th,480,8 0", "@nh,0,4 4"]
        if v6:
            rows += ["ip6 length 40", "@nh,48,8 6", "@nh,32,16 40", "ip6 flowlabel != 1",
                     "exthdr hbh missing", "exthdr frag exists", "exthdr rt missing", "exthdr dst exists",
                     f"@nh,192,32 0x{int(ipaddress.ip_address(p['dst'])) >> 96:x}"]
        else:
            rows += ["ip length 60", "ip length 40-60", "@nh,72,8 6", "ip hdrlength 5", "ip hdrlength > 5",
                     "ip frag-off & 0x4000 != 0", "ip frag-off & 0x1fff == 0", "ip id != 3", "ip checksum != 3",
                     "@nh,16,16 60", f"@nh,128,32 0x{int(ipaddress.ip_address(p['dst'])):08x}",
                     f"@nh,96,16 0x{int(ipaddress.ip_address(p['src'])) >> 16:x}",
                     "ip option rr missing", "ip option lsrr exists"]
        return r.choice(rows)

    def option_match(self):
        mss = 1440 if self.fam.v6 else 1460
        return self.rng.choice([
            f"tcp option maxseg size {mss}", "tcp option maxseg size > 100", "tcp option maxseg size < 1000",
            "tcp option timestamp exists", "tcp option timestamp missing", "tcp option sack-perm exists",
            "tcp option sack-perm missing", "tcp option window exists", "tcp option window count > 3",
            "tcp option window count 0-14", "tcp option maxseg exists", "tcp option fastopen exists",
            "tcp option mptcp missing", "tcp option 19 exists", "tcp option 253 missing",
            "tcp option timestamp tsecr 0", "tcp option timestamp tsval > 0", "tcp option maxseg length 4",
            "tcp option eol missing", "tcp option nop exists"])

    def place_match(self, hook):
        """What the packet's devices, socket and route are like."""
        p = self.probe()
        rows = ["meta iifkind veth", "meta iifkind != veth", "meta protocol != arp",
                "meta iifkind bridge"]
        if hook in ("prerouting", "input", "forward"):
            rows.append("meta ipsec missing")
        if hook in ("prerouting", "input"):
            rows += ["socket wildcard 0", "socket wildcard 1", "socket transparent 0", "socket transparent 1",
                     "socket mark 0", "socket mark 1"] * 2
        if hook in ("input", "forward", "output", "postrouting"):
            rows += ["meta rtclassid 0", "rt classid 0"]
            rows += ["rt ipsec missing"] if hook != "input" else []
        if hook in ("forward", "postrouting", "output"):
            rows += [f"rt {'ip6' if self.fam.v6 else 'ip'} nexthop {self.rng.choice([p['dst'], *self.fam.targets])}",
                     "meta oifkind bridge", "rt tcp mtu > 100"]
        if hook == "output":
            rows += ["meta skuid 0", "meta skuid != 0", "meta skgid 0-99", "socket transparent 0"]
        return self.rng.choice(rows)

    def bytes_match(self, hook):
        x = self.rng.random()
        return self.header_match() if x < 0.5 else self.option_match() if x < 0.75 else self.place_match(hook)

    def bytes_statement(self, hook):
        """One that rewrites a header, or looks at the packet."""
        v6 = self.fam.v6
        rows = [f"{'ip6 hoplimit' if v6 else 'ip ttl'} set {self.rng.choice([9, 64, 200])}",
                f"{self.fam.nft} dscp set {self.rng.choice(['cs1', 'cs3', 'ef'])}",
                "tcp option maxseg size set 1000",
                'log group 5 prefix "ept"', "log group 6"]
        if hook != "output":
            rows.append("reset tcp option timestamp")
        return self.rng.choice(rows)


def _bytecode(*ops):
    """(code, jt, jf, k)… as the words of iptables -m bpf."""
    return f"-m bpf --bytecode \"{len(ops)},{','.join(' '.join(map(str, op)) for op in ops)}\""


LD_W, LD_H, LD_B = (0x20, 0, 0), (0x28, 0, 0), (0x30, 0, 0)
LDX_MSH, LD_H_IND, LD_B_IND, LD_LEN = (0xb1, 0, 0), (0x48, 0, 0), (0x50, 0, 0), (0x80, 0, 0, 0)
JEQ, JGT, JGE, JSET, RET, AND, RSH, TAX = 0x15, 0x25, 0x35, 0x45, 0x06, (0x54, 0, 0), (0x74, 0, 0), (0x07, 0, 0, 0)


def _test(*ops, jump, k):
    """A program that says whether its last value passes the jump."""
    return _bytecode(*ops, (jump, 0, 1, k), (RET, 0, 0, 65535), (RET, 0, 0, 0))


class XtBytes:
    """Mixed into XtGen."""

    def u32_match(self):
        r, p = self.rng, self.probe()
        src, dst = int(ipaddress.ip_address(p["src"])), int(ipaddress.ip_address(p["dst"]))
        port, lo = p["dport"], max(0, p["sport"] - 900)
        if self.fam.v6:
            rows = ["3&0xFF=6", f"40&0xFFFF={port}", f"8={src >> 96:#x}", f"20={src & 0xffffffff:#x}", f"24={dst >> 96:#x}",
                    "0>>28=6", "4>>16=40", "4>>16=20:60", f"40>>16={lo}:{p['sport']}", "48=0",
                    "49&0xFF=2", "52>>28=10", "44=0:0xffffffff", "52>>26&0x3C@40=0", "0>>20&0xFF=0", "0>>20&0xFF=16", "4&0xFF=64"]
        else:
            rows = ["6&0xFF=6", "0>>24=0x45", "0>>22&0x3C@0&0xFFFF=%d" % port, f"12={src & ~0xff:#x}:{src | 0xff:#x}",
                    f"16={dst:#x}", "0&0xFFFF=60", "0&0xFFFF=40:60", f"0>>22&0x3C@0>>16={lo}:{p['sport']}",
                    "0>>22&0x3C@12>>26&0x3C@0=0", "4&0x3FFF=0", "4>>14&1=1", "5&0xFF=64", "5&0xFF=1:10",
                    "6&0xFF=6 && 0>>22&0x3C@12>>16&0xFF=2", "32>>16&0xFF=2",
                    f"12>>16={src >> 16:#x}", f"12&0xFF={src & 0xff},1,7"]
        return f"-m u32 {self.neg()}--u32 \"{r.choice(rows)}\""

    def string_match(self):
        r, p = self.rng, self.probe()
        src, dst = (ipaddress.ip_address(p[x]).packed.hex() for x in ("src", "dst"))
        at = (8, 24, 40) if self.fam.v6 else (12, 16, 20)
        rows = ['--string "GET / HTTP"', '--string "attack" --icase', f'--hex-string "|{dst}|"', f'--hex-string "|{src}|"',
                f'--hex-string "|{dst}|" --from {at[1]} --to {at[2]}', f'--hex-string "|{dst}|" --from {at[1] + 1}',
                f'--hex-string "|{dst}|" --to {at[1] + 2}', f'--hex-string "|{dst[2:]}{p["sport"]:04x}|"',
                f'--hex-string "|{src}{dst}|"', f'--hex-string "|{p["sport"]:04x}{p["dport"]:04x}|"',
                f'--hex-string "|{p["dport"]:04x}|" --from {at[2] + 2} --to {at[2] + 4}',
                '--hex-string "|00000000|" --from %d --to %d' % (at[2] + 8, at[2] + 12), '--hex-string "|4510|" --to 2',
                '--string "x" --from 100', '--hex-string "|06|" --from 6 --to 10']
        return f"-m string {self.neg()}--algo {r.choice(['bm', 'kmp'])} {r.choice(rows)}"

    def bpf_match(self):
        r, p, v6 = self.rng, self.probe(), self.fam.v6
        src = int(ipaddress.ip_address(p["src"])) >> (96 if v6 else 0)
        port = lambda at: [LD_H + (40 + at,)] if v6 else [LDX_MSH + (0,), LD_H_IND + (at,)]
        byte = lambda at: [LD_B + (40 + at,)] if v6 else [LDX_MSH + (0,), LD_B_IND + (at,)]
        return r.choice([
            _test(LD_B + (6 if v6 else 9,), jump=JEQ, k=6), _test(*port(2), jump=JEQ, k=p["dport"]),
            _test(*port(2), jump=JGE, k=p["dport"]), _test(*port(0), jump=JGT, k=p["sport"]),
            _test(LD_W + (8 if v6 else 12,), jump=JEQ, k=src), _test(LD_W + (8 if v6 else 12,), jump=JGE, k=src),
            _test(LD_W + (8 if v6 else 12,), AND + (0xffff0000,), jump=JEQ, k=src & 0xffff0000),
            _test(*byte(13), jump=JSET, k=0x12), _test(*byte(13), jump=JSET, k=0x11), _test(LD_LEN, jump=JGT, k=100),
            _test(LD_LEN, jump=JEQ, k=80 if v6 else 60), _test(*byte(12), RSH + (4,), jump=JEQ, k=10),
            _test(LD_B + (200,), jump=JGE, k=0), _test(LD_B + (7 if v6 else 8,), jump=JEQ, k=64),
            _test(LD_H + (4 if v6 else 2,), jump=JEQ, k=40 if v6 else 60),
            _test(LD_W + (0xfffff000,), jump=JEQ, k=0x86dd if v6 else 0x800), _bytecode((RET, 0, 0, 1)),
            _test(LD_W + (0xfffff014,), jump=JEQ, k=0)])

    def header_match(self, chain):
        r, v6 = self.rng, self.fam.v6
        size, mss = (80, 1440) if v6 else (60, 1460)
        hl = ("hl", "hl") if v6 else ("ttl", "ttl")
        rows = [f"-m length {self.neg()}--length {size}", "-m length --length 20:1500", f"-m length --length {size + 1}:",
                f"-m {hl[0]} --{hl[1]}-eq 64", f"-m {hl[0]} --{hl[1]}-gt 10", f"-m {hl[0]} --{hl[1]}-lt 64",
                "-m dscp --dscp 0x04", f"-m dscp {self.neg()}--dscp 0", f"-m tos {self.neg()}--tos {r.choice([0, 16])}",
                "-p tcp -m ecn --ecn-tcp-ece", "-p tcp -m ecn ! --ecn-tcp-cwr", "-m ecn --ecn-ip-ect 0",
                f"-p tcp -m tcp --tcp-flags SYN,RST SYN -m tcpmss --mss 500:{mss}",
                f"-p tcp -m tcp --tcp-flags SYN,RST SYN -m tcpmss {self.neg()}--mss {mss + 1}:9000",
                f"-p tcp -m tcp {self.neg()}--tcp-option {r.choice([2, 3, 4, 8, 19, 34, 30])}"]
        if v6:
            rows += ["-m ipv6header --header prot", "-m ipv6header --header frag --soft", "-m ipv6header ! --header prot"]
        if chain in ("INPUT", "FORWARD", "POSTROUTING", "OUTPUT") and not v6:
            rows += [f"-m realm {self.neg()}--realm 0", "-m realm --realm 3"]
        if chain in ("PREROUTING", "INPUT", "FORWARD"):
            rows += ["-m policy --dir in --pol none", "-m policy --dir in --pol ipsec"]
        if chain in ("PREROUTING", "INPUT"):
            rows += ["-m socket", "-m socket --nowildcard", "-m socket --transparent", "-m socket --nowildcard --transparent",
                     "-m socket --restore-skmark --nowildcard"] * 2
        if chain in ("OUTPUT", "POSTROUTING"):
            rows += [f"-m owner {self.neg()}--uid-owner 0", "-m owner --gid-owner 0", "-m owner --socket-exists",
                     "-m owner --uid-owner 5-70", "-m cgroup --cgroup 0", "-m cgroup ! --cgroup 7"]
        return r.choice(rows)

    def bytes_match(self, chain):
        x = self.rng.random()
        return self.u32_match() if x < 0.25 else self.string_match() if x < 0.5 else \
            self.bpf_match() if x < 0.7 else self.header_match(chain)

    def bytes_target(self, table, chain):
        """One that looks, gives the packet to a queue that nobody reads, or rewrites a header."""
        r, v6 = self.rng, self.fam.v6
        rows = ["NFLOG --nflog-group 5", "NFQUEUE --queue-num 7 --queue-bypass", "AUDIT --type accept",
                "NFQUEUE --queue-balance 3:9 --queue-bypass"]
        if table == "raw":
            rows += ["TRACE", "CT --notrack"]
        if table == "mangle":
            rows += [f"TOS --set-tos {r.choice(['0x10', '0x20', '0x08/0x0f'])}", f"DSCP --set-dscp {r.choice([1, 4, 10])}",
                     f"{'HL --hl' if v6 else 'TTL --ttl'}-set {r.choice([9, 64, 200])}",
                     f"{'HL --hl' if v6 else 'TTL --ttl'}-inc 3", "CHECKSUM --checksum-fill"]
        return r.choice(rows)

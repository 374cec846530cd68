# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose rule it is: rules in the shape in which each program writes them, and who is named for them.

The rules of test_software.py are used where they are those of the program; the others are as the
program's own documentation and sources show them. The kernel must do what edgepath says, too.
"""

import pytest

from netlab import agree
from scenario import World, listen
from test_software import (CNI, CNI_NFT, DOCKER_NFT, FIREWALLD, ISTIO, KUBE, KUBE_NFT, SVCLB_HOST,
                           SVCLB_POD, UFW)

NETAVARK = """*nat
:NETAVARK-HOSTPORT-DNAT - [0:0]
:NETAVARK-HOSTPORT-MASQ - [0:0]
:NETAVARK-HOSTPORT-SETMARK - [0:0]
:NETAVARK-DN-1D8721804F16F - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j NETAVARK-HOSTPORT-DNAT
-A OUTPUT -m addrtype --dst-type LOCAL -j NETAVARK-HOSTPORT-DNAT
-A POSTROUTING -j NETAVARK-HOSTPORT-MASQ
-A NETAVARK-HOSTPORT-MASQ -m comment --comment "netavark portfw masq mark" -m mark --mark 0x2000/0x2000 -j MASQUERADE
-A NETAVARK-HOSTPORT-SETMARK -j MARK --set-xmark 0x2000/0x2000
-A NETAVARK-HOSTPORT-DNAT -p tcp -m tcp --dport 443 -m comment --comment "dnat name: podman id: 8a1c" -j NETAVARK-DN-1D8721804F16F
-A NETAVARK-DN-1D8721804F16F -s $brnet -p tcp -m tcp --dport 443 -j NETAVARK-HOSTPORT-SETMARK
-A NETAVARK-DN-1D8721804F16F -p tcp -m tcp --dport 443 -j DNAT --to-destination $C1:8443
COMMIT
"""

NETAVARK_NFT = """table inet netavark {
chain PREROUTING { type nat hook prerouting priority dstnat; fib daddr type local jump NETAVARK-HOSTPORT-DNAT; }
chain NETAVARK-HOSTPORT-DNAT { tcp dport 443 jump nv_2f259bab_dnat; }
chain nv_2f259bab_dnat { $ip saddr $brnet tcp dport 443 jump NETAVARK-HOSTPORT-SETMARK; tcp dport 443 dnat $ip to $C1:8443; }
chain NETAVARK-HOSTPORT-SETMARK { meta mark set mark or 0x2000; }
chain POSTROUTING { type nat hook postrouting priority srcnat; meta mark & 0x2000 == 0x2000 masquerade; }
}
"""

SWARM = """*nat
:DOCKER-INGRESS - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER-INGRESS
-A DOCKER-INGRESS -p tcp -m tcp --dport 443 -j DNAT --to-destination $C1:8443
-A DOCKER-INGRESS -j RETURN
COMMIT
"""

CALICO = """*filter
:cali-FORWARD - [0:0]
:cali-to-wl-dispatch - [0:0]
-A FORWARD -m comment --comment "cali:wUHhoiAYhphO9Mso" -j cali-FORWARD
-A cali-FORWARD -m comment --comment "cali:vjrMJCRpqwy5oRoX" -j MARK --set-xmark 0x0/0xe0000
-A cali-FORWARD -o br0 -m comment --comment "cali:jxvuJjmmRV135nVu" -j cali-to-wl-dispatch
-A cali-to-wl-dispatch -m comment --comment "cali:5DkHHZpaGMr0C1ln" -m comment --comment "Unknown interface" -j DROP
COMMIT
*nat
-A PREROUTING -p tcp --dport 443 -j DNAT --to-destination $C1:8443
COMMIT
"""

CILIUM = """*filter
:CILIUM_INPUT - [0:0]
-A INPUT -m comment --comment "cilium-feeder: CILIUM_INPUT" -j CILIUM_INPUT
-A CILIUM_INPUT -p tcp -m tcp --dport 443 -m comment --comment "cilium: host drop" -j DROP
COMMIT
"""

LIBVIRT = """*filter
:LIBVIRT_FWI - [0:0]
-A FORWARD -j LIBVIRT_FWI
-A LIBVIRT_FWI -d $brnet -o br0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A LIBVIRT_FWI -o br0 -j REJECT --reject-with $portunreach
COMMIT
*nat
-A PREROUTING -p tcp --dport 443 -j DNAT --to-destination $C1:8443
COMMIT
"""

LXD = """table inet lxd {
chain prert.c1.web { type nat hook prerouting priority dstnat; $ip daddr $host tcp dport 443 dnat $ip to $C1:8443; }
chain pstrt.br0 { type nat hook postrouting priority srcnat; $ip saddr $brnet $ip daddr != $brnet masquerade; }
}
"""

CRIO = """*nat
:KUBE-HOSTPORTS - [0:0]
:KUBE-HP-AAAAAAAAAAAAAAAA - [0:0]
-A PREROUTING -m comment --comment "kube hostport portals" -m addrtype --dst-type LOCAL -j KUBE-HOSTPORTS
-A KUBE-HOSTPORTS -p tcp -m comment --comment "k8s_web_default_0_ hostport 443" -m tcp --dport 443 -j KUBE-HP-AAAAAAAAAAAAAAAA
-A KUBE-HP-AAAAAAAAAAAAAAAA -p tcp -m comment --comment "k8s_web_default_0_ hostport 443" -m tcp -j DNAT --to-destination $C1:8443
COMMIT
"""

KUBE_ROUTER = """*filter
:KUBE-ROUTER-INPUT - [0:0]
-A INPUT -m comment --comment "kube-router netpol - 4IA2OSFRMVNDXBVV" -j KUBE-ROUTER-INPUT
-A KUBE-ROUTER-INPUT -p tcp -m tcp --dport 443 -j REJECT --reject-with $portunreach
COMMIT
"""

FIREWALLD_XT = """*filter
:INPUT_ZONES - [0:0]
:IN_public - [0:0]
:IN_public_deny - [0:0]
-A INPUT -j INPUT_ZONES
-A INPUT_ZONES -i eth0 -g IN_public
-A IN_public -j IN_public_deny
-A IN_public_deny -p tcp -m tcp --dport 443 -j REJECT --reject-with $portunreach
COMMIT
"""

FAIL2BAN = """*filter
:f2b-web - [0:0]
-A INPUT -p tcp -m multiport --dports 80,443 -j f2b-web
-A f2b-web -s $client/$len -j REJECT --reject-with $portunreach
-A f2b-web -j RETURN
COMMIT
"""

BY_HAND = "*nat\n:DNAT-HTTPS - [0:0]\n-A PREROUTING -p tcp --dport 443 -j DNAT-HTTPS\n" \
          "-A DNAT-HTTPS -p tcp -j DNAT --to-destination $C1:8443\nCOMMIT\n"

XT = ("iptables-nft", "iptables-legacy")
# (name, kind, owner's name or None, chain of the rule that decides, kernel, backends, rules[, pod's])
CASES = [
    ("cni-portmap", "cni-portmap", "8f2a", "CNI-HOSTPORT-DNAT", "c1", XT, CNI, None),
    ("cni-portmap-nft", "cni-portmap", "id", "hostports", "c1", ("nft",), CNI_NFT, None),
    ("docker-nft", "docker", None, "nat-prerouting-and-output", "c1", ("nft",), DOCKER_NFT, None),
    ("docker-swarm", "docker-swarm", None, "DOCKER-INGRESS", "c1", XT, SWARM, None),
    ("kube-proxy", "kube-proxy", "ns1/web:https", "KUBE-NODEPORTS", ("c1", "c2"), XT, KUBE, None),
    ("kube-proxy-nft", "kube-proxy", "ns1/web", "endpoint-B", ("c1", "c2"), ("nft",),
     KUBE_NFT.replace("endpoint-B", "endpoint-B-ns1/web").replace(
         "endpoint-C", "endpoint-C-ns1/web"), None),
    ("k3s-svclb", "cni-portmap", "11aa", "CNI-HOSTPORT-DNAT", "c2", XT, SVCLB_HOST, SVCLB_POD),
    ("crio", "crio", None, "KUBE-HP-AAAAAAAAAAAAAAAA", "c1", XT, CRIO, None),
    ("kube-router", "kube-router", None, "KUBE-ROUTER-INPUT", "refused", XT, KUBE_ROUTER, None),
    ("netavark", "netavark", None, "NETAVARK-DN-1D8721804F16F", "c1", XT, NETAVARK, None),
    ("netavark-nft", "netavark", None, "nv_2f259bab_dnat", "c1", ("nft",), NETAVARK_NFT, None),
    ("calico", "calico", None, "cali-to-wl-dispatch", "timeout", XT, CALICO, None),
    ("cilium", "cilium", None, "CILIUM_INPUT", "timeout", XT, CILIUM, None),
    ("libvirt", "libvirt", None, "LIBVIRT_FWI", "refused", XT, LIBVIRT, None),
    ("lxd", "lxd", "c1.web", "prert.c1.web", "c1", ("nft",), LXD, None),
    ("istio", "istio", None, "ISTIO_IN_REDIRECT", "envoy", XT, ISTIO["host"], ISTIO["c1"]),
    ("firewalld-nft", "firewalld", None, "filter_IN_public_allow", "web", ("nft",), FIREWALLD, None),
    ("firewalld", "firewalld", None, "IN_public_deny", "refused", XT, FIREWALLD_XT, None),
    ("ufw", "ufw", None, "ufw-before-input", "timeout", XT, UFW, None),
    ("fail2ban", "fail2ban", None, "f2b-web", "refused", XT, FAIL2BAN, None),
    ("by-hand", "unowned", None, "DNAT-HTTPS", "c1", XT, BY_HAND, None),
]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("case,backend", [(c, b) for c in CASES for b in c[5]],
                         ids=[f"{c[0]}-{b}" for c in CASES for b in c[5]])
def test_owner(lab, case, backend, family):
    name, kind, whose, chain, expect, _, rules, pods = case
    if family == 6 and name in ("ufw", "istio"):
        family = 4
    world = World(lab, family)
    for spec in (listen("web", [443]), listen("c1", [8443, 9000], "c1"),
                 listen("c2", [8443, 9000], "c2"), listen("envoy", 15006, "c1")):
        world.listen(spec)
    world.load(backend, {"host": rules, **({"c1": pods} if pods else {})})
    said = lab.path("host", world.edge.host(family), 443, world.edge.client(family), 40001)
    real = lab.connect("cl", world.edge.host(family), 443, world.edge.client(family), 40001)
    assert (real.name or real.kind) in (expect if isinstance(expect, tuple) else (expect,)), str(real)
    if not isinstance(expect, tuple):
        assert agree(said, real) is None, agree(said, real)
    owners = {(s["chain"], s["rule"]["owner"]["kind"], s["rule"]["owner"]["name"])
              for o in said.outcomes for s in o["steps"] if s["rule"]}
    rows = [o for o in owners if o[0].startswith(chain)]
    assert rows, sorted(owners)
    assert {o[1] for o in rows} == {kind}, sorted(owners)
    if whose:
        assert whose in {o[2] for o in rows}, sorted(owners)

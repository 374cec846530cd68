# SPDX-License-Identifier: GPL-2.0-or-later
"""Rulesets as Docker, kube-proxy, the CNI portmap plugin, ufw, firewalld and Istio write them."""

from scenario import Scenario, every, listen, probe, run_scenario

WEB = listen("web", [80, 443, 8080])
C1 = listen("c1", [8443, 9000], "c1")
C2 = listen("c2", [8443, 9000], "c2")


def _route_to_containers(world):
    world.ip("cl", "route add $brnet via $host")


def _route_vip(world):
    world.ip("cl", "route add $vipnet via $host")


DOCKER = """*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-BRIDGE - [0:0]
:DOCKER-CT - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-INTERNAL - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER -d $c1/$len ! -i br0 -o br0 -p tcp -m tcp --dport 8443 -j ACCEPT
-A DOCKER ! -i br0 -o br0 -j DROP
-A DOCKER-BRIDGE -o br0 -j DOCKER
-A DOCKER-CT -o br0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-INTERNAL
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i br0 -j ACCEPT
COMMIT
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d $lo -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s $brnet ! -o br0 -j MASQUERADE
-A DOCKER -i br0 -j RETURN
-A DOCKER ! -i br0 -p tcp -m tcp --dport 443 -j DNAT --to-destination $C1:8443
-A DOCKER ! -i br0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination $C2:9000
COMMIT
*raw
-A PREROUTING -d $c1/$len ! -i br0 -j DROP
COMMIT
"""

DOCKER_NFT = """table $ip docker-bridges {
map filter-forward-in-jumps { type ifname : verdict; elements = { "br0" : jump in__br0 }; }
map filter-forward-out-jumps { type ifname : verdict; elements = { "br0" : jump out__br0 }; }
map nat-postrouting-out-jumps { type ifname : verdict; elements = { "br0" : jump post__br0 }; }
chain in__br0 {
    ct state established,related counter accept
    iifname "br0" counter accept comment "ICC"
    $ip daddr $c1 tcp dport 8443 counter accept
    counter drop comment "UNPUBLISHED PORT DROP"
}
chain out__br0 {
    ct state established,related counter accept
    counter accept comment "OUTGOING"
}
chain post__br0 { oifname != "br0" $ip saddr $brnet counter masquerade comment "MASQUERADE"; }
chain nat-prerouting-and-output {
    iifname != "br0" tcp dport 443 counter dnat to $C1:8443 comment "DNAT"
    iifname != "br0" tcp dport 8080 counter dnat to $C2:9000 comment "DNAT"
}
chain filter-FORWARD {
    type filter hook forward priority filter; policy accept;
    oifname vmap @filter-forward-in-jumps
    iifname vmap @filter-forward-out-jumps
}
chain nat-OUTPUT {
    type nat hook output priority -100; policy accept;
    $ip daddr != $lo fib daddr type local counter jump nat-prerouting-and-output
}
chain nat-POSTROUTING {
    type nat hook postrouting priority srcnat; policy accept;
    iifname vmap @nat-postrouting-out-jumps
}
chain nat-PREROUTING {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local counter jump nat-prerouting-and-output
}
chain raw-PREROUTING {
    type filter hook prerouting priority raw; policy accept;
    $ip daddr $c1 iifname != "br0" counter drop comment "DROP DIRECT ACCESS"
}
}
"""

# One node port and one service address with two endpoints, one service without endpoints.
KUBE = """*filter
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-FIREWALL - [0:0]
-A INPUT -m conntrack --ctstate NEW -m comment --comment "portals" -j KUBE-EXTERNAL-SERVICES
-A INPUT -j KUBE-FIREWALL
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -m conntrack --ctstate NEW -j KUBE-SERVICES
-A KUBE-SERVICES -d $vip2/$len -p tcp -m comment --comment "ns2/dead has no endpoints" -m tcp --dport 80 -j REJECT
-A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment "ns2/local has no local endpoints" -m addrtype --dst-type LOCAL -m tcp --dport 8080 -j DROP
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m comment --comment "marked" -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
*nat
:KUBE-MARK-MASQ - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-EXT-AAAAAAAAAAAAAAAA - [0:0]
:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]
:KUBE-SEP-BBBBBBBBBBBBBBBB - [0:0]
:KUBE-SEP-CCCCCCCCCCCCCCCC - [0:0]
:KUBE-SVC-DDDDDDDDDDDDDDDD - [0:0]
:KUBE-SEP-EEEEEEEEEEEEEEEE - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "requiring SNAT" -j MASQUERADE --random-fully
-A KUBE-SERVICES -d $vip/$len -p tcp -m comment --comment "ns1/web:https" -m tcp --dport 443 -j KUBE-SVC-AAAAAAAAAAAAAAAA
-A KUBE-SERVICES -d $vip/$len -p tcp -m comment --comment "ns1/one:http" -m tcp --dport 80 -j KUBE-SVC-DDDDDDDDDDDDDDDD
-A KUBE-SERVICES -m comment --comment "NOTE: this must be the last rule" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A KUBE-NODEPORTS -p tcp -m comment --comment "ns1/web:https" -m tcp --dport 443 -j KUBE-EXT-AAAAAAAAAAAAAAAA
-A KUBE-EXT-AAAAAAAAAAAAAAAA -m comment --comment "masquerade" -j KUBE-MARK-MASQ
-A KUBE-EXT-AAAAAAAAAAAAAAAA -j KUBE-SVC-AAAAAAAAAAAAAAAA
-A KUBE-SVC-AAAAAAAAAAAAAAAA ! -s $brnet -d $vip/$len -p tcp -m tcp --dport 443 -j KUBE-MARK-MASQ
-A KUBE-SVC-AAAAAAAAAAAAAAAA -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-BBBBBBBBBBBBBBBB
-A KUBE-SVC-AAAAAAAAAAAAAAAA -j KUBE-SEP-CCCCCCCCCCCCCCCC
-A KUBE-SEP-BBBBBBBBBBBBBBBB -s $c1/$len -j KUBE-MARK-MASQ
-A KUBE-SEP-BBBBBBBBBBBBBBBB -p tcp -m tcp -j DNAT --to-destination $C1:8443
-A KUBE-SEP-CCCCCCCCCCCCCCCC -s $c2/$len -j KUBE-MARK-MASQ
-A KUBE-SEP-CCCCCCCCCCCCCCCC -p tcp -m tcp -j DNAT --to-destination $C2:8443
-A KUBE-SVC-DDDDDDDDDDDDDDDD -j KUBE-SEP-EEEEEEEEEEEEEEEE
-A KUBE-SEP-EEEEEEEEEEEEEEEE -p tcp -m tcp -j DNAT --to-destination $C1:9000
COMMIT
"""

KUBE_NFT = """table $ip kube-proxy {
map service-ips { type $addr . inet_proto . inet_service : verdict; elements = {
    $vip . tcp . 443 : goto service-A-ns1/web, $vip . tcp . 80 : goto service-D-ns1/one }; }
map service-nodeports { type inet_proto . inet_service : verdict; elements = {
    tcp . 443 : goto external-A-ns1/web }; }
map no-endpoint-services { type $addr . inet_proto . inet_service : verdict; elements = {
    $vip2 . tcp . 80 : goto reject-chain }; }
map no-endpoint-nodeports { type inet_proto . inet_service : verdict; elements = {
    tcp . 8080 : drop }; }
set cluster-ips { type $addr; elements = { $vip, $vip2 }; }
chain reject-chain { reject; }
chain mark-for-masquerade { meta mark set mark or 0x4000; }
chain masquerading { mark and 0x4000 == 0 return; meta mark set mark xor 0x4000; masquerade fully-random; }
chain endpoint-B { $ip saddr $c1 jump mark-for-masquerade; meta l4proto tcp dnat to $C1:8443; }
chain endpoint-C { $ip saddr $c2 jump mark-for-masquerade; meta l4proto tcp dnat to $C2:8443; }
chain endpoint-E { meta l4proto tcp dnat to $C1:9000; }
chain service-A-ns1/web { $ip daddr $vip $ip saddr != $brnet jump mark-for-masquerade;
    numgen random mod 2 vmap { 0 : goto endpoint-B, 1 : goto endpoint-C }; }
chain service-D-ns1/one { numgen random mod 1 vmap { 0 : goto endpoint-E }; }
chain external-A-ns1/web { jump mark-for-masquerade; goto service-A-ns1/web; }
chain services {
    $ip daddr . meta l4proto . th dport vmap @service-ips
    $ip daddr != $lo fib daddr type local meta l4proto . th dport vmap @service-nodeports
}
chain no-endpoints {
    $ip daddr . meta l4proto . th dport vmap @no-endpoint-services
    fib daddr type local $ip daddr != $lo meta l4proto . th dport vmap @no-endpoint-nodeports
}
chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
chain nat-output { type nat hook output priority -100; jump services; }
chain nat-postrouting { type nat hook postrouting priority srcnat; jump masquerading; }
chain filter-prerouting-pre-dnat { type filter hook prerouting priority -110; ct state new jump no-endpoints-local; }
chain no-endpoints-local { meta l4proto tcp return; }
chain filter-input { type filter hook input priority -110; ct state new jump no-endpoints; }
chain filter-forward { type filter hook forward priority -110; ct state new jump no-endpoints; }
chain filter-output { type filter hook output priority -110; ct state new jump no-endpoints; }
}
"""

CNI = """*nat
:CNI-HOSTPORT-DNAT - [0:0]
:CNI-HOSTPORT-SETMARK - [0:0]
:CNI-HOSTPORT-MASQ - [0:0]
:CNI-DN-8f2a0123456789abcdef0 - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A POSTROUTING -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ
-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE
-A CNI-HOSTPORT-SETMARK -m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark 0x2000/0x2000
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \\"cbr0\\" id: \\"8f2a\\"" -m multiport --dports 80,443 -j CNI-DN-8f2a0123456789abcdef0
-A CNI-DN-8f2a0123456789abcdef0 -s $brnet -p tcp -m tcp --dport 443 -j CNI-HOSTPORT-SETMARK
-A CNI-DN-8f2a0123456789abcdef0 -p tcp -m tcp --dport 443 -j DNAT --to-destination $C1:8443
-A CNI-DN-8f2a0123456789abcdef0 -p tcp -m tcp --dport 80 -j DNAT --to-destination $C1:9000
COMMIT
"""

# The chain of a pod that is gone stands before the live one's.
CNI_STALE = CNI.replace(":CNI-DN-8f2a", ":CNI-DN-dead0 - [0:0]\n:CNI-DN-8f2a").replace(
    "-A CNI-HOSTPORT-DNAT", "-A CNI-HOSTPORT-DNAT -p tcp -m multiport --dports 443 "
    "-j CNI-DN-dead0\n-A CNI-DN-dead0 -p tcp --dport 443 -j DNAT --to-destination $Dead:8443\n"
    "-A CNI-HOSTPORT-DNAT", 1)

CNI_NFT = """table $ip cni_hostport {
chain hostip_hostports { $ip daddr $vip tcp dport 80 dnat to $C2:9000; }
chain hostports { tcp dport 443 dnat to $C1:8443 comment "id"; tcp dport 80 dnat to $C1:9000; }
chain hostports_all { jump hostip_hostports; jump hostports; }
chain masquerading { type nat hook postrouting priority 100; $ip saddr $c1 $ip daddr $c1 masquerade; }
chain output { type nat hook output priority -100; fib daddr type local jump hostports_all; }
chain prerouting { type nat hook prerouting priority -100; fib daddr type local jump hostports_all; }
}
"""

UFW = """*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:ufw-before-input - [0:0]
:ufw-user-input - [0:0]
:ufw-user-limit - [0:0]
:ufw-not-local - [0:0]
:ufw-reject-input - [0:0]
-A INPUT -j ufw-before-input
-A INPUT -j ufw-reject-input
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input -j ufw-not-local
-A ufw-before-input ! -p tcp -j ACCEPT
-A ufw-before-input -j ufw-user-input
-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ufw-not-local -m addrtype --dst-type MULTICAST -j RETURN
-A ufw-not-local -m addrtype --dst-type BROADCAST -j RETURN
-A ufw-not-local -j DROP
-A ufw-user-input -p tcp -m tcp --dport 80 -j ACCEPT
-A ufw-user-input -s $srcnet -p tcp -m multiport --dports 443,8080 -j ACCEPT
COMMIT
"""

FIREWALLD = """table inet firewalld {
chain mangle_PREROUTING { type filter hook prerouting priority mangle + 10; policy accept;
    jump mangle_PREROUTING_POLICIES; }
chain mangle_PREROUTING_POLICIES { iifname "eth0" return; return; }
chain nat_PREROUTING { type nat hook prerouting priority dstnat + 10; policy accept;
    jump nat_PREROUTING_ZONES; }
chain nat_PREROUTING_ZONES { iifname "eth0" goto nat_PRE_public; goto nat_PRE_public; }
chain nat_PRE_public { jump nat_PRE_public_allow; }
chain nat_PRE_public_allow { meta nfproto $nfproto tcp dport 8080 dnat $ip to $C2:9000; }
chain filter_INPUT { type filter hook input priority filter + 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    jump filter_INPUT_ZONES
    reject with icmpx admin-prohibited
}
chain filter_INPUT_ZONES { iifname "eth0" goto filter_IN_public; goto filter_IN_public; }
chain filter_IN_public { jump filter_IN_public_allow; meta l4proto { icmp, ipv6-icmp } accept; }
chain filter_IN_public_allow { tcp dport 443 accept; }
chain filter_FORWARD { type filter hook forward priority filter + 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    reject with icmpx admin-prohibited
}
}
"""

ISTIO = {"host": "*nat\n-A PREROUTING -p tcp --dport 443 -j DNAT --to-destination $C1:8443\n"
         "-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination $C1:15021\nCOMMIT\n",
         "c1": """*nat
:ISTIO_INBOUND - [0:0]
:ISTIO_IN_REDIRECT - [0:0]
:ISTIO_OUTPUT - [0:0]
:ISTIO_REDIRECT - [0:0]
-A PREROUTING -p tcp -j ISTIO_INBOUND
-A OUTPUT -p tcp -j ISTIO_OUTPUT
-A ISTIO_INBOUND -p tcp -m tcp --dport 15008 -j RETURN
-A ISTIO_INBOUND -p tcp -m tcp --dport 15090 -j RETURN
-A ISTIO_INBOUND -p tcp -m tcp --dport 15021 -j RETURN
-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT
-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -d $lo/$len -j RETURN
-A ISTIO_OUTPUT -j ISTIO_REDIRECT
-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001
COMMIT
"""}

# k3s' servicelb: a hostPort into a pod that sends on to the service's address, which is balanced at
# the host again. The pod's own rules are those of klipper-lb's entry script.
SVCLB_HOST = """*nat
:CNI-HOSTPORT-DNAT - [0:0]
:CNI-HOSTPORT-SETMARK - [0:0]
:CNI-HOSTPORT-MASQ - [0:0]
:CNI-DN-11aa0123456789abcdef0 - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-TRAEFIKAAAAAAAAA - [0:0]
:KUBE-SEP-TRAEFIKBBBBBBBBB - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A POSTROUTING -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE
-A CNI-HOSTPORT-SETMARK -j MARK --set-xmark 0x2000/0x2000
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \\"cbr0\\" id: \\"11aa\\"" -m multiport --dports 80,443 -j CNI-DN-11aa0123456789abcdef0
-A CNI-DN-11aa0123456789abcdef0 -s $brnet -p tcp -m tcp --dport 443 -j CNI-HOSTPORT-SETMARK
-A CNI-DN-11aa0123456789abcdef0 -p tcp -m tcp --dport 443 -j DNAT --to-destination $C1:443
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -j MASQUERADE --random-fully
-A KUBE-SERVICES -d $vip/$len -p tcp -m comment --comment "kube-system/traefik:websecure cluster IP" -m tcp --dport 443 -j KUBE-SVC-TRAEFIKAAAAAAAAA
-A KUBE-SVC-TRAEFIKAAAAAAAAA -m comment --comment "kube-system/traefik:websecure" -j KUBE-SEP-TRAEFIKBBBBBBBBB
-A KUBE-SEP-TRAEFIKBBBBBBBBB -s $c2/$len -j KUBE-MARK-MASQ
-A KUBE-SEP-TRAEFIKBBBBBBBBB -p tcp -m tcp -j DNAT --to-destination $C2:8443
COMMIT
"""

SVCLB_POD = """*filter
:FORWARD DROP [0:0]
-A FORWARD -d $vip/$len -p tcp -m tcp --dport 443 -j ACCEPT
-A FORWARD -s $vip/$len -p tcp -m tcp --sport 443 -j ACCEPT
COMMIT
*nat
-A PREROUTING -p tcp -m tcp --dport 443 -j DNAT --to-destination $Vip:443
-A POSTROUTING -d $vip/$len -p tcp -j MASQUERADE
COMMIT
"""

SVCLB_NFT = {"host": """table $ip cni_hostport {
chain hostports { tcp dport 443 dnat to $C1:443 comment "11aa"; }
chain prerouting { type nat hook prerouting priority -100; fib daddr type local jump hostports; }
chain output { type nat hook output priority -100; fib daddr type local jump hostports; }
}
table $ip kube-proxy {
map service-ips { type $addr . inet_proto . inet_service : verdict; elements = {
    $vip . tcp . 443 : goto service-T-kube-system/traefik }; }
chain mark-for-masquerade { meta mark set mark or 0x4000; }
chain masquerading { mark and 0x4000 == 0 return; meta mark set mark xor 0x4000; masquerade fully-random; }
chain endpoint-T { $ip saddr $c2 jump mark-for-masquerade; meta l4proto tcp dnat to $C2:8443; }
chain service-T-kube-system/traefik { numgen random mod 1 vmap { 0 : goto endpoint-T }; }
chain services { $ip daddr . meta l4proto . th dport vmap @service-ips; }
chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
chain nat-postrouting { type nat hook postrouting priority srcnat; jump masquerading; }
}
""", "c1": """table $ip svclb {
chain passing { type filter hook forward priority filter; policy drop;
    $ip daddr $vip tcp dport 443 accept; $ip saddr $vip tcp sport 443 accept; }
chain pre { type nat hook prerouting priority dstnat; tcp dport 443 dnat to $Vip:443; }
chain post { type nat hook postrouting priority srcnat; $ip daddr $vip meta l4proto tcp masquerade; }
}
"""}

SCENARIOS = [
    Scenario("docker", (probe("c1", 443), probe("dropped", 8080), probe("web", 80),
                        probe("c1", 443, sender="host"),
                        probe("web", 443, sender="c2", src="$c2", iif="br0")),
             (WEB, C1, C2), xt=DOCKER, nft=DOCKER_NFT),
    Scenario("docker-container-reached-directly",
             (probe("dropped", 8443, dst="$c1"), probe("dropped", 8443, dst="$c2")),
             (WEB, C1, C2), setup=_route_to_containers, xt=DOCKER, nft=DOCKER_NFT),
    Scenario("docker-rule-for-a-container-that-is-gone", (probe("unreachable", 443),), (WEB,),
             xt=DOCKER.replace("$C1", "$Dead").replace("$c1", "$dead"),
             nft=DOCKER_NFT.replace("$C1", "$Dead").replace("$c1", "$dead")),
    Scenario("kube-proxy", (probe(("c1", "c2"), 443, dst="$vip"), probe(("c1", "c2"), 443),
                            probe("c1", 80, dst="$vip"),
                            probe("rejected", 80, dst="$vip2", kernel=("refused",)),
                            probe("dropped", 8080), probe("web", 80)),
             (WEB, C1, C2), setup=_route_vip, xt=KUBE, nft=KUBE_NFT),
    Scenario("cni-portmap", (probe("c1", 443), probe("c1", 80), probe("web", 8080),
                             probe("c1", 443, sender="host")), (WEB, C1), xt=CNI, nft=CNI_NFT),
    Scenario("cni-portmap-chain-of-a-dead-pod-first", (probe("unreachable", 443), probe("c1", 80)),
             (WEB, C1), xt=CNI_STALE),
    Scenario("k3s-svclb", (probe("c2", 443), probe("c2", 443, src="$src1"),
                           probe("c2", 443, dst="$vip"), probe("c2", 443, sender="host")),
             (C1, C2), setup=_route_vip, xt={"host": SVCLB_HOST, "c1": SVCLB_POD}, nft=SVCLB_NFT),
    Scenario("docker-walks-round-ufw", (probe("c1", 443), probe("web", 80), probe("dropped", 8080),
                                        probe("web", 8080, src="$src1")), (WEB, C1),
             xt=UFW + "*nat\n-A PREROUTING -p tcp --dport 443 -j DNAT --to-destination $C1:8443\n"
             "COMMIT\n", families=(4,)),
    Scenario("firewalld", (probe("web", 443), probe("c2", 8080), probe("rejected", 80)),
             (WEB, C2), nft=FIREWALLD),
    Scenario("istio-sidecar", (probe("envoy", 443), probe("health", 80)),
             (WEB, C1, listen("envoy", 15006, "c1"), listen("health", 15021, "c1")), xt=ISTIO),
]


@every(SCENARIOS)
def test_software(scenario, backend, family):
    run_scenario(scenario, backend, family)

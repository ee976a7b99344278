#!/bin/sh
# What udhcpc (busybox) calls when an exported machine gets or loses its address: the settings are
# in the environment, mask as a number of bits.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

say() {
	for screen in /dev/tty0 /dev/ttyS0; do
		{ echo "isolab: $*" >"$screen"; } 2>/dev/null
	done
}

case "$1" in
deconfig)
	ip addr flush dev "$interface"
	ip link set "$interface" up
	;;
bound | renew)
	ip addr show dev "$interface" | grep -q " $ip/" || {
		ip addr flush dev "$interface"
		ip addr add "$ip/${mask:-24}" dev "$interface"
		say "reach it by: ssh root@$ip"
	}
	for gate in $router; do
		ip route replace default via "$gate" dev "$interface"
		break
	done
	: >/etc/resolv.conf
	for server in $dns; do
		echo "nameserver $server" >>/etc/resolv.conf
	done
	;;
leasefail)
	say "$interface: nobody answers with an address (DHCP); trying again"
	;;
esac
exit 0

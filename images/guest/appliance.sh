#!/bin/sh
# What an exported machine does when it boots: nobody is there to tell it who it is. It takes its
# name from a file, its SSH host key from its disk (made and kept there by the first boot), its
# addresses by DHCP, and shows on its screen how to reach it. Started by init; see init.c.
#
# The second partition of the disk keeps the key: a sector with MAGIC, a sector with the key's length
# as text (zeros before the first boot), then the key.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
MAGIC='isolab-keys 1'
KEY=/etc/dropbear/host_key

say() {
	for screen in /dev/tty0 /dev/ttyS0; do
		{ echo "isolab: $*" >"$screen"; } 2>/dev/null
	done
}

find_store() {
	for part in /dev/[shv]d[a-z]2 /dev/xvd[a-z]2 /dev/nvme[0-9]n[0-9]p2; do
		if [ -b "$part" ] && [ "$(head -n 1 "$part" | head -c 32)" = "$MAGIC" ]; then
			echo "$part"
			return
		fi
	done
}

# Disks appear some time after their drivers are loaded.
wait_for_store() {
	for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		store=$(find_store)
		[ -n "$store" ] && return
		sleep 0.5
	done
}

take_key() {
	length=$(dd if="$store" bs=512 skip=1 count=1 2>/dev/null | tr -d '\0')
	case "$length" in '' | *[!0-9]*) return 1 ;; esac
	dd if="$store" bs=512 skip=2 2>/dev/null | head -c "$length" >"$KEY"
}

# The length last: a machine that is switched off in between makes another key at its next boot.
keep_key() {
	dd if="$KEY" of="$store" bs=512 seek=2 conv=fsync 2>/dev/null &&
		wc -c <"$KEY" | tr -d ' \n' | dd of="$store" bs=512 seek=1 conv=sync,fsync 2>/dev/null
}

umask 077
hostname -F /etc/hostname
wait_for_store
if [ -n "$store" ] && take_key; then
	say "this is $(hostname)"
else
	rm -f "$KEY"
	dropbearkey -t ed25519 -f "$KEY" >/dev/null 2>&1 || exit 1
	if [ -n "$store" ] && keep_key; then
		say "this is $(hostname), at its first boot"
	else
		say "this is $(hostname); its disk cannot be written to: the host key is for this boot only"
	fi
fi
dropbearkey -y -f "$KEY" 2>/dev/null | while read -r line; do
	case "$line" in
	ssh-*) set -- $line && say "host key: $1 $2" ;;
	Fingerprint:*) say "fingerprint: ${line#Fingerprint: }" ;;
	esac
done
umask 022
found=
for nic in /sys/class/net/eth*; do
	[ -e "$nic" ] || continue
	found=yes
	udhcpc -f -t 5 -T 2 -A 5 -i "${nic##*/}" -x "hostname:$(hostname)" -s /etc/isolab/dhcp \
		</dev/null >/dev/null 2>&1 &
done
[ -n "$found" ] || say "there is no network adapter with a driver here: choose E1000, VMXNET3 or virtio"
exit 0

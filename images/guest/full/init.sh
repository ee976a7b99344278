#!/bin/sh
# Process 1 of the initial RAM disk of a full image: loads what the disk needs, mounts it, and
# hands over to the system on it. With "isolab.make" on the command line, it completes that disk
# instead; see make.sh.
PATH=/bin
fail() {
	echo "isolab: failed: $*"
	sleep 1 # let the console drain
	poweroff -f
}
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r module; do
	insmod "$module" || echo "isolab: cannot load $module"
done </lib/modules/load
tries=0
until [ -b /dev/vda ]; do
	tries=$((tries + 1))
	[ $tries -lt 600 ] || fail "no disk found"
	usleep 50000
done
if grep -qw isolab.make /proc/cmdline; then
	/make || fail "cannot install the system"
	echo "isolab: made"
	sleep 1
	reboot -f
fi
mount -t ext4 -o noatime /dev/vda /root || fail "cannot mount the disk"
umount /sys
umount /proc
mount -o move /dev /root/dev
exec switch_root /root /sbin/init

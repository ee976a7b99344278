#!/bin/sh
# Completes the disk of a full image, inside a guest of its own architecture: the packages that
# were unpacked on it are configured. With "isolab.tar" the result is also written to the second
# disk as an archive, for containers.
set -e
step() {
	read -r up _ </proc/uptime
	echo "isolab: $up $*"
}
mount -t ext4 -o noatime,nobarrier /dev/vda /root
mount -o bind /dev /root/dev
mount -t proc proc /root/proc
step "installing packages"
chroot /root /bin/sh /usr/lib/isolab/configure </dev/null
umount /root/proc
umount /root/dev
if grep -qw isolab.tar /proc/cmdline; then
	step "writing the archive"
	tar -c -f /dev/vdb -C /root .
fi
step "writing the disk"
umount /root
sync
step "done"

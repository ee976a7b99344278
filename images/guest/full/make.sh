#!/bin/sh
# Makes the disk of a full image, inside a guest of its own architecture: an empty file system,
# the unpacked packages from the second disk (a tar archive), and their configuration. With
# "isolab.tar" the result is written back over the second disk, for containers.
set -e
step() {
	read -r up _ </proc/uptime
	echo "isolab: $up $*"
}
step "making a file system"
/mke2fs -F -q -t ext4 -m 0 -O ^has_journal,^metadata_csum -L isolab /dev/vda
mount -t ext4 -o noatime,nobarrier /dev/vda /root
step "unpacking packages"
tar -x -f /dev/vdb -C /root
mount --bind /dev /root/dev
mount -t proc proc /root/proc
step "installing packages"
chroot /root /bin/sh /usr/lib/isolab/configure </dev/null
umount /root/proc
umount /root/dev
if grep -qw isolab.tar /proc/cmdline; then
	step "packing"
	tar -c -f /dev/vdb -C /root .
fi
step "writing the disk"
umount /root
sync
step "done"

#!/bin/sh
# Runs once in the new system: configures the unpacked packages as dpkg would have, and sets up what
# all machines have in common. Things that must differ between machines are left out.
set -e
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C HOME=/root
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

# If they were unpacked by a user who cannot change owners, all files belong to root.
while read -r owner mode path; do
	chown -h "$owner" "$path"
	[ -h "$path" ] || chmod "$mode" "$path"
done </usr/lib/isolab/owners

# Services are not started now: invoke-rc.d(8).
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
# Used by other packages' scripts before dependencies are configured.
[ -e /usr/bin/awk ] || ln -s mawk /usr/bin/awk
sh /var/lib/dpkg/info/base-passwd.preinst install
echo 'man-db man-db/auto-update boolean false' >/run/selections
# Each machine gets its own host key; generating unused ones is slow on an emulated processor.
for kind in rsa ecdsa ed25519; do
	: >/etc/ssh/ssh_host_${kind}_key
done
dpkg --force-depends --force-unsafe-io --configure base-passwd base-files dpkg libc6 perl-base mawk debconf
debconf-set-selections </run/selections
dpkg --force-unsafe-io --configure --pending
rm /usr/sbin/policy-rc.d /run/selections

useradd --uid 1000 --user-group --create-home --shell /bin/bash student
useradd --uid 1001 --user-group --create-home --shell /bin/bash other
chmod 700 /home/student /home/other
mkdir -p /root/.ssh
chmod 700 /root /root/.ssh
mkdir -m 711 -p /work
chmod 711 /work
. /usr/lib/isolab/settings
if [ "$STUDENT_MAY_SUDO" = yes ]; then
	echo 'student ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/student
	chmod 440 /etc/sudoers.d/student
fi
passwd --lock root >/dev/null

# Each machine gets its own with its identity.
rm -f /etc/ssh/ssh_host_* /var/lib/systemd/random-seed /var/lib/dbus/machine-id
: >/etc/machine-id
printf '127.0.0.1 localhost\n' >/etc/hosts
printf 'LANG=C.UTF-8\n' >/etc/default/locale
for version in /usr/lib/modules/*; do
	depmod "${version##*/}"
done
systemctl enable isolab-identity.service ssh.service
systemctl disable ssh.socket 2>/dev/null || :
# Maintenance that only long-lived systems need, and console logins, which need a password.
systemctl mask e2scrub_all.timer e2scrub_reap.service fstrim.timer dpkg-db-backup.timer man-db.timer \
	systemd-firstboot.service systemd-pstore.service systemd-update-utmp.service \
	systemd-update-utmp-runlevel.service systemd-tmpfiles-clean.timer getty-static.service \
	getty@.service serial-getty@.service console-getty.service 2>/dev/null
systemctl set-default multi-user.target
ldconfig

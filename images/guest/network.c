/*
 * network.c - interfaces: the user network every machine has, and private networks, each found by
 * the hardware address its device was made with. See netdevice(7).
 */
#include "guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void bring_up(int probe, const char *interface, const char *address, const char *mask)
{
	struct ifreq request = {0};
	struct sockaddr_in where = {.sin_family = AF_INET};

	strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
	if (inet_pton(AF_INET, address, &where.sin_addr) != 1)
		return;
	memcpy(&request.ifr_addr, &where, sizeof where);
	if (ioctl(probe, SIOCSIFADDR, &request) == -1)
		say("%s: cannot set address %s: %s", interface, address, strerror(errno));
	if (inet_pton(AF_INET, mask, &where.sin_addr) == 1) {
		memcpy(&request.ifr_netmask, &where, sizeof where);
		if (ioctl(probe, SIOCSIFNETMASK, &request) == -1)
			say("%s: cannot set mask: %s", interface, strerror(errno));
	}
	if (ioctl(probe, SIOCGIFFLAGS, &request) == -1) {
		say("%s: no such interface: %s", interface, strerror(errno));
		return;
	}
	request.ifr_flags |= IFF_UP;
	if (ioctl(probe, SIOCSIFFLAGS, &request) == -1)
		say("%s: cannot bring it up: %s", interface, strerror(errno));
}

void network(void)
{
	int probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (probe == -1)
		give_up("no IPv4");
	bring_up(probe, "lo", "127.0.0.1", "255.0.0.0");
	/* The address QEMU's user network gives its guest, which is all it has: no IPv6 there, whose
	 * solicitations would keep an emulated processor busy while somebody waits for it. */
	write_file("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1", 0644);
	bring_up(probe, "eth0", "10.0.2.15", "255.255.255.0");
	close(probe);
}

static bool parse_mac(const char *text, unsigned char mac[6])
{
	return sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
		      &mac[4], &mac[5]) == 6;
}

static bool has_mac(int probe, const char *interface, const unsigned char mac[6])
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, IFNAMSIZ, "%s", interface);
	return ioctl(probe, SIOCGIFHWADDR, &request) == 0 && memcmp(request.ifr_hwaddr.sa_data, mac, 6) == 0;
}

/* The name of the interface with this hardware address; interfaces are known by it, because the
 * kernel numbers them in the order in which it happens to find them. */
static bool find_interface(int probe, const unsigned char mac[6], char name[IFNAMSIZ])
{
	bool found = false;
	struct if_nameindex *all = if_nameindex();

	for (struct if_nameindex *at = all; at != NULL && at->if_index != 0 && !found; at++) {
		found = has_mac(probe, at->if_name, mac);
		if (found)
			snprintf(name, IFNAMSIZ, "%s", at->if_name);
	}
	if (all != NULL)
		if_freenameindex(all);
	return found;
}

/* An interface must be down to get another name or hardware address: netdevice(7). */
static void take_down(int probe, const char *interface)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, IFNAMSIZ, "%s", interface);
	if (ioctl(probe, SIOCGIFFLAGS, &request) == -1)
		give_up(interface);
	request.ifr_flags = (short)(request.ifr_flags & ~IFF_UP);
	if (ioctl(probe, SIOCSIFFLAGS, &request) == -1)
		give_up(interface);
}

static void rename_interface(int probe, const char *from, const char *to)
{
	struct ifreq request = {0};

	take_down(probe, from);
	snprintf(request.ifr_name, IFNAMSIZ, "%s", from);
	snprintf(request.ifr_newname, IFNAMSIZ, "%s", to);
	if (ioctl(probe, SIOCSIFNAME, &request) == -1)
		give_up(to);
}

static void set_mac(int probe, const char *interface, const unsigned char mac[6])
{
	struct ifreq request = {0};

	if (has_mac(probe, interface, mac))
		return;
	snprintf(request.ifr_name, IFNAMSIZ, "%s", interface);
	request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(request.ifr_hwaddr.sa_data, mac, 6);
	if (ioctl(probe, SIOCSIFHWADDR, &request) == -1)
		give_up("cannot set the hardware address");
}

/* The first interface must be eth0 again if it was one of the private ones that had this name. */
static void restore_eth0(int probe)
{
	struct if_nameindex *all = if_nameindex();
	char name[IFNAMSIZ] = "";

	for (struct if_nameindex *at = all; at != NULL && at->if_index != 0; at++)
		if (strcmp(at->if_name, "eth0") == 0 || (name[0] == '\0' && strncmp(at->if_name, "eth", 3) == 0))
			snprintf(name, IFNAMSIZ, "%s", at->if_name);
	if (all != NULL)
		if_freenameindex(all);
	if (name[0] == '\0' || strcmp(name, "eth0") == 0)
		return;
	rename_interface(probe, name, "eth0");
	bring_up(probe, "eth0", "10.0.2.15", "255.255.255.0");
}

/* One line of "network": FOUND-BY-MAC MAC ADDRESS/PREFIX; the interface becomes lan0, lan1 ... */
static void join(int probe, const char *line, int number)
{
	char found_by[32], wanted[32], address[32], name[IFNAMSIZ], lan[IFNAMSIZ], mask[INET_ADDRSTRLEN];
	unsigned char there[6], own[6];
	unsigned prefix;

	errno = EPROTO;
	if (sscanf(line, "%31s %31s %31[0-9.]/%u", found_by, wanted, address, &prefix) != 4 ||
	    !parse_mac(found_by, there) || !parse_mac(wanted, own) || prefix < 1 || prefix > 32)
		give_up("identity: bad network");
	errno = ENODEV;
	if (!find_interface(probe, there, name))
		give_up("no interface for a network");
	snprintf(lan, sizeof lan, "lan%d", number);
	rename_interface(probe, name, lan);
	set_mac(probe, lan, own);
	struct in_addr bits = {.s_addr = htonl(0xffffffffu << (32 - prefix))};
	if (inet_ntop(AF_INET, &bits, mask, sizeof mask) == NULL)
		give_up("bad prefix length");
	bring_up(probe, lan, address, mask);
}

void join_networks(char *lines)
{
	int number = 0, probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char *rest = NULL;

	if (probe == -1)
		give_up("no IPv4");
	for (char *line = strtok_r(lines, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		join(probe, line, number++);
	restore_eth0(probe);
	close(probe);
}

/* "gateway": ROUTER NAME-SERVER, the way out of the first interface. */
void open_way_out(const char *text)
{
	char router[32], server[32], line[64];
	struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
	struct sockaddr_in where = {.sin_family = AF_INET};
	int probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (probe == -1)
		give_up("no IPv4");
	memcpy(&route.rt_dst, &where, sizeof where);
	memcpy(&route.rt_genmask, &where, sizeof where);
	if (sscanf(text, "%31s %31s", router, server) != 2 || inet_pton(AF_INET, router, &where.sin_addr) != 1)
		give_up("identity: bad gateway");
	memcpy(&route.rt_gateway, &where, sizeof where);
	if (ioctl(probe, SIOCADDRT, &route) == -1)
		give_up("cannot set the route");
	close(probe);
	snprintf(line, sizeof line, "nameserver %s\n", server);
	write_file("/etc/resolv.conf", line, 0644);
}

/*
 * Capabilities: what this process may do beyond an ordinary user, and what it could ever regain.
 *
 * Shown: an ordinary user's effective and permitted sets are empty on every machine; the bounding
 * set, the ceiling for all programs started from here, is where boundaries differ; without
 * capabilities a process can neither take any nor even give up a part of its ceiling.
 *
 * Man pages: capabilities(7), proc(5), prctl(2), capset(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static _Noreturn void give_up(const char *why)
{
    fprintf(stderr, "%s\n", why);
    exit(1);
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EPERM: return "blocked (EPERM)";
    case EACCES: return "blocked (EACCES)";
    case EINVAL: return "blocked (EINVAL)";
    default: return "blocked (another error)";
    }
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

/* The number after `key` in /proc/self/status; `base` 16 for capability sets. */
static unsigned long long status_field(const char *key, int base)
{
    char line[512];
    size_t length = strlen(key);
    FILE *file = fopen("/proc/self/status", "re");
    if (file == NULL)
        die("/proc/self/status");
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, length) == 0 && line[length] == ':') {
            fclose(file);
            return strtoull(line + length + 1, NULL, base);
        }
    }
    fclose(file);
    give_up("a line is missing in /proc/self/status");
}

static int last_capability(void)
{
    int number;
    FILE *file = fopen("/proc/sys/kernel/cap_last_cap", "re");
    if (file == NULL)
        die("/proc/sys/kernel/cap_last_cap");
    if (fscanf(file, "%d", &number) != 1)
        give_up("/proc/sys/kernel/cap_last_cap holds no number");
    fclose(file);
    return number;
}

/* A set is a 64-bit mask, bit n for capability number n. */
static int count(unsigned long long set)
{
    int bits = 0;
    for (; set != 0; set &= set - 1)
        bits++;
    return bits;
}

static int drop_from_bounding_set(int capability)
{
    return prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == -1 ? errno : 0;
}

/* No libc function: capset(2) is called directly. Version 3 carries 64 bits in two structs. */
static int take(int capability)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    memset(sets, 0, sizeof sets);
    sets[CAP_TO_INDEX(capability)].permitted = CAP_TO_MASK(capability);
    sets[CAP_TO_INDEX(capability)].effective = CAP_TO_MASK(capability);
    return syscall(SYS_capset, &header, sets) == -1 ? errno : 0;
}

int main(void)
{
    unsigned long long bounding = status_field("CapBnd", 16);
    int effective = count(status_field("CapEff", 16));
    int permitted = count(status_field("CapPrm", 16));
    bool no_new_privs = status_field("NoNewPrivs", 10) == 1;
    int known = last_capability() + 1;

    printf("this kernel knows %d capabilities; %d are within reach of this process's programs\n",
           known, count(bounding));
    const char *dropping = verdict(drop_from_bounding_set(CAP_NET_RAW));
    const char *taking = verdict(take(CAP_NET_RAW));
    bool unchanged = status_field("CapBnd", 16) == bounding;

    printf("{\"effective_count\": %d, \"permitted_count\": %d, ", effective, permitted);
    printf("\"bounding_count\": %d, \"bounding_full\": %s, \"bounding_unchanged\": %s, ",
           count(bounding), json_bool(count(bounding) == known), json_bool(unchanged));
    printf("\"no_new_privs\": %s, ", json_bool(no_new_privs));
    printf("\"drop_bounding\": \"%s\", \"take_capability\": \"%s\"}\n", dropping, taking);
    return 0;
}

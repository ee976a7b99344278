/*
 * Whose kernel is this?
 *
 * Shown: what uname(2) and /proc say about the kernel; where they come from different places
 * (user-mode emulation), they contradict each other. Compare the machines: those that share a
 * kernel show the same release, those with one of their own another.
 *
 * Man pages: uname(2), proc_version(5), proc_sys_kernel(5), uts_namespaces(7).
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

enum { LINE = 512 };

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

/* The first line of a file; false if there is none to be had. */
static bool first_line(const char *path, char line[LINE])
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool got = fgets(line, LINE, file) != NULL;
    fclose(file);
    if (got)
        line[strcspn(line, "\n")] = '\0';
    return got;
}

/* Names of kernels hold no quotes; should one, it must not end our string. */
static void print_text(const char *key, const char *text)
{
    printf("\"%s\": \"", key);
    for (; *text != '\0'; text++)
        if (isprint((unsigned char)*text) && *text != '"' && *text != '\\')
            putchar(*text);
    printf("\", ");
}

/* proc_sys_kernel(5): the architecture the kernel was built for, since Linux 6.1. */
static void show_built_for(const char *machine)
{
    char built_for[LINE];
    if (!first_line("/proc/sys/kernel/arch", built_for)) {
        print_text("built_for", "not told");
        print_text("uname_agrees_with_proc", "unknown");
        return;
    }
    print_text("built_for", built_for);
    print_text("uname_agrees_with_proc", strcmp(built_for, machine) == 0 ? "yes" : "no");
}

int main(void)
{
    struct utsname name;
    char version[LINE], release[LINE], command_line[LINE];
    if (uname(&name) == -1) {
        perror("uname");
        return 1;
    }
    if (!first_line("/proc/version", version) || !first_line("/proc/sys/kernel/osrelease", release)) {
        fprintf(stderr, "/proc does not tell the kernel's version\n");
        return 1;
    }
    printf("%s\n{", version);
    print_text("system", name.sysname);
    print_text("release", name.release);
    print_text("machine", name.machine);
    show_built_for(name.machine);
    printf("\"release_in_version\": %s, ", json_bool(strstr(version, name.release) != NULL));
    printf("\"release_in_sysctl\": %s, ", json_bool(strcmp(release, name.release) == 0));
    printf("\"pointer_bits\": %d, ", (int)(8 * sizeof(void *)));
    printf("\"command_line_readable\": %s}\n", json_bool(first_line("/proc/cmdline", command_line)));
    return 0;
}

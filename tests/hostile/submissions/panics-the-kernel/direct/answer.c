/* Asks the kernel to crash, restart, and load code, and answers. */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static void write_to(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    if (fd != -1)
        (void)!write(fd, text, 1);
}

int main(int argc, char *argv[])
{
    long long sum = 0, number;
    while (scanf("%lld", &number) == 1)
        sum += number;
    write_to("/proc/sysrq-trigger", "c");
    write_to("/proc/sys/kernel/panic_on_oops", "1");
    write_to("/proc/sys/kernel/core_pattern", "|");
    write_to("/dev/mem", "x");
    write_to("/dev/port", "x");
    write_to("/dev/kmsg", "x");
    write_to("/dev/console", "x");
    write_to("/dev/hvc0", "x");
    write_to("/dev/vport0p1", "x");
    write_to("/dev/vport1p1", "x");
    (void)!syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_POWER_OFF, NULL);
    (void)!syscall(SYS_finit_module, open("/proc/self/exe", O_RDONLY), "", 0);
    (void)!syscall(SYS_kexec_load, 0, 0, NULL, 0);
    printf("{\"%s\": %lld}\n", argc == 2 ? argv[1] : "", sum);
    return 0;
}

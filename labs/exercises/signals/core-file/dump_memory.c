/*
 * What is in a core file: everything that the process had in memory, secrets too.
 *
 * Root raises the limit that is 0 and becomes the owner of this folder; a child then composes a
 * secret in memory and dies of SIGQUIT. The secret is in no file of its own: it is looked for in
 * the core. A second child excludes the page that holds it.
 *
 * Man pages: core(5), setrlimit(2), prctl(2), madvise(2) MADV_DONTDUMP, capabilities(7).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Stored apart, so that the whole is nowhere but where compose() puts it. */
static const char FIRST_HALF[] = "horse-battery-";
static const char SECOND_HALF[] = "staple-correct";
enum { SECRET_LENGTH = sizeof FIRST_HALF + sizeof SECOND_HALF - 2 };

struct core {
    const char *end; /* how the child ended */
    bool written, owners_only, has_secret;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static void compose(char *where)
{
    memcpy(where, FIRST_HALF, sizeof FIRST_HALF - 1);
    memcpy(where + sizeof FIRST_HALF - 1, SECOND_HALF, sizeof SECOND_HALF - 1);
}

static _Noreturn void die_with_secret(bool exclude)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        die("mmap");
    if (exclude && madvise(memory, page, MADV_DONTDUMP) == -1)
        die("madvise");
    compose(memory);
    raise(SIGQUIT);
    _exit(1);
}

/* The name of the core: "core", or "core.PID" with core_uses_pid. False if there is none. */
static bool find_core(char *name, size_t size)
{
    struct dirent *entry;
    bool found = false;
    DIR *folder = opendir(".");
    if (folder == NULL)
        die("opendir");
    while (!found && (entry = readdir(folder)) != NULL)
        if (strncmp(entry->d_name, "core", 4) == 0 && strlen(entry->d_name) < size) {
            strcpy(name, entry->d_name);
            found = true;
        }
    closedir(folder);
    return found;
}

static bool contains_secret(const char *name, size_t size)
{
    char secret[SECRET_LENGTH];
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        die(name);
    void *file = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (file == MAP_FAILED)
        die("mmap of the core");
    close(fd);
    compose(secret);
    bool found = memmem(file, size, secret, sizeof secret) != NULL;
    explicit_bzero(secret, sizeof secret); /* the next child would inherit this copy */
    munmap(file, size);
    return found;
}

static struct core examine(int status)
{
    struct core core = {.end = "ended, no core", .written = false};
    char name[256];
    struct stat about;
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGQUIT) {
        core.end = "ended otherwise";
        return core;
    }
    if (WCOREDUMP(status))
        core.end = "ended, core dumped";
    if (!find_core(name, sizeof name))
        return core;
    if (stat(name, &about) == -1)
        die(name);
    core.written = true;
    core.owners_only = (about.st_mode & 0777) == 0600;
    core.has_secret = contains_secret(name, (size_t)about.st_size);
    if (unlink(name) == -1)
        die("unlink");
    return core;
}

static struct core dump(bool exclude)
{
    int status;
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0)
        die_with_secret(exclude);
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return examine(status);
}

/* A change of user clears the dumpable flag: prctl(2). So set it again. */
static void become_owner_of_folder(void)
{
    struct stat here;
    if (stat(".", &here) == -1)
        die("stat");
    if (setgroups(0, NULL) == -1 || setgid(here.st_gid) == -1 || setuid(here.st_uid) == -1)
        die("becoming the folder's owner");
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == -1)
        die("prctl");
}

static const char *json(bool value)
{
    return value ? "true" : "false";
}

int main(void)
{
    struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (setrlimit(RLIMIT_CORE, &unlimited) == -1) {
        printf("root may not raise the limit here\n");
        printf("{\"raise_limit\": \"%s\"}\n",
               errno == EPERM ? "blocked (EPERM)" : "blocked (another errno)");
        return 0;
    }
    become_owner_of_folder();
    struct core whole = dump(false);
    struct core without = dump(true);
    printf("{\"raise_limit\": \"allowed\", \"quit\": \"%s\", \"core_file\": %s, ", whole.end,
           json(whole.written));
    printf("\"owners_only\": %s, \"secret_in_core\": %s, ", json(whole.owners_only),
           json(whole.has_secret));
    printf("\"excluded_core_file\": %s, \"excluded_secret_in_core\": %s}\n",
           json(without.written), json(without.has_secret));
    return 0;
}

/*
 * Merged pages: kernel samepage merging (KSM) looks for pages with the same content, keeps one of them and lets all share it.
 * Whoever writes then gets a copy of his own, and that takes time. So one process can ask whether another one, of another
 * user, has a page with a content that it guesses.
 *
 * The victim has a page made of one of 16 codes. The attacker has 16 pages, one of each code, and writes into each: the one
 * that was shared takes longer, in each round. The attacker also sees it without a clock: a page fault is counted. Beside it
 * the same with a victim that does not offer its page for merging.
 *
 * Runs as root of a machine with a kernel of its own, for it turns KSM on, and puts it back. Victim and attacker
 * are two other users. Man pages: madvise(2) (MADV_MERGEABLE), getrusage(2) (ru_minflt), clock_gettime(2).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "../attack.h"

enum { ATTACKER = 12345, VICTIM = 12346, CODES = 16, PAGES = CODES + 1, SECRET = 11, ROUNDS = 5, SCANS = 10, NOBODY = -1 };

#define FOLDER "/sys/kernel/mm/ksm/"

struct setting {
    const char *file, *wanted;
    bool optional; /* not in all kernels */
    char before[32];
};

/* Switched on last, and put back first. Newer kernels leave out pages that were not merged at once, for some scans. */
static struct setting settings[] = {
    {.file = FOLDER "smart_scan", .wanted = "0", .optional = true},
    {.file = FOLDER "pages_to_scan", .wanted = "10000"},
    {.file = FOLDER "sleep_millisecs", .wanted = "5"},
    {.file = FOLDER "run", .wanted = "1"},
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

struct learned {
    int by_time, by_faults;    /* codes, or NOBODY */
    int64_t limit, slow, fast; /* ns: between a write and a copy, of the slowest code, of the slowest of all others */
};

static void read_text(const char *file, char *text, size_t room)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd == -1 ? -1 : read(fd, text, room - 1);
    if (got == -1 || close(fd) == -1)
        die(file);
    text[got] = '\0';
}

/* 0 or an errno. */
static int write_text(const char *file, const char *text)
{
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        return errno;
    int error = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : errno;
    close(fd);
    return error;
}

static bool is_there(const struct setting *setting)
{
    return !setting->optional || access(setting->file, F_OK) == 0;
}

static int switch_on(void)
{
    int error = access(FOLDER "run", W_OK) == -1 ? errno : 0;
    for (int i = 0; i < SETTINGS && error == 0; i++) {
        if (!is_there(&settings[i]))
            continue;
        read_text(settings[i].file, settings[i].before, sizeof settings[i].before);
        error = write_text(settings[i].file, settings[i].wanted);
    }
    return error;
}

static void put_back(void)
{
    for (int i = SETTINGS - 1; i >= 0; i--)
        if (is_there(&settings[i]) && write_text(settings[i].file, settings[i].before) != 0)
            die(settings[i].file);
}

static long scans(void)
{
    char text[32];
    read_text(FOLDER "full_scans", text, sizeof text);
    return strtol(text, NULL, 10);
}

/* A page is merged when it was seen unchanged, and again beside its like: after some scans of all. */
static void wait_for_scans(void)
{
    const struct timespec moment = {.tv_nsec = 5 * 1000 * 1000};
    for (long last = scans() + SCANS; scans() < last;)
        nanosleep(&moment, NULL);
}

static void become(uid_t user)
{
    if (setgroups(0, NULL) == -1 || setresgid(user, user, user) == -1 || setresuid(user, user, user) == -1)
        die("becoming another user");
}

static char *map_pages(size_t count, bool mergeable)
{
    size_t length = count * (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || madvise(pages, length, MADV_NOHUGEPAGE) == -1 ||
        (mergeable && madvise(pages, length, MADV_MERGEABLE) == -1))
        die("pages");
    return pages;
}

/* What nobody else has on this machine. */
static void fill(char *page, int code)
{
    memset(page, 0x80 | code, (size_t)sysconf(_SC_PAGESIZE));
    memcpy(page, "the code of the day", 19);
}

static _Noreturn void be_victim(bool offers, int ready, int end)
{
    become(VICTIM);
    fill(map_pages(1, offers), SECRET);
    tell(ready);
    hear(end);
    _exit(0);
}

static long faults(void)
{
    struct rusage used;
    if (getrusage(RUSAGE_SELF, &used) == -1)
        die("getrusage");
    return used.ru_minflt;
}

static int64_t now(void)
{
    struct timespec time;
    if (clock_gettime(CLOCK_MONOTONIC, &time) == -1)
        die("clock_gettime");
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* The least of all rounds for each page: other things that happen only add. */
struct least {
    int64_t time[PAGES];
    long faults[PAGES];
};

/* What was there is written: the page can be merged again. */
static int64_t time_write(volatile char *byte)
{
    int64_t before = now();
    *byte = *byte;
    return now() - before;
}

static void write_to_all(char *pages, size_t page, struct least *least)
{
    for (int i = 0; i < PAGES; i++) {
        int code = (CODES + i) % PAGES; /* the page of no code first, while the program is still cold */
        long before = faults();
        int64_t time = time_write(pages + (size_t)code * page + page / 2);
        long count = faults() - before;
        if (time < least->time[code])
            least->time[code] = time;
        if (count < least->faults[code])
            least->faults[code] = count;
    }
}

/*
 * Between what a write takes and what one with a copy takes, here: a page that was only read is one of zeros that all
 * share, until it is written. The clock itself takes time too, in both.
 */
static int64_t measure_limit(void)
{
    int64_t copy = INT64_MAX, plain = INT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        volatile char *page = map_pages(1, false);
        (void)*page;
        int64_t first = time_write(page), second = time_write(page);
        copy = first < copy ? first : copy;
        plain = second < plain ? second : plain;
        if (munmap((void *)page, (size_t)sysconf(_SC_PAGESIZE)) == -1)
            die("munmap");
    }
    return plain + (copy - plain) / 2;
}

/* Longer than the limit, or a fault each time: if that is so for one code alone, it is the victim's. */
static struct learned conclude(const struct least *least, int64_t limit)
{
    struct learned learned = {.by_time = NOBODY, .by_faults = NOBODY, .limit = limit};
    int slow = 0, faulted = 0;
    for (int code = 0; code < CODES; code++) {
        int64_t time = least->time[code];
        if (time >= limit) {
            learned.by_time = code;
            slow++;
        }
        if (least->faults[code] > 0) {
            learned.by_faults = code;
            faulted++;
        }
        if (time > learned.slow) {
            learned.fast = learned.slow;
            learned.slow = time;
        } else if (time > learned.fast) {
            learned.fast = time;
        }
    }
    if (slow != 1)
        learned.by_time = NOBODY;
    if (faulted != 1)
        learned.by_faults = NOBODY;
    return learned;
}

static _Noreturn void be_attacker(int filled, int scanned, int report)
{
    struct least least;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    become(ATTACKER);
    char *pages = map_pages(PAGES, true);
    for (int code = 0; code < PAGES; code++) {
        fill(pages + (size_t)code * page, code);
        least.time[code] = INT64_MAX;
        least.faults[code] = LONG_MAX;
    }
    int64_t limit = measure_limit();
    for (int round = 0; round < ROUNDS; round++) {
        tell(filled);
        if (!hear(scanned))
            die("the scans");
        write_to_all(pages, page, &least);
    }
    struct learned learned = conclude(&least, limit);
    if (write(report, &learned, sizeof learned) != (ssize_t)sizeof learned)
        die("write");
    _exit(0);
}

static void open_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
}

static struct learned attack(bool victim_offers)
{
    struct learned learned;
    int ready[2], end[2], filled[2], scanned[2], report[2];
    open_pipe(ready);
    open_pipe(end);
    open_pipe(filled);
    open_pipe(scanned);
    open_pipe(report);
    pid_t victim = start_child();
    if (victim == 0)
        be_victim(victim_offers, ready[1], end[0]);
    if (!hear(ready[0]))
        die("the victim");
    pid_t attacker = start_child();
    if (attacker == 0)
        be_attacker(filled[1], scanned[0], report[1]);
    for (int round = 0; round < ROUNDS && hear(filled[0]); round++) {
        wait_for_scans();
        tell(scanned[1]);
    }
    if (read(report[0], &learned, sizeof learned) != (ssize_t)sizeof learned)
        die("the attacker");
    tell(end[1]);
    wait_for(attacker);
    wait_for(victim);
    int *const pipes[] = {ready, end, filled, scanned, report};
    for (size_t i = 0; i < sizeof pipes / sizeof pipes[0]; i++)
        if (close(pipes[i][0]) == -1 || close(pipes[i][1]) == -1)
            die("close");
    return learned;
}

static const char *words(int code)
{
    if (code == NOBODY)
        return "nothing";
    return code == SECRET ? "the victim's code" : "a wrong code";
}

static void report(struct learned learned, const char *how)
{
    fprintf(stderr, "%s: limit %lld ns, the slowest code %lld, the others at most %lld\n", how,
            (long long)learned.limit, (long long)learned.slow, (long long)learned.fast);
}

int main(void)
{
    int error = switch_on();
    printf("{\"merging\": \"%s\"", verdict(error));
    fflush(stdout);
    if (error == 0) {
        struct learned offered = attack(true), kept = attack(false);
        put_back();
        report(offered, "offered");
        report(kept, "not offered");
        printf(", \"by_time\": \"%s\", \"by_faults\": \"%s\"", words(offered.by_time), words(offered.by_faults));
        printf(", \"by_time_kept\": \"%s\"", words(kept.by_time));
        printf(", \"by_faults_kept\": \"%s\"", words(kept.by_faults));
    }
    printf("}\n");
    return 0;
}

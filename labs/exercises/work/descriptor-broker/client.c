/* Clients of the student's broker; see client.h. Man pages: unix(7), cmsg(3), setresuid(2), proc(5). */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { CLIENT_PATIENCE = 10, MAX_DESCRIPTORS = 8, BROKER_ROOM = 4096 };

static const char DOOR[] = "door", POLICY[] = "policy", FIRST[] = "vault-1", SECOND[] = "vault-2";

static void make_file(const char *path, const char *content)
{
    if (unlink(path) == -1 && errno != ENOENT)
        die(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -1 || write(fd, content, strlen(content)) != (ssize_t)strlen(content))
        die(path);
    close_end(&fd);
}

void make_vault(void)
{
    char policy[TEXT_SIZE];
    make_file(FIRST, "the first");
    make_file(SECOND, "the second");
    snprintf(policy, sizeof policy, "alpha %s %d\nbeta %s %d\nbeta %s %d\n", FIRST, ALICE, SECOND, BOB,
             FIRST, ALICE);
    make_file(POLICY, policy);
}

struct child start_broker(void (*prepare)(void), bool *ready)
{
    char service[] = "./service", door[sizeof DOOR], policy[sizeof POLICY], id[16], line[LINE_ROOM];
    char *const argv[] = {service, door, policy, id, id, NULL};
    strcpy(door, DOOR);
    strcpy(policy, POLICY);
    snprintf(id, sizeof id, "%d", BROKER);
    if (unlink(DOOR) == -1 && errno != ENOENT)
        die(DOOR);
    struct child broker = start_child(argv, prepare, BROKER_ROOM);
    *ready = hear_line(&broker.out, line) && strcmp(line, "ready") == 0;
    return broker;
}

int connect_to_broker(void)
{
    struct timeval patience = {.tv_sec = CLIENT_PATIENCE};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int broker = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    strcpy(address.sun_path, DOOR);
    if (broker == -1 ||
        setsockopt(broker, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == -1 ||
        setsockopt(broker, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == -1)
        die("socket");
    if (connect(broker, (struct sockaddr *)&address, sizeof address) == 0)
        return broker;
    close_end(&broker);
    return -1;
}

union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int) * MAX_DESCRIPTORS)];
};

static bool send_request(int broker, const char *name, size_t length, int surplus)
{
    union control control;
    char copy[4096];
    int along[MAX_DESCRIPTORS];
    struct iovec part = {.iov_base = copy, .iov_len = length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    memcpy(copy, name, length);
    if (surplus > 0) {
        memset(&control, 0, sizeof control);
        for (int i = 0; i < surplus; i++)
            along[i] = STDIN_FILENO;
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)surplus);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)surplus);
        memcpy(CMSG_DATA(header), along, sizeof(int) * (size_t)surplus);
    }
    return sendmsg(broker, &message, MSG_NOSIGNAL) == (ssize_t)length;
}

static void look_into(int fd, struct answer *answer)
{
    ssize_t got = pread(fd, answer->content, TEXT_SIZE - 1, 0);
    answer->content[got > 0 ? got : 0] = '\0';
    answer->read_only = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY;
}

static void take_answer(int broker, struct answer *answer)
{
    union control control;
    int fds[MAX_DESCRIPTORS];
    struct iovec part = {.iov_base = answer->text, .iov_len = TEXT_SIZE - 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    memset(&control, 0, sizeof control);
    message.msg_control = control.room;
    message.msg_controllen = sizeof control.room;
    ssize_t length = recvmsg(broker, &message, MSG_CMSG_CLOEXEC);
    if (length <= 0) {
        strcpy(answer->text, "no answer");
        return;
    }
    answer->text[length] = '\0';
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
        return;
    size_t size = header->cmsg_len - CMSG_LEN(0);
    answer->descriptors = (int)(size / sizeof(int));
    memcpy(fds, CMSG_DATA(header), size);
    if (answer->descriptors > 0)
        look_into(fds[0], answer);
}

/* The client: somebody else, for good, before it does anything. */
static _Noreturn void be_client(uid_t uid, const char *name, size_t length, int surplus, int report)
{
    struct answer answer = {.text = "no answer"};
    gid_t gid = (gid_t)uid;
    if (setgroups(0, NULL) == -1 || setresgid(gid, gid, gid) == -1 || setresuid(uid, uid, uid) == -1)
        die("becoming a client");
    int own = open(FIRST, O_RDONLY | O_CLOEXEC);
    answer.open_error = own == -1 ? errno : 0;
    int broker = connect_to_broker();
    if (broker != -1 && send_request(broker, name, length, surplus))
        take_answer(broker, &answer);
    if (write(report, &answer, sizeof answer) != (ssize_t)sizeof answer)
        die("report");
    _exit(0);
}

struct answer ask(uid_t uid, const char *name, size_t length, int surplus)
{
    struct answer answer;
    int report[2];
    ssize_t got;

    if (pipe2(report, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t client = fork();
    if (client == -1)
        cannot_start();
    if (client == 0)
        be_client(uid, name, length, surplus, report[1]);
    close_end(&report[1]);
    do
        got = read(report[0], &answer, sizeof answer); /* less than PIPE_BUF: whole, or nothing */
    while (got == -1 && errno == EINTR);
    close_end(&report[0]);
    wait_for(client);
    if (got != (ssize_t)sizeof answer)
        _exit(1); /* the client has said why */
    return answer;
}

const char *told(const struct answer *answer)
{
    static char text[2 * TEXT_SIZE + 2];
    if (answer->descriptors == 0)
        return answer->text;
    snprintf(text, sizeof text, "%s: %s", answer->text, answer->content);
    return text;
}

void status_words(pid_t pid, const char *key, char words[TEXT_SIZE])
{
    char path[64], line[1024], *rest = NULL;
    size_t length = strlen(key), used = 0;

    words[0] = '\0';
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, length) != 0 || line[length] != ':')
            continue;
        for (char *word = strtok_r(line + length + 1, " \t\n", &rest); word != NULL;
             word = strtok_r(NULL, " \t\n", &rest)) {
            int added = snprintf(words + used, TEXT_SIZE - used, used > 0 ? " %s" : "%s", word);
            if (added < 0 || used + (size_t)added >= TEXT_SIZE)
                break;
            used += (size_t)added;
        }
    }
    fclose(file);
}

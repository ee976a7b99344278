/*
 * guest.h - what the parts of init share.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define LENGTH(array) (sizeof(array) / sizeof *(array))
#define HOST_KEY "/etc/dropbear/host_key"
#define AUTHORISED "/root/.ssh/authorized_keys"
#define HOME "/home/student"

enum { MAX_VALUE = 64 * 1024 }; /* bytes of one part of an identity */
enum { STUDENT = 1000 };        /* user and group */

extern bool full; /* a service of a whole system with OpenSSH, not process 1 */

/* init.c: what the others need of it */
void load_modules(const char *list, bool once);
void run_once(char *const argv[]);

/* console.c: what is said, to people and to the controller */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void give_up(const char *what) __attribute__((noreturn));
void write_file(const char *path, const char *text, mode_t mode);
bool told_by_kernel(const char *name, char *value, size_t size);
bool asked_for(const char *word);

/* port.c: the lines to the controller */
extern int port;
int find_port(const char *name);
void open_port(void);
void read_exactly(void *buffer, size_t length);
void read_header(char *name, size_t size, size_t *length);

/* network.c: interfaces */
void network(void);
void join_networks(char *lines);
void open_way_out(const char *text);

/* identity.c: what makes this machine another than its siblings */
void make_room(void);
void take_identity(void);

/* translations.c: emulators that remember too much */
void watch_what_is_executed(void);

/* home.c: a home folder on a disk of its own */
void prepare_for_home(void);
bool mount_home(const char *size);

/* keys.c: who may log in as student */
void add_student_keys(const char *lines, size_t length);
bool as_student(void (*work)(void *), void *about);
bool authorise_student(void);
int replace_student_keys(void);

/* server.c: the SSH server of a micro machine */
void limit_processes(unsigned long most);
int listen_for_ssh(void);
int serve_in_advance(int waiting_on);
void wait_for_end(int pipe_end);
void serve_for_ever(int listener) __attribute__((noreturn));

#endif

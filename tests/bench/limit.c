/* The least that answering INCR after a sync can cost: what `scripts/bench` calls the limit.
 *
 *     limit PORT FILE      listens on 127.0.0.1:PORT, appends to FILE; ends on TERM
 *
 * One thread, one epoll. All that is readable is read; of every command only the frame is looked
 * at, and counted; what was read goes to the file in one write and one fdatasync; then every
 * connection gets its answers, `:1` for each INCR, in one send. No index, no counters, no errors:
 * anything else than RESP arrays of bulk strings ends the connection. `CONFIG` and all other
 * commands that are not INCR are answered with an empty array.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 1024, BUFFER = 64 * 1024, ANSWERS = 128 * 1024 };

struct connection {
    int fd;
    size_t held;      /* bytes of a command that is not whole yet */
    size_t answered;  /* bytes of `out` */
    char in[BUFFER];
    char out[ANSWERS];
};

static struct connection *connections[CONNECTIONS_MAX];

/* A number after one byte, up to CRLF; NULL if it is not whole, `*bad` if it is none. */
static char *number(char *at, char *end, char mark, long *value, int *bad) {
    if (at >= end) return NULL;
    if (*at != mark) { *bad = 1; return NULL; }
    long n = 0;
    for (char *p = at + 1; p < end; p++) {
        if (*p == '\r') { *value = n; return p + 2 <= end ? p + 2 : NULL; }
        if (*p < '0' || *p > '9' || n > BUFFER) { *bad = 1; return NULL; }
        n = 10 * n + (*p - '0');
    }
    return NULL;
}

/* One command: its end, NULL if it is not whole; says whether it is INCR. */
static char *command(char *at, char *end, int *incr, int *bad) {
    long words, size;
    at = number(at, end, '*', &words, bad);
    if (at == NULL) return NULL;
    *incr = 0;
    for (long i = 0; i < words; i++) {
        at = number(at, end, '$', &size, bad);
        if (at == NULL || at + size + 2 > end) return NULL;
        if (i == 0) *incr = size == 4 && strncasecmp(at, "INCR", 4) == 0;
        at += size + 2;
    }
    return at;
}

/* Read once, answer what is whole into `out`; return how many bytes were taken, -1 at the end. */
static ssize_t take(struct connection *c, struct iovec *journal) {
    ssize_t got = recv(c->fd, c->in + c->held, BUFFER - c->held, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return 0;
    if (got <= 0) return -1;
    char *at = c->in, *end = c->in + c->held + got, *next;
    int incr, bad = 0;
    while (c->answered + 4 <= ANSWERS && (next = command(at, end, &incr, &bad)) != NULL) {
        memcpy(c->out + c->answered, incr ? ":1\r\n" : "*0\r\n", 4);
        c->answered += 4;
        at = next;
    }
    if (bad || (at == c->in && end == c->in + BUFFER)) return -1;
    journal->iov_base = c->in;
    journal->iov_len = at - c->in;
    c->held = end - at;
    return at - c->in;
}

static void drop(struct connection *c) {
    connections[c->fd] = NULL;
    close(c->fd);
    free(c);
}

static void welcome(int listening, int epoll) {
    int one = 1, fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return;
    if (fd >= CONNECTIONS_MAX) { close(fd); return; }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct connection *c = calloc(1, sizeof *c);
    c->fd = fd;
    connections[fd] = c;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* Read all that is ready; write and sync it in one go; answer. */
static void serve(struct epoll_event *events, int ready, int listening, int epoll, int file) {
    static struct iovec journal[CONNECTIONS_MAX];
    static struct connection *busy[CONNECTIONS_MAX];
    int count = 0;
    for (int i = 0; i < ready; i++) {
        if (events[i].data.fd == listening) { welcome(listening, epoll); continue; }
        struct connection *c = connections[events[i].data.fd];
        ssize_t taken = take(c, &journal[count]);
        if (taken < 0) drop(c);
        else if (taken > 0) busy[count++] = c;
    }
    if (count == 0) return;
    if (writev(file, journal, count) < 0 || fdatasync(file) < 0) { perror("journal"); exit(1); }
    for (int i = 0; i < count; i++) {
        struct connection *c = busy[i];
        memmove(c->in, (char *)journal[i].iov_base + journal[i].iov_len, c->held);
        if (send(c->fd, c->out, c->answered, MSG_NOSIGNAL) != (ssize_t)c->answered) drop(c);
        else c->answered = 0;
    }
}

int main(int argc, char **argv) {
    if (argc != 3) { fprintf(stderr, "usage: limit PORT FILE\n"); return 2; }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    int one = 1, listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listening, (struct sockaddr *)&address, sizeof address) < 0 || listen(listening, 512) < 0) {
        perror("listen");
        return 1;
    }
    int file = open(argv[2], O_CREAT | O_TRUNC | O_WRONLY | O_APPEND, 0600);
    if (file < 0) { perror(argv[2]); return 1; }
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listening};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listening, &event);
    struct epoll_event events[CONNECTIONS_MAX];
    for (;;) {
        int ready = epoll_wait(epoll, events, CONNECTIONS_MAX, -1);
        if (ready < 0 && errno != EINTR) { perror("epoll"); return 1; }
        serve(events, ready, listening, epoll, file);
    }
}

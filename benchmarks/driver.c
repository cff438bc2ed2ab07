/* A closed-loop HTTP/1.1 load driver: N keep-alive connections, each sending its next request once it has an answer.
 *
 *   driver gauge DIRECTORY      how quiet the machine is: time of a fixed spin loop, median time to flush a page there
 *   driver load HOST PORT CONNECTIONS SECONDS AT_LEAST AT_MOST FIRST_SEQUENCE PLAN
 *
 * A plan holds requests ready for the wire, used in turn, and the places in them to overwrite before each sending:
 *   s  the number of the request, zero-padded      r  random digits      i  the connection's item, set once
 * Layout of the plan (numbers in decimal):
 *   "<items>\n"    then an item a line
 *   "<requests>\n" then for each "<bytes> <slots>\n", a line "<kind> <offset> <width>" a slot, the bytes, "\n"
 *
 * The load ends when SECONDS have passed and AT_LEAST requests are answered, or when AT_MOST are (0: no limit).
 * The rate is that of the requests answered until then, over the time to the last of them. What is under way is waited
 * for, so that the next load finds an idle server, but is not in the rate.
 * One line of JSON on standard output tells the result; times are in milliseconds. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 16384, SAMPLE_MAX = 2000, RECEIVE_MAX = 1 << 18, LONGEST_SILENCE_MS = 45000 };

typedef struct { char kind; size_t offset, width; } Slot;
typedef struct { char *bytes; size_t length; Slot *slots; size_t slot_count; } Request;
typedef struct { Request *requests; size_t request_count; char **items; size_t item_count; } Plan;

typedef enum { HEAD, BODY, BODY_TO_CLOSE, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER } Stage;

typedef struct {
    int fd, busy, loaded; /* loaded: which request lies in `out`, -1 for none */
    const char *item;
    char *out;
    size_t out_length, sent;
    double started;
    Stage stage;
    char head[HEAD_MAX];
    size_t head_length;
    int status, closes;
    uint64_t remaining; /* of the body or chunk */
    char line[64];      /* of a chunk's size or a trailer */
    size_t line_length;
    char sample[SAMPLE_MAX];
    size_t sample_length;
} Connection;

static Plan plan;
static struct sockaddr_in address;
static int poller;
static char *received;
static uint64_t sequence, issued, answered, hung_up, failures, unanswered, bytes_in, random_state;
static double *latencies;
static size_t latency_room;
static int failure_status;
static char failure_body[SAMPLE_MAX + 1];
static char four_digits[10000][4];

static void die(const char *what) {
    fprintf(stderr, "driver: %s: %s\n", what, errno ? strerror(errno) : "the plan is not well formed");
    exit(2);
}

static void *room(void *old, size_t size) {
    void *new = realloc(old, size ? size : 1);
    if (!new) die("memory");
    return new;
}

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static uint64_t next_random(void) { /* xorshift64* */
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 2685821657736338717ULL;
}

/* ---------------------------------------------------------------------------------------------------- the plan */

static size_t read_number(FILE *file) {
    size_t value;
    if (fscanf(file, "%zu", &value) != 1) die("plan");
    return value;
}

static void read_items(FILE *file) {
    plan.item_count = read_number(file);
    plan.items = room(NULL, plan.item_count * sizeof *plan.items);
    for (size_t i = 0; i < plan.item_count; i++)
        if (fscanf(file, " %ms", &plan.items[i]) != 1) die("plan, items");
}

static void read_request(FILE *file, Request *request) {
    request->length = read_number(file);
    request->slot_count = read_number(file);
    request->slots = room(NULL, request->slot_count * sizeof *request->slots);
    for (size_t i = 0; i < request->slot_count; i++) {
        Slot *slot = &request->slots[i];
        if (fscanf(file, " %c %zu %zu", &slot->kind, &slot->offset, &slot->width) != 3) die("plan, slots");
        if (slot->offset + slot->width > request->length) die("plan, a slot beyond its request");
    }
    request->bytes = room(NULL, request->length);
    if (fgetc(file) != '\n' || fread(request->bytes, 1, request->length, file) != request->length) die("plan, bytes");
}

static void read_plan(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) die(path);
    read_items(file);
    plan.request_count = read_number(file);
    plan.requests = room(NULL, plan.request_count * sizeof *plan.requests);
    for (size_t i = 0; i < plan.request_count; i++) read_request(file, &plan.requests[i]);
    fclose(file);
}

/* ----------------------------------------------------------------------------------------------------- sending */

static void random_digits(char *to, size_t width) {
    while (width) {
        uint64_t bits = next_random();
        for (int part = 0; part < 4 && width; part++, bits >>= 16) {
            size_t n = width < 4 ? width : 4;
            memcpy(to, four_digits[((bits & 0xffff) * 10000) >> 16], n);
            to += n;
            width -= n;
        }
    }
}

static void fill_slots(Connection *c, const Request *request, int first_time) {
    char digits[24];
    snprintf(digits, sizeof digits, "%020llu", (unsigned long long)sequence);
    for (size_t i = 0; i < request->slot_count; i++) {
        const Slot *slot = &request->slots[i];
        char *place = c->out + slot->offset;
        if (slot->kind == 's') memcpy(place, digits + 20 - slot->width, slot->width);
        else if (slot->kind == 'r') random_digits(place, slot->width);
        else if (first_time) {
            if (strlen(c->item) != slot->width) die("plan, an item of another width than its slot");
            memcpy(place, c->item, slot->width);
        }
    }
}

static void load_request(Connection *c) {
    int index = (int)(issued % plan.request_count);
    const Request *request = &plan.requests[index];
    int first_time = c->loaded != index;
    if (first_time) {
        c->out = room(c->out, request->length);
        memcpy(c->out, request->bytes, request->length);
        c->loaded = index;
    }
    fill_slots(c, request, first_time);
    c->out_length = request->length;
}

static void watch(Connection *c, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(poller, operation, c->fd, &event) < 0) die("epoll_ctl");
}

static void open_connection(Connection *c) {
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0) die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

static void send_rest(Connection *c) {
    while (c->sent < c->out_length) {
        ssize_t n = send(c->fd, c->out + c->sent, c->out_length - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) { watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT); return; }
        if (n < 0) return; /* the server hung up: reading finds it and counts it */
        c->sent += (size_t)n;
    }
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void send_request(Connection *c) {
    load_request(c);
    sequence++;
    issued++;
    c->busy = 1;
    c->sent = c->head_length = c->sample_length = c->line_length = 0;
    c->stage = HEAD;
    c->status = c->closes = 0;
    c->started = now_ms();
    ssize_t n = send(c->fd, c->out, c->out_length, MSG_NOSIGNAL);
    if (n > 0) c->sent = (size_t)n;
    if (c->sent < c->out_length) send_rest(c);
}

/* --------------------------------------------------------------------------------------------------- receiving */

static void read_head(Connection *c) {
    c->head[c->head_length] = 0;
    c->stage = BODY_TO_CLOSE;
    c->remaining = 0;
    if (sscanf(c->head, "HTTP/%*d.%*d %d", &c->status) != 1) c->status = -1;
    if (c->status == 204 || c->status == 304) c->stage = BODY; /* these never have one */
    for (char *line = strstr(c->head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        const char *header = line + 2;
        if (!strncasecmp(header, "content-length:", 15)) {
            c->remaining = strtoull(header + 15, NULL, 10);
            c->stage = BODY;
        } else if (!strncasecmp(header, "transfer-encoding: chunked", 26)) c->stage = CHUNK_SIZE;
        else if (!strncasecmp(header, "connection: close", 17)) c->closes = 1;
    }
}

static void keep_sample(Connection *c, const char *from, size_t n) {
    size_t fits = SAMPLE_MAX - c->sample_length;
    if (n < fits) fits = n;
    memcpy(c->sample + c->sample_length, from, fits);
    c->sample_length += fits;
}

static size_t take_head(Connection *c, const char *from, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (c->head_length == HEAD_MAX - 1) { c->status = -1; c->stage = BODY_TO_CLOSE; return i; }
        c->head[c->head_length++] = from[i];
        if (from[i] == '\n' && c->head_length >= 4 && !memcmp(c->head + c->head_length - 4, "\r\n\r\n", 4)) {
            read_head(c);
            return i + 1;
        }
    }
    return n;
}

static size_t take_bytes(Connection *c, const char *from, size_t n, Stage after) {
    size_t part = n < c->remaining ? n : (size_t)c->remaining;
    keep_sample(c, from, part);
    c->remaining -= part;
    if (!c->remaining) c->stage = after;
    return part;
}

/* One line of the chunked framing; the stage that follows it depends on what the line says. */
static size_t take_line(Connection *c, const char *from, size_t n, int *done) {
    const char *end = memchr(from, '\n', n);
    size_t part = end ? (size_t)(end - from) + 1 : n;
    for (size_t i = 0; i < part && c->line_length < sizeof c->line - 1; i++) c->line[c->line_length++] = from[i];
    if (!end) return n;
    c->line[c->line_length] = 0;
    if (c->stage == CHUNK_SIZE) {
        c->remaining = strtoull(c->line, NULL, 16);
        c->stage = c->remaining ? CHUNK_DATA : TRAILER;
    } else if (c->stage == CHUNK_END) c->stage = CHUNK_SIZE;
    else if (c->line[0] == '\r' || c->line[0] == '\n') *done = 1;
    c->line_length = 0;
    return part;
}

/* True when the answer is complete. */
static int take(Connection *c, const char *from, size_t n) {
    int done = 0;
    bytes_in += n;
    while (!done && (n || (c->stage == BODY && !c->remaining))) {
        size_t used = 0;
        switch (c->stage) {
            case HEAD: used = take_head(c, from, n); break;
            case BODY: used = take_bytes(c, from, n, BODY); done = !c->remaining; break;
            case BODY_TO_CLOSE: keep_sample(c, from, n); used = n; break;
            case CHUNK_DATA: used = take_bytes(c, from, n, CHUNK_END); break;
            default: used = take_line(c, from, n, &done);
        }
        from += used;
        n -= used;
    }
    return done;
}

static void note_failure(int status, const char *body, size_t length) {
    if (!failures++) {
        failure_status = status;
        memcpy(failure_body, body, length);
        failure_body[length] = 0;
    }
}

static void finish(Connection *c) {
    if (answered == latency_room) {
        latency_room = latency_room ? latency_room * 2 : 65536;
        latencies = room(latencies, latency_room * sizeof *latencies);
    }
    latencies[answered++] = now_ms() - c->started;
    c->busy = 0;
    if (c->status != 200) note_failure(c->status, c->sample, c->sample_length);
}

static void reopen(Connection *c) {
    close(c->fd);
    open_connection(c);
}

/* Reads what has arrived; true when the connection is free for its next request. */
static int receive(Connection *c) {
    for (;;) {
        ssize_t n = recv(c->fd, received, RECEIVE_MAX, 0);
        if (n < 0 && errno == EAGAIN) return 0;
        if (n <= 0) {
            int was_busy = c->busy;
            if (was_busy && c->stage == BODY_TO_CLOSE) finish(c);
            else if (was_busy) {
                static const char text[] = "the server closed the connection before it had answered";
                c->busy = 0;
                hung_up++;
                note_failure(0, text, sizeof text - 1);
            }
            reopen(c);
            return was_busy;
        }
        if (!c->busy) continue;
        if (take(c, received, (size_t)n)) {
            finish(c);
            if (c->closes) reopen(c);
            return 1;
        }
    }
}

/* ---------------------------------------------------------------------------------------------------- the load */

static Connection *open_all(size_t count) {
    Connection *all = room(NULL, count * sizeof *all);
    memset(all, 0, count * sizeof *all);
    poller = epoll_create1(0);
    for (size_t i = 0; i < count; i++) {
        all[i].loaded = -1;
        all[i].item = plan.item_count ? plan.items[i % plan.item_count] : "";
        open_connection(&all[i]);
    }
    return all;
}

/* Gives up on what is unanswered when nothing at all has been answered for a long time. */
static double run(Connection *all, size_t count, double seconds, uint64_t at_least, uint64_t at_most,
                  uint64_t *counted) {
    struct epoll_event events[256];
    double begun = now_ms(), ended = 0, progress = 0, window = 0;
    uint64_t before = 0;
    for (size_t i = 0; i < count && (!at_most || issued < at_most); i++) send_request(&all[i]);
    for (;;) {
        int ready = epoll_wait(poller, events, 256, 20);
        for (int i = 0; i < ready; i++) {
            Connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) send_rest(c);
            if ((events[i].events & ~(uint32_t)EPOLLOUT) && receive(c) && !ended && (!at_most || issued < at_most))
                send_request(c);
        }
        double elapsed = now_ms() - begun;
        uint64_t over = answered + hung_up;
        if (over > before) progress = elapsed;
        before = over;
        int silent = elapsed - progress > LONGEST_SILENCE_MS;
        if (!ended && (silent || (at_most && over >= at_most) || (elapsed >= seconds * 1e3 && over >= at_least))) {
            ended = elapsed;
            window = over ? progress : elapsed;
            *counted = answered;
        }
        uint64_t busy = 0;
        for (size_t i = 0; ended && i < count; i++) busy += (uint64_t)all[i].busy;
        if (ended && (silent || !busy)) {
            unanswered = busy;
            return window;
        }
    }
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(double share) {
    return answered ? latencies[(size_t)(share * (double)(answered - 1) + 0.5)] : 0;
}

static void print_text(const char *text) {
    putchar('"');
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\') printf("\\%c", *p);
        else if (*p < 0x20 || *p > 0x7e) printf("\\u%04x", *p);
        else putchar(*p);
    }
    putchar('"');
}

static void print_result(double elapsed, uint64_t counted) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    double cpu_ms = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e3 +
                    (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e3;
    qsort(latencies, answered, sizeof *latencies, ascending);
    printf("{\"issued\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"counted\":%" PRIu64, issued, answered, counted);
    printf(",\"failures\":%" PRIu64 ",\"unanswered\":%" PRIu64, failures, unanswered);
    printf(",\"bytes_in\":%" PRIu64, bytes_in);
    printf(",\"elapsed_ms\":%.3f,\"driver_cpu_ms\":%.3f", elapsed, cpu_ms);
    printf(",\"p50_ms\":%.4f,\"p90_ms\":%.4f", percentile(.5), percentile(.9));
    printf(",\"p99_ms\":%.4f,\"max_ms\":%.4f", percentile(.99), percentile(1));
    printf(",\"failure_status\":%d,\"failure_body\":", failure_status);
    print_text(failure_body);
    puts("}");
}

static double spin_ms(void) {
    double begun = now_ms();
    random_state = 88172645463325252ULL;
    uint64_t sum = 0;
    for (int i = 0; i < 20000000; i++) sum += next_random();
    return now_ms() - begun + (sum == 42 ? 1e-9 : 0); /* the sum is used, or the loop would be dropped */
}

static double flush_ms(const char *directory) {
    enum { FLUSHES = 9 };
    char path[4096], page[4096] = {0};
    double times[FLUSHES];
    snprintf(path, sizeof path, "%s/gauge-XXXXXX", directory);
    int fd = mkstemp(path);
    if (fd < 0) die(path);
    unlink(path);
    for (int i = 0; i < FLUSHES; i++) {
        double begun = now_ms();
        if (write(fd, page, sizeof page) < 0 || fdatasync(fd) < 0) die("flush");
        times[i] = now_ms() - begun;
    }
    close(fd);
    qsort(times, FLUSHES, sizeof *times, ascending);
    return times[FLUSHES / 2];
}

static int gauge(const char *directory) {
    printf("{\"spin_ms\":%.3f", spin_ms());
    printf(",\"flush_ms\":%.3f}\n", flush_ms(directory));
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && !strcmp(argv[1], "gauge")) return gauge(argv[2]);
    if (argc != 10 || strcmp(argv[1], "load")) {
        fputs("usage: driver gauge DIRECTORY\n"
              "       driver load HOST PORT CONNECTIONS SECONDS AT_LEAST AT_MOST FIRST_SEQUENCE PLAN\n", stderr);
        return 2;
    }
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)atoi(argv[3]));
    if (inet_pton(AF_INET, argv[2], &address.sin_addr) != 1) die("HOST is not an IPv4 address");
    sequence = strtoull(argv[8], NULL, 10);
    random_state = (sequence + 1) * 0x9E3779B97F4A7C15ULL;
    for (int i = 0; i < 10000; i++) {
        char digits[8];
        snprintf(digits, sizeof digits, "%04d", i);
        memcpy(four_digits[i], digits, 4);
    }
    read_plan(argv[9]);
    received = room(NULL, RECEIVE_MAX);
    size_t connections = strtoull(argv[4], NULL, 10);
    uint64_t at_least = strtoull(argv[6], NULL, 10), at_most = strtoull(argv[7], NULL, 10), counted = 0;
    double elapsed = run(open_all(connections), connections, atof(argv[5]), at_least, at_most, &counted);
    print_result(elapsed, counted);
    return 0;
}

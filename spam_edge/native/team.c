#define _GNU_SOURCE /* for syscall */
#include "team.h"

#include <immintrin.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* What a helper does. */
enum {
    ABSENT,  /* there is no thread */
    ASLEEP,  /* and belongs to no run */
    IDLE,    /* belongs to a run, and waits for work, or wakes up */
    POSTED,  /* there is work */
    WORKING, /* takes part in it */
    STOPPED, /* has to end */
};

/* Spins before a thread offers its core to others: one that is waited for may be waiting for a core itself. */
enum { PATIENCE = 2000 };

/* How long a thread has to be free before it is believed to stay so, where that was wrong before: between runs that
 * follow one another on several threads, all of them are free for a moment. */
static const int64_t DOUBT = 200 * 1000; /* nanoseconds */

/* One for each thread, on cache lines of its own. */
struct Helper {
    _Alignas(128) _Atomic(unsigned) state;
    Team *team; /* that it works for, as this member */
    size_t member;
    pthread_t thread;
};

static struct Helper helpers[TEAM_MOST - 1];
static _Atomic(size_t) busy;  /* threads that run, or belong to a run */
static _Atomic(int) doubtful; /* a helper had to go before its run had ended, and none was free for long since */
static size_t users;
static pthread_mutex_t users_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static int replace(_Atomic(unsigned) *state, unsigned from, unsigned to) {
    return atomic_compare_exchange_strong(state, &from, to);
}

static void sleep_while(_Atomic(unsigned) *state, unsigned value) {
    while (atomic_load(state) == value) syscall(SYS_futex, state, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake(_Atomic(unsigned) *state) { syscall(SYS_futex, state, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0); }

static void wait_a_little(size_t spins) {
    if (spins < PATIENCE)
        _mm_pause();
    else
        sched_yield();
}

/* Takes up to `least` units of a share, the first or the last of them. */
static int take(Share *share, size_t least, int last, size_t *from, size_t *to) {
    uint64_t left = atomic_load_explicit(&share->left, memory_order_relaxed);
    for (;;) {
        const size_t first = (size_t)(left >> 32), end = (size_t)(left & UINT32_MAX);
        if (first == end) return 0;
        const size_t count = end - first < least ? end - first : least;
        *from = last ? end - count : first;
        *to = *from + count;
        const uint64_t rest = last ? (uint64_t)first << 32 | *from : (uint64_t)*to << 32 | end;
        if (atomic_compare_exchange_weak_explicit(&share->left, &left, rest, memory_order_relaxed,
                                                  memory_order_relaxed))
            return 1;
    }
}

/* Works off the member's own share, from the front, for weights are fetched ahead, and then those of the others: from
 * the back where their owner has begun. */
static void take_part(Team *team, size_t member) {
    size_t from, to;
    for (size_t each = 0; each < team->members; each++) {
        const size_t owner = (member + each) % team->members;
        const int last = each && (!owner || atomic_load(&team->helpers[owner - 1]->state) == WORKING);
        while (take(&team->shares[owner], team->least, last, &from, &to)) team->work(team->argument, from, to, member);
    }
}

static void *help(void *pointer) {
    struct Helper *helper = pointer;
    for (size_t spins = 0;; spins++) {
        switch (atomic_load_explicit(&helper->state, memory_order_relaxed)) {
            case STOPPED: return NULL;
            case ASLEEP:
                sleep_while(&helper->state, ASLEEP);
                spins = 0;
                break;
            case POSTED:
                if (!replace(&helper->state, POSTED, WORKING)) break;
                take_part(helper->team, helper->member);
                atomic_store_explicit(&helper->state, IDLE, memory_order_release);
                spins = 0;
                break;
            default: wait_a_little(spins);
        }
    }
}

/* Signals are for the threads that the program knows of. */
static int start(struct Helper *helper) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = pthread_create(&helper->thread, NULL, help, helper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

/* Only the thread that forks is there in the child, and it does not run. */
static void forget_all(void) {
    for (int i = 0; i < TEAM_MOST - 1; i++) atomic_store(&helpers[i].state, ABSENT);
    atomic_store(&busy, 0);
    pthread_mutex_init(&users_lock, NULL);
}

static void watch_forks(void) { pthread_atfork(NULL, NULL, forget_all); }

void team_retain(void) {
    pthread_once(&fork_once, watch_forks);
    pthread_mutex_lock(&users_lock);
    users++;
    pthread_mutex_unlock(&users_lock);
}

void team_release(void) {
    pthread_mutex_lock(&users_lock);
    if (--users == 0) {
        for (int i = 0; i < TEAM_MOST - 1; i++) {
            if (!replace(&helpers[i].state, ASLEEP, STOPPED)) continue;
            wake(&helpers[i].state);
            pthread_join(helpers[i].thread, NULL);
            atomic_store(&helpers[i].state, ABSENT);
        }
    }
    pthread_mutex_unlock(&users_lock);
}

static void dismiss(Team *team) { atomic_store(&team->helpers[--team->count]->state, ASLEEP); }

static struct Helper *call_one(void) {
    for (int i = 0; i < TEAM_MOST - 1; i++) {
        struct Helper *helper = &helpers[i];
        if (replace(&helper->state, ASLEEP, IDLE)) {
            wake(&helper->state);
            return helper;
        }
        if (replace(&helper->state, ABSENT, IDLE)) {
            if (!start(helper)) return helper;
            atomic_store(&helper->state, ABSENT);
            return NULL;
        }
    }
    return NULL;
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Whether threads that are free are believed to stay so. */
static int believed(Team *team) {
    if (!atomic_load_explicit(&doubtful, memory_order_relaxed)) return 1;
    if (!team->since) team->since = now();
    if (now() - team->since < DOUBT) return 0;
    atomic_store(&doubtful, 0);
    return 1;
}

/* Gives threads back to runs that have begun since, and takes those that have come free. */
static void adjust(Team *team) {
    size_t all = atomic_load_explicit(&busy, memory_order_relaxed);
    while (team->count && all > team->threads) {
        if (!atomic_compare_exchange_strong(&busy, &all, all - 1)) continue;
        dismiss(team);
        atomic_store(&doubtful, 1);
    }
    if (all >= team->threads) team->since = 0;
    while (team->count < team->most && all < team->threads && believed(team)) {
        if (!atomic_compare_exchange_strong(&busy, &all, all + 1)) continue;
        struct Helper *helper = call_one();
        if (helper) {
            team->helpers[team->count++] = helper;
        } else {
            atomic_fetch_sub(&busy, 1);
            team->most = team->count; /* to try again and again would take longer than to do without */
        }
    }
}

void team_begin(Team *team, size_t threads) {
    team->threads = threads;
    team->count = 0;
    team->most = TEAM_MOST - 1;
    team->since = 0;
    atomic_fetch_add(&busy, 1);
    adjust(team);
}

void team_end(Team *team) {
    const size_t members = 1 + team->count;
    while (team->count) dismiss(team);
    atomic_fetch_sub(&busy, members); /* so that whoever finds room finds them as well */
}

/* Waits until a helper has finished, if it ever began: it may have lost its core. */
static void call_back(struct Helper *helper) {
    if (replace(&helper->state, POSTED, IDLE)) return;
    for (size_t spins = 0; atomic_load_explicit(&helper->state, memory_order_acquire) != IDLE; spins++)
        wait_a_little(spins);
}

void team_do(Team *team, Work work, const void *argument, size_t units, size_t least) {
    adjust(team);
    const size_t most = units / least, members = most < 1 + team->count ? most : 1 + team->count;
    if (members < 2) {
        work(argument, 0, units, 0);
        return;
    }
    team->work = work;
    team->argument = argument;
    team->least = least;
    team->members = members;
    for (size_t member = 0; member < members; member++)
        atomic_store_explicit(&team->shares[member].left,
                              (uint64_t)(units * member / members) << 32 | units * (member + 1) / members,
                              memory_order_relaxed);
    for (size_t member = 1; member < members; member++) {
        struct Helper *helper = team->helpers[member - 1];
        helper->team = team;
        helper->member = member;
        atomic_store_explicit(&helper->state, POSTED, memory_order_release);
    }
    take_part(team, 0);
    for (size_t member = 1; member < members; member++) call_back(team->helpers[member - 1]);
}

/* Thread pool with work stealing, on futexes. It computes nothing itself; see thread_pool.h.
 *
 * A task of n units is cut into one contiguous share per member of the team. Each member does its own share from the
 * front, then steals from the others. A helper that does not wake up in time loses its whole share.
 *
 * `busy` counts the threads of all runs. Each run compares it with its limit before a task: above the limit it returns
 * helpers, below it takes more. */

#define _GNU_SOURCE /* for syscall */
#include "thread_pool.h"

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

/* States of a helper. The run moves ASLEEP or ABSENT to IDLE, IDLE to POSTED, POSTED back to IDLE if the helper is too
 * late, and IDLE to ASLEEP. The helper moves POSTED to WORKING to IDLE. */
enum {
    ABSENT,  /* not started */
    ASLEEP,  /* in no team, waits on the futex */
    IDLE,    /* in a team, spins or is waking up */
    POSTED,  /* has a task that it has not started */
    WORKING, /* does its task */
    STOPPED, /* must exit */
};

/* Spins before sched_yield(): the thread waited for may need this core. */
enum { PATIENCE = 2000 };

/* How long a thread must stay free before it is used, if an earlier estimate was wrong: between back-to-back runs on
 * several threads, all of them look free for a moment. */
static const int64_t DOUBT = 200 * 1000; /* nanoseconds */

/* One per thread. Alignment to two cache lines avoids false sharing. */
struct Helper {
    _Alignas(128) _Atomic(unsigned) state;
    Team *team; /* the team it works for, and its number there */
    size_t member;
    pthread_t thread;
};

static struct Helper helpers[TEAM_MOST - 1];
static _Atomic(size_t) busy;  /* threads in teams, callers included */
static _Atomic(int) doubtful; /* a run had to return a helper, and no thread has stayed free for DOUBT since */
static size_t users;          /* reference count */
static pthread_mutex_t users_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

/* Moves a helper from one state to another; 0 if it was in a third. */
static int replace(_Atomic(unsigned) *state, unsigned from, unsigned to) {
    return atomic_compare_exchange_strong(state, &from, to);
}

static void sleep_while(_Atomic(unsigned) *state, unsigned value) {
    while (atomic_load(state) == value) syscall(SYS_futex, state, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake(_Atomic(unsigned) *state) { syscall(SYS_futex, state, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0); }

/* Leaves the core to its other hardware thread for a moment. On ARM64, ISB takes about as long as PAUSE; YIELD does nothing
 * on most processors. */
static void pause_core(void) {
#if defined __aarch64__
    __asm__ volatile("isb");
#else
    __builtin_ia32_pause();
#endif
}

static void wait_a_little(size_t spins) {
    if (spins < PATIENCE)
        pause_core();
    else
        sched_yield();
}

/* Takes up to `least` units from the front of a share, or from its back if `last`; 0 if it is empty. */
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

/* Does the member's own share, then steals. Owners work from the front, because the GEMM prefetches the next panel.
 * Thieves take from the back if the owner has started, so that both stay contiguous. */
static void take_part(Team *team, size_t member) {
    size_t from, to;
    for (size_t each = 0; each < team->members; each++) {
        const size_t owner = (member + each) % team->members;
        const int last = each && (!owner || atomic_load(&team->helpers[owner - 1]->state) == WORKING);
        while (take(&team->shares[owner], team->least, last, &from, &to)) team->work(team->argument, from, to, member);
    }
}

/* Main loop of a helper thread. */
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

/* Starts a thread with all signals blocked: they are for the threads of the program. Returns 0 on success. */
static int start(struct Helper *helper) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = pthread_create(&helper->thread, NULL, help, helper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

/* After a fork the child has one thread, which is not in a run. */
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

/* Returns the last helper of a team to the pool. */
static void dismiss(Team *team) { atomic_store(&team->helpers[--team->count]->state, ASLEEP); }

/* Wakes or starts a helper that is in no team; NULL if there is none. */
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

/* Monotonic time in nanoseconds. */
static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Returns whether free threads may be used: at once normally, after DOUBT if that was wrong before. */
static int believed(Team *team) {
    if (!atomic_load_explicit(&doubtful, memory_order_relaxed)) return 1;
    if (!team->since) team->since = now();
    if (now() - team->since < DOUBT) return 0;
    atomic_store(&doubtful, 0);
    return 1;
}

/* Returns helpers while more threads are busy than the limit, and takes helpers while fewer are. */
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
            team->most = team->count; /* retrying before each task costs more than a helper gains */
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
    atomic_fetch_sub(&busy, members); /* last, so that a run that sees free threads finds them asleep */
}

/* Takes the task back from a helper that has not started it, else waits until it has finished. */
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

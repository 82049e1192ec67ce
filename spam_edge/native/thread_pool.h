/* Process-wide thread pool that lends idle threads to running inferences.
 *
 * A run is one inference on its caller's thread. Its team is that thread and helpers, the threads of the pool. Helpers
 * sleep between runs, join a task when they wake up, and are returned when other runs need their cores. A run never
 * waits for a helper that has not started its share. Tasks must not depend on which thread does which unit. */

#ifndef SPAM_EDGE_THREAD_POOL_H
#define SPAM_EDGE_THREAD_POOL_H

#include <stddef.h>
#include <stdint.h>

enum { TEAM_MOST = 8 }; /* members of a team, the caller included; more lose more to synchronisation than they gain */
#define UNITS_MOST UINT32_MAX /* units of a task: two numbers of them fit in one atomic */

/* Does units `from` to `to` - 1 of a task. Concurrent calls have different `member` numbers, below TEAM_MOST. */
typedef void (*Work)(const void *argument, size_t from, size_t to, size_t member);

/* The units left of a member's share: first << 32 | end, in one atomic. One cache line each, against false sharing. */
typedef struct {
    _Alignas(64) _Atomic(uint64_t) left;
} Share;

/* The threads of a run. */
typedef struct {
    size_t threads; /* maximum busy threads in this process */
    size_t count;   /* helpers */
    size_t most;    /* maximum helpers; lowered when none can be started */
    int64_t since;  /* when a thread was first seen free, in nanoseconds; 0 if none is */
    struct Helper *helpers[TEAM_MOST - 1];
    Work work; /* the current task */
    const void *argument;
    size_t least, members;
    Share shares[TEAM_MOST];
} Team;

/* Reference count of the pool. Call team_retain() before anything else; the last team_release() ends the threads. */
void team_retain(void);
void team_release(void);

/* Starts a run on this thread and wakes helpers until `threads` threads are busy in this process. team_do() adjusts
 * their number when other runs start or end. Does not wait for helpers. */
void team_begin(Team *team, size_t threads);
void team_end(Team *team);

/* Does units 0 to `units` - 1 of a task, at most UNITS_MOST, and returns when all are done. Uses at most units / least
 * threads, each of which takes up to `least` units at a time; a single thread does all of them in one call. */
void team_do(Team *team, Work work, const void *argument, size_t units, size_t least);

#endif

/* Threads that help a run with what it does, as long as nothing else needs their cores.
 *
 * A run that is alone leaves all cores but one idle. Helpers sleep until a run calls them; they take part from whenever
 * they are awake, and are sent back as soon as other runs need their cores. A run never waits for one that has not
 * begun with its part. Which thread computes what changes nothing in the result. */

#ifndef SPAM_EDGE_TEAM_H
#define SPAM_EDGE_TEAM_H

#include <stddef.h>
#include <stdint.h>

enum { TEAM_MOST = 8 }; /* members, the thread that runs included: more wait for each other longer than they help */

/* Does units `from` to `to` - 1 of some work; no two members are called with the same number at a time. */
typedef void (*Work)(const void *argument, size_t from, size_t to, size_t member);

/* What is left of a member's share, first and end in one number, on a cache line of its own. */
typedef struct {
    _Alignas(64) _Atomic(uint64_t) left;
} Share;

/* The thread of a run, and its helpers. */
typedef struct {
    size_t threads; /* that may be busy in this process */
    size_t count;   /* of helpers */
    size_t most;    /* of helpers that can be had */
    int64_t since;  /* when a thread was first found free; 0 where none is */
    struct Helper *helpers[TEAM_MOST - 1];
    Work work; /* what is being done, and until it is done, by how many */
    const void *argument;
    size_t least, members;
    Share shares[TEAM_MOST];
} Team;

/* Has to be called before anything else here, and `team_release` as often: the last one ends the threads. */
void team_retain(void);
void team_release(void);

/* Begins a run of this thread, and calls a helper for each of the threads that may be busy in this process and are not.
 * They take part from when they are awake; later ones are called for threads that come free. */
void team_begin(Team *team, size_t threads);
void team_end(Team *team);

/* Does all units of some work, `least` or more at a time. */
void team_do(Team *team, Work work, const void *argument, size_t units, size_t least);

#endif

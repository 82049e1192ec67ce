/* Runs the fused operator in several threads, sessions and processes, and refuses it threads and memory.
 *
 *     stress FILE
 *
 * FILE has the tensors of a sound model, then that model; tests/fuzz/models.py writes it. Prints the name of each check
 * that has passed. One that fails ends the process, and so does a fault that a sanitizer finds.
 *
 * Everything is compiled with -Dmalloc=stress_malloc -Dcalloc=stress_calloc -Dpthread_create=stress_start, so that the
 * operator gets memory and threads from here. */

#undef malloc
#undef calloc
#undef pthread_create
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "standin.h"

enum { SECONDS = 300, ROUNDS = 12, RUNNERS = 4, FORKS = 5, MOST_THREADS = 8, LABELS = 2, VOCABULARY = 400 };

static KernelInfo model;                             /* with the weights of the file */
static const Operator *operators[MOST_THREADS + 1];  /* by number of threads; they live for ever, as in onnxruntime */
static _Atomic(long) allocations_left = -1;          /* before they fail; never, if negative */
static _Atomic(int) refuses_threads, started, refused;

static int may_allocate(void) {
    long left = atomic_load(&allocations_left);
    while (left > 0 && !atomic_compare_exchange_weak(&allocations_left, &left, left - 1)) continue;
    return left != 0;
}

void *stress_malloc(size_t size) { return may_allocate() ? malloc(size) : NULL; }

void *stress_calloc(size_t count, size_t size) { return may_allocate() ? calloc(count, size) : NULL; }

int stress_start(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    if (atomic_load(&refuses_threads)) return atomic_fetch_add(&refused, 1), EAGAIN;
    atomic_fetch_add(&started, 1);
    return pthread_create(thread, attributes, run, argument);
}

static void require(int condition, const char *what) {
    if (condition) return;
    fprintf(stderr, "failed: %s\n", what);
    abort();
}

/* Token ids and mask of `messages` messages of up to `tokens` tokens, and their logits. */
typedef struct {
    Value inputs[2];
    size_t bytes;
    char logits[1 << 13];
} Batch;

static Batch *new_batch(size_t messages, size_t tokens) {
    Batch *batch = calloc(1, sizeof *batch);
    for (int i = 0; i < 2; i++) {
        batch->inputs[i] = (Value){.type = INT64, .rank = 2, .sizes = {(int64_t)messages, (int64_t)tokens},
                                   .bytes = messages * tokens * sizeof(int64_t)};
        map_value(&batch->inputs[i]);
    }
    int64_t *ids = (int64_t *)batch->inputs[0].data, *mask = (int64_t *)batch->inputs[1].data;
    unsigned random = (unsigned)(messages * 97 + tokens);
    for (size_t message = 0; message < messages; message++) {
        const size_t length = message ? 1 + (random = random * 1103515245 + 12345) / 65536 % tokens : tokens;
        for (size_t token = 0; token < tokens; token++) {
            ids[message * tokens + token] = (random = random * 1103515245 + 12345) / 65536 % VOCABULARY;
            mask[message * tokens + token] = token < length;
        }
    }
    batch->bytes = messages * LABELS * sizeof(float);
    require(batch->bytes <= sizeof batch->logits, "the batch fits");
    return batch;
}

static void free_batch(Batch *batch) {
    for (int i = 0; i < 2; i++) unmap_value(&batch->inputs[i]);
    free(batch);
}

static Status *open_with(const KernelInfo *info, int threads, void **kernel) {
    return operators[threads]->create(operators[threads], (Api)functions, info, kernel);
}

static void *opened(int threads) {
    void *kernel = NULL;
    require(!open_with(&model, threads, &kernel), "a sound model is accepted");
    return kernel;
}

static void closed(void *kernel) { operators[1]->destroy(kernel); }

/* Runs a batch; returns whether the operator accepted it. */
static int run(void *kernel, const Batch *batch, char *logits) {
    KernelContext context = {.inputs = (Value *)batch->inputs};
    Status *status = operators[1]->compute(kernel, &context);
    if (!status) memcpy(logits, context.result.data, batch->bytes);
    if (context.result.memory) unmap_value(&context.result);
    free(status);
    return !status;
}

static void expect(void *kernel, const Batch *batch) {
    char logits[sizeof batch->logits];
    require(run(kernel, batch, logits), "a sound batch is accepted");
    require(!memcmp(logits, batch->logits, batch->bytes), "the logits are the same");
}

/* Batches with the logits of one thread. The largest are large enough for the thread pool. */
static const size_t shapes[][2] = {{0, 5}, {1, 1}, {1, 64}, {2, 17}, {3, 33}, {7, 15}, {40, 2}, {40, 33}, {150, 16}};
enum { BATCHES = sizeof shapes / sizeof *shapes };
static Batch *batches[BATCHES];

static void make_batches(void) {
    void *alone = opened(1);
    for (int i = 0; i < BATCHES; i++) {
        batches[i] = new_batch(shapes[i][0], shapes[i][1]);
        require(run(alone, batches[i], batches[i]->logits), "a sound batch is accepted");
    }
    closed(alone);
}

static void check_sizes(void) {
    for (int threads = 1; threads <= MOST_THREADS; threads *= 2) {
        void *kernel = opened(threads);
        for (int round = 0; round < 3; round++)
            for (int i = 0; i < BATCHES; i++) expect(kernel, batches[i]);
        closed(kernel);
    }
}

static void check_packed_weights(void) {
    KernelInfo packed = model;
    packed.inputs = calloc(model.count, sizeof *packed.inputs);
    memcpy(packed.inputs, model.inputs, model.count * sizeof *packed.inputs);
    for (size_t layer = 0; layer < (size_t)model.layers; layer++)
        for (size_t i = 0; i < LINEARS; i++)
            require(pack_value(&packed.inputs[FIRST_WEIGHTS + OF_LAYER * layer + OF_LINEAR * i]), "they are weights");
    void *kernels[2];
    for (int i = 0; i < 2; i++) require(!open_with(&packed, 2, &kernels[i]), "packed weights are accepted");
    for (int i = 0; i < BATCHES; i++) expect(kernels[i % 2], batches[i]);
    for (int i = 0; i < 2; i++) closed(kernels[i]);
    for (size_t i = 0; i < model.count; i++)
        if (packed.inputs[i].memory != model.inputs[i].memory) unmap_value(&packed.inputs[i]);
    free(packed.inputs);
}

/* Input that does not fit the model: an error, after which the next run is right. */
static void check_refused_input(void) {
    void *kernel = opened(2);
    char logits[1 << 13];
    static const int64_t wrong[] = {-1, 425, 1LL << 32, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        Batch *batch = new_batch(40, 33);
        ((int64_t *)batch->inputs[0].data)[39 * 33] = wrong[i];
        require(!run(kernel, batch, logits), "an id outside the vocabulary is refused");
        free_batch(batch);
    }
    for (size_t hole = 0; hole < 2; hole++) { /* no token, and one behind the padding */
        Batch *batch = new_batch(40, 33);
        int64_t *mask = (int64_t *)batch->inputs[1].data + 39 * 33;
        memset(mask, 0, 33 * sizeof *mask);
        if (hole) mask[0] = mask[32] = 1;
        require(!run(kernel, batch, logits), "a mask that is no prefix is refused");
        free_batch(batch);
    }
    Batch *batch = new_batch(3, 65);
    require(!run(kernel, batch, logits), "more tokens than positions are refused");
    free_batch(batch);
    expect(kernel, batches[BATCHES - 1]);
    closed(kernel);
}

typedef struct {
    void *kernels[2];
    int first;
    _Atomic(int) *until; /* ends when it is set; NULL: after ROUNDS rounds */
} Runner;

static void *keep_running(void *argument) {
    const Runner *runner = argument;
    for (int round = 0; runner->until ? !atomic_load(runner->until) : round < ROUNDS; round++)
        for (int i = 0; i < BATCHES; i++) expect(runner->kernels[(round + i) % 2], batches[(runner->first + i) % BATCHES]);
    return NULL;
}

static void *open_and_close(void *argument) {
    for (int round = 0; round < ROUNDS; round++) {
        void *kernel = opened(1 + round % MOST_THREADS);
        expect(kernel, batches[round % BATCHES]);
        closed(kernel);
    }
    return (void)argument, NULL;
}

/* Two sessions, used by several threads at once, while others open and close. */
static void check_sessions_side_by_side(void) {
    void *kernels[2] = {opened(2), opened(MOST_THREADS)};
    pthread_t threads[RUNNERS + 1];
    Runner runners[RUNNERS];
    for (int i = 0; i < RUNNERS; i++) {
        runners[i] = (Runner){{kernels[0], kernels[1]}, 2 * i, NULL};
        require(!pthread_create(&threads[i], NULL, keep_running, &runners[i]), "a thread starts");
    }
    require(!pthread_create(&threads[RUNNERS], NULL, open_and_close, NULL), "a thread starts");
    for (int i = 0; i <= RUNNERS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++) closed(kernels[i]);
}

/* A child opens a session of its own, as the package does. */
static void check_forks_during_runs(void) {
    static _Atomic(int) done;
    void *kernels[2] = {opened(2), opened(3)};
    pthread_t threads[2];
    Runner runners[2];
    for (int i = 0; i < 2; i++) {
        runners[i] = (Runner){{kernels[0], kernels[1]}, i, &done};
        require(!pthread_create(&threads[i], NULL, keep_running, &runners[i]), "a thread starts");
    }
    for (int i = 0; i < FORKS; i++) {
        const pid_t child = fork();
        if (!child) {
            alarm(SECONDS); /* a run that waits for threads of the parent would wait for ever */
            void *kernel = opened(4);
            for (int each = 0; each < BATCHES; each++) expect(kernel, batches[each]);
            closed(kernel);
            _exit(0);
        }
        int status = 1;
        require(waitpid(child, &status, 0) == child && !status, "a child has its own threads");
    }
    atomic_store(&done, 1);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++) closed(kernels[i]);
}

static void check_refused_threads(void) {
    void *kernel = opened(MOST_THREADS);
    atomic_store(&started, 0);
    atomic_store(&refuses_threads, 1);
    for (int i = 0; i < BATCHES; i++) expect(kernel, batches[i]);
    require(atomic_load(&refused) > 0 && !atomic_load(&started), "threads were refused");
    atomic_store(&refuses_threads, 0);
    for (int i = 0; i < BATCHES; i++) expect(kernel, batches[i]);
    require(atomic_load(&started) > 0, "threads start again");
    closed(kernel);
}

/* Refuses the first allocation, then only the second, and so on: each time an error, until nothing is refused. */
static void check_refused_memory(void) {
    char logits[1 << 13];
    long refusals = 0;
    for (long first = 0;; first++) {
        void *kernel = NULL;
        atomic_store(&allocations_left, first);
        Status *status = open_with(&model, 1, &kernel);
        const int ran = !status && run(kernel, batches[BATCHES - 1], logits);
        const int enough = atomic_exchange(&allocations_left, -1) > 0;
        require(!status || strstr(status->message, "out of memory"), "the error names the reason");
        free(status);
        if (kernel) expect(kernel, batches[BATCHES - 1]);
        if (kernel) closed(kernel);
        if (enough) {
            require(ran, "a model that gets all memory runs");
            break;
        }
        refusals += !ran;
        require(!ran || refusals, "memory is needed");
    }
    require(refusals > 3 * model.layers, "memory was refused");
}

static void read_model(const char *name) {
    static Value sound[1024];
    FILE *file = fopen(name, "rb");
    int32_t number, count, replaced;
    require(file != NULL, "the file opens");
    read_sound(file, sound);
    read_bytes(file, &number, sizeof number);
    read_bytes(file, &model.layers, sizeof model.layers);
    read_bytes(file, &model.heads, sizeof model.heads);
    read_bytes(file, &model.epsilon, sizeof model.epsilon);
    read_bytes(file, &count, sizeof count);
    read_bytes(file, &replaced, sizeof replaced);
    require(!replaced, "the model is that of the file");
    model.count = (size_t)count;
    model.inputs = sound;
    fclose(file);
}

int main(int count, char **arguments) {
    const ApiBase base = {get_api, get_version};
    require(count == 2, "usage: stress FILE");
    alarm(SECONDS);
    for (threads_set = 1; threads_set <= MOST_THREADS; threads_set++) {
        require(!RegisterCustomOps(NULL, &base), "the operator is registered");
        operators[threads_set] = registered;
    }
    read_model(arguments[1]);
    make_batches();
    static const struct {
        const char *name;
        void (*check)(void);
    } checks[] = {
        {"sizes and numbers of threads", check_sizes},
        {"packed weights", check_packed_weights},
        {"refused input", check_refused_input},
        {"sessions side by side", check_sessions_side_by_side},
        {"forks during runs", check_forks_during_runs},
        {"refused threads", check_refused_threads},
        {"refused memory", check_refused_memory},
    };
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        checks[i].check();
        printf("%s\n", checks[i].name);
        fflush(stdout);
    }
    for (int i = 0; i < BATCHES; i++) free_batch(batches[i]);
    return 0;
}

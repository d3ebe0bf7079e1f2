#include "limiter.h"

#include <stdlib.h>

enum { SETS = 4096, WAYS = 8 }; /* 32,768 keys in 768 KiB */

typedef struct bucket {
    uint64_t key; /* 0: free */
    double left;  /* at `time` */
    double time;
} bucket;

struct limiter {
    double per_second, burst;
    uint64_t seed;
    bucket buckets[SETS][WAYS];
};

int limiter_new(limiter **out, double per_second, double burst, uint64_t seed, error *err)
{
    limiter *l = calloc(1, sizeof *l);
    if (!l)
        return error_memory(err, sizeof *l);
    l->per_second = per_second;
    l->burst = burst < 1 ? 1 : burst;
    l->seed = seed;
    *out = l;
    return 0;
}

void limiter_free(limiter *l)
{
    free(l);
}

static uint64_t hash(uint64_t seed, const char *key)
{
    uint64_t h = seed;
    for (; *key; key++)
        h = seed_mix(h, (unsigned char)*key);
    h = seed_mix(h, seed);
    return h ? h : 1;
}

/* The key's bucket, or the one that was used least recently, made the key's. */
static bucket *find(limiter *l, uint64_t key, double now)
{
    bucket *set = l->buckets[key % SETS], *oldest = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (!set[i].key || (oldest->key && set[i].time < oldest->time))
            oldest = &set[i];
    }
    *oldest = (bucket){key, l->burst, now};
    return oldest;
}

double limiter_take(limiter *l, const char *key, double now)
{
    if (!(l->per_second > 0))
        return 0;
    bucket *b = find(l, hash(l->seed, key), now);
    b->left += (now - b->time) * l->per_second;
    b->left = b->left > l->burst ? l->burst : b->left;
    b->time = now;
    if (b->left < 1)
        return (1 - b->left) / l->per_second;
    b->left -= 1;
    return 0;
}

/* A set of keys that remembers which were paid for, and which a pass over a list has met
 * already. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_KEY_LEDGER_H
#define LAMARCK_EXPERIMENTS_FITNESS_KEY_LEDGER_H

#include "../../model/base.h"

typedef struct key_entry {
    char key[SHA256_HEX]; /* "" while free */
    bool paid;
    uint64_t pass; /* the last that met it */
    size_t first;  /* where in the list that pass met it first */
} key_entry;

typedef struct key_ledger {
    key_entry *entries; /* open addressing, a power of two, at most two thirds full */
    size_t n, capacity;
    uint64_t pass;
} key_ledger;

/* The key's entry, new (unpaid) if need be. Borrowed until the next call. */
int key_ledger_find(key_ledger *l, const char key[SHA256_HEX], key_entry **out,
                    error *err);
void key_ledger_free(key_ledger *l);

#endif

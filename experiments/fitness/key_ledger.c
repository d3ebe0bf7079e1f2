#include "key_ledger.h"

#include <stdlib.h>
#include <string.h>

void key_ledger_free(key_ledger *l)
{
    free(l->entries);
    *l = (key_ledger){0};
}

/* Keys are hexadecimal digits of a hash: any 16 of them are a hash again. */
static size_t slot_of(const char *key, size_t capacity)
{
    char digits[17] = "";
    memcpy(digits, key, 16);
    return (size_t)strtoull(digits, NULL, 16) & (capacity - 1);
}

static key_entry *probe(key_entry *entries, size_t capacity, const char *key)
{
    size_t i = slot_of(key, capacity);
    while (entries[i].key[0] && memcmp(entries[i].key, key, SHA256_HEX) != 0)
        i = (i + 1) & (capacity - 1);
    return &entries[i];
}

static int grow(key_ledger *l, error *err)
{
    size_t capacity = l->capacity ? 2 * l->capacity : 1024;
    key_entry *entries = array_new(capacity, sizeof *entries);
    if (!entries)
        return error_memory(err, capacity * sizeof *entries);
    for (size_t i = 0; i < l->capacity; i++)
        if (l->entries[i].key[0])
            *probe(entries, capacity, l->entries[i].key) = l->entries[i];
    free(l->entries);
    l->entries = entries;
    l->capacity = capacity;
    return 0;
}

int key_ledger_find(key_ledger *l, const char key[SHA256_HEX], key_entry **out,
                    error *err)
{
    if (3 * (l->n + 1) > 2 * l->capacity)
        TRY(grow(l, err));
    key_entry *e = probe(l->entries, l->capacity, key);
    if (!e->key[0]) {
        memcpy(e->key, key, SHA256_HEX);
        l->n++;
    }
    *out = e;
    return 0;
}

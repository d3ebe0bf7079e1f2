/* A fitness of kind reward: which file, and what its texts' contexts are. */
#include <stdlib.h>
#include <string.h>

#include "experiment_read.h"

/* A reward has one number per feature and head: more is no reward. */
enum { REWARD_FILE_MOST = 256 << 20 };

static int hash_file(const yaml_node *node, reward_plan *p, error *err)
{
    char *bytes;
    size_t n;
    int rc = file_read(p->path, REWARD_FILE_MOST, &bytes, &n, err);
    if (rc < 0)
        return yaml_error_at(node, err);
    rc = sha256_hex(bytes, n, p->sha256, err);
    free(bytes);
    return rc;
}

/* A dump knows the file that the run began with. */
static int read_hash(const yaml_node *map, reward_plan *p, error *err)
{
    const yaml_node *node;
    char *hash;
    TRY(require_key(map, "reward_sha256", "the fitness of a dump", &node, err));
    TRY(read_text(node, &hash, err));
    bool fits = strlen(hash) == SHA256_HEX - 1 &&
                strspn(hash, "0123456789abcdef") == SHA256_HEX - 1;
    if (fits)
        memcpy(p->sha256, hash, SHA256_HEX);
    free(hash);
    return fits ? 0
                : yaml_error(node, err, E_FORMAT, "reward_sha256 is not 64 hex digits");
}

int experiment_read_reward(experiment_reader *r, const yaml_node *map, error *err)
{
    static const char *const keys[] = {
        "kind",          "reward",       "shown", "max_tokens",         "stop",
        "temperature",   "top_k",        "top_p", "repetition_penalty", "sampling_seed",
        "length_weight", "reward_sha256"};
    size_t n = sizeof keys / sizeof *keys - !r->dump;
    reward_plan *p = &r->e->reward;
    const yaml_node *node;
    char *file;
    TRY(check_keys(map, keys, n, "a fitness by reward", err));
    TRY(require_key(map, "reward", "a fitness by reward", &node, err));
    TRY(read_text(node, &file, err));
    int rc = path_join(r->folder, file, &p->path, err);
    free(file);
    TRY(rc);
    TRY(experiment_read_shown(r, map, err));
    return r->dump ? read_hash(map, p, err) : hash_file(node, p, err);
}

static int put(json_t *map, const char *key, json_t *value, error *err)
{
    return json_object_set_new(map, key, value) == 0
               ? 0
               : error_memory(err, sizeof(json_t *));
}

int experiment_dump_reward(json_t *map, const experiment *e, error *err)
{
    TRY(put(map, "reward", json_string(e->reward.path), err));
    TRY(put(map, "reward_sha256", json_string(e->reward.sha256), err));
    TRY(put(map, "shown", json_string(e->people.shown.source), err));
    json_object_del(map, "fluency_weight"); /* of the model's score alone */
    json_object_del(map, "per_token");
    json_object_del(map, "calibrate");
    return 0;
}

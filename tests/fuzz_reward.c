/* Any bytes as a reward, and as lines of preferences; the first byte chooses. What parses
 * is used, and a failure says why and hands out nothing. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../experiments/definition/preferences_file.h"
#include "../rater/reward.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_reward(const uint8_t *bytes, size_t n)
{
    reward *r = NULL;
    error err = {0};
    int rc = reward_parse(&r, bytes, n, "f", &err);
    if ((rc == 0) != (r != NULL) || (rc < 0 && (err.code != rc || !err.text[0])))
        abort();
    if (!r)
        return;
    double mean, sd, *x = array_new(reward_n_features(r), sizeof *x);
    if (x)
        reward_score(r, x, 1, &mean, &sd);
    if (strlen(reward_describe(r)->model_hash) != SHA256_HEX - 1 ||
        reward_judged(r)->n_sizes > REWARD_SIZES)
        abort();
    free(x);
    reward_free(r);
}

static void use_preferences(const uint8_t *bytes, size_t n)
{
    reward_texts t = {0};
    error err = {0};
    int rc = preferences_parse(&t, (const char *)bytes, n, "f", &err);
    if (rc < 0 && (err.code != rc || !err.text[0]))
        abort();
    for (size_t h = 0; h < N_REWARD_HEADS; h++)
        for (size_t i = 0; i < t.by_head[h].n; i++) {
            const reward_rating *r = &t.by_head[h].list[i];
            if (r->a >= reward_texts_count(&t) || r->b >= reward_texts_count(&t) ||
                t.context[r->a] != t.context[r->b] || !isfinite(r->outcome))
                abort();
        }
    for (size_t i = 0; i < reward_texts_count(&t); i++)
        if (!reward_texts_context(&t, i) || !reward_texts_output(&t, i))
            abort();
    reward_texts_free(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] & 1)
        use_preferences(data + 1, size - 1);
    else
        use_reward(data + 1, size - 1);
    return 0;
}

/* Any bytes as an adapter_config.json: what is taken keeps to its bounds. */
#include <stdint.h>
#include <stdlib.h>

#include "../prefix/adapter.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    adapter_config c = {0};
    error err = {0};
    int rc = adapter_config_parse(&c, (const char *)bytes, n, "fuzz", &err);
    if (rc < 0) {
        if (err.code != rc || !err.text[0] || c.base_model)
            abort(); /* a failure says why, and hands out nothing */
        return 0;
    }
    bool kv = c.kind == PREFIX_KEY_VALUES;
    if (c.n == 0 || (kv && (c.n_heads == 0 || c.token_dim % c.n_heads != 0)))
        abort();
    if (c.projected && (!kv || c.n_hidden == 0))
        abort();
    adapter_config_free(&c);
    return 0;
}

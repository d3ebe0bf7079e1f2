/* genome_parse on hostile bytes: whatever it accepts is lawful, and its canonical form
 * parses to itself. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../evolve/genome.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const options[] = {"a", "b"};
static const gene_spec genes[] = {
    {.name = "text", .kind = GENE_TEXT, .max_words = 30},
    {.name = "choice", .kind = GENE_CHOICE, .options = options, .n_options = 2},
    {.name = "demos", .kind = GENE_DEMOS, .n_pool = 20, .max_demos = 5},
    {.name = "number", .kind = GENE_NUMBER, .lowest = -2, .highest = 2},
};
static const genome_spec spec = {genes, 4};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    genome g, again;
    text first = {0}, second = {0};
    if (genome_parse(&g, &spec, (const char *)data, size, NULL) < 0)
        return 0;
    if (genome_check(&spec, &g, NULL) < 0 ||
        genome_serialise(&spec, &g, &first, NULL) < 0 ||
        genome_parse(&again, &spec, first.s, first.n, NULL) < 0 ||
        genome_serialise(&spec, &again, &second, NULL) < 0 ||
        strcmp(first.s, second.s) != 0 || genome_distance(&spec, &g, &again) != 0)
        abort();
    genome_free(&g);
    genome_free(&again);
    text_free(&first);
    text_free(&second);
    return 0;
}

#include "people.h"

#include <stdlib.h>

void people_record_free(people_record *p)
{
    if (!p)
        return;
    free(p->question);
    free(p->ask);
    free(p);
}

#include "expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

void must(int rc, const error *err)
{
    if (rc < 0)
        fail_msg("unexpected error %d: %s", rc, err->text);
}

void assert_mentions(const error *err, const char *part)
{
    if (!strstr(err->text, part))
        fail_msg("\"%s\" does not mention \"%s\"", err->text, part);
}

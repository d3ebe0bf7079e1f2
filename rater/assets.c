/* The files that are part of the program: style, script, and the description of the API.
 * They stay files of their own in the sources, and are put in when this is compiled. */
#include "routes.h"

#include <string.h>

#define ASSET(name, file)                                                                \
    __asm__(".section .rodata\n" #name ":\n.incbin \"" file "\"\n" #name                 \
            "_end:\n.byte 0\n.previous\n");                                              \
    extern const char name[], name##_end[]

ASSET(asset_style, "rater/page.css");
ASSET(asset_script, "rater/page.js");
ASSET(asset_openapi, "rater/openapi.json");

static int give(response *r, const char *type, const char *begin, const char *end,
                error *err)
{
    r->type = type;
    r->lasting = true;
    return text_add(&r->body, begin, (size_t)(end - begin), err);
}

int asset_get_style(const site *s, crowd *c, const request *q, response *r, error *err)
{
    (void)s, (void)c, (void)q;
    return give(r, "text/css; charset=utf-8", asset_style, asset_style_end, err);
}

int asset_get_script(const site *s, crowd *c, const request *q, response *r, error *err)
{
    (void)s, (void)c, (void)q;
    return give(r, "text/javascript; charset=utf-8", asset_script, asset_script_end, err);
}

int asset_get_openapi(const site *s, crowd *c, const request *q, response *r, error *err)
{
    (void)s, (void)c, (void)q;
    return give(r, "application/json", asset_openapi, asset_openapi_end, err);
}

int asset_get_robots(const site *s, crowd *c, const request *q, response *r, error *err)
{
    static const char nothing[] = "User-agent: *\nDisallow: /\n";
    (void)s, (void)c, (void)q;
    return give(r, "text/plain; charset=utf-8", nothing, nothing + strlen(nothing), err);
}

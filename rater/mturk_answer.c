/* QuestionFormAnswers, read with libxml2. */
#include "mturk_answer.h"

#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/tree.h>

void mturk_answers_free(mturk_answers *a)
{
    for (size_t i = 0; i < a->n; i++) {
        free(a->fields[i].name);
        free(a->fields[i].value);
    }
    free(a->fields);
    *a = (mturk_answers){0};
}

const char *mturk_answers_get(const mturk_answers *a, const char *name)
{
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->fields[i].name, name) == 0)
            return a->fields[i].value;
    return NULL;
}

static bool element_is(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

/* The text directly in an element; anything but text in it is wrong. */
static int element_text(const xmlNode *element, text *out, error *err)
{
    for (const xmlNode *x = element->children; x; x = x->next) {
        if (x->type == XML_COMMENT_NODE)
            continue;
        if (x->type != XML_TEXT_NODE && x->type != XML_CDATA_SECTION_NODE)
            return error_set(err, E_FORMAT, "the answer has markup in a %s",
                             (const char *)element->name);
        TRY(text_add_string(out, x->content ? (const char *)x->content : "", err));
    }
    return 0;
}

/* Name and value of one Answer; what else may stand in it (the name of an uploaded file,
 * say) is of no use to us. */
static int read_pair(const xmlNode *answer, text *name, text *value, bool *has_value,
                     error *err)
{
    for (const xmlNode *x = answer->children; x; x = x->next) {
        if (element_is(x, "QuestionIdentifier")) {
            TRY(element_text(x, name, err));
        } else if (element_is(x, "FreeText") || element_is(x, "SelectionIdentifier")) {
            if (*has_value)
                return error_set(err, E_FORMAT, "the answer has a field with two values");
            *has_value = true;
            TRY(element_text(x, value, err));
        }
    }
    return 0;
}

static int add_field(mturk_answers *a, const text *name, const text *value, error *err)
{
    const char *old = mturk_answers_get(a, text_string(name));
    if (old && strcmp(old, text_string(value)) != 0)
        return error_set(err, E_FORMAT, "the answer has the field '%.40s' twice",
                         text_string(name));
    if (old)
        return 0;
    if (a->n >= MTURK_MAX_FIELDS)
        return error_set(err, E_FORMAT, "the answer has more than %d fields",
                         MTURK_MAX_FIELDS);
    TRY(array_grow(&a->fields, &a->capacity, a->n, sizeof *a->fields, err));
    mturk_field f = {string_copy(text_string(name)), string_copy(text_string(value))};
    if (!f.name || !f.value) {
        free(f.name);
        free(f.value);
        return error_memory(err, name->n + value->n);
    }
    a->fields[a->n++] = f;
    return 0;
}

static int read_answer(mturk_answers *a, const xmlNode *node, error *err)
{
    text name = {0}, value = {0};
    bool has_value = false;
    int rc = read_pair(node, &name, &value, &has_value, err);
    if (rc == 0 && name.n == 0)
        rc = error_set(err, E_FORMAT, "the answer has a field without a name");
    if (rc == 0)
        rc = add_field(a, &name, &value, err);
    text_free(&name);
    text_free(&value);
    return rc;
}

static int read_document(mturk_answers *a, xmlDoc *document, error *err)
{
    const xmlNode *root = xmlDocGetRootElement(document);
    if (document->intSubset || document->extSubset)
        return error_set(err, E_FORMAT, "the answer has a document type");
    if (!root || !element_is(root, "QuestionFormAnswers"))
        return error_set(err, E_FORMAT,
                         "the answer is not a QuestionFormAnswers document");
    for (const xmlNode *x = root->children; x; x = x->next)
        if (element_is(x, "Answer"))
            TRY(read_answer(a, x, err));
    return 0;
}

/* ---- Characters that XML forbids ---- */

/* "&#38;" or "&#x26;" at s: its length, and the character; 0 when there is none. */
static size_t read_reference(const char *s, size_t n, uint32_t *c)
{
    static const char digits[] = "0123456789abcdef";
    size_t i = 2;
    if (n < 4 || s[0] != '&' || s[1] != '#')
        return 0;
    uint32_t base = s[i] == 'x' ? 16 : 10, value = 0;
    size_t first = i += base == 16;
    for (; i < n && s[i] != ';'; i++) {
        const char *digit = s[i] ? strchr(digits, s[i] | 0x20) : NULL;
        if (!digit || (uint32_t)(digit - digits) >= base)
            return 0;
        value = value > 0x10ffff ? value : value * base + (uint32_t)(digit - digits);
    }
    *c = value;
    return i < n && i > first ? i + 1 : 0;
}

static bool is_allowed(uint32_t c)
{
    return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c < 0xd800) ||
           (c >= 0xe000 && c < 0xfffe) || (c >= 0x10000 && c <= 0x10ffff);
}

/* The character at s, by its byte or by a reference, as XML may have it; returns how many
 * bytes it took. */
static size_t mend_one(text *out, const char *s, size_t n, error *err, int *rc)
{
    uint32_t c, low;
    size_t length = read_reference(s, n, &c), more = 0;
    bool plain = length == 0;
    if (plain)
        c = (unsigned char)s[0];
    if (is_allowed(c)) {
        *rc = text_add(out, s, plain ? 1 : length, err);
        return plain ? 1 : length;
    }
    if (!plain && c >= 0xd800 && c < 0xdc00)
        more = read_reference(s + length, n - length, &low);
    if (more && low >= 0xdc00 && low < 0xe000) {
        *rc = text_add_format(out, err, "&#%u;",
                              (unsigned)(0x10000 + ((c - 0xd800) << 10) + low - 0xdc00));
        return length + more;
    }
    *rc = text_add_string(out, "&#xFFFD;", err);
    return plain ? 1 : length;
}

/* What people type holds everything, and some programs write it down as it comes: a
 * control character, or an emoji as the two halves that it is in UTF-16. No XML parser
 * takes that, and a comment is not worth an answer. */
static int mend_characters(text *out, const char *xml, size_t n, error *err)
{
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0;)
        i += mend_one(out, xml + i, n - i, err, &rc);
    return rc;
}

/* ---- The whole ---- */

static int parse_mended(mturk_answers *a, const char *xml, size_t n, error *err)
{
    xmlParserCtxt *parser = xmlNewParserCtxt();
    if (!parser)
        return error_memory(err, n);
    /* Without XML_PARSE_NOENT and XML_PARSE_DTDLOAD entities stay unexpanded and external
     * ones unread; a document type is refused afterwards. */
    xmlDoc *document =
        xmlCtxtReadMemory(parser, xml, (int)n, NULL, "UTF-8",
                          XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    /* A document that memory did not suffice for may still be there, less than whole; and
     * one that is not there without an error never was read. */
    bool no_memory = parser->lastError.code == XML_ERR_NO_MEMORY ||
                     parser->errNo == XML_ERR_NO_MEMORY ||
                     (!document && parser->errNo == XML_ERR_OK);
    int rc = no_memory  ? error_memory(err, n)
             : document ? read_document(a, document, err)
                        : error_set(err, E_FORMAT, "the answer is not well-formed XML");
    xmlFreeParserCtxt(parser);
    xmlFreeDoc(document);
    return rc;
}

int mturk_answers_parse(mturk_answers *out, const char *xml, size_t n, error *err)
{
    mturk_answers a = {0};
    text sound = {0};
    if (n > MTURK_MAX_ANSWER_BYTES)
        return error_set(err, E_FORMAT, "the answer is longer than %d bytes",
                         MTURK_MAX_ANSWER_BYTES);
    int rc = mend_characters(&sound, xml, n, err);
    if (rc == 0)
        rc = parse_mended(&a, text_string(&sound), sound.n, err);
    text_free(&sound);
    if (rc < 0) {
        mturk_answers_free(&a);
        return rc;
    }
    *out = a;
    return 0;
}

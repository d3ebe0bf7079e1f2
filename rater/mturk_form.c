/* Tasks as pages on Mechanical Turk. */
#include "mturk_form.h"

#include <stdio.h>
#include <string.h>

/* ---- Markup with strings of others in it ---- */

/* The five characters that mean something in XML and HTML, and those that XML has not. */
static const char *entity_of(unsigned char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return (c < ' ' && c != '\n' && c != '\t') || c == 0x7f ? UTF8_REPLACEMENT : NULL;
    }
}

static int add_escaped(text *out, const char *s, error *err)
{
    text sound = {0};
    int rc = utf8_mend(&sound, s, strlen(s), err);
    const char *at = text_string(&sound);
    while (rc == 0 && *at) {
        const char *start = at, *entity = NULL;
        while (*at && !(entity = entity_of((unsigned char)*at)))
            at++;
        rc = text_add(out, start, (size_t)(at - start), err);
        if (rc == 0 && entity)
            rc = text_add_string(out, entity, err);
        at += entity != NULL;
    }
    text_free(&sound);
    return rc;
}

/* Pieces of markup and, at odd places, strings to be escaped; NULL ends. */
static int add_pieces(text *out, const char *const *pieces, error *err)
{
    for (size_t i = 0; pieces[i]; i++)
        TRY(i % 2 ? add_escaped(out, pieces[i], err)
                  : text_add_string(out, pieces[i], err));
    return 0;
}
#define ADD(out, err, ...)                                                               \
    add_pieces((out), (const char *const[]){__VA_ARGS__, NULL}, (err))

/* ---- The form ---- */

static const char style[] =
    "body{font:18px/1.5 sans-serif;max-width:46em;margin:1em auto;padding:0 1em;"
    "color:#111;background:#fff}"
    "h1{font-size:1.2em}.text{white-space:pre-wrap;overflow-wrap:anywhere}"
    ".context{border-left:4px solid #888;padding-left:1em}"
    "fieldset{border:0;padding:0;margin:1em 0}legend{font-weight:bold;padding:0}"
    ".choice{display:flex;gap:.7em;align-items:flex-start;border:2px solid #888;"
    "border-radius:8px;padding:.7em;margin:.6em 0}"
    ".choice:focus-within{border-color:#05c}.choice label{flex:1;cursor:pointer}"
    "input[type=radio]{width:1.3em;height:1.3em;flex:none}"
    "textarea{width:100%;box-sizing:border-box;font:inherit}"
    "button{font:inherit;padding:.6em 1.6em}#preview{font-weight:bold}";

/* Amazon opens the page with ?assignmentId=…, which has to be sent back; in a preview
 * there is none. The outputs are put in random order, and what was shown is sent along.
 */
static const char script[] =
    "(function(){"
    "var d=document,f=d.getElementById('form'),"
    "a=new URLSearchParams(location.search).get('assignmentId')||'';"
    "if(!a||a==='ASSIGNMENT_ID_NOT_AVAILABLE'){"
    "d.getElementById('send').disabled=true;d.getElementById('preview').hidden=false;}"
    "else{f.elements.assignmentId.value=a;}"
    "var box=d.getElementById('outputs');"
    "if(box){var c=Array.prototype.slice.call(box.children),i,j,t;"
    "for(i=c.length-1;i>0;i--){j=Math.floor(Math.random()*(i+1));t=c[i];c[i]=c[j];c[j]=t;"
    "}"
    "c.forEach(function(e){box.appendChild(e);});"
    "f.elements.order.value=c.map(function(e){"
    "return e.querySelector('input').value.slice(0,12);}).join(' ');}"
    "f.addEventListener('submit',function(){"
    "setTimeout(function(){d.getElementById('send').disabled=true;},0);});"
    "})();";

/* One radio button with its label. */
static int add_choice(text *out, size_t i, const char *value, const char *label,
                      error *err)
{
    char id[24];
    snprintf(id, sizeof id, "a%zu", i);
    return ADD(out, err,
               "<div class=\"choice\"><input type=\"radio\" name=\"answer\" "
               "required id=\"",
               id, "\" value=\"", value, "\"><label class=\"text\" for=\"", id, "\">",
               label, "</label></div>\n");
}

/* The texts to choose from, in a box of their own whose order is drawn. */
static int add_outputs(text *out, const mturk_task *t, error *err)
{
    TRY(text_add_string(out, "<div id=\"outputs\">\n", err));
    for (size_t i = 0; i < t->n_outputs; i++)
        TRY(add_choice(out, i, t->output_ids[i], t->outputs[i], err));
    TRY(text_add_string(out, "</div>\n", err));
    return t->question.ties ? add_choice(out, t->n_outputs, "tie", "No difference", err)
                            : 0;
}

static int add_labels(text *out, const question *q, error *err)
{
    for (size_t i = 0; i < q->n_labels; i++) {
        char value[24];
        snprintf(value, sizeof value, "%zu", i + 1);
        TRY(add_choice(out, i, value, q->labels[i], err));
    }
    return 0;
}

/* Of the kinds with one output: it, then what can be said of it. */
static int add_judgement(text *out, const mturk_task *t, error *err)
{
    if (t->question.kind == QUESTION_SCALE)
        return add_labels(out, &t->question, err);
    TRY(add_choice(out, 1, "1", "Yes", err));
    return add_choice(out, 0, "0", "No", err);
}

static int add_question(text *out, const mturk_task *t, error *err)
{
    bool single = t->n_outputs == 1;
    if (*t->context)
        TRY(ADD(out, err, "<p class=\"text context\">", t->context, "</p>\n"));
    if (single)
        TRY(ADD(out, err, "<p class=\"text choice\">", t->outputs[0], "</p>\n"));
    TRY(ADD(out, err, "<fieldset><legend>", t->question.text, "</legend>\n"));
    TRY(single ? add_judgement(out, t, err) : add_outputs(out, t, err));
    return text_add_string(out, "</fieldset>\n", err);
}

int mturk_form_html(const mturk_task *t, const char *submit_url, text *out, error *err)
{
    TRY(ADD(out, err,
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            "<title>",
            t->question.text, "</title>\n<style>"));
    TRY(text_add_string(out, style, err));
    TRY(ADD(out, err,
            "</style></head><body>\n<p id=\"preview\" role=\"alert\" hidden>This is a "
            "preview. Accept the task to answer.</p>\n"
            "<form id=\"form\" method=\"post\" action=\"",
            submit_url,
            "\">\n<input type=\"hidden\" name=\"assignmentId\" value=\"\">\n"
            "<input type=\"hidden\" name=\"order\" value=\"\">\n"
            "<input type=\"hidden\" name=\"task\" value=\"",
            t->id, "\">\n"));
    if (*t->question.instructions)
        TRY(ADD(out, err, "<p class=\"text\">", t->question.instructions, "</p>\n"));
    TRY(add_question(out, t, err));
    TRY(text_add_string(out,
                        "<p><label for=\"comment\">Comment (you need not)</label>\n"
                        "<textarea id=\"comment\" name=\"comment\" rows=\"2\" "
                        "maxlength=\"2000\"></textarea></p>\n"
                        "<p><button id=\"send\" type=\"submit\">Send</button></p>\n"
                        "</form>\n<noscript><p>Please allow JavaScript: Amazon needs it "
                        "to pay you.</p></noscript>\n<script>",
                        err));
    TRY(text_add_string(out, script, err));
    return text_add_string(out, "</script>\n</body></html>\n", err);
}

/* Escaped text has no '>', so that nothing in the page can end the CDATA section. */
int mturk_form(const mturk_task *task, const char *submit_url, text *out, error *err)
{
    TRY(text_add_string(
        out,
        "<HTMLQuestion xmlns=\"http://mechanicalturk.amazonaws.com/"
        "AWSMechanicalTurkDataSchemas/2011-11-11/HTMLQuestion.xsd\"><HTMLContent>"
        "<![CDATA[\n",
        err));
    TRY(mturk_form_html(task, submit_url, out, err));
    return text_add_string(
        out, "]]></HTMLContent><FrameHeight>0</FrameHeight></HTMLQuestion>", err);
}

int mturk_external(const char *page, const char *task, text *out, error *err)
{
    size_t n = strlen(page);
    return ADD(out, err,
               "<ExternalQuestion xmlns=\"http://mechanicalturk.amazonaws.com/"
               "AWSMechanicalTurkDataSchemas/2006-07-14/ExternalQuestion.xsd\">"
               "<ExternalURL>",
               page, n > 0 && page[n - 1] == '/' ? "mturk?task=" : "/mturk?task=", task,
               "</ExternalURL><FrameHeight>0</FrameHeight></ExternalQuestion>");
}

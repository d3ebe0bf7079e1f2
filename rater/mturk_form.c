/* Tasks as pages on Mechanical Turk. */
#include "mturk_form.h"
#include "html.h"

#include <stdio.h>
#include <string.h>

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
    return html_add(
        out, err,
        "<div class=\"choice\"><input type=\"radio\" name=\"answer\" required "
        "id=\"a%u\" value=\"%s\"><label class=\"text\" for=\"a%u\">%s</label>"
        "</div>\n",
        i, value, i, label);
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

/* Of the kinds with one output: what can be said of it. */
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
        TRY(html_add(out, err, "<p class=\"text context\">%s</p>\n", t->context));
    if (single)
        TRY(html_add(out, err, "<p class=\"text choice\">%s</p>\n", t->outputs[0]));
    TRY(html_add(out, err, "<fieldset><legend>%s</legend>\n", t->question.text));
    TRY(single ? add_judgement(out, t, err) : add_outputs(out, t, err));
    return text_add_string(out, "</fieldset>\n", err);
}

int mturk_form_html(const mturk_task *t, const char *submit_url, text *out, error *err)
{
    TRY(html_add(out, err,
                 "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                 "<meta name=\"viewport\" content=\"width=device-width, "
                 "initial-scale=1\">\n<title>%s</title>\n<style>%m</style></head><body>\n"
                 "<p id=\"preview\" role=\"alert\" hidden>This is a preview. Accept the "
                 "task to answer.</p>\n<form id=\"form\" method=\"post\" action=\"%s\">\n"
                 "<input type=\"hidden\" name=\"assignmentId\" value=\"\">\n"
                 "<input type=\"hidden\" name=\"order\" value=\"\">\n"
                 "<input type=\"hidden\" name=\"task\" value=\"%s\">\n",
                 t->question.text, style, submit_url, t->id));
    if (*t->question.instructions)
        TRY(html_add(out, err, "<p class=\"text\">%s</p>\n", t->question.instructions));
    TRY(add_question(out, t, err));
    return html_add(out, err,
                    "<p><label for=\"comment\">Comment (you need not)</label>\n"
                    "<textarea id=\"comment\" name=\"comment\" rows=\"2\" "
                    "maxlength=\"2000\"></textarea></p>\n"
                    "<p><button id=\"send\" type=\"submit\">Send</button></p>\n</form>\n"
                    "<noscript><p>Please allow JavaScript: Amazon needs it to pay you."
                    "</p></noscript>\n<script>%m</script>\n</body></html>\n",
                    script);
}

/* XML has two characters fewer than UTF-8. */
static void replace_noncharacters(text *xml)
{
    for (char *s = xml->s; s && (s = strstr(s, "\xef\xbf")); s += 2)
        if ((unsigned char)s[2] >= 0xbe)
            s[2] = '\xbd';
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
    TRY(text_add_string(
        out, "]]></HTMLContent><FrameHeight>0</FrameHeight></HTMLQuestion>", err));
    replace_noncharacters(out);
    return 0;
}

int mturk_external(const char *page, const char *task, text *out, error *err)
{
    size_t n = strlen(page);
    return html_add(out, err,
                    "<ExternalQuestion xmlns=\"http://mechanicalturk.amazonaws.com/"
                    "AWSMechanicalTurkDataSchemas/2006-07-14/ExternalQuestion.xsd\">"
                    "<ExternalURL>%s%m?task=%s</ExternalURL><FrameHeight>0</FrameHeight>"
                    "</ExternalQuestion>",
                    page, n > 0 && page[n - 1] == '/' ? "mturk" : "/mturk", task);
}

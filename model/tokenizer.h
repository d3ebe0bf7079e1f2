/* Text to token ids and back: byte-level BPE as a GGUF file describes it.
 *
 * A tokenizer is immutable once made and shared by threads. Byte-level BPE (Sennrich et
 * al. 2016; GPT-2's byte alphabet), pre-tokenizer patterns gpt-2, smollm, llama-bpe and
 * qwen2. */
#ifndef LAMARCK_MODEL_TOKENIZER_H
#define LAMARCK_MODEL_TOKENIZER_H

#include "base.h"

typedef struct tokenizer tokenizer;

/* What a tokenizer is made from. All arrays are borrowed for the call. */
typedef struct tokenizer_source {
    const char *model; /* tokenizer.ggml.model: "gpt2" is the only one supported */
    const char *pre;   /* tokenizer.ggml.pre: "gpt-2", "smollm", "llama-bpe", "qwen2", or
                          another name of the same patterns (pretokenizer.c) */
    const char *const *tokens; /* byte-alphabet spelling, NUL-terminated */
    const int32_t *types;      /* tokenizer.ggml.token_type; NULL: all normal */
    size_t n_tokens;
    const char *const *merges; /* "left right", best first */
    size_t n_merges;
    int32_t bos, eos, eot, unknown, padding; /* -1: none */
    int add_bos; /* 1, 0, or -1 when the file does not say (then: only for llama-bpe) */
    const char *chat_template; /* Jinja source, or NULL */
} tokenizer_source;

int tokenizer_new(tokenizer **out, const tokenizer_source *source, error *err);
void tokenizer_free(tokenizer *t);

typedef enum chat_format {
    CHAT_NONE,   /* no template in the file */
    CHAT_CHATML, /* <|im_start|>role\n…<|im_end|>\n */
    CHAT_LLAMA3, /* <|start_header_id|>role<|end_header_id|>\n\n…<|eot_id|> */
    CHAT_OTHER,  /* a template that we do not recognise */
} chat_format;

typedef struct tokenizer_info {
    const char *pre;
    size_t n_vocabulary;
    size_t n_merges;
    size_t n_special;       /* control and user-defined tokens */
    size_t n_missing_bytes; /* byte values without a token: dropped when met */
    int32_t bos, eos, eot; /* -1: none. eot is found by its spelling (<|im_end|>, …) among
                              the control tokens when the file does not name it */
    bool add_bos;          /* the model's own policy for a fresh text */
    chat_format chat;
} tokenizer_info;
const tokenizer_info *tokenizer_describe(const tokenizer *t);

/* Token ids with the byte span each covers, in a buffer that grows. {0} is empty. */
typedef struct token_list {
    int32_t *ids;
    size_t *begin; /* byte offset in the text where the token's bytes begin */
    size_t n, capacity;
} token_list;
void token_list_free(token_list *l);

/* Append the ids of n bytes of text (any bytes; invalid UTF-8 is treated as the reference
 * treats it: each maximal ill-formed part becomes U+FFFD) to *out. With `special`, the
 * spelling of a special token in the text becomes that token; without, it is ordinary
 * text. User-defined tokens (type 4) are ordinary text that is matched whole in both
 * cases. A byte that has no token is dropped and lies in no span. qwen2 composes the text
 * first (Unicode's NFC), so decoding gives the composed form. Neither BOS nor EOS is
 * added. E_LIMIT for a word (the pre-tokenizer's unit) of more than a gibibyte. */
int tokenizer_encode(const tokenizer *t, const char *bytes, size_t n, bool special,
                     token_list *out, error *err);

/* Append the bytes of the ids to *out; special tokens (control and unknown) are spelled
 * out when `special`, else dropped. E_ARGUMENT for an id outside the vocabulary. */
int tokenizer_decode(const tokenizer *t, const int32_t *ids, size_t n, bool special,
                     text *out, error *err);

/* The exact bytes of one token (a special token: its spelling). Borrowed; *n may be NULL.
 * NULL for an id outside the vocabulary. */
const char *tokenizer_token(const tokenizer *t, int32_t id, size_t *n);
bool tokenizer_is_special(const tokenizer *t, int32_t id);
/* Ends a generation: EOS, end of turn, or a control token spelled as the end of a turn or
 * a text (<|im_end|>, <|eot_id|>, <|endoftext|>, …). */
bool tokenizer_is_end(const tokenizer *t, int32_t id);

/* ---- Chat ---- */

typedef struct chat_message {
    const char *role; /* "system", "user", "assistant" */
    const char *content;
} chat_message;

/* Append the text of a conversation in the tokenizer's chat format, closed by the opening
 * of the assistant's turn when `open_reply`. Encode the result with special = true.
 * E_UNSUPPORTED when the format is CHAT_NONE or CHAT_OTHER. The default system message
 * that some templates insert is not inserted: what is scored is what the user wrote.
 * Llama 3 cuts white space off both ends of a message, as its template does. BOS is left
 * to the policy of add_bos. */
int tokenizer_chat(const tokenizer *t, const chat_message *messages, size_t n,
                   bool open_reply, text *out, error *err);

#endif

// Scores prompts x examples with llama.cpp's C API, as a careful user of it would: a prompt
// is decoded once into sequence 0, its cells are shared with a batch of other sequences
// (llama_memory_seq_cp copies no data), and only what follows is decoded in each of them.
//
// usage: score_llama MODEL.gguf WORKLOAD.json SEQUENCES THREADS [PROMPTS] [EXAMPLES] [SCORES]
//
// Prints "pairs N seconds S". The timed window holds decoding and log-probabilities; loading
// and tokenising are outside. SCORES receives a line per prompt: the log-likelihood of each
// example's target.
//
// README.md says how to build it.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include <llama.h>
#include <nlohmann/json.hpp>

using tokens = std::vector<llama_token>;

static void die(const char *what)
{
    fprintf(stderr, "score_llama: %s\n", what);
    exit(1);
}

static std::string fill(std::string text, const char *name, const std::string &value)
{
    const size_t at = text.find(name);
    return at == std::string::npos ? text : text.replace(at, strlen(name), value);
}

static tokens encode(const llama_vocab *vocab, const std::string &s)
{
    tokens ids(s.size() + 8);
    const int n = llama_tokenize(vocab, s.data(), (int)s.size(), ids.data(),
                                 (int)ids.size(), false, false);
    if (n < 0)
        die("tokenising failed");
    ids.resize(n);
    return ids;
}

static size_t common(const tokens &a, const tokens &b)
{
    size_t n = 0;
    while (n < a.size() && n < b.size() && a[n] == b[n])
        n++;
    return n;
}

struct line {
    tokens ids;
    size_t n_context; // ids from here on are the target
};

// All rows of one prompt, and how many tokens they share.
struct family {
    std::vector<line> lines;
    size_t shared;
};

static family family_make(const llama_vocab *vocab, const nlohmann::json &work, size_t p,
                          size_t n_examples)
{
    const std::string text = fill(work["template"], "{prompt}", work["prompts"][p]);
    family f;
    for (size_t e = 0; e < n_examples; e++) {
        const auto &x = work["examples"][e];
        const std::string asked = fill(text, "{input}", x["input"]);
        const tokens all = encode(vocab, fill(asked, "{target}", x["target"]));
        // A target's first token holds the space before it.
        const tokens context = encode(vocab, asked.substr(0, asked.find(" {target}")));
        f.lines.push_back({all, common(all, context)});
    }
    f.shared = f.lines[0].n_context - 1;
    for (const line &l : f.lines)
        f.shared = std::min({f.shared, common(f.lines[0].ids, l.ids), l.n_context - 1});
    return f;
}

static void batch_add(llama_batch &b, llama_token id, size_t at, int sequence, bool logits)
{
    const int i = b.n_tokens++;
    b.token[i] = id;
    b.pos[i] = (llama_pos)at;
    b.n_seq_id[i] = 1;
    b.seq_id[i][0] = sequence;
    b.logits[i] = logits;
}

static double log_probability(const float *logits, int n, llama_token id)
{
    const float most = *std::max_element(logits, logits + n);
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += std::exp(logits[i] - most);
    return logits[id] - most - std::log(sum);
}

struct scorer {
    llama_context *context;
    llama_memory_t memory;
    llama_batch batch;
    int vocabulary;
    size_t sequences;

    // Rows [from, to) of a family, whose shared part is in sequence 0.
    void score(const family &f, size_t from, size_t to, double *out)
    {
        struct wanted {
            int at;
            size_t row;
            llama_token id;
        };
        std::vector<wanted> wants;
        batch.n_tokens = 0;
        for (size_t r = from; r < to; r++) {
            const line &l = f.lines[r];
            const int sequence = (int)(1 + r - from);
            llama_memory_seq_rm(memory, sequence, -1, -1);
            llama_memory_seq_cp(memory, 0, sequence, -1, -1);
            for (size_t k = f.shared; k + 1 < l.ids.size(); k++) { // nothing reads the last
                const bool predicts = k + 1 >= l.n_context;
                if (predicts)
                    wants.push_back({batch.n_tokens, r, l.ids[k + 1]});
                batch_add(batch, l.ids[k], k, sequence, predicts);
            }
            out[r] = 0;
        }
        if (llama_decode(context, batch) != 0)
            die("llama_decode failed");
        for (const wanted &w : wants)
            out[w.row] +=
                log_probability(llama_get_logits_ith(context, w.at), vocabulary, w.id);
    }

    void score(const family &f, double *out)
    {
        llama_memory_clear(memory, false);
        batch.n_tokens = 0;
        for (size_t k = 0; k < f.shared; k++)
            batch_add(batch, f.lines[0].ids[k], k, 0, false);
        if (f.shared && llama_decode(context, batch) != 0)
            die("llama_decode failed");
        for (size_t from = 0; from < f.lines.size(); from += sequences)
            score(f, from, std::min(from + sequences, f.lines.size()), out);
    }
};

static llama_context *open_context(llama_model *model, size_t sequences, int threads,
                                   size_t longest)
{
    llama_context_params p = llama_context_default_params();
    p.n_ctx = (uint32_t)((sequences + 1) * (longest + 1));
    p.n_batch = p.n_ubatch = 2048;
    p.n_seq_max = (uint32_t)sequences + 1;
    p.n_threads = p.n_threads_batch = threads;
    p.kv_unified = true; // measured faster here than one cache per sequence
    return llama_init_from_model(model, p);
}

int main(int argc, char **argv)
{
    if (argc < 5)
        die("usage: score_llama MODEL.gguf WORKLOAD.json SEQUENCES THREADS [PROMPTS] "
            "[EXAMPLES] [SCORES]");
    llama_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
    llama_backend_init();
    llama_model *model = llama_model_load_from_file(argv[1], llama_model_default_params());
    if (!model)
        die("the model cannot be loaded");
    nlohmann::json work = nlohmann::json::parse(std::ifstream(argv[2]));
    const size_t n_prompts = argc > 5 ? atoi(argv[5]) : work["prompts"].size();
    const size_t n_examples = argc > 6 ? atoi(argv[6]) : work["examples"].size();
    const llama_vocab *vocab = llama_model_get_vocab(model);
    std::vector<family> families;
    size_t longest = 0;
    for (size_t p = 0; p < n_prompts; p++) {
        families.push_back(family_make(vocab, work, p, n_examples));
        for (const line &l : families.back().lines)
            longest = std::max(longest, l.ids.size());
    }
    scorer s;
    s.sequences = atoi(argv[3]);
    s.context = open_context(model, s.sequences, atoi(argv[4]), longest);
    if (!s.context)
        die("no context");
    s.memory = llama_get_memory(s.context);
    s.batch = llama_batch_init((int)((s.sequences + 1) * (longest + 1)), 0, 1);
    s.vocabulary = llama_vocab_n_tokens(vocab);
    std::vector<double> scores(n_prompts * n_examples);
    const auto start = std::chrono::steady_clock::now();
    for (size_t p = 0; p < n_prompts; p++)
        s.score(families[p], &scores[p * n_examples]);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    printf("pairs %zu seconds %.4f\n", scores.size(), took.count());
    if (argc > 7) {
        FILE *f = fopen(argv[7], "w");
        if (!f)
            die("the scores cannot be written");
        for (size_t i = 0; i < scores.size(); i++)
            fprintf(f, "%.6f%c", scores[i], (i + 1) % n_examples ? ' ' : '\n');
        fclose(f);
    }
    return 0;
}

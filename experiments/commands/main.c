/* The program: finds the subcommand, runs it, tells its error, checks that what it
 * printed arrived. The only place that decides an exit status. */
#include "subcommand.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gsl/gsl_errno.h>

#define LAMARCK_VERSION "0.1.0"

enum { EXIT_ERROR = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

static const command *const commands[] = {
    &cmd_evolve,  &cmd_prefix,   &cmd_compare, &cmd_show,     &cmd_list,     &cmd_export,
    &cmd_rate,    &cmd_reward,   &cmd_score,   &cmd_generate, &cmd_gradient, &cmd_words,
    &cmd_inspect, &cmd_tokenize, &cmd_bench,   NULL,
};

/* How the groups of command.group are introduced, in this order. */
static const struct {
    const char *group, *title;
} groups[] = {
    {"search", "Search for prompts"},
    {"look", "Look at runs and take prompts along"},
    {"people", "Let people judge"},
    {"model", "Ask the model"},
};

static void print_usage(FILE *to)
{
    fprintf(to,
            "usage: lamarck COMMAND [ARGUMENTS]\n"
            "Finds prompts for language models by evolution, and says honestly whether\n"
            "the best one beats the prompt it started from.\n");
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        bool titled = false;
        for (size_t i = 0; commands[i]; i++) {
            if (strcmp(commands[i]->group, groups[g].group) != 0)
                continue;
            if (!titled)
                fprintf(to, "\n%s\n", groups[g].title);
            titled = true;
            fprintf(to, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
        }
    }
    fprintf(to, "\n'lamarck COMMAND --help' tells all about one of them; "
                "'lamarck --version' says which lamarck this is.\n");
}

static int unknown_command(const char *name)
{
    const char *near = subcommand_nearest(commands, name);
    fprintf(stderr, "lamarck: there is no command '%s'", name);
    if (near)
        fprintf(stderr, "; did you mean '%s'?", near);
    fprintf(stderr, "\n");
    if (!near)
        print_usage(stderr);
    return EXIT_USAGE;
}

/* --help anywhere before "--" asks for help, whatever else is wrong with the line. */
static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

/* argv[0] is the command's name. */
static void print_help(const command *c, int argc, char **argv)
{
    int depth;
    c = subcommand_innermost(c, argc, argv, &depth);
    fputs(c->help ? c->help(argc - depth + 1, argv + depth - 1) : c->usage, stdout);
}

static void tell_where_help_is(const command *c, int argc, char **argv)
{
    int depth;
    subcommand_innermost(c, argc, argv, &depth);
    fprintf(stderr, "'lamarck %s", c->name);
    for (int i = 1; i < depth; i++)
        fprintf(stderr, " %s", argv[i]);
    fprintf(stderr, " --help' tells how it is used\n");
}

static int run_command(const command *c, int argc, char **argv)
{
    if (wants_help(argc, argv)) {
        print_help(c, argc, argv);
        return 0;
    }
    error err = {0};
    int rc = command_catch_signals(&err);
    if (rc == 0)
        rc = c->run(argc, argv, &err);
    if (rc >= 0)
        return 0;
    fflush(stdout);
    fprintf(stderr, "lamarck: %s\n", err.text);
    if (rc == E_USAGE)
        tell_where_help_is(c, argc, argv);
    return rc == E_USAGE         ? EXIT_USAGE
           : rc == E_INTERRUPTED ? EXIT_INTERRUPTED
                                 : EXIT_ERROR;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0) {
        printf("lamarck %s\n", LAMARCK_VERSION);
        return 0;
    }
    bool help = strcmp(name, "help") == 0;
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || (help && argc < 3)) {
        print_usage(stdout);
        return 0;
    }
    const command *c = subcommand_find(commands, help ? argv[2] : name);
    if (!c)
        return unknown_command(help ? argv[2] : name);
    if (help) {
        print_help(c, argc - 2, argv + 2);
        return 0;
    }
    return run_command(c, argc - 1, argv + 1);
}

/* A full disk must not pass for success. A standard output that was closed from the start
 * is no error if nothing was to be printed. */
static int close_stdout(void)
{
    bool pending = __fpending(stdout) != 0, failed = ferror(stdout) != 0;
    errno = 0;
    if (fclose(stdout) != 0 && (pending || errno != EBADF))
        failed = true;
    if (failed)
        fprintf(stderr, "lamarck: cannot write to standard output%s%s\n",
                errno ? ": " : "", errno ? strerror(errno) : "");
    return failed ? EXIT_ERROR : 0;
}

/* libgomp's threads spin for milliseconds when they wait for each other. Where anything
 * else runs, that steals the core from the one they wait for: five times the processor
 * time and four times as long on two busy cores, nothing gained on idle ones. libgomp
 * reads its environment before main, so the program starts itself again, once; whoever
 * sets one of the two is obeyed. */
static void wait_briefly(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT"))
        return;
    if (setenv("GOMP_SPINCOUNT", "1000", 1) == 0)
        execv("/proc/self/exe", argv); /* where that fails, the default will do */
}

int main(int argc, char **argv)
{
    wait_briefly(argv);
    setlocale(LC_ALL, "C");
    gsl_set_error_handler_off();
    int status = dispatch(argc, argv);
    int closed = close_stdout();
    return status ? status : closed;
}

/* What all commands share: where results go, and the flag by which a user stops one. The
 * flag is the only file-scope variable of the program, since signal handlers have no
 * argument. */
#include "command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

volatile int command_interrupted = 0;

/* The first signal asks; the second does not wait for an answer. */
static void on_signal(int number)
{
    if (command_interrupted)
        _exit(128 + number);
    command_interrupted = 1;
}

/* A hang-up stops a program as Ctrl-C does, unless nohup says otherwise. A file that may
 * not grow is an error like a full disk, not the end. */
int command_catch_signals(error *err)
{
    static const int asking[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof asking / sizeof *asking; i++)
        if (sigaction(asking[i], NULL, &old) < 0 ||
            (!(asking[i] == SIGHUP && old.sa_handler == SIG_IGN) &&
             sigaction(asking[i], &action, NULL) < 0))
            return error_set(err, E_EXTERNAL, "cannot install the signal handlers");
    signal(SIGXFSZ, SIG_IGN);
    return 0;
}

int command_write(const text *out, const char *path, error *err)
{
    if (path)
        return file_write(path, text_string(out), out->n, err);
    if (fwrite(text_string(out), 1, out->n, stdout) != out->n)
        return error_set(err, E_IO, "cannot write to standard output: %s",
                         strerror(errno));
    return 0;
}

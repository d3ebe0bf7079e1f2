/* The flag by which a user stops a command: the only file-scope variable of the program,
 * since signal handlers have no argument. */
#include "command.h"

#include <signal.h>
#include <unistd.h>

volatile int command_interrupted = 0;

/* The first signal asks; the second does not wait for an answer. */
static void on_signal(int number)
{
    if (command_interrupted)
        _exit(128 + number);
    command_interrupted = 1;
}

int command_catch_signals(error *err)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGINT, &action, NULL) < 0 || sigaction(SIGTERM, &action, NULL) < 0)
        return error_set(err, E_EXTERNAL, "cannot install the signal handlers");
    return 0;
}

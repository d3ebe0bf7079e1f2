#include "child.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORDS_MOST = 8 };

bool child_run(double seconds, const char *const *words)
{
    const char *argv[WORDS_MOST + 3] = {"test", "child"};
    for (size_t i = 0; words[i]; i++) {
        assert_true(i < WORDS_MOST);
        argv[i + 2] = words[i];
    }
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
        _exit(126);
    }
    int status = 0;
    if (seconds > 0) {
        long ns = (long)(1e9 * (seconds - (double)(long)seconds));
        nanosleep(&(struct timespec){(long)seconds, ns}, NULL);
        kill(child, SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFEXITED(status);
}

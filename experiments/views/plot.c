/* gnuplot in a process and a folder of its own. */
#include "plot.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, MAX_SVG_BYTES = 16 << 20, EXIT_NOT_FOUND = 127 };

static const char *const file_names[] = {"script", "data", "plot.svg", "messages"};
enum { N_FILES = sizeof file_names / sizeof *file_names };

static int make_path(char path[PATH_BYTES], const char *dir, const char *name, error *err)
{
    int n = snprintf(path, PATH_BYTES, "%s/%s", dir, name);
    if (n < 0 || n >= PATH_BYTES)
        return error_set(err, E_IO, "the path of the folder for plots is too long: %s",
                         dir);
    return 0;
}

static int write_file(const char *dir, const char *name, const char *s, error *err)
{
    char path[PATH_BYTES];
    TRY(make_path(path, dir, name, err));
    FILE *f = fopen(path, "we");
    if (!f)
        return error_set(err, E_IO, "cannot make %s: %s", path, strerror(errno));
    bool failed = fputs(s, f) == EOF;
    failed = fclose(f) != 0 || failed;
    if (failed)
        return error_set(err, E_IO, "cannot write %s: %s", path, strerror(errno));
    return 0;
}

static int write_script(const char *dir, const plot *p, error *err)
{
    text script = {0};
    int rc = text_add_format(&script, err,
                             "set terminal svg size %zu,%zu dynamic noenhanced font "
                             "'system-ui,13' name '%s'\n"
                             "set output 'plot.svg'\n"
                             "set border 3 lc rgb '" PLOT_AXIS "'\n"
                             "set tics nomirror scale 0.4 textcolor rgb '" PLOT_AXIS "'\n"
                             "set grid ytics lt 1 lw 1 lc rgb '" PLOT_GRID "'\n"
                             "unset key\n%s\n",
                             p->width, p->height, p->name, p->script);
    if (rc == 0)
        rc = write_file(dir, "script", text_string(&script), err);
    text_free(&script);
    return rc;
}

/* Start gnuplot in `dir`, its words in the file "messages". */
static int spawn(const char *dir, pid_t *pid, error *err)
{
    char name[] = "gnuplot", script[] = "script";
    char *const arguments[] = {name, script, NULL};
    posix_spawn_file_actions_t actions;
    int problem = posix_spawn_file_actions_init(&actions);
    if (problem)
        return error_set(err, E_EXTERNAL, "cannot start gnuplot: %s", strerror(problem));
    problem = posix_spawn_file_actions_addchdir_np(&actions, dir);
    if (!problem)
        problem = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!problem)
        problem = posix_spawn_file_actions_addopen(
            &actions, 1, "messages", O_WRONLY | O_CREAT | O_TRUNC, S_IRUSR | S_IWUSR);
    if (!problem)
        problem = posix_spawn_file_actions_adddup2(&actions, 1, 2);
    if (!problem)
        problem = posix_spawnp(pid, name, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (problem == ENOENT)
        return error_set(err, E_UNSUPPORTED,
                         "gnuplot is not installed (Debian: gnuplot-nox)");
    if (problem)
        return error_set(err, E_EXTERNAL, "cannot start gnuplot: %s", strerror(problem));
    return 0;
}

static int fail_with_messages(const char *dir, int status, error *err)
{
    char path[PATH_BYTES], *words = NULL;
    size_t n;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_FOUND)
        return error_set(err, E_UNSUPPORTED,
                         "gnuplot is not installed (Debian: gnuplot-nox)");
    if (make_path(path, dir, "messages", NULL) == 0)
        file_read(path, MAX_SVG_BYTES, &words, &n, NULL);
    error_set(err, E_EXTERNAL, "gnuplot failed (status %d): %.300s", status,
              words ? words : "");
    free(words);
    return E_EXTERNAL;
}

static int run_gnuplot(const char *dir, error *err)
{
    pid_t pid;
    TRY(spawn(dir, &pid, err));
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_set(err, E_EXTERNAL, "cannot wait for gnuplot: %s",
                             strerror(errno));
    return status == 0 ? 0 : fail_with_messages(dir, status, err);
}

/* The <svg> element of the file, without <title> elements: browsers would show gnuplot's
 * own names as tooltips. */
static int read_svg(const char *dir, text *svg, error *err)
{
    char path[PATH_BYTES], *bytes;
    size_t n;
    TRY(make_path(path, dir, "plot.svg", err));
    TRY(file_read(path, MAX_SVG_BYTES, &bytes, &n, err));
    const char *s = strstr(bytes, "<svg"), *title, *end;
    int rc = s ? 0 : error_set(err, E_EXTERNAL, "gnuplot wrote no SVG");
    while (rc == 0 && (title = strstr(s, "<title>")) &&
           (end = strstr(title, "</title>"))) {
        rc = text_add(svg, s, (size_t)(title - s), err);
        s = end + strlen("</title>");
    }
    if (rc == 0)
        rc = text_add_string(svg, s, err);
    free(bytes);
    return rc;
}

static void remove_folder(const char *dir)
{
    char path[PATH_BYTES];
    for (size_t i = 0; i < N_FILES; i++)
        if (make_path(path, dir, file_names[i], NULL) == 0)
            unlink(path);
    rmdir(dir);
}

int plot_svg(const plot *p, text *svg, error *err)
{
    const char *base = getenv("TMPDIR");
    char dir[PATH_BYTES];
    TRY(make_path(dir, base && *base ? base : "/tmp", "lamarck-plot-XXXXXX", err));
    if (!mkdtemp(dir))
        return error_set(err, E_IO, "cannot make a folder for plots, %s: %s", dir,
                         strerror(errno));
    int rc = write_script(dir, p, err);
    if (rc == 0)
        rc = write_file(dir, "data", p->data, err);
    if (rc == 0)
        rc = run_gnuplot(dir, err);
    if (rc == 0)
        rc = read_svg(dir, svg, err);
    remove_folder(dir);
    return rc;
}

int plot_style(text *out, error *err)
{
    /* gnuplot writes strokes and fills with padded numbers, text fills without. */
    TRY(text_add_string(out,
                        ".plot svg{display:block;width:100%;height:auto}\n"
                        ".plot text{fill:var(--muted)}\n"
                        ".plot [stroke=\"rgb(  1,   1,   1)\"]{stroke:var(--axis)}\n"
                        ".plot [stroke=\"rgb(  2,   2,   2)\"]{stroke:var(--grid)}\n",
                        err));
    for (unsigned i = 1; i <= PLOT_SERIES; i++)
        TRY(text_add_format(
            out, err,
            ".plot [stroke=\"rgb( 10, %3u,   1)\"]{stroke:var(--series%u)}\n"
            ".plot [fill=\"rgb( 10, %3u,   1)\"],"
            ".plot [color=\"rgb( 10, %3u,   1)\"]"
            "{fill:var(--series%u);color:var(--series%u)}\n",
            i, i, i, i, i, i));
    return 0;
}

/* A folder of its own for a test, under TMPDIR, gone afterwards. */
#ifndef LAMARCK_TESTS_SCRATCH_H
#define LAMARCK_TESTS_SCRATCH_H

/* New path, free through scratch_remove, which also deletes the folder and all in it. */
char *scratch_new(void);
void scratch_remove(char *path);

#endif

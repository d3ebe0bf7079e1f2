/* Files that are either the old one or the whole new one, whatever happens meanwhile. */
#ifndef LAMARCK_EXPERIMENTS_VIEWS_FILE_WRITE_H
#define LAMARCK_EXPERIMENTS_VIEWS_FILE_WRITE_H

#include "../../model/base.h"

/* Write a temporary file beside `path`, flush it to the disk, rename it. */
int file_write(const char *path, const void *bytes, size_t n, error *err);

#endif

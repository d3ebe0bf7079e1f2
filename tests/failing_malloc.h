/* A malloc that fails when told to, for tests of what happens when memory runs out. To be
 * included by one file of a test program: it puts malloc, calloc, realloc,
 * aligned_alloc and free in front of glibc's. Sanitizers bring theirs, and then there is
 * nothing to test. */
#ifndef LAMARCK_TESTS_FAILING_MALLOC_H
#define LAMARCK_TESTS_FAILING_MALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)

/* Let n - 1 more allocations succeed; -1: all. */
static void set_allocations_left(long n)
{
    (void)n;
}

__attribute__((unused)) static long get_allocations_left(void)
{
    return -1;
}

__attribute__((unused)) static long allocations_held(void)
{
    return 0;
}

static bool can_fail_allocations(void)
{
    printf("SKIP allocations cannot be made to fail under a sanitizer\n");
    return false;
}

#else

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *old, size_t n);
void *__libc_memalign(size_t alignment, size_t n);
void __libc_free(void *p);

static long allocations_left = -1; /* -1: no limit */
static long held;                  /* allocated and not freed */

/* One allocation is wanted; is there none left? */
static bool is_refused(void)
{
    if (allocations_left > 0)
        allocations_left--;
    return allocations_left == 0;
}

static void *count_held(void *p)
{
    held += p != NULL;
    return p;
}

void *malloc(size_t n)
{
    return is_refused() ? NULL : count_held(__libc_malloc(n));
}

void *calloc(size_t count, size_t n)
{
    return is_refused() ? NULL : count_held(__libc_calloc(count, n));
}

void *realloc(void *old, size_t n)
{
    if (is_refused())
        return NULL;
    return old ? __libc_realloc(old, n) : count_held(__libc_malloc(n));
}

void *aligned_alloc(size_t alignment, size_t n)
{
    return is_refused() ? NULL : count_held(__libc_memalign(alignment, n));
}

void free(void *p)
{
    held -= p != NULL;
    __libc_free(p);
}

__attribute__((unused)) static long allocations_held(void)
{
    return held;
}

static void set_allocations_left(long n)
{
    allocations_left = n;
}

/* As set, less those made since. */
__attribute__((unused)) static long get_allocations_left(void)
{
    return allocations_left;
}

static bool can_fail_allocations(void)
{
    return true;
}

#endif

#endif

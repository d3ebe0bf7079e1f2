/* What tests of all parts expect. Failures end the running test. */
#ifndef LAMARCK_TESTS_EXPECT_H
#define LAMARCK_TESTS_EXPECT_H

#include "../model/base.h"

/* Fails the test with the message when rc < 0. */
void must(int rc, const error *err);
/* The message names the part. */
void assert_mentions(const error *err, const char *part);

#endif

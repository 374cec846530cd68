// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void version_is_set(void **state)
{
	(void)state;
	assert_true(strlen(EP_VERSION) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(version_is_set)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

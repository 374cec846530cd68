// SPDX-License-Identifier: GPL-2.0-or-later
/* Why BPF can't be loaded, in the words of who could change it. */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "observe/observe_i.h"

/* linux/capability.h of 5.8, which older headers lack */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

static bool has_cap(unsigned cap)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {};

	if (syscall(SYS_capget, &head, data))
		return true;
	return data[cap / 32].effective >> (cap % 32) & 1;
}

static bool locked_down(void)
{
	struct ep_arena *a = ep_arena_new();
	bool locked = false;
	char *text;

	if (!ep_read_file(a, "/sys/kernel/security/lockdown", 4096, &text, NULL))
		locked = strstr(text, "[confidentiality]") != NULL;
	ep_arena_free(a);
	return locked;
}

/* Light skeletons need the kernel's own relocation of programs: 5.17. */
static bool too_old(struct utsname *u)
{
	unsigned major = 0, minor = 0;

	if (uname(u) || sscanf(u->release, "%u.%u", &major, &minor) != 2)
		return false;
	return major < 5 || (major == 5 && minor < 17);
}

void ep_bpf_missing(int err, char *buf, size_t len)
{
	bool admin = has_cap(CAP_SYS_ADMIN);
	struct utsname u;

	if (access("/sys/kernel/btf/vmlinux", F_OK))
		snprintf(buf, len, "this kernel has no BTF (CONFIG_DEBUG_INFO_BTF)");
	else if (too_old(&u))
		snprintf(buf, len, "Linux %.32s is too old for the BPF programs: they need 5.17",
			 u.release);
	else if (!admin && !has_cap(CAP_BPF))
		snprintf(buf, len, "BPF is refused: CAP_BPF is missing%s",
			 has_cap(CAP_PERFMON) ? "" : ", and CAP_PERFMON");
	else if (!admin && !has_cap(CAP_PERFMON))
		snprintf(buf, len, "BPF is refused: CAP_PERFMON is missing");
	else if (err != EPERM && err != EACCES)
		snprintf(buf, len, "BPF programs could not be loaded: %s", strerror(err));
	else if (locked_down())
		snprintf(buf, len,
			 "BPF may not read the kernel's memory: lockdown is in force "
			 "(confidentiality)");
	else
		snprintf(buf, len,
			 "BPF is refused (%s), although the capabilities are there: a "
			 "seccomp filter or a security module of this container or host",
			 strerror(err));
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs a fuzz target without libFuzzer, in `make check`: every file of the seed corpus as it is,
 * then mutations of them. The same seed gives the same inputs.
 *
 *	fuzz_NAME [-n MUTATIONS] [-s SEED] [CORPUS-DIRECTORY | FILE]...
 *
 * The input in progress is written to FUZZ_CRASH_FILE (if set) when the process is ended by a
 * signal, so that it can be given back as FILE.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_SIZE_MAX (1 << 16)
#define MAX_SEEDS      4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifdef __SANITIZE_ADDRESS__
/* The sanitizer reports the other signals first and then aborts. */
#define FATAL_SIGNALS SIGABRT, SIGALRM

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "abort_on_error=1";
}
#else
#define FATAL_SIGNALS SIGABRT, SIGALRM, SIGSEGV, SIGBUS, SIGFPE, SIGILL
#endif

struct seed {
	uint8_t *data;
	size_t size;
};

static struct seed seeds[MAX_SEEDS];
static size_t n_seeds;
static uint64_t rng_state;
static const uint8_t *current;
static size_t current_size;

/* xorshift64* */
static uint64_t rng(void)
{
	rng_state ^= rng_state >> 12;
	rng_state ^= rng_state << 25;
	rng_state ^= rng_state >> 27;
	return rng_state * 0x2545f4914f6cdd1dULL;
}

static size_t below(size_t n)
{
	return n ? rng() % n : 0;
}

static void save_current(int sig)
{
	const char *path = getenv("FUZZ_CRASH_FILE");
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644) : -1;

	if (fd >= 0) {
		ssize_t ignored = write(fd, current, current_size);

		(void)ignored;
		close(fd);
	}
	signal(sig, SIG_DFL);
	raise(sig);
}

static void add_seed(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct seed *s = &seeds[n_seeds];

	if (!f || n_seeds == MAX_SEEDS) {
		fprintf(stderr, "%s: %s\n", path, f ? "too many seeds" : strerror(errno));
		exit(2);
	}
	s->data = malloc(INPUT_SIZE_MAX);
	if (!s->data)
		abort();
	s->size = fread(s->data, 1, INPUT_SIZE_MAX, f);
	fclose(f);
	n_seeds++;
}

static int visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static void add_path(const char *path)
{
	struct dirent **names;
	struct stat st;
	int n;

	if (stat(path, &st) < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(2);
	}
	if (!S_ISDIR(st.st_mode)) {
		add_seed(path);
		return;
	}
	n = scandir(path, &names, visible, alphasort);
	for (int i = 0; i < n; i++) {
		char file[4096];

		if (snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name) <
		    (int)sizeof(file))
			add_path(file);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

/* An exact-size allocation, so that ASan sees a read of one byte too many. */
static void run_one(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	current = data;
	current_size = size;
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void flip_bit(uint8_t *buf, size_t *size)
{
	if (*size)
		buf[below(*size)] ^= 1u << below(8);
}

static void set_byte(uint8_t *buf, size_t *size)
{
	static const uint8_t values[] = {0, 1, 4, 0x7f, 0x80, 0xff, '"', '{', '\\'};

	if (*size)
		buf[below(*size)] = rng() & 1 ? (uint8_t)rng() : values[below(sizeof(values))];
}

static void set_u16(uint8_t *buf, size_t *size)
{
	static const uint16_t values[] = {0, 1, 3, 4, 5, 8, 0x7fff, 0x8000, 0xffff};
	uint16_t v = values[below(sizeof(values) / sizeof(values[0]))];

	if (*size >= 2)
		memcpy(buf + (below(*size - 1) & ~(size_t)1), &v, sizeof(v));
}

static void set_u32(uint8_t *buf, size_t *size)
{
	static const uint32_t values[] = {0, 1, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff};
	uint32_t v = values[below(sizeof(values) / sizeof(values[0]))];

	if (*size >= 4)
		memcpy(buf + (below(*size - 3) & ~(size_t)3), &v, sizeof(v));
}

static void truncate_input(uint8_t *buf, size_t *size)
{
	(void)buf;
	*size = below(*size + 1);
}

static void remove_range(uint8_t *buf, size_t *size)
{
	size_t at = below(*size), n = below(*size - at + 1);

	memmove(buf + at, buf + at + n, *size - at - n);
	*size -= n;
}

static void copy_range(uint8_t *buf, size_t *size)
{
	size_t from = below(*size), to = below(*size), n = below(64);

	if (!*size)
		return;
	n = n < *size - from ? n : *size - from;
	n = n < *size - to ? n : *size - to;
	memmove(buf + to, buf + from, n);
}

static void insert_from_seed(uint8_t *buf, size_t *size)
{
	const struct seed *s = &seeds[below(n_seeds)];
	size_t at = below(*size + 1), from = below(s->size), n = below(256);

	n = n < s->size - from ? n : s->size - from;
	n = n < INPUT_SIZE_MAX - *size ? n : INPUT_SIZE_MAX - *size;
	memmove(buf + at + n, buf + at, *size - at);
	memcpy(buf + at, s->data + from, n);
	*size += n;
}

static void (*const mutators[])(uint8_t *buf, size_t *size) = {
	flip_bit,       set_byte,     set_u16,    set_u32,          set_byte,
	truncate_input, remove_range, copy_range, insert_from_seed,
};

static void mutate(uint8_t *buf, size_t *size)
{
	const struct seed *s = &seeds[below(n_seeds)];
	size_t n = 1 + below(8);

	memcpy(buf, s->data, s->size);
	*size = s->size;
	while (n--)
		mutators[below(sizeof(mutators) / sizeof(mutators[0]))](buf, size);
}

int main(int argc, char **argv)
{
	static const int signals[] = {FATAL_SIGNALS};
	static uint8_t buf[INPUT_SIZE_MAX];
	unsigned long mutations = 20000;
	uint64_t seed = 1;
	size_t size;
	int opt;

	while ((opt = getopt(argc, argv, "n:s:")) != -1) {
		if (opt == 'n')
			mutations = strtoul(optarg, NULL, 0);
		else if (opt == 's')
			seed = strtoull(optarg, NULL, 0);
		else
			return 2;
	}
	for (int i = optind; i < argc; i++)
		add_path(argv[i]);
	if (!n_seeds)
		n_seeds = 1; /* the empty input */
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], save_current);

	printf("seed %llu, %zu seed inputs, %lu mutations\n", (unsigned long long)seed, n_seeds,
	       mutations);
	fflush(stdout);
	for (size_t i = 0; i < n_seeds; i++) {
		alarm(10);
		run_one(seeds[i].data ? seeds[i].data : buf, seeds[i].size);
	}
	rng_state = seed * 0x9e3779b97f4a7c15ULL | 1;
	for (unsigned long i = 0; i < mutations; i++) {
		alarm(10);
		mutate(buf, &size);
		run_one(buf, size);
	}
	return 0;
}

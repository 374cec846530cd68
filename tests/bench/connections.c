// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * connections rate ADDRESS PORT SECONDS: requests one page per connection, over and over, from two threads.
 * connections bulk ADDRESS PORT SECONDS: reads /big over one connection at a time.
 * One line: connections (or bytes), failures, seconds.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in to;
static double until;
static int bulk;
static atomic_llong done, failed;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long long fetch(void)
{
	static const char small[] = "GET / HTTP/1.0\r\n\r\n", big[] = "GET /big HTTP/1.0\r\n\r\n";
	struct linger reset = {1, 0};
	static __thread char buf[256 << 10];
	long long got = 0;
	ssize_t n = -1;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
	    send(fd, bulk ? big : small, bulk ? sizeof(big) - 1 : sizeof(small) - 1, 0) > 0)
		while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
			got += n;
			if (now() > until)
				break;
		}
	close(fd);
	return got ? got : -1;
}

static void *work(void *arg)
{
	while (now() < until) {
		long long n = fetch();

		if (n < 0)
			failed++;
		else
			done += bulk ? n : 1;
	}
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t t[2];
	double start = now();

	if (argc != 5)
		return 64;
	bulk = !strcmp(argv[1], "bulk");
	to.sin_family = AF_INET;
	to.sin_port = htons((unsigned short)atoi(argv[3]));
	inet_pton(AF_INET, argv[2], &to.sin_addr);
	until = start + atof(argv[4]);
	for (int i = 0; i < (bulk ? 1 : 2); i++)
		pthread_create(&t[i], NULL, work, NULL);
	for (int i = 0; i < (bulk ? 1 : 2); i++)
		pthread_join(t[i], NULL);
	printf("%lld %lld %f\n", (long long)done, (long long)failed, now() - start);
	return 0;
}

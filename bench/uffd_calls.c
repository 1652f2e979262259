// What the calls of a userfaultfd cost in C: the peer of bench/sys.bench.ts. One thread, nobody waiting, warm memory.
// uffd_calls OPERATION CHUNK_BYTES AREA_BYTES: nanoseconds a call, the median of some passes over the area.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#define PASSES 9
#ifndef UFFDIO_MOVE
struct uffdio_move { uint64_t dst, src, len, mode; int64_t move; };
#define UFFDIO_MOVE _IOWR(UFFDIO, 5, struct uffdio_move)
#endif

static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e9 + t.tv_nsec; }
static void die(const char *what) { perror(what); exit(1); }
static int less(const void *a, const void *b) { return *(const double *)a < *(const double *)b ? -1 : 1; }

static char *map(size_t bytes) {
  char *p = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) die("mmap");
  madvise(p, bytes, MADV_NOHUGEPAGE);
  return p;
}

int main(int count, char **args) {
  if (count != 4) return 2;
  char op = args[1][0];
  size_t chunk = strtoul(args[2], 0, 10), area = strtoul(args[3], 0, 10);
  char *dst = map(area), *src = map(area);
  int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | (geteuid() ? UFFD_USER_MODE_ONLY : 0));
  if (fd < 0) die("userfaultfd");
  struct uffdio_api api = {UFFD_API, 0, 0};
  if (ioctl(fd, UFFDIO_API, &api)) die("api");
  struct uffdio_register r = {{(uint64_t)dst, area}, UFFDIO_REGISTER_MODE_MISSING, 0};
  if (ioctl(fd, UFFDIO_REGISTER, &r)) die("register");
  double passes[PASSES];
  static struct uffd_msg messages[64];
  for (int pass = 0; pass < PASSES; pass++) {
    madvise(dst, area, MADV_DONTNEED);
    memset(src, pass, area);
    double started = now();
    for (size_t at = 0; at < area; at += chunk) {
      uint64_t to = (uint64_t)dst + at, from = (uint64_t)src + at;
      struct uffdio_copy c = {to, from, chunk, 0, 0};
      struct uffdio_zeropage z = {{to, chunk}, 0, 0};
      struct uffdio_move m = {to, from, chunk, 0, 0};
      if (op == 'c' && ioctl(fd, UFFDIO_COPY, &c)) die("copy");
      if (op == 'z' && ioctl(fd, UFFDIO_ZEROPAGE, &z)) die("zeropage");
      if (op == 'm' && ioctl(fd, UFFDIO_MOVE, &m)) die("move");
      if (op == 'r' && read(fd, messages, sizeof messages) >= 0) die("read");
    }
    passes[pass] = (now() - started) / (area / chunk);
  }
  qsort(passes, PASSES, sizeof *passes, less);
  printf("%.1f\n", passes[PASSES / 2]);
  return 0;
}

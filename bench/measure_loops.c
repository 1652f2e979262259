// The loops of hms measure as a person would write them in C: gcc -O3 -march=native makes vectors of them, and calls of
// memset and memcpy. Prints bytes a nanosecond (GB/s), or nanoseconds a load: the best of several windows.
// Usage: measure_loops WORK MIB WINDOW_MS WINDOWS CPU
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#ifdef __x86_64__
#include <emmintrin.h>
#endif

#define HUGE_BYTES (2UL << 20)
#define CALL_BYTES (1UL << 20)
#define CALL_LOADS 4096
#define LINE 64

static volatile uint64_t sink;

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

__attribute__((noinline)) static void do_read(const uint64_t *from, size_t bytes) {
  uint64_t sum = 0;
  for (size_t i = 0; i < bytes / 8; i++) sum ^= from[i];
  sink = sum;
}

__attribute__((noinline)) static void do_write(uint64_t *to, size_t bytes, uint64_t value) {
  for (size_t i = 0; i < bytes / 8; i++) to[i] = value;
}

__attribute__((noinline)) static void do_copy(uint64_t *restrict to, const uint64_t *restrict from, size_t bytes) {
  for (size_t i = 0; i < bytes / 8; i++) to[i] = from[i];
}

__attribute__((noinline, optimize("no-tree-loop-distribute-patterns"))) static void
do_copy_loop(uint64_t *restrict to, const uint64_t *restrict from, size_t bytes) {
  for (size_t i = 0; i < bytes / 8; i++) to[i] = from[i];
}

#ifdef __x86_64__
__attribute__((noinline)) static void do_write_past(char *to, size_t bytes, uint64_t value) {
  __m128i x = _mm_set1_epi64x((long long)value);
  for (size_t i = 0; i < bytes; i += 64)
    for (int k = 0; k < 4; k++) _mm_stream_si128((__m128i *)(to + i + 16 * k), x);
  _mm_sfence();
}

__attribute__((noinline)) static void do_copy_past(char *to, const char *from, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 64)
    for (int k = 0; k < 4; k++)
      _mm_stream_si128((__m128i *)(to + i + 16 * k), _mm_load_si128((const __m128i *)(from + i + 16 * k)));
  _mm_sfence();
}
#endif

static void *link_places(char *start, size_t bytes) {
  size_t count = bytes / LINE;
  uint32_t state = 0x9e3779b9u;
  for (size_t i = 0; i < count; i++) *(void **)(start + i * LINE) = start + i * LINE;
  for (size_t i = count - 1; i > 0; i--) {
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    size_t j = (size_t)(state / 4294967296.0 * i);
    void **a = (void **)(start + i * LINE), **b = (void **)(start + j * LINE), *next = *a;
    *a = *b, *b = next;
  }
  return start;
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  const char *work = argv[1];
  size_t bytes = strtoul(argv[2], NULL, 10) << 20;
  double window = strtod(argv[3], NULL) * 1e6;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(atoi(argv[5]), &set);
  sched_setaffinity(0, sizeof set, &set);
  char *p = aligned_alloc(HUGE_BYTES, bytes);
  if (p == NULL) return 1;
  madvise(p, bytes, MADV_HUGEPAGE);
  memset(p, 1, bytes);
  int copies = strncmp(work, "copy", 4) == 0;
  size_t span = copies ? bytes / 2 : bytes, at = 0;
  void **place = strcmp(work, "chase") == 0 ? link_places(p, bytes) : NULL;
  int windows = atoi(argv[4]);
  double best = 0;
  for (int i = 0; i < windows; i++) {
    double start = now_ns(), end = start, amount = 0;
    for (; end - start < window; end = now_ns()) {
      if (at + CALL_BYTES > span) at = 0;
      char *to = p + at;
      if (place != NULL) {
        for (int k = 0; k < CALL_LOADS; k++) place = *place;
        sink = (uintptr_t)place;
        amount += CALL_LOADS;
        continue;
      } else if (strcmp(work, "read") == 0) do_read((uint64_t *)to, CALL_BYTES);
      else if (strcmp(work, "write") == 0) do_write((uint64_t *)to, CALL_BYTES, at);
      else if (strcmp(work, "copy") == 0) do_copy((uint64_t *)(to + span), (uint64_t *)to, CALL_BYTES);
      else if (strcmp(work, "copy-loop") == 0) do_copy_loop((uint64_t *)(to + span), (uint64_t *)to, CALL_BYTES);
#ifdef __x86_64__
      else if (strcmp(work, "write-past") == 0) do_write_past(to, CALL_BYTES, at);
      else if (strcmp(work, "copy-past") == 0) do_copy_past(to + span, to, CALL_BYTES);
#endif
      else return 2;
      at += CALL_BYTES;
      amount += CALL_BYTES;
    }
    double rate = amount / (end - start);
    if (rate > best) best = rate;
  }
  printf("%.6f\n", place == NULL ? best : 1 / best);
  return 0;
}

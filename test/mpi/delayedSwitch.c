/*
 * A switch between hosts that are network namespaces, for test/mpi/hosts.mjs: every frame arrives later by a delay, as `tc netem` has it, which not every kernel has. Makes the
 * devices tap1 … tapN; the host with tapI has the MAC address 02:00:00:00:00:0I. SIGUSR1 cuts a host off, without a word to anybody; SIGUSR2 ends that.
 *
 *   gcc -O2 delayedSwitch.c -o delayedSwitch; delayedSwitch HOSTS MICROSECONDS CUT
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { FRAMES = 1 << 14, BYTES = 1600, MOST = 16 };
static struct {
  long long due;
  int from, length;
  unsigned char bytes[BYTES];
} frames[FRAMES];
static volatile sig_atomic_t isCut;

static void cut(int sign) { isCut = sign == SIGUSR1; }

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int count, char **words) {
  if (count != 4) return 2;
  const int hosts = atoi(words[1]), lost = atoi(words[3]) - 1;
  const long long delay = atoi(words[2]) * 1000LL;
  struct pollfd taps[MOST];
  if (hosts > MOST) return 2;
  signal(SIGUSR1, cut);
  signal(SIGUSR2, cut);
  for (int i = 0; i < hosts; i++) {
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    snprintf(request.ifr_name, sizeof request.ifr_name, "tap%d", i + 1);
    taps[i] = (struct pollfd){.fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK), .events = POLLIN};
    if (taps[i].fd < 0 || ioctl(taps[i].fd, TUNSETIFF, &request) < 0) return perror("/dev/net/tun"), 1;
  }
  puts("ready");
  fflush(stdout);
  for (unsigned first = 0, end = 0;;) {
    const long long wait = first == end ? 1000000000 : frames[first % FRAMES].due - now();
    const struct timespec time = {.tv_sec = wait > 0 ? wait / 1000000000 : 0, .tv_nsec = wait > 0 ? wait % 1000000000 : 0};
    ppoll(taps, hosts, &time, NULL);
    for (int i = 0; i < hosts; i++)
      while (end - first < FRAMES) { /* what finds no room waits at its sender */
        const int length = read(taps[i].fd, frames[end % FRAMES].bytes, BYTES);
        if (length <= 0) break;
        if (isCut && i == lost) continue;
        frames[end % FRAMES].due = now() + delay;
        frames[end % FRAMES].from = i;
        frames[end++ % FRAMES].length = length;
      }
    for (; first != end && frames[first % FRAMES].due <= now(); first++) {
      const unsigned char *bytes = frames[first % FRAMES].bytes;
      for (int to = 0; to < hosts; to++) {
        const int isMeant = (bytes[0] & 1) ? to != frames[first % FRAMES].from : bytes[5] == to + 1;
        if (isMeant && !(isCut && to == lost) && write(taps[to].fd, bytes, frames[first % FRAMES].length) < 0) continue; /* lost, as on any network */
      }
    }
  }
}

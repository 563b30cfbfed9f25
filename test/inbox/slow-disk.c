// When preloaded into a process, delays every sync by SYNC_DELAY_MS, like a slow disk.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static int delayed(const char *name, int descriptor) {
  int (*sync)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  int result = sync(descriptor);
  const char *delay = getenv("SYNC_DELAY_MS");
  if (delay != NULL) usleep(atoi(delay) * 1000);
  return result;
}

int fsync(int descriptor) { return delayed("fsync", descriptor); }

int fdatasync(int descriptor) { return delayed("fdatasync", descriptor); }

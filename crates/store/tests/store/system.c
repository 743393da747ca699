/* Makes chosen system calls of a test's child fail, and tells of syncs. Loaded before the C library.
 *
 * In the folder PAWL_TEST_SYSTEM: a file `sync` or `write` whose text is the end of a path makes syncs or writes of
 * files with that ending fail, `write` with ENOSPC or, if there is a file `eio`, with EIO; to the file `synced` the
 * path of every synced file is appended. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int control(const char *name, char *text, size_t size) {
  const char *folder = getenv("PAWL_TEST_SYSTEM");
  char path[4096];
  if (!folder) return 0;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return 0;
  long count = syscall(SYS_read, fd, text, size - 1);
  syscall(SYS_close, fd);
  text[count > 0 ? count : 0] = 0;
  return 1;
}

static void path_of(int fd, char *path, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  long count = readlink(link, path, size - 1);
  path[count > 0 ? count : 0] = 0;
}

static int chosen(const char *name, int fd) {
  char end[512], path[4096];
  if (!control(name, end, sizeof end)) return 0;
  path_of(fd, path, sizeof path);
  size_t a = strlen(path), b = strlen(end);
  return b > 0 && a >= b && strcmp(path + a - b, end) == 0;
}

static int told(int fd) {
  const char *folder = getenv("PAWL_TEST_SYSTEM");
  char path[4096], line[4200];
  if (!folder) return 0;
  path_of(fd, path, sizeof path);
  int count = snprintf(line, sizeof line, "%s\n", path);
  snprintf(path, sizeof path, "%s/synced", folder);
  int out = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  syscall(SYS_write, out, line, count);
  return syscall(SYS_close, out);
}

int fdatasync(int fd) {
  if (chosen("sync", fd)) { errno = EIO; return -1; }
  told(fd);
  return syscall(SYS_fdatasync, fd);
}

int fsync(int fd) {
  if (chosen("sync", fd)) { errno = EIO; return -1; }
  told(fd);
  return syscall(SYS_fsync, fd);
}

static int refused(int fd) {
  char unused[8];
  if (!chosen("write", fd)) return 0;
  errno = control("eio", unused, sizeof unused) ? EIO : ENOSPC;
  return 1;
}

ssize_t write(int fd, const void *bytes, size_t count) {
  return refused(fd) ? -1 : syscall(SYS_write, fd, bytes, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
  return refused(fd) ? -1 : syscall(SYS_pwrite64, fd, bytes, count, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
  return refused(fd) ? -1 : syscall(SYS_pwrite64, fd, bytes, count, at);
}

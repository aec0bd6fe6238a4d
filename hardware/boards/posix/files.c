#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

bool file_path(char path[PATH_BYTES_MAX], const char *parent, const char *name) {
  int length = snprintf(path, PATH_BYTES_MAX, "%s/%s", parent, name);
  return length > 0 && length < PATH_BYTES_MAX;
}

enum file_state file_read(const char *path, uint8_t *bytes, size_t length) {
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return errno == ENOENT ? FILE_ABSENT : FILE_UNUSABLE;
  size_t offset = 0;
  while (offset < length) {
    ssize_t count = read(descriptor, bytes + offset, length - offset);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    offset += (size_t)count;
  }
  uint8_t more;
  bool is_whole = offset == length && read(descriptor, &more, 1) == 0;
  (void)close(descriptor);
  return is_whole ? FILE_READ : FILE_UNUSABLE;
}

bool file_write(int descriptor, const uint8_t *bytes, size_t length) {
  for (size_t offset = 0; offset < length;) {
    ssize_t count = write(descriptor, bytes + offset, length - offset);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    offset += (size_t)count;
  }
  return true;
}

bool file_read_at(int descriptor, uint8_t *bytes, size_t length, size_t offset) {
  for (size_t done = 0; done < length;) {
    ssize_t count = pread(descriptor, bytes + done, length - done, (off_t)(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += (size_t)count;
  }
  return true;
}

bool file_write_at(int descriptor, const uint8_t *bytes, size_t length, size_t offset) {
  for (size_t done = 0; done < length;) {
    ssize_t count = pwrite(descriptor, bytes + done, length - done, (off_t)(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += (size_t)count;
  }
  return true;
}

bool file_replace(const char *path, const uint8_t *bytes, size_t length) {
  char beside[PATH_BYTES_MAX];
  int path_length = snprintf(beside, sizeof beside, "%s.new", path);
  if (path_length <= 0 || path_length >= PATH_BYTES_MAX) return false;
  int descriptor = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return false;
  bool is_written = file_write(descriptor, bytes, length);
  bool is_closed = close(descriptor) == 0;
  return is_written && is_closed && rename(beside, path) == 0;
}

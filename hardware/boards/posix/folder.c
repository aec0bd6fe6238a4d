#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boards/board.h"
#include "files.h"
#include "platform/bytes.h"
#include "platform/element.h"

/* The simulator's usual geometry (simulator/flash.ts). */
#define PAGE_BYTES 4096
#define PAGE_COUNT 64
#define WORD_BYTES 4
#define REGION_BYTES (PAGE_BYTES * PAGE_COUNT)
#define WEAR_BYTES 4
#define FLASH_FILE_BYTES (REGION_BYTES + PAGE_COUNT * WEAR_BYTES)
#define ERASED 0xff

const struct board_flash board_flash = {PAGE_BYTES, PAGE_COUNT, WORD_BYTES};

struct folder {
  int flash_descriptor;
  char keys_path[PATH_BYTES_MAX];
  char lock_path[PATH_BYTES_MAX];
};

static struct folder folders[ELEMENTS_MAX];

/* New flash: erased, never worn. */
static uint8_t new_flash[FLASH_FILE_BYTES];

static bool complain(const char *path, const char *what) {
  (void)fprintf(stderr, "%s: %s\n", path, what);
  return false;
}

static bool is_alive(long process_id) {
  if (process_id <= 0) return false;
  return kill((pid_t)process_id, 0) == 0 || errno == EPERM;
}

static long holder_of(const char *path) {
  char text[32] = {0};
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return 0;
  ssize_t count = read(descriptor, text, sizeof text - 1);
  (void)close(descriptor);
  return count > 0 ? strtol(text, NULL, 10) : 0;
}

/* Two processes that run one element would spend its money twice. The lock of a process that is gone does not count. */
static bool take_lock(const char *path) {
  for (int tries = 0; tries < 2; tries++) {
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor >= 0) {
      char text[32];
      int length = snprintf(text, sizeof text, "%ld", (long)getpid());
      bool is_written = length > 0 && file_write(descriptor, (const uint8_t *)text, (size_t)length);
      return close(descriptor) == 0 && is_written;
    }
    if (errno != EEXIST) return complain(path, "cannot be made");
    if (is_alive(holder_of(path))) {
      return complain(path, "another process has this element open. Stop it first; if it has nothing to do with this "
                            "element, delete the lock.");
    }
    (void)unlink(path);
  }
  return complain(path, "another process took it at the same moment");
}

static bool open_flash(struct folder *folder, const char *path) {
  folder->flash_descriptor = open(path, O_RDWR | O_CLOEXEC);
  if (folder->flash_descriptor < 0 && errno == ENOENT) {
    memset(new_flash, ERASED, REGION_BYTES);
    if (!file_replace(path, new_flash, sizeof new_flash)) return complain(path, "cannot be written");
    folder->flash_descriptor = open(path, O_RDWR | O_CLOEXEC);
  }
  struct stat found;
  if (folder->flash_descriptor < 0 || fstat(folder->flash_descriptor, &found) != 0) return complain(path, "cannot be opened");
  if (found.st_size == FLASH_FILE_BYTES) return true;
  (void)close(folder->flash_descriptor);
  return complain(path, "is the flash of another geometry");
}

bool folder_open(uint32_t element, const char *parent, const char *name) {
  struct folder *folder = &folders[element];
  char path[PATH_BYTES_MAX];
  char flash_path[PATH_BYTES_MAX];
  bool is_named = file_path(path, parent, name) && file_path(folder->keys_path, path, "keys.bin") &&
                  file_path(folder->lock_path, path, "lock") && file_path(flash_path, path, "flash.bin");
  if (!is_named) return complain(parent, "the name is too long");
  if (mkdir(path, 0700) != 0 && errno != EEXIST) return complain(path, "the folder cannot be made");
  if (!take_lock(folder->lock_path)) return false;
  if (open_flash(folder, flash_path)) return true;
  (void)unlink(folder->lock_path);
  return false;
}

void folder_close(uint32_t element) {
  (void)close(folders[element].flash_descriptor);
  (void)unlink(folders[element].lock_path);
}

bool board_flash_read(uint32_t element, uint32_t address, uint8_t *destination, uint32_t length) {
  return file_read_at(folders[element].flash_descriptor, destination, length, address);
}

bool board_flash_program(uint32_t element, uint32_t address, const uint8_t *source, uint32_t length) {
  return file_write_at(folders[element].flash_descriptor, source, length, address);
}

bool board_flash_erase(uint32_t element, uint32_t page) {
  int flash = folders[element].flash_descriptor;
  uint8_t erased[PAGE_BYTES];
  memset(erased, ERASED, sizeof erased);
  if (!file_write_at(flash, erased, sizeof erased, page * PAGE_BYTES)) return false;
  uint8_t wear[WEAR_BYTES];
  uint32_t wear_at = REGION_BYTES + page * WEAR_BYTES;
  if (!file_read_at(flash, wear, sizeof wear, wear_at)) return false;
  bytes_write32(wear, bytes_read32(wear) + 1);
  return file_write_at(flash, wear, sizeof wear, wear_at);
}

bool board_registers_load(uint32_t element, uint8_t *registers, uint32_t length) {
  enum file_state state = file_read(folders[element].keys_path, registers, length);
  if (state == FILE_ABSENT) memset(registers, 0, length);
  return state != FILE_UNUSABLE;
}

bool board_registers_save(uint32_t element, const uint8_t *registers, uint32_t length) {
  return file_replace(folders[element].keys_path, registers, length);
}

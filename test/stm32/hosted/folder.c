/*
 * In the place of boards/posix/folder.c: elements in a file that is the flash of the STM32F405's model. So a process answers as the
 * POSIX board does, with pages, paged store and flash driver of the chip under it, and can be killed at any moment.
 *
 * The model has more sectors than the chip, so that three elements have the simulator's geometry.
 */

#include "boards/posix/folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boards/board.h"
#include "boards/paged/store.h"
#include "boards/posix/files.h"
#include "boards/stm32f405/clock.h"
#include "boards/stm32f405/flash.h"
#include "check.h"
#include "chip-model.h"
#include "platform/element.h"

#define PAGE_COUNT 64
#define REGION_BYTES (CHIP_FLASH_SECTORS * CHIP_FLASH_SECTOR_BYTES)

const struct board_flash board_flash = {PAGES_PAGE_BYTES, PAGE_COUNT, CHIP_FLASH_WORD_BYTES};

static uint8_t *flash;

/* A file that is not there is a new chip; its bytes are the model's from now on, also when the process is killed. */
static bool open_flash(const char *path) {
  int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return false;
  off_t length = lseek(descriptor, 0, SEEK_END);
  bool is_sized = length == (off_t)REGION_BYTES || (length == 0 && ftruncate(descriptor, (off_t)REGION_BYTES) == 0);
  if (is_sized) flash = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  (void)close(descriptor);
  if (!is_sized || flash == MAP_FAILED) return false;
  if (length == 0) memset(flash, 0xff, REGION_BYTES);
  return true;
}

static bool power_on(const char *parent) {
  char path[PATH_BYTES_MAX];
  if (!file_path(path, parent, "flash") || !open_flash(path)) return false;
  model_keep(flash);
  model_reset();
  return clock_start() && paged_store_open(&chip_flash, ELEMENTS_MAX);
}

bool folder_open(uint32_t element, const char *parent, const char *name) {
  if (flash != NULL || power_on(parent)) return true;
  (void)fprintf(stderr, "%s: the flash of element %u (%s) cannot be opened\n", parent, element, name);
  return false;
}

void folder_close(uint32_t element) {
  (void)element;
  CHECK(model_misuses == 0);
}

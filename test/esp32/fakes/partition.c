/*
 * The partition in a file, with the rules of NOR flash: programming turns ones into zeros, sectors of 4,096 bytes are erased to ones,
 * and nothing outside the partition is reached. What a caller must not do ends the program.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "esp_partition.h"
#include "options.h"

#define SECTOR_BYTES 4096
/* As hardware/boards/esp32/partitions.csv has it. */
#define PARTITION_BYTES 0xC6000
/* Of the first element. */
#define FIRST_REGISTERS_AT (64 * SECTOR_BYTES)
#define SUBTYPE 0x40
#define ERASED 0xff
#define US_PER_MS 1000

static esp_partition_t partition = {
    .type = ESP_PARTITION_TYPE_DATA,
    .subtype = (esp_partition_subtype_t)SUBTYPE,
    .address = 0x200000,
    .size = PARTITION_BYTES,
    .erase_size = SECTOR_BYTES,
    .label = "elements",
};
static int file = -1;

static void fail(const char *what) {
  (void)fprintf(stderr, "fake partition: %s\n", what);
  exit(EXIT_FAILURE);
}

static void write_at(size_t offset, const uint8_t *bytes, size_t size) {
  if (pwrite(file, bytes, size, (off_t)offset) != (ssize_t)size) fail("cannot be written");
}

static void read_at(size_t offset, uint8_t *bytes, size_t size) {
  if (pread(file, bytes, size, (off_t)offset) != (ssize_t)size) fail("cannot be read");
}

static void erase(size_t offset) {
  uint8_t sector[SECTOR_BYTES];
  memset(sector, ERASED, sizeof sector);
  write_at(offset, sector, sizeof sector);
}

static void open_file(void) {
  file = open(fake_options.store, O_RDWR);
  if (file >= 0) return;
  file = open(fake_options.store, O_RDWR | O_CREAT, 0600);
  if (file < 0) fail("cannot be made");
  for (size_t at = 0; at < PARTITION_BYTES; at += SECTOR_BYTES) erase(at);
}

const esp_partition_t *esp_partition_find_first(esp_partition_type_t type, esp_partition_subtype_t subtype, const char *label) {
  bool is_it = type == partition.type && subtype == partition.subtype && strcmp(label, partition.label) == 0;
  if (!is_it) return NULL;
  if (file < 0) open_file();
  return &partition;
}

static esp_err_t range_error(const esp_partition_t *asked, size_t offset, size_t size) {
  if (asked != &partition) fail("another partition");
  if (offset > PARTITION_BYTES) return ESP_ERR_INVALID_ARG;
  return size > PARTITION_BYTES - offset ? ESP_ERR_INVALID_SIZE : ESP_OK;
}

esp_err_t esp_partition_read(const esp_partition_t *asked, size_t src_offset, void *dst, size_t size) {
  esp_err_t error = range_error(asked, src_offset, size);
  if (error == ESP_OK) read_at(src_offset, dst, size);
  return error;
}

/* The last byte that was to change stays erased; ESP-IDF does not look, and says that all is well. */
static void leave_one(uint8_t *cells, size_t size) {
  while (size > 0 && cells[size - 1] == ERASED) size--;
  if (size > 0) cells[size - 1] = ERASED;
}

esp_err_t esp_partition_write(const esp_partition_t *asked, size_t dst_offset, const void *src, size_t size) {
  esp_err_t error = range_error(asked, dst_offset, size);
  if (error != ESP_OK) return error;
  static unsigned count;
  bool is_first = dst_offset >= FIRST_REGISTERS_AT && dst_offset < FIRST_REGISTERS_AT + 2 * SECTOR_BYTES;
  if (is_first && ++count == fake_options.fail_at) return ESP_FAIL;
  if (fake_options.slow_ms > 0) (void)usleep(fake_options.slow_ms * US_PER_MS);
  const uint8_t *given = src;
  uint8_t *cells = malloc(size);
  if (cells == NULL) fail("no memory");
  read_at(dst_offset, cells, size);
  for (size_t i = 0; i < size; i++) {
    if ((given[i] & ~cells[i]) != 0) fail("a zero was to become a one without being erased");
    cells[i] &= given[i];
  }
  static unsigned pages_count;
  if (dst_offset < FIRST_REGISTERS_AT && ++pages_count == fake_options.stuck_at) leave_one(cells, size);
  write_at(dst_offset, cells, size);
  free(cells);
  return ESP_OK;
}

esp_err_t esp_partition_erase_range(const esp_partition_t *asked, size_t offset, size_t size) {
  esp_err_t error = range_error(asked, offset, size);
  if (error != ESP_OK) return error;
  if (offset % SECTOR_BYTES != 0) return ESP_ERR_INVALID_ARG;
  if (size % SECTOR_BYTES != 0) return ESP_ERR_INVALID_SIZE;
  for (size_t at = offset; at < offset + size; at += SECTOR_BYTES) erase(at);
  return ESP_OK;
}

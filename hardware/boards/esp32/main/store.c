/*
 * Each element has so many sectors of the partition: its flash, page by page, and then two for copies of its registers, which are written
 * one behind the other. The driver programs any bytes; pages and words are the simulator's.
 */

#include "store.h"

#include <string.h>

#include "boards/board.h"
#include "boards/common/copies.h"
#include "esp_partition.h"
#include "platform/bytes.h"
#include "platform/element.h"
#include "seal.h"

/* As partitions.csv has it. */
#define PARTITION_SUBTYPE 0x40
#define PARTITION_LABEL "elements"
#define SECTOR_BYTES 4096
#define PAGE_COUNT 64
#define WORD_BYTES 4
#define PIECE_BYTES 64
#define AREAS 2
#define COPY_ROOM 640
#define COPIES_PER_AREA (SECTOR_BYTES / COPY_ROOM)
#define ELEMENT_BYTES ((PAGE_COUNT + AREAS) * SECTOR_BYTES)

_Static_assert(SEALED_BYTES <= COPY_ROOM, "a copy of the registers has room");

const struct board_flash board_flash = {SECTOR_BYTES, PAGE_COUNT, WORD_BYTES};

static const esp_partition_t *partition;

bool store_open(void) {
  esp_partition_subtype_t subtype = (esp_partition_subtype_t)PARTITION_SUBTYPE;
  partition = esp_partition_find_first(ESP_PARTITION_TYPE_DATA, subtype, PARTITION_LABEL);
  return partition != NULL && partition->size >= ELEMENTS_MAX * ELEMENT_BYTES;
}

bool board_flash_read(uint32_t element, uint32_t address, uint8_t *destination, uint32_t length) {
  return esp_partition_read(partition, element * ELEMENT_BYTES + address, destination, length) == ESP_OK;
}

/* The driver does not look at what flash took (CONFIG_SPI_FLASH_VERIFY_WRITE is off by default), and the firmware believes what it says. */
static bool reads_back(uint32_t offset, const uint8_t *wanted, uint32_t length) {
  uint8_t piece[PIECE_BYTES];
  bool is_same = true;
  for (uint32_t done = 0; is_same && done < length; done += sizeof piece) {
    uint32_t size = length - done < sizeof piece ? length - done : (uint32_t)sizeof piece;
    is_same = esp_partition_read(partition, offset + done, piece, size) == ESP_OK && memcmp(piece, wanted + done, size) == 0;
  }
  bytes_wipe(piece, sizeof piece);
  return is_same;
}

bool board_flash_program(uint32_t element, uint32_t address, const uint8_t *source, uint32_t length) {
  uint32_t offset = element * ELEMENT_BYTES + address;
  return esp_partition_write(partition, offset, source, length) == ESP_OK && reads_back(offset, source, length);
}

bool board_flash_erase(uint32_t element, uint32_t page) {
  return esp_partition_erase_range(partition, element * ELEMENT_BYTES + page * SECTOR_BYTES, SECTOR_BYTES) == ESP_OK;
}

static uint32_t area_at(uint32_t element, uint32_t area) {
  return element * ELEMENT_BYTES + (PAGE_COUNT + area) * SECTOR_BYTES;
}

static uint32_t copy_at(uint32_t element, uint32_t copy) {
  return area_at(element, copy / COPIES_PER_AREA) + copy % COPIES_PER_AREA * COPY_ROOM;
}

static bool read_copy(uint32_t element, uint32_t copy, uint8_t bytes[COPY_BYTES]) {
  uint8_t sealed[SEALED_BYTES];
  bool is_read = esp_partition_read(partition, copy_at(element, copy), sealed, sizeof sealed) == ESP_OK &&
                 unseal(element, sealed, bytes);
  bytes_wipe(sealed, sizeof sealed);
  return is_read;
}

static bool write_copy(uint32_t element, uint32_t copy, const uint8_t bytes[COPY_BYTES]) {
  uint8_t sealed[SEALED_BYTES];
  bool is_written = seal(element, bytes, sealed) &&
                    esp_partition_write(partition, copy_at(element, copy), sealed, sizeof sealed) == ESP_OK;
  bytes_wipe(sealed, sizeof sealed);
  return is_written;
}

static bool erase_area(uint32_t element, uint32_t area) {
  return esp_partition_erase_range(partition, area_at(element, area), SECTOR_BYTES) == ESP_OK;
}

static const struct copies copies = {COPIES_PER_AREA, read_copy, write_copy, erase_area};

bool board_registers_load(uint32_t element, uint8_t *registers, uint32_t length) {
  return length == REGISTER_BYTES_PERSISTENT && copies_load(&copies, element, registers);
}

bool board_registers_save(uint32_t element, const uint8_t *registers, uint32_t length) {
  return length == REGISTER_BYTES_PERSISTENT && copies_save(&copies, element, registers);
}

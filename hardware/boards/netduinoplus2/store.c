/*
 * The file has so many bytes for each element: its flash region, and then two copies of its registers.
 */

#include "store.h"

#include <string.h>

#include "boards/board.h"
#include "boards/common/copies.h"
#include "boards/qemu/semihosting.h"

/* The simulator's usual geometry (simulator/flash.ts), so that both keep the same. */
#define PAGE_BYTES 4096
#define PAGE_COUNT 64
#define WORD_BYTES 4
#define REGION_BYTES (PAGE_BYTES * PAGE_COUNT)
#define COPY_ROOM 1024
#define ELEMENT_ROOM (REGION_BYTES + 2 * COPY_ROOM)
#define PIECE_BYTES 512
#define ERASED 0xff

_Static_assert(COPY_BYTES <= COPY_ROOM, "a copy of the registers has room");
_Static_assert(ELEMENT_ROOM % PIECE_BYTES == 0 && PAGE_BYTES % PIECE_BYTES == 0, "erased in whole pieces");

const struct board_flash board_flash = {PAGE_BYTES, PAGE_COUNT, WORD_BYTES};

static int32_t file = -1;

static bool erase_bytes(uint32_t offset, uint32_t length) {
  uint8_t piece[PIECE_BYTES];
  memset(piece, ERASED, sizeof piece);
  for (uint32_t done = 0; done < length; done += sizeof piece) {
    if (!host_write(file, offset + done, piece, sizeof piece)) return false;
  }
  return true;
}

bool store_open(const char *path) {
  file = host_open(path, HOST_CHANGE);
  if (file >= 0) return true;
  file = host_open(path, HOST_CREATE);
  return file >= 0 && erase_bytes(0, ELEMENTS_MAX * ELEMENT_ROOM);
}

bool board_flash_read(uint32_t element, uint32_t address, uint8_t *destination, uint32_t length) {
  return host_read(file, element * ELEMENT_ROOM + address, destination, length);
}

bool board_flash_program(uint32_t element, uint32_t address, const uint8_t *source, uint32_t length) {
  return host_write(file, element * ELEMENT_ROOM + address, source, length);
}

bool board_flash_erase(uint32_t element, uint32_t page) {
  return erase_bytes(element * ELEMENT_ROOM + page * PAGE_BYTES, PAGE_BYTES);
}

static uint32_t copy_at(uint32_t element, uint32_t copy) {
  return element * ELEMENT_ROOM + REGION_BYTES + copy * COPY_ROOM;
}

static bool read_copy(uint32_t element, uint32_t copy, uint8_t bytes[COPY_BYTES]) {
  return host_read(file, copy_at(element, copy), bytes, COPY_BYTES);
}

static bool write_copy(uint32_t element, uint32_t copy, const uint8_t bytes[COPY_BYTES]) {
  return host_write(file, copy_at(element, copy), bytes, COPY_BYTES);
}

static const struct copies copies = {1, read_copy, write_copy, NULL};

bool board_registers_load(uint32_t element, uint8_t *registers, uint32_t length) {
  return length == REGISTER_BYTES_PERSISTENT && copies_load(&copies, element, registers);
}

bool board_registers_save(uint32_t element, const uint8_t *registers, uint32_t length) {
  return length == REGISTER_BYTES_PERSISTENT && copies_save(&copies, element, registers);
}

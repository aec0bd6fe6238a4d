/* Flash: the rules of NOR that the firmware's store relies on, whatever the flash of the board would let pass. */

#include "boards/board.h"
#include "element.h"

/* Flash is looked at in pieces of this size before it is programmed. */
#define LOOK_BYTES 64
#define ERASED 0xff

static uint64_t region_bytes(void) {
  return (uint64_t)board_flash.page_bytes * board_flash.page_count;
}

int32_t tallystick_flash_page_size(void) {
  return (int32_t)board_flash.page_bytes;
}

int32_t tallystick_flash_page_count(void) {
  return (int32_t)board_flash.page_count;
}

int32_t tallystick_flash_word_size(void) {
  return (int32_t)board_flash.word_bytes;
}

/* There is no status for flash that cannot be read, and no answer to give instead of what it holds. */
static void read_or_stop(uint32_t address, uint8_t *destination, uint32_t length) {
  if (!board_flash_read(element_current->number, address, destination, length)) element_stop();
}

int32_t tallystick_flash_read(uint32_t address, uint8_t *destination, uint32_t destination_length) {
  if ((uint64_t)address + destination_length > region_bytes()) return TALLYSTICK_INVALID_ARGUMENT;
  if (destination_length > 0) read_or_stop(address, destination, destination_length);
  return 0;
}

static bool is_erased(uint32_t address, uint32_t length) {
  uint8_t piece[LOOK_BYTES];
  while (length > 0) {
    uint32_t piece_length = length < LOOK_BYTES ? length : LOOK_BYTES;
    read_or_stop(address, piece, piece_length);
    for (uint32_t i = 0; i < piece_length; i++) {
      if (piece[i] != ERASED) return false;
    }
    address += piece_length;
    length -= piece_length;
  }
  return true;
}

int32_t tallystick_flash_program(uint32_t address, const uint8_t *source, uint32_t source_length) {
  uint64_t end = (uint64_t)address + source_length;
  if (end > region_bytes()) return TALLYSTICK_INVALID_ARGUMENT;
  if (source_length == 0) return 0;
  bool is_aligned = address % board_flash.word_bytes == 0 && source_length % board_flash.word_bytes == 0;
  bool is_one_page = address / board_flash.page_bytes == (uint32_t)(end - 1) / board_flash.page_bytes;
  if (!is_aligned || !is_one_page || !is_erased(address, source_length)) return TALLYSTICK_FLASH_FAILURE;
  bool is_taken = board_flash_program(element_current->number, address, source, source_length);
  return is_taken ? 0 : TALLYSTICK_FLASH_FAILURE;
}

int32_t tallystick_flash_erase(uint32_t page) {
  if (page >= board_flash.page_count) return TALLYSTICK_INVALID_ARGUMENT;
  return board_flash_erase(element_current->number, page) ? 0 : TALLYSTICK_FLASH_FAILURE;
}

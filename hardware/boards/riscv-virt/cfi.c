#include "cfi.h"

#include <string.h>

#include "cfi-bus.h"
#include "time.h"

#define COMMAND_QUERY 0x98u
#define COMMAND_READ 0xffu
#define COMMAND_STATUS_CLEAR 0x50u
#define COMMAND_BUFFER_WRITE 0xe8u
#define COMMAND_ERASE 0x20u
#define COMMAND_CONFIRM 0xd0u

#define STATUS_READY 0x80u
/* Erasing or programming failed, the voltage for it is too low, the sector is locked. */
#define STATUS_FAILED 0x3au

/* Places of the query, in words of a chip. */
#define QUERY_AT 0x55u
#define QUERY_TEXT 0x10u
#define QUERY_COMMANDS 0x13u
#define QUERY_BUFFER_TIME 0x20u
#define QUERY_ERASE_TIME 0x21u
#define QUERY_BUFFER_TIME_MAX 0x24u
#define QUERY_ERASE_TIME_MAX 0x25u
#define QUERY_BUFFER_BYTES 0x2au
#define QUERY_REGIONS 0x2cu
#define QUERY_REGION_SECTORS 0x2du
#define QUERY_REGION_SECTOR_UNITS 0x2fu
/* Of buffers in bytes, of times in microseconds or milliseconds. */
#define QUERY_POWER_MAX 21u

#define COMMANDS_INTEL 0x0001u
#define SECTOR_UNIT_BYTES 256u
#define CHIPS 2u
#define US_PER_MS 1000u

static struct cfi_geometry found;
/* No chip was found, or one did not end what it had begun: while it works it takes no command, and does not read as memory. */
static bool is_lost = true;

/* The same for both chips. */
static uint32_t doubled(uint32_t value) {
  return value << 16 | value;
}

static void command(uint32_t address, uint32_t value) {
  cfi_bus_write(address, doubled(value));
}

static void read_as_memory(void) {
  command(0, COMMAND_READ);
}

/* One byte of the query. Where the chips do not answer alike `is_good` becomes false. */
static uint32_t queried(uint32_t place, bool *is_good) {
  uint32_t answer = cfi_bus_read(place * CFI_WORD_BYTES);
  if (answer != doubled(answer & 0xff)) *is_good = false;
  return answer & 0xff;
}

static uint32_t queried16(uint32_t place, bool *is_good) {
  return queried(place, is_good) | queried(place + 1, is_good) << 8;
}

static uint32_t power(uint32_t exponent, bool *is_good) {
  if (exponent <= QUERY_POWER_MAX) return (uint32_t)1 << exponent;
  *is_good = false;
  return 0;
}

static bool read_query(struct cfi_geometry *geometry) {
  bool is_good = true;
  char text[] = {
      (char)queried(QUERY_TEXT, &is_good),
      (char)queried(QUERY_TEXT + 1, &is_good),
      (char)queried(QUERY_TEXT + 2, &is_good),
  };
  if (!is_good || memcmp(text, "QRY", sizeof text) != 0) return false;
  if (queried16(QUERY_COMMANDS, &is_good) != COMMANDS_INTEL || queried(QUERY_REGIONS, &is_good) != 1) return false;
  geometry->sector_count = queried16(QUERY_REGION_SECTORS, &is_good) + 1;
  geometry->sector_bytes = CHIPS * SECTOR_UNIT_BYTES * queried16(QUERY_REGION_SECTOR_UNITS, &is_good);
  geometry->buffer_bytes = CHIPS * power(queried16(QUERY_BUFFER_BYTES, &is_good), &is_good);
  uint32_t buffer_time = queried(QUERY_BUFFER_TIME, &is_good) + queried(QUERY_BUFFER_TIME_MAX, &is_good);
  uint32_t erase_time = queried(QUERY_ERASE_TIME, &is_good) + queried(QUERY_ERASE_TIME_MAX, &is_good);
  geometry->program_us_max = power(buffer_time, &is_good);
  geometry->erase_us_max = US_PER_MS * power(erase_time, &is_good);
  return is_good;
}

bool cfi_start(struct cfi_geometry *geometry) {
  /* Whatever they were at when the core was reset. */
  command(0, COMMAND_STATUS_CLEAR);
  read_as_memory();
  command(QUERY_AT * CFI_WORD_BYTES, COMMAND_QUERY);
  bool is_good = read_query(&found);
  read_as_memory();
  is_lost = !is_good;
  if (is_good) *geometry = found;
  return is_good;
}

/* The status of both when both are ready. False: one is not, after so long. */
static bool wait_ready(uint32_t address, uint32_t us_max, uint32_t *status) {
  uint64_t begun = time_us();
  do {
    /* First the time: a chip that became ready since is no late one. */
    is_lost = time_us() - begun > us_max;
    *status = cfi_bus_read(address);
    if ((*status & doubled(STATUS_READY)) == doubled(STATUS_READY)) {
      is_lost = false;
      return true;
    }
  } while (!is_lost);
  return false;
}

/* What began is over; whether both chips did it. */
static bool finish(uint32_t address, uint32_t us_max) {
  uint32_t status;
  if (!wait_ready(address, us_max, &status)) return false;
  command(address, COMMAND_STATUS_CLEAR);
  read_as_memory();
  return (status & doubled(STATUS_FAILED)) == 0;
}

bool cfi_read(uint32_t address, uint8_t *destination, uint32_t length) {
  if (is_lost) return false;
  cfi_bus_copy(address, destination, length);
  return true;
}

static uint32_t word_of(const uint8_t *bytes) {
  uint32_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

/* As chips of NOR are; QEMU would set the bit. */
static bool sets_no_bit(uint32_t address, const uint8_t *source, uint32_t length) {
  for (uint32_t done = 0; done < length; done += CFI_WORD_BYTES) {
    uint32_t wanted = word_of(source + done);
    if ((cfi_bus_read(address + done) & wanted) != wanted) return false;
  }
  return true;
}

/* What lies in one buffer. */
static bool program_piece(uint32_t address, const uint8_t *source, uint32_t length) {
  uint32_t status;
  command(address, COMMAND_BUFFER_WRITE);
  if (!wait_ready(address, found.program_us_max, &status)) return false;
  /* Words of each chip, less one. */
  command(address, length / CFI_WORD_BYTES - 1);
  for (uint32_t done = 0; done < length; done += CFI_WORD_BYTES) cfi_bus_write(address + done, word_of(source + done));
  command(address, COMMAND_CONFIRM);
  return finish(address, found.program_us_max);
}

bool cfi_program(uint32_t address, const uint8_t *source, uint32_t length) {
  if (is_lost || address % CFI_WORD_BYTES != 0 || length % CFI_WORD_BYTES != 0) return false;
  if (!sets_no_bit(address, source, length)) return false;
  while (length > 0) {
    uint32_t room = found.buffer_bytes - address % found.buffer_bytes;
    uint32_t piece = length < room ? length : room;
    if (!program_piece(address, source, piece)) return false;
    address += piece;
    source += piece;
    length -= piece;
  }
  return true;
}

bool cfi_erase(uint32_t sector) {
  if (is_lost) return false;
  uint32_t address = sector * found.sector_bytes;
  command(address, COMMAND_ERASE);
  command(address, COMMAND_CONFIRM);
  return finish(address, found.erase_us_max);
}

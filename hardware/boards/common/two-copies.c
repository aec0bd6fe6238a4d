#include "two-copies.h"

#include <string.h>

#include "platform/bytes.h"

#define COPIES 2
#define ERASED 0xff
#define HASH_AT (COPY_NUMBER_BYTES + REGISTER_BYTES_PERSISTENT)

enum copy_state { COPY_GOOD, COPY_NEVER_WRITTEN, COPY_TORN };

static bool hash_of(const uint8_t copy[COPY_BYTES], uint8_t hash[TALLYSTICK_HASH_BYTES]) {
  return tallystick_sha256(copy, HASH_AT, hash, TALLYSTICK_HASH_BYTES) == 0;
}

static enum copy_state state_of(const uint8_t copy[COPY_BYTES]) {
  uint8_t hash[TALLYSTICK_HASH_BYTES];
  if (hash_of(copy, hash) && bytes_equal(hash, copy + HASH_AT, sizeof hash)) return COPY_GOOD;
  for (uint32_t i = 0; i < COPY_BYTES; i++) {
    if (copy[i] != ERASED) return COPY_TORN;
  }
  return COPY_NEVER_WRITTEN;
}

/* What both copies are, and the index of the one that counts. */
struct survey {
  enum copy_state states[COPIES];
  uint32_t latest;
  uint32_t number;
};

static bool survey(const struct copies *copies, uint32_t element, struct survey *found) {
  uint8_t copy[COPY_BYTES];
  bool is_read = true;
  found->latest = COPIES;
  found->number = 0;
  for (uint32_t i = 0; is_read && i < COPIES; i++) {
    is_read = copies->read(element, i, copy);
    if (!is_read) break;
    found->states[i] = state_of(copy);
    uint32_t number = bytes_read32(copy);
    if (found->states[i] != COPY_GOOD || (found->latest < COPIES && number < found->number)) continue;
    found->latest = i;
    found->number = number;
  }
  bytes_wipe(copy, sizeof copy);
  return is_read;
}

bool copies_load(const struct copies *copies, uint32_t element, uint8_t registers[REGISTER_BYTES_PERSISTENT]) {
  struct survey found;
  if (!survey(copies, element, &found)) return false;
  if (found.latest == COPIES) {
    memset(registers, 0, REGISTER_BYTES_PERSISTENT);
    /* A first write that was torn was of a new chip, which has nothing to lose; two torn copies are damage. */
    return found.states[0] != COPY_TORN || found.states[1] != COPY_TORN;
  }
  uint8_t copy[COPY_BYTES];
  bool is_read = copies->read(element, found.latest, copy);
  if (is_read) memcpy(registers, copy + COPY_NUMBER_BYTES, REGISTER_BYTES_PERSISTENT);
  bytes_wipe(copy, sizeof copy);
  return is_read;
}

bool copies_save(const struct copies *copies, uint32_t element, const uint8_t registers[REGISTER_BYTES_PERSISTENT]) {
  struct survey found;
  if (!survey(copies, element, &found)) return false;
  /* Numbers end after four thousand million writes, which no flash bears. */
  if (found.number == UINT32_MAX) return false;
  uint8_t copy[COPY_BYTES];
  bytes_write32(copy, found.number + 1);
  memcpy(copy + COPY_NUMBER_BYTES, registers, REGISTER_BYTES_PERSISTENT);
  uint32_t target = found.latest == COPIES ? 0 : 1 - found.latest;
  bool is_written = hash_of(copy, copy + HASH_AT) && copies->write(element, target, copy);
  bytes_wipe(copy, sizeof copy);
  return is_written;
}

#include "copies.h"

#include <string.h>

#include "platform/bytes.h"

#define AREAS 2
#define ERASED 0xff
#define HASH_AT (COPY_NUMBER_BYTES + REGISTER_BYTES_PERSISTENT)
#define NO_COPY UINT32_MAX

enum copy_state { COPY_GOOD, COPY_NEVER_WRITTEN, COPY_TORN };

static bool hash_of(const uint8_t copy[COPY_BYTES], uint8_t hash[TALLYSTICK_HASH_BYTES]) {
  return tallystick_sha256(copy, HASH_AT, hash, TALLYSTICK_HASH_BYTES) == 0;
}

static enum copy_state state_of(const uint8_t copy[COPY_BYTES]) {
  uint32_t i = 0;
  while (i < COPY_BYTES && copy[i] == ERASED) i++;
  if (i == COPY_BYTES) return COPY_NEVER_WRITTEN;
  uint8_t hash[TALLYSTICK_HASH_BYTES];
  return hash_of(copy, hash) && bytes_equal(hash, copy + HASH_AT, sizeof hash) ? COPY_GOOD : COPY_TORN;
}

/* What all copies are, and which of them counts. */
struct survey {
  uint32_t latest;
  uint32_t number;
  /* The first behind the latest, in its area, that was never written. */
  uint32_t next;
  /* Whether any but the very first is torn. */
  bool is_damaged;
};

static uint32_t area_of(const struct copies *copies, uint32_t copy) {
  return copy / copies->copies_per_area;
}

static void note(const struct copies *copies, struct survey *found, uint32_t index, const uint8_t copy[COPY_BYTES]) {
  enum copy_state state = state_of(copy);
  uint32_t number = bytes_read32(copy);
  if (state == COPY_TORN && index > 0) found->is_damaged = true;
  if (state == COPY_GOOD && (found->latest == NO_COPY || number > found->number)) {
    found->latest = index;
    found->number = number;
    found->next = NO_COPY;
  }
  bool is_free = state == COPY_NEVER_WRITTEN && found->latest != NO_COPY && found->next == NO_COPY;
  if (is_free && area_of(copies, index) == area_of(copies, found->latest)) found->next = index;
}

static bool survey(const struct copies *copies, uint32_t element, struct survey *found) {
  uint8_t copy[COPY_BYTES];
  bool is_read = true;
  *found = (struct survey){NO_COPY, 0, NO_COPY, false};
  for (uint32_t i = 0; is_read && i < AREAS * copies->copies_per_area; i++) {
    is_read = copies->read(element, i, copy);
    if (is_read) note(copies, found, i, copy);
  }
  bytes_wipe(copy, sizeof copy);
  return is_read;
}

bool copies_load(const struct copies *copies, uint32_t element, uint8_t registers[REGISTER_BYTES_PERSISTENT]) {
  struct survey found;
  if (!survey(copies, element, &found)) return false;
  if (found.latest == NO_COPY) {
    memset(registers, 0, REGISTER_BYTES_PERSISTENT);
    /* A first write that was torn was of a new chip, which has nothing to lose; any other torn copy is damage. */
    return !found.is_damaged;
  }
  uint8_t copy[COPY_BYTES];
  bool is_read = copies->read(element, found.latest, copy);
  if (is_read) memcpy(registers, copy + COPY_NUMBER_BYTES, REGISTER_BYTES_PERSISTENT);
  bytes_wipe(copy, sizeof copy);
  return is_read;
}

/* Where the next copy goes, with room made for it. */
static bool make_room(const struct copies *copies, uint32_t element, const struct survey *found, uint32_t *target) {
  *target = found->next;
  if (found->next != NO_COPY) return true;
  uint32_t area = found->latest == NO_COPY ? 0 : 1 - area_of(copies, found->latest);
  *target = area * copies->copies_per_area;
  return copies->erase == NULL || copies->erase(element, area);
}

/* Some drivers do not look at what flash made of it. `copy` is room for one. */
static bool reads_back(
    const struct copies *copies,
    uint32_t element,
    uint32_t target,
    uint32_t number,
    const uint8_t registers[REGISTER_BYTES_PERSISTENT],
    uint8_t copy[COPY_BYTES]) {
  return copies->read(element, target, copy) && state_of(copy) == COPY_GOOD && bytes_read32(copy) == number &&
         bytes_equal(copy + COPY_NUMBER_BYTES, registers, REGISTER_BYTES_PERSISTENT);
}

bool copies_save(const struct copies *copies, uint32_t element, const uint8_t registers[REGISTER_BYTES_PERSISTENT]) {
  struct survey found;
  uint32_t target;
  if (!survey(copies, element, &found)) return false;
  /* Numbers end after four thousand million writes, which no flash bears. */
  if (found.number == UINT32_MAX || !make_room(copies, element, &found, &target)) return false;
  uint8_t copy[COPY_BYTES];
  bytes_write32(copy, found.number + 1);
  memcpy(copy + COPY_NUMBER_BYTES, registers, REGISTER_BYTES_PERSISTENT);
  bool is_written = hash_of(copy, copy + HASH_AT) && copies->write(element, target, copy) &&
                    reads_back(copies, element, target, found.number + 1, registers, copy);
  bytes_wipe(copy, sizeof copy);
  return is_written;
}

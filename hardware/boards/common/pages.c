#include "pages.h"

#include <string.h>

#include "pages-sector.h"
#include "platform/bytes.h"

#define PIECE_BYTES 256
#define UNMAPPED 0xffffu
/* Of what collecting does while a program waits, each time something else may come first: see make_room. */
#define ROOM_STEPS_MAX (PAGES_SECTORS_MAX + 2)

enum sector_state { SECTOR_GARBAGE, SECTOR_CLEAN, SECTOR_IN_USE };

struct sector {
  enum sector_state state;
  /* Slots that are claimed, or cannot be any more: the first so many. */
  uint32_t used;
  uint32_t erases;
};

/* All that is known of the flash without reading it. */
static struct {
  const struct pages_flash *flash;
  uint32_t page_count;
  uint32_t slots;
  /* The last that was given to a format or begin. */
  uint32_t number;
  struct sector sectors[PAGES_SECTORS_MAX];
  /* Of each page its slot, counted through all sectors. */
  uint16_t places[PAGES_MAX];
} known;

static uint32_t count_in(enum sector_state state) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < known.flash->sector_count; i++) count += known.sectors[i].state == state;
  return count;
}

/* The one that was erased least often; sector_count: there is none. */
static uint32_t sector_in(enum sector_state state) {
  uint32_t found = known.flash->sector_count;
  for (uint32_t i = 0; i < known.flash->sector_count; i++) {
    if (known.sectors[i].state != state) continue;
    if (found == known.flash->sector_count || known.sectors[i].erases < known.sectors[found].erases) found = i;
  }
  return found;
}

static uint32_t live_in(uint32_t sector) {
  uint32_t count = 0;
  for (uint32_t page = 0; page < known.page_count; page++) {
    count += known.places[page] != UNMAPPED && known.places[page] / known.slots == sector;
  }
  return count;
}

static uint32_t next_number(void) {
  return known.number == UINT32_MAX ? UINT32_MAX : ++known.number;
}

static uint32_t bytes_at(uint32_t place) {
  return slot_address(known.flash, place / known.slots, place % known.slots);
}

/* Puts a clean sector into use, for slots that are free. */
static bool open_sector(uint32_t sector) {
  uint32_t number = next_number();
  struct sector *opened = &known.sectors[sector];
  bool is_open = sector_begin(known.flash, sector, number, SECTOR_NONE) && sector_commit(known.flash, sector, number);
  opened->state = is_open ? SECTOR_IN_USE : SECTOR_GARBAGE;
  return is_open;
}

static bool format_sector(uint32_t sector) {
  struct sector *formatted = &known.sectors[sector];
  formatted->state = SECTOR_GARBAGE;
  formatted->used = 0;
  formatted->erases++;
  if (!known.flash->erase(sector)) return false;
  uint32_t geometry = sector_geometry(known.flash, known.page_count);
  if (!sector_format(known.flash, sector, geometry, next_number(), formatted->erases)) return false;
  formatted->state = SECTOR_CLEAN;
  return true;
}

/* Only words that are programmed: the others can then still be. */
static bool copy_words(uint32_t to, const uint8_t *piece, uint32_t length) {
  uint32_t word = known.flash->word_bytes;
  for (uint32_t begin = 0; begin < length;) {
    uint32_t end = begin;
    while (end < length && !is_blank(piece + end, word)) end += word;
    if (end > begin && !known.flash->program(to + begin, piece + begin, end - begin)) return false;
    begin = end + word;
  }
  return true;
}

static bool copy_slot(uint32_t from, uint32_t to) {
  uint8_t piece[PIECE_BYTES];
  bool is_copied = true;
  for (uint32_t done = 0; is_copied && done < PAGES_PAGE_BYTES; done += sizeof piece) {
    is_copied = known.flash->read(from + done, piece, sizeof piece) && copy_words(to + done, piece, sizeof piece);
  }
  /* A page may hold keys. */
  bytes_wipe(piece, sizeof piece);
  return is_copied;
}

/* Claims and copies in the order of pages. */
static bool copy_live(uint32_t victim, uint32_t target) {
  uint32_t slot = 0;
  for (uint32_t page = 0; page < known.page_count; page++) {
    uint32_t place = known.places[page];
    if (place == UNMAPPED || place / known.slots != victim) continue;
    bool is_copied = slot_claim(known.flash, target, slot, page) &&
                     copy_slot(bytes_at(place), slot_address(known.flash, target, slot));
    if (!is_copied) return false;
    slot++;
  }
  return true;
}

/* The live slots of a sector go to the clean one, which takes its place; then it is garbage. */
static bool collect(uint32_t victim) {
  uint32_t target = sector_in(SECTOR_CLEAN);
  if (target == known.flash->sector_count || count_in(SECTOR_GARBAGE) > 0) return false;
  uint32_t number = next_number();
  known.sectors[target].state = SECTOR_GARBAGE;
  bool is_done = sector_begin(known.flash, target, number, victim) && copy_live(victim, target) &&
                 sector_commit(known.flash, target, number);
  if (!is_done) return false;
  uint32_t slot = 0;
  for (uint32_t page = 0; page < known.page_count; page++) {
    uint32_t place = known.places[page];
    if (place == UNMAPPED || place / known.slots != victim) continue;
    known.places[page] = (uint16_t)(target * known.slots + slot++);
  }
  known.sectors[target].used = slot;
  known.sectors[target].state = SECTOR_IN_USE;
  known.sectors[victim].state = SECTOR_GARBAGE;
  return true;
}

/* The sector in use with the most dead slots; sector_count: there is no dead one. */
static uint32_t most_dead(void) {
  uint32_t found = known.flash->sector_count;
  uint32_t most = 0;
  for (uint32_t i = 0; i < known.flash->sector_count; i++) {
    const struct sector *sector = &known.sectors[i];
    if (sector->state != SECTOR_IN_USE) continue;
    uint32_t dead = sector->used - live_in(i);
    bool is_better = dead > most || (dead > 0 && dead == most && sector->erases < known.sectors[found].erases);
    if (!is_better) continue;
    found = i;
    most = dead;
  }
  return found;
}

/* The sector in use that was erased so much less often than another that what lies in it is moved; sector_count: there is none. */
static uint32_t least_worn(void) {
  uint32_t most = 0;
  for (uint32_t i = 0; i < known.flash->sector_count; i++) {
    if (known.sectors[i].erases > most) most = known.sectors[i].erases;
  }
  uint32_t least = sector_in(SECTOR_IN_USE);
  bool is_behind = least < known.flash->sector_count && most - known.sectors[least].erases > PAGES_WEAR_GAP;
  return is_behind ? least : known.flash->sector_count;
}

static uint32_t sector_with_room(void) {
  for (uint32_t i = 0; i < known.flash->sector_count; i++) {
    if (known.sectors[i].state == SECTOR_IN_USE && known.sectors[i].used < known.slots) return i;
  }
  return known.flash->sector_count;
}

/* One step towards a free slot: garbage is erased first, because a copy needs that. */
static bool make_room(void) {
  uint32_t garbage = sector_in(SECTOR_GARBAGE);
  uint32_t clean = sector_in(SECTOR_CLEAN);
  bool is_more_than_reserve = count_in(SECTOR_GARBAGE) + count_in(SECTOR_CLEAN) > 1;
  if (is_more_than_reserve && clean < known.flash->sector_count) return open_sector(clean);
  if (garbage < known.flash->sector_count) return format_sector(garbage);
  uint32_t victim = most_dead();
  return victim < known.flash->sector_count && collect(victim);
}

static bool take_slot(uint32_t page) {
  for (uint32_t steps = 0; sector_with_room() == known.flash->sector_count; steps++) {
    if (steps == ROOM_STEPS_MAX || !make_room()) return false;
  }
  uint32_t sector = sector_with_room();
  uint32_t slot = known.sectors[sector].used++;
  if (!slot_claim(known.flash, sector, slot, page)) return false;
  known.places[page] = (uint16_t)(sector * known.slots + slot);
  return true;
}

static bool is_range(uint32_t page, uint32_t offset, uint32_t length) {
  return known.flash != NULL && page < known.page_count && (uint64_t)offset + length <= PAGES_PAGE_BYTES;
}

bool pages_read(uint32_t page, uint32_t offset, uint8_t *to, uint32_t length) {
  if (!is_range(page, offset, length)) return false;
  if (length == 0) return true;
  if (known.places[page] != UNMAPPED) return known.flash->read(bytes_at(known.places[page]) + offset, to, length);
  memset(to, BLANK, length);
  return true;
}

bool pages_program(uint32_t page, uint32_t offset, const uint8_t *from, uint32_t length) {
  if (!is_range(page, offset, length)) return false;
  if (offset % known.flash->word_bytes != 0 || length % known.flash->word_bytes != 0) return false;
  if (length == 0) return true;
  if (known.places[page] == UNMAPPED && !take_slot(page)) return false;
  return known.flash->program(bytes_at(known.places[page]) + offset, from, length);
}

bool pages_erase(uint32_t page) {
  if (!is_range(page, 0, 0)) return false;
  uint32_t place = known.places[page];
  if (place == UNMAPPED) return true;
  if (!slot_kill(known.flash, place / known.slots, place % known.slots)) return false;
  known.places[page] = UNMAPPED;
  return true;
}

/* Free slots, for which nothing must be erased or copied first. */
static uint32_t free_slots(void) {
  uint32_t clean = count_in(SECTOR_CLEAN);
  uint32_t count = clean > 1 ? (clean - 1) * known.slots : 0;
  for (uint32_t i = 0; i < known.flash->sector_count; i++) {
    if (known.sectors[i].state == SECTOR_IN_USE) count += known.slots - known.sectors[i].used;
  }
  return count;
}

bool pages_prepare(void) {
  if (known.flash == NULL) return false;
  uint32_t none = known.flash->sector_count;
  uint32_t garbage = sector_in(SECTOR_GARBAGE);
  if (garbage < none) return format_sector(garbage);
  uint32_t victim = free_slots() < PAGES_AHEAD ? most_dead() : least_worn();
  return victim < none && collect(victim);
}

/* What one slot's entry says of its page. False: flash fails, or two slots say of themselves that they are one page's. */
static bool take_entry(uint32_t sector, uint32_t slot) {
  struct slot_entry entry;
  if (!slot_read(known.flash, sector, slot, &entry)) return false;
  if (entry.is_blank) return true;
  known.sectors[sector].used = slot + 1;
  if (!entry.is_live) return entry.is_marked || slot_kill(known.flash, sector, slot);
  if (entry.page >= known.page_count || known.places[entry.page] != UNMAPPED) return false;
  known.places[entry.page] = (uint16_t)(sector * known.slots + slot);
  return true;
}

static bool take_sector(uint32_t sector, const struct sector_header *header, bool is_replaced) {
  struct sector *taken = &known.sectors[sector];
  bool is_clean = false;
  if (!is_replaced && header->is_unused && !sector_is_clean(known.flash, sector, &is_clean)) return false;
  taken->used = 0;
  if (!is_replaced && header->is_committed) taken->state = SECTOR_IN_USE;
  else taken->state = is_clean ? SECTOR_CLEAN : SECTOR_GARBAGE;
  if (taken->state != SECTOR_IN_USE) return true;
  bool is_read = true;
  for (uint32_t slot = 0; is_read && slot < known.slots; slot++) is_read = take_entry(sector, slot);
  return is_read;
}

static bool is_replaced(const struct sector_header *headers, uint32_t sector) {
  for (uint32_t i = 0; i < known.flash->sector_count; i++) {
    const struct sector_header *other = &headers[i];
    if (other->is_committed && other->replaces == sector && other->begin > headers[sector].number) return true;
  }
  return false;
}

static bool take_flash(void) {
  struct sector_header headers[PAGES_SECTORS_MAX];
  uint32_t count = known.flash->sector_count;
  uint32_t most = 0;
  for (uint32_t i = 0; i < count; i++) {
    struct sector_header *header = &headers[i];
    if (!sector_read(known.flash, i, header)) return false;
    if (!header->is_formatted) continue;
    if (header->geometry != sector_geometry(known.flash, known.page_count)) return false;
    if (header->number > known.number) known.number = header->number;
    if (header->begin > known.number) known.number = header->begin;
    if (header->erases > most) most = header->erases;
  }
  for (uint32_t i = 0; i < count; i++) {
    known.sectors[i].erases = headers[i].is_formatted ? headers[i].erases : most;
    if (!take_sector(i, &headers[i], is_replaced(headers, i))) return false;
  }
  return count_in(SECTOR_IN_USE) < count;
}

bool pages_start(const struct pages_flash *flash, uint32_t page_count) {
  known.flash = NULL;
  uint32_t slots = flash->sector_bytes / PAGES_PAGE_BYTES - 1;
  bool is_fitting = flash->sector_count >= 2 && flash->sector_count <= PAGES_SECTORS_MAX && sector_has_room(flash) &&
                    page_count <= PAGES_MAX && page_count + 2 * PAGES_AHEAD <= (flash->sector_count - 1) * slots;
  if (!is_fitting) return false;
  known.flash = flash;
  known.page_count = page_count;
  known.slots = slots;
  known.number = 0;
  memset(known.places, 0xff, sizeof known.places);
  if (take_flash()) return true;
  known.flash = NULL;
  return false;
}

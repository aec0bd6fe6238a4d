/* The header of a sector of pages (pages.h): its records and the entries of its slots, read and written. */
#ifndef TALLYSTICK_PAGES_SECTOR_H
#define TALLYSTICK_PAGES_SECTOR_H

#include "pages.h"

#define BLANK 0xff
/* Of a sector that replaces none. */
#define SECTOR_NONE UINT32_MAX

bool is_blank(const uint8_t *bytes, uint32_t length);

/* Whether flash's numbers are powers of two within their limits, and a header has room for its entries. */
bool sector_has_room(const struct pages_flash *flash);

/* The number that stands for a geometry, and for this format. */
uint32_t sector_geometry(const struct pages_flash *flash, uint32_t page_count);

struct sector_header {
  bool is_formatted;
  bool is_committed;
  /* Formatted, and neither begun nor committed, not even in part. */
  bool is_unused;
  /* Of the format. */
  uint32_t geometry;
  uint32_t number;
  uint32_t erases;
  /* Of the begin; zero, and none, where that is not whole. */
  uint32_t begin;
  uint32_t replaces;
};

/* False: flash cannot be read. */
bool sector_read(const struct pages_flash *flash, uint32_t sector, struct sector_header *header);

/* Whether all behind the format reads erased. False: flash cannot be read. */
bool sector_is_clean(const struct pages_flash *flash, uint32_t sector, bool *is_clean);

/* Whether the record reads whole afterwards. */
bool sector_format(const struct pages_flash *flash, uint32_t sector, uint32_t geometry, uint32_t number, uint32_t erases);
bool sector_begin(const struct pages_flash *flash, uint32_t sector, uint32_t number, uint32_t replaces);
bool sector_commit(const struct pages_flash *flash, uint32_t sector, uint32_t number);

struct slot_entry {
  /* Nothing of it is programmed: the slot can be claimed. */
  bool is_blank;
  /* A page's, and not dead. */
  bool is_live;
  /* `dead` is all zero. */
  bool is_marked;
  uint32_t page;
};

/* Address of a slot's bytes. */
uint32_t slot_address(const struct pages_flash *flash, uint32_t sector, uint32_t slot);

bool slot_read(const struct pages_flash *flash, uint32_t sector, uint32_t slot, struct slot_entry *entry);

/* Whether the claim reads whole afterwards. */
bool slot_claim(const struct pages_flash *flash, uint32_t sector, uint32_t slot, uint32_t page);

/* Whether the slot reads as dead afterwards. */
bool slot_kill(const struct pages_flash *flash, uint32_t sector, uint32_t slot);

#endif

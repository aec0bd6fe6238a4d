/*
 * Pages of 4 KiB on NOR flash whose sectors are larger: a map from pages to slots, which are written one after the other.
 *
 * A sector is one slot of header and then slots of 4 KiB, each for the bytes of one page. Erasing a page marks its slot dead, by
 * one word; its next program takes a free slot. Where no slot is free, the live slots of a sector are copied to a clean one, which
 * takes that sector's place; then it is erased. One sector is always kept out of use for that.
 *
 *   header   0  format   geometry, number, erases   written when the sector was erased: all else in it is blank
 *           32  begin    number, replaces           before the first slot: which sector's live slots are copied here, or none
 *           64  commit   the number of `begin`      when they are; from here on the sector is in use
 *           96  entries  of each slot [ claim | dead ], a unit each
 *
 * A unit is a word of flash, four bytes at least. Each is programmed once, but for `dead`, which is made zero again where a cut may
 * have left it half-way. A number is stored as itself and its complement (a claim: the page in 16 bits, and their complement), so
 * that all numbers have as many bits set: one of which a cut cleared only some bits, or which erasing has begun to set, has more of
 * them and is none. `dead` holds from the first cleared bit. Numbers count formats and begins of all sectors together: the greater
 * is the later.
 *
 * A sector is in use when format, begin and commit are whole, unless one that is committed replaces it and began after its format.
 * It is clean when its format is whole and everything else reads erased, unless it is replaced. Otherwise it is garbage, and erased
 * before anything else is done with it. No sector is begun to take another's place while there is garbage: so none that says of
 * garbage that it is replaced is ever erased before it.
 *
 * What is on flash after a power cut, and what pages_start makes of it:
 *
 *   program   1 claim a slot, where the page has none   torn: a dead slot. Whole: the page reads erased, as before
 *             2 program the bytes                       torn: what the caller's program left
 *   erase     1 mark dead                               no bit cleared: the page is whole. Any: it is erased
 *   open      1 begin, replaces none  2 commit          until the commit is whole: garbage. Then in use, all slots free
 *   collect   1 begin, replaces the victim              until the commit is whole: garbage; the victim is in use, as before
 *             2 claim and copy each live slot           the same
 *             3 commit                                  whole: in use, and the victim is garbage whatever its header says
 *   format    1 erase                                   garbage: a replaced sector because it is replaced, whatever is left of
 *                                                       it; one whose copy was broken off because it does not read erased
 *             2 write format                            torn: garbage
 *
 * pages_start writes nothing but zeros to `dead` of slots that it takes for dead; cut, it finds the same again. Where an operation
 * says that it failed, what flash reads afterwards counts, because that is what counts at the next start.
 *
 * Assumed, as by the firmware's store: programming clears bits, and a cut leaves any of them cleared; what reads erased can be
 * programmed; a word reads the same every time. Of an erasure that was cut anything may be left, but no number that was not there.
 *
 * Cost: RAM, two bytes a page and twelve a sector. A program copies one sector at most, and erases one, or as many as are garbage.
 * After pages_prepare has answered false, the next PAGES_AHEAD pages that need a slot cost nothing but themselves.
 *
 * Wear: the sector with the most dead slots is collected, of several the one that was erased least often; one that lies back by
 * more than PAGES_WEAR_GAP, because nothing in it changes, is moved. Erasures that were cut are not counted, and a sector whose
 * count was lost takes the greatest.
 *
 * What a page held stays on flash in a dead slot until its sector is erased.
 */
#ifndef TALLYSTICK_PAGES_H
#define TALLYSTICK_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#define PAGES_PAGE_BYTES 4096
#define PAGES_MAX 256
#define PAGES_SECTORS_MAX 16
/* Free slots that pages_prepare sees to. Twice as many must be left over by all pages, so that collecting is worth its while. */
#define PAGES_AHEAD 8
#define PAGES_WEAR_GAP 16

/*
 * Flash of equal sectors: powers of two, 8 KiB to 1 MiB; words of 1 to 32 bytes. Addresses count from the first sector. Only whole
 * words are programmed, erased ones, or again with zeros.
 */
struct pages_flash {
  uint32_t sector_bytes;
  uint32_t sector_count;
  uint32_t word_bytes;
  bool (*read)(uint32_t address, uint8_t *to, uint32_t length);
  bool (*program)(uint32_t address, const uint8_t *from, uint32_t length);
  bool (*erase)(uint32_t sector);
};

/*
 * Finds what there is, and finishes what was broken off; flash without a sector of ours is that of a new chip, and all pages are
 * erased. False: flash cannot be read, holds pages of another geometry, or contradicts itself; or the geometry has no room for so
 * many pages. What `flash` points to is used from here on.
 */
bool pages_start(const struct pages_flash *flash, uint32_t page_count);

/* Any bytes of one page; those of a page never programmed since its erasure read 0xFF. */
bool pages_read(uint32_t page, uint32_t offset, uint8_t *to, uint32_t length);

/* Whole words of one page, erased ones. False: flash did not take it, or no slot can be had. */
bool pages_program(uint32_t page, uint32_t offset, const uint8_t *from, uint32_t length);

bool pages_erase(uint32_t page);

/*
 * One step of work ahead, a sector erased or copied. False: there is none left to do, or flash fails. Boards call it, until it is
 * false or something waits, before they sleep.
 */
bool pages_prepare(void);

#endif

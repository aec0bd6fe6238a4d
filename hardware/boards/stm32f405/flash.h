/*
 * The chip's flash from sector 7 on, five sectors of 128 KiB, for pages (RM0090, embedded flash memory interface). What lies before,
 * the image, no address reaches.
 *
 * Code is fetched from the same bank: while it is programmed or erased (16 us a word, 1 to 2 s a sector) the core stands still at
 * its next fetch, and interrupts wait. So nothing has to run from RAM; but what must go on meanwhile needs no core: the serial line's
 * receiver has the DMA controller, and time a timer.
 */
#ifndef TALLYSTICK_CHIP_FLASH_H
#define TALLYSTICK_CHIP_FLASH_H

#include "boards/common/pages.h"

#define CHIP_FLASH_SECTOR_FIRST 7u
/* A model may have more (test/stm32/hosted). */
#ifndef CHIP_FLASH_SECTORS
#define CHIP_FLASH_SECTORS 5u
#endif
#define CHIP_FLASH_SECTOR_BYTES 0x20000u
#define CHIP_FLASH_WORD_BYTES 4u
#define CHIP_FLASH_AT 0x08060000u

extern const struct pages_flash chip_flash;

#endif

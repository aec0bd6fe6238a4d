/*
 * Flash and registers of all elements in pages (boards/common/pages.h), for boards whose flash has larger sectors: of each element
 * its flash pages, and then two more, the areas of its registers' copies.
 *
 * The board defines `board_flash`: pages of PAGES_PAGE_BYTES, words of the flash under them.
 */
#ifndef TALLYSTICK_PAGED_STORE_H
#define TALLYSTICK_PAGED_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "boards/common/pages.h"

#define REGISTER_AREAS 2

/* False: see pages_start. */
bool paged_store_open(const struct pages_flash *flash, uint32_t elements);

#endif

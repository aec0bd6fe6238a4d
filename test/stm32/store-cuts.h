/* Registers of elements under power cuts. */
#ifndef TALLYSTICK_STORE_CUTS_H
#define TALLYSTICK_STORE_CUTS_H

#include "medium.h"

/* Flash pages of an element; with those of the registers of two elements a medium has five pages each. */
#define STORE_CUTS_PAGES 3

/* Says how many cuts there were. */
void store_cuts(const struct medium *medium, uint32_t saves);

/* Copies that age or a cut has spoilt. */
void copies_damage(void);

#endif

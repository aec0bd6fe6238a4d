/*
 * What a board in QEMU is told on QEMU's command line (-semihosting-config arg=...), in this order, each if it is
 * wanted: store=FILE, clock=FILE, applets=NAMES, random=FILE, seed=TEXT.
 *
 * QEMU has none of these chips' random sources. `random` names the host's, for example /dev/urandom; `seed` makes one for tests.
 * Without either nothing that asks for random bytes gets any.
 */
#ifndef TALLYSTICK_MACHINE_H
#define TALLYSTICK_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

/* Reads the command line, once. */
bool machine_start(void);

/* File of what outlives power; NULL: none was named. */
const char *machine_store(void);

/* Whether time is what a file says, and not the chip's own: for tests. */
bool machine_has_clock(void);
uint64_t machine_clock_ms(void);

#endif

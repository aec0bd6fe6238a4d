/*
 * The card as a USB HID device: reports of TALLYSTICK_USB_REPORT_BYTES in and out, CTAPHID in them (framing.h), the card's APDUs in
 * that.
 *
 * Two threads: the card works on one, and the framing goes on meanwhile on the other, so that the host hears that the card is alive
 * and others hear that it is busy. What a host has left in the card, a verified PIN above all, ends with its power before another
 * host's command.
 */
#ifndef TALLYSTICK_HID_CARD_H
#define TALLYSTICK_HID_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "usb.generated.h"

/* Serves until `hid_card_end`, on the caller's thread and one of its own with so much stack. False: it could not be started. */
bool hid_card_serve(size_t card_stack_bytes);

/* For the USB stack, from any thread. */

/*
 * A report came; one of another length is none. Waits a moment where there is no room for it, so that a stack that takes no report before
 * this one is done holds the host back. One for which there is none even then is lost, which the framing of both ends notices.
 */
void hid_card_take(const uint8_t *report, size_t length);
/* The report that was sent last is with the host: there is room for the next. */
void hid_card_sent(void);
/* The bus was reset, or the device unplugged: the card loses its power, and whatever was under way is over. */
void hid_card_reset(void);
void hid_card_end(void);

/* What the board provides. */

/* Whether the USB stack takes a report now; `hid_card_sent` says when it does again. */
bool hid_can_send(void);
/* Gives it one. What it does not take after all is lost: the device is about to be gone. */
void hid_send(const uint8_t report[TALLYSTICK_USB_REPORT_BYTES]);
/* Milliseconds, which may wrap around. */
uint32_t hid_now_ms(void);
/* Something is broken that cannot be: begins again from reset. */
_Noreturn void hid_stop(void);

#endif

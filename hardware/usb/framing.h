/*
 * CTAPHID for boards: firmware/usb/index.ts, the code that host and simulator run too, by wasm2c. One device, for one thread. Times
 * are milliseconds that may wrap around.
 */
#ifndef TALLYSTICK_FRAMING_H
#define TALLYSTICK_FRAMING_H

#include <stdbool.h>
#include <stdint.h>

#include "usb.generated.h"

/* A fresh device: at power-up, and when the bus is reset. */
void framing_start(void);

/* Whether there is room for what one more report may bring. */
bool framing_can_take(void);
void framing_take(const uint8_t report[TALLYSTICK_USB_REPORT_BYTES], uint32_t now_ms);

/* The next report for the host; false when there is none. */
bool framing_next(uint8_t report[TALLYSTICK_USB_REPORT_BYTES], uint32_t now_ms);

/* Every TALLYSTICK_USB_KEEPALIVE_INTERVAL_MS or more often. */
void framing_tick(uint32_t now_ms);

/* Command of the message that waits for the card; -1: none does. */
int32_t framing_ready_command(void);

/* Whether the card must lose its power before that message, because what is in it is another's. */
bool framing_is_anothers(void);

/* The card begins with it: bytes of the message. From here to `framing_answer` the framing leaves its memory alone. */
uint32_t framing_begin(void);

/* Where the message lies, and where its answer is put: TALLYSTICK_USB_MESSAGE_BYTES_MAX. From any thread. */
uint8_t *framing_message(void);
void framing_answer(uint32_t length, uint32_t now_ms);

#endif

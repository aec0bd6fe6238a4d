/*
 * Frames on a byte stream, as in HDLC-like framing (RFC 1662): a flag (7E) before and after; 7D before each 7E and 7D within, which
 * then have bit 5 turned over; at the end the FCS-16 of what is between, the lower byte first. Within are one byte, the tag, which an
 * answer has from what it answers, and the message. A frame whose FCS is wrong, one that is too short, and one that was given
 * up (7D 7E) are as if they had never been: the line may lose bytes, and whoever sends may die in the middle of a message.
 */
#ifndef TALLYSTICK_FRAMES_H
#define TALLYSTICK_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

/* Who takes messages, byte by byte as they come; whether a frame is good is known only at its end. */
struct frame_taker {
  void (*take)(uint8_t byte);
  /* What was taken since the last good frame is no message. */
  void (*drop)(void);
};

struct frame {
  uint8_t tag;
  /* Of the message; UINT32_MAX stands for more, too. */
  uint32_t length;
};

/* Waits for the next good frame, whose message the taker then has. False: the stream has ended. */
bool frame_receive(const struct frame_taker *taker, struct frame *frame);

/* Sends a frame, its message in any number of parts. False: the stream has ended. */
void frame_begin(uint8_t tag);
void frame_put(const uint8_t *bytes, uint32_t length);
bool frame_end(void);

/* The same with the message in one part. */
bool frame_send(uint8_t tag, const uint8_t *message, uint32_t length);

#endif

/*
 * The card on a byte stream: a serial line, a pipe, a socket; its messages come in frames (card/frames.h).
 *
 * A message of one byte is a control: 0 power off, 1 power on, 2 reset, without an answer; 4 asks for the answer to reset; 5 asks
 * what board this is, and is answered by one byte, where its random bytes come from (enum board_random_source), and its name in ASCII.
 * Any other is a command APDU, and its answer is a message with response and status word, or an empty one from a card without power. The
 * card has power from the beginning.
 */
#ifndef TALLYSTICK_STREAM_H
#define TALLYSTICK_STREAM_H

/* Serves the stream until it ends. */
void stream_serve(void);

#endif

/*
 * The card on a byte stream: a serial line, a pipe, a socket.
 *
 * Each message is two bytes of length, the more significant first, and as many bytes. One of one byte is a control: 0 power off,
 * 1 power on, 2 reset, without an answer; 4 asks for the answer to reset. Any other is a command APDU, and its answer is a
 * message with response and status word, or an empty one from a card without power. These are the messages of vsmartcard's virtual
 * reader, so that a chip on a stream can be put into one. The card has power from the beginning.
 */
#ifndef TALLYSTICK_STREAM_H
#define TALLYSTICK_STREAM_H

/* Serves the stream until it ends. */
void stream_serve(void);

#endif

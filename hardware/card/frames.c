#include "frames.h"

#include "boards/board.h"

#define FLAG 0x7e
#define ESCAPE 0x7d
#define ESCAPED_BIT 0x20

#define FCS_BYTES 2
#define FCS_START 0xffff
#define FCS_POLYNOMIAL 0x8408
/* What comes out where the FCS, too, has gone in. */
#define FCS_GOOD 0xf0b8
#define FRAME_BYTES_MIN (1 + FCS_BYTES)

#define CHUNK_BYTES 64

static struct {
  uint8_t chunk[CHUNK_BYTES];
  uint32_t length;
  uint16_t fcs;
  bool is_over;
} sending;

static uint16_t fcs_after(uint16_t fcs, uint8_t byte) {
  uint32_t value = (uint32_t)fcs ^ byte;
  for (unsigned bit = 0; bit < 8; bit++) value = (value & 1) != 0 ? value >> 1 ^ FCS_POLYNOMIAL : value >> 1;
  return (uint16_t)value;
}

bool frame_receive(const struct frame_taker *taker, struct frame *frame) {
  /* The last two bytes are held back: they are the FCS if a flag is next. */
  uint8_t held[FCS_BYTES] = {0};
  uint32_t count = 0;
  uint16_t fcs = FCS_START;
  bool is_escaped = false;
  uint8_t byte;
  while (board_receive(&byte, 1)) {
    if (byte == FLAG) {
      if (!is_escaped && count >= FRAME_BYTES_MIN && fcs == FCS_GOOD) {
        frame->length = count == UINT32_MAX ? count : count - FRAME_BYTES_MIN;
        return true;
      }
      taker->drop();
      count = 0;
      fcs = FCS_START;
      is_escaped = false;
      continue;
    }
    if (byte == ESCAPE && !is_escaped) {
      is_escaped = true;
      continue;
    }
    if (is_escaped) byte ^= ESCAPED_BIT;
    is_escaped = false;
    fcs = fcs_after(fcs, byte);
    if (count == 0) frame->tag = byte;
    if (count > FCS_BYTES) taker->take(held[count % FCS_BYTES]);
    held[count % FCS_BYTES] = byte;
    /* A line that never sends a flag must not count round to a short message. */
    if (count < UINT32_MAX) count++;
  }
  taker->drop();
  return false;
}

static void flush(void) {
  if (sending.length > 0 && !sending.is_over) sending.is_over = !board_send(sending.chunk, sending.length);
  sending.length = 0;
}

static void put_on_line(uint8_t byte) {
  if (sending.length == CHUNK_BYTES) flush();
  sending.chunk[sending.length++] = byte;
}

static void put_escaped(uint8_t byte) {
  if (byte == FLAG || byte == ESCAPE) {
    put_on_line(ESCAPE);
    byte ^= ESCAPED_BIT;
  }
  put_on_line(byte);
}

void frame_begin(uint8_t tag) {
  sending.length = 0;
  sending.fcs = FCS_START;
  sending.is_over = false;
  put_on_line(FLAG);
  frame_put(&tag, 1);
}

void frame_put(const uint8_t *bytes, uint32_t length) {
  for (uint32_t i = 0; i < length; i++) {
    sending.fcs = fcs_after(sending.fcs, bytes[i]);
    put_escaped(bytes[i]);
  }
}

bool frame_end(void) {
  uint16_t fcs = (uint16_t)~sending.fcs;
  put_escaped((uint8_t)fcs);
  put_escaped((uint8_t)(fcs >> 8));
  put_on_line(FLAG);
  flush();
  return !sending.is_over;
}

bool frame_send(uint8_t tag, const uint8_t *message, uint32_t length) {
  frame_begin(tag);
  frame_put(message, length);
  return frame_end();
}

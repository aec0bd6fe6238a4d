#include "card.h"

#include <string.h>

#include "boards/board.h"
#include "wasm/applets.h"

/* As in firmware/protocol/apdu.ts. */
#define CARD_CHANNELS 4
#define HEADER_BYTES 4

#define CHANNEL_BITS 0x03
/* CLA with this bit numbers channels from 4 on, which no card here has. */
#define FURTHER_INTERINDUSTRY 0x40
/* No class at all: it belongs to readers. */
#define CLASS_INVALID 0xff
#define INS_MANAGE_CHANNEL 0x70
#define INS_SELECT 0xa4
#define SELECT_BY_NAME 0x04
#define MANAGE_OPEN 0x00
#define MANAGE_CLOSE 0x80

#define SW_OK 0x9000
#define SW1_OK 0x90
#define SW1_OK_WAITING 0x91
#define SW1_MORE 0x61
#define SW_WRONG_LENGTH 0x6700
#define SW_CHANNEL_UNSUPPORTED 0x6881
#define SW_CONDITIONS 0x6985
#define SW_FUNCTION_UNSUPPORTED 0x6a81
#define SW_NOT_FOUND 0x6a82
#define SW_WRONG_P1P2 0x6b00
#define SW_CLASS_UNSUPPORTED 0x6e00
/* The applet stopped; until the next reset it answers nothing else. */
#define SW_STOPPED 0x6f00

/* F0 "TALLY", then the applet's number (firmware/protocol/apdu.ts). */
static const uint8_t aid_prefix[] = {0xf0, 'T', 'A', 'L', 'L', 'Y'};
#define AID_BYTES (sizeof aid_prefix + 1)

#define NO_APPLET UINT32_MAX

struct channel {
  bool is_open;
  /* Index of the applet, or NO_APPLET. */
  uint32_t applet;
};

/* By number; the basic channel, 0, is open while there is power. */
static struct channel channels[CARD_CHANNELS];
static uint8_t short_response[3];

static struct card_response status(uint32_t word) {
  short_response[0] = (uint8_t)(word >> 8);
  short_response[1] = (uint8_t)word;
  return (struct card_response){short_response, 2};
}

bool card_is_on(void) {
  return channels[0].is_open;
}

void card_power_on(void) {
  card_power_off();
  channels[0].is_open = true;
  /* One that does not start stays off, and answers that it stopped. */
  for (uint32_t i = 0; i < applets_count; i++) {
    if (!board_has_applet(applet_number(i)) || !applet_power_on(i)) continue;
    if (applet_buffer_bytes(i) > CARD_COMMAND_BYTES_MAX) applet_power_off(i);
  }
}

void card_power_off(void) {
  for (uint32_t i = 0; i < CARD_CHANNELS; i++) channels[i] = (struct channel){false, NO_APPLET};
  for (uint32_t i = 0; i < applets_count; i++) applet_power_off(i);
}

/* An applet that stopped in mid-command leaves a card that answers but cannot go on. */
static struct card_response run(uint32_t applet, const uint8_t *command, uint32_t length) {
  if (!applet_is_on(applet)) return status(SW_STOPPED);
  if (length > applet_buffer_bytes(applet)) return status(SW_WRONG_LENGTH);
  struct card_response response;
  response.bytes = applet_command(applet, command, length, &response.length);
  return response.bytes == NULL ? status(SW_STOPPED) : response;
}

/* The applet whose AID is the data of a command in short or extended form. */
static uint32_t named_applet(const uint8_t *command, uint32_t length) {
  if (length <= HEADER_BYTES) return NO_APPLET;
  bool is_short = command[4] != 0;
  uint32_t start = is_short ? 5 : 7;
  if (length < start + AID_BYTES) return NO_APPLET;
  uint32_t data_length = is_short ? command[4] : (uint32_t)command[5] << 8 | command[6];
  if (data_length != AID_BYTES || memcmp(command + start, aid_prefix, sizeof aid_prefix) != 0) return NO_APPLET;
  uint32_t number = command[start + sizeof aid_prefix];
  for (uint32_t i = 0; i < applets_count; i++) {
    if (applet_number(i) == number && board_has_applet(number)) return i;
  }
  return NO_APPLET;
}

static bool is_done(struct card_response response) {
  uint8_t first = response.bytes[response.length - 2];
  return first == SW1_OK || first == SW1_OK_WAITING || first == SW1_MORE;
}

/* An applet comes to a channel by a SELECT that it has carried out, and so has forgotten what was before; by no other way. */
static struct card_response select_applet(uint32_t number, const uint8_t *command, uint32_t length) {
  uint32_t found = named_applet(command, length);
  if (found == NO_APPLET) return status(SW_NOT_FOUND);
  /* What an applet was told on one channel, the owner's PIN above all, is not another channel's. */
  for (uint32_t i = 0; i < CARD_CHANNELS; i++) {
    if (i != number && channels[i].is_open && channels[i].applet == found) return status(SW_CONDITIONS);
  }
  struct card_response response = run(found, command, length);
  if (is_done(response)) channels[number].applet = found;
  return response;
}

static struct card_response open_channel(uint32_t wanted) {
  uint32_t free = wanted;
  for (uint32_t i = 1; free == 0 && i < CARD_CHANNELS; i++) {
    if (!channels[i].is_open) free = i;
  }
  if (free == 0 || channels[free].is_open) return status(SW_FUNCTION_UNSUPPORTED);
  channels[free] = (struct channel){true, NO_APPLET};
  if (wanted != 0) return status(SW_OK);
  short_response[0] = (uint8_t)free;
  short_response[1] = SW_OK >> 8;
  short_response[2] = SW_OK & 0xff;
  return (struct card_response){short_response, 3};
}

/* Opens a channel that the card chooses, whose number is the answer, or one that the host names; closes one. */
static struct card_response manage_channel(uint32_t own, uint8_t p1, uint8_t p2, uint32_t length) {
  if (length > HEADER_BYTES + 1) return status(SW_WRONG_LENGTH);
  if (p1 == MANAGE_CLOSE) {
    uint32_t closed = p2 == 0 ? own : p2;
    if (closed == 0 || closed >= CARD_CHANNELS) return status(SW_WRONG_P1P2);
    if (!channels[closed].is_open) return status(SW_CHANNEL_UNSUPPORTED);
    channels[closed] = (struct channel){false, NO_APPLET};
    return status(SW_OK);
  }
  if (p1 != MANAGE_OPEN || p2 >= CARD_CHANNELS) return status(SW_WRONG_P1P2);
  /* Nobody would learn its number. */
  if (p2 == 0 && length == HEADER_BYTES) return status(SW_WRONG_LENGTH);
  return open_channel(p2);
}

struct card_response card_transmit(uint8_t *command, uint32_t length) {
  if (length < HEADER_BYTES) return status(SW_WRONG_LENGTH);
  if (command[0] == CLASS_INVALID) return status(SW_CLASS_UNSUPPORTED);
  uint32_t number = command[0] & CHANNEL_BITS;
  bool is_further = (command[0] & FURTHER_INTERINDUSTRY) != 0;
  if (is_further || !channels[number].is_open) return status(SW_CHANNEL_UNSUPPORTED);
  command[0] &= (uint8_t)~CHANNEL_BITS;
  bool is_select = command[1] == INS_SELECT;
  if (command[0] == 0 && command[1] == INS_MANAGE_CHANNEL) {
    return manage_channel(number, command[2], command[3], length);
  }
  if (command[0] == 0 && is_select && command[2] == SELECT_BY_NAME) return select_applet(number, command, length);
  if (channels[number].applet != NO_APPLET) return run(channels[number].applet, command, length);
  /* There are no files beside the applets. */
  return status(is_select ? SW_NOT_FOUND : SW_CONDITIONS);
}

struct card_response card_answer_to_reset(void) {
  /*
   * T=1, blocks of 254 bytes; historical bytes in compact TLV: "TALLY"; selection by full name, short file identifiers, record
   * numbers, data units of one byte, command chaining, extended length, channels chosen by card or host, four of them. The last
   * byte checks the others.
   */
  static const uint8_t answer[] = {0x3b, 0x8b, 0x81, 0x31, 0xfe, 0x45, 0x80, 0x55, 'T',
                                   'A',  'L',  'L',  'Y',  0x73, 0x86, 0x01, 0xdb, 0x36};
  return (struct card_response){answer, sizeof answer};
}

#include "card.h"

#include <string.h>

#include "boards/board.h"
#include "platform/bytes.h"
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
/* Header, lengths in extended form, AID: the longest beginning of a command that tells who gets it. */
#define BEGINNING_BYTES (HEADER_BYTES + 3 + AID_BYTES)

#define NO_APPLET UINT32_MAX

struct channel {
  bool is_open;
  /* Index of the applet, or NO_APPLET. */
  uint32_t applet;
};

/* By number; the basic channel, 0, is open while there is power. */
static struct channel channels[CARD_CHANNELS];
static uint8_t short_response[3];

/* Who gets a command. */
struct route {
  uint32_t channel;
  /* Index of the applet, or NO_APPLET: then it is the card's own, or refused with this status word. */
  uint32_t applet;
  uint32_t refusal;
  bool is_manage_channel;
  bool is_select;
};

/* The command that is coming. */
static struct {
  uint8_t beginning[BEGINNING_BYTES];
  /* UINT32_MAX stands for more, too. */
  uint32_t length;
  /* Since the beginning is there. */
  bool is_routed;
  struct route route;
  /* The applet's buffer, and how many bytes of the command fit there. */
  uint8_t *buffer;
  uint32_t room;
} command;

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
    if (board_has_applet(applet_number(i))) (void)applet_power_on(i);
  }
}

void card_power_off(void) {
  card_command_drop();
  for (uint32_t i = 0; i < CARD_CHANNELS; i++) channels[i] = (struct channel){false, NO_APPLET};
  for (uint32_t i = 0; i < applets_count; i++) applet_power_off(i);
}

/* The applet whose AID is the data of a command in short or extended form. */
static uint32_t named_applet(const uint8_t *beginning, uint32_t length) {
  if (length <= HEADER_BYTES) return NO_APPLET;
  bool is_short = beginning[4] != 0;
  uint32_t start = is_short ? 5 : 7;
  if (length < start + AID_BYTES) return NO_APPLET;
  uint32_t data_length = is_short ? beginning[4] : (uint32_t)beginning[5] << 8 | beginning[6];
  if (data_length != AID_BYTES || memcmp(beginning + start, aid_prefix, sizeof aid_prefix) != 0) return NO_APPLET;
  uint32_t number = beginning[start + sizeof aid_prefix];
  for (uint32_t i = 0; i < applets_count; i++) {
    if (applet_number(i) == number && board_has_applet(number)) return i;
  }
  return NO_APPLET;
}

static bool is_done(struct card_response response) {
  uint8_t first = response.bytes[response.length - 2];
  return first == SW1_OK || first == SW1_OK_WAITING || first == SW1_MORE;
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

static struct route refused(uint32_t status_word) {
  return (struct route){.applet = NO_APPLET, .refusal = status_word};
}

static struct route route_of_select(uint32_t channel, const uint8_t *beginning, uint32_t length) {
  uint32_t found = named_applet(beginning, length);
  if (found == NO_APPLET) return refused(SW_NOT_FOUND);
  /* What an applet was told on one channel, the owner's PIN above all, is not another channel's. */
  for (uint32_t i = 0; i < CARD_CHANNELS; i++) {
    if (i != channel && channels[i].is_open && channels[i].applet == found) return refused(SW_CONDITIONS);
  }
  return (struct route){.channel = channel, .applet = found, .is_select = true};
}

/* By the first `length` bytes of a command, which are all of it or BEGINNING_BYTES. */
static struct route route_of(const uint8_t *beginning, uint32_t length) {
  if (length < HEADER_BYTES) return refused(SW_WRONG_LENGTH);
  if (beginning[0] == CLASS_INVALID) return refused(SW_CLASS_UNSUPPORTED);
  uint32_t channel = beginning[0] & CHANNEL_BITS;
  bool is_further = (beginning[0] & FURTHER_INTERINDUSTRY) != 0;
  if (is_further || !channels[channel].is_open) return refused(SW_CHANNEL_UNSUPPORTED);
  bool is_plain = (beginning[0] & ~CHANNEL_BITS) == 0;
  bool is_select = beginning[1] == INS_SELECT;
  if (is_plain && beginning[1] == INS_MANAGE_CHANNEL) {
    return (struct route){.channel = channel, .applet = NO_APPLET, .is_manage_channel = true};
  }
  if (is_plain && is_select && beginning[2] == SELECT_BY_NAME) return route_of_select(channel, beginning, length);
  if (channels[channel].applet != NO_APPLET) {
    return (struct route){.channel = channel, .applet = channels[channel].applet};
  }
  /* There are no files beside the applets. */
  return refused(is_select ? SW_NOT_FOUND : SW_CONDITIONS);
}

/* The beginning is there: what else comes goes where it does. An applet knows nothing of channels. */
static void send_on(void) {
  uint32_t length = command.length;
  command.route = route_of(command.beginning, length);
  command.is_routed = true;
  uint32_t applet = command.route.applet;
  if (applet == NO_APPLET || !applet_is_on(applet)) return;
  command.buffer = applet_buffer(applet, &command.room);
  memcpy(command.buffer, command.beginning, length < command.room ? length : command.room);
  command.buffer[0] &= (uint8_t)~CHANNEL_BITS;
}

void card_command_take(uint8_t byte) {
  uint32_t at = command.length;
  if (command.length < UINT32_MAX) command.length++;
  if (at >= BEGINNING_BYTES) {
    if (at < command.room) command.buffer[at] = byte;
    return;
  }
  command.beginning[at] = byte;
  if (command.length == BEGINNING_BYTES) send_on();
}

void card_command_drop(void) {
  /* It may hold a PIN. */
  if (command.room > 0) bytes_wipe(command.buffer, command.length < command.room ? command.length : command.room);
  bytes_wipe(&command, sizeof command);
}

/* An applet that stopped in mid-command leaves a card that answers but cannot go on. */
static struct card_response run(uint32_t applet, uint32_t length) {
  if (!applet_is_on(applet)) return status(SW_STOPPED);
  if (length > applet_buffer_bytes(applet)) return status(SW_WRONG_LENGTH);
  struct card_response response;
  response.bytes = applet_command(applet, length, &response.length);
  return response.bytes == NULL ? status(SW_STOPPED) : response;
}

static struct card_response carry_out(const struct route *route) {
  if (route->is_manage_channel) {
    return manage_channel(route->channel, command.beginning[2], command.beginning[3], command.length);
  }
  if (route->applet == NO_APPLET) return status(route->refusal);
  struct card_response response = run(route->applet, command.length);
  /* An applet comes to a channel by a SELECT that it has carried out, and so has forgotten what was before; by no other way. */
  if (route->is_select && is_done(response)) channels[route->channel].applet = route->applet;
  return response;
}

struct card_response card_command_end(void) {
  if (!command.is_routed) send_on();
  struct card_response response = carry_out(&command.route);
  /* Behind the response there may be a PIN, or a key. An applet that stopped has no buffer any more. */
  bool has_buffer = command.room > 0 && applet_is_on(command.route.applet);
  uint32_t kept = response.bytes == command.buffer ? response.length : 0;
  uint32_t taken = command.length < command.room ? command.length : command.room;
  if (has_buffer && taken > kept) bytes_wipe(command.buffer + kept, taken - kept);
  bytes_wipe(&command, sizeof command);
  return response;
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

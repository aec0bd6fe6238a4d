/**
 * What a card says of itself when it gets power (ISO/IEC 7816-3, 8.2), with historical bytes in compact TLV
 * (ISO/IEC 7816-4, 12.1.1).
 */

import { CARD_CHANNELS } from "../../firmware/protocol/apdu.js";

export type CardProtocol = "T=0" | "T=1";

const INITIAL_DIRECT = 0x3b;
const TD1_PRESENT = 0x80;
/** TD1: T=1, and TD2 follows. TD2: T=1, and TA3 and TB3 follow, which are of T=1. */
const TD1 = 0x81;
const TD2 = 0x31;
/** IFSC: the longest block that the card takes. */
const TA3 = 0xfe;
/** BWI 4, CWI 5: how long a block and a character may be on their way. */
const TB3 = 0x45;

const CATEGORY_COMPACT_TLV = 0x80;
const TAG_ISSUER_DATA = 0x50;
const TAG_CAPABILITIES = 0x70;
const SELECTION_BY_FULL_NAME = 0x80;
/** READ RECORD names a file by its short identifier and a record by its number. */
const SHORT_FILE_IDENTIFIER = 0x04;
const RECORD_NUMBER = 0x02;
const DATA_UNIT_ONE_BYTE = 0x01;
const COMMAND_CHAINING = 0x80;
const EXTENDED_LENGTH = 0x40;
const CHANNEL_CHOSEN_BY_CARD = 0x10;
const CHANNEL_CHOSEN_BY_HOST = 0x08;

/** Historical bytes: "TALLY", and what the card can do. Extended length passes where the protocol is T=1. */
export function historicalBytes(protocol: CardProtocol): Uint8Array {
  const name = new TextEncoder().encode("TALLY");
  const length = protocol === "T=1" ? EXTENDED_LENGTH : 0;
  const channels = CHANNEL_CHOSEN_BY_CARD | CHANNEL_CHOSEN_BY_HOST | (CARD_CHANNELS - 1);
  return Uint8Array.of(
    CATEGORY_COMPACT_TLV,
    TAG_ISSUER_DATA | name.length,
    ...name,
    TAG_CAPABILITIES | 3,
    SELECTION_BY_FULL_NAME | SHORT_FILE_IDENTIFIER | RECORD_NUMBER,
    DATA_UNIT_ONE_BYTE,
    COMMAND_CHAINING | length | channels,
  );
}

/** The answer to reset. A card that speaks T=0 alone names no protocol and has no check byte. */
export function answerToReset(protocol: CardProtocol): Uint8Array {
  const historical = historicalBytes(protocol);
  if (protocol === "T=0") return Uint8Array.of(INITIAL_DIRECT, historical.length, ...historical);
  const checked = [TD1_PRESENT | historical.length, TD1, TD2, TA3, TB3, ...historical];
  return Uint8Array.of(
    INITIAL_DIRECT,
    ...checked,
    checked.reduce((sum, byte) => sum ^ byte, 0),
  );
}

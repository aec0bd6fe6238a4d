/**
 * What a card says of itself when it gets power (ISO/IEC 7816-3, 8.2), with historical bytes in compact TLV
 * (ISO/IEC 7816-4, 12.1.1).
 */

export type CardProtocol = "T=0" | "T=1";

/** Logical channels of a card, the basic one among them. */
export const CARD_CHANNELS = 4;

const INITIAL_DIRECT = 0x3b;
/** TD1 and TD2 name T=1; TA3 is the longest block that the card takes, TB3 how long a character and a block may be on their way. */
const T1_INTERFACE = [0x81, 0x31, 0xfe, 0x45];
const TD1_PRESENT = 0x80;

const CATEGORY_COMPACT_TLV = 0x80;
const TAG_ISSUER_DATA = 0x50;
const TAG_CAPABILITIES = 0x70;
const SELECTION_BY_FULL_NAME = 0x80;
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
    SELECTION_BY_FULL_NAME,
    DATA_UNIT_ONE_BYTE,
    COMMAND_CHAINING | length | channels,
  );
}

/** The answer to reset. A card that speaks T=0 alone has no check byte. */
export function answerToReset(protocol: CardProtocol): Uint8Array {
  const historical = historicalBytes(protocol);
  if (protocol === "T=0") return Uint8Array.of(INITIAL_DIRECT, historical.length, ...historical);
  const checked = [TD1_PRESENT | historical.length, ...T1_INTERFACE, ...historical];
  return Uint8Array.of(
    INITIAL_DIRECT,
    ...checked,
    checked.reduce((sum, byte) => sum ^ byte, 0),
  );
}

/** Numbers of ISO/IEC 7816-4 that a card answers by itself, whatever its applications are. */

export const HEADER_BYTES = 4;

/** CLA: two bits that number the logical channel, in every class but the further interindustry ones (5.4.1). */
export const CHANNEL_BITS = 0x03;
/** CLA with this bit numbers channels from 4 on, which no card here has. */
export const FURTHER_INTERINDUSTRY = 0x40;
/** No class at all: it belongs to readers. */
export const CLASS_INVALID = 0xff;

export const INS_MANAGE_CHANNEL = 0x70;
export const INS_SELECT = 0xa4;

export const SW_OK = 0x9000;
const SW1_OK = 0x90;
/** Done, and an envelope waits. */
const SW1_OK_WAITING = 0x91;
/** Done, and there is more to be had by GET RESPONSE; the low byte says how much. */
export const SW_MORE = 0x6100;
/** The low byte is the right Le. */
export const SW_WRONG_LE = 0x6c00;
export const SW_WRONG_LENGTH = 0x6700;
export const SW_CHANNEL_UNSUPPORTED = 0x6881;
export const SW_CONDITIONS = 0x6985;
export const SW_FUNCTION_UNSUPPORTED = 0x6a81;
export const SW_NOT_FOUND = 0x6a82;
export const SW_WRONG_P1P2 = 0x6b00;
export const SW_CLASS_UNSUPPORTED = 0x6e00;
/** The application stopped; until the next reset it answers nothing else. */
export const SW_STOPPED = 0x6f00;

const STATUS_WORD_BYTES = 2;

/** An answer that is a status word and nothing else. */
export function status(word: number): Uint8Array {
  return Uint8Array.of(word >> 8, word & 0xff);
}

/** The answer's data, without its status word. */
export function answerData(answer: Uint8Array): Uint8Array {
  return answer.subarray(0, -STATUS_WORD_BYTES);
}

/** Whether the command was carried out: 9000, 91xx, 61xx. */
export function isDone(answer: Uint8Array): boolean {
  const first = answer.at(-STATUS_WORD_BYTES);
  return first === SW1_OK || first === SW1_OK_WAITING || first === SW_MORE >> 8;
}

/** Number of the logical channel that a class byte names; undefined: one that no card here has. */
export function channelOf(cla: number): number | undefined {
  return (cla & FURTHER_INTERINDUSTRY) === 0 ? cla & CHANNEL_BITS : undefined;
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** What a card reads in every command by itself, whatever its applications are (ISO/IEC 7816-4). */

import { SW_FETCH, SW_MORE, SW_OK } from "../../firmware/protocol/apdu.js";

export const HEADER_BYTES = 4;

/** CLA: two bits that number the logical channel, in every class but the further interindustry ones (5.4.1). */
export const CHANNEL_BITS = 0x03;
/** CLA with this bit numbers channels from 4 on, which no card here has. */
const FURTHER_INTERINDUSTRY = 0x40;
/** No class at all: it belongs to readers. */
export const CLASS_INVALID = 0xff;

const SW1_OK = SW_OK >> 8;
const SW1_OK_WAITING = SW_FETCH >> 8;
const SW1_MORE = SW_MORE >> 8;

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
  return first === SW1_OK || first === SW1_OK_WAITING || first === SW1_MORE;
}

/** Number of the logical channel that a class byte names; undefined: one that no card here has. */
export function channelOf(cla: number): number | undefined {
  return (cla & FURTHER_INTERINDUSTRY) === 0 ? cla & CHANNEL_BITS : undefined;
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

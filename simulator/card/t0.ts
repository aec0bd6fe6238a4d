/**
 * A card that speaks T=0 (ISO/IEC 7816-3, 10 and 12.2), as far as a virtual reader can show it: the reader carries whole APDUs, and
 * this is what their header and P3 would have met.
 *
 *   case 1   CLA INS P1 P2          P3 = 00, which a card cannot tell from an Le of 256
 *   case 2   CLA INS P1 P2 Le       more asked for than there is: 6Cxx with the right Le, and the answer waits for it
 *   case 3   CLA INS P1 P2 Lc data
 *   case 4   the same: T=0 has no place for its Le. 61xx, and GET RESPONSE gives what there is
 *   extended does not pass: 6700
 *
 * An answer that waits is given once to the same header on the same channel, and the command is not run a second time: a second
 * FETCH or GET CHALLENGE would be another command. Every other command on the channel gives it up.
 */

import { INS_GET_RESPONSE, SW_MORE, SW_WRONG_LE, SW_WRONG_LENGTH } from "../../firmware/protocol/apdu.js";
import type { Card, ReadableCard } from "./card.js";
import { answerData, channelOf, HEADER_BYTES, sameBytes, status } from "./iso7816.js";

const LE_MOST = 256;
const CLA_CHANNEL_ONLY = 0x03;

/** What a channel has yet to give. */
interface Waiting {
  /** Of the command that it is the answer to; undefined once a part of it was given: then GET RESPONSE has the rest. */
  readonly header: Uint8Array | undefined;
  readonly answer: Uint8Array;
}

export class T0Card implements ReadableCard {
  readonly #card: Card;
  /** By channel. */
  readonly #waiting = new Map<number, Waiting>();

  /** `card` says T=0 in its answer to reset. */
  constructor(card: Card) {
    if (card.protocol !== "T=0") throw new RangeError(`card: it says that it speaks ${card.protocol}`);
    this.#card = card;
  }

  get atr(): Uint8Array {
    return this.#card.atr;
  }

  get isOn(): boolean {
    return this.#card.isOn;
  }

  powerOn(): void {
    this.#waiting.clear();
    this.#card.powerOn();
  }

  powerOff(): void {
    this.#waiting.clear();
    this.#card.powerOff();
  }

  transmit(apdu: Uint8Array): Uint8Array {
    const channel = channelOf(apdu[0] ?? 0);
    if (channel === undefined || apdu.length < HEADER_BYTES) return this.#card.transmit(apdu);
    const waiting = this.#waiting.get(channel);
    this.#waiting.delete(channel);
    const command = asTransported(apdu);
    if (command === undefined) return status(SW_WRONG_LENGTH);
    const expected = expectedBytes(command);
    if (waiting !== undefined && expected !== undefined && continues(command, waiting)) {
      return this.#give(channel, waiting, expected);
    }
    const answer = this.#card.transmit(command);
    this.#forgetClosed();
    if (expected === undefined || answerData(answer).length === 0) return answer;
    return this.#give(channel, { header: command.slice(0, HEADER_BYTES), answer }, expected);
  }

  #give(channel: number, waiting: Waiting, expected: number): Uint8Array {
    const data = answerData(waiting.answer);
    if (data.length === expected) return waiting.answer;
    if (data.length < expected) {
      this.#waiting.set(channel, waiting);
      return status(SW_WRONG_LE | data.length);
    }
    const rest = waiting.answer.slice(expected);
    const restBytes = answerData(rest).length;
    this.#waiting.set(channel, { header: undefined, answer: rest });
    return Uint8Array.of(...data.subarray(0, expected), ...status(SW_MORE | (restBytes < LE_MOST ? restBytes : 0)));
  }

  /** A channel that was closed has nothing to give, nor has the next of its number. */
  #forgetClosed(): void {
    for (const channel of this.#waiting.keys()) if (!this.#card.isOpen(channel)) this.#waiting.delete(channel);
  }
}

/** The command as T=0 carries it: header, P3, and as much data as P3 says. Undefined: there is no such form of it. */
function asTransported(apdu: Uint8Array): Uint8Array | undefined {
  if (apdu.length === HEADER_BYTES) return Uint8Array.of(...apdu, 0);
  if (apdu.length === HEADER_BYTES + 1) return apdu;
  const end = HEADER_BYTES + 1 + (apdu[HEADER_BYTES] ?? 0);
  const isExtended = apdu[HEADER_BYTES] === 0;
  if (isExtended || (apdu.length !== end && apdu.length !== end + 1)) return undefined;
  return apdu.subarray(0, end);
}

/** Le of a command without data; undefined: it has data. */
function expectedBytes(command: Uint8Array): number | undefined {
  if (command.length > HEADER_BYTES + 1) return undefined;
  return command[HEADER_BYTES] === 0 ? LE_MOST : command[HEADER_BYTES];
}

/** Whether the command asks for what waits: by the header that it is the answer to, or, when a part was given, by GET RESPONSE. */
function continues(command: Uint8Array, { header }: Waiting): boolean {
  const asked = command.subarray(0, HEADER_BYTES);
  if (header !== undefined) return sameBytes(asked, header);
  const [cla = 0, ins, p1, p2] = asked;
  return (cla & ~CLA_CHANNEL_ONLY) === 0 && ins === INS_GET_RESPONSE && p1 === 0 && p2 === 0;
}

/**
 * A card: one or more elements behind one contact. SELECT chooses among them, and each may have a logical channel of its own
 * (ISO/IEC 7816-4, 5.4.1 and 11.1.2), so that a host can work with a trusted agent and a money module at a time without
 * selecting back and forth, which would forget their PIN. An element knows nothing of channels: they end here.
 *
 * This is the card as T=1 shows it, command APDU in, response APDU out. `t0.ts` is what T=0 makes of it.
 */

import {
  CARD_CHANNELS,
  INS_MANAGE_CHANNEL,
  INS_SELECT,
  SW_CHANNEL_UNSUPPORTED,
  SW_CLA_UNSUPPORTED,
  SW_CONDITIONS,
  SW_FUNCTION_UNSUPPORTED,
  SW_NOT_FOUND,
  SW_OK,
  SW_UNKNOWN,
  SW_WRONG_LENGTH,
  SW_WRONG_P1P2,
} from "../../firmware/protocol/apdu.js";
import type { Element } from "../element.js";
import { answerToReset, type CardProtocol } from "./atr.js";
import { CHANNEL_BITS, CLASS_INVALID, channelOf, HEADER_BYTES, isDone, sameBytes, status } from "./iso7816.js";

export interface CardApplication {
  readonly aid: Uint8Array;
  readonly element: Element;
}

/** What a reader has hold of: power, and one command after the other. */
export interface ReadableCard {
  readonly atr: Uint8Array;
  readonly isOn: boolean;
  /** Gives power; a card that has it loses it first. */
  powerOn(): void;
  powerOff(): void;
  /** One command APDU, and its response with status word. It throws only where there is no power. */
  transmit(apdu: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

const SELECT_BY_NAME = 0x04;
const MANAGE_OPEN = 0x00;
const MANAGE_CLOSE = 0x80;

/** The card was asked something without power, which a reader gives first. */
export class CardOff extends Error {
  override readonly name = "CardOff";

  constructor() {
    super("the card has no power: power it on first");
  }
}

interface Channel {
  application: CardApplication | undefined;
}

export class Card implements ReadableCard {
  readonly protocol: CardProtocol;
  readonly #applications: readonly CardApplication[];
  /** By number; the basic channel, 0, is open while there is power. Empty: no power. */
  #channels: (Channel | undefined)[] = [];

  constructor(applications: readonly CardApplication[], protocol: CardProtocol = "T=1") {
    this.#applications = applications;
    this.protocol = protocol;
  }

  get atr(): Uint8Array {
    return answerToReset(this.protocol);
  }

  get isOn(): boolean {
    return this.#channels.length > 0;
  }

  /** A chip that does not start leaves a card that says so when it is asked for it, and the other chips at work. */
  powerOn(): void {
    this.powerOff();
    this.#channels = [{ application: undefined }];
    for (const { element } of this.#applications) {
      try {
        element.powerOn();
      } catch {
        element.powerOff();
      }
    }
  }

  powerOff(): void {
    this.#channels = [];
    for (const { element } of this.#applications) element.powerOff();
  }

  isOpen(channel: number): boolean {
    return this.#channels[channel] !== undefined;
  }

  transmit(apdu: Uint8Array): Uint8Array {
    if (!this.isOn) throw new CardOff();
    const [cla = 0, ins = 0, p1 = 0] = apdu;
    if (apdu.length < HEADER_BYTES) return status(SW_WRONG_LENGTH);
    if (cla === CLASS_INVALID) return status(SW_CLA_UNSUPPORTED);
    const number = channelOf(cla);
    const channel = number === undefined ? undefined : this.#channels[number];
    if (number === undefined || channel === undefined) return status(SW_CHANNEL_UNSUPPORTED);
    const plain = new Uint8Array(apdu); // A copy: `slice` of a Buffer would be none.
    plain[0] = cla & ~CHANNEL_BITS;
    if (plain[0] === 0 && ins === INS_MANAGE_CHANNEL) return this.#manageChannel(number, apdu);
    if (plain[0] === 0 && ins === INS_SELECT && p1 === SELECT_BY_NAME) return this.#select(channel, plain);
    if (channel.application !== undefined) return run(channel.application.element, plain);
    // There are no files beside the applications.
    return status(ins === INS_SELECT ? SW_NOT_FOUND : SW_CONDITIONS);
  }

  /** An application comes to a channel by a SELECT that it has carried out, and so has forgotten what was before; by no other way. */
  #select(channel: Channel, apdu: Uint8Array): Uint8Array {
    const aid = dataOf(apdu);
    const found = this.#applications.find((each) => sameBytes(each.aid, aid));
    if (found === undefined) return status(SW_NOT_FOUND);
    // What an application was told on one channel, the owner's PIN above all, is not another channel's.
    const isElsewhere = this.#channels.some((other) => other !== channel && other?.application === found);
    if (isElsewhere) return status(SW_CONDITIONS);
    const answer = run(found.element, apdu);
    if (isDone(answer)) channel.application = found;
    return answer;
  }

  /** Opens a channel that the card chooses, whose number is the answer, or one that the host names; closes one. */
  #manageChannel(own: number, apdu: Uint8Array): Uint8Array {
    const [, , p1 = 0, p2 = 0] = apdu;
    if (apdu.length > HEADER_BYTES + 1) return status(SW_WRONG_LENGTH);
    if (p1 === MANAGE_CLOSE) {
      const closed = p2 === 0 ? own : p2;
      if (closed === 0 || closed >= CARD_CHANNELS) return status(SW_WRONG_P1P2);
      if (!this.isOpen(closed)) return status(SW_CHANNEL_UNSUPPORTED);
      this.#channels[closed] = undefined;
      return status(SW_OK);
    }
    if (p1 !== MANAGE_OPEN || p2 >= CARD_CHANNELS) return status(SW_WRONG_P1P2);
    // Nobody would learn its number.
    if (p2 === 0 && apdu.length === HEADER_BYTES) return status(SW_WRONG_LENGTH);
    const free = p2 === 0 ? this.#freeChannel() : p2;
    if (free === undefined || this.isOpen(free)) return status(SW_FUNCTION_UNSUPPORTED);
    this.#channels[free] = { application: undefined };
    return p2 === 0 ? Uint8Array.of(free, ...status(SW_OK)) : status(SW_OK);
  }

  #freeChannel(): number | undefined {
    for (let number = 1; number < CARD_CHANNELS; number += 1) if (!this.isOpen(number)) return number;
    return undefined;
  }
}

/** A chip that stops in mid-command, at a power cut or a trap, leaves a card that answers but cannot go on. */
function run(element: Element, apdu: Uint8Array): Uint8Array {
  if (!element.isOn) return status(SW_UNKNOWN);
  if (apdu.length > element.bufferBytes) return status(SW_WRONG_LENGTH);
  try {
    return element.transmit(apdu);
  } catch {
    return status(SW_UNKNOWN);
  }
}

/** Data field of a command in short or extended form; empty when lengths do not fit, which no AID is. */
function dataOf(apdu: Uint8Array): Uint8Array {
  const short = apdu[4] ?? 0;
  const start = short === 0 ? 7 : 5;
  const length = short === 0 ? ((apdu[5] ?? 0) << 8) | (apdu[6] ?? 0) : short;
  return apdu.length < start + length ? new Uint8Array(0) : apdu.subarray(start, start + length);
}

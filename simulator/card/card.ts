/**
 * A card: one or more elements behind one contact. SELECT chooses among them, and each may have a logical channel of its own
 * (ISO/IEC 7816-4, 5.4.1 and 11.1.2), so that a host can work with a trusted agent and a money module at a time without
 * selecting back and forth, which would forget their PIN. An element knows nothing of channels: they end here.
 */

import { INS_MANAGE_CHANNEL, SW_CHANNEL_UNSUPPORTED } from "../../firmware/protocol/apdu.js";
import type { Element } from "../element.js";
import { answerToReset, CARD_CHANNELS, type CardProtocol } from "./atr.js";

export interface CardApplication {
  readonly aid: Uint8Array;
  readonly element: Element;
}

const CHANNEL_BITS = 0x03;
/** CLA with this bit names its channel in another way, which no application here understands. */
const FURTHER_INTERINDUSTRY = 0x40;
const INS_SELECT = 0xa4;
const SELECT_BY_NAME = 0x04;
const MANAGE_OPEN = 0x00;
const MANAGE_CLOSE = 0x80;

const SW_OK = 0x9000;
const SW_WRONG_LENGTH = 0x6700;
const SW_CONDITIONS = 0x6985;
const SW_FUNCTION_UNSUPPORTED = 0x6a81;
const SW_NOT_FOUND = 0x6a82;
const SW_WRONG_P1P2 = 0x6b00;
/** The application stopped; until the next reset it answers nothing else. */
const SW_STOPPED = 0x6f00;

interface Channel {
  application: CardApplication | undefined;
}

export class Card {
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

  /** Gives power; a card that has it loses it first. */
  powerOn(): void {
    this.powerOff();
    this.#channels = [{ application: undefined }];
    for (const { element } of this.#applications) element.powerOn();
  }

  powerOff(): void {
    this.#channels = [];
    for (const { element } of this.#applications) element.powerOff();
  }

  /** One command APDU, and its response with status word. */
  transmit(apdu: Uint8Array): Uint8Array {
    if (!this.isOn) throw new Error("the card has no power: power it on first");
    const [cla = 0, ins = 0, p1 = 0] = apdu;
    if (apdu.length < 4) return status(SW_WRONG_LENGTH);
    const number = (cla & FURTHER_INTERINDUSTRY) === 0 ? cla & CHANNEL_BITS : 0;
    const channel = this.#channels[number];
    if (channel === undefined) return status(SW_CHANNEL_UNSUPPORTED);
    const plain = apdu.slice();
    if ((cla & FURTHER_INTERINDUSTRY) === 0) plain[0] = cla & ~CHANNEL_BITS;
    if (plain[0] === 0 && ins === INS_MANAGE_CHANNEL) return this.#manageChannel(apdu);
    if (plain[0] === 0 && ins === INS_SELECT && p1 === SELECT_BY_NAME) return this.#select(channel, plain);
    if (channel.application === undefined) return status(SW_CONDITIONS);
    return run(channel.application.element, plain);
  }

  #select(channel: Channel, apdu: Uint8Array): Uint8Array {
    const aid = dataOf(apdu);
    const found = this.#applications.find((each) => sameBytes(each.aid, aid));
    if (found === undefined) return status(SW_NOT_FOUND);
    // What an application was told on one channel, the owner's PIN above all, is not another channel's.
    const isElsewhere = this.#channels.some((other) => other !== channel && other?.application === found);
    if (isElsewhere) return status(SW_CONDITIONS);
    channel.application = found;
    return run(found.element, apdu);
  }

  /** Opens a channel that the card chooses, whose number is the answer, or one that the host names; closes one. */
  #manageChannel([, , p1 = 0, p2 = 0]: Uint8Array): Uint8Array {
    if (p1 === MANAGE_CLOSE) {
      if (p2 === 0 || p2 >= CARD_CHANNELS) return status(SW_WRONG_P1P2);
      if (this.#channels[p2] === undefined) return status(SW_CHANNEL_UNSUPPORTED);
      this.#channels[p2] = undefined;
      return status(SW_OK);
    }
    if (p1 !== MANAGE_OPEN || p2 >= CARD_CHANNELS) return status(SW_WRONG_P1P2);
    const free = p2 === 0 ? this.#freeChannel() : p2;
    if (free === undefined || this.#channels[free] !== undefined) return status(SW_FUNCTION_UNSUPPORTED);
    this.#channels[free] = { application: undefined };
    return p2 === 0 ? Uint8Array.of(free, SW_OK >> 8, SW_OK & 0xff) : status(SW_OK);
  }

  #freeChannel(): number | undefined {
    for (let number = 1; number < CARD_CHANNELS; number += 1) if (this.#channels[number] === undefined) return number;
    return undefined;
  }
}

/** A chip that stops in mid-command, at a power cut or a trap, leaves a card that answers but cannot go on. */
function run(element: Element, apdu: Uint8Array): Uint8Array {
  if (!element.isOn) return status(SW_STOPPED);
  if (apdu.length > element.bufferBytes) return status(SW_WRONG_LENGTH);
  try {
    return element.transmit(apdu);
  } catch {
    return status(SW_STOPPED);
  }
}

function status(word: number): Uint8Array {
  return Uint8Array.of(word >> 8, word & 0xff);
}

/** Data field of a command in short or extended form; empty when lengths do not fit, which no AID is. */
function dataOf(apdu: Uint8Array): Uint8Array {
  const short = apdu[4] ?? 0;
  const start = short === 0 ? 7 : 5;
  const length = short === 0 ? ((apdu[5] ?? 0) << 8) | (apdu[6] ?? 0) : short;
  return apdu.length < start + length ? new Uint8Array(0) : apdu.subarray(start, start + length);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/**
 * Logical channels of a card that holds several applications (ISO/IEC 7816-4, 5.4.1): a transport for each, so that every
 * element of a device has one of its own, whether its chip is shared or not.
 */

import { CARD_CHANNELS, CLA_ISO, INS_MANAGE_CHANNEL, SW_OK } from "../../firmware/protocol/apdu.js";
import { decodeResponse, encodeCommand, type Response } from "../apdu.js";
import { StatusWordError } from "../status-words.js";
import { type Transport, TransportError } from "../transport.js";

export class CardChannels {
  readonly card: Transport;
  /** How often the card was restarted: a channel of before is not open any more. */
  #restarts = 0;
  /** The last restart failed: whoever is next tries again. */
  #isDown = false;
  #opened = 0;

  constructor(card: Transport) {
    this.card = card;
  }

  /** The next channel: the basic one first, which every card has. A card without a further one refuses with 6881 or 6Dxx. */
  async open(): Promise<Transport> {
    const number = this.#opened;
    if (number >= CARD_CHANNELS) throw new RangeError(`channels: a card has at most ${CARD_CHANNELS}`);
    await this.openNumber(number);
    this.#opened += 1;
    return new ChannelTransport(this, number);
  }

  /** Opens a channel by its number, as after a restart. */
  async openNumber(number: number): Promise<void> {
    if (number === 0) return;
    const command = encodeCommand({ cla: CLA_ISO, ins: INS_MANAGE_CHANNEL, p1: 0, p2: number });
    const { status }: Response = decodeResponse(await this.card.transmit(command));
    if (status !== SW_OK) throw new StatusWordError(status, INS_MANAGE_CHANNEL);
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** Restarts the card, with everything on it. */
  async restart(): Promise<void> {
    this.#restarts += 1;
    this.#isDown = true;
    await this.card.reset();
    this.#isDown = false;
  }

  /** Whether there is nothing to go on with, since this many restarts. */
  needsRestart(openedAt: number): boolean {
    return this.#isDown || openedAt === this.#restarts;
  }
}

class ChannelTransport implements Transport {
  readonly name: string;
  readonly #channels: CardChannels;
  readonly #number: number;
  #openedAt: number;

  constructor(channels: CardChannels, number: number) {
    this.name = channels.card.name;
    this.#channels = channels;
    this.#number = number;
    this.#openedAt = channels.restarts;
  }

  /** Another card may be in its place after a restart. */
  get extendedLength(): boolean {
    return this.#channels.card.extendedLength;
  }

  transmit(apdu: Uint8Array): Uint8Array | Promise<Uint8Array> {
    if (this.#openedAt !== this.#channels.restarts) throw new TransportError(`${this.name} was restarted.`);
    if (this.#number === 0) return this.#channels.card.transmit(apdu);
    const onChannel = apdu.slice();
    onChannel[0] = (apdu[0] ?? 0) | this.#number;
    return this.#channels.card.transmit(onChannel);
  }

  /** Restarts the card, unless another channel has done so since this one was opened: then it is only opened again. */
  async reset(): Promise<void> {
    if (this.#channels.needsRestart(this.#openedAt)) await this.#channels.restart();
    this.#openedAt = this.#channels.restarts;
    await this.#channels.openNumber(this.#number);
  }

  close(): void | Promise<void> {
    return this.#channels.card.close();
  }
}

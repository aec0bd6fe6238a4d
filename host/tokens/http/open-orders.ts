/**
 * Orders of a paying client that no shop has answered yet. Each is kept before a half is shown for it, and until its goods are there: a
 * client that dies in between sends the same order again, and nothing is paid twice or for nothing.
 */

import { fromHex, toHex } from "../../codec/bytes.js";
import { sha256 } from "../../crypto.js";
import { TokenError } from "../errors.js";
import { encodePayment, type Order, type PaymentPart, readOrder, readPayment } from "../messages/payment.js";
import { type Challenge, challengeHeader, readChallenge } from "./challenge.js";

/** Where orders outlive the process: a file, for example. `write` returns when the text is on the disk. */
export interface OrderKeeper {
  read(): string | undefined;
  write(text: string): void;
}

/** Halves that were shown for an order. */
export interface ShownHalves {
  readonly payment: Uint8Array;
  /** 32 bytes: opens goods that come sealed; null where they come in the open. */
  readonly goodsKey: Uint8Array | null;
}

export interface OpenOrder {
  /** Where the price was asked, after whatever led there: the order is sent there and nowhere else. */
  readonly url: string;
  readonly challenge: Challenge;
  /** Its bytes. */
  readonly bytes: Uint8Array;
  /** Undefined until its halves are at hand. */
  readonly shown?: ShownHalves;
  /** It was refused before. Nobody signs a refusal: only the second one ends an order. */
  readonly isRefused?: boolean;
}

export class OpenOrders {
  readonly #keeper: OrderKeeper | undefined;
  /** By what was asked for. */
  readonly #orders: Map<string, OpenOrder>;

  /** Without a keeper they are gone with the process. */
  constructor(keeper?: OrderKeeper) {
    this.#keeper = keeper;
    this.#orders = new Map(readOrders(keeper?.read()));
  }

  get(key: string): OpenOrder | undefined {
    return this.#orders.get(key);
  }

  /** Those whose halves are not at hand. */
  unshown(): (readonly [string, OpenOrder])[] {
    return [...this.#orders].filter(([, { shown }]) => shown === undefined);
  }

  set(key: string, order: OpenOrder): void {
    this.#orders.set(key, order);
    this.#write();
  }

  delete(key: string): void {
    if (this.#orders.delete(key)) this.#write();
  }

  #write(): void {
    if (this.#keeper === undefined) return;
    const orders = [...this.#orders].map(([key, { url, challenge, bytes, shown, isRefused }]) => ({
      key,
      url,
      ...(isRefused === true ? { isRefused } : {}),
      challenge: challengeHeader(challenge),
      order: toHex(bytes),
      ...(shown === undefined
        ? {}
        : { payment: toHex(shown.payment), goodsKey: shown.goodsKey && toHex(shown.goodsKey) }),
    }));
    this.#keeper.write(`${JSON.stringify({ version: VERSION, orders }, undefined, 2)}\n`);
  }
}

const VERSION = 1;

interface KeptOrder {
  readonly key: string;
  readonly url: string;
  readonly isRefused?: boolean;
  readonly challenge: string;
  readonly order: string;
  readonly payment?: string;
  readonly goodsKey?: string | null;
}

function readOrders(text: string | undefined): (readonly [string, OpenOrder])[] {
  if (text === undefined || text === "") return [];
  try {
    const { version, orders } = JSON.parse(text) as { readonly version: number; readonly orders: readonly KeptOrder[] };
    if (version !== VERSION) throw new RangeError(`version ${version}`);
    return orders.map(({ key, url, isRefused = false, challenge, order, payment, goodsKey }) => {
      if (!URL.canParse(url)) throw new RangeError("an order for nowhere");
      const asked = readChallenge(challenge);
      if (asked === undefined) throw new RangeError("an order without a challenge");
      const shown = payment === undefined ? {} : { shown: { payment: fromHex(payment), goodsKey: keyOf(goodsKey) } };
      return [key, { url, isRefused, challenge: asked, bytes: fromHex(order), ...shown }] as const;
    });
  } catch (error) {
    throw new TokenError(
      "malformed",
      "The list of orders that no shop has answered yet cannot be read. Nothing was paid now. Put it back from a copy, or remove it: then what was paid for those orders and not delivered stays with the shops.",
      { cause: error },
    );
  }
}

function keyOf(text: string | null | undefined): Uint8Array | null {
  return text === null || text === undefined ? null : fromHex(text);
}

export function orderOf({ bytes }: OpenOrder): Order {
  return readOrder(bytes);
}

export function hashOf({ bytes }: OpenOrder): Uint8Array {
  return sha256(bytes);
}

/** One token of each part, without its half: what shows a shop that the order was paid before. */
export function reminderOf({ payment }: ShownHalves): Uint8Array {
  const { order, parts } = readPayment(payment);
  return encodePayment({ order, parts: parts.map(firstToken) });
}

function firstToken({ index, purse, ranges }: PaymentPart): PaymentPart {
  const first = ranges[0]?.first ?? 0;
  return { purse, index, ranges: [{ first, count: 1 }], halves: new Uint8Array(0) };
}

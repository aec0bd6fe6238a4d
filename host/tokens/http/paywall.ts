/**
 * HTTP 402: a middleware `(request, response, next)` for node:http and servers like express, before which a handler is paid (EP 0 833
 * 285 A2 fig. 7 and 8 over the web), and the routes by which a seller is reached.
 *
 *   GET /article                                                  402, WWW-Authenticate: TallyTokens challenge="..."
 *   GET /article, Authorization: TallyTokens <payment>            200 and the goods; 402 and what is missing; 4xx and why
 *   POST /tally/pay, a payment                                    as JSON what it came to; the goods as above, without the halves
 *   POST /tally/request, a buyer's message for an issuer          the buyer's purse (fig. 3, 5)
 *   POST /tally/recall, /tally/purse, /tally/notice               from an issuer (fig. 10)
 *
 * The same payment again has the same answer: a buyer whose answer was lost repeats it. Who overhears a payment can repeat it too,
 * and so goods travel sealed under a key that only the buyer has, unless the order wants them in the open.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import { DELIVERY_SEALED } from "../../../firmware/protocol/tokens.js";
import { toHex } from "../../codec/bytes.js";
import { type RandomSource, systemRandom } from "../../randomness.js";
import { systemTimers, type Timers } from "../../services/clock.js";
import type { Unit } from "../../units.js";
import { TokenError } from "../errors.js";
import { encodeBuyerPurse } from "../messages/answers.js";
import { readOrder, readPayment } from "../messages/payment.js";
import type { Expected } from "../seller/acceptance.js";
import type { Accepted, Seller } from "../seller/seller.js";
import { ArrivingBodies, sendBytes, sendJson, sendRefusal } from "./bodies.js";
import { type CapturedAnswer, captureAnswer } from "./captured-answer.js";
import {
  type Challenge,
  challengeHeader,
  goodsOfRequest,
  PAY_PATH,
  PAYMENT_BYTES_MAX,
  REQUEST_PATH,
  readAuthorization,
} from "./challenge.js";
import type { Deliveries, Delivery } from "./deliveries.js";
import { SELLER_PATHS } from "./mint-paths.js";
import { INNER_TYPE_HEADER, SEALED_TYPE, sealGoods } from "./sealed-goods.js";

/** What a request costs. */
export interface Offer {
  readonly unit: Unit;
  readonly price: bigint;
  /** SHA-256 of what is bought; without it of method and URL. */
  readonly goods?: Uint8Array;
  /** What the buyer has to show: "over-21". */
  readonly assertion?: string;
  /** DELIVERY_OPEN or DELIVERY_SEALED; without it the buyer chooses. */
  readonly delivery?: number;
  /** The handler runs once for each purchase, and its answer is kept and repeated, unless that is 5xx. Needs `deliveries`. */
  readonly once?: boolean;
}

export interface PaywallOptions {
  /** What this request costs; undefined, or a price of 0 without an assertion, where it is free. It may be asked several times for one purchase. */
  readonly price: (request: IncomingMessage) => Offer | undefined | Promise<Offer | undefined>;
  /** Where buyers may ask issuers straight away, by the issuer's id in hex. */
  readonly issuers?: Readonly<Record<string, string>>;
  /** For offers that are `once`. */
  readonly deliveries?: Deliveries;
  /** How long after it was paid the same payment is answered with the goods again; a day. What is kept is forgotten later. */
  readonly again_seconds?: number;
  /** Of an answer that is sealed or kept. */
  readonly answerBytes_max?: number;
  /** Of a seller's purse that an issuer brings: 80 bytes a token. */
  readonly purseBytes_max?: number;
  /** Of all bodies together that are on their way to the routes of the seller at one moment. */
  readonly arrivingBytes_max?: number;
  /** How long a request waits for a handler whose answer is held back. The handler goes on, and what it answers is for the next one. */
  readonly answer_ms_max?: number;
  readonly random?: RandomSource;
  readonly timers?: Timers;
}

export type Middleware = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

/** How long goods are delivered again, if nothing else is said. */
export const AGAIN_SECONDS = 86_400;
const FORGET_EVERY_SECONDS = 3_600n;
/** An answer outlives the time in which it is given by this much: a clock that is set back has no handler run again. */
const FORGET_LATER_SECONDS = 86_400n;
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const PURSE_BYTES_MAX = 16 * 1024 * 1024;
const MESSAGE_BYTES_MAX = 4_096;
const ARRIVING_BYTES_MAX = 128 * 1024 * 1024;
const ANSWER_MS_MAX = 60_000;
/** Offers of the last challenges, by their goods: what POST /tally/pay is measured by. */
const OFFERS_MAX = 4_096;

const paidRequests = new WeakMap<IncomingMessage, Accepted>();

/** What was paid for a request, for its handler. `purchase` is the same whenever the same payment comes again. */
export function paymentOf(request: IncomingMessage): Accepted | undefined {
  return paidRequests.get(request);
}

export function paywall(seller: Seller, options: PaywallOptions): Middleware {
  const wall = new Paywall(seller, options);
  return (request, response, next) => {
    wall.handle(request, response, next).catch((error: unknown) => sendRefusal(response, error));
  };
}

class Paywall {
  readonly #seller: Seller;
  readonly #options: PaywallOptions;
  readonly #arriving: ArrivingBodies;
  readonly #offers = new Map<string, Offer>();
  /** Handlers of `once` that run, by purchase. */
  readonly #running = new Map<string, Promise<Delivery>>();
  #forgetAt_seconds = 0n;

  constructor(seller: Seller, options: PaywallOptions) {
    this.#seller = seller;
    this.#options = options;
    this.#arriving = new ArrivingBodies(options.arrivingBytes_max ?? ARRIVING_BYTES_MAX);
  }

  async handle(request: IncomingMessage, response: ServerResponse, next: () => void): Promise<void> {
    const [path = ""] = (request.url ?? "").split("?");
    // A whole URL for a target, as proxies are sent: whoever sets prices by the path would not know it.
    if (!path.startsWith("/")) throw new TokenError("malformed", "The request's target is no path. Nothing was taken.");
    const route = request.method === "POST" ? this.#routes[path] : undefined;
    if (route !== undefined) return route(request, response);
    const offer = await this.#options.price(request);
    if (offer === undefined || isFree(offer)) return next();
    const challenge = this.#challenge(request, offer);
    const headers = { "www-authenticate": challengeHeader(challenge) };
    try {
      const payment = readAuthorization(request.headers.authorization);
      if (payment === undefined) {
        const { assertion, price, unit } = challenge;
        const message = "This costs money. Pay with token halves as the header www-authenticate says.";
        sendJson(response, 402, { code: "payment-required", message, price, unit, assertion }, headers);
        return;
      }
      const accepted = await this.#seller.accept(payment, expectedOf(offer, challenge.goods));
      if (accepted.state === "underpaid") sendJson(response, 402, underpaid(accepted), headers);
      else await this.#deliver(request, response, next, offer, accepted);
    } catch (error) {
      sendRefusal(response, error, headers);
    }
  }

  readonly #routes: Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => Promise<void>>> = {
    [PAY_PATH]: async (request, response) => {
      const payment = await this.#arriving.read(request, PAYMENT_BYTES_MAX);
      const goods = goodsOf(payment);
      const offer = this.#offers.get(toHex(goods));
      if (offer === undefined)
        throw new TokenError(
          "wrong-order",
          "The shop has not told the price of these goods lately. Nothing was taken. Ask for them again, and pay the same order.",
        );
      const accepted = await this.#seller.accept(payment, expectedOf(offer, goods));
      const { credit, paid, price, state } = accepted;
      sendJson(response, 200, state === "paid" ? { state, paid, price, credit } : underpaid(accepted));
    },
    [REQUEST_PATH]: async (request, response) => {
      const outer = await this.#arriving.read(request, MESSAGE_BYTES_MAX);
      sendBytes(response, encodeBuyerPurse(await this.#seller.forward(outer)));
    },
    [SELLER_PATHS.recall]: async (request, response) => {
      sendBytes(response, await this.#seller.recall(await this.#arriving.read(request, MESSAGE_BYTES_MAX)));
    },
    [SELLER_PATHS.deliver]: async (request, response) => {
      await this.#seller.deliver(await this.#arriving.read(request, this.#options.purseBytes_max ?? PURSE_BYTES_MAX));
      sendBytes(response, new Uint8Array(0));
    },
    [SELLER_PATHS.notice]: async (request, response) => {
      await this.#seller.notice(await this.#arriving.read(request, MESSAGE_BYTES_MAX));
      sendBytes(response, new Uint8Array(0));
    },
  };

  #challenge(request: IncomingMessage, offer: Offer): Challenge {
    const goods = offer.goods ?? goodsOfRequest(request.method ?? "", request.url ?? "");
    const key = toHex(goods);
    this.#offers.delete(key);
    this.#offers.set(key, offer);
    const [oldest] = this.#offers.keys();
    if (this.#offers.size > OFFERS_MAX && oldest !== undefined) this.#offers.delete(oldest);
    const { issuers = {} } = this.#options;
    return {
      seller: this.#seller.id,
      issuers: this.#seller.issuers.map((id) => {
        const address = issuers[toHex(id)];
        return address === undefined ? { id } : { id, address };
      }),
      unit: offer.unit,
      price: offer.price,
      goods,
      assertion: offer.assertion ?? null,
      delivery: offer.delivery ?? null,
    };
  }

  async #deliver(
    request: IncomingMessage,
    response: ServerResponse,
    next: () => void,
    offer: Offer,
    accepted: Accepted,
  ): Promise<void> {
    paidRequests.set(request, accepted);
    if (offer.once === true) return this.#deliverOnce(response, next, accepted);
    this.#requireAgain(accepted);
    if (accepted.delivery !== DELIVERY_SEALED) return next();
    const own = this.#run(response, next);
    await this.#answer(response, own.delivery, accepted, () => own);
  }

  /**
   * Whoever repeats the payment while the handler runs waits for the same answer, also where whoever came first was told that it takes
   * too long.
   */
  async #deliverOnce(response: ServerResponse, next: () => void, accepted: Accepted): Promise<void> {
    const { deliveries } = this.#options;
    const { purchase } = accepted;
    if (deliveries === undefined) throw new TypeError("deliveries: an offer that is once needs them");
    const running = this.#running.get(purchase);
    if (running !== undefined) return this.#answer(response, running, accepted);
    const own: { captured?: CapturedAnswer } = {};
    const made = deliveries
      .find(purchase)
      .then(async (known) => {
        if (known !== undefined) return known;
        // It may have been delivered and forgotten.
        this.#requireAgain(accepted);
        own.captured = this.#run(response, next);
        const delivery = await own.captured.delivery;
        // A server that failed may do better the next time.
        if (delivery.status < 500) await this.#keep(deliveries, purchase, delivery);
        return delivery;
      })
      .finally(() => this.#running.delete(purchase));
    this.#running.set(purchase, made);
    await this.#answer(response, made, accepted, () => own.captured);
  }

  /** As many answers as were ever kept would fill the disk: with a new one, old ones go. */
  async #keep(deliveries: Deliveries, purchase: string, delivery: Delivery): Promise<void> {
    const now_seconds = this.#seller.now_seconds;
    await deliveries.keep(purchase, delivery, now_seconds);
    if (now_seconds < this.#forgetAt_seconds) return;
    this.#forgetAt_seconds = now_seconds + FORGET_EVERY_SECONDS;
    await deliveries.forget(now_seconds - this.#again_seconds - FORGET_LATER_SECONDS);
  }

  get #again_seconds(): bigint {
    return BigInt(this.#options.again_seconds ?? AGAIN_SECONDS);
  }

  #requireAgain({ paidAt_seconds }: Accepted): void {
    if (this.#seller.now_seconds <= paidAt_seconds + this.#again_seconds) return;
    throw new TokenError(
      "order-over",
      `This was paid and delivered, and is delivered again for ${this.#again_seconds} seconds only. Nothing more was taken. Buy it again.`,
    );
  }

  /** Runs the handler, and holds its answer back. */
  #run(response: ServerResponse, next: () => void): CapturedAnswer {
    return captureAnswer(response, this.#options.answerBytes_max ?? ANSWER_BYTES_MAX, next);
  }

  /** Sends what a handler answers, or that it takes too long. `own`: of the handler that runs on this response, if it does. */
  async #answer(
    response: ServerResponse,
    running: Promise<Delivery>,
    accepted: Accepted,
    own: () => CapturedAnswer | undefined = () => undefined,
  ): Promise<void> {
    let delivery: Delivery;
    try {
      delivery = await this.#inTime(running);
    } catch (error) {
      const captured = own();
      if (captured === undefined) throw error;
      captured.aside(() => sendRefusal(response, error));
      return;
    }
    own()?.release();
    this.#send(response, delivery, accepted);
  }

  async #inTime(running: Promise<Delivery>): Promise<Delivery> {
    const { answer_ms_max = ANSWER_MS_MAX, timers = systemTimers } = this.#options;
    let cancel = () => {};
    const late = new Promise<never>((_, reject) => {
      cancel = timers.after(answer_ms_max, () => reject(new Error("the handler did not answer in time")));
    });
    return Promise.race([running, late]).finally(() => cancel());
  }

  #send(response: ServerResponse, { body, headers, status }: Delivery, accepted: Accepted): void {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (accepted.delivery !== DELIVERY_SEALED) {
      response.writeHead(status);
      response.end(body);
      return;
    }
    const type = typeof headers["content-type"] === "string" ? headers["content-type"] : "application/octet-stream";
    response.setHeader(INNER_TYPE_HEADER, type);
    response.writeHead(status, { "content-type": SEALED_TYPE });
    const { goodsKey: key, orderHash } = accepted;
    response.end(sealGoods(body, { key, orderHash, type }, this.#options.random ?? systemRandom));
  }
}

/** Nothing can be shown for what costs nothing and is for everybody. */
function isFree({ assertion, price }: Offer): boolean {
  return price === 0n && assertion === undefined;
}

function expectedOf({ assertion, delivery, price, unit }: Offer, goods: Uint8Array): Expected {
  const expected = { goods, unit, price, assertion: assertion ?? null };
  return delivery === undefined ? expected : { ...expected, delivery };
}

function underpaid({ credit, paid, price, state }: Accepted) {
  const message =
    "This is not the whole price. What was paid stays for this order: show the missing halves for the same order.";
  return { code: state, message, state, paid, price, credit, missing: price - paid };
}

function goodsOf(payment: Uint8Array): Uint8Array {
  try {
    return readOrder(readPayment(payment).order).goods;
  } catch (error) {
    throw new TokenError("malformed", "This is no payment. Nothing was taken. Send it again.", { cause: error });
  }
}

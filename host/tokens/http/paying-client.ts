/**
 * A fetch that pays by itself (EP 0 833 285 A2 fig. 7 over the web): it reads what a shop asks for, has a purse pay it if it is not
 * above the most that its owner allows, sends the halves, and opens goods that come sealed.
 *
 * An order that was paid and not answered stays open: it is sent again in the same bytes, at once and with the next fetch of the
 * same goods, and is never paid twice.
 */

import { DELIVERY_OPEN, DELIVERY_SEALED } from "../../../firmware/protocol/tokens.js";
import { asError } from "../../as-error.js";
import { equalBytes, toHex } from "../../codec/bytes.js";
import { sha256 } from "../../crypto.js";
import { type RandomSource, randomBytes, systemRandom } from "../../randomness.js";
import { ReasonError } from "../../reasons.js";
import { systemTimers, type Timers } from "../../services/clock.js";
import { formatMoney, type Money, sameUnit } from "../../units.js";
import { type FoundTokenPurse, type TokenPurse, wantedAuthorization, wantedMoney } from "../buyer/buyer.js";
import { sealingKey } from "../derive.js";
import { isTokenErrorCode, TokenError } from "../errors.js";
import { encodeOrder, encodePayment } from "../messages/payment.js";
import {
  authorizationHeader,
  type Challenge,
  goodsOfRequest,
  HEADER_PAYMENT_CHARS_MAX,
  PAY_PATH,
  PAYMENT_HALVES_MAX,
  readChallenge,
} from "./challenge.js";
import {
  hashOf,
  type OpenOrder,
  OpenOrders,
  type OrderKeeper,
  orderOf,
  reminderOf,
  type ShownHalves,
} from "./open-orders.js";
import { INNER_TYPE_HEADER, openGoods, SEALED_TYPE } from "./sealed-goods.js";

export type Fetch = (input: string | URL, init?: RequestInit) => Promise<Response>;

export interface PayingOptions {
  /** Asked in this order who pays. */
  readonly purses: readonly TokenPurse[];
  /** The most that one request may cost. A price in another unit is too much. */
  readonly maxPrice: Money;
  /** Sends requests; without it the platform's fetch. */
  readonly fetch?: Fetch;
  /** Told before an order is paid; what it throws keeps it from being paid. */
  readonly onPay?: (order: { readonly url: string; readonly price: Money; readonly assertion: string | null }) => void;
  /** Keeps orders that were paid and not answered, for the next process; without it they are gone with this one. */
  readonly keeper?: OrderKeeper;
  readonly random?: RandomSource;
  readonly timers?: Timers;
  /** How often an order is sent whose answer was lost; 4. */
  readonly attempts_max?: number;
  /** How long one answer may take; half a minute. */
  readonly answer_ms_max?: number;
}

/** An order that was paid. */
type PaidOrder = OpenOrder & { readonly shown: ShownHalves };

const ATTEMPTS_MAX = 4;
const ANSWER_MS_MAX = 30_000;
const PAUSE_MS = 250;
const MESSAGE_CHARS_MAX = 400;
/** These end an order: paying it again cannot help. */
const ENDS: readonly string[] = ["order-over", "half-spent", "purse-expired", "purse-recalled", "wrong-order"];

export function payingFetch(options: PayingOptions): Fetch {
  const client = new PayingClient(options);
  return (input, init) => client.fetch(String(input), init ?? {});
}

class PayingClient {
  readonly #options: PayingOptions;
  readonly #fetch: Fetch;
  readonly #orders: OpenOrders;
  /** One order is made and shown at a time: a purse has one that is open. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: PayingOptions) {
    this.#options = options;
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
    this.#orders = new OpenOrders(options.keeper);
  }

  async fetch(url: string, init: RequestInit): Promise<Response> {
    const key = `${init.method ?? "GET"} ${url}${bodyKey(init)}`;
    const open = await this.#inTurn(() => this.#openOrder(key));
    if (open !== undefined) return this.#answered(key, init, open);
    const response = await this.#ask(url, init).catch((error: unknown) => {
      const why = asError(error);
      const what = why.cause instanceof Error ? why.cause.message : why.message;
      throw new TokenError("unreachable", `${url} does not answer (${what}). Nothing was paid. Try it again later.`, {
        cause: error,
      });
    });
    if (response.status !== 402) return response;
    const challenge = readChallenge(response.headers.get("www-authenticate"));
    if (challenge === undefined) return response;
    await response.body?.cancel();
    const at = response.redirected ? response.url : url;
    requireOwnGoods(at, init, challenge);
    const order = await this.#inTurn(() => this.#pay(key, at, challenge));
    return this.#answered(key, init, order);
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {}); // The caller sees it.
    return result;
  }

  /** Makes an order and has it paid. */
  async #pay(key: string, url: string, challenge: Challenge): Promise<PaidOrder> {
    await this.#showEarlier();
    const { assertion, goods, price: amount, seller, unit } = challenge;
    const { maxPrice, onPay, random = systemRandom } = this.#options;
    const price = { amount, unit };
    if (!sameUnit(unit, maxPrice.unit) || amount > maxPrice.amount)
      throw new TokenError(
        "too-expensive",
        `The shop asks for ${formatMoney(price)}, and at most ${formatMoney(maxPrice)} may be paid. Nothing was paid. Allow more if it is worth it.`,
      );
    const { money, proof } = await this.#pursesFor(challenge);
    const purses = [money, proof].filter((each) => each !== undefined);
    if (money !== undefined && money.available < amount)
      throw new TokenError(
        "no-purse",
        `The price is ${formatMoney(price)}, and the purse for this shop has ${formatMoney({ amount: money.available, unit })} left. Nothing was paid. Ask for new tokens.`,
      );
    requireOnePayment(money?.halvesFor(amount), price);
    requirePrivateLine(url, purses);
    const delivery = deliveryOf(url, challenge, purses);
    onPay?.({ url, price, assertion });
    const nonce = randomBytes(random, 16);
    const bytes = encodeOrder({ seller, nonce, goods, unit, price: amount, delivery, assertion });
    const order = { url, challenge, bytes };
    this.#orders.set(key, order);
    try {
      return await this.#shown(key, order);
    } catch (error) {
      // What a purse refuses it has not shown, if the proof was not shown before. Of anything else it is not known.
      const isRefused = error instanceof ReasonError || error instanceof TokenError;
      if (isRefused && (await this.#isShown(order)) === "no") this.#orders.delete(key);
      throw error;
    }
  }

  /** An order for the same that was paid and not answered. One for which no half was shown is none. */
  async #openOrder(key: string): Promise<PaidOrder | undefined> {
    const open = this.#orders.get(key);
    if (open === undefined) return undefined;
    if (open.shown !== undefined || (await this.#isShown(open)) !== "no") return this.#shown(key, open);
    this.#orders.delete(key);
    return undefined;
  }

  /** Orders of an earlier process whose halves were shown and got lost with it: they are had again before another takes their place. */
  async #showEarlier(): Promise<void> {
    for (const [key, order] of this.#orders.unshown()) {
      const isShown = await this.#isShown(order);
      if (isShown === "yes") await this.#shown(key, order);
      if (isShown === "no") this.#orders.delete(key);
    }
  }

  /** Whether a purse has shown halves for an order; a purse need not say. */
  async #isShown(order: OpenOrder): Promise<"yes" | "no" | "unknown"> {
    const hash = hashOf(order);
    const purses = await this.#pursesFor(order.challenge).catch((error: unknown) => {
      // A purse that is gone shows nothing any more.
      if (error instanceof TokenError && error.code === "no-purse") return undefined;
      throw error;
    });
    if (purses === undefined) return "no";
    const { money, proof } = purses;
    const last = await Promise.all([money?.openOrder(), proof?.openOrder()]);
    if (last.some((open) => open instanceof Uint8Array && equalBytes(open, hash))) return "yes";
    return last.includes("unknown") ? "unknown" : "no";
  }

  /** Has purses show what pays the order. Halves leave a purse in here; for the same order they are the same. */
  async #shown(key: string, order: OpenOrder): Promise<PaidOrder> {
    if (order.shown !== undefined) return { ...order, shown: order.shown };
    const { challenge, bytes } = order;
    const { money, proof } = await this.#pursesFor(challenge);
    // The proof first: where that is refused no money was shown for nothing.
    const proved = await proof?.spend(bytes, 1n);
    const paid = await money?.spend(bytes, challenge.price);
    const all = [paid, proved].filter((each) => each !== undefined);
    const keys = all.flatMap(({ goodsKey }) => (goodsKey === null ? [] : [goodsKey]));
    const payment = encodePayment({ order: bytes, parts: all.flatMap(({ parts }) => parts) });
    const goodsKey = orderOf(order).delivery === DELIVERY_SEALED ? sealingKey(keys) : null;
    const shown = { ...order, shown: { payment, goodsKey } };
    this.#orders.set(key, shown);
    return shown;
  }

  async #pursesFor({ assertion, price: amount, seller, unit }: Challenge) {
    const price = formatMoney({ amount, unit });
    const money = amount === 0n ? undefined : await this.#find(wantedMoney(seller, unit), price);
    const proof = assertion === null ? undefined : await this.#find(wantedAuthorization(seller, assertion), assertion);
    return { money, proof };
  }

  async #find(wanted: Parameters<TokenPurse["find"]>[0], what: string): Promise<FoundTokenPurse> {
    for (const purse of this.#options.purses) {
      const found = await purse.find(wanted);
      if (found !== undefined) return found;
    }
    throw new TokenError(
      "no-purse",
      `No purse has tokens for this shop (${toHex(wanted.seller)}) that show ${what}. Nothing was paid. Ask an issuer that the shop names for some.`,
    );
  }

  /** Sends a paid order until the shop answers, and opens the goods. */
  async #answered(key: string, init: RequestInit, order: PaidOrder): Promise<Response> {
    const { attempts_max = ATTEMPTS_MAX } = this.#options;
    let lost: Error | undefined;
    for (let attempt = 0; attempt < attempts_max; attempt++) {
      if (attempt > 0) await this.#pause(PAUSE_MS * 2 ** attempt);
      try {
        const response = await this.#send(init, order);
        if (response.status === 402) throw await this.#underpaid(key, response, order);
        const refusal = await refusalOf(response);
        if (refusal !== undefined && ENDS.includes(refusal.code)) this.#refused(key, order);
        if (response.status >= 500) lost = refusal ?? new Error(`the shop's server failed (${response.status})`);
        else if (refusal !== undefined) throw refusal;
        else return await this.#opened(key, response, order);
      } catch (error) {
        if (error instanceof TokenError) throw error;
        lost = asError(error);
      }
    }
    throw new TokenError(
      "unreachable",
      `${key} was paid, and the shop has not answered (${lost?.message ?? ""}). The halves count for this order and no other. Fetch the same again: the same order is sent, and nothing more is paid.`,
      { cause: lost },
    );
  }

  /** What says no is signed by nobody: the order is sent once more before it is given up. */
  #refused(key: string, order: PaidOrder): void {
    if (order.isRefused === true) this.#orders.delete(key);
    else this.#orders.set(key, { ...order, isRefused: true });
  }

  async #send(init: RequestInit, { shown, url }: PaidOrder): Promise<Response> {
    const { payment } = shown;
    const isShort = authorizationHeader(payment).length <= HEADER_PAYMENT_CHARS_MAX;
    if (!isShort) {
      const pay = () => this.#ask(new URL(PAY_PATH, url), { method: "POST", body: payment, redirect: "manual" });
      let paid = await pay();
      if ((await refusalOf(paid))?.code === "wrong-order") {
        // A shop that was started again does not know its prices by their goods before somebody has asked.
        await (await this.#ask(url, { ...init, redirect: "manual" })).body?.cancel();
        paid = await pay();
      }
      if (paid.status !== 200) return paid;
      await paid.body?.cancel();
    }
    const headers = new Headers(init.headers);
    headers.set("authorization", authorizationHeader(isShort ? payment : reminderOf(shown)));
    // What was paid here is sent nowhere else.
    return this.#ask(url, { ...init, headers, redirect: "manual" });
  }

  async #ask(url: string | URL, init: RequestInit): Promise<Response> {
    const limit = AbortSignal.timeout(this.#options.answer_ms_max ?? ANSWER_MS_MAX);
    const signal = init.signal == null ? limit : AbortSignal.any([init.signal, limit]);
    return this.#fetch(url, { ...init, signal });
  }

  async #pause(delay_ms: number): Promise<void> {
    const { timers = systemTimers } = this.#options;
    await new Promise<void>((resolve) => timers.after(delay_ms, resolve));
  }

  /** The whole price was shown: what is missing is the shop's mistake, or somebody changed the price meanwhile. */
  async #underpaid(key: string, response: Response, { challenge }: PaidOrder): Promise<TokenError> {
    await response.body?.cancel();
    return new TokenError(
      "wrong-order",
      `${key} was paid ${formatMoney({ amount: challenge.price, unit: challenge.unit })}, which is its price, and the shop says that it is not enough. What was paid stays for this order. Ask the shop.`,
    );
  }

  /** The goods. What is neither goods nor a refusal comes from somebody in between, and leaves the order open. */
  async #opened(key: string, response: Response, order: PaidOrder): Promise<Response> {
    const isSealed = response.headers.get("content-type") === SEALED_TYPE;
    if (response.status >= 400 && !isSealed) return response;
    const goods = await opened(response, order);
    this.#orders.delete(key);
    return goods;
  }
}

/** What is sent again with an order must be the same. */
function bodyKey({ body }: RequestInit): string {
  if (body == null) return "";
  if (typeof body !== "string" && !(body instanceof Uint8Array))
    throw new TypeError("body: a request that is paid is sent several times, its body must be text or bytes");
  return ` ${toHex(sha256(typeof body === "string" ? new TextEncoder().encode(body) : body))}`;
}

/** A TokenError of the shop, if the answer is one. */
async function refusalOf(response: Response): Promise<TokenError | undefined> {
  const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
  if (response.status < 400 || !isJson) return undefined;
  const document: unknown = await response
    .clone()
    .json()
    .catch(() => undefined);
  if (typeof document !== "object" || document === null || !("code" in document)) return undefined;
  const { code } = document;
  if (!isTokenErrorCode(code)) return undefined;
  const said = "message" in document && typeof document.message === "string" ? document.message : "";
  return new TokenError(code, said.slice(0, MESSAGE_CHARS_MAX).replace(/[\p{Cc}\p{Cf}]/gu, " "));
}

/** Whether nobody listens, or changes what is said. */
function isPrivate(url: string): boolean {
  const { hostname, protocol } = new URL(url);
  return protocol === "https:" || ["127.0.0.1", "[::1]", "localhost"].includes(hostname);
}

/**
 * Over a line that somebody may be on, what is paid for must be what was asked for: the challenge is signed by nobody, and he could have his
 * own shopping paid. Goods that are named otherwise than by method and path need TLS.
 */
function requireOwnGoods(url: string, init: RequestInit, { goods }: Challenge): void {
  if (isPrivate(url) || equalBytes(goods, goodsOfRequest(init.method ?? "GET", targetOf(url)))) return;
  throw new TokenError(
    "not-authentic",
    "What the shop wants to be paid for is not what was asked for, and the line is not protected, so that somebody may have changed it. Nothing was paid. Use the shop's https address.",
  );
}

function targetOf(url: string): string {
  const { pathname, search } = new URL(url);
  return pathname + search;
}

/** What does not fit in one payment no shop would read, and the halves would be shown for nothing. */
function requireOnePayment(halves: number | undefined, price: Money): void {
  if (halves === undefined || halves <= PAYMENT_HALVES_MAX) return;
  throw new TokenError(
    "too-expensive",
    `The price of ${formatMoney(price)} takes ${halves} halves of the purse for this shop, and one payment holds ${PAYMENT_HALVES_MAX} at most. Nothing was paid. Ask for tokens of greater value.`,
  );
}

/** Halves that anybody could use are shown only where nobody listens. */
function requirePrivateLine(url: string, purses: readonly FoundTokenPurse[]): void {
  if (!purses.some(({ isBare }) => isBare) || isPrivate(url)) return;
  throw new TokenError(
    "no-purse",
    "This card only stores halves and cannot mask them, so that whoever overhears them could spend them. Nothing was paid. Use the shop's https address, or a purse with a chip.",
  );
}

function deliveryOf(url: string, { delivery }: Challenge, purses: readonly FoundTokenPurse[]): number {
  if (delivery === DELIVERY_OPEN && !isPrivate(url))
    throw new TokenError(
      "not-authentic",
      "The goods would come in the open over a line that is not protected: who is on it could have them, and had perhaps asked for that. Nothing was paid. Use the shop's https address.",
    );
  const opens = purses.every(({ opensSealed }) => opensSealed);
  if (delivery === DELIVERY_SEALED && !opens)
    throw new TokenError(
      "no-purse",
      "The shop delivers sealed, and this card has no key to open the goods with. Nothing was paid. Use a purse with a chip.",
    );
  return delivery ?? (opens ? DELIVERY_SEALED : DELIVERY_OPEN);
}

/** Sealed goods, opened; a TokenError where they are not what the seller of this order sealed. */
async function opened(response: Response, order: PaidOrder): Promise<Response> {
  const { goodsKey } = order.shown;
  if (goodsKey === null) return response;
  const type = response.headers.get(INNER_TYPE_HEADER) ?? "";
  if (response.headers.get("content-type") !== SEALED_TYPE) throw notSealed("they came in the open");
  const sealed = new Uint8Array(await response.arrayBuffer());
  const body = openGoods(sealed, { key: goodsKey, orderHash: hashOf(order), type });
  if (body === undefined) throw notSealed("their seal is not this seller's");
  const headers = new Headers(response.headers);
  for (const name of [INNER_TYPE_HEADER, "content-length"]) headers.delete(name);
  headers.set("content-type", type);
  const { status, statusText } = response;
  return new Response(isWithoutBody(status) ? null : Buffer.from(body), { status, statusText, headers });
}

function isWithoutBody(status: number): boolean {
  return status === 204 || status === 205 || status === 304;
}

function notSealed(what: string): TokenError {
  return new TokenError(
    "not-authentic",
    `The goods cannot be believed: ${what}. They were paid; fetch the same again, and the same order is sent.`,
  );
}

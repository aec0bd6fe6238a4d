/**
 * A fetch that pays by itself (EP 0 833 285 A2 fig. 7 over the web): it reads what a shop asks for, has a purse pay it if it is not
 * above the most that its owner allows, sends the halves, and opens goods that come sealed.
 *
 * An order that was paid and not answered stays open: it is sent again in the same bytes, at once and with the next fetch of the
 * same goods, and is never paid twice.
 */

import { DELIVERY_OPEN, DELIVERY_SEALED } from "../../../firmware/protocol/tokens.js";
import { asError } from "../../as-error.js";
import { toHex } from "../../codec/bytes.js";
import { sha256 } from "../../crypto.js";
import { type RandomSource, randomBytes, systemRandom } from "../../randomness.js";
import { systemTimers, type Timers } from "../../services/clock.js";
import { formatMoney, type Money, sameUnit } from "../../units.js";
import { type FoundTokenPurse, type Shown, type TokenPurse, wantedAuthorization, wantedMoney } from "../buyer.js";
import { sealingKey } from "../derive.js";
import { isTokenErrorCode, TokenError } from "../errors.js";
import { encodeOrder, encodePayment, type PaymentPart } from "../messages/payment.js";
import { authorizationHeader, type Challenge, HEADER_PAYMENT_CHARS_MAX, PAY_PATH, readChallenge } from "./challenge.js";
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
  readonly random?: RandomSource;
  readonly timers?: Timers;
  /** How often an order is sent whose answer was lost; 4. */
  readonly attempts_max?: number;
  /** How long one answer may take; half a minute. */
  readonly answer_ms_max?: number;
}

/** An order that was paid. */
interface PaidOrder {
  readonly orderHash: Uint8Array;
  readonly payment: Uint8Array;
  /** One half of each part: what shows a shop that it was paid before. */
  readonly reminder: Uint8Array;
  readonly price: bigint;
  readonly challenge: Challenge;
  /** For sealed goods. */
  readonly goodsKey: Uint8Array | null;
}

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
  /** Orders that were paid and not answered, by what was asked for. */
  readonly #open = new Map<string, PaidOrder>();

  constructor(options: PayingOptions) {
    this.#options = options;
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
  }

  async fetch(url: string, init: RequestInit): Promise<Response> {
    const key = `${init.method ?? "GET"} ${url}${bodyKey(init)}`;
    const open = this.#open.get(key);
    if (open !== undefined) return this.#answered(key, url, init, open);
    const response = await this.#ask(url, init);
    if (response.status !== 402) return response;
    const challenge = readChallenge(response.headers.get("www-authenticate"));
    if (challenge === undefined) return response;
    await response.body?.cancel();
    const order = await this.#pay(url, challenge);
    this.#open.set(key, order);
    return this.#answered(key, url, init, order);
  }

  /** Makes an order and has it paid. Halves leave a purse in here. */
  async #pay(url: string, challenge: Challenge): Promise<PaidOrder> {
    const { assertion, goods, price: amount, seller, unit } = challenge;
    const { maxPrice, onPay, random = systemRandom } = this.#options;
    const price = { amount, unit };
    if (!sameUnit(unit, maxPrice.unit) || amount > maxPrice.amount)
      throw new TokenError(
        "too-expensive",
        `The shop asks for ${formatMoney(price)}, and at most ${formatMoney(maxPrice)} may be paid. Nothing was paid. Allow more if it is worth it.`,
      );
    const money = amount === 0n ? undefined : await this.#find(wantedMoney(seller, unit), formatMoney(price));
    const card = assertion === null ? undefined : await this.#find(wantedAuthorization(seller, assertion), assertion);
    const purses = [money, card].filter((each) => each !== undefined);
    if (money !== undefined && money.available < amount)
      throw new TokenError(
        "no-purse",
        `The price is ${formatMoney(price)}, and the purse for this shop has ${formatMoney({ amount: money.available, unit })} left. Nothing was paid. Ask for new tokens.`,
      );
    requirePrivateLine(url, purses);
    const delivery = deliveryOf(challenge, purses);
    onPay?.({ url, price, assertion });
    const nonce = randomBytes(random, 16);
    const order = encodeOrder({ seller, nonce, goods, unit, price: amount, delivery, assertion });
    const shown: Shown[] = [];
    if (money !== undefined) shown.push(await money.spend(order, amount));
    if (card !== undefined) shown.push(await card.spend(order, 1n));
    const parts = shown.flatMap((each) => each.parts);
    const keys = shown.flatMap(({ goodsKey }) => (goodsKey === null ? [] : [goodsKey]));
    return {
      orderHash: sha256(order),
      payment: encodePayment({ order, parts }),
      reminder: encodePayment({ order, parts: shown.flatMap(reminders) }),
      price: amount,
      challenge,
      goodsKey: delivery === DELIVERY_SEALED ? sealingKey(keys) : null,
    };
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
  async #answered(key: string, url: string, init: RequestInit, order: PaidOrder): Promise<Response> {
    const { attempts_max = ATTEMPTS_MAX } = this.#options;
    let lost: Error | undefined;
    for (let attempt = 0; attempt < attempts_max; attempt++) {
      if (attempt > 0) await this.#pause(PAUSE_MS * 2 ** attempt);
      try {
        const response = await this.#send(url, init, order);
        if (response.status === 402) throw await this.#underpaid(key, response, order);
        const refusal = await refusalOf(response);
        if (refusal !== undefined && ENDS.includes(refusal.code)) this.#open.delete(key);
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

  async #send(url: string, init: RequestInit, { payment, reminder }: PaidOrder): Promise<Response> {
    const isShort = authorizationHeader(payment).length <= HEADER_PAYMENT_CHARS_MAX;
    if (!isShort) {
      const paid = await this.#ask(new URL(PAY_PATH, url), { method: "POST", body: payment, redirect: "manual" });
      if (paid.status !== 200) return paid;
      await paid.body?.cancel();
    }
    const headers = new Headers(init.headers);
    headers.set("authorization", authorizationHeader(isShort ? payment : reminder));
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
  async #underpaid(key: string, response: Response, { price, challenge }: PaidOrder): Promise<TokenError> {
    await response.body?.cancel();
    return new TokenError(
      "wrong-order",
      `${key} was paid ${formatMoney({ amount: price, unit: challenge.unit })}, which is its price, and the shop says that it is not enough. What was paid stays for this order. Ask the shop.`,
    );
  }

  /** The goods. What is neither goods nor a refusal comes from somebody in between, and leaves the order open. */
  async #opened(key: string, response: Response, order: PaidOrder): Promise<Response> {
    const isSealed = response.headers.get("content-type") === SEALED_TYPE;
    if (response.status >= 400 && !isSealed && order.goodsKey !== null) return response;
    const goods = await opened(response, order);
    this.#open.delete(key);
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

/** Of each part its first half. */
function reminders({ firstHalfBytes, parts }: Shown): PaymentPart[] {
  return parts.map(({ halves, index, purse, ranges }) => {
    const first = ranges[0]?.first ?? 0;
    return { purse, index, ranges: [{ first, count: 1 }], halves: halves.slice(0, firstHalfBytes) };
  });
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

/** Halves that anybody could use are shown only where nobody listens. */
function requirePrivateLine(url: string, purses: readonly FoundTokenPurse[]): void {
  if (!purses.some(({ isBare }) => isBare)) return;
  const { hostname, protocol } = new URL(url);
  if (protocol === "https:" || ["127.0.0.1", "[::1]", "localhost"].includes(hostname)) return;
  throw new TokenError(
    "no-purse",
    "This card only stores halves and cannot mask them, so that whoever overhears them could spend them. Nothing was paid. Use the shop's https address, or a purse with a chip.",
  );
}

function deliveryOf({ delivery }: Challenge, purses: readonly FoundTokenPurse[]): number {
  const opens = purses.every(({ opensSealed }) => opensSealed);
  if (delivery === DELIVERY_SEALED && !opens)
    throw new TokenError(
      "no-purse",
      "The shop delivers sealed, and this card has no key to open the goods with. Nothing was paid. Use a purse with a chip.",
    );
  return delivery ?? (opens ? DELIVERY_SEALED : DELIVERY_OPEN);
}

/** Sealed goods, opened; a TokenError where they are not what the seller of this order sealed. */
async function opened(response: Response, { goodsKey, orderHash }: PaidOrder): Promise<Response> {
  if (goodsKey === null) return response;
  const type = response.headers.get(INNER_TYPE_HEADER) ?? "";
  if (response.headers.get("content-type") !== SEALED_TYPE) throw notSealed("they came in the open");
  const sealed = new Uint8Array(await response.arrayBuffer());
  const body = openGoods(sealed, { key: goodsKey, orderHash, type });
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

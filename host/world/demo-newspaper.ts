/** The part of the demonstration that costs less than a cent: a newspaper is read for token halves, over HTTP. */

import { PURSE_AUTHORIZATION, PURSE_MONEY } from "../../firmware/protocol/tokens.js";
import { randomBytes } from "../randomness.js";
import { CardPurse } from "../tokens/buyer/buyer.js";
import type { PurseCard } from "../tokens/buyer/card.js";
import { refundTokens, requestTokens } from "../tokens/buyer/errands.js";
import { authorizationHeader } from "../tokens/http/challenge.js";
import { payingFetch } from "../tokens/http/paying-client.js";
import { encodeOrder, encodePayment, readOrder, readPayment } from "../tokens/messages/payment.js";
import type { MintUnit } from "../tokens/mint/audit.js";
import { type Denomination, faceValue, NO_UNIT } from "../tokens/terms.js";
import { formatDecimal, formatMoney, parseDecimal } from "../units.js";
import { check } from "./demo-check.js";
import { ARTICLES, OVER_21 } from "./newspaper.js";
import { type ServedNewspaper, serveNewspaper } from "./serve-newspaper.js";
import type { Site } from "./site.js";
import { HomeTokens, type IssuerName, parseTokenMoney, sellerAccount, TOKEN_UNIT } from "./tokens.js";

const READER = "alice";
const NEWSPAPER = "gazette";
const PURCHASES = 200;
const DAY_SECONDS = 86_400;
const FREE = ARTICLES.filter(({ assertion }) => assertion === undefined);

export interface TokenAuditLine extends Omit<MintUnit, "unit"> {
  readonly currency: string;
  readonly exponent: number;
  readonly balanced: boolean;
}

export class NewspaperDemo {
  readonly #tokens: HomeTokens;
  readonly #served: ServedNewspaper;
  readonly #card: PurseCard;
  /** What the reader has spent, in TOKEN_UNIT. */
  #spent = 0n;
  #lastPayment: Uint8Array = new Uint8Array(0);

  private constructor(tokens: HomeTokens, served: ServedNewspaper, card: PurseCard) {
    this.#tokens = tokens;
    this.#served = served;
    this.#card = card;
  }

  static async open(site: Site): Promise<NewspaperDemo> {
    const tokens = await HomeTokens.open(site);
    const served = await serveNewspaper(tokens, NEWSPAPER);
    return new NewspaperDemo(tokens, served, await tokens.purse(READER));
  }

  /** Fig. 2 to 6. */
  async bought(): Promise<string> {
    const denominations = [{ value: parseDecimal("0.001", TOKEN_UNIT.exponent), count: 1000 }];
    await this.#request("mint", { denominations });
    const [purse] = await this.#card.purses();
    check(
      purse?.state === "open" && faceValue(purse.stacks) === parseTokenMoney("USD 1.00").amount,
      "a dollar is in it",
    );
    return `${READER} has USD 1.00 in ${denominations[0]?.count} tokens for ${this.#served.shop.title}; the chip keeps 32 bytes and a counter`;
  }

  async #request(
    issuer: IssuerName,
    what: { denominations: readonly Denomination[]; assertion?: string },
  ): Promise<void> {
    const door = this.#tokens.door(NEWSPAPER);
    const { clock } = this.#tokens.site.parts;
    const order = {
      ...what,
      issuerChain: this.#tokens.chainOf(issuer),
      seller: door.id,
      kind: what.assertion === undefined ? PURSE_MONEY : PURSE_AUTHORIZATION,
      unit: what.assertion === undefined ? TOKEN_UNIT : NO_UNIT,
      spendBy_seconds: Number(clock.now_seconds()) + DAY_SECONDS,
    };
    await requestTokens(this.#card, this.#tokens.issuerId(issuer), order, (outer) => door.forward(outer));
  }

  /** Fig. 7 and 8, with nobody on the line but reader and newspaper. */
  async read(): Promise<string> {
    const pay = this.#payingFetch();
    const before = this.#spent;
    const started = performance.now();
    for (let number = 0; number < PURCHASES; number += 1) {
      const article = FREE[number % FREE.length];
      if (article === undefined) break;
      const response = await pay(`${this.#served.url}${article.path}`);
      check(response.status === 200 && (await response.text()).includes(article.text), "the article is there");
    }
    const milliseconds = performance.now() - started;
    const sum = { amount: this.#spent - before, unit: TOKEN_UNIT };
    const price = FREE.map((each) => parseDecimal(each.price, TOKEN_UNIT.exponent));
    const due = Array.from({ length: PURCHASES }, (_, number) => price[number % price.length] ?? 0n);
    check(sum.amount === due.reduce((all, each) => all + each, 0n), "they cost what they cost");
    return `${PURCHASES} articles for ${formatMoney(sum)}, ${(milliseconds / PURCHASES).toFixed(1)} ms each`;
  }

  #payingFetch() {
    return payingFetch({
      purses: [new CardPurse(this.#card)],
      maxPrice: parseTokenMoney("USD 0.01"),
      onPay: ({ price }) => {
        this.#spent += price.amount;
      },
      fetch: (input, init) => {
        const header = new Headers(init?.headers).get("authorization");
        if (header !== null) this.#lastPayment = new Uint8Array(Buffer.from(header.split(" ")[1] ?? "", "base64url"));
        return fetch(input, init);
      },
    });
  }

  /** The halves of a payment that was made, shown once more for another order. */
  async cheated(): Promise<string> {
    const { order, parts } = readPayment(this.#lastPayment);
    const { random } = this.#tokens.site.parts;
    const again = { ...readOrder(order), nonce: randomBytes(random, 16) };
    const payment = encodePayment({ order: encodeOrder(again), parts });
    const before = this.#served.shop.seller.balance();
    const article = FREE[(PURCHASES - 1) % FREE.length];
    const response = await fetch(`${this.#served.url}${article?.path}`, {
      headers: { authorization: authorizationHeader(payment) },
    });
    const refusal = (await response.json()) as { readonly code?: string; readonly message?: string };
    check(response.status >= 400 && refusal.code === "half-spent", "halves are good once");
    check(
      JSON.stringify(before, text) === JSON.stringify(this.#served.shop.seller.balance(), text),
      "nothing was taken",
    );
    return refusal.message ?? "";
  }

  /** An authorization purse (claim 9): what the newspaper learns is that somebody is over 21. */
  async proved(): Promise<string> {
    const { clock } = this.#tokens.site.parts;
    const article = ARTICLES.find(({ assertion }) => assertion === OVER_21);
    check(article !== undefined, "there is an article for adults");
    const url = `${this.#served.url}${article.path}`;
    check(await failed(this.#payingFetch()(url)), "without the proof it is not sold");
    await this.#tokens.prove(READER, OVER_21, Number(clock.now_seconds()) + 2 * DAY_SECONDS);
    await this.#request("clearance", { denominations: [{ value: 1n, count: 3 }], assertion: OVER_21 });
    const response = await this.#payingFetch()(url);
    check((await response.text()).includes(article.text), "with the proof it is");
    return `"${article.title}" for ${article.price} and a proof of ${OVER_21}, without a name`;
  }

  /** Fig. 9. */
  async redeemed(): Promise<string> {
    const { credited, failed: failures } = await this.#served.shop.seller.redeem();
    check(failures.length === 0, "the mint honours every token");
    const money = credited.filter(({ unit }) => unit.currency !== 0);
    const amount = money.reduce((sum, each) => sum + each.amount, 0n);
    check(amount === this.#spent, "the newspaper earned what the reader spent");
    const tokens = money.reduce((sum, each) => sum + each.tokens, 0);
    return `${tokens} tokens, ${formatMoney({ amount, unit: TOKEN_UNIT })} to account ${sellerAccount(NEWSPAPER)}`;
  }

  /** Fig. 10. */
  async refunded(): Promise<string> {
    const purses = await this.#card.purses();
    const money = purses.find(({ kind }) => kind === PURSE_MONEY);
    check(money !== undefined, "there is a purse to close");
    const refund = await refundTokens(this.#card, money.slot, (sealed) => this.#tokens.issuer("mint").refund(sealed));
    check(refund.state === "closed", "the newspaper has given its halves back");
    const { amount } = this.#tokens.noticeOf("mint", refund.notice);
    check(amount === parseTokenMoney("USD 1.00").amount - this.#spent, "what was not spent is back");
    return `${formatMoney({ amount, unit: TOKEN_UNIT })} came back to ${READER}`;
  }

  /** Counted from every purse, and compared with the bank's books. */
  async audit(): Promise<TokenAuditLine[]> {
    const { units, faults } = await this.#tokens.audit();
    const findings = await this.#served.shop.seller.audit();
    check(
      faults.length === 0 && findings.length === 0,
      `mint and newspaper agree: ${[...faults, ...findings].join("; ")}`,
    );
    return units.map(({ unit, ...sums }) => ({
      currency: "USD",
      exponent: unit.exponent,
      ...sums,
      balanced: sums.issued === sums.redeemed + sums.refunded + sums.outstanding,
    }));
  }

  async close(): Promise<void> {
    await this.#served.close();
  }
}

export function tokenLine({ currency, exponent, issued, redeemed, refunded, outstanding }: TokenAuditLine): string {
  const [a, b, c, d] = [issued, redeemed, refunded, outstanding].map((amount) => formatDecimal(amount, exponent));
  return `tokens: ${currency} ${a} issued, ${b} redeemed, ${c} refunded, ${d} outstanding`;
}

function text(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

async function failed(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => false,
    () => true,
  );
}

/** `tally tokens`: purses of token halves, for what costs less than a cent. */

import { type Command, InvalidArgumentError } from "commander";
import { REASON_PURSE_EXISTS } from "../../firmware/protocol/reasons.js";
import { PURSE_AUTHORIZATION, PURSE_MONEY } from "../../firmware/protocol/tokens.js";
import { equalBytes, toHex } from "../codec/bytes.js";
import { ReasonError } from "../reasons.js";
import type { PurseCard } from "../tokens/buyer/card.js";
import type { PurseRecord } from "../tokens/buyer/card-data.js";
import { refundClosed, refundTokens, requestTokens } from "../tokens/buyer/errands.js";
import { TokenError } from "../tokens/errors.js";
import { payingFetch } from "../tokens/http/paying-client.js";
import { type Denomination, faceValue, NO_UNIT, tokenCount } from "../tokens/terms.js";
import { formatMoney, type Money, parseDecimal } from "../units.js";
import { purseOf } from "../world/shop.js";
import { HomeTokens, parseTokenMoney, TOKEN_UNIT } from "../world/tokens.js";
import {
  type DeviceOptions,
  digitsOfEnvironment,
  type GlobalOptions,
  type OwnerOptions,
  outputFor,
  pinDigits,
  withDevice,
  withSite,
} from "./context.js";
import { UsageError } from "./failure.js";
import { daysNumber } from "./mint.js";
import { EXIT_FAILED, EXIT_OPEN, moneyJson, printable } from "./output.js";

const PIN_HELP = "the owner's PIN (default: $TALLY_PIN, or the one that the home keeps)";
const DAY_SECONDS = 86_400;
const DAYS = 90;
const TOKEN = "0.001";
const MAX_PRICE = "USD 0.01";
const AUTHORIZATIONS = 10;

export function addTokens(program: Command): void {
  const tokens = program.command("tokens").description("pay less than a cent, with halves of tokens from a chip");
  addRequest(tokens);
  addBalance(tokens);
  addSpend(tokens);
  addAllow(tokens);
  addRefund(tokens);
  addRedeem(tokens);
}

/** Opens what a home has of token halves, with one owner's purse. */
async function withPurse<Result>(
  options: OwnerOptions,
  owner: string,
  work: (card: PurseCard, tokens: HomeTokens) => Promise<Result>,
): Promise<Result> {
  return withTokens(options, async (tokens) =>
    work(await tokens.purse(owner, pinOf(options), placeOf(options)), tokens),
  );
}

/** A purse is one chip. */
function placeOf({ device = [] }: DeviceOptions): string | undefined {
  const [place, another] = device;
  if (another !== undefined) throw new UsageError("A purse is in one place. Nothing was done and no money moved.");
  return place;
}

function pinOf({ pin }: OwnerOptions): string | undefined {
  return pin ?? digitsOfEnvironment("TALLY_PIN");
}

async function withTokens<Result>(
  options: GlobalOptions,
  work: (tokens: HomeTokens) => Promise<Result>,
): Promise<Result> {
  return withSite(options, async (site) => {
    const tokens = await HomeTokens.open(site);
    try {
      return await work(tokens);
    } finally {
      await tokens.close();
    }
  });
}

interface RequestOptions extends OwnerOptions {
  readonly token?: string;
  readonly tokens?: readonly Denomination[];
  readonly authorization?: string;
  readonly days?: number;
  readonly flush?: boolean;
}

function addRequest(tokens: Command): void {
  withDevice(tokens.command("request"))
    .description("buy tokens for one seller, from the account at the bank")
    .argument("<owner>", "for example alice")
    .argument("<seller>", "a name from `tally seller list`")
    .argument("[amount]", 'for example "USD 1.00"; or a number of authorizations')
    .option("--token <value>", `what each token is worth (default: ${TOKEN})`)
    .option("--tokens <list>", 'of several values: "0.001x500,0.01x50"', denominationList)
    .option("--authorization <assertion>", "no money but the proof of this, without a name: over-21", assertionWord)
    .option("--days <number>", `to be spent within so many days (default: ${DAYS})`, daysNumber)
    .option("--flush", "give back what is left of older tokens for the same seller")
    .option("--pin <digits>", PIN_HELP, pinDigits)
    .action(async (owner: string, seller: string, amount: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<RequestOptions>();
      if (amount !== undefined && options.tokens !== undefined)
        throw new UsageError("Say how much, or which tokens with --tokens, and not both. Nothing was bought.");
      const denominations = options.tokens ?? wanted(amount, options);
      const { authorization } = options;
      const kind = authorization === undefined ? PURSE_MONEY : PURSE_AUTHORIZATION;
      const issuer = authorization === undefined ? "mint" : "clearance";
      const { slot, bought, refunded } = await withPurse(options, owner, async (card, home) => {
        const door = home.door(seller);
        const order = {
          issuerChain: home.chainOf(issuer),
          seller: door.id,
          kind,
          unit: authorization === undefined ? TOKEN_UNIT : NO_UNIT,
          denominations,
          spendBy_seconds: Number(home.site.parts.clock.now_seconds()) + (options.days ?? DAYS) * DAY_SECONDS,
          flush: options.flush ?? false,
          ...(authorization === undefined ? {} : { assertion: authorization }),
        };
        const forward = (outer: Uint8Array) => door.forward(outer);
        const refund = () => refundClosed(card, home.issuerId(issuer), (sealed) => home.issuer(issuer).refund(sealed));
        // What was closed by hand, and not refunded so far, is in the way.
        const before = await refund();
        const isRefused = async (nonce: Uint8Array) => (await home.refusal(issuer, owner, nonce)) !== undefined;
        const asked = requestTokens(card, home.issuerId(issuer), order, forward, { isRefused });
        const { slot } = await asked.catch(async (error) => {
          throw await explained(error, () => home.refusal(issuer, owner));
        });
        // A request that was under way was asked again, whatever it was for.
        const bought = (await card.purses()).find((each) => each.slot === slot)?.stacks ?? denominations;
        // What the request flushed.
        const refunds = [...before, ...(await refund())];
        const notices = refunds.flatMap((each) => (each.state === "closed" ? home.noticeOf(issuer, each.notice) : []));
        return { slot, bought, refunded: notices.reduce((sum, { amount }) => sum + amount, 0n) };
      });
      const count = tokenCount(bought);
      const face: Money = { amount: faceValue(bought), unit: TOKEN_UNIT };
      const isEarlier = count !== tokenCount(denominations) || face.amount !== faceValue(denominations);
      const worth =
        authorization === undefined
          ? `${formatMoney(face)} in ${count} tokens`
          : `${count} proofs of "${authorization}"`;
      const json = authorization === undefined ? moneyJson(face) : { authorization };
      const back: Money = { amount: refunded, unit: TOKEN_UNIT };
      const isBack = authorization === undefined && refunded > 0n;
      const refundedJson = isBack ? { refunded: moneyJson(back) } : {};
      outputFor(options).result({ owner, seller, slot, tokens: count, ...json, ...refundedJson }, [
        `${owner} has ${worth} for ${seller}.`,
        ...(isEarlier
          ? ["That is what an earlier request was for, which was not answered. For another amount add --flush."]
          : []),
        ...(isBack ? [`${formatMoney(back)} of older tokens came back.`] : []),
      ]);
    });
}

/** What an issuer tells a buyer and no seller. */
const REFUSALS: Readonly<Record<string, string>> = {
  "insufficient-funds": "there is not enough on the account",
  "unknown-buyer": "the purse has no account there",
  "unit-refused": "it sells no tokens in this currency",
  "not-proved": 'the owner has not proved that; see "tally mint prove"',
  "flush-first": "there are older tokens for this seller; add --flush",
};

async function explained(error: unknown, why: () => Promise<string | undefined>): Promise<unknown> {
  if (error instanceof ReasonError && error.reason === REASON_PURSE_EXISTS)
    return new TokenError(
      "flush-first",
      "There are tokens for this seller on the card already. Nothing was asked of the bank. Spend those, or add --flush: then what is left of them comes back first.",
      { cause: error },
    );
  if (!(error instanceof TokenError) || error.code !== "refused") return error;
  const code = await why();
  const known = code === undefined ? undefined : REFUSALS[code];
  if (known === undefined) return error;
  return new TokenError("refused", `The issuer makes no tokens for this request: ${known}. No money was taken.`, {
    cause: error,
  });
}

/** Tokens of one value: then every price that is a multiple of it can be paid. */
function wanted(amount: string | undefined, { authorization, token }: RequestOptions): Denomination[] {
  if (authorization !== undefined)
    return [{ value: 1n, count: amount === undefined ? AUTHORIZATIONS : countOf(amount) }];
  const money = parseTokenMoney(amount ?? "");
  const value = parseDecimal(token ?? TOKEN, TOKEN_UNIT.exponent);
  if (value === 0n || money.amount === 0n || money.amount % value !== 0n) {
    const face = formatMoney({ amount: value, unit: TOKEN_UNIT });
    throw new UsageError(`${formatMoney(money)} is no number of tokens of ${face}. Nothing was bought.`);
  }
  return [{ value, count: Number(money.amount / value) }];
}

function countOf(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new UsageError(`"${text}" is no number of authorizations. Nothing was asked for.`);
}

function denominationList(text: string): Denomination[] {
  const list = text.split(",").map((part) => {
    const [, value = "", count = ""] = /^\s*([\d.]+)\s*x\s*([1-9]\d{0,6})\s*$/.exec(part) ?? [];
    if (value === "") throw new InvalidArgumentError(`"${part}" is not like 0.001x500.`);
    return { value: parseDecimal(value, TOKEN_UNIT.exponent), count: Number(count) };
  });
  return list.sort((one, other) => (one.value < other.value ? -1 : 1));
}

function assertionWord(text: string): string {
  if (text !== "") return text;
  throw new InvalidArgumentError("It is empty.");
}

function addBalance(tokens: Command): void {
  withDevice(tokens.command("balance"))
    .description("what an owner's purses hold, for which seller")
    .argument("<owner>", "for example alice")
    .option("--pin <digits>", PIN_HELP, pinDigits)
    .action(async (owner: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<OwnerOptions>();
      const purses = await withPurse(options, owner, async (card, home) => {
        return (await card.purses()).map((purse) => summary(purse, home));
      });
      const lines = purses.map((each) => {
        const what = each.assertion === null ? `USD ${each.left}` : `${each.left} x "${each.assertion}"`;
        const until = each.state === "open" ? `until ${each.spendBy.slice(0, 10)}` : each.state;
        return `${each.seller.padEnd(12)} ${what.padStart(16)}  ${until}`;
      });
      outputFor(options).result({ owner, purses }, lines.length > 0 ? lines : ["There are no tokens."]);
    });
}

function summary(
  { slot, state, seller, stacks, assertion, spendBy_seconds, allowance }: PurseRecord,
  home: HomeTokens,
) {
  const left = stacks.map(({ value, count, next }) => ({ value, count: count - next }));
  const isMoney = assertion === null;
  const text = (amount: bigint) =>
    isMoney ? formatMoney({ amount, unit: TOKEN_UNIT }).replace(/^\S+ /, "") : String(amount);
  return {
    slot,
    state,
    seller: home.nameOfSeller(seller) ?? toHex(seller),
    assertion,
    left: text(faceValue(left)),
    tokens: tokenCount(left),
    allowance: text(allowance),
    spendBy: new Date(spendBy_seconds * 1000).toISOString(),
  };
}

function addSpend(tokens: Command): void {
  withDevice(tokens.command("spend"))
    .description("fetch what costs token halves, and pay for it")
    .argument("<owner>", "for example alice")
    .argument("<url>", "what to fetch")
    .option("--max <amount>", `the most that it may cost (default: ${MAX_PRICE})`)
    .option("--pin <digits>", PIN_HELP, pinDigits)
    .action(async (owner: string, url: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<OwnerOptions & { readonly max?: string }>();
      if (!URL.canParse(url)) throw new UsageError(`"${url}" is not a URL. Nothing was paid.`);
      const maxPrice = parseTokenMoney(options.max ?? MAX_PRICE);
      let paid: Money | undefined;
      const { status, body } = await withTokens(options, async (tokens) => {
        const purse = await purseOf(tokens, owner, pinOf(options), placeOf(options));
        const onPay = ({ price }: { readonly price: Money }) => {
          paid = price;
        };
        const pay = payingFetch({ purses: [purse], maxPrice, onPay, keeper: purse.keeper });
        const response = await pay(url);
        return { status: response.status, body: await response.text() };
      });
      const output = outputFor(options);
      const text = printableText(body);
      const price = paid === undefined ? null : moneyJson(paid);
      output.result({ owner, url, status, paid: price, body }, [
        text,
        paid === undefined ? `Nothing was paid (status ${status}).` : `Paid ${formatMoney(paid)}.`,
      ]);
      if (status >= 400) process.exitCode = EXIT_FAILED;
    });
}

/** A stranger's text, line by line. */
function printableText(body: string): string {
  return body.trimEnd().split("\n").map(printable).join("\n");
}

function addAllow(tokens: Command): void {
  withDevice(tokens.command("allow"))
    .description("let a seller's terminal take so much from the card without the PIN")
    .argument("<owner>", "for example alice")
    .argument("<seller>", "a name from `tally seller list`")
    .argument("<amount>", 'for example "USD 0.05"; 0 ends it')
    .option("--pin <digits>", PIN_HELP, pinDigits)
    .action(async (owner: string, seller: string, text: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<OwnerOptions>();
      const money = text === "0" ? { amount: 0n, unit: TOKEN_UNIT } : parseTokenMoney(text);
      await withPurse(options, owner, async (card, home) => {
        const { slot } = await purseFor(card, home, { owner, seller, assertion: null });
        return card.allow(slot, money.amount);
      });
      const line = `${seller} may take ${formatMoney(money)} from ${owner}'s card without the PIN.`;
      outputFor(options).result({ owner, seller, ...moneyJson(money) }, [line]);
    });
}

interface Whose {
  readonly owner: string;
  readonly seller: string;
  /** Null: money. */
  readonly assertion: string | null;
}

/** The purse for a seller: the open one, or one that is closed and not refunded yet. */
async function purseFor(card: PurseCard, home: HomeTokens, { owner, seller, assertion }: Whose): Promise<PurseRecord> {
  const { id } = home.door(seller);
  const purses = (await card.purses()).filter((each) => equalBytes(each.seller, id) && each.assertion === assertion);
  const found = purses.find(({ state }) => state === "open") ?? purses.find(({ state }) => state === "closed");
  if (found !== undefined) return found;
  throw new TokenError("no-purse", `${owner} has no tokens for ${seller}. Nothing was done and no money moved.`);
}

function addRefund(tokens: Command): void {
  withDevice(tokens.command("refund"))
    .description("have back what was not spent: no half of these tokens is good any more")
    .argument("<owner>", "for example alice")
    .argument("<seller>", "a name from `tally seller list`")
    .option("--authorization <assertion>", "give back authorizations instead", assertionWord)
    .option("--pin <digits>", PIN_HELP, pinDigits)
    .action(async (owner: string, seller: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<OwnerOptions & { readonly authorization?: string }>();
      const assertion = options.authorization ?? null;
      const isMoney = assertion === null;
      const issuer = isMoney ? "mint" : "clearance";
      const refund = await withPurse(options, owner, async (card, home) => {
        const { slot } = await purseFor(card, home, { owner, seller, assertion });
        const answer = await refundTokens(card, slot, (sealed) => home.issuer(issuer).refund(sealed));
        return answer.state === "closed" ? home.noticeOf(issuer, answer.notice) : answer;
      });
      const output = outputFor(options);
      if ("state" in refund) {
        const by = new Date(refund.paidBy_seconds * 1000).toISOString().slice(0, 10);
        const line = `${seller} has not given its purse back yet. What it did not earn comes back by ${by} at the latest; ask again.`;
        output.result({ owner, seller, state: "recalled", paidBy: by }, [line]);
        process.exitCode = EXIT_OPEN;
        return;
      }
      const { amount, unit, tokens: count } = refund;
      const back = isMoney ? `${formatMoney({ amount, unit })} came back` : `${count} authorizations are given back`;
      const json = isMoney ? moneyJson({ amount, unit }) : {};
      output.result({ owner, seller, state: "closed", tokens: count, ...json }, [
        `${back} from ${seller} (${count} tokens).`,
      ]);
    });
}

function addRedeem(tokens: Command): void {
  tokens
    .command("redeem")
    .description("a seller presents the tokens that it took in, and is credited")
    .argument("<seller>", "a name from `tally seller list`")
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const { credited, failed } = await withTokens(options, async (tokens) => (await tokens.seller(name)).redeem());
      const money = credited.filter(({ unit }) => unit.currency !== 0);
      const sum: Money = { amount: money.reduce((all, { amount }) => all + amount, 0n), unit: TOKEN_UNIT };
      const count = money.reduce((all, each) => all + each.tokens, 0);
      const line =
        count === 0 ? "There was nothing to redeem." : `${name} redeemed ${count} tokens: ${formatMoney(sum)}.`;
      const failures = failed.map(({ message }) => message);
      outputFor(options).result({ seller: name, tokens: count, ...moneyJson(sum), failed: failures }, [
        line,
        ...failures,
      ]);
      if (failed.length > 0) process.exitCode = EXIT_FAILED;
    });
}

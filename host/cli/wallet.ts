/** `tally wallet`: what a person does with electronic money. */

import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import { MEMO_BYTES_MAX } from "../../firmware/protocol/limits.js";
import { LOG_RECEIVED, LOG_SENT, OUTCOME_COMMITTED } from "../../firmware/protocol/messages.js";
import type { CustomerPrompts } from "../applications/buy.js";
import { deal } from "../applications/deal.js";
import { pay } from "../applications/pay.js";
import { receive } from "../applications/receive.js";
import { shop } from "../applications/shop.js";
import { toHex } from "../codec/bytes.js";
import { inProcessLink } from "../communications/in-process.js";
import type { LogEntry } from "../element-data.js";
import type { CardOffer, ReceiptFields } from "../notices.js";
import { formatDecimal, formatMoney, type Money, parseMoney } from "../units.js";
import type { World } from "../world/world.js";
import { type GlobalOptions, outputFor, withWorld } from "./context.js";
import { EXIT_UNCONFIRMED, moneyJson } from "./output.js";

interface TradeOptions extends GlobalOptions {
  readonly merchant?: string;
  readonly yes?: boolean;
}

/** A prompt that nobody can answer. */
export class UnconfirmedError extends Error {
  readonly exitCode = EXIT_UNCONFIRMED;

  constructor(question: string) {
    super(`"${question}" needs an answer and there is no terminal to ask on. No money moved. Add --yes to agree.`);
    this.name = "UnconfirmedError";
  }
}

export function addWallet(program: Command): void {
  const wallet = program.command("wallet").description("hold, buy, sell and pay electronic money");
  addBalance(wallet);
  addTrade(wallet, "buy", "buy electronic money with a bank card, from the cheapest merchant");
  addTrade(wallet, "sell", "sell electronic money into the account of a bank card");
  addPay(wallet);
  addResume(wallet);
  addLog(wallet);
}

function addBalance(wallet: Command): void {
  wallet
    .command("balance")
    .description("what a wallet holds")
    .argument("<owner>", "alice, bob or carol")
    .action(async (owner: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const balances = await withWorld(options, (world) => world.customer(owner).device.module.balances());
      const parts = balances.map(({ unit, spendable, offered, inDoubt }) => ({
        spendable: { amount: spendable, unit },
        offered: { amount: offered, unit },
        inDoubt: { amount: inDoubt, unit },
      }));
      const value = parts.map((part) => ({
        currency: moneyJson(part.spendable).currency,
        spendable: moneyJson(part.spendable).amount,
        offered: moneyJson(part.offered).amount,
        inDoubt: moneyJson(part.inDoubt).amount,
      }));
      const lines = parts.map((part) => {
        const doubt = part.inDoubt.amount > 0n ? `, ${formatMoney(part.inDoubt)} in doubt: resume with the payer` : "";
        return `${formatMoney(part.spendable)}${doubt}`;
      });
      outputFor(options).result({ owner, balances: value }, lines.length > 0 ? lines : ["The wallet is empty."]);
    });
}

function addTrade(wallet: Command, direction: "buy" | "sell", description: string): void {
  wallet
    .command(direction)
    .description(description)
    .argument("<owner>", "alice, bob or carol")
    .argument("<amount>", 'for example "USD 20.00"')
    .option("--merchant <name>", "a merchant by name, instead of the cheapest")
    .option("--yes", "agree to merchant and receipt without being asked")
    .action(async (owner: string, text: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<TradeOptions>();
      const money = parseMoney(text);
      const result = await withWorld(options, (world) => tradeIn(world, owner, direction, money, options));
      const { authorization, fee } = result.receipt;
      const cost = formatMoney(authorization);
      const feeText = formatDecimal(fee, authorization.unit.exponent);
      const verb = direction === "buy" ? "bought" : "sold";
      const account = direction === "buy" ? `${cost} were debited` : `${cost} were credited`;
      outputFor(options).result(
        {
          owner,
          merchant: result.merchant,
          money: moneyJson(money),
          account: moneyJson(authorization),
          fee: feeText,
          provisional: result.provisional,
        },
        [`${owner} ${verb} ${formatMoney(money)} at ${result.merchant}; ${account}, ${feeText} of it is the fee.`],
      );
    });
}

async function tradeIn(world: World, owner: string, direction: "buy" | "sell", money: Money, options: TradeOptions) {
  const { device, plan } = world.customer(owner);
  const [card] = plan.cards;
  const unit = card === undefined ? undefined : world.accountUnit(card.bank);
  if (unit === undefined) throw new Error(`${owner} has no card. No money moved.`);
  const place = options.merchant ?? (await shop(world.directory, direction, money, unit))[0].merchant.address;
  const { merchant } = world.trader(place);
  const prompts = promptsOf(merchant.name, options.yes === true);
  const result = await deal({ customer: device, merchant, prompts }, direction, money);
  if (result.receipt === undefined) throw new Error("There was no receipt; look at the log before you try again.");
  return { merchant: merchant.name, receipt: result.receipt, provisional: result.provisional };
}

function promptsOf(expected: string, yes: boolean): CustomerPrompts {
  const ask = (question: string) => (yes ? Promise.resolve(true) : confirmed(question));
  return {
    confirmMerchant: (name) => (name === expected ? ask(`Deal with ${name}?`) : false),
    chooseCard: (cards: readonly CardOffer[]) => cards[0],
    confirmReceipt: (receipt: ReceiptFields) => {
      const verb = receipt.type === 1 ? "debited" : "credited";
      return ask(
        `${formatMoney(receipt.money)}: ${formatMoney(receipt.authorization)} are ${verb} on ${receipt.account}?`,
      );
    },
  };
}

async function confirmed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new UnconfirmedError(question);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // Ctrl-C and the end of input close the terminal, and no answer is a no.
    const closed = new Promise<string>((resolve) => terminal.once("close", () => resolve("")));
    terminal.once("SIGINT", () => terminal.close());
    return /^y(es)?$/i.test((await Promise.race([terminal.question(`${question} [y/N] `), closed])).trim());
  } finally {
    terminal.close();
  }
}

function requireTwo(one: string, other: string): void {
  if (one === other) throw new Error(`${one} cannot deal with itself. No money moved. Name two different owners.`);
}

function requireShort(memo: string): void {
  if (new TextEncoder().encode(memo).length <= MEMO_BYTES_MAX) return;
  throw new Error(`The memo has more than ${MEMO_BYTES_MAX} bytes. No money moved. Shorten it.`);
}

function addPay(wallet: Command): void {
  wallet
    .command("pay")
    .description("pay another wallet, without any bank or network")
    .argument("<from>", "who pays")
    .argument("<to>", "who is paid")
    .argument("<amount>", 'for example "USD 5.00"')
    .option("--memo <text>", "what it is for")
    .action(async (from: string, to: string, text: string, given: { memo?: string }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const money = parseMoney(text);
      requireShort(given.memo ?? "");
      const paid = await withWorld(options, async (world) => {
        const [near, far] = inProcessLink();
        const memo = given.memo === undefined ? {} : { memo: given.memo };
        const payee = world.customer(to).device;
        requireTwo(from, to);
        const payer = world.customer(from).device;
        const [sent, received] = await Promise.allSettled([pay(payer, near, money, memo), receive(payee, far)]);
        if (sent.status === "rejected") throw sent.reason;
        if (received.status === "rejected") throw received.reason;
        return sent.value;
      });
      outputFor(options).result({ from, to, money: moneyJson(money), payId: toHex(paid.payId) }, [
        `${from} paid ${to} ${formatMoney(money)}.`,
      ]);
    });
}

function addResume(wallet: Command): void {
  wallet
    .command("resume")
    .description("settle what a broken connection left open between two devices")
    .argument("<payer>", "the device that paid, or the customer")
    .argument("<payee>", "the other device")
    .action(async (payer: string, payee: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      requireTwo(payer, payee);
      const { committed, aborted, open } = await withWorld(options, (world) =>
        world.settle(world.device(payer), world.device(payee)),
      );
      const settled =
        committed + aborted === 0 ? "There was nothing to settle" : `${committed} stand, ${aborted} were undone`;
      outputFor(options).result({ payer, payee, committed, aborted, open }, [`${settled}; ${open} are still open.`]);
    });
}

const LOG_KINDS: ReadonlyMap<number, string> = new Map([
  [LOG_SENT, "sent"],
  [LOG_RECEIVED, "received"],
]);

function addLog(wallet: Command): void {
  wallet
    .command("log")
    .description("the last transactions of a wallet, newest first")
    .argument("<owner>", "alice, bob or carol")
    .action(async (owner: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const log = await withWorld(options, (world) => world.customer(owner).device.module.log());
      const entries = log.map(entryOf);
      const lines = entries.map(
        (entry) =>
          `${entry.date}  ${entry.kind.padEnd(8)} ${entry.currency} ${entry.amount.padStart(10)}  ${entry.outcome}`,
      );
      outputFor(options).result({ owner, log: entries }, lines.length > 0 ? lines : ["Nothing has happened yet."]);
    });
}

function entryOf(entry: LogEntry) {
  return {
    sequence: entry.sequence,
    date: new Date(entry.date_seconds * 1000).toISOString(),
    kind: LOG_KINDS.get(entry.kind) ?? `kind ${entry.kind}`,
    ...moneyJson(entry.money),
    peer: toHex(entry.peer),
    payId: toHex(entry.payId),
    outcome: entry.outcome === OUTCOME_COMMITTED ? "done" : "aborted",
  };
}
